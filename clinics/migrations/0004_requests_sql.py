from django.db import migrations

from clinics.migration_operations import InstallSQL


class Migration(migrations.Migration):
    dependencies = [("clinics", "0003_staff_requests")]
    operations = [InstallSQL(__file__, "requests.sql", "staff_rights.sql")]
