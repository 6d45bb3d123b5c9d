"""Enquiries that come as a file are delivered by sets; one that comes alone shares its steps with them."""

from django.db import migrations

from clinics.migration_operations import InstallSQL


class Migration(migrations.Migration):
    dependencies = [("credits", "0011_day_seals")]
    operations = [InstallSQL(__file__, "door.sql", "notices.sql", "delivery.sql", "delivery_many.sql")]
