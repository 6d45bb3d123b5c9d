"""Interleaved rounds: every variant in each round, in shuffled order, and only ratios within a round count."""

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Variant:
    """`prepare` makes the inputs of one round, outside the clock; `call` does the work for one of them."""

    name: str
    prepare: Callable[[int], Sequence[Any]]
    call: Callable[[Any], object]


@dataclass(frozen=True)
class Ratio:
    """How many times as fast as `against` a variant is: the median of the rounds' ratios, and their range."""

    name: str
    median: float
    lowest: float
    highest: float


def run(variants: Sequence[Variant], rounds: int, calls: int, random: Random) -> dict[str, list[float]]:
    """Seconds per call, by variant and round. One more round goes first and isn't counted."""
    seconds: dict[str, list[float]] = {variant.name: [] for variant in variants}
    for number in range(rounds + 1):
        for variant in random.sample(variants, len(variants)):
            inputs = variant.prepare(calls)
            gc.collect()
            started = time.perf_counter()
            for each in inputs:
                variant.call(each)
            spent = time.perf_counter() - started
            if number:
                seconds[variant.name].append(spent / calls)
    return seconds


def ratio(seconds: dict[str, list[float]], ours: str, against: str) -> Ratio:
    by_round = [theirs / mine for mine, theirs in zip(seconds[ours], seconds[against], strict=True)]
    return Ratio(f"{ours} ÷ {against}", median(by_round), min(by_round), max(by_round))
