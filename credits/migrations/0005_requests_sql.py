from django.db import migrations

from clinics.migration_operations import InstallSQL


class Migration(migrations.Migration):
    dependencies = [("credits", "0004_dispute_limits"), ("clinics", "0004_requests_sql")]
    operations = [InstallSQL(__file__, "requests.sql")]
