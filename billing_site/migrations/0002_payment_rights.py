"""Finance works off the review queue and replays events; the auditor sees all of it. As docs/staff_rights.md lists."""

from django.db import migrations

PAYMENTS = ["credits.gatewayevent", "credits.gatewaypayment", "credits.gatewayrefund", "credits.gatewaydispute",
            "credits.reviewitem", "credits.promocode", "credits.promouse"]  # fmt: skip
VIEW = [(model, "view") for model in PAYMENTS]
# «change» of an item is closing it, of an event applying it once more: nothing else of them can be changed.
RIGHTS = {
    "finance": [*VIEW, ("credits.reviewitem", "change"), ("credits.gatewayevent", "change")],
    "auditor": VIEW,
}


def permissions_of(apps, alias, group):
    permissions = apps.get_model("auth", "Permission").objects.using(alias)
    for model, action in RIGHTS[group]:
        app, name = model.split(".")
        yield permissions.get(content_type__app_label=app, codename=f"{action}_{name}")


def give(apps, schema_editor):
    alias = schema_editor.connection.alias
    for name in RIGHTS:
        group = apps.get_model("auth", "Group").objects.using(alias).get(name=name)
        group.permissions.add(*permissions_of(apps, alias, name))


def take(apps, schema_editor):
    alias = schema_editor.connection.alias
    for name in RIGHTS:
        group = apps.get_model("auth", "Group").objects.using(alias).get(name=name)
        group.permissions.remove(*permissions_of(apps, alias, name))


class Migration(migrations.Migration):
    dependencies = [("billing_site", "0001_staff_groups")]
    operations = [migrations.RunPython(give, take)]
