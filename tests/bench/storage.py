"""What history costs: room on the disk, bytes written, and time to read, to delete and to copy.

    kept      bytes that a result leaves, after merges as they really go, and a year's forecast
    written   bytes to the disk for a check at 50 checks/s: landing in real time, then the merge of
              half an hour's results; beside it, what keeping each at its place at once writes
    recorded  rows a second, by how many share a commit
    call      processor time of the API's calls, through the application itself
    upkeep    merging, thinning and deleting on the largest history, while others write
    backup    a checked copy of it, likewise
    start     opening it

Processor time is that of the whole process. The histories are made beforehand (`_history.py`).
"""

import argparse
import contextlib
import functools
import gc
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import apsw
from falcon import testing

from tests import builders
from tests.bench import _history
from tests.bench._gauges import TimedStore, Waits, log_bytes, nearest, others_write, used
from tests.bench._history import History
from tests.process import ROOT
from uptimehunt.api.parts import Parts
from uptimehunt.app import BASE, create_app
from uptimehunt.clock import DAY_MS, iso_seconds, now_ms
from uptimehunt.domain import results, retention
from uptimehunt.domain.findings import Finding
from uptimehunt.domain.results import Seen
from uptimehunt.domain.retention import Keeping
from uptimehunt.domain.tokens import Tokens
from uptimehunt.engine.recorder import SEE_EVERY_S, Recorder
from uptimehunt.engine.upkeep import Upkeep
from uptimehunt.store import backup, database, queries
from uptimehunt.store.database import Store
from uptimehunt.store.models import SLOT_MS, TABLES, User

Row = dict[str, Any]
MILLION = 1_000_000

USUAL_SERVICES = 1000
RATE = USUAL_SERVICES * 1000 // _history.LANDING_INTERVAL_MS
"""Checks a second."""

SEEN_EACH = int(RATE * SEE_EVERY_S)
"""It is noted who was seen once in so many checks."""

KEPT_SERVICES, KEPT_SLOTS = 100, 3 * 48
USUAL = Keeping()
"""How long what is kept, unless said otherwise."""

CALLS = 30
FORMER_COMMITS = 200


def measure(options: argparse.Namespace) -> list[Row]:
    """All rows."""
    rows: list[Row] = []
    (ROOT / "build").mkdir(exist_ok=True)
    # Not where temporary files are: that may be in memory.
    with tempfile.TemporaryDirectory(dir=ROOT / "build", prefix="storage-") as folder:
        top = Path(folder)
        rows += kept(top / "kept")
        smallest = min(options.results) * MILLION
        rows += written(_history.make(top / "written", smallest, USUAL_SERVICES, 0), options)
        rows += of_sizes(top, options)
    return rows


def row(
    part: str,
    of: str,
    value: float | str,
    unit: str,
    *,
    worst: float | str = "",
    target: str = "",
    history: History | None = None,
) -> Row:
    """One figure."""
    return {
        "part": part,
        "of": of,
        "results": "" if history is None else f"{history.results / MILLION:g} M",
        "services": "" if history is None else history.services,
        "value": value,
        "worst": worst,
        "unit": unit,
        "target": target,
    }


# --- bytes kept --------------------------------------------------------------------------------


