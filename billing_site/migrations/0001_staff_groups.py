"""The groups of staff and their rights, as docs/staff_rights.md lists them."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

MASKED_LEADS = ["clinics.clinic", "clinics.notice", "leads.treatment", "leads.treatmentpackage", "leads.lead",
                "leads.leadstatuschange", "leads.contactattempt"]  # fmt: skip
LEDGER = ["credits.creditaccount", "credits.credittransaction", "credits.creditgrant", "credits.grantconsumption",
          "credits.reversal"]  # fmt: skip
SALES = ["credits.topup", "credits.creditpackage", "credits.billingrules"]
PRICES = ["leads.pricingversion", "leads.pricingtier"]
REST = ["clinics.user", "clinics.membership", "clinics.partner", "clinics.apitoken", "clinics.idempotencykey",
        "leads.consentnotice", "leads.contactview", "auth.group"]  # fmt: skip

VIEWED_BY = {
    "support": MASKED_LEADS,
    "resolver": [*MASKED_LEADS, *LEDGER],
    "finance": ["clinics.clinic", *PRICES, *LEDGER, *SALES],
    "auditor": [*MASKED_LEADS, *PRICES, *LEDGER, *SALES, *REST],
    "user admin": ["clinics.clinic", "clinics.user", "clinics.membership", "clinics.apitoken", "auth.group"],
}
# Beyond viewing. «change» of a token is its revocation: nothing else of it can be changed.
MORE = {
    "user admin": [
        ("clinics.user", "add"),
        ("clinics.user", "change"),
        ("clinics.membership", "add"),
        ("clinics.membership", "change"),
        ("clinics.apitoken", "change"),
    ]
}


def make_groups(apps, schema_editor):
    alias = schema_editor.connection.alias
    make_permissions(apps, alias)
    permissions = apps.get_model("auth", "Permission").objects.using(alias)
    for name, models in VIEWED_BY.items():
        group, _ = apps.get_model("auth", "Group").objects.using(alias).get_or_create(name=name)
        rights = [(model, "view") for model in models] + MORE.get(name, [])
        group.permissions.set(permissions.get(**codename(*right)) for right in rights)


def codename(model, action):
    app, name = model.split(".")
    return {"content_type__app_label": app, "codename": f"{action}_{name}"}


def make_permissions(apps, alias):
    """Django makes them only when all migrations are done, which on a new database is too late for the groups."""
    for label in ("auth", "clinics", "leads", "credits"):
        app = apps.get_app_config(label)
        app.models_module = True
        create_permissions(app, apps=apps, using=alias, verbosity=0)
        app.models_module = None


def remove_groups(apps, schema_editor):
    groups = apps.get_model("auth", "Group").objects.using(schema_editor.connection.alias)
    groups.filter(name__in=VIEWED_BY).delete()


class Migration(migrations.Migration):
    initial = True
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("clinics", "0002_base_sql"),
        ("leads", "0003_default_prices_and_notice"),
        ("credits", "0003_default_rules_and_packages"),
    ]
    operations = [migrations.RunPython(make_groups, remove_groups)]
