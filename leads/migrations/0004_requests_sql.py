from django.db import migrations

from clinics.migration_operations import InstallSQL


class Migration(migrations.Migration):
    dependencies = [("leads", "0003_default_prices_and_notice"), ("clinics", "0004_requests_sql")]
    operations = [InstallSQL(__file__, "requests.sql")]
