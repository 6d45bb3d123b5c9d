"""Leads of a time across all clinics, for the figures: rows come in time order, so a block-range index serves."""

import django.contrib.postgres.indexes
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # built beside the traffic: an enquiry must not wait for it
    dependencies = [("leads", "0005_audit")]
    operations = [
        AddIndexConcurrently(
            "lead",
            django.contrib.postgres.indexes.BrinIndex(
                models.F("created_at"), autosummarize=True, name="leads_by_time"
            ),
        ),
    ]
