"""Pages read over HTTP while leads are charged, refunded and credits bought: all figures of one page agree.

PAGES=full reads as many as the product's promise: 3,000.
"""

import itertools
import json
import os
import random
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from html import unescape
from threading import Event
from typing import Any, Final

import pytest
import requests
from django.db import connection
from django.test import Client

from clinics.models import Clinic
from leads.models import Lead
from tests import factories
from tests.concurrency.books import assert_books_are_right
from tests.web_server import web_server

pytestmark = pytest.mark.django_db(transaction=True)
PAGES: Final = 3000 if os.environ.get("PAGES") == "full" else 48
READERS: Final = 4
COST: Final = Decimal(100)  # of an enquiry without a price
HTML: Final = {"Accept": "text/html"}


def money(text: str) -> Decimal:
    return Decimal(text.replace(",", "").replace("−", "-"))  # pages write a real minus


def found(pattern: str, page: str) -> list[Any]:
    return re.findall(pattern, page, re.DOTALL)


def only(pattern: str, page: str) -> Decimal:
    """The one amount on a page that stands there."""
    amounts = {money(text) for text in found(pattern, page)}
    assert len(amounts) == 1, (pattern, amounts)
    return amounts.pop()


def header(page: str) -> Decimal:
    return only(r'class="credit-amount"[^>]*>₹([\d,.]+)<', page)


def rows(page: str) -> list[tuple[Decimal, Decimal]]:
    """Amount and balance after, newest first."""
    pattern = (
        r'<td class="amount(?: amount-in)?">\s*\+?([−\d,.]+)'
        r'.*?<td class="amount d-none d-md-table-cell">₹([\d,.]+)<'
    )
    table = page.partition('<table class="table transactions">')[2].partition("</table>")[0]
    return [(money(amount), money(after)) for amount, after in found(pattern, table)]


def rows_agree(page: str) -> None:
    """The newest row leads to the balance in the header, and each row from the one before it."""
    history = rows(page)
    assert history, "no rows"
    assert history[0][1] == header(page)
    for (amount, after), (_, before) in itertools.pairwise(history):
        assert after == before + amount


def dashboard_agrees(page: str) -> None:
    """The tab of leads' dashboard; each lead has cost the same."""
    rows_agree(page)
    assert only(r"data-balance[^>]*>([\d,.]+)<", page) == header(page)
    delivered = only(r"<dt>Leads delivered</dt>\s*<dd>([\d,.]+)<", page)
    assert only(r"data-month-spent[^>]*>([\d,.]+)<", page) == delivered * COST


def billing_agrees(page: str) -> None:
    """Balance, history, months, chart, parts and shares, all against each other."""
    rows_agree(page)
    balance = header(page)
    assert only(r"data-balance[^>]*>([\d,.]+)<", page) == balance
    parts = found(r'<dl class="expiries">(.*?)</dl>', page)
    assert sum(map(money, found(r'<dd class="money">₹([\d,.]+)<', "".join(parts)))) == balance

    months = found(
        r'<th scope="row">\w+ \d{4}</th>\s*'
        + r'<td class="amount">([\d,.]+)</td>\s*' * 3
        # Bought, and the bonus below it.
        + r'<td class="amount">([\d,.]+)(?:<span class="below">\+ ([\d,.]+) bonus</span>)?</td>',
        page,
    )
    assert len(months) == 12
    leads, spent, refunded, bought, bonus = (sum(money(one[i] or "0") for one in months) for i in range(5))
    assert bought + bonus + refunded - spent == balance
    assert only(r"<dt>Leads delivered</dt>\s*<dd>([\d,.]+)<", page) == leads
    assert only(r"data-month-spent[^>]*>([\d,.]+)<", page) == money(months[0][1])

    chart = json.loads(found(r'<script id="months-points"[^>]*>(.*?)</script>', page)[0])
    assert [Decimal(str(value)) for value in chart["series"][0]["values"]][::-1] == [
        money(one[1]) for one in months
    ]
    assert sum(Decimal(str(value)) for value in chart["series"][1]["values"]) == refunded

    for table in found(r'<table class="table numbers shares".*?</table>', page):
        shares = found(
            r'</th>\s*<td class="amount">([\d,.]+)</td>\s*<td class="amount">₹([−\d,.]+)</td>', table
        )
        assert sum(money(number) for number, _ in shares) == leads
        assert sum(money(cost) for _, cost in shares) == spent - refunded


