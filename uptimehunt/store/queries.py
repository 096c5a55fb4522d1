"""Reports over check results: the named queries behind the metrics.

All read, inside `Store.reading`; all take periods as half-open spans of milliseconds, and sum over
all probes unless one is named.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import peewee

from uptimehunt.store.models import DATABASE, SLOT_MS, CheckResult, Service, SlotCount


def tuples(query: Any) -> list[Any]:
    """The rows of a query as the database gives them: numbers and text, booleans as 0 and 1.

    A third of the cost of peewee's own rows; not for JSON columns.
    """
    return list(DATABASE.execute(query).fetchall())


def service_probes() -> list[tuple[int, list[int]]]:
    """(service id, ids of the probes that check it) of all services; none means the local one."""
    rows = tuples(Service.select(Service.id, Service.probe_ids))
    return [(service_id, json.loads(probe_ids)) for service_id, probe_ids in rows]


def database_bytes() -> int:
    """How large the database is, without what waits in its log."""
    pages, size = (DATABASE.execute_sql(f"PRAGMA {name}").fetchone()[0] for name in _SIZE)
    return int(pages * size)


_SIZE = ("page_count", "page_size")


def result_count() -> int:
    """About how many single results are kept: those of deleted services count as well.

    Counting them would read them all; rows are appended, and go from the oldest on.
    """
    first, last = tuples(
        CheckResult.select(peewee.fn.MIN(CheckResult.id), peewee.fn.MAX(CheckResult.id))
    )[0]
    return 0 if last is None else int(last - first + 1)


def has_tag(tag: str) -> Any:
    """The condition that a service has a tag.

    Tags are kept as a JSON list of strings: the quotes around one make it match as a whole.
    """
    return peewee.fn.INSTR(Service.tags, peewee.Value(Service.tags.db_value(tag), False)) > 0


@dataclass(frozen=True, slots=True)
class Count:
    """Checks of a span, and how many of them failed."""

    checks: int = 0
    failures: int = 0


def counts(service_ids: Sequence[int], start: int, end: int | None) -> dict[int, Count]:
    """Checks and failures by service; services without any are left out.

    Whole half hours come from the sums; single results are read for the broken ones at both ends
    alone. `end` None means up to now: the sums of the open half hour are all there is of it.
    """
    first = -(-start // SLOT_MS)
    whole = [SlotCount.service.in_(service_ids), SlotCount.slot >= first]
    broken = (CheckResult.checked_at >= start) & (CheckResult.checked_at < first * SLOT_MS)
    if end is not None:
        last = max(first, end // SLOT_MS)
        whole.append(SlotCount.slot < last)
        broken |= (CheckResult.checked_at >= last * SLOT_MS) & (CheckResult.checked_at < end)
        broken &= CheckResult.checked_at < end
    found: dict[int, Count] = {}
    for rows in (
        SlotCount.select(
            SlotCount.service,
            peewee.fn.SUM(SlotCount.checks),
            peewee.fn.SUM(SlotCount.checks) - peewee.fn.SUM(SlotCount.failures),
        )
        .where(*whole)
        .group_by(SlotCount.service),
        CheckResult.select(
            CheckResult.service,
            peewee.fn.COUNT(CheckResult.id),
            peewee.fn.SUM(CheckResult.ok),
        )
        .where(CheckResult.service.in_(service_ids), broken)
        .group_by(CheckResult.service),
    ):
        for service_id, checks, succeeded in tuples(rows):
            before = found.get(service_id, Count())
            found[service_id] = Count(before.checks + checks, before.failures + checks - succeeded)
    return found


@dataclass(frozen=True, slots=True)
class Bucket:
    """One bucket of a span: checks, failures, and the mean response time of the successes."""

    index: int
    checks: int
    failures: int
    average_ms: float | None


def buckets(service_id: int, start: int, end: int, bucket_ms: int) -> list[Bucket]:
    """The buckets of a span that have results of a service, from the single ones."""
    index = ((CheckResult.checked_at - start) / bucket_ms).alias("bucket")
    succeeded = peewee.Case(None, [(CheckResult.ok, CheckResult.response_time_ms)], None)
    rows = tuples(
        CheckResult.select(
            index,
            peewee.fn.COUNT(CheckResult.id),
            peewee.fn.SUM(CheckResult.ok),
            peewee.fn.AVG(succeeded),
        )
        .where(
            CheckResult.service == service_id,
            CheckResult.checked_at >= start,
            CheckResult.checked_at < end,
        )
        .group_by(peewee.SQL("bucket"))
    )
    return [
        Bucket(int(at), checks, checks - succeeded_count, average)
        for at, checks, succeeded_count, average in rows
    ]


def slots(service_ids: Sequence[int], first: int, last: int) -> dict[int, list[Bucket]]:
    """The half hours from `first` to `last` that have results, by service, from their sums."""
    rows = tuples(
        SlotCount.select(
            SlotCount.service,
            SlotCount.slot,
            peewee.fn.SUM(SlotCount.checks),
            peewee.fn.SUM(SlotCount.failures),
            peewee.fn.SUM(SlotCount.timed),
            peewee.fn.SUM(SlotCount.response_time_ms),
        )
        .where(
            SlotCount.service.in_(service_ids),
            SlotCount.slot >= first,
            SlotCount.slot <= last,
        )
        .group_by(SlotCount.service, SlotCount.slot)
    )
    found: dict[int, list[Bucket]] = {}
    for service_id, slot, checks, failures, timed, took in rows:
        average = took / timed if timed else None
        found.setdefault(service_id, []).append(Bucket(slot - first, checks, failures, average))
    return found


def response_times(
    service_id: int, start: int, end: int, probe_id: int | None = None
) -> list[tuple[int, int, int | None]]:
    """(checked_at, ok as 0 or 1, response time in ms or None) of one service, oldest first.

    As one probe saw it, or all of them when `probe_id` is None.
    """
    query = CheckResult.select(
        CheckResult.checked_at,
        CheckResult.ok,
        CheckResult.response_time_ms,
    ).where(
        CheckResult.service == service_id,
        CheckResult.checked_at >= start,
        CheckResult.checked_at < end,
    )
    if probe_id is not None:
        query = query.where(CheckResult.probe == probe_id)
    return tuples(query.order_by(CheckResult.checked_at))
