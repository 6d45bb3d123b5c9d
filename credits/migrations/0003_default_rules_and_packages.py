"""The rules' single row and the credit packages a new installation sells (PRODUCT, «Credit package»)."""

from django.db import migrations

# Price before tax (₹) → credits in all; the surplus is a bonus.
PACKAGES = [(1_000, 1_000), (5_000, 5_500), (10_000, 11_500), (25_000, 30_000), (50_000, 62_500)]


def install_defaults(apps, schema_editor):
    alias = schema_editor.connection.alias
    apps.get_model("credits", "BillingRules").objects.using(alias).create(id=1)
    package_model = apps.get_model("credits", "CreditPackage")
    package_model.objects.using(alias).bulk_create(
        package_model(name=f"{total:,} credits", price=price, credits=total) for price, total in PACKAGES
    )


class Migration(migrations.Migration):
    dependencies = [("credits", "0002_ledger_sql")]
    operations = [migrations.RunPython(install_defaults, migrations.RunPython.noop)]
