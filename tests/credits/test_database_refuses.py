"""What the database refuses whoever asks: here a superuser with psql, on committed books."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import psycopg
import pytest
from psycopg import errors
from pytest_django.plugin import DjangoDbBlocker

from tests.conftest import DATABASE
from tests.credits.psql import superuser_session
from tests.credits.rich_history import History, make_history

# Of these tables a row is a fact; the columns named here are all that may still move.
MOVING_COLUMNS: dict[str, set[str]] = {
    "credit_transactions": set(),
    "credit_grants": {"remaining"},
    "grant_consumptions": {"returned"},
    "reversals": {"state", "owed_open", "restored_at"},
    "lead_pricing_tiers": set(),
    "lead_pricing_versions": set(),
    "consent_notices": set(),
    "leads": {
        *("delivery_state", "held_reason", "expired_reason", "expired_at", "delivered_at", "repeat_of_id"),
        *("refunded_total", "status", "city", "source", "contact_intent", "is_minor", "preferred_date"),
        *("treatment_id", "opened_at", "opened_by_id"),
    },
    "credit_accounts": {
        *("balance", "owed", "last_sequence", "last_posted_at", "charged_on", "charged_today"),
        *("charged_this_month", "daily_cap", "monthly_cap", "highest_cost", "paused_at", "paused_until"),
        *("auto_release", "frozen_at", "frozen_reason", "low_balance_thresholds", "low_balance_told"),
    },
}


class Psql:
    """Runs statements and takes them back; `{names}` in them are ids of the history."""

    def __init__(self, connection: "psycopg.Connection[Any]", history: History) -> None:
        self.connection = connection
        self.ids = {name: getattr(history, name).pk for name in History.__dataclass_fields__}

    def run(self, *statements: str) -> None:
        with self.connection.transaction(force_rollback=True):
            for statement in statements:
                self.connection.execute(statement.format(**self.ids))
            self.connection.execute("SET CONSTRAINTS ALL IMMEDIATE")  # as COMMIT would

    def refusal(self, *statements: str) -> psycopg.Error:
        with pytest.raises(psycopg.Error) as refused:
            self.run(*statements)
        return refused.value


@pytest.fixture(scope="module")
def psql(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Psql]:
    """A superuser on a rich history; the database is put back after this module."""
    with django_db_blocker.unblock():
        history = make_history()
        with superuser_session() as superuser:
            yield Psql(superuser, history)
        DATABASE.restore()


# --- rows of the past -----------------------------------------------------------------------------


@pytest.mark.parametrize("table", MOVING_COLUMNS)
@pytest.mark.parametrize("deed", ["DELETE FROM", "TRUNCATE"])
def test_rows_of_the_past_are_not_removed(psql: Psql, deed: str, table: str) -> None:
    refused = psql.refusal(f"{deed} {table}{' CASCADE' if deed == 'TRUNCATE' else ''}")

    assert isinstance(refused, errors.RestrictViolation)
    message = str(refused.diag.message_primary)
    assert message.startswith(f"{deed.split(maxsplit=1)[0]} of {table} is refused: ")


@pytest.mark.parametrize("table", MOVING_COLUMNS)
def test_of_rows_of_the_past_only_what_may_move_moves(psql: Psql, table: str) -> None:
    columns = psql.connection.execute(
        "SELECT column_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name = %s AND is_generated = 'NEVER'",
        [table],
    ).fetchall()

    movable = set()
    for (column,) in columns:
        with suppress(errors.RestrictViolation):
            psql.run(f"UPDATE {table} SET {column} = {column}")
            movable.add(column)

    assert movable == MOVING_COLUMNS[table]


@pytest.mark.parametrize("column", ["clinic_id", "price", "bonus", "promo_bonus", "tax", "gross", "currency"])
def test_what_an_ordered_top_up_sells_is_frozen(psql: Psql, column: str) -> None:
    order = "UPDATE top_ups SET razorpay_order_id = 'order_1' WHERE id = {draft}"

    psql.run(f"UPDATE top_ups SET {column} = {column} WHERE id = {{draft}}")
    for refused in (
        psql.refusal(order, f"UPDATE top_ups SET {column} = {column} WHERE id = {{draft}}"),
        psql.refusal(f"UPDATE top_ups SET {column} = {column} WHERE id = {{purchase}}"),
    ):
        assert refused.diag.message_primary == "UPDATE of top_ups is refused: its rows never change"


@pytest.mark.parametrize("deed", ["DELETE FROM top_ups", "TRUNCATE top_ups CASCADE"])
def test_top_ups_are_not_removed(psql: Psql, deed: str) -> None:
    assert isinstance(psql.refusal(deed), errors.RestrictViolation)


@pytest.mark.parametrize("clinic", ["quiet", "clinic"])
def test_a_clinic_with_an_account_is_not_deleted(psql: Psql, clinic: str) -> None:
    assert isinstance(
        psql.refusal(f"DELETE FROM clinics WHERE id = {{{clinic}}}"), errors.ForeignKeyViolation
    )


# --- rows that cannot be --------------------------------------------------------------------------


def movement(kind: str, amount: str, **values: str) -> str:
    """An INSERT of a ledger row that would be right but for what a test changes."""
    row = {
        "clinic_id": "{clinic}",
        "sequence": "999",
        "amount": amount,
        "balance_after": "0",
        "transaction_type": f"'{kind}'",
        "description": "''",
        "created_at": "now()",
        **values,
    }
    return f"INSERT INTO credit_transactions ({', '.join(row)}) VALUES ({', '.join(row.values())})"


def reversal(**values: str) -> str:
    row = {
        "key": "'rfnd_new'",
        "top_up_id": "{purchase}",
        "loss_paise": "1",
        "paid_share": "10",
        "bonus_share": "5",
        "bonus_forgiven": "0",
        "owed_open": "0",
        "created_at": "now()",
        **values,
    }
    return f"INSERT INTO reversals ({', '.join(row)}) VALUES ({', '.join(row.values())})"


def account(change: str) -> str:
    return f"UPDATE credit_accounts SET {change} WHERE clinic_id = {{clinic}}"


def lead(change: str, name: str = "held") -> str:
    return f"UPDATE leads SET {change} WHERE id = {{{name}}}"


CONSTRAINTS = [
    # accounts
    ("account_balance_not_negative", account("balance = -0.01")),
    ("account_owed_not_negative", account("owed = -0.01")),
    ("account_owes_only_at_balance_zero", account("owed = 1")),
    ("account_limits_not_negative", account("daily_cap = -1")),
    ("account_pause_ends_after_it_starts", account("paused_at = now(), paused_until = now()")),
    ("credit_accounts_pkey", "INSERT INTO credit_accounts (clinic_id, charged_on) VALUES ({clinic}, now())"),
    # movements
    ("ledger_one_deduction_per_lead", movement("deduction", "-1", lead_id="{charged}")),
    ("ledger_one_credit_per_top_up", movement("credit", "1", top_up_id="{purchase}")),
    ("ledger_one_credit_per_payment", movement("credit", "1", payment_id="'pay_by_hand'")),
    ("ledger_one_row_per_idempotency_key", movement("credit", "1", idempotency_key="'in-the-books'")),
    ("idx_credit_transactions_clinic_id", movement("credit", "1", sequence="1")),
    ("ledger_sequence_is_positive", movement("credit", "1", sequence="0")),
    ("ledger_balance_never_negative", movement("expiry", "-1", balance_after="-0.01")),
    ("ledger_amount_is_not_zero", movement("adjustment", "0")),
    ("ledger_status_is_completed", movement("credit", "1", status="'pending'")),
    ("ledger_sign_fits_the_type", movement("credit", "-1")),
    ("ledger_sign_fits_the_type", movement("bonus", "-1")),
    ("ledger_sign_fits_the_type", movement("refund", "-1", lead_id="{charged}")),
    ("ledger_sign_fits_the_type", movement("deduction", "1", lead_id="{held}")),
    ("ledger_sign_fits_the_type", movement("expiry", "1")),
    ("ledger_sign_fits_the_type", movement("gift", "1")),
    ("ledger_lead_rows_name_their_lead", movement("deduction", "-1")),
    ("ledger_lead_rows_name_their_lead", movement("credit", "1", lead_id="{charged}")),
    ("ledger_reversal_rows_name_their_loss", movement("credit", "1", reversal_id="1")),
    # grants and what used them
    ("grant_remaining_within_amount", "UPDATE credit_grants SET remaining = amount + 0.01"),
    ("grant_remaining_within_amount", "UPDATE credit_grants SET remaining = -0.01"),
    ("consumption_returned_within_amount", "UPDATE grant_consumptions SET returned = amount + 0.01"),
    ("consumption_returned_within_amount", "UPDATE grant_consumptions SET returned = -0.01"),
    # losses
    ("reversals_key_key", reversal(key="'rfnd_part'")),
    ("reversal_loss_is_positive", reversal(loss_paise="0")),
    ("reversal_shares_are_bounded", reversal(owed_open="10.01")),
    ("reversal_shares_are_bounded", reversal(bonus_forgiven="5.01")),
    ("reversal_shares_are_bounded", reversal(paid_share="-1")),
    ("reversal_restored_owes_nothing", reversal(state="'restored'")),
    ("reversal_restored_owes_nothing", reversal(state="'restored'", restored_at="now()", owed_open="1")),
    # leads
    ("lead_refunds_within_its_cost", lead("refunded_total = cost + 0.01", "charged")),
    ("lead_refunds_within_its_cost", lead("refunded_total = 1")),
    ("lead_held_iff_it_has_a_reason", lead("held_reason = ''")),
    ("lead_held_iff_it_has_a_reason", lead("held_reason = 'budget'", "charged")),
    ("lead_free_iff_it_repeats_another", lead("repeat_of_id = NULL", "free")),
    ("lead_expired_iff_it_has_a_reason", lead("expired_reason = ''", "expired")),
    ("lead_received_iff_it_has_a_time", lead("delivered_at = NULL", "charged")),
    ("lead_delivery_state_is_known", lead("delivery_state = 'lost', held_reason = ''")),
    ("lead_status_is_known", lead("status = 'sold'", "charged")),
    ("lead_converted_is_not_fully_refunded", lead("status = 'converted', refunded_total = cost", "charged")),
    # top-ups
    ("top_up_paid_iff_it_has_a_payment", "UPDATE top_ups SET state = 'open' WHERE id = {purchase}"),
    ("top_up_paid_iff_it_has_a_payment", "UPDATE top_ups SET state = 'paid' WHERE id = {draft}"),
    ("top_up_gross_is_price_and_tax", "UPDATE top_ups SET gross = gross + 1 WHERE id = {draft}"),
    ("top_up_price_is_positive", "UPDATE top_ups SET price = 0, gross = 0 WHERE id = {draft}"),
    ("top_up_amounts_not_negative", "UPDATE top_ups SET bonus = -1 WHERE id = {draft}"),
]


@pytest.mark.parametrize(
    ("constraint", "statement"), CONSTRAINTS, ids=[constraint for constraint, _ in CONSTRAINTS]
)
def test_a_row_that_cannot_be_is_refused_by_its_constraint(
    psql: Psql, constraint: str, statement: str
) -> None:
    refused = psql.refusal(statement)

    assert isinstance(refused, errors.IntegrityError)
    assert refused.diag.constraint_name == constraint


@pytest.mark.parametrize(
    ("constraint", "values"),
    [
        ("grant_amount_is_positive", "'goodwill', 0, 0, now()"),
        ("grant_kind_is_known", "'gift', 1, 1, now()"),
        ("grant_paid_iff_it_never_expires", "'paid', 1, 1, now()"),
        ("grant_paid_iff_it_never_expires", "'bonus', 1, 1, NULL"),
    ],
)
def test_a_grant_that_cannot_be_is_refused(psql: Psql, constraint: str, values: str) -> None:
    refused = psql.refusal(
        "INSERT INTO credit_grants (clinic_id, transaction_id, kind, amount, remaining, expires_at, created_at)"
        f" SELECT clinic_id, id, {values}, now() FROM credit_transactions LIMIT 1"
    )

    assert refused.diag.constraint_name == constraint


def test_a_consumption_of_nothing_is_refused(psql: Psql) -> None:
    refused = psql.refusal(
        "INSERT INTO grant_consumptions (grant_id, transaction_id, amount)"
        " SELECT grant_id, transaction_id, 0 FROM grant_consumptions LIMIT 1"
    )

    assert refused.diag.constraint_name == "consumption_amount_is_positive"


@pytest.mark.parametrize("target", ["lead_id", "top_up_id", "reversal_id", "clinic_id"])
def test_a_movement_points_at_rows_that_are_there(psql: Psql, target: str) -> None:
    kind = {"lead_id": ("deduction", "-1"), "reversal_id": ("reversal", "-1")}.get(target, ("credit", "1"))

    assert isinstance(psql.refusal(movement(*kind, **{target: "0"})), errors.ForeignKeyViolation)


# --- the price list -------------------------------------------------------------------------------

NEW_LIST = "INSERT INTO lead_pricing_versions (id, note, effective_at) VALUES (0, 'new', now())"


def tiers(*ranges: str) -> str:
    rows = ", ".join(f"(0, {price_range}, 100)" for price_range in ranges)
    return f"INSERT INTO lead_pricing_tiers (version_id, price_from, price_below, credits) VALUES {rows}"


def test_a_whole_price_list_is_taken(psql: Psql) -> None:
    psql.run(NEW_LIST, tiers("0, 5000", "5000, 20000", "20000, NULL"))


@pytest.mark.parametrize(
    "ranges",
    [
        pytest.param(["0, 5000", "4999.99, NULL"], id="overlap"),
        pytest.param(["0, 5000", "5000.01, NULL"], id="gap"),
        pytest.param(["0.01, NULL"], id="not from nothing"),
        pytest.param(["0, 5000"], id="no upper end"),
        pytest.param(["0, NULL", "5000, NULL"], id="two upper ends"),
        pytest.param(["0, NULL", "5000, 6000"], id="inside another"),
    ],
)
def test_a_price_list_with_a_gap_or_an_overlap_is_refused(psql: Psql, ranges: list[str]) -> None:
    assert psql.refusal(NEW_LIST, tiers(*ranges)).diag.constraint_name == "tiers_cover_every_price_once"


def test_a_price_list_without_tiers_is_refused(psql: Psql) -> None:
    assert psql.refusal(NEW_LIST).diag.constraint_name == "tiers_cover_every_price_once"


@pytest.mark.parametrize("price_range", ["5000, 6000", "200000, NULL", "100001, 100002"])
def test_a_complete_price_list_takes_no_further_tier(psql: Psql, price_range: str) -> None:
    add = (
        "INSERT INTO lead_pricing_tiers (version_id, price_from, price_below, credits)"
        f" SELECT max(id), {price_range}, 100 FROM lead_pricing_versions"
    )

    refused = psql.refusal(add)

    assert refused.diag.constraint_name in {"tiers_cover_every_price_once", "tier_once_per_version_and_price"}


@pytest.mark.parametrize(
    ("constraint", "tier"),
    [
        ("tier_range_is_not_empty", "0, 0, 100"),
        ("tier_range_is_not_empty", "-1, NULL, 100"),
        ("tier_credits_are_positive", "0, NULL, 0"),
    ],
)
def test_a_tier_that_cannot_be_is_refused(psql: Psql, constraint: str, tier: str) -> None:
    insert = (
        f"INSERT INTO lead_pricing_tiers (version_id, price_from, price_below, credits) VALUES (0, {tier})"
    )

    assert psql.refusal(NEW_LIST, insert).diag.constraint_name == constraint


# --- what every commit promises -------------------------------------------------------------------


@pytest.mark.parametrize("setting", ["synchronous_commit", "fsync", "full_page_writes"])
def test_a_commit_is_on_the_disk(psql: Psql, setting: str) -> None:
    assert psql.connection.execute(f"SHOW {setting}").fetchone() == ("on",)
