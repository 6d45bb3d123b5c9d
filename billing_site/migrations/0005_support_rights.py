"""Support and finance answer what clinics ask; who was invited is for those who look after people. As
docs/staff_rights.md lists."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

RIGHTS = {
    "support": ("view_supportrequest", "change_supportrequest"),
    "finance": ("view_supportrequest", "change_supportrequest"),
    "auditor": ("view_supportrequest", "view_invitation"),
    "user admin": ("view_invitation",),
}


def each(apps, schema_editor):
    alias = schema_editor.connection.alias
    groups = apps.get_model("auth", "Group").objects.using(alias)
    permissions = (
        apps.get_model("auth", "Permission").objects.using(alias).filter(content_type__app_label="clinics")
    )
    for name, codenames in RIGHTS.items():
        yield groups.get(name=name), list(permissions.filter(codename__in=codenames))


def give(apps, schema_editor):
    clinics = apps.get_app_config("clinics")
    clinics.models_module = True
    create_permissions(clinics, apps=apps, using=schema_editor.connection.alias, verbosity=0)
    clinics.models_module = None
    for group, permissions in each(apps, schema_editor):
        group.permissions.add(*permissions)


def take(apps, schema_editor):
    for group, permissions in each(apps, schema_editor):
        group.permissions.remove(*permissions)


class Migration(migrations.Migration):
    dependencies = [("billing_site", "0004_audit_rights"), ("clinics", "0006_portal")]
    operations = [migrations.RunPython(give, take)]
