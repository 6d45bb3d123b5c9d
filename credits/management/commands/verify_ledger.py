"""`manage.py verify_ledger`: proves the books, or names what is wrong with them."""

from argparse import ArgumentParser
from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from credits.services import verification
from credits.services.verification import Finding


class Command(BaseCommand):
    help = (
        "Proves the books in one read-only snapshot. Prints each check with its violations; exits 1 on any."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--exact", action="store_true", help="Row by row, without the proof by sums (slow)."
        )

    def handle(self, *args: Any, exact: bool, **options: Any) -> None:
        progress = partial(tqdm, unit=" statements", leave=False, disable=None)
        with verification.snapshot() as cursor:
            findings = list(verification.verify(cursor, exact=exact, progress=progress))
        width = max(len(finding.check) for finding in findings)
        for finding in findings:
            self.stdout.write(f"{finding.check:<{width}} {finding.violations:>8}{_examples(finding)}")
        broken = [finding for finding in findings if finding.violations]
        if broken:
            raise CommandError(f"{len(broken)} of {len(findings)} checks found violations.")
        self.stdout.write(self.style.SUCCESS(f"All {len(findings)} checks hold."))


def _examples(finding: Finding) -> str:
    if not finding.examples:
        return ""
    more = ", …" if finding.violations > len(finding.examples) else ""
    note = f" ({finding.note})" if finding.note else ""
    return f"  {finding.noun} {', '.join(map(str, finding.examples))}{more}{note}"
