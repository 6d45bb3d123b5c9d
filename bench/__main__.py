"""`make bench`: the ledger's speed as ratios, on a disk and in memory. See bench/README.md."""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench import machine
from bench.clusters import ROOT, Server, lanes, server

RESULTS = ROOT / "bench" / "results"
# (target, ratio) → least median, by lane.
TARGETS: dict[str, dict[str, float]] = {
    "delivery ÷ delivery, bare psycopg": {"tmpfs": 0.75, "disk": 0.80},
    "charge ÷ charge, bare psycopg": {"tmpfs": 0.75, "disk": 0.80},
    "delivery ÷ delivery, one by one": {"tmpfs": 2.5, "disk": 2.2},
    "delivery ÷ delivery, ORM": {"tmpfs": 11.0, "disk": 9.0},
    "checks ÷ plain scan": {"disk": 0.4},
    "import ÷ bare COPYs": {"tmpfs": 0.4, "disk": 0.4},
    "import ÷ ORM loop": {"tmpfs": 30.0, "disk": 30.0},
}
MOST = {
    "round_trips": 1.0,
    "flushes": 1.05,
    "wal_bytes": 2800.0,
}  # a flush more where the log's segment is full


def main() -> None:
    options = arguments()
    result: dict[str, Any] = {"machine": machine.state(), "rounds": options.rounds, "calls": options.calls}
    print("  ".join(f"{name} {fact}" for name, fact in result["machine"].items()))
    result["lanes"] = {}
    imports: dict[str, Any] = {}
    for lane, folder in lanes().items():
        if options.lane in ("", lane) and options.rounds:
            with server(lane, folder) as running:
                found = measured(running, options)
                found["flush_ms"] = machine.flush_milliseconds(folder)
                found["place"], found["settings"] = running.place, machine.server_settings(running.superuser)
                if options.import_lines:
                    facts = {"lines": options.import_lines, "rounds": options.import_rounds}
                    imports[lane] = answer_of("bench.imports", running, facts)
            result["lanes"][lane] = found
            show(lane, found)
            if lane in imports:
                show_import(lane, imports[lane])
    if result["lanes"]:
        write("ledger", result)
    if imports:
        write("imports", {"machine": machine.state(), "rounds": options.import_rounds, "lanes": imports})
    if options.movements:
        measure_proof(options)


def measure_proof(options: argparse.Namespace) -> None:
    """On the disk alone: it only reads, and what it reads is in memory on both."""
    folder = lanes()["disk"]
    with server("disk", folder) as running:
        facts = {"movements": options.movements, "rounds": options.proof_rounds}
        found = answer_of("bench.proof", running, facts)
        found["place"], found["settings"] = running.place, machine.server_settings(running.superuser)
    show_proof(found)
    write("proof", {"machine": machine.state(), "rounds": options.proof_rounds, **found})


def write(name: str, result: dict[str, Any]) -> None:
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    print(f"\n{path.relative_to(ROOT)} written")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("--full", action="store_true", help="more rounds on fuller tables")
    parser.add_argument("--lane", default="", help="disk or tmpfs alone")
    parser.add_argument("--only", default="", help="variants whose name starts so")
    parser.add_argument("--rounds", type=int, help="of deliveries and charges; 0: only the proof")
    parser.add_argument("--calls", type=int, help="of each variant in each round")
    parser.add_argument("--leads", type=int, help="that are there beforehand")
    parser.add_argument("--import-lines", type=int, help="of the file that is imported; 0: none is")
    parser.add_argument("--import-rounds", type=int)
    parser.add_argument("--movements", type=int, help="in the books that are proven; 0: none are")
    parser.add_argument("--proof-rounds", type=int)
    options = parser.parse_args()
    if options.movements is None:
        options.movements = 0 if options.lane or options.only else 10_000_000 if options.full else 1_000_000
    options.proof_rounds = options.proof_rounds or (15 if options.full else 7)
    if options.import_lines is None:
        options.import_lines = 0 if options.only else 100_000 if options.full else 10_000
    options.import_rounds = options.import_rounds or (5 if options.full else 3)
    if options.rounds is None:
        options.rounds = 41 if options.full else 21
    options.calls = options.calls or 100
    options.leads = options.leads or (200_000 if options.full else 20_000)
    return options


