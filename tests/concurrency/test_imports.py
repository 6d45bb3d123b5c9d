"""Files of enquiries: several at once, beside what patients send, and killed on the way."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from django.conf import settings as site
from django.db import connection, transaction

from clinics.models import Clinic, IdempotencyKey, Partner
from credits.models import CreditAccount, CreditTransaction
from credits.services import delivery
from credits.services.delivery import deliver
from credits.services.ledger import BillingService, Delivery, Enquiry
from leads import lead_import
from leads.lead_import import LeadImport, Outcome
from leads.models import Lead, PricingTier, PricingVersion, TreatmentPackage
from tests import factories
from tests.api.stage import enquiry, partner
from tests.concurrency.books import assert_books_are_right
from tests.concurrency.threads import (
    Crowd,
    answer_then_close,
    second_waits_for_first,
    wait_until_somebody_waits_for_us,
)
from tests.web_server import database_url

pytestmark = pytest.mark.django_db(transaction=True)

CLINICS: Final = 3
LINES: Final = 120  # of each clinic


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with much to do must not make an account look stuck."""
    monkeypatch.setattr(delivery, "PATIENCE_MS", 30_000)


@pytest.fixture
def clinics(clinic: Clinic) -> list[Clinic]:
    """Of whom one can pay for all, one for some, one for none."""
    others = [factories.ClinicFactory.create() for _ in range(CLINICS - 1)]
    for one, credits_ in zip([clinic, *others], (100_000, 5_000, 0), strict=True):
        if credits_:
            factories.give_credits(one, credits_)
    return [clinic, *others]


def written(folder: Path, clinics: list[Clinic], lines: int = LINES) -> Path:
    """Line by line another clinic; every tenth patient writes to a clinic twice."""
    path = folder / "leads.jsonl"
    with path.open("w") as file:
        for number in range(lines):
            for clinic in clinics:
                phone = number - 1 if number % 10 == 9 else number
                said = enquiry(clinic, phone) | {"idempotency_key": f"{clinic.pk}-{number}"}
                file.write(json.dumps(said) + "\n")
    return path


def outcomes(partner: Partner, path: Path) -> Counter[Outcome]:
    return Counter(verdict.outcome for verdict in LeadImport(partner=partner).run(path))


def assert_each_once(partner: Partner, clinics: list[Clinic], lines: int = LINES) -> None:
    imported = Lead.objects.filter(partner=partner)
    keys = IdempotencyKey.objects.filter(caller=f"import:{partner.pk}")
    assert imported.count() == keys.count() == lines * len(clinics)
    assert set(imported.values_list("pk", flat=True)) == set(keys.values_list("answer__lead_id", flat=True))
    charged = CreditTransaction.objects.filter(transaction_type="deduction")
    assert charged.count() == Lead.objects.filter(delivery_state="delivered").count()
    assert_books_are_right()


def test_the_same_file_several_times_at_once_beside_what_patients_send(
    clinics: list[Clinic], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lead_import, "TOGETHER", 40)
    ours, path = partner(), written(tmp_path, clinics)
    back_to_front = tmp_path / "back.jsonl"
    back_to_front.write_text("".join(reversed(path.read_text().splitlines(keepends=True))))

    def patients(clinic: Clinic) -> None:
        for number in range(0, LINES, 4):
            deliver(factories.enquiry(clinic, f"+9198111{number:05d}"))  # whom the file names too

    with Crowd(3 + CLINICS) as crowd:
        *imports, _, _, _ = crowd.at_once(
            [partial(outcomes, ours, file) for file in (path, path, back_to_front)]
            + [partial(patients, clinic) for clinic in clinics]
        )

    total: Counter[Outcome] = sum(imports, Counter())
    assert total == {Outcome.STORED: LINES * CLINICS, Outcome.THERE_ALREADY: 2 * LINES * CLINICS}
    assert_each_once(ours, clinics)


def of_lines(folder: Path, lines: list[dict[str, Any]]) -> Path:
    path = folder / f"{len(lines)}.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_a_package_that_goes_while_the_account_is_waited_for_is_still_had_and_charged_to_its_clinic(
    clinics: list[Clinic], tmp_path: Path
) -> None:
    """As for an enquiry that comes alone: it is looked at before the account is locked."""
    ours, two = partner(), clinics[:2]
    packages = [factories.PackageFactory.create(clinic=clinic) for clinic in two]
    path = of_lines(tmp_path, [enquiry(own.clinic, 1, package_id=own.pk) for own in packages])

    def package_goes() -> None:
        CreditAccount.objects.select_for_update().get(pk=two[0].pk)
        TreatmentPackage.objects.filter(pk=packages[0].pk).update(is_active=False)

    _, told = second_waits_for_first(package_goes, partial(outcomes, ours, path))

    assert told == {Outcome.STORED: 2}
    assert_each_once(ours, two, lines=1)
    charged = CreditTransaction.objects.filter(transaction_type="deduction")
    assert set(charged.values_list("clinic_id", "lead__package_id")) == {
        (own.clinic_id, own.pk) for own in packages
    }


