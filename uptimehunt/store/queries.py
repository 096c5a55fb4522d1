"""Reports over results and their figures: the named queries behind the metrics.

All read, inside `Store.reading`. What has landed and is not merged yet is in no figure and in no
`CheckResult`, so that adding the two counts each result once (see `merging.py`).
"""

import bisect
import functools
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import peewee

from uptimehunt.clock import DAY_MS
from uptimehunt.store import histogram
from uptimehunt.store.models import (
    DATABASE,
    SLOT_MS,
    CheckDetails,
    CheckResult,
    Day,
    Fault,
    HalfHour,
    LandedDetails,
    LandedResult,
    Merge,
    Service,
)

ENGINE = "sqlite"
"""Which database this is, for the status page."""


def tuples(query: Any) -> list[Any]:
    """The rows of a query as the database gives them: numbers and text, booleans as 0 and 1.

    A third of the cost of peewee's own rows; not for JSON columns.
    """
    return list(DATABASE.execute(query).fetchall())


def service_probes() -> list[tuple[int, list[int]]]:
    """(service id, ids of the probes that check it) of all services; none means the local one."""
    rows = tuples(Service.select(Service.id, Service.probe_ids))
    return [(service_id, json.loads(probe_ids)) for service_id, probe_ids in rows]


def among(column: Any, ids: Iterable[int]) -> Any:
    """The condition that a column of whole numbers has one of these values, written out.

    Handed over one by one, a hundred of them take peewee longer to spell than SQLite to look up.
    """
    return column.in_(peewee.SQL(f"({', '.join(str(int(one)) for one in ids)})"))


def has_tag(tag: str) -> Any:
    """The condition that a service has a tag.

    Tags are kept as a JSON list of strings: the quotes around one make it match as a whole.
    """
    return peewee.fn.INSTR(Service.tags, peewee.Value(Service.tags.db_value(tag), False)) > 0


# --- how large it all is -----------------------------------------------------------------------


