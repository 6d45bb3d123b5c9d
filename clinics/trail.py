"""What the audit trail keeps (rule 12): the model of its rows, and the mark that puts a table under it.

The row is written by the SQL function `audit_change` (clinics/sql/audit.sql); who and why: `clinics/audit.py`.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final, NamedTuple, TypeVar

import pgtrigger
from django.apps import apps
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F
from django.db.models.functions import Now

M = TypeVar("M", bound=type[models.Model])

# What a column that points at another row says the change is about, by the model it points at.
NOUNS: Final = {
    "user": "user",
    "clinic": "clinic",
    "partner": "partner",
    "lead": "lead",
    "leaddispute": "dispute",
    "topup": "top-up",
    "treatment": "treatment",
    "webhookendpoint": "webhook-endpoint",
    "pricingversion": "price-list",
}
# Tables under the trail, by model: what a row of each is called. `tracked` fills it.
TRACKED: Final[dict[str, str]] = {"auth.group": "group"}
# The other tables of clinics/sql/audit.sql, with the model whose viewers may see what changes there.
TABLES_WITHOUT_PAGES: Final = {
    "auth_group_permissions": "auth.group",
    "users_groups": "clinics.user",
    "users_user_permissions": "clinics.user",
    "mfa_authenticator": "clinics.user",
}


def tracked_tables() -> dict[str, str]:
    """The tables under the trail, each with the model whose viewers may see its changes."""
    return {apps.get_model(label)._meta.db_table: label for label in TRACKED} | TABLES_WITHOUT_PAGES


class Trail(pgtrigger.Trigger):
    """AFTER each change of what is kept. It calls `audit_change` itself: pgtrigger's own functions can be told by any
    session to do nothing (`pgtrigger.ignore`), and run with the rights of whoever makes the change."""

    name = "audited"
    when = pgtrigger.After
    func = "RETURN NULL;"  # pgtrigger wants one; `render_execute` is what runs

    def __init__(
        self, noun: str, *, conceals: Sequence[str], leaves_out: Sequence[str], only_where: pgtrigger.Q | None
    ) -> None:
        self.noun, self.conceals, self.leaves_out = noun, frozenset(conceals), frozenset(leaves_out)
        super().__init__(
            operation=pgtrigger.Insert | pgtrigger.Update | pgtrigger.Delete, condition=only_where
        )

    def compile(self, model: type[models.Model]) -> Any:  # type: ignore[override]
        # A column list: what is left out (the balance, above all) costs its writers nothing.
        columns = sorted(field.column for field in self._kept(model))
        updates = pgtrigger.UpdateOf(*columns)  # type: ignore[no-untyped-call]
        self.operation = (
            updates if self.condition is not None else pgtrigger.Insert | updates | pgtrigger.Delete
        )
        return super().compile(model)  # type: ignore[arg-type]

    def render_execute(self, model: type[models.Model]) -> str:  # type: ignore[override]
        kept = [field for field in self._kept(model) if field.name not in self.conceals]
        about = [
            f"{field.column}={NOUNS[field.related_model._meta.model_name]}"
            for field in kept
            if field.is_relation and field.related_model._meta.model_name in NOUNS
        ]
        about += [f"{field.column}=" for field in kept if field.name == "object_key"]
        lists = (
            sorted(field.column for field in kept if not field.primary_key),
            sorted(field.column for field in self._kept(model) if field.name in self.conceals),
            sorted(about),
        )
        arguments = [self.noun, model._meta.pk.column, *("{" + ",".join(names) + "}" for names in lists)]
        return "audit_change(" + ", ".join(f"'{argument}'" for argument in arguments) + ")"

    def _kept(self, model: type[models.Model]) -> list[Any]:
        return [field for field in model._meta.concrete_fields if field.name not in self.leaves_out]


class NeverEmptied(pgtrigger.Trigger):
    """TRUNCATE would take rows away without a trace in the trail."""

    name = "audited_never_truncated"
    level = pgtrigger.Statement
    when = pgtrigger.Before
    operation = pgtrigger.Truncate
    func = "RETURN NULL;"

    def render_execute(self, model: type[models.Model]) -> str:  # type: ignore[override]
        return "refuse_emptying()"


def tracked(
    noun: str,
    *,
    conceals: Sequence[str] = (),
    leaves_out: Sequence[str] = (),
    only_where: pgtrigger.Q | None = None,
) -> Callable[[M], M]:
    """Puts a model's table under the trail; a migration follows (`makemigrations` writes it).

    `noun` names a row in searches («clinic 7»). Of the fields in `conceals` (personal data, secrets, free text) only
    that they changed is kept; those in `leaves_out` change without a trace. `only_where` is for tables that programs
    write all the time: of those the updates that meet it are kept, and nothing else.
    """

    def mark(model: M) -> M:
        TRACKED[model._meta.label_lower] = noun
        trail = Trail(noun, conceals=conceals, leaves_out=leaves_out, only_where=only_where)
        pgtrigger.register(trail, NeverEmptied())(model)
        return model

    return mark


class AuditQuerySet(models.QuerySet["AuditEvent"]):
    def about(self, noun: str, key: object) -> "AuditQuerySet":
        return self.filter(about__contains=[f"{noun}:{key}"])

    def newest_first(self) -> "AuditQuerySet":
        return self.order_by("-pk")


class Change(NamedTuple):
    """One column as people read it. `is_concealed`: it changed, its values are not kept."""

    column: str
    before: str
    after: str
    is_concealed: bool = False


class AuditEvent(models.Model):
    """One change of one row: who, when, from where, why, and what before and after. Written by a trigger in the same
    transaction, never changed, without personal data.

    An update keeps the columns that changed; `concealed` names those whose values are not kept. Without a context
    (psql, a shell) there is no actor, only the database's role and no more.
    """

    class Operation(models.TextChoices):
        INSERT = "insert", "Made"
        UPDATE = "update", "Changed"
        DELETE = "delete", "Taken away"

    class Channel(models.TextChoices):
        BACK_OFFICE = "back_office", "Back office"
        SITE = "site", "Site"
        COMMAND = "command", "Command"
        DATABASE = "database", "Database"

    occurred_at = models.DateTimeField("when", db_default=Now())
    operation = models.CharField(max_length=6, choices=Operation.choices)
    table_name = models.CharField("table", max_length=63)
    row_key = models.CharField(max_length=64)
    about = ArrayField(
        models.CharField(max_length=90), help_text="«clinic:7», «user:5»: the row itself first."
    )
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    concealed = ArrayField(models.CharField(max_length=63))
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        db_constraint=False,  # a context may name anybody; the change must not fail for it
        db_index=False,
    )
    channel = models.CharField("through", max_length=12, choices=Channel.choices)
    source = models.CharField(max_length=100, blank=True, help_text="The route or the command.")
    reason = models.CharField(max_length=300, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    context_id = models.UUIDField(null=True, help_text="One for all that one request or command changed.")
    os_user = models.CharField(max_length=64, blank=True)
    db_role = models.CharField(max_length=63)

    objects = AuditQuerySet.as_manager()

    class Meta:
        db_table = "audit_events"
        verbose_name = "audit event"
        verbose_name_plural = "trail"
        default_permissions = ("view",)
        indexes: ClassVar[list[models.Index]] = [
            GinIndex(fields=["about"], name="audit_events_about", fastupdate=False),
            models.Index(F("actor"), F("id").desc(), name="audit_events_actor"),
            models.Index(F("table_name"), F("id").desc(), name="audit_events_table"),
            models.Index(F("channel"), F("id").desc(), name="audit_events_channel"),
        ]

    def __str__(self) -> str:
        return f"Audit event {self.pk}"

    @property
    def changes(self) -> list[Change]:
        before, after = self.before or {}, self.after or {}
        kept = [
            Change(name, in_words(before.get(name)), in_words(after.get(name)))
            for name in sorted({**before, **after})
        ]
        return kept + [Change(name, "", "", is_concealed=True) for name in self.concealed]

    @property
    def row(self) -> str:
        """«clinic 7», as it is searched for."""
        return self.about[0].replace(":", " ", 1)

    @property
    def behind_it(self) -> str:
        """Who did it, as far as is known; a user's number, not their address."""
        if self.actor_id is not None:
            return f"user {self.actor_id}"
        return self.os_user or f"database role {self.db_role}"


def in_words(value: Any) -> str:
    """A value of the trail's JSON, for people and for spreadsheets."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
