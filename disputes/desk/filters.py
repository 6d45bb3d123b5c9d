"""Which disputes the queue shows, in which order, and which one comes next."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from django import forms
from django.db.models import Case, Count, IntegerField, Q, Value, When
from django.http import QueryDict
from django.utils.http import urlencode

from clinics.admin.base import LONGEST_SEARCH, ROWS_WITHIN_REACH, is_number
from clinics.form_fields import IdField
from clinics.models import Clinic, StaffRequest, User
from disputes.models import DisputeQuerySet, DisputeType, LeadDispute
from disputes.services.facts import (
    DisputeRate,
    days_without_answer,
    dispute_rates,
    disputes_of_lead,
    is_unanswered,
    open_requests,
    policies,
    suggestion_for,
    waits_for_second_person,
    with_facts,
)
from disputes.services.suggestions import NO_ANSWER_AFTER, Suggestion

PER_PAGE: Final = 50
SOON: Final = timedelta(hours=8)
SEARCH_HELP: Final = "A dispute's number, «lead 12», «clinic 7» or «clinic sunrise»."
Status = LeadDispute.Status


class QueueForm(forms.Form):
    """The filters; they go along in the address of every page of the desk."""

    q = forms.CharField(label="Search", required=False, max_length=LONGEST_SEARCH)
    state = forms.ChoiceField(
        label="State",
        required=False,
        choices=[
            ("", "Pending"),
            *[choice for choice in Status.choices if choice[0] != "pending"],
            ("any", "All"),
        ],
    )
    reason = forms.ChoiceField(label="Reason", required=False, choices=[("", "All"), *DisputeType.choices])
    assigned = forms.ChoiceField(
        label="Assigned", required=False, choices=[("", "All"), ("me", "To me"), ("nobody", "To nobody")]
    )
    due = forms.ChoiceField(label="Due", required=False, choices=[("", "All"), ("overdue", "Overdue")])
    waiting = forms.ChoiceField(
        label="Waits for",
        required=False,
        choices=[
            ("", "All"),
            ("us", "Us"),
            ("clinic", "The clinic"),
            ("unanswered", f"The clinic, for {NO_ANSWER_AFTER.days} days"),
            ("second", "A second person"),
        ],
    )
    appeal = forms.ChoiceField(
        label="Appeals", required=False, choices=[("", "All"), ("only", "Only appeals")]
    )
    clinic = IdField(required=False, widget=forms.HiddenInput)


Tone = Literal["good", "wait", "bad", "plain"]


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One line of the queue."""

    dispute: Any
    suggestion: Suggestion
    rate: DisputeRate
    at: datetime

    @property
    def at_stake(self) -> Any:
        return self.dispute.lead.cost - self.dispute.lead.refunded_total

    @property
    def age(self) -> str:
        return in_words((self.dispute.resolved_at or self.at) - self.dispute.created_at)

    @property
    def time_left(self) -> tuple[Tone, str]:
        return time_left(self.dispute, self.at)

    @property
    def days_without_answer(self) -> int:
        return days_without_answer(self.dispute, self.at)


def time_left(dispute: LeadDispute, at: datetime) -> tuple[Tone, str]:
    """In words, and in which tone."""
    left = dispute.time_left(at)
    words = in_words(abs(left))
    if dispute.status != Status.PENDING:
        return "plain", dispute.get_status_display()
    if dispute.awaiting_clinic_since is not None:
        return "plain", f"Stands still, {words} {'over' if left < timedelta(0) else 'left'}"
    if left < timedelta(0):
        return "bad", f"Overdue by {words}"
    return ("wait" if left < SOON else "plain"), f"{words} left"


def in_words(span: timedelta) -> str:
    """«2 d 3 h», «3 h», «12 min»: as exact as one needs to choose what to do first."""
    days, hours, minutes = span.days, span.seconds // 3600, span.seconds // 60
    if days:
        return f"{days} d {hours} h" if hours and days < 10 else f"{days} d"
    return f"{hours} h" if hours else f"{minutes} min"


