"""`manage.py import_leads FILE --partner SLUG`: a partner's enquiries from a file, each stored once."""

from argparse import ArgumentParser
from collections import Counter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from clinics.models import Partner
from leads.lead_import import ImportFailed, LeadImport, Outcome, summary


class Command(BaseCommand):
    help = "Stores the enquiries of a CSV or JSON lines file, each once; run it again after it broke off."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE", help="CSV in UTF-8, or one JSON object a line")
        parser.add_argument("--partner", required=True, metavar="SLUG", help="whose leads these are")
        parser.add_argument("--dry-run", action="store_true", help="say the same, write nothing")

    def handle(self, *args: Any, file: Path, partner: str, dry_run: bool, **options: Any) -> None:
        """Lists each refused line; stored ones are counted."""
        whose = Partner.objects.filter(slug=partner, is_active=True).first()
        if whose is None:
            raise CommandError(f"There is no active partner «{partner}».")
        counts: Counter[Outcome] = Counter()
        size = file.stat().st_size if file.is_file() else None
        try:
            with tqdm(total=size, disable=None, unit="B", unit_scale=True, leave=False) as bar:
                for verdict in LeadImport(partner=whose, dry_run=dry_run).run(file, bar.update):
                    counts[verdict.outcome] += 1
                    if verdict.outcome == Outcome.REFUSED:
                        self.stdout.write(self.style.WARNING(f"{verdict.place} refused: {verdict.text}"))
        except ImportFailed as error:
            raise CommandError(f"{error} Until there: {summary(counts)}") from error
        self.stdout.write(summary(counts))
        if dry_run:
            self.stdout.write("Dry run: nothing was written.")
