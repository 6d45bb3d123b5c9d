"""Reads docs/accounts.md as a script: its `ledger` blocks are events, its tables say which rows there are then.

A table whose first heading is the name of a database table lists every row of it, by a label in the first column;
the other headings are columns, as `Story.rows` knows them. Each section (`##`) has a clinic of its own.
"""

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from clinics.models import Clinic
from credits.models import (
    CreditAccount,
    CreditGrant,
    CreditTransaction,
    GrantConsumption,
    Reversal,
    TopUp,
)
from credits.services import ledger
from credits.services.ledger import BillingService
from leads.models import Lead
from tests import steps
from tests.clock import Clock
from tests.factories import ClinicFactory, enquiry

DOC = Path(__file__).resolve().parents[2] / "docs" / "accounts.md"
STEP = re.compile(r"^```ledger\n(?P<events>.*?)^```$|^(?P<table>(?:\|[^\n]*\n)+)", re.MULTILINE | re.DOTALL)

Row = dict[str, str]


@dataclass(frozen=True)
class Section:
    title: str
    steps: list[list[str] | tuple[str, list[Row]]]  # events, or a table with its rows

    @property
    def events(self) -> set[str]:
        """The first word of each event line, behind «refused …:»."""
        lines = [line for step in self.steps if isinstance(step, list) for line in step]
        return {line.rpartition(": ")[2].split()[0] for line in lines}


def sections(text: str) -> list[Section]:
    """The sections that tell something."""
    found = []
    for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        steps = [_step(match) for match in STEP.finditer(part)]
        if steps:
            found.append(Section(part.partition("\n")[0], steps))
    return found


def _step(match: "re.Match[str]") -> list[str] | tuple[str, list[Row]]:
    if match["events"] is not None:
        return [line for line in match["events"].splitlines() if line.strip()]
    lines = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in match["table"].splitlines()]
    heading, _, *rows = lines
    return heading[0], [dict(zip(heading, row, strict=True)) for row in rows]


