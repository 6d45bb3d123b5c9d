"""One lane, in a process of its own that sees its cluster by the environment, as the site does in production."""

import argparse
import json
import logging
import os
import random
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing_site.settings")
django.setup()

from bench import cost, orm_way  # noqa: E402 - they import models
from bench.bare import Bare, values_of  # noqa: E402
from bench.material import Material  # noqa: E402
from bench.one_by_one import OneByOne  # noqa: E402
from bench.rounds import Ratio, Variant, ratio, run  # noqa: E402
from credits.services.ledger import BillingService  # noqa: E402


def variants(material: Material) -> list[Variant]:
    bare, one_by_one = Bare(), OneByOne()

    def values(calls: int) -> list[tuple[Any, ...]]:
        return [values_of(enquiry) for enquiry in material.enquiries(calls)]

    def add(credit: tuple[Any, ...]) -> object:
        clinic_id, amount, description, top_up_id, payment_id, key = credit
        return BillingService.add_credits(
            clinic_id, amount, description, top_up_id=top_up_id, payment_id=payment_id, idempotency_key=key
        )

    return [
        Variant("delivery", material.enquiries, BillingService.deliver_lead),
        Variant("delivery, bare psycopg", values, bare.deliver),
        Variant("delivery, one by one", material.enquiries, one_by_one.deliver),
        Variant("delivery, ORM", material.enquiries, orm_way.deliver),
        Variant("charge", material.held_leads, lambda held: BillingService.deduct_credits_for_lead(*held)),
        Variant("charge, bare psycopg", material.held_leads, bare.deduct),
        Variant("credit", material.credits, add),
        Variant("credit, bare psycopg", material.credits, bare.add),
    ]


RATIOS = [
    ("A1", "delivery", "delivery, bare psycopg"),
    ("A1", "charge", "charge, bare psycopg"),
    ("A1", "credit", "credit, bare psycopg"),
    ("A2", "delivery", "delivery, one by one"),
    ("A2", "delivery", "delivery, ORM"),
]


def measure(
    rounds: int, calls: int, leads: int, superuser: str, only: Callable[[str], bool]
) -> dict[str, Any]:
    dice = random.Random(0)
    material = Material(dice)
    material.fill(leads)
    chosen = [variant for variant in variants(material) if only(variant.name)]
    seconds = run(chosen, rounds, calls, dice)
    known = [(target, ours, against) for target, ours, against in RATIOS if {ours, against} <= set(seconds)]
    ratios: list[tuple[str, Ratio]] = [
        (target, ratio(seconds, ours, against)) for target, ours, against in known
    ]
    return {
        "ratios": [{"target": target, **asdict(found)} for target, found in ratios],
        "cost": asdict(cost.measure(material, superuser, leads=500)),
        "seconds_per_call": seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--calls", type=int, required=True)
    parser.add_argument("--leads", type=int, required=True, help="already there when it starts")
    parser.add_argument("--superuser", required=True, help="conninfo")
    parser.add_argument("--only", default="", help="variants whose name starts so")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    logging.getLogger("credits").propagate = True
    answer = measure(
        options.rounds,
        options.calls,
        options.leads,
        options.superuser,
        lambda name: name.startswith(options.only),
    )
    options.output.write_text(json.dumps(answer))


if __name__ == "__main__":
    main()
