"""`manage.py razorpay_sandbox`: the local Razorpay, until Ctrl-C."""

import signal
import threading
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing_site.razorpay_sandbox import KEY_ID, SandboxRefused, start


class Command(BaseCommand):
    help = (
        "Runs a local Razorpay (API, checkout, webhooks) on 127.0.0.1. No real money; refused outside DEBUG."
    )
    requires_system_checks = ()  # it needs no database, and starts before there is one

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8077, help="default 8077; 0 takes a free one")
        parser.add_argument("--seed", help="the same ids in the same order with each run")
        parser.add_argument("--webhook-url", help="where events are sent, on this machine")
        parser.add_argument(
            "--state", type=Path, metavar="FILE", help="remember everything in this JSON file"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        stopped = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopped.set())
        try:
            sandbox = start(
                options["port"],
                seed=options["seed"],
                webhook_url=options["webhook_url"],
                state_file=options["state"],
                log=self.log if options["verbosity"] > 1 else None,
            )
        except (SandboxRefused, OSError, ValueError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"Razorpay sandbox (no real money) on {sandbox.url}\n"
            f"  key id {KEY_ID}, webhooks to {sandbox.sandbox.state.config.webhook_url or 'nobody'}\n"
            f"  state {sandbox.url}/_sandbox/state, stop with Ctrl-C"
        )
        self.stdout.flush()
        while not stopped.wait(0.5):
            pass
        sandbox.stop()
        self.stdout.write("Razorpay sandbox stopped.")

    def log(self, line: str) -> None:
        self.stdout.write(line)
