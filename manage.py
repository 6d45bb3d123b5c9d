#!/usr/bin/env python
"""The door for ops: `manage.py help` lists every command."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing_site.settings")
    from django.core.management import execute_from_command_line

    from clinics import audit

    with audit.command(sys.argv):
        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
