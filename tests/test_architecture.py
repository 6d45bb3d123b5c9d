"""What import-linter cannot see: string foreign keys, signals, save() overrides, ordering, missing constraints."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.db import models

APPS = ("clinics", "leads", "credits", "disputes")
ROOT = Path(settings.BASE_DIR)
ORDER = {"clinics": 0, "leads": 1, "credits": 2, "disputes": 3}


def own_models() -> list[type[models.Model]]:
    return [model for label in APPS for model in apps.get_app_config(label).get_models()]


def own_files() -> Iterator[Path]:
    for folder in (*APPS, "billing_site"):
        yield from (path for path in (ROOT / folder).rglob("*.py") if "migrations" not in path.parts)


@pytest.mark.parametrize("model", own_models(), ids=lambda model: model.__name__)
class TestModels:
    def test_foreign_keys_point_backwards_along_the_story(self, model: type[models.Model]) -> None:
        for field in model._meta.get_fields():
            if isinstance(field, models.ForeignKey) and field.related_model._meta.app_label in ORDER:
                assert ORDER[field.related_model._meta.app_label] <= ORDER[model._meta.app_label], field

    def test_nothing_cascades(self, model: type[models.Model]) -> None:
        for field in model._meta.get_fields():
            if isinstance(field, models.ForeignKey):
                assert field.remote_field.on_delete is models.PROTECT, field

    def test_money_is_decimal_with_two_places(self, model: type[models.Model]) -> None:
        for field in model._meta.get_fields():
            assert not isinstance(field, models.FloatField), field
            if isinstance(field, models.DecimalField) and field.name not in {
                "latitude",
                "longitude",
                "google_rating",
                "percent",
            }:
                assert (field.max_digits, field.decimal_places) == (12, 2), field

    def test_there_is_no_order_by_stealth_and_no_save_of_its_own(self, model: type[models.Model]) -> None:
        assert not model._meta.ordering
        assert "save" not in vars(model)


def test_there_are_no_signals_and_no_catch_all_modules() -> None:
    for path in own_files():
        assert path.stem not in {"utils", "helpers", "common", "signals"}, path
        imported = {
            name.name if isinstance(node, ast.Import) else node.module
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in node.names
        }
        assert not imported & {"django.dispatch", "django.db.models.signals"}, path


def test_files_and_functions_stay_short() -> None:
    for path in own_files():
        text = path.read_text()
        assert text.count("\n") <= 400, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                assert (node.end_lineno or 0) - node.lineno < 70, f"{path}: {node.name}"
    for path in (ROOT / "templates").rglob("*.html"):
        assert path.read_text().count("\n") <= 150, path


def test_no_page_action_or_job_gives_credits_by_itself() -> None:
    """`add_credits` is for scripts; credits come by payments, disputes and requests. The demo is such a script."""
    callers = {path.relative_to(ROOT).as_posix() for path in own_files() if "add_credits" in path.read_text()}
    assert callers == {
        "billing_site/demo/making.py",
        "billing_site/rights.py",
        "credits/services/ledger.py",
    }


def test_only_billing_service_calls_the_ledgers_functions() -> None:
    """SQL functions are called in few places; those of `credits/sql` in one, but day seals, which move nothing."""
    files = "\n".join(
        path.read_text() for path in (ROOT / "credits/sql").glob("*.sql") if path.name != "seals.sql"
    )
    of_the_ledger = {
        f'"{name}"' for name in re.findall(r"^CREATE OR REPLACE FUNCTION (\w+)", files, re.MULTILINE)
    }
    for path in own_files():
        if path == ROOT / "credits/services/ledger.py" or path == ROOT / "billing_site/rights.py":
            continue
        calls = re.findall(r'(?:door\.call|door\.call_or_refuse|_call)\(\s*("\w+")', path.read_text())
        assert not of_the_ledger & set(calls), path


def test_when_a_day_begins_is_computed_in_one_place() -> None:
    midnight = re.compile(r"\btime\.min\b|\.replace\(hour=0")
    found = {str(path.relative_to(ROOT)) for path in own_files() if midnight.search(path.read_text())}
    assert found == {"clinics/days.py"}


def test_mails_are_written_and_sent_by_the_outbox_alone() -> None:
    """Whatever a request wants mailed is a row; see «a mail of another kind» in CONTRIBUTING.md."""
    sends = re.compile(
        r"from django\.core(\.mail)? import .*([mM]ail|EmailM)|get_adapter\(\)\.send_|email_user\("
    )
    found = {str(path.relative_to(ROOT)) for path in own_files() if sends.search(path.read_text())}
    assert found == {"billing_site/outbox/letters.py", "billing_site/outbox/mails.py"}
