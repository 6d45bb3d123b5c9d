# The only commands to remember. Paths stay relative, so that a folder with a space in its name works.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv/bin/python

# Local secrets of no value: nothing of them leaves this machine.
LOCAL := DEBUG=on SECRET_KEY=local-development-only-this-is-not-a-secret
TEST := $(LOCAL)

.PHONY: run test test-full check fmt messages bench bench-full

run: .venv/installed
	@$(LOCAL) $(VENV) manage.py run_local

test: .venv/installed-dev
	$(TEST) $(VENV) -m pytest -n auto --dist loadgroup

test-full: .venv/installed-dev
	$(TEST) LEDGER_EXAMPLES=1000 API_CASES=full PAYMENT_STORM=full DISPUTE_RACES=full PAGES=full $(VENV) -m pytest -n auto --dist loadgroup

check: .venv/installed-dev
	$(VENV) -m ruff check .
	$(VENV) -m ruff format --check .
	$(TEST) $(VENV) -m mypy .
	$(VENV) -c 'from importlinter.cli import lint_imports_command; lint_imports_command()'
	git ls-files -z -- 'templates/*.html' | xargs -0 .venv/bin/djade --target-version 5.2 --check
	$(TEST) $(VENV) manage.py check
	$(TEST) $(VENV) manage.py makemigrations --check --dry-run

fmt: .venv/installed-dev
	$(VENV) -m ruff check --fix .
	$(VENV) -m ruff format .
	git ls-files -z -- 'templates/*.html' | xargs -0 .venv/bin/djade --target-version 5.2 || true

messages: .venv/installed-dev
	$(LOCAL) locale/collect.sh $(VENV)

bench: .venv/installed-dev
	$(TEST) $(VENV) -m bench

bench-full: .venv/installed-dev
	$(TEST) $(VENV) -m bench --full

.venv/installed: requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv .venv
	$(VENV) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch .venv/installed

.venv/installed-dev: .venv/installed requirements-dev.txt
	$(VENV) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch .venv/installed-dev
