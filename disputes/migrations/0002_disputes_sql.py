from django.db import migrations

from clinics.migration_operations import InstallSQL


class Migration(migrations.Migration):
    dependencies = [("disputes", "0001_initial"), ("credits", "0005_requests_sql")]
    operations = [InstallSQL(__file__, "guards.sql", "cases.sql", "policy_requests.sql")]