def measured(running: Server, options: argparse.Namespace) -> dict[str, Any]:
    return answer_of(
        "bench.lane", running, {name: getattr(options, name) for name in ("rounds", "calls", "leads", "only")}
    )


def answer_of(module: str, running: Server, facts: dict[str, Any]) -> dict[str, Any]:
    """The site's log goes to a file, as in production; it is shown when the lane fails."""
    with tempfile.TemporaryDirectory() as folder:
        output, log = Path(folder) / "lane.json", Path(folder) / "log"
        command = [sys.executable, "-m", module, "--output", str(output), "--superuser", running.superuser]
        command += [part for name, fact in facts.items() for part in (f"--{name}", str(fact))]
        with log.open("w") as file:
            ended = subprocess.run(command, env=running.environment, cwd=ROOT, stderr=file, check=False)
        if ended.returncode:
            sys.exit(log.read_text()[-4000:])
        answer: dict[str, Any] = json.loads(output.read_text())
    return answer


def show(lane: str, found: dict[str, Any]) -> None:
    durable = ", ".join(f"{name} {fact}" for name, fact in found["settings"].items())
    print(f"\n{lane}: {found['place']}, one flush {found['flush_ms']} ms\n  {durable}")
    for row in found["ratios"]:
        least = TARGETS.get(row["name"], {}).get(lane)
        verdict = "" if least is None else f"≥ {least}: {'met' if row['median'] >= least else 'MISSED'}"
        spread = f"{row['lowest']:.2f}–{row['highest']:.2f}"
        print(f"  {row['target']}  {row['name']:<42} {row['median']:6.2f}  ({spread})  {verdict}")
    for name, figure in found["cost"].items():
        most = MOST.get(name)
        verdict = "" if most is None else f"≤ {most:g}: {'met' if figure <= most else 'MISSED'}"
        print(f"  A3  per delivered lead: {name.replace('_', ' '):<20} {figure:8.2f}  {verdict}")
    medians = {
        name: sorted(spent)[len(spent) // 2] * 1e6 for name, spent in found["seconds_per_call"].items()
    }
    print(
        "  µs per call, only to look at: "
        + ", ".join(f"{name} {spent:.0f}" for name, spent in medians.items())
    )


def show_import(lane: str, found: dict[str, Any]) -> None:
    print(f"\na file of {found['lines']} lines for {found['clinics']} clinics, {lane}")
    for row in found["ratios"]:
        least = TARGETS[row["name"]][lane]
        verdict = f"≥ {least}: {'met' if row['median'] >= least else 'MISSED'}"
        print(
            f"  E1  {row['name']:<42} {row['median']:6.2f}  ({row['lowest']:.2f}–{row['highest']:.2f})  {verdict}"
        )
    growth = found["memory_mb"]["growth"]
    verdict = f"≤ 64: {'met' if growth <= 64 else 'MISSED'}"
    print(f"  E1  memory it adds to a program that has all loaded {growth:.0f} MB  {verdict}")
    medians = {
        name: sorted(spent)[len(spent) // 2] * 1e6 for name, spent in found["seconds_per_line"].items()
    }
    print(
        "  µs per line, only to look at: "
        + ", ".join(f"{name} {spent:.0f}" for name, spent in medians.items())
    )


def show_proof(found: dict[str, Any]) -> None:
    counts = ", ".join(f"{name.replace('_', ' ')} {number}" for name, number in found["counts"].items())
    print(f"\nproof of the books: {found['place']}\n  {counts}")
    for row in found["ratios"]:
        least = TARGETS.get(row["name"], {}).get("disk")
        verdict = "" if least is None else f"≥ {least}: {'met' if row['median'] >= least else 'MISSED'}"
        print(
            f"  E2  {row['name']:<42} {row['median']:6.2f}  ({row['lowest']:.2f}–{row['highest']:.2f})  {verdict}"
        )
    for side, held in found["memory_mb"].items():
        print(f"  E2  peak memory, {side:<29} {held:6.0f} MB  ≤ 150: {'met' if held <= 150 else 'MISSED'}")
    medians = {name: sorted(spent)[len(spent) // 2] for name, spent in found["seconds"].items()}
    for name, spent in (("seconds", medians), ("seconds per check", found["seconds_per_check"])):
        print(
            f"  {name}, only to look at: " + ", ".join(f"{one} {second:.2f}" for one, second in spent.items())
        )


if __name__ == "__main__":
    main()