class Queue:
    """The queue as one member of staff narrowed it."""

    def __init__(self, data: QueryDict, user: User, at: datetime) -> None:
        self.user, self.at = user, at
        self.form = QueueForm(data, label_suffix="")
        self.is_valid = self.form.is_valid()
        self.chosen: dict[str, Any] = {
            name: value for name, value in self.form.cleaned_data.items() if value and self.is_valid
        }
        page = data.get("p", "1")
        self.page = min(int(page), ROWS_WITHIN_REACH) if is_number(page) and int(page) else 1

    @property
    def query(self) -> str:
        """The filters in force, for an address: «?due=overdue», or nothing."""
        return f"?{urlencode(self.chosen)}" if self.chosen else ""

    @property
    def is_search_understood(self) -> bool:
        return not self.chosen.get("q") or self._found(LeadDispute.objects.all()) is not None

    @property
    def clinic(self) -> Clinic | None:
        return Clinic.objects.filter(pk=self.chosen["clinic"]).first() if "clinic" in self.chosen else None

    def disputes(self) -> DisputeQuerySet:
        if not self.is_valid:
            return LeadDispute.objects.none()
        found = self._found(LeadDispute.objects.all())
        if found is None:
            return LeadDispute.objects.none()
        # What is searched for by name or number may be decided already.
        state = self.chosen.get("state") or ("any" if self.chosen.get("q") else Status.PENDING)
        narrowed = self._narrowed(found)
        return narrowed if state == "any" else narrowed.filter(status=state)

    def rows(self) -> tuple[list[QueueRow], bool]:
        """One page, and whether there are more; as many statements for five disputes as for five thousand."""
        start = (self.page - 1) * PER_PAGE
        if start >= ROWS_WITHIN_REACH:
            return [], False
        keys = list(self._ordered(self.disputes()).values_list("pk", flat=True)[start : start + PER_PAGE + 1])
        shown = with_facts(LeadDispute.objects.filter(pk__in=keys[:PER_PAGE]))
        found = {
            dispute.pk: dispute
            for dispute in shown.select_related("lead__partner", "clinic", "assigned_to").annotate(
                has_request=waits_for_second_person(self.at)
            )
        }
        rules, rates = policies(), dispute_rates({one.clinic_id for one in found.values()}, self.at)
        rows = [
            QueueRow(
                one,
                suggestion_for(one, rules.get(one.dispute_type), self.at),
                rates[one.clinic_id],
                self.at,
            )
            for one in (found[key] for key in keys[:PER_PAGE] if key in found)
        ]
        return rows, len(keys) > PER_PAGE

    def counts(self) -> dict[str, int]:
        """Of all pending ones, whatever the filters: what there is to do."""
        overdue = Q(due_at__lt=self.at, awaiting_clinic_since=None)
        counts: dict[str, int] = LeadDispute.objects.pending().aggregate(
            pending=Count("pk"),
            mine=Count("pk", filter=Q(assigned_to=self.user)),
            nobody=Count("pk", filter=Q(assigned_to=None)),
            overdue=Count("pk", filter=overdue),
            clinic=Count("pk", filter=Q(awaiting_clinic_since__isnull=False)),
            unanswered=Count("pk", filter=is_unanswered(self.at)),
            appeals=Count("pk", filter=Q(appeal_of__isnull=False)),
        )
        requests = open_requests(self.at).filter(kind=StaffRequest.Kind.DISPUTE_REFUND)
        return {**counts, "second": requests.count()}

    def next_after(self, position: LeadDispute | None) -> int | None:
        """The next one this person can decide: their own first, then nobody's, by the time left; round the end."""
        mine_first = Case(
            When(assigned_to=self.user, then=Value(0)),
            When(assigned_to=None, then=Value(1)),
            default=Value(2),
            output_field=IntegerField(),
        )
        waiting = self._decidable().annotate(turn=mine_first).order_by("turn", "due_at", "pk")
        later = None
        if position is not None:
            waiting = waiting.exclude(pk=position.pk)
            turn = (
                1 if position.assigned_to_id is None else 0 if position.assigned_to_id == self.user.pk else 2
            )
            behind = Q(due_at__gt=position.due_at) | Q(due_at=position.due_at, pk__gt=position.pk)
            later = waiting.filter(Q(turn__gt=turn) | Q(turn=turn) & behind)
        for rows in (later, waiting):
            if rows is not None and (key := rows.values_list("pk", flat=True).first()) is not None:
                return key
        return None

    def _decidable(self) -> DisputeQuerySet:
        waiting = self.chosen.get("waiting")
        disputes = self.disputes().filter(status=Status.PENDING).exclude(filed_by=self.user)
        disputes = disputes.exclude(appeal_of__resolved_by=self.user)
        disputes = disputes.exclude(appeal_of__approved_by=self.user)
        if waiting != "clinic":
            disputes = disputes.filter(Q(awaiting_clinic_since=None) | is_unanswered(self.at))
        return disputes if waiting == "second" else disputes.exclude(waits_for_second_person(self.at))

    def _ordered(self, disputes: DisputeQuerySet) -> DisputeQuerySet:
        state = self.chosen.get("state")
        if state and state != "any":
            return disputes.order_by("-created_at", "-pk")  # as the index on the state goes
        if state or self.chosen.get("q"):
            return disputes.order_by("-pk")
        return disputes.most_urgent_first()

    def _found(self, disputes: DisputeQuerySet) -> DisputeQuerySet | None:
        """What the search box says, as elsewhere in the back office; None where it isn't understood."""
        term = self.chosen.get("q", "").strip()
        if not term:
            return disputes
        if is_number(term):
            return disputes.filter(pk=int(term))
        word, _, value = term.partition(" ")
        word, value = word.lower(), value.strip()
        if word == "lead" and is_number(value):
            return disputes_of_lead(disputes, int(value))
        if word == "clinic" and value:
            named = {"pk": int(value)} if is_number(value) else {"slug": value.lower()}
            # The number first, so that the disputes' own index is used.
            number = Clinic.objects.filter(**named).values_list("pk", flat=True).first()
            return disputes.filter(clinic=number) if number else disputes.none()
        return None

    def _narrowed(self, disputes: DisputeQuerySet) -> DisputeQuerySet:
        chosen = self.chosen
        if "reason" in chosen:
            disputes = disputes.filter(dispute_type=chosen["reason"])
        if "clinic" in chosen:
            disputes = disputes.filter(clinic=chosen["clinic"])
        if "assigned" in chosen:
            disputes = disputes.filter(assigned_to=self.user if chosen["assigned"] == "me" else None)
        if "due" in chosen:
            disputes = disputes.filter(status=Status.PENDING, due_at__lt=self.at, awaiting_clinic_since=None)
        if "appeal" in chosen:
            disputes = disputes.filter(appeal_of__isnull=False)
        return disputes.filter(self._waiting(chosen["waiting"])) if "waiting" in chosen else disputes

    def _waiting(self, whom: str) -> Q:
        if whom == "second":
            return Q(waits_for_second_person(self.at))
        if whom == "unanswered":
            return is_unanswered(self.at)
        asked = Q(awaiting_clinic_since__isnull=False)
        if whom == "clinic":
            return asked
        return (~asked | is_unanswered(self.at)) & ~Q(waits_for_second_person(self.at))
