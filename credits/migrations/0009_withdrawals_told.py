"""A clinic hears when a patient withdraws. Releasing has a file of its own."""

from django.db import migrations

from clinics.migration_operations import InstallSQL


class Migration(migrations.Migration):
    # `delivery.sql` writes what leads/0010 makes: nothing may be served between the two.
    dependencies = [
        ("credits", "0008_alerts_about_money"),
        ("clinics", "0012_outbox"),
        ("leads", "0010_enquiries_for_review"),
    ]
    operations = [InstallSQL(__file__, "delivery.sql", "release.sql")]
