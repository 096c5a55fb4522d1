"""Makes a long history in a minute: what years of checks would have left in the database.

Single results and figures are written in the order in which they lie, by statements of SQL, so
that fifty millions take no longer than to make coffee. What has landed and what is recorded comes
of Python, with details as those of an HTTP check.
"""

import contextlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from tests import builders
from uptimehunt.checks import Outcome
from uptimehunt.clock import DAY_MS, now_ms
from uptimehunt.domain.findings import Finding
from uptimehunt.store import histogram
from uptimehunt.store.bulk import Put
from uptimehunt.store.columns import PackedJsonColumn
from uptimehunt.store.database import Store
from uptimehunt.store.models import (
    LOCAL_PROBE,
    SLOT_MS,
    Fault,
    LandedDetails,
    LandedResult,
    Service,
    ServiceState,
)
from uptimehunt.store.queries import Figures

INTERVAL_MS = 60_000
"""Between the results of a service that are merged already."""

LANDING_INTERVAL_MS = 20_000
LANDED_EACH = SLOT_MS // LANDING_INTERVAL_MS
MOST_LANDED = 90_000
"""As many as 1,000 services at 20 s leave in half an hour."""

FIGURE_DAYS, DAYS = 90, 365
MOST_HALF_HOURS = 5_000_000
"""Beyond, half-hourly figures reach less far back: they would be larger than the results."""

ONE_IN = 1000
"""So many checks are made for one that fails."""

SHAPES = 61
"""How many different figures there are, a prime: services take turns."""


@dataclass(frozen=True)
class History:
    """What there is.

    Attributes:
        path: the database.
        results: how many single results are merged.
        services: of how many services.
        first_at: since when there are single results, milliseconds.
        merged_until: up to when they are merged; what came later has landed.
    """

    path: Path
    results: int
    services: int
    first_at: int
    merged_until: int


def make(folder: Path, results: int, services: int, landed_each: int = LANDED_EACH) -> History:
    """A database with a history, closed and checkpointed.

    Args:
        folder: in which it is made; it must not be there yet.
        results: how many are merged, shared out evenly.
        services: by so many services.
        landed_each: how many of each service have landed since, `MOST_LANDED` together at most.
    """
    folder.mkdir(parents=True)
    path = folder / "uptimehunt.db"
    until = now_ms() - landed_each * LANDING_INTERVAL_MS
    each = results // services
    history = History(path, each * services, services, until - each * INTERVAL_MS, until)
    with opened(history) as store:
        user = builders.add_user(store)
        http = {"url": "https://shop.example.com/health"}
        first = builders.add_service(store, user, type="http", config=http, interval_seconds=20)
        store.write(_add_faults)
    with contextlib.closing(apsw.Connection(str(path))) as connection:
        for name, value in (
            ("journal_mode", "off"),
            ("synchronous", "off"),
            ("cache_size", -65536),
        ):
            connection.pragma(name, value)
        with connection:
            _copy_service(connection, first, history)
            _fill(connection, each, history)
    with opened(history) as store:
        count = min(services * landed_each, MOST_LANDED)
        store.write(land, services, until, count, LANDING_INTERVAL_MS)
    return history


@contextlib.contextmanager
def opened(history: History, kind: type[Store] = Store) -> Iterator[Any]:
    """The store over it."""
    store = kind(history.path, history.path.parent / "backups")
    try:
        yield store
    finally:
        store.close()


def _add_faults() -> None:
    for error in ("timeout", "connection_refused", "status_mismatch"):
        Fault.create(error=error, message=f"It failed: {error}", used_at=now_ms())


