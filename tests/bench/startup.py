"""How long it takes from the start of the program to its first answer, and how big it is."""

import argparse
import contextlib
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import requests

from tests.process import ROOT, SOURCE, Program, started, wait_until

RUNS = 7
EXECUTABLE = ROOT / "dist" / "uptimehunt"


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    rows = [row("source", SOURCE, None)]
    if EXECUTABLE.is_file():
        rows.append(row("executable", (str(EXECUTABLE),), EXECUTABLE.stat().st_size))
    return rows


def row(name: str, command: tuple[str, ...], size: int | None) -> dict[str, Any]:
    first, again = [], []
    for _ in range(RUNS):
        with tempfile.TemporaryDirectory() as folder:
            first.append(run(command, Path(folder) / "data")[0])
            seconds, memory = run(command, Path(folder) / "data")
            again.append(seconds)
    return {
        "of": name,
        "size MB": "" if size is None else round(size / 2**20, 1),
        "new folder s": round(statistics.median(first), 2),
        "start s": round(statistics.median(again), 2),
        "worst s": round(max(first + again), 2),
        "RSS idle MB": round(memory / 2**20, 1),
    }


def run(command: tuple[str, ...], data_dir: Path) -> tuple[float, int]:
    """Seconds to the first answer, and bytes of memory then, of all its processes."""
    with started(data_dir, command=command) as program:
        wait_until(lambda: answers(program), 30)
        seconds = time.monotonic() - program.started_at
        process = psutil.Process(program.pid)
        memory = sum(
            each.memory_info().rss for each in [process, *process.children(recursive=True)]
        )
        program.stop()
    return seconds, memory


def answers(program: Program) -> bool:
    with contextlib.suppress(requests.ConnectionError):
        return requests.get(f"{program.url}/api/v1/health", timeout=5).ok
    return False
