"""Who stops being an owner leaves no webhook listening."""

from django.db import migrations

from clinics.migration_operations import InstallSQL


class Migration(migrations.Migration):
    dependencies = [("clinics", "0014_webhook_health")]
    operations = [InstallSQL(__file__, "owners.sql")]
