"""`manage.py import_clinics FILE… [--dry-run]`: for what it takes see `clinics/imports.py`."""

from clinics.imports import ClinicImport
from clinics.management.import_command import ImportCommand


class Command(ImportCommand):
    help = "Takes clinics from a directory's CSV files; new ones are inactive. A second run changes nothing."
    table = ClinicImport