def kept(folder: Path) -> list[Row]:
    """What results leave behind that were merged every half hour, as it really goes."""
    history = _history.make(folder, 0, KEPT_SERVICES, 0)
    each = SLOT_MS // _history.INTERVAL_MS
    with _history.opened(history) as store:
        store.write(_empty, ("check_result", "half_hour", "day", "check_details"))
        start = history.merged_until // DAY_MS * DAY_MS - KEPT_SLOTS * SLOT_MS
        count = each * KEPT_SERVICES
        for slot in range(KEPT_SLOTS):
            at = start + slot * SLOT_MS
            store.write(_history.land, KEPT_SERVICES, at, count, _history.INTERVAL_MS)
            builders.merge(store)
        store.write(_empty, ("landed_result", "landed_details"))
    sizes, counts = _sizes(history.path)
    total = counts["check_result"]
    names = ("check_result", "check_result_failures", "half_hour", "day", "check_details")
    rows = [
        row("kept", name, round(sizes[name] / total, 2), "bytes a result at 60 s")
        | {"results": f"{total / MILLION:.2f} M", "services": KEPT_SERVICES}
        for name in names
    ]
    together = sum(sizes[name] for name in names) / total
    rows.append(
        row("kept", "all of these", round(together, 2), "bytes a result at 60 s", target="<= 30")
    )
    return [*rows, *_forecast(sizes, counts)]


def _empty(tables: Sequence[str]) -> None:
    for model in TABLES:
        if model._meta.table_name in tables:
            model.delete().execute()


def _sizes(path: Path) -> tuple[dict[str, int], dict[str, int]]:
    """Bytes of the pages of each table and index, and rows of each table."""
    with contextlib.closing(backup.opened(path)) as connection:
        pages: list[Any] = connection.execute(
            "SELECT name, pgsize FROM dbstat WHERE aggregate = TRUE"
        ).fetchall()
        tables = [model._meta.table_name for model in TABLES]
        counts = {
            name: int(str(connection.execute(f"SELECT count(*) FROM {name}").get))
            for name in tables
        }
    return dict(pages), counts


def _forecast(sizes: dict[str, int], counts: dict[str, int]) -> list[Row]:
    """What a year of 1,000 services at 60 s comes to, with the periods that are usual."""
    a_day = DAY_MS // _history.INTERVAL_MS
    wanted = {
        # What has had its time is deleted a day's worth at once.
        "check_result": (USUAL.results_days + 1) * a_day * USUAL_SERVICES,
        "half_hour": (USUAL.figures_days + 1) * DAY_MS // SLOT_MS * USUAL_SERVICES,
        "day": 365 * USUAL_SERVICES,
        "check_details": counts["check_details"] // KEPT_SERVICES * USUAL_SERVICES,
    }
    sizes = sizes | {"check_result": sizes["check_result"] + sizes["check_result_failures"]}
    parts = {name: rows * sizes[name] / counts[name] for name, rows in wanted.items()}
    unit = "MB, a year of 1,000 services at 60 s"
    rows = [
        row("kept", f"{name}, forecast", round(size / MILLION), unit)
        for name, size in parts.items()
    ]
    total = round(sum(parts.values()) / MILLION)
    return [*rows, row("kept", "all, forecast", total, unit, target="< 3000")]


# --- bytes written, and what recording costs ---------------------------------------------------


def written(history: History, options: argparse.Namespace) -> list[Row]:
    """Bytes to the disk a check; and rows a second."""
    landing = _in_real_time(history, options.landing_seconds)
    fast, merging = _half_an_hour(history)
    former = _former(history)
    unit = "bytes to the disk a check"
    rows = [
        row("written", f"landing, {options.landing_seconds} s in real time", landing, unit),
        row("written", "landing, half an hour's in a row", fast, unit),
        row("written", "merging half an hour's", merging, unit),
        row("written", "together", landing + merging, unit, target="<= 1000"),
        row("written", "each at its place at once", former, unit),
        row("written", "that, times ours", round(former / max(1, landing + merging), 1), "times"),
    ]
    return [{**one, **_of(history)} for one in rows] + recorded(history)


def _of(history: History) -> Row:
    return {"results": f"{history.results / MILLION:g} M", "services": history.services}


