"""Resolvers and auditors see who released or refused a held one. As docs/staff_rights.md lists."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

GROUPS = ("resolver", "auditor")
RIGHT = "view_heldleaddecision"


def each(apps, schema_editor):
    alias = schema_editor.connection.alias
    groups = apps.get_model("auth", "Group").objects.using(alias).filter(name__in=GROUPS)
    permissions = apps.get_model("auth", "Permission").objects.using(alias)
    return groups, permissions.filter(content_type__app_label="credits", codename=RIGHT)


def give(apps, schema_editor):
    app = apps.get_app_config("credits")
    app.models_module = True
    create_permissions(app, apps=apps, using=schema_editor.connection.alias, verbosity=0)
    app.models_module = None
    groups, permissions = each(apps, schema_editor)
    for group in groups:
        group.permissions.add(*permissions)


def take(apps, schema_editor):
    groups, permissions = each(apps, schema_editor)
    for group in groups:
        group.permissions.remove(*permissions)


class Migration(migrations.Migration):
    dependencies = [("billing_site", "0005_support_rights"), ("credits", "0007_held_lead_decisions")]
    operations = [migrations.RunPython(give, take)]
