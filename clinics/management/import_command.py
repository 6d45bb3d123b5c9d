"""What `import_clinics` and `import_treatments` share: the files, the dry run, progress, the report."""

from argparse import ArgumentParser
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from clinics.table_import import ImportFailed, Outcome, TableImport, Verdict, summary


class ImportCommand(BaseCommand):
    table: ClassVar[type[TableImport[Any]]]

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="CSV in UTF-8")
        parser.add_argument("--dry-run", action="store_true", help="say the same, write nothing")

    def handle(self, *args: Any, files: list[Path], dry_run: bool, verbosity: int, **options: Any) -> None:
        """Lists each row that is made, updated or refused; with --verbosity 2 also those left unchanged."""
        progress = partial(tqdm, disable=None, unit="row", desc="Reading", leave=False)
        try:
            verdicts = self.table().run(files, dry_run=dry_run, progress=progress)
        except ImportFailed as error:
            raise CommandError(str(error)) from error
        for verdict in verdicts:
            self.report(verdict, verbosity)
        self.stdout.write(summary(verdicts))
        if dry_run:
            self.stdout.write("Dry run: nothing was written.")

    def report(self, verdict: Verdict, verbosity: int) -> None:
        line = f"{verdict.place} {verdict.outcome}: {verdict.text}"
        if verdict.outcome == Outcome.REFUSED:
            self.stdout.write(self.style.WARNING(line))
        elif verbosity >= (2 if verdict.outcome == Outcome.UNCHANGED else 1):
            self.stdout.write(line)
