"""Statements as a member gets them, read back from the file into figures that tests compare."""

import csv
import re
import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import BytesIO, StringIO
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.test import Client
from pypdf import PdfReader

from clinics.days import start_of
from clinics.models import Clinic
from credits.models import CreditTransaction
from tests.clock import Clock
from tests.factories import deliver, give_credits, paid_top_up, refund

IST = ZoneInfo("Asia/Kolkata")
URL = "/clinic/credits/statement"
HTML = {"accept": "text/html"}


@dataclass(frozen=True)
class Figures:
    """Rows are (number, credits, balance after); totals are by the type's label: (number, credits)."""

    opening: Decimal
    rows: list[tuple[int, Decimal, Decimal]]
    totals: dict[str, tuple[int, Decimal]]
    closing: Decimal


def get(client: Client, path: str) -> Any:
    return client.get(path, headers=HTML)


def download(client: Client, kind: str, **query: Any) -> bytes:
    said = {name.rstrip("_"): value for name, value in query.items()}
    response = client.get(f"{URL}?{urlencode({'format': kind, **said})}", headers=HTML)
    assert response.status_code == 200, response.status_code
    return content(response)


def content(response: Any) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else response.content


def read_csv(body: bytes) -> Figures:
    lines = list(csv.reader(StringIO(body.decode("utf-8-sig"))))[1:]
    opening, *middle, closing = lines
    rows = [line for line in middle if line[0]]
    return Figures(
        Decimal(opening[8]),
        [(int(line[0]), Decimal(line[7]), Decimal(line[8])) for line in rows],
        {line[2]: (int(re.findall(r"\d+", line[3])[0]), Decimal(line[7])) for line in middle if not line[0]},
        Decimal(closing[8]),
    )


def pdf_text(body: bytes) -> str:
    """As readers copy it out of a document: by poppler where it is, which knows Devanagari better."""
    if poppler := shutil.which("pdftotext"):
        command = [poppler, "-layout", "-", "-"]
        return subprocess.run(command, input=body, capture_output=True, check=True).stdout.decode()
    return "\n".join(page.extract_text() for page in PdfReader(BytesIO(body)).pages)


def replayed(clinic: Clinic, first: date, last: date, as_of: datetime) -> Figures:
    """The same figures by walking through all rows of the account in Python, from nothing."""
    starts_at, ends_at = start_of(first), start_of(last + timedelta(days=1))
    balance = opening = Decimal("0.00")
    rows, totals = [], dict[str, tuple[int, Decimal]]()
    for row in CreditTransaction.objects.filter(clinic=clinic).order_by("sequence"):
        if row.created_at > as_of or row.created_at >= ends_at:
            break
        balance += row.amount
        if row.created_at < starts_at:
            opening = balance
            continue
        rows.append((row.sequence, row.amount, balance))
        label = str(CreditTransaction.Type(row.transaction_type).label)
        count, total = totals.get(label, (0, Decimal("0.00")))
        totals[label] = (count + 1, total + row.amount)
    return Figures(opening, rows, totals, balance)


def instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


def june_2040(clinic: Clinic, clock: Clock) -> None:
    """A payment a minute before June 2040, a lead at its first minute, its refund on the 2nd; then July begins."""
    clock.set(datetime(2040, 5, 31, 23, 59, tzinfo=IST))
    paid_top_up(clinic, 1000, bonus=100)
    clock.set(datetime(2040, 6, 1, 0, 0, 1, tzinfo=IST))
    lead = deliver(clinic, price=7000, name="Asha Patel", city="Surat")
    clock.set(datetime(2040, 6, 2, 12, 0, tzinfo=IST))
    refund(lead, "80.50")
    clock.set(datetime(2040, 6, 30, 23, 59, 58, tzinfo=IST))
    paid_top_up(clinic, 2000)
    clock.set(datetime(2040, 7, 1, 0, 0, 1, tzinfo=IST))
    give_credits(clinic, 7)
    clock.set(datetime(2040, 7, 2, 12, 0, tzinfo=IST))