def _in_real_time(history: History, seconds: int) -> int:
    """Bytes a check, as the recorder gathers and commits; with the checkpoint that follows."""
    count = RATE * seconds
    findings = _history.findings(history.services, now_ms(), count)
    with _history.opened(history) as store:
        store.write(results.see, _everyone(history, now_ms()))
    with used() as taken, _history.opened(history) as store:
        recorder = Recorder(store.write, lambda verdict: None)
        recorder.start()
        began = time.monotonic()
        for turn, finding in enumerate(findings):
            time.sleep(max(0, began + turn / RATE - time.monotonic()))
            recorder.put(finding)
        recorder.stop()
    return round(taken.written / count)


def _half_an_hour(history: History) -> tuple[int, int]:
    """Bytes a check of landing half an hour's results in commits of a second's, and of merging."""
    count = _history.MOST_LANDED
    start = now_ms()
    with used() as landing, _history.opened(history) as store:
        for first in range(0, count, RATE):
            batch = _history.findings(history.services, start, RATE, first)
            store.write(_record, batch, first % SEEN_EACH == 0)
    with used() as merging, _history.opened(history) as store:
        Upkeep(store, USUAL).merge_now()
    return round(landing.written / count), round(merging.written / count)


def _record(batch: Sequence[Finding], is_seen: bool) -> None:
    verdicts = results.record(batch)
    if is_seen:
        results.see({verdict.service_id: verdict.seen for verdict in verdicts})


def _former(history: History) -> int:
    """Bytes a check of results that go to their place at once, with their service's state."""
    path = history.path.with_name("former.db")
    with contextlib.closing(apsw.Connection(str(path))) as connection:
        connection.pragma("journal_mode", "wal")
        connection.pragma("synchronous", "full")
        connection.execute("ATTACH ? AS present", (str(history.path),))
        for table in ("check_result", "service_state"):
            schema = "SELECT sql FROM present.sqlite_master WHERE name = ?"
            connection.execute(str(connection.execute(schema, (table,)).get))
            connection.execute(f"INSERT INTO {table} SELECT * FROM present.{table}")
        connection.execute("DETACH present")
        connection.pragma("wal_checkpoint(TRUNCATE)")
    count = FORMER_COMMITS * RATE
    with used() as taken, contextlib.closing(apsw.Connection(str(path))) as connection:
        connection.pragma("synchronous", "full")
        start = now_ms() + DAY_MS
        for first in range(0, count, RATE):
            batch = _history.findings(history.services, start, RATE, first)
            with connection:
                connection.executemany(
                    "INSERT INTO check_result VALUES (?, ?, 1, ?, 200, NULL)",
                    [
                        (one.service_id, one.checked_at, one.outcome.response_time_ms)
                        for one in batch
                    ],
                )
                connection.executemany(
                    "UPDATE service_state SET changed_at = ? WHERE service_id = ?",
                    [(one.checked_at, one.service_id) for one in batch],
                )
        connection.pragma("wal_checkpoint(TRUNCATE)")
    return round(taken.written / count)


def recorded(history: History) -> list[Row]:
    """Rows a second and processor time of each, by how many share a commit."""
    rows = []
    with _history.opened(history) as store:
        for size, commits in ((1, 1000), (50, 200), (500, 60)):
            start = now_ms()
            store.write(results.see, _everyone(history, start))
            batches = [
                _history.findings(history.services, start, size, first * size)
                for first in range(commits)
            ]
            with used() as taken:
                for turn, batch in enumerate(batches):
                    store.write(_record, batch, turn * size % SEEN_EACH < size)
            count = size * commits
            of = f"{size} a commit"
            cpu = round(taken.cpu_s / count * 1e6)
            rows.append(row("recorded", of, round(count / taken.seconds), "rows a second"))
            rows.append(row("recorded", of, cpu, "CPU us a row"))
    return [{**one, **_of(history)} for one in rows]


def _everyone(history: History, at: int) -> dict[int, Seen]:
    return {number + 1: Seen(at, 20) for number in range(history.services)}


# --- by size -----------------------------------------------------------------------------------


