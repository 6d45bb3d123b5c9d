"""`manage.py import_treatments FILE… [--dry-run]`: for what it takes see `leads/imports.py`."""

from clinics.management.import_command import ImportCommand
from leads.imports import TreatmentImport


class Command(ImportCommand):
    help = "Takes the treatment catalogue from CSV files. A second run changes nothing."
    table = TreatmentImport
