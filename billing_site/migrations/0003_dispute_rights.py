"""Disputes and requests that take two people: who sees, asks, decides and approves. As docs/staff_rights.md lists."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

DISPUTES = ["disputes.leaddispute", "disputes.disputeentry", "disputes.evidence", "disputes.disputepolicy"]
VIEW_DISPUTES = [(model, "view") for model in DISPUTES]
VIEW_REQUESTS = [("clinics.staffrequest", "view")]
RIGHTS = {
    # A screenshot may show a patient's number, and support sees contacts masked.
    "support": [
        *(right for right in VIEW_DISPUTES if right[0] != "disputes.evidence"),
        ("disputes.leaddispute", "comment"),
    ],
    "resolver": [
        *VIEW_DISPUTES,
        *VIEW_REQUESTS,
        ("disputes.leaddispute", "comment"),
        ("disputes.leaddispute", "decide"),
    ],
    "finance": [
        *VIEW_DISPUTES,
        *VIEW_REQUESTS,
        ("clinics.staffrequest", "request_money"),
        ("clinics.staffrequest", "approve_money"),
        # «change» of the rules is a switch, of an account its freeze: nothing else of them is one person's.
        ("credits.billingrules", "change"),
        ("credits.creditaccount", "change"),
    ],
    "auditor": [*VIEW_DISPUTES, *VIEW_REQUESTS],
    "user admin": [
        *VIEW_REQUESTS,
        ("clinics.staffrequest", "request_rights"),
        ("clinics.staffrequest", "approve_rights"),
    ],
}


def codename(model, action):
    app, name = model.split(".")
    return {"content_type__app_label": app, "codename": action if "_" in action else f"{action}_{name}"}


def permissions_of(apps, alias, group):
    permissions = apps.get_model("auth", "Permission").objects.using(alias)
    return [permissions.get(**codename(*right)) for right in RIGHTS[group]]


def give(apps, schema_editor):
    alias = schema_editor.connection.alias
    for label in ("clinics", "disputes"):
        app = apps.get_app_config(label)
        app.models_module = True
        create_permissions(app, apps=apps, using=alias, verbosity=0)
        app.models_module = None
    for name in RIGHTS:
        group = apps.get_model("auth", "Group").objects.using(alias).get(name=name)
        group.permissions.add(*permissions_of(apps, alias, name))


def take(apps, schema_editor):
    alias = schema_editor.connection.alias
    for name in RIGHTS:
        group = apps.get_model("auth", "Group").objects.using(alias).get(name=name)
        group.permissions.remove(*permissions_of(apps, alias, name))


class Migration(migrations.Migration):
    dependencies = [("billing_site", "0002_payment_rights"), ("disputes", "0003_default_policy")]
    operations = [migrations.RunPython(give, take)]