def database_bytes() -> int:
    """How much of the file is in use, without what waits in its log."""
    pages, free, size = (
        DATABASE.execute_sql(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def result_count() -> int:
    """How many single results are kept; just landed ones of deleted services count as well."""
    landed = LandedResult.select(peewee.fn.COUNT(LandedResult.id)).where(not_merged())
    return int(Merge.get().results + landed.scalar())


# --- single results ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which results of a service: `start` ≤ time < `end` in milliseconds; None takes all."""

    service_id: int
    start: int | None = None
    end: int | None = None
    ok: bool | None = None
    probe_id: int | None = None

    def where(self, model: Any) -> list[Any]:
        """The conditions on a table of results."""
        conditions = [model.service_id == self.service_id]
        if self.start is not None:
            conditions.append(model.checked_at >= self.start)
        if self.end is not None:
            conditions.append(model.checked_at < self.end)
        if self.ok is not None:
            conditions.append(model.fault_id.is_null(self.ok))
        if self.probe_id is not None:
            conditions.append(model.probe_id == self.probe_id)
        if model is LandedResult:
            conditions.append(not_merged())
        return conditions


def not_merged() -> Any:
    """The condition on `LandedResult` that a row is not merged yet."""
    return (LandedResult.id > Merge.select(Merge.fence)) | (
        LandedResult.service_id > Merge.select(Merge.upto)
    )


def count_results(wanted: Wanted) -> int:
    """How many there are."""
    return sum(
        tuples(model.select(peewee.fn.COUNT(model.checked_at)).where(*wanted.where(model)))[0][0]
        for model in (LandedResult, CheckResult)
    )


@dataclass(frozen=True, slots=True)
class Result:
    """A single result, with what belongs to it."""

    checked_at: int
    probe_id: int
    response_time_ms: int | None
    status_code: int | None
    error: str | None
    message: str | None
    details: dict[str, Any]


def results(wanted: Wanted, offset: int, limit: int) -> list[Result]:
    """Some of them, newest first."""
    landed, merged = (
        model.select(
            model.checked_at,
            model.probe_id,
            model.response_time_ms,
            model.status_code,
            model.fault_id,
            LandedResult.id if model is LandedResult else peewee.Value(None),
        ).where(*wanted.where(model))
        for model in (LandedResult, CheckResult)
    )
    newest_first = [peewee.SQL("1 DESC"), peewee.SQL("2 DESC")]  # As they lie, backwards.
    rows = tuples(landed.union_all(merged).order_by(*newest_first).limit(limit).offset(offset))
    faults = _faults({row[4] for row in rows} - {None})
    details = _details(wanted.service_id, rows)
    return [
        Result(at, probe_id, took, code, *faults[fault_id], found)
        for (at, probe_id, took, code, fault_id, _), found in zip(rows, details, strict=True)
    ]


def _faults(fault_ids: set[int]) -> dict[int | None, tuple[str | None, str | None]]:
    """The error and message of faults; none of a success."""
    rows = tuples(Fault.select(Fault.id, Fault.error, Fault.message).where(Fault.id.in_(fault_ids)))
    return {None: (None, None)} | {fault_id: (error, said) for fault_id, error, said in rows}


def _details(service_id: int, rows: Sequence[Any]) -> list[dict[str, Any]]:
    """The details of results, in their order; nothing where none are kept."""
    landed_ids = [row[5] for row in rows if row[5] is not None]
    landed = {
        row.id: row.details
        for row in LandedDetails.select().where(LandedDetails.id.in_(landed_ids))
    }
    times = [row[0] for row in rows if row[5] is None]
    merged = {
        (row.checked_at, row.probe_id): row.details
        for row in CheckDetails.select().where(
            CheckDetails.service_id == service_id, CheckDetails.checked_at.in_(times)
        )
    }
    return [landed.get(row[5]) or merged.get((row[0], row[1])) or {} for row in rows]


def latest_details(service_id: int) -> dict[str, Any]:
    """The details of the newest result of a service; nothing when there is none, or none with it.

    A success without any was not worth keeping them: the success before it had the same to tell.
    They may have outlived their result: a heartbeat's judge goes on from them.
    """
    newest = results(Wanted(service_id), 0, 1)
    if newest and (newest[0].details or newest[0].error is not None):
        return newest[0].details
    landed = (
        LandedDetails.select(LandedDetails.details)
        .join(LandedResult, on=LandedResult.id == LandedDetails.id)
        .where(LandedResult.service_id == service_id, LandedResult.fault_id.is_null())
        .where(not_merged())
        .order_by(LandedDetails.id.desc())
        .first()
    )
    if landed is not None:
        return dict(landed.details)
    merged = CheckDetails.select(CheckDetails.details).where(CheckDetails.service_id == service_id)
    if newest:
        merged = merged.where(~CheckDetails.is_failure)
    found = merged.order_by(CheckDetails.checked_at.desc()).first()
    return {} if found is None else dict(found.details)


# --- figures -----------------------------------------------------------------------------------


@dataclass(slots=True)
class Figures:
    """Results of a span of time, added up; see `models._Figures`."""

    checks: int = 0
    failures: int = 0
    timed: int = 0
    total_ms: int = 0
    least_ms: int | None = None
    most_ms: int | None = None
    times: histogram.Histogram = field(default_factory=dict)

    def add_result(self, response_time_ms: int | None, is_failure: bool) -> None:
        """One result more."""
        self.checks += 1
        if is_failure:
            self.failures += 1
        elif response_time_ms is not None:
            self.timed += 1
            self.total_ms += response_time_ms
            self._stretch(response_time_ms, response_time_ms)
            part = histogram.part_of(response_time_ms)
            self.times[part] = self.times.get(part, 0) + 1

    def add_row(
        self,
        checks: int,
        failures: int,
        timed: int,
        total_ms: int,
        least_ms: int | None,
        most_ms: int | None,
        times: bytes | None,
    ) -> None:
        """The figures of a slot, as they are kept."""
        self._add_sums(checks, failures, timed, total_ms, least_ms, most_ms)
        if times is not None:
            decoded = histogram.decode(times)
            if self.times:
                histogram.add(self.times, decoded)
            else:
                self.times = decoded

    def add(self, other: "Figures") -> None:
        """The figures of another span."""
        sums = (other.checks, other.failures, other.timed, other.total_ms)
        self._add_sums(*sums, other.least_ms, other.most_ms)
        histogram.add(self.times, other.times)

    def _add_sums(
        self,
        checks: int,
        failures: int,
        timed: int,
        total_ms: int,
        least_ms: int | None,
        most_ms: int | None,
    ) -> None:
        self.checks += checks
        self.failures += failures
        self.timed += timed
        self.total_ms += total_ms
        if least_ms is not None and most_ms is not None:
            self._stretch(least_ms, most_ms)

    def _stretch(self, least_ms: int, most_ms: int) -> None:
        self.least_ms = least_ms if self.least_ms is None else min(self.least_ms, least_ms)
        self.most_ms = most_ms if self.most_ms is None else max(self.most_ms, most_ms)

    def percentile(self, share: float) -> int | None:
        """A percentile of the response times, milliseconds; None without any."""
        found = histogram.percentile(self.times, share)
        if found is None or self.least_ms is None or self.most_ms is None:
            return None
        return min(max(found, self.least_ms), self.most_ms)

    @property
    def average_ms(self) -> float | None:
        """The mean response time; None without any."""
        return self.total_ms / self.timed if self.timed else None


def total(parts: Iterable[Figures]) -> Figures:
    """The figures of several spans together."""
    whole = Figures()
    for part in parts:
        whole.add(part)
    return whole


FIGURES = ("checks", "failures", "timed", "total_ms", "least_ms", "most_ms", "histogram")
"""Columns of the tables of figures, in the order of `Figures.add_row`."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a period, and where what happened in it is read; None: from single results."""

    model: Any
    start: int
    end: int


def _cover(edges: Sequence[int]) -> Iterator[_Part]:
    """Cut a period into parts of whole days, of whole half hours, and the broken ends.

    Args:
        edges: ascending; a slot is of use only where it lies between two of them.
    """
    start, end = edges[0], edges[-1]
    first, last = -(-start // SLOT_MS) * SLOT_MS, end // SLOT_MS * SLOT_MS
    if first >= last or any(edge % SLOT_MS for edge in edges[1:-1]):
        yield _Part(None, start, end)
        return
    yield _Part(None, start, first)
    first_day, last_day = -(-first // DAY_MS) * DAY_MS, last // DAY_MS * DAY_MS
    if first_day >= last_day or any(edge % DAY_MS for edge in edges[1:-1]):
        yield _Part(HalfHour, first, last)
    else:
        yield _Part(HalfHour, first, first_day)
        yield _Part(Day, first_day, last_day)
        yield _Part(HalfHour, last_day, last)
    yield _Part(None, last, end)


def figures(service_id: int, edges: Sequence[int], probe_id: int | None = None) -> list[Figures]:
    """What the results between each two edges come to, of one service.

    Figures of whole slots are read wherever they serve; single results for the broken ends, or
    for all of it when the edges do not fall on half hours.

    Args:
        service_id: whose.
        edges: two or more instants in milliseconds, ascending.
        probe_id: as one probe saw it; None for all of them.
    """
    found = [Figures() for _ in edges[1:]]

    def at(instant: int) -> Figures:
        return found[bisect.bisect_right(edges, instant) - 1]

    for part in _cover(edges):
        if part.start == part.end:
            continue
        if part.model is None:
            wanted = Wanted(service_id, part.start, part.end, probe_id=probe_id)
            _add_results(CheckResult, wanted, at)
            continue
        model = part.model
        rows = model.select(model.slot, *(getattr(model, name) for name in FIGURES))
        conditions = [_within(model, part), model.service_id == service_id]
        if probe_id is not None:
            conditions.append(model.probe_id == probe_id)
        for slot, *sums in tuples(rows.where(*conditions)):
            at(slot * model.SPAN_MS).add_row(*sums)
    landed = Wanted(service_id, edges[0], edges[-1], probe_id=probe_id)
    _add_results(LandedResult, landed, at)
    return found


def _add_results(model: Any, wanted: Wanted, at: Callable[[int], Figures]) -> None:
    query = model.select(model.checked_at, model.response_time_ms, model.fault_id)
    for checked_at, took, fault_id in tuples(query.where(*wanted.where(model))):
        at(checked_at).add_result(took, fault_id is not None)


def half_hours_since(service_id: int) -> int:
    """Since when the half-hourly figures of a service are kept, milliseconds; 0 for all of them."""
    first_slot, first_day = (
        tuples(model.select(peewee.fn.MIN(model.slot)).where(model.service_id == service_id))[0][0]
        for model in (HalfHour, Day)
    )
    if first_day is None:
        return 0
    if first_slot is None:
        return 2**62
    since: int = first_slot * SLOT_MS
    return since if first_day < since // DAY_MS else 0


def _within(model: Any, part: _Part) -> Any:
    return (model.slot >= part.start // model.SPAN_MS) & (model.slot < part.end // model.SPAN_MS)


@dataclass(frozen=True, slots=True)
class Count:
    """Checks of a span, and how many of them failed."""

    checks: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True)
class LandedSlot:
    """What has landed of a service in one half hour and is not merged, with its first and last."""

    service_id: int
    slot: int
    checks: int
    failures: int
    timed: int
    total_ms: int
    first_at: int
    last_at: int


def landed_slots(service_ids: Sequence[int]) -> list[LandedSlot]:
    """What has landed of these services, in one pass: each looks at all that has landed."""
    if not service_ids:
        return []
    model = LandedResult
    slot = model.checked_at / SLOT_MS
    took = peewee.Case(None, [(model.fault_id.is_null(), model.response_time_ms)], None)
    query = (
        model.select(
            model.service_id,
            slot,
            peewee.fn.COUNT(model.id),
            peewee.fn.COUNT(model.fault_id),
            peewee.fn.COUNT(took),
            peewee.fn.COALESCE(peewee.fn.SUM(took), 0),
            peewee.fn.MIN(model.checked_at),
            peewee.fn.MAX(model.checked_at),
        )
        .where(
            # The bounds spare most rows the search in the list.
            model.service_id.between(min(service_ids), max(service_ids)),
            among(model.service_id, service_ids),
            not_merged(),
        )
        .group_by(model.service_id, slot)
    )
    return [LandedSlot(*row) for row in tuples(query)]


def counts(
    service_ids: Sequence[int],
    start: int,
    end: int,
    landed: Sequence[LandedSlot] | None = None,
) -> dict[int, Count]:
    """Checks and failures of many services in one span; those without any are left out.

    Args:
        service_ids: whose.
        start: `start` ≤ time < `end`, milliseconds.
        end: see there.
        landed: the `landed_slots` of the same services, where they are known already.
    """
    if start >= end:
        return {}
    found: dict[int, Count] = {}

    def add(service_id: int, checks: int, failures: int) -> None:
        before = found.get(service_id, Count())
        found[service_id] = Count(before.checks + checks, before.failures + failures)

    merged = _merged_counts(service_ids, start, end)
    for row in tuples(functools.reduce(lambda one, other: one.union_all(other), merged)):
        add(*row)
    cut: dict[int, list[int]] = {}
    for one in landed_slots(service_ids) if landed is None else landed:
        if start <= one.first_at and one.last_at < end:
            add(one.service_id, one.checks, one.failures)
        elif start <= one.last_at and one.first_at < end:
            cut.setdefault(one.slot, []).append(one.service_id)
    for slot, of_services in cut.items():
        within = max(start, slot * SLOT_MS), min(end, (slot + 1) * SLOT_MS)
        query = _count_singly(LandedResult, of_services, *within)
        for row in tuples(query.where(not_merged())):
            add(*row)
    return found


def _merged_counts(service_ids: Sequence[int], start: int, end: int) -> Iterator[Any]:
    for part in _cover([start, end]):
        if part.start == part.end:
            continue
        if part.model is None:
            yield _count_singly(CheckResult, service_ids, part.start, part.end)
            continue
        model = part.model
        sums = [peewee.fn.SUM(model.checks), peewee.fn.SUM(model.failures)]
        of_services = model.select(model.service_id, *sums).group_by(model.service_id)
        yield of_services.where(among(model.service_id, service_ids), _within(model, part))


def _count_singly(model: Any, service_ids: Sequence[int], start: int, end: int) -> Any:
    counted = [peewee.fn.COUNT(model.checked_at), peewee.fn.COUNT(model.fault_id)]
    return (
        model.select(model.service_id, *counted)
        .where(
            among(model.service_id, service_ids), model.checked_at >= start, model.checked_at < end
        )
        .group_by(model.service_id)
    )


@dataclass(slots=True)
class Slot:
    """One half hour of a service in a few numbers."""

    index: int
    checks: int
    failures: int
    average_ms: float | None


def slots(
    service_ids: Sequence[int],
    first: int,
    last: int,
    landed: Sequence[LandedSlot] | None = None,
) -> dict[int, list[Slot]]:
    """The half hours from `first` to `last` that have results, by service, counted from `first`.

    Args:
        service_ids: whose.
        first: the earliest half hour, counted from the epoch.
        last: the latest one.
        landed: the `landed_slots` of the same services, where they are known already.
    """
    sums = (HalfHour.checks, HalfHour.failures, HalfHour.timed, HalfHour.total_ms)
    merged = (
        HalfHour.select(
            HalfHour.service_id, HalfHour.slot, *(peewee.fn.SUM(column) for column in sums)
        )
        .where(
            among(HalfHour.service_id, service_ids), HalfHour.slot >= first, HalfHour.slot <= last
        )
        .group_by(HalfHour.service_id, HalfHour.slot)
    )
    not_yet = {
        (one.service_id, one.slot): one
        for one in (landed_slots(service_ids) if landed is None else landed)
        if first <= one.slot <= last
    }
    open_from = min((slot for _, slot in not_yet), default=last + 1)
    found: dict[int, list[Slot]] = defaultdict(list)
    for service_id, at, checks, failures, timed, total_ms in tuples(merged):
        if at >= open_from and (more := not_yet.pop((service_id, at), None)):
            checks, failures = checks + more.checks, failures + more.failures
            timed, total_ms = timed + more.timed, total_ms + more.total_ms
        average = total_ms / timed if timed else None
        found[service_id].append(Slot(at - first, checks, failures, average))
    for one in not_yet.values():
        average = one.total_ms / one.timed if one.timed else None
        found[one.service_id].append(Slot(one.slot - first, one.checks, one.failures, average))
    return found
