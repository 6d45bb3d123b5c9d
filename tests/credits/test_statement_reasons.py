"""Why a movement is there: the history's sentences, down to the source."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client

from clinics.models import Clinic
from credits.models import CreditTransaction
from tests import factories
from tests.credits import rich_history
from tests.factories import deliver, give_credits, paid_top_up, refund

pytestmark = pytest.mark.django_db
URL = "/clinic/credits/history"
IST = ZoneInfo("Asia/Kolkata")


def get_html(client: Client, query: str = "") -> Any:
    return client.get(URL + query, headers={"accept": "text/html"})


class TestReasons:
    def test_each_kind_of_row_is_explained_down_to_its_source(self, client: Client, db: None) -> None:
        history = rich_history.make_history()
        said: dict[str, list[str]] = {}
        for account in (history.clinic, history.indebted):
            client.force_login(factories.member_of(account, "front_desk"))
            for movement in get_html(client, "?limit=100").context["movements"]:
                said.setdefault(movement.kind, []).append(" ".join((*movement.sentences, *movement.parts)))

        top_up = history.purchase
        for kind, sentence in {
            "payment": f"You paid ₹1,000.00 with payment {top_up.razorpay_payment_id}.",
            "payment_by_hand": "Payment pay_by_hand did not come through a top-up",
            "goodwill": "200.00 goodwill credits",
            "bonus": f"It came with top-up {top_up.pk} of ₹1,000.00",
            "promo_bonus": f"A promo code brought it with top-up {top_up.pk}",
            "lead": "Price band from ₹10,000.00 to below ₹20,000.00: 250.00 credits.",
            "refund": "(«Invalid contact») was approved on",
            "adjustment": "two of us agreed",
            "expired_bonus": "had not been used by then.",
            "taken_back": "₹333.33 of the ₹1,000.00 paid went back to the payer (rfnd_part).",
            "settled": "was taken back (disp_won:1) when your balance did not reach.",
            "given_back": "stayed with us after all (disp_won:1)",
        }.items():
            assert any(sentence in text for text in said[kind]), (kind, said[kind])
        assert any(f"bonus credits of top-up {top_up.pk}" in text for text in said["lead"])

    def test_what_paid_for_a_lead_adds_up_also_after_credits_came_back(
        self, member: Client, clinic: Clinic
    ) -> None:
        """30 goodwill credits pay a lead, come back, and pay the next: their source is still the first movement."""
        give_credits(clinic, 30)
        purchase = paid_top_up(clinic, 500)
        for phone in (1, 2):
            lead = deliver(clinic, phone=phone)
            if phone == 1:
                refund(lead, 100)

        movement = get_html(member).context["movements"][0]

        parts = " ".join(movement.parts)
        assert movement.kind == "lead"
        assert "30.00 goodwill credits of" in parts
        assert "row 1." in parts
        assert f"70.00 paid credits of top-up {purchase.pk}, payment {purchase.razorpay_payment_id}" in parts

    def test_one_row_has_a_page_of_its_own_with_its_links(self, member: Client, clinic: Clinic) -> None:
        purchase = paid_top_up(clinic, 1000)
        lead = deliver(clinic)
        case = refund(lead, 50)
        paid, charged, refunded = CreditTransaction.objects.order_by("sequence")

        pages = [
            get_page(member, f"/clinic/credits/transactions/{row.pk}") for row in (paid, charged, refunded)
        ]

        assert f'href="/clinic/credits/topups/{purchase.pk}/receipt"' in pages[0]
        assert f'href="/clinic/dashboard?lead={lead.pk}"' in pages[1]
        assert f'href="/clinic/disputes/{case.pk}"' in pages[2]


def get_page(client: Client, path: str) -> str:
    response = client.get(path, headers={"accept": "text/html"})
    assert response.status_code == 200
    return response.content.decode()
