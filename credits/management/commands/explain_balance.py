"""`manage.py explain_balance CLINIC`: why is this balance what it is? Ids only, no personal data."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from credits.management.clinic_command import find_clinic
from credits.services.explain import explain


class Command(BaseCommand):
    help = "Explains a clinic's balance: what came and went, what is left of which payment, what is owed or held."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("clinic", metavar="CLINIC", help="slug or id")

    def handle(self, *args: Any, clinic: str, **options: Any) -> None:
        explanation = explain(find_clinic(clinic))
        for line in explanation.summary:
            self.stdout.write(line)
        for section in explanation.sections:
            self.stdout.write(f"\n{section.title}")
            for line in section.lines or (section.otherwise,):
                self.stdout.write(f"  {line}")
        if explanation.problem:
            self.stdout.write(f"\n{explanation.problem}")