CHECKS: Final = {
    "/clinic/billing-dashboard?period=12": billing_agrees,
    "/clinic/dashboard": dashboard_agrees,
    "/clinic/credits/history": rows_agree,
}


class Life:
    """What goes on at a clinic all the time: leads are charged, some come back, credits are bought."""

    def __init__(self, clinic: Clinic, number: int) -> None:
        self.clinic, self.phones = clinic, itertools.count(number * 20_000)
        self.dice = random.Random(number)  # noqa: S311 - repeatable is the point
        self.leads: list[Lead] = []
        self.done = 0
        factories.paid_top_up(clinic, 5000, 500)
        self.charge()

    def charge(self) -> None:
        lead = factories.deliver(
            self.clinic, next(self.phones), source=self.dice.choice(["web", "google", "partner"])
        )
        if lead.delivery_state == Lead.DeliveryState.DELIVERED:
            self.leads.append(lead)

    def refund(self) -> None:
        if self.leads:
            factories.refund(self.leads.pop(), self.dice.choice(["100", "33.33", "0.01"]))

    def buy(self) -> None:
        factories.paid_top_up(self.clinic, 1000, 77)

    def go_on(self, enough: Event) -> None:
        try:
            while not enough.is_set():
                self.dice.choices((self.charge, self.refund, self.buy), (6, 3, 1))[0]()
                self.done += 1
                time.sleep(0.003)  # leaves the processor to the pages
        finally:
            connection.close()


class Readers:
    """Browsers of the clinics' owners, each signed in once."""

    def __init__(self, address: str, clinics: list[Clinic]) -> None:
        self.address = address
        self.cookies = [cookies_of(clinic) for clinic in clinics]
        self.wrong: list[str] = []
        self.balances: set[Decimal] = set()

    def read(self, number: int, pages: int) -> int:
        """Reads page after page; how many it has read."""
        http = requests.Session()
        for turn in range(pages):
            path, check = list(CHECKS.items())[turn % len(CHECKS)]
            answer = http.get(
                self.address + path, headers={**HTML, **self.cookies[(number + turn) % len(self.cookies)]}
            )
            page = unescape(answer.text)
            try:
                assert answer.status_code == 200, answer.status_code
                check(page)
                self.balances.add(header(page))
            except AssertionError as problem:
                self.wrong.append(f"{path}: {problem}")
        return pages


def cookies_of(clinic: Clinic) -> dict[str, str]:
    client = Client()
    client.force_login(factories.member_of(clinic, "owner", password=None))
    return {"Cookie": f"sessionid={client.cookies['sessionid'].value}"}


@contextmanager
def going_on(lives: list[Life]) -> Iterator[None]:
    """Until the readers have had enough; an error of theirs ends the test."""
    enough = Event()
    with ThreadPoolExecutor(len(lives)) as pool:
        futures = [pool.submit(life.go_on, enough) for life in lives]
        try:
            yield
        finally:
            enough.set()
        for future in futures:
            future.result()


def in_threads(call: Callable[[int], int], times: int) -> int:
    with ThreadPoolExecutor(times) as pool:
        return sum(pool.map(call, range(times)))


def test_all_figures_of_a_page_agree_while_its_clinic_is_charged_refunded_and_credited() -> None:
    clinics = factories.ClinicFactory.create_batch(2)
    # Two lives at the first clinic: its events overtake each other too.
    lives = [Life(clinics[0], 0), Life(clinics[0], 1), Life(clinics[1], 2)]

    with web_server(workers=2, threads=READERS) as address:
        readers = Readers(address, clinics)
        with going_on(lives):
            read = in_threads(lambda number: readers.read(number, PAGES // READERS), READERS)

    assert readers.wrong == []
    assert read == PAGES
    assert len(readers.balances) > PAGES // 4  # they did see it move
    assert all(life.done for life in lives)
    assert_books_are_right()
