"""The groups that the migration makes are the ones docs/staff_rights.md describes."""

import pytest
from django.contrib.auth.models import Group, Permission

from tests.site.back_office import GROUPS, registered, table_of_rights

pytestmark = pytest.mark.django_db

IN_THE_DATABASE = dict.fromkeys(
    ("revoke", "close", "replay", "switch", "freeze", "answer", "send", "sign"), "change"
)


def rights_in_the_database(group: str) -> set[str]:
    permissions = Permission.objects.filter(group__name=group).select_related("content_type")
    return {f"{permission.content_type.app_label}.{permission.codename}" for permission in permissions}


def rights_in_the_table(group: str) -> set[str]:
    rights = set()
    for model, columns in table_of_rights().items():
        app, name = model.split(".")
        rights |= {
            f"{app}.{right if '_' in right else f'{IN_THE_DATABASE.get(right, right)}_{name}'}"
            for right in columns[group]
        }
    return rights


def test_the_groups_are_these_five_and_no_other() -> None:
    assert set(Group.objects.values_list("name", flat=True)) == set(GROUPS)


@pytest.mark.parametrize("group", GROUPS)
def test_a_groups_rights_are_those_of_the_table(group: str) -> None:
    assert rights_in_the_database(group) == rights_in_the_table(group)


def test_every_model_with_pages_stands_in_the_table_and_no_other() -> None:
    assert set(table_of_rights()) == set(registered())


BEYOND_VIEWING = {
    "support": {
        "disputes.comment_leaddispute", "clinics.change_supportrequest", "clinics.change_outgoingmail",
        "leads.review_lead",
    },
    "resolver": {"disputes.comment_leaddispute", "disputes.decide_leaddispute", "leads.review_lead"},
    "finance": {
        "clinics.request_money", "clinics.approve_money", "credits.change_billingrules",
        "credits.change_creditaccount", "credits.change_reviewitem", "credits.change_gatewayevent",
        "credits.change_dayclosing",
        "clinics.change_supportrequest",
    },
    "auditor": set(),
    "user admin": {
        "clinics.request_rights", "clinics.approve_rights", "clinics.add_user", "clinics.change_user",
        "clinics.add_membership", "clinics.change_membership", "clinics.change_apitoken",
    },
}  # fmt: skip


@pytest.mark.parametrize("group", GROUPS)
def test_beyond_viewing_each_group_has_these_rights_and_nobody_deletes(group: str) -> None:
    assert {right for right in rights_in_the_database(group) if ".view_" not in right} == BEYOND_VIEWING[
        group
    ]


def test_no_group_may_view_contacts_and_user_admins_no_money() -> None:
    assert not Permission.objects.filter(codename__endswith="_leadcontact", group__isnull=False).exists()
    assert not any(right.startswith("credits.") for right in rights_in_the_database("user admin"))


def test_support_sees_no_money() -> None:
    assert not any(right.startswith("credits.") for right in rights_in_the_database("support"))
