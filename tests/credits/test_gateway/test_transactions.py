"""No call inside a transaction; these need the database."""

import datetime
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from billing_site.razorpay_sandbox import RunningSandbox
from credits.gateway import (
    Gateway,
    GatewayCallInsideTransaction,
)

from .calls import ORDER_ID, order, refund


@pytest.mark.django_db
def test_the_transaction_that_a_test_itself_runs_in_does_not_count(gateway: Gateway) -> None:
    assert connection.in_atomic_block

    assert order(gateway)["status"] == "created"


@pytest.mark.django_db
def test_a_call_inside_a_transaction_is_refused_even_in_a_rolled_back_test(
    gateway: Gateway, sandbox: RunningSandbox
) -> None:
    with transaction.atomic(), pytest.raises(GatewayCallInsideTransaction, match="create order"):
        order(gateway)

    assert sandbox.control("state")["orders"] == {}
    assert order(gateway)["status"] == "created"


@pytest.mark.django_db(transaction=True)
def test_a_call_inside_a_transaction_is_refused_where_commits_are_real(gateway: Gateway) -> None:
    with transaction.atomic(), pytest.raises(GatewayCallInsideTransaction):
        order(gateway)
    assert order(gateway)["status"] == "created"

    transaction.set_autocommit(False)
    try:
        with pytest.raises(GatewayCallInsideTransaction):
            order(gateway)
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)


@pytest.mark.django_db
def test_a_generator_that_is_read_inside_a_transaction_is_refused(gateway: Gateway) -> None:
    payments = gateway.list_payments(since=0, until=1)

    with transaction.atomic(), pytest.raises(GatewayCallInsideTransaction, match="list payments"):
        next(payments)


@pytest.mark.django_db
def test_every_call_of_the_gateway_asks_for_the_transaction(gateway: Gateway) -> None:
    calls: dict[str, Callable[[], Any]] = {
        "create_order": lambda: order(gateway),
        "find_orders_by_receipt": lambda: gateway.find_orders_by_receipt("tu-1"),
        "fetch_order": lambda: gateway.fetch_order(ORDER_ID),
        "order_payments": lambda: gateway.order_payments(ORDER_ID),
        "fetch_payment": lambda: gateway.fetch_payment("pay_TestVector0001"),
        "list_payments": lambda: list(gateway.list_payments(since=0, until=1)),
        "capture": lambda: gateway.capture("pay_TestVector0001", 100),
        "refund": lambda: refund(gateway, "pay_TestVector0001"),
        "refunds_of_payment": lambda: gateway.refunds_of_payment("pay_TestVector0001"),
        "fetch_refund": lambda: gateway.fetch_refund("rfnd_TestVector0001"),
        "settlement_recon": lambda: list(gateway.settlement_recon(datetime.date(2026, 11, 5))),
        "list_disputes": lambda: list(gateway.list_disputes()),
        "fetch_dispute": lambda: gateway.fetch_dispute("disp_TestVector0001"),
    }
    public = {name for name, _ in inspect.getmembers(Gateway, inspect.isfunction) if not name.startswith("_")}
    assert public - {"close"} == set(calls)

    with transaction.atomic():
        for call in calls.values():
            with pytest.raises(GatewayCallInsideTransaction):
                call()