def test_a_price_list_approved_while_the_account_is_waited_for_is_the_one_they_are_charged_by(
    clinics: list[Clinic], tmp_path: Path
) -> None:
    ours, clinic = partner(), clinics[0]
    path = of_lines(tmp_path, [enquiry(clinic, number) for number in range(9)])

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            CreditAccount.objects.select_for_update().get(pk=clinic.pk)
            told = pool.submit(answer_then_close, partial(outcomes, ours, path))
            wait_until_somebody_waits_for_us()
            version = PricingVersion.objects.create(note="All the same")
            PricingTier.objects.create(version=version, price_from=0, credits=20)
        assert told.result() == {Outcome.STORED: 9}

    assert set(Lead.objects.values_list("cost", flat=True)) == {20}
    assert_each_once(ours, [clinic], lines=9)


def test_an_account_that_is_stuck_is_waited_for_once_and_each_line_is_counted_for_what_it_is(
    clinics: list[Clinic], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, (stuck, other, _) = partner(), clinics
    of_both = [enquiry(clinic, number) for clinic in (stuck, other) for number in range(4)]
    outcomes(ours, of_lines(tmp_path, [of_both[0], of_both[4]]))
    waited: list[int] = []
    deliver_lead = BillingService.deliver_lead

    def seen(one: Enquiry, *, without_account: bool = False) -> Delivery:
        if not without_account:
            waited.append(one.clinic_id)
        return deliver_lead(one, without_account=without_account)

    def impatient() -> Counter[Outcome]:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '100ms'")
        return outcomes(ours, of_lines(tmp_path, [*of_both, of_both[1]]))

    monkeypatch.setattr(BillingService, "deliver_lead", seen)
    monkeypatch.setattr(delivery, "PATIENCE_MS", 50)
    with transaction.atomic(), ThreadPoolExecutor(1) as pool:
        CreditAccount.objects.select_for_update().get(pk=stuck.pk)
        told = pool.submit(answer_then_close, impatient).result()

    assert told == {Outcome.STORED: 6, Outcome.THERE_ALREADY: 3}
    assert set(Lead.objects.values_list("clinic_id", "delivery_state", "held_reason")) == {
        (stuck.pk, "delivered", ""),
        (stuck.pk, "held", "busy"),
        (other.pk, "delivered", ""),
    }
    assert waited.count(stuck.pk) == 2  # for the line that is there already nobody waits


# In many transactions, so that it can be met between two.
IMPORT: Final = """
import sys
import django
django.setup()
from pathlib import Path
from clinics.models import Partner
from leads import lead_import
lead_import.TOGETHER = 20
for _ in lead_import.LeadImport(partner=Partner.objects.get()).run(Path(sys.argv[1])): pass
"""


def importing(path: Path) -> "subprocess.Popen[bytes]":
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "billing_site.settings",
        "DEBUG": "on",
        "DATABASE_URL": database_url("default"),
        "DATABASE_OWNER_URL": database_url("owner"),
        "LOG_LEVEL": "ERROR",
    }
    return subprocess.Popen([sys.executable, "-c", IMPORT, str(path)], cwd=site.BASE_DIR, env=environment)


def wait_until_some_are_stored() -> None:
    until = time.monotonic() + 60
    while not Lead.objects.exists():
        assert time.monotonic() < until, "nothing is stored"
        time.sleep(0.001)


def test_killed_on_the_way_it_is_taken_up_where_it_ended(clinics: list[Clinic], tmp_path: Path) -> None:
    ours, path = partner(), written(tmp_path, clinics, lines=400)
    process = importing(path)
    wait_until_some_are_stored()
    process.send_signal(signal.SIGKILL)
    assert process.wait(60) == -signal.SIGKILL
    stored = Lead.objects.count()

    again = outcomes(ours, path)

    assert 0 < stored < 400 * CLINICS, "it was not killed on the way"
    assert again == {Outcome.STORED: 400 * CLINICS - stored, Outcome.THERE_ALREADY: stored}
    assert_each_once(ours, clinics, lines=400)
