"""Whatever is sent to a described route, the answer is a described one, and never a 5xx.

Cases are made by schemathesis from the description itself, half of them against it; API_CASES=full makes 1,000 for
each operation.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
import schemathesis
from django.db import transaction
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django.fixtures import Settings
from schemathesis import GenerationMode

from billing_site.openapi.generator import document
from billing_site.openapi.operation import Who
from billing_site.openapi.operations import OPERATIONS
from billing_site.razorpay_sandbox import RunningSandbox
from billing_site.wsgi import application
from clinics.models import Clinic
from credits.services import topups
from tests import factories
from tests.api.stage import ALL_SCOPES, Stage, bearer, set_stage, signed_in, token_of

pytestmark = [pytest.mark.django_db, pytest.mark.long, pytest.mark.usefixtures("kept_connection")]
IS_FULL: Final = os.environ.get("API_CASES") == "full"
CASES: Final = 1_100 if IS_FULL else 12
BY_NAME: Final = {operation.name: operation for operation in OPERATIONS.values()}
ROUTES: Final = [
    (path, method) for path, methods in document()["paths"].items() for method in sorted(methods)
]
schemathesis.checks.load_all_checks()
CHECKS: Final = [
    schemathesis.checks.CHECKS.get_one(name)
    for name in (
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
    )
]
OURS: Final = frozenset({"authorization", "cookie", "x-csrftoken", "accept-encoding"})
UNPACKED: Final = {"Accept-Encoding": "identity"}  # the tool reads no compressed answer
SCHEMA: Final = schemathesis.openapi.from_dict(document())
PRINTABLE: Final = "".join(chr(code) for code in range(33, 127))
# What proxies, old browsers and mischief add; text/html is left to the pages.
HEADERS: Final = st.dictionaries(
    st.sampled_from(
        ["Accept", "Accept-Language", "Idempotency-Key", "X-Forwarded-For", "If-None-Match", "Range"]
    ),
    st.text(PRINTABLE + "éßÿ", max_size=30).filter(lambda text: "text/html" not in text),
)


@contextmanager
def undone() -> Iterator[None]:
    """Each case meets the same stage. Django's own mark lets the gateway be called: the block is the test's."""
    block: Any = transaction.atomic()
    block._from_testcase = True
    with block:
        yield
        transaction.set_rollback(True)


def callers(stage: Stage) -> dict[Who, tuple[dict[str, str], dict[str, str]]]:
    """Headers and cookies of each."""
    return {
        Who.PARTNER: (bearer(token_of(stage.partner, *ALL_SCOPES)), {}),
        Who.CLINIC: (bearer(token_of(stage.clinic, *ALL_SCOPES)), {}),
        Who.MEMBER: signed_in(stage.owner),
        Who.STAFF: signed_in(factories.UserFactory.create(is_staff=True, is_superuser=True, password=None)),
        Who.ANYONE: ({}, {}),
    }


def paid(stage: Stage, gateway: RunningSandbox) -> dict[str, str]:
    order = topups.start(clinic=stage.clinic, by=stage.owner, amount=1000)
    outcome = gateway.control("pay", order_id=order.razorpay_order_id, vpa="success@razorpay")
    response: dict[str, str] = outcome["response"]
    return response


def made_fitting(draw: Any, stage: Stage, name: str, case: Any) -> None:
    """A generated case rarely names a lead that there is: often it is given one, and a body that is right but for
    one field."""
    # Below /admin/ what is no number is another route, which asks people to sign in.
    if case.path_parameters and (draw(st.integers(0, 3)) or case.operation.path.startswith("/admin")):
        route = stage.path(case.operation.path).split("/")
        parts = case.operation.path.split("/")
        case.path_parameters = {
            part.strip("{}"): value for part, value in zip(parts, route, strict=True) if part.startswith("{")
        }
    if (case.media_type or "").startswith("multipart/") and not isinstance(case.body, dict):
        case.body = {}  # the tool can't send other things as parts
    right = stage.body(name)
    if right and isinstance(case.body, dict) and draw(st.integers(0, 2)):
        kept = draw(st.sampled_from([None, *sorted(case.body)]))
        case.body = {**right, **({kept: case.body[kept]} if kept is not None else {})}
    if name == "payment_state" and draw(st.booleans()):
        case.query = {"top_up": stage.top_up.pk}


def made_right(stage: Stage, name: str, case: Any) -> None:
    """As the guide shows it: every part that the tool generated gives way to the stage's."""
    case.path_parameters = {
        part.strip("{}"): value
        for part, value in zip(
            case.operation.path.split("/"), stage.path(case.operation.path).split("/"), strict=True
        )
        if part.startswith("{")
    }
    queries = {"payment_state": {"top_up": stage.top_up.pk}, "price_quote": {"amount": 1000}}
    case.query = queries.get(name, {})
    case.headers = {}
    if (right := stage.body(name)) and isinstance(case.body, dict):
        case.body = right


@pytest.fixture(autouse=True)
def _no_limits(settings: Settings) -> None:
    settings.API_REQUESTS_PER_MINUTE = settings.QUOTES_PER_MINUTE = 10**6
    settings.LEADS_PER_ADDRESS_PER_MINUTE = 10**6


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route[1]} {route[0]}")
@pytest.mark.usefixtures("evidence_folder")
def test_any_case_gets_a_described_answer(
    funded_clinic: Clinic,
    other_clinic: Clinic,
    gateway: RunningSandbox,
    record_property: Callable[[str, object], None],
    route: tuple[str, str],
) -> None:
    path, method = route
    stage = set_stage(funded_clinic, other_clinic, with_file="evidence_id" in path)
    if path == "/verify-payment":
        stage.callback = paid(stage, gateway)
    operation = SCHEMA[path][method.upper()]
    described = BY_NAME[document()["paths"][path][method]["operationId"]]
    known = callers(stage)
    answers: list[int] = []

    @hypothesis_settings(
        max_examples=CASES,
        deadline=None,
        database=None,
        derandomize=not IS_FULL,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        case=st.one_of(
            operation.as_strategy(GenerationMode.POSITIVE), operation.as_strategy(GenerationMode.NEGATIVE)
        ),
        headers=HEADERS,
        data=st.data(),
    )
    def check(case: Any, headers: dict[str, str], data: Any) -> None:
        strange = not data.draw(st.integers(0, 7))
        who = data.draw(st.sampled_from(list(known) if strange else described.who))
        made_fitting(data.draw, stage, described.name, case)
        if not answers:  # the first one is right, so that each run shows what gets through
            made_right(stage, described.name, case)
            who, headers = described.who[0], {}
        credentials, case.cookies = known[who]
        sent = {**dict(case.headers or {}), **headers}
        case.headers = {name: value for name, value in sent.items() if name.lower() not in OURS}
        with undone():
            response = case.call(
                app=application, headers={**credentials, **UNPACKED}, base_url="http://localhost"
            )
        answers.append(response.status_code)
        case.validate_response(response, checks=CHECKS)

    check()

    record_property("answers", dict(sorted(Counter(answers).items())))
    assert not any(status >= 500 for status in answers)
    assert answers[0] < 300, f"what is right does not get through: {answers[0]}"
    if IS_FULL:
        assert len(answers) >= 1_000
