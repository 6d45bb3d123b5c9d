"""No gateway call inside a database transaction: locks would be held for as long as Razorpay takes.

Asked before each call. The atomic block that Django's TestCase (and so pytest-django's `db`) opens
around a whole test doesn't count: Django marks it itself, for the same reason, so that `durable=True`
works in tests. A block that the code under test opens does count, in any test.
"""

from django.conf import settings
from django.db import connections

from .errors import GatewayCallInsideTransaction


def refuse_inside_transaction(call: str) -> None:
    """Raises GatewayCallInsideTransaction when any connection of this thread has one open."""
    if not settings.configured:
        return
    for connection in connections.all(initialized_only=True):
        opened = [block for block in connection.atomic_blocks if not getattr(block, "_from_testcase", False)]
        by_hand = (
            connection.connection is not None and not connection.in_atomic_block and not connection.autocommit
        )
        if opened or by_hand:
            raise GatewayCallInsideTransaction(f"{call} while a transaction is open on {connection.alias!r}")
