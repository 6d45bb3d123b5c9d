"""The least that calling the same SQL functions can cost: psycopg alone, prepared, autocommit."""

from dataclasses import fields
from decimal import Decimal
from typing import Any

import psycopg
from django.db import connections

from credits.services.ledger import Enquiry

NAMES = [field.name for field in fields(Enquiry)]
DELIVER = f"SELECT * FROM deliver_lead({', '.join(f'p_{name} => %s' for name in NAMES)}, p_without_account => false)"
DEDUCT = "SELECT * FROM deduct_credits_for_lead(p_clinic_id => %s, p_cost => %s, p_lead_id => %s)"
ADD = (
    "SELECT * FROM add_credits(p_clinic_id => %s, p_amount => %s, p_description => %s,"
    " p_top_up_id => %s, p_payment_id => %s, p_idempotency_key => %s)"
)


def connect(alias: str = "default") -> "psycopg.Connection[tuple[Any, ...]]":
    """A connection like Django's own: the same role, timeouts and server; Django's adapters are not on it."""
    parameters = connections[alias].get_connection_params()
    wanted = ("host", "port", "user", "password", "dbname", "options")
    return psycopg.connect(**{key: parameters[key] for key in wanted if parameters.get(key)}, autocommit=True)


class Bare:
    def __init__(self) -> None:
        self.connection = connect()

    def deliver(self, values: tuple[Any, ...]) -> Any:
        return self._call(DELIVER, values)

    def deduct(self, held: tuple[int, Decimal, int]) -> Any:
        return self._call(DEDUCT, held)

    def add(self, credit: tuple[Any, ...]) -> Any:
        return self._call(ADD, credit)

    def _call(self, statement: str, values: tuple[Any, ...]) -> Any:
        return self.connection.execute(statement, values, prepare=True).fetchone()


def values_of(enquiry: Enquiry) -> tuple[Any, ...]:
    return tuple(getattr(enquiry, name) for name in NAMES)
