from django.db import migrations

from clinics.migration_operations import InstallSQL


class Migration(migrations.Migration):
    dependencies = [("credits", "0001_initial"), ("leads", "0002_guards"), ("clinics", "0002_base_sql")]
    operations = [InstallSQL(__file__, "guards.sql", "door.sql", "events.sql", "delivery.sql")]
