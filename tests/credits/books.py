"""What the books say, as short tuples a test can compare with."""

from clinics.models import Clinic
from credits.models import CreditAccount, CreditGrant, CreditTransaction


def movements(clinic: Clinic, after: int = 0) -> list[tuple[str, str, str]]:
    """Type, amount and balance after it of each row above a sequence, oldest first."""
    rows = CreditTransaction.objects.filter(clinic=clinic, sequence__gt=after).order_by("sequence")
    return [(row.transaction_type, str(row.amount), str(row.balance_after)) for row in rows]


def open_grants(clinic: Clinic) -> list[tuple[str, str]]:
    """Kind and remaining credits of each grant that is not used up, in the order they were made."""
    grants = CreditGrant.objects.filter(clinic=clinic, open=True).order_by("id")
    return [(grant.kind, str(grant.remaining)) for grant in grants]


def account(clinic: Clinic) -> CreditAccount:
    return CreditAccount.objects.get(clinic=clinic)


def balance(clinic: Clinic) -> str:
    return str(account(clinic).balance)


def trace(clinic: Clinic) -> tuple[str, str, int, list[tuple[str, str]]]:
    """All that a refused event must leave as it was: balance, owed, last number, open grants."""
    now = account(clinic)
    return str(now.balance), str(now.owed), now.last_sequence, open_grants(clinic)