def _copy_service(connection: apsw.Connection, first: int, history: History) -> None:
    """As many services as are wanted, all like the first one, up since a year ago."""
    numbers = "WITH RECURSIVE turn(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM turn WHERE n < ?)"
    for model, key in ((Service, "id"), (ServiceState, "service_id")):
        names = [field.column_name for field in model._meta.sorted_fields]
        values = [{key: "n", "name": "'Service ' || n"}.get(name, name) for name in names]
        connection.execute(
            f"INSERT INTO {model._meta.table_name} ({', '.join(names)}) {numbers}"
            f" SELECT {', '.join(values)} FROM {model._meta.table_name}, turn WHERE {key} = ?"
            " AND n <> ?",
            (history.services, first, first),
        )
    began_at = history.merged_until - DAYS * DAY_MS
    connection.execute("UPDATE service SET created_at = ?", (began_at,))
    connection.execute("UPDATE service_state SET status = 'operational', ledger = 1")
    connection.execute("DELETE FROM span")
    connection.execute(_SEEN, (history.merged_until,))
    connection.execute("INSERT INTO span SELECT id, ?, 1 FROM service", (began_at,))
    outages = {"began_at": began_at, "month": 30 * DAY_MS}
    for statement in (_OUTAGES, _DOWN, _UP_AGAIN):
        connection.execute(statement, outages)


_SEEN = "INSERT INTO last_check SELECT id, ? - id % 20 * 1000, 20 + id % 200 FROM service"
_MONTHS = "WITH month(n) AS (VALUES (1),(2),(3),(4),(5),(6),(7),(8),(9),(10),(11),(12)) "
_STARTED = ":began_at + month.n * :month + service.id * 1000 % 86400000"
_OUTAGES = f"""
INSERT INTO incident (service_id, started_at, resolved_at, cause, message)
{_MONTHS} SELECT service.id, {_STARTED}, {_STARTED} + 600000, 'timeout', 'It failed: timeout'
FROM month CROSS JOIN service
"""
_DOWN = f"INSERT INTO span {_MONTHS} SELECT service.id, {_STARTED}, 3 FROM service, month"
_UP_AGAIN = (
    f"INSERT INTO span {_MONTHS} SELECT service.id, {_STARTED} + 600000, 1 FROM service, month"
)


