from django.db import migrations

from clinics.migration_operations import InstallSQL


class Migration(migrations.Migration):
    dependencies = [("clinics", "0001_initial")]
    operations = [InstallSQL(__file__, "base.sql")]
