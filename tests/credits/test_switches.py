"""Switches that one person throws: charging, top-ups, one clinic; as a command and in the back office."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from clinics.models import Clinic
from credits.models import BillingRules, CreditAccount
from credits.services import switches
from tests import factories
from tests.site.back_office import GROUPS, grow_old, page, signed_in

pytestmark = pytest.mark.django_db

RULES = page("credits.billingrules", "change", 1)


def run(*words: str) -> str:
    printed = StringIO()
    call_command("switch", *words, stdout=printed)
    return printed.getvalue().strip()


def stopped() -> tuple[bool, bool]:
    rules = BillingRules.objects.get()
    return rules.charging_stopped_at is not None, rules.top_ups_stopped_at is not None


def switch_page(name: str, clinic: Clinic | None = None) -> str:
    return (
        page("credits.billingrules", name, 1)
        if clinic is None
        else page("credits.creditaccount", name, clinic.pk)
    )


def test_while_charging_is_stopped_leads_are_held_and_afterwards_released(funded_clinic: Clinic) -> None:
    assert run("charging", "off", "--reason", "Books differ") == "Charging: off."
    lead = factories.deliver(funded_clinic)
    assert (lead.delivery_state, lead.held_reason) == ("held", "frozen")

    assert run("charging", "on", "--reason", "Books agree") == "Charging: on."

    lead.refresh_from_db()
    assert lead.delivery_state == "delivered"
    assert stopped() == (False, False)


def test_a_frozen_clinics_leads_wait_and_only_its_own(funded_clinic: Clinic, other_clinic: Clinic) -> None:
    factories.give_credits(other_clinic, 1000)
    assert (
        run("clinic", "off", "--clinic", "sunrise", "--reason", "They dispute all") == "Clinic sunrise: off."
    )
    assert (
        run("clinic", "off", "--clinic", "sunrise", "--reason", "Again") == "Clinic sunrise was off already."
    )
    lead, other = factories.deliver(funded_clinic), factories.deliver(other_clinic)
    assert (lead.held_reason, other.delivery_state) == ("frozen", "delivered")
    assert CreditAccount.objects.get(clinic=funded_clinic).frozen_reason == "They dispute all"

    assert run("clinic", "on", "--clinic", "sunrise", "--reason", "Settled") == "Clinic sunrise: on."

    lead.refresh_from_db()
    assert lead.delivery_state == "delivered"
    assert CreditAccount.objects.get(clinic=funded_clinic).frozen_reason == ""


def test_a_clinic_that_owes_stays_frozen_by_that(clinic: Clinic) -> None:
    assert not switches.unfreeze_clinic(clinic=clinic, reason="It was never frozen")


def test_top_ups_are_stopped_and_resumed() -> None:
    assert run("top-ups", "off", "--reason", "Razorpay is away") == "Top-ups: off."
    assert stopped() == (False, True)
    assert run("top-ups", "on", "--reason", "Back again") == "Top-ups: on."
    assert stopped() == (False, False)


@pytest.mark.parametrize(
    "words",
    [
        ("charging", "off", "--reason", " "),
        ("clinic", "off", "--reason", "Which?"),
        ("charging", "off", "--clinic", "sunrise", "--reason", "Both"),
        ("clinic", "off", "--clinic", "nowhere", "--reason", "Not there"),
        ("charging", "off"),
        ("charging", "maybe", "--reason", "x"),
    ],
)
def test_what_makes_no_sense_is_refused(clinic: Clinic, words: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        run(*words)
    assert stopped() == (False, False)


def test_finance_throws_each_switch_on_its_page_with_a_reason(funded_clinic: Clinic) -> None:
    client = signed_in("finance")
    for form, text in (
        (switch_page("switch-charging"), "Stop charging"),
        (switch_page("switch-top-ups"), "Stop top-ups"),
        (switch_page("switch-freeze", funded_clinic), "Freeze this clinic"),
    ):
        assert text in client.get(form).content.decode()
        assert client.post(form, {"to": "off", "reason": " "}).status_code == 400
        assert client.post(form, {"to": "sideways", "reason": "x"}).status_code == 400
        for somebody in ("asha@care.example rang", "9876500000 rang"):
            refused = client.post(form, {"to": "off", "reason": somebody})
            assert refused.status_code == 400
            assert "8 or more digits" in refused.content.decode()
        assert client.post(form, {"to": "off", "reason": "Books differ"}).status_code == 302
        again = client.post(form, {"to": "off", "reason": "Twice"}, follow=True)
        assert "it stood so already" in again.content.decode()
    assert stopped() == (True, True)
    assert CreditAccount.objects.get(clinic=funded_clinic).frozen_reason == "Books differ"
    lead = factories.deliver(funded_clinic)
    for form, text in (
        (switch_page("switch-freeze", funded_clinic), "Lift the freeze"),
        (switch_page("switch-top-ups"), "Resume top-ups"),
        (switch_page("switch-charging"), "Resume charging"),
    ):
        assert text in client.get(form).content.decode()
        assert client.post(form, {"to": "on", "reason": "Books agree"}).status_code == 302
    lead.refresh_from_db()
    assert (stopped(), lead.delivery_state) == ((False, False), "delivered")


@pytest.mark.parametrize("who", ["nobody", *GROUPS, "superuser"])
def test_nobody_else_throws_one_and_an_old_sign_in_is_asked_again(clinic: Clinic, who: str) -> None:
    client, may = signed_in(who), who in ("finance", "superuser")
    forms = [
        switch_page("switch-charging"),
        switch_page("switch-top-ups"),
        switch_page("switch-freeze", clinic),
    ]
    for form in forms:
        assert client.get(form).status_code == (200 if may else 403)
        assert client.post(form, {"to": "off", "reason": "x"}).status_code == (302 if may else 403)
    assert stopped() == (may, may)
    offered = client.get(RULES)
    assert (switch_page("switch-charging") in offered.content.decode()) is may
    grow_old(client.session, 6)
    assert client.post(forms[0], {"to": "on", "reason": "x"}).status_code == 403
    assert stopped() == (may, may)
