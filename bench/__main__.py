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
    for lane, folder in lanes().items():
        if options.lane in ("", lane):
            with server(lane, folder) as running:
                found = measured(running, options)
                found["flush_ms"] = machine.flush_milliseconds(folder)
                found["place"], found["settings"] = running.place, machine.server_settings(running.superuser)
            result["lanes"][lane] = found
            show(lane, found)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "ledger.json"
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    print(f"\n{path.relative_to(ROOT)} written")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("--full", action="store_true", help="more rounds on fuller tables")
    parser.add_argument("--lane", default="", help="disk or tmpfs alone")
    parser.add_argument("--only", default="", help="variants whose name starts so")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--calls", type=int, help="of each variant in each round")
    parser.add_argument("--leads", type=int, help="that are there beforehand")
    options = parser.parse_args()
    options.rounds = options.rounds or (41 if options.full else 21)
    options.calls = options.calls or 100
    options.leads = options.leads or (200_000 if options.full else 20_000)
    return options


def measured(running: Server, options: argparse.Namespace) -> dict[str, Any]:
    """The site's log goes to a file, as in production; it is shown when the lane fails."""
    with tempfile.TemporaryDirectory() as folder:
        output, log = Path(folder) / "lane.json", Path(folder) / "log"
        facts = ["rounds", "calls", "leads", "only"]
        command = [
            sys.executable,
            "-m",
            "bench.lane",
            "--output",
            str(output),
            "--superuser",
            running.superuser,
        ]
        command += [part for name in facts for part in (f"--{name}", str(getattr(options, name)))]
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


if __name__ == "__main__":
    main()