def of_sizes(top: Path, options: argparse.Namespace) -> list[Row]:
    """Calls on histories of all sizes, and upkeep, backup and start on the largest."""
    rows: list[Row] = []
    sizes = sorted(options.results)
    middle = sizes[len(sizes) // 2]
    wanted = [(middle, services) for services in options.services if services != USUAL_SERVICES]
    wanted += [(size, USUAL_SERVICES) for size in sizes]
    for size, services in wanted:
        folder = top / f"{size}-{services}"
        history = _history.make(folder, size * MILLION, services)
        with _history.opened(history) as store:
            rows += calls(store, history)
        if (size, services) != wanted[-1]:
            history.path.unlink()
    return [*rows, *upkeep(history), *copying(history), *starting(history)]


def calls(store: Store, history: History) -> list[Row]:
    """Processor time of each call, of many services in turn."""
    with signed_in(store, history.path.parent) as client:
        rows = []
        for path in _paths():
            _cpu_of(client, path, 1, history.services)  # What is made once is made.
            gc.collect()
            gc.freeze()  # As the program does.
            spent = _cpu_of(client, path, CALLS, history.services)
            gc.unfreeze()
            rows.append(
                row(
                    "call",
                    path,
                    round(statistics.median(spent) * 1000, 2),
                    "CPU ms a call",
                    worst=round(max(spent) * 1000, 2),
                    target="< 20",
                    history=history,
                )
            )
    return rows


def _paths() -> list[str]:
    """The calls, with `{}` for the id of a service."""
    now = now_ms()
    one, metrics = "/services/{}", "/services/{}/metrics"
    return [
        "/services?limit=100&include=uptime,sparkline",
        f"{one}/status",
        *(f"{metrics}/uptime?period={period}" for period in ("24h", "30d", "365d")),
        *(f"{metrics}/response-times?period={period}" for period in ("24h", "7d", "30d", "365d")),
        f"{metrics}/response-times?period=24h&interval_seconds=60",
        f"{metrics}/response-times?period=30d&interval_seconds=1800",
        f"{metrics}/response-times?period=30d&interval_seconds=5000",
        f"{metrics}/days?timezone=Europe/Berlin",
        f"{metrics}/days?from={iso_seconds(now - 364 * DAY_MS)[:10]}&timezone=Asia/Kolkata",
        f"{metrics}/timeline?period=365d",
        *(f"{metrics}/sparkline?period={period}" for period in ("24h", "30d", "90d", "365d")),
        f"{one}/checks?limit=50",
        f"{one}/errors?limit=50",
        f"{one}/incidents?limit=50",
        "/incidents?limit=50",
        "/status",
    ]


def _cpu_of(client: testing.TestClient, path: str, count: int, services: int) -> list[float]:
    spent = []
    for turn in range(count):
        began = time.process_time()
        answer = client.simulate_get(BASE + path.format(turn * 37 % services + 1))
        spent.append(time.process_time() - began)
        assert answer.status_code == 200, f"{path}: {answer.text}"
    return spent


class _NoEngine:
    """Nothing is checked here."""

    def checks_per_minute(self) -> float:
        return 0

    def lateness_ms(self) -> list[float]:
        return []

    def counts(self) -> tuple[int, int]:
        return 0, 0

    def next_check_at(self, service_id: int) -> int | None:
        return None


@contextlib.contextmanager
def signed_in(store: Store, folder: Path) -> Iterator[testing.TestClient]:
    """The application, as its admin calls it."""
    with store.reading():
        tokens = Tokens(builders.SECRET, database.instance_id())
        user = User.get()
    token = builders.sign_in(store, tokens, user).access
    engine: Any = _NoEngine()
    parts = Parts(store, tokens, engine, "open", lambda: {"database": True})
    static = ROOT / "static"
    yield testing.TestClient(
        create_app(parts, static), headers={"Authorization": f"Bearer {token}"}
    )


# --- the largest history -----------------------------------------------------------------------


def upkeep(history: History) -> list[Row]:
    """Merging, deleting and thinning while others write; the latter two of more than a day."""
    results_days = int((now_ms() - history.first_at) / DAY_MS - 1)
    rows: list[Row] = []
    with _history.opened(history, TimedStore) as store:
        jobs = Upkeep(store, Keeping(results_days=results_days))
        with others_write(store) as alone:
            time.sleep(2)
        rows += _waits("upkeep", "nothing", alone, history)
        rows += _watched("merging what has landed", jobs.merge_now, store, history)
        if results_days > 0:
            of = f"deleting all before {results_days} days ago"
            rows += _watched(of, jobs.expire, store, history)
            thin = functools.partial(_thin, store, history, results_days - 1)
            rows += _watched("thinning one day more", thin, store, history)
    return rows


def _thin(store: Store, history: History, days: int) -> None:
    """Delete the successes of so many days ago and more, with pauses as all upkeep makes them."""
    before = now_ms() - days * DAY_MS
    for service_id in range(1, history.services + 1):
        more = True
        while more:
            began = time.perf_counter()
            more = store.write(retention.thin, service_id, before) > 0
            time.sleep(time.perf_counter() - began)


def _watched(of: str, job: Callable[[], None], store: TimedStore, history: History) -> list[Row]:
    store.held.clear()
    before, cpu = _count(store), store.cpu_s
    with others_write(store) as waits, used() as taken:
        job()
    log = round(log_bytes(history.path) / MILLION, 1)
    held = [each * 1000 for each in store.held]
    median, longest = round(nearest(held, 0.5), 1), round(nearest(held, 1), 1)
    unit = "ms, median and longest"
    rows = [
        row("upkeep", f"{of}: one write", median, unit, worst=longest, target="< 100"),
        row("upkeep", f"{of}: all", round(store.cpu_s - cpu, 1), "s CPU"),
        row("upkeep", f"{of}: all", round(taken.seconds, 1), "s"),
        row("upkeep", f"{of}: gone", before - _count(store), "results"),
        row("upkeep", f"{of}: log", log, "MB"),
    ]
    return [*({**one, **_of(history)} for one in rows), *_waits("upkeep", of, waits, history)]


def _count(store: Store) -> int:
    with store.reading():
        return queries.result_count()


def _waits(part: str, of: str, waits: Waits, history: History) -> list[Row]:
    """Of others' writes meanwhile."""
    p50, p99, most = (round(waits.share(share) * 1000, 1) for share in (0.5, 0.99, 1))
    return [
        row(part, f"{of}: others wait", p50, "ms, median and longest", worst=most, history=history),
        row(part, f"{of}: others wait, p99", p99, "ms", history=history),
    ]


def copying(history: History) -> list[Row]:
    """A backup while others write."""
    target = history.path.with_name("copy.db")
    with (
        _history.opened(history) as store,
        contextlib.closing(backup.opened(history.path)) as connection,
        others_write(store) as waits,
        used() as taken,
    ):
        backup.snapshot(connection, target)
        log = round(log_bytes(history.path) / MILLION, 1)
    size = target.stat().st_size
    target.unlink()
    rows = [
        row("backup", "all", round(taken.seconds, 1), "s"),
        row("backup", "speed", round(size / taken.seconds / MILLION, 1), "MB/s"),
        row("backup", "log", log, "MB"),
    ]
    return [*({**one, **_of(history)} for one in rows), *_waits("backup", "all", waits, history)]


def starting(history: History) -> list[Row]:
    """How long it takes to look at the database, and to open it."""
    spent = []
    for _ in range(5):
        began = time.perf_counter()
        database.examine(history.path)
        with _history.opened(history):
            spent.append((time.perf_counter() - began) * 1000)
    return [
        row(
            "start",
            "looking at it and opening",
            round(statistics.median(spent), 1),
            "ms",
            worst=round(max(spent), 1),
            history=history,
        )
    ]
