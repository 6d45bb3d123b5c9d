"""A clinic keeps an owner, and who stops being one leaves no token behind."""

from django.db import migrations

from clinics.migration_operations import InstallSQL


class Migration(migrations.Migration):
    dependencies = [("clinics", "0006_portal")]
    operations = [InstallSQL(__file__, "owners.sql")]
