"""What a check costs the whole program, and how late checks are.

The program runs as a person starts it; services are made through its API. When every service
keeps its rhythm, processor time (user and system, all threads) is read at the beginning and
the end of the measured time. Lateness is what the target saw: a service is due every interval, so
the earliest of its arrivals, seen against that rhythm, is taken as on time.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from tests.bench._target import target
from tests.process import Client, running, wait_until


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    with (
        target() as site,
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder) / "data") as program,
    ):
        client = Client(program.url).register()
        process = psutil.Process(program.pid)
        idle_mb = process.memory_info().rss / 2**20
        for number in range(options.services):
            client.add_service(
                f"Service {number}",
                f"http://127.0.0.1:{site.port}/{number}",
                interval_seconds=options.interval,
            )
        wait_until(lambda: is_steady(site.arrivals(), options.services), options.interval * 4)

        begin, used = time.time(), cpu(process)
        time.sleep(options.seconds)
        end, used = time.time(), cpu(process) - used

        arrivals = [[at for at in times if begin <= at < end] for times in site.arrivals().values()]
        checks = sum(map(len, arrivals))
        late = sorted(
            lateness for times in arrivals for lateness in latenesses(times, options.interval)
        )
        memory_mb = process.memory_info().rss / 2**20
        disk = sum(path.stat().st_size for path in program.data_dir.glob("uptimehunt.db*"))
        program.stop()
    return [
        {
            "target": site.kind,
            "services": options.services,
            "interval s": options.interval,
            "checks": checks,
            "expected": round(options.services * options.seconds / options.interval),
            "CPU ms a check": round(used / checks * 1000, 3),
            "CPU %": round(used / (end - begin) * 100, 1),
            "late p50 ms": round(statistics.median(late) * 1000, 1),
            "late p99 ms": round(late[int(len(late) * 0.99)] * 1000, 1),
            "late max ms": round(late[-1] * 1000, 1),
            "RSS idle MB": round(idle_mb, 1),
            "RSS MB": round(memory_mb, 1),
            "disk KB": disk // 1024,
        }
    ]


def is_steady(arrivals: dict[str, list[float]], services: int) -> bool:
    """Whether every service was checked at once when it was new, and then at its first turn."""
    return len(arrivals) == services and min(map(len, arrivals.values())) >= 2


def cpu(process: psutil.Process) -> float:
    """Seconds of processor time that a process has used."""
    times = process.cpu_times()
    return float(times.user + times.system)


def latenesses(arrivals: list[float], interval: float) -> list[float]:
    """Seconds by which each of a service's checks was later than its most punctual one."""
    if not arrivals:
        return []
    first = arrivals[0]
    off = [at - first - interval * round((at - first) / interval) for at in arrivals]
    return [each - min(off) for each in off]
