"""The price list and the consent notice a new installation starts with (PRODUCT, «Pricing tier»; DPDP Rule 3)."""

from hashlib import sha256

from django.db import migrations

# Price from (₹, inclusive) → credits per lead.
TIERS = [(0, 100), (5_000, 180), (10_000, 250), (20_000, 320), (50_000, 400), (100_000, 500)]
NOTICE_VERSION = "2026-11"
NOTICE_TEXT = (
    "I agree that Clinic Credits passes my name, phone number, e-mail address and message to the clinic I am "
    "writing to, and to no other, so that it can call me back about this enquiry. I can withdraw this at any "
    "time with the link on the next page; my details are then erased. I can ask what is stored about me, have it "
    "corrected, and complain to the Data Protection Board of India."
)


def install_defaults(apps, schema_editor):
    version_model = apps.get_model("leads", "PricingVersion")
    tier_model = apps.get_model("leads", "PricingTier")
    version = version_model.objects.using(schema_editor.connection.alias).create(
        note="The first price list", effective_at="2026-01-01T00:00:00Z"
    )
    ends = [price for price, _ in TIERS[1:]] + [None]
    tier_model.objects.using(schema_editor.connection.alias).bulk_create(
        tier_model(version=version, price_from=start, price_below=end, credits=cost)
        for (start, cost), end in zip(TIERS, ends, strict=True)
    )
    apps.get_model("leads", "ConsentNotice").objects.using(schema_editor.connection.alias).create(
        version=NOTICE_VERSION, text=NOTICE_TEXT, text_sha256=sha256(NOTICE_TEXT.encode()).hexdigest()
    )


class Migration(migrations.Migration):
    dependencies = [("leads", "0002_guards")]
    # Going back leaves the rows: they never change, and go with their tables.
    operations = [migrations.RunPython(install_defaults, migrations.RunPython.noop)]
