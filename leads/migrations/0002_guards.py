from django.db import migrations

from clinics.migration_operations import InstallSQL


class Migration(migrations.Migration):
    dependencies = [("leads", "0001_initial"), ("clinics", "0002_base_sql")]
    operations = [InstallSQL(__file__, "pricing.sql", "guards.sql")]
