"""What a check costs the whole program, and how late checks are, as their number grows.

The program runs as a person starts it; services are made through its API, and it schedules,
judges, stores and serves. When every service keeps its rhythm, processor time (user and system,
all threads) is read at the beginning and the end of the measured time.

A service is due every interval, so the most punctual of its checks, seen against that rhythm, is
taken as on time. Of HTTP checks the target tells when they came; of TCP checks, which say nothing
to it, the program's own record does.

Beside it runs Debian's prometheus-blackbox-exporter, which only probes; `ratio` is its processor
time a check divided by ours.
"""

import argparse
import contextlib
import socket
import sqlite3
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.bench._exporter import Exporter, exporter
from tests.bench._target import HOSTS, Target, target
from tests.process import Client, Program, running

Row = dict[str, Any]
Times = dict[str, list[float]]
"""What a check was of → when each of its checks began, wall seconds."""

HTTPS_RATE = 100
HANGING, HEALTHY = 200, 50
EXPORTER_S = 6
MAKERS = 8


@dataclass(frozen=True)
class Span:
    """A measured time: its begin and end on the wall clock, and what was used in it."""

    begin: float
    end: float
    cpu_s: float
    memory: int


def measure(options: argparse.Namespace) -> list[Row]:
    """All rows."""
    rows: list[Row] = []
    with target() as site, exporter(site.ca_file) as other:
        for kind, rates in (
            ("http", options.rates),
            ("tcp", options.rates),
            ("https", [HTTPS_RATE]),
        ):
            ours = climb(kind, rates, site, options)
            rows += ours
            if other is not None:
                rows += [beside(other, row, site) for row in ours]
        rows.append(hanging(site, options))
    return rows


def climb(kind: str, rates: list[int], site: Target, options: argparse.Namespace) -> list[Row]:
    """A row a rate, in one run of the program: services are added until there are enough."""
    spans: list[Span] = []
    with program_for(site) as (program, client):
        made = 0
        for rate in sorted(rates):
            wanted = rate * options.interval
            add(client, [body(kind, number, site, options) for number in range(made, wanted)])
            made = wanted
            # Each was checked at once when it was new, and from then on at its turn.
            time.sleep(options.interval + 1)
            spans.append(watch(program, options.seconds))
        program.stop()
        times = recorded(program) if kind == "tcp" else site.arrivals()
    return [
        row(kind, rate, span, times, "program" if kind == "tcp" else "target", options)
        for rate, span in zip(sorted(rates), spans, strict=True)
    ]


def hanging(site: Target, options: argparse.Namespace) -> Row:
    """How late healthy services are while most others never answer."""
    with program_for(site) as (program, client), silent_port() as port:
        silent = {"url": f"http://127.0.0.1:{port}/", "timeout": 30}
        more = {"type": "http", "interval_seconds": options.interval}
        add(client, [{"name": f"Hanging {n}", "config": silent, **more} for n in range(HANGING)])
        add(client, [body("http", 100_000 + n, site, options) for n in range(HEALTHY)])
        time.sleep(options.interval + 1)
        span = watch(program, options.seconds)
        program.stop()
    kind = f"http, {HANGING} of {HANGING + HEALTHY} hang"
    rate = round(HEALTHY / options.interval)
    times = {path: found for path, found in site.arrivals().items() if len(path) > len("/99999")}
    return row(kind, rate, span, times, "target", options)


def beside(other: Exporter, ours: Row, site: Target) -> Row:
    """What the exporter needs for the same."""
    kind, rate = ours["type"], ours["checks/s wanted"]
    module, targets = kind, [address(kind, number, site) for number in range(len(HOSTS))]
    cost = other.probe(module, targets, rate, EXPORTER_S)
    each_ms = cost.cpu_s / cost.probes * 1000
    return {
        **dict.fromkeys(ours, ""),
        "program": "blackbox_exporter",
        "type": kind,
        "checks/s wanted": rate,
        "checks/s": round(cost.probes / cost.seconds, 1),
        "CPU ms a check": round(each_ms, 3),
        "CPU %": round(cost.cpu_s / cost.seconds * 100, 1),
        "ratio": round(each_ms / ours["CPU ms a check"], 1),
        "RSS MB": round(cost.memory / 2**20, 1),
    }


