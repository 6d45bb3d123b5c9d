"""The audit trail is the auditor's to read. As docs/staff_rights.md lists."""

from django.contrib.auth.management import create_permissions
from django.db import migrations


def permission(apps, alias):
    permissions = apps.get_model("auth", "Permission").objects.using(alias)
    return permissions.get(content_type__app_label="clinics", codename="view_auditevent")


def auditor(apps, alias):
    return apps.get_model("auth", "Group").objects.using(alias).get(name="auditor")


def give(apps, schema_editor):
    alias = schema_editor.connection.alias
    clinics = apps.get_app_config("clinics")
    clinics.models_module = True
    create_permissions(clinics, apps=apps, using=alias, verbosity=0)
    clinics.models_module = None
    auditor(apps, alias).permissions.add(permission(apps, alias))


def take(apps, schema_editor):
    alias = schema_editor.connection.alias
    auditor(apps, alias).permissions.remove(permission(apps, alias))


class Migration(migrations.Migration):
    dependencies = [("billing_site", "0003_dispute_rights"), ("clinics", "0005_audit")]
    operations = [migrations.RunPython(give, take)]