@dataclass
class Story:
    """Plays one section on a clinic of its own."""

    clinic: Clinic = field(default_factory=ClinicFactory.create)
    clock: Clock = field(default_factory=Clock)
    leads: dict[str, int] = field(default_factory=dict)
    top_ups: dict[str, int] = field(default_factory=dict)

    def play(self, section: Section) -> None:
        for step in section.steps:
            if isinstance(step, list):
                for line in step:
                    self.happen(line)
            else:
                table, expected = step
                columns = list(expected[0]) if expected else []
                actual = [{table: label, **row} for label, row in self.rows(table)]
                assert [{name: row[name] for name in columns} for row in actual] == expected, table

    def happen(self, line: str) -> None:
        if line.startswith("refused "):
            exception, _, line = line.removeprefix("refused ").partition(": ")
            try:
                self.happen(line)
            except getattr(ledger, exception):
                return
            raise AssertionError(f"not refused: {line}")
        verb, *words = shlex.split(line)
        names = dict(word.split("=", 1) for word in words if "=" in word)
        getattr(self, verb)(*(word for word in words if "=" not in word), **names)

    # --- events: each calls the function of its name ----------------------------------------------

    def wait(self, number: str, unit: str) -> None:
        self.clock.advance(**{unit: float(number)})

    def account(self, **settings: str) -> None:
        """What the clinic itself may set; `none` takes a limit away."""
        values = {name: None if value == "none" else value for name, value in settings.items()}
        CreditAccount.objects.filter(clinic=self.clinic).update(**values)

    def top_up(self, name: str, **sold: str) -> None:
        amounts = {what: Decimal(amount) for what, amount in sold.items()}
        gross = amounts["price"] + amounts.get("tax", Decimal(0))
        self.top_ups[name] = TopUp.objects.create(clinic=self.clinic, gross=gross, **amounts).pk

    def add_credits(self, amount: str, **facts: str) -> None:
        BillingService.add_credits(self.clinic.pk, Decimal(amount), "Told in a story", **facts)  # type: ignore[arg-type]

    def credit_top_up(self, name: str) -> None:
        BillingService.credit_top_up(self.top_ups[name], f"pay_{self.top_ups[name]}")

    def adjust_credits(self, amount: str, idempotency_key: str) -> None:
        steps.adjust_credits(
            self.clinic.pk, Decimal(amount), "Told in a story", idempotency_key=idempotency_key
        )

    def deliver_lead(self, name: str, phone: str, price: str = "", review: str = "no") -> None:
        asked = enquiry(
            self.clinic, int(phone), Decimal(price) if price else None, hold_for_review=review == "yes"
        )
        self.leads[name] = BillingService.deliver_lead(asked).lead_id

    def deduct_credits_for_lead(self, name: str, cost: str) -> None:
        BillingService.deduct_credits_for_lead(self.clinic.pk, Decimal(cost), self.leads[name])

    def refund_lead(self, name: str, amount: str) -> None:
        steps.refund_lead(self.leads[name], Decimal(amount), "Told in a story")

    def take_back_top_up(self, name: str, key: str, paise: str) -> None:
        BillingService.take_back_top_up(self.top_ups[name], key, int(paise))

    def restore_reversal(self, key: str) -> None:
        BillingService.restore_reversal(key)

    def release_lead(self, name: str) -> None:
        BillingService.release_lead(self.leads[name])

    def refuse_lead(self, name: str) -> None:
        BillingService.refuse_lead(self.leads[name])

    def withdraw_lead(self, name: str) -> None:
        BillingService.withdraw_lead(self.leads[name])

    def release_leads(self) -> None:
        BillingService.release_leads(self.clinic.pk)

    def expire_leads(self) -> None:
        BillingService.expire_leads(self.clinic.pk)

    def expire_grants(self) -> None:
        BillingService.expire_grants(self.clinic.pk)

    # --- rows: label and cells, in the order they were made ---------------------------------------

    def rows(self, table: str) -> list[tuple[str, Row]]:
        reader: Callable[[], list[tuple[str, dict[str, Any]]]] = getattr(self, f"_{table}")
        return [(label, {name: _cell(value) for name, value in cells.items()}) for label, cells in reader()]

    def _credit_accounts(self) -> list[tuple[str, dict[str, Any]]]:
        return [("the clinic", dict(CreditAccount.objects.filter(clinic=self.clinic).values().get()))]

    def _credit_transactions(self) -> list[tuple[str, dict[str, Any]]]:
        rows = CreditTransaction.objects.filter(clinic=self.clinic).order_by("id")
        return [
            (
                str(row.sequence),
                {
                    "transaction_type": row.transaction_type,
                    "amount": f"{row.amount:+}",
                    "balance_after": row.balance_after,
                    "for": self._purpose(row),
                },
            )
            for row in rows
        ]

    def _purpose(self, row: CreditTransaction) -> str:
        if row.lead_id:
            return f"lead {self._name(self.leads, row.lead_id)}"
        if row.reversal is not None:
            return f"loss {row.reversal.key}"
        if row.top_up_id:
            return f"top-up {self._name(self.top_ups, row.top_up_id)}"
        return row.payment_id or ""

    def _credit_grants(self) -> list[tuple[str, dict[str, Any]]]:
        used = [pk for _, pk in self._consumption_labels()]
        return [
            (
                f"g{number}",
                {
                    "row": grant.transaction.sequence,
                    "kind": grant.kind,
                    "amount": grant.amount,
                    "remaining": grant.remaining,
                    "valid": f"{(grant.expires_at - grant.created_at).days} days"
                    if grant.expires_at
                    else "always",
                    "origin": f"c{used.index(grant.origin_id) + 1}" if grant.origin_id else "",
                    "purchase": self._name(self.top_ups, grant.purchase_id),
                },
            )
            for number, grant in enumerate(self._grants(), start=1)
        ]

    def _grants(self) -> list[CreditGrant]:
        return list(
            CreditGrant.objects.filter(clinic=self.clinic).select_related("transaction").order_by("id")
        )

    def _consumption_labels(self) -> list[tuple[str, int]]:
        rows = GrantConsumption.objects.filter(grant__clinic=self.clinic).order_by("id")
        return [(f"c{number}", row.pk) for number, row in enumerate(rows, start=1)]

    def _grant_consumptions(self) -> list[tuple[str, dict[str, Any]]]:
        grants = [grant.pk for grant in self._grants()]
        found = []
        for label, pk in self._consumption_labels():
            row = GrantConsumption.objects.select_related("transaction").get(pk=pk)
            cells = {
                "row": row.transaction.sequence,
                "grant": f"g{grants.index(row.grant_id) + 1}",
                "amount": row.amount,
                "returned": row.returned,
            }
            found.append((label, cells))
        return found

    def _reversals(self) -> list[tuple[str, dict[str, Any]]]:
        rows = Reversal.objects.filter(top_up__clinic=self.clinic).order_by("id")
        return [(row["key"], dict(row)) for row in rows.values()]

    def _leads(self) -> list[tuple[str, dict[str, Any]]]:
        found = []
        for row in Lead.objects.filter(clinic=self.clinic).order_by("id"):
            cells = {
                "cost": row.cost,
                "delivery_state": row.delivery_state,
                "reason": row.held_reason or row.expired_reason,
                "repeat_of": self._name(self.leads, row.repeat_of_id),
                "refunded_total": row.refunded_total,
            }
            found.append((self._name(self.leads, row.pk), cells))
        return found

    @staticmethod
    def _name(names: dict[str, int], pk: int | None) -> str:
        return next((name for name, named in names.items() if named == pk), "")


def _cell(value: Any) -> str:
    return "" if value is None else str(value)