@contextlib.contextmanager
def program_for(site: Target) -> Iterator[tuple[Program, Client]]:
    """The program with an account, without services."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder) / "data", "--ca-file", str(site.ca_file)) as program,
    ):
        yield program, Client(program.url).register()


@contextlib.contextmanager
def silent_port() -> Iterator[int]:
    """A port that takes connections, as many as come, and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        yield listener.getsockname()[1]


def address(kind: str, number: int, site: Target) -> str:
    """Of what a service watches: each of them another path at one of a few hosts."""
    host = HOSTS[number % len(HOSTS)]
    if kind == "tcp":
        return f"{host}:{site.port}"
    return f"{kind}://{host}:{site.tls_port if kind == 'https' else site.port}/{number}"


def body(kind: str, number: int, site: Target, options: argparse.Namespace) -> dict[str, Any]:
    """What is sent to make a service."""
    where = address(kind, number, site)
    host, _, port = where.partition(":")
    return {
        "name": f"Service {number}",
        "type": "tcp" if kind == "tcp" else "http",
        "config": {"host": host, "port": int(port)} if kind == "tcp" else {"url": where},
        "interval_seconds": options.interval,
    }


def add(client: Client, bodies: list[dict[str, Any]]) -> None:
    """Make services, several at a time: those that wait together share a commit."""

    def make(some: list[dict[str, Any]]) -> None:
        own = Client(client.url, client.token)
        for one in some:
            own.post("/services", one)
        own.http.close()

    with ThreadPoolExecutor(MAKERS) as pool:
        list(pool.map(make, (bodies[first::MAKERS] for first in range(MAKERS))))


def watch(program: Program, seconds: int) -> Span:
    process = psutil.Process(program.pid)
    begin, used = time.time(), cpu(process)
    time.sleep(seconds)
    return Span(begin, time.time(), cpu(process) - used, process.memory_info().rss)


def cpu(process: psutil.Process) -> float:
    """Seconds of processor time that a process has used."""
    times = process.cpu_times()
    return float(times.user + times.system)


def recorded(program: Program) -> Times:
    """When the program, which has ended, says that it checked each service."""
    found: Times = defaultdict(list)
    with contextlib.closing(sqlite3.connect(program.data_dir / "uptimehunt.db")) as database:
        # A merge that was broken off has left some in both tables.
        rows = """
            SELECT service_id, checked_at, probe_id FROM landed_result
            UNION SELECT service_id, checked_at, probe_id FROM check_result ORDER BY checked_at
        """
        for service, at_ms, _ in database.execute(rows):
            found[str(service)].append(at_ms / 1000)
    return found


def row(
    kind: str, rate: int, span: Span, times: Times, seen_by: str, options: argparse.Namespace
) -> Row:
    within = [[at for at in one if span.begin <= at < span.end] for one in times.values()]
    late = sorted(each for one in within for each in latenesses(one, options.interval))
    checks, seconds = len(late), span.end - span.begin
    return {
        "program": "uptimehunt",
        "type": kind,
        "checks/s wanted": rate,
        "checks/s": round(checks / seconds, 1),
        "CPU ms a check": round(span.cpu_s / checks * 1000, 3),
        "CPU %": round(span.cpu_s / seconds * 100, 1),
        "ratio": "",
        "late p50 ms": round(statistics.median(late) * 1000, 1),
        "late p99 ms": round(late[int(len(late) * 0.99)] * 1000, 1),
        "late max ms": round(late[-1] * 1000, 1),
        "seen by": seen_by,
        "RSS MB": round(span.memory / 2**20, 1),
    }


def latenesses(times: list[float], interval: float) -> list[float]:
    """Seconds by which each of a service's checks was later than its most punctual one."""
    if not times:
        return []
    first = times[0]
    off = [at - first - interval * round((at - first) / interval) for at in times]
    return [each - min(off) for each in off]