def _fill(connection: apsw.Connection, each: int, history: History) -> None:
    until = history.merged_until
    results = {"each": each, "until": until, "interval": INTERVAL_MS, "one_in": ONE_IN}
    connection.execute(_RESULTS, results)
    slots = min(FIGURE_DAYS * DAY_MS // SLOT_MS, MOST_HALF_HOURS // history.services)
    for table, length, count, checks in (
        ("half_hour", SLOT_MS, slots, SLOT_MS // INTERVAL_MS),
        ("day", DAY_MS, DAYS, DAY_MS // INTERVAL_MS),
    ):
        connection.execute(_SHAPE)
        connection.executemany(
            "INSERT INTO shape VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [(number, *figures_row(number, checks)) for number in range(SHAPES)],
        )
        first = until // length - count + 1
        connection.execute(_FIGURES.format(table=table), {"count": count, "first": first})
        connection.execute("DROP TABLE shape")
    packed = [(number, details_row(number)) for number in range(5)]
    connection.executemany(
        _DETAILS, [(until - number * INTERVAL_MS, row) for number, row in packed]
    )
    connection.execute("UPDATE merge SET results = ?", (history.results,))


_TURNS = "WITH RECURSIVE turn(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM turn WHERE n + 1 < {}) "
_RESULTS = f"""
INSERT INTO check_result {_TURNS.format(":each")}
SELECT id, :until - (:each - n) * :interval + id * 7919 % :interval, 1,
  CASE WHEN (n + id * 31) % :one_in THEN 20 + id % 200 + (n * 7919 + id) % 31 END,
  CASE WHEN (n + id * 31) % :one_in THEN 200 END,
  CASE WHEN (n + id * 31) % :one_in = 0 THEN 1 + n % 3 END
FROM service CROSS JOIN turn
"""
_SHAPE = """
CREATE TEMP TABLE shape (number INTEGER PRIMARY KEY, checks, failures, timed, total_ms, least_ms,
  most_ms, histogram)
"""
_FIGURES = f"""
INSERT INTO {{table}} {_TURNS.format(":count")}
SELECT service.id, :first + n, 1, checks, failures, timed, total_ms, least_ms, most_ms, histogram
FROM service CROSS JOIN turn CROSS JOIN shape ON shape.number = (service.id * 7 + n) % {SHAPES}
"""
_DETAILS = "INSERT INTO check_details SELECT id, ?, 1, 0, ? FROM service"


def response_time(chance: random.Random, service_id: int) -> int:
    """As services answer: each in its own time, some now and then much later."""
    usual = 20 + service_id % 200
    return max(
        1, int(chance.lognormvariate(0, 0.15) * usual * (4 if chance.random() < 0.01 else 1))
    )


def figures_row(number: int, checks: int) -> tuple[Any, ...]:
    """Figures of so many checks of one service, as they are kept."""
    chance, figures = random.Random(number), Figures()
    for _ in range(checks):
        figures.add_result(response_time(chance, number * 3), chance.randrange(ONE_IN) == 0)
    sums = figures.total_ms, figures.least_ms, figures.most_ms
    return figures.checks, figures.failures, figures.timed, *sums, histogram.encode(figures.times)


def details(number: int) -> dict[str, Any]:
    """What an HTTP check tells of an answer."""
    chance = random.Random(number)
    phases = ("namelookup", "connect", "appconnect", "pretransfer", "starttransfer", "total")
    passed = [round(chance.random() / 20, 6) for _ in phases]
    return {
        "remote_ip": "192.0.2.17",
        "http_status_code": 200,
        "http_version": "1.1",
        "size_download": 5120 + chance.randrange(64),
        "speed_download": chance.randrange(10**6),
        "timing": {name: round(sum(passed[: at + 1]), 6) for at, name in enumerate(phases)},
        "redirects": 0,
    }


def details_row(number: int) -> bytes:
    """The same, as it is kept."""
    packed = PackedJsonColumn().db_value(details(number))
    assert packed is not None
    return packed


def land(services: int, start: int, count: int, interval_ms: int) -> None:
    """Results as they come in, one service after the other; to be used inside `Store.write`."""
    chance, packed = random.Random(start), [details_row(number) for number in range(SHAPES)]
    newest = LandedResult.select(LandedResult.id).order_by(LandedResult.id.desc()).limit(1)
    first = (newest.scalar() or 0) + 1
    _PUT_LANDED(
        (
            first + turn,
            turn % services + 1,
            LOCAL_PROBE,
            start + turn * interval_ms // services,
            *_answer(chance, turn % services + 1),
        )
        for turn in range(count)
    )
    _PUT_LANDED_DETAILS((first + turn, packed[turn % SHAPES]) for turn in range(count))


def _answer(chance: random.Random, service_id: int) -> tuple[int | None, int | None, int | None]:
    if chance.randrange(ONE_IN) == 0:
        return None, None, chance.randrange(3) + 1
    return response_time(chance, service_id), 200, None


_PUT_LANDED = Put(
    [
        LandedResult.id,
        LandedResult.service_id,
        LandedResult.probe_id,
        LandedResult.checked_at,
        LandedResult.response_time_ms,
        LandedResult.status_code,
        LandedResult.fault_id,
    ]
)
_PUT_LANDED_DETAILS = Put([LandedDetails.id, LandedDetails.details], is_packed=True)


def findings(services: int, start: int, count: int, first: int = 0) -> Sequence[Finding]:
    """Outcomes of checks as `land` has them, for the recorder.

    Args:
        services: in turn.
        start: when the first one is made, milliseconds; one a `LANDING_INTERVAL_MS` of each.
        count: how many.
        first: how many there were before.
    """
    chance = random.Random(first)
    return [
        Finding(
            turn % services + 1,
            1,
            LOCAL_PROBE,
            start + turn * LANDING_INTERVAL_MS // services,
            _outcome(chance, turn, turn % services + 1),
        )
        for turn in range(first, first + count)
    ]


def _outcome(chance: random.Random, number: int, service_id: int) -> Outcome:
    if chance.randrange(ONE_IN) == 0:
        return Outcome(False, None, "timeout", "It failed: timeout")
    took = response_time(chance, service_id)
    return Outcome(True, took, status_code=200, details=_KNOWN_DETAILS[number % SHAPES])


_KNOWN_DETAILS = [details(number) for number in range(SHAPES)]
