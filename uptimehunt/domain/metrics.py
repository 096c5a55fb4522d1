"""Figures over time for one service or a page of them. Everything here reads."""

import bisect
import itertools
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any

from uptimehunt import clock
from uptimehunt.clock import DAY_MS
from uptimehunt.domain import incidents, ledger, status
from uptimehunt.domain.countries import COUNTRIES
from uptimehunt.domain.paging import Page, Paging
from uptimehunt.domain.uptime import (
    PERIODS,
    Period,
    outages,
    percentage,
)
from uptimehunt.errors import BadRequestError
from uptimehunt.store import queries
from uptimehunt.store.models import SLOT_MS, Incident, Probe, Service

SPARKLINE_POINTS = 48
_PERCENTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}

AHEAD_MS = 300_000
"""What a remote prober with a fast clock has just told counts as of now."""


def uptime(service: Service, period: Period) -> dict[str, Any]:
    """Uptime and outage figures of a service over a period; nobody was up before it existed."""
    count = queries.counts([service.id], period.start, period.end)
    found = incidents.touching(service.id, period)
    figures = outages([(one.started_at, one.resolved_at) for one in found])
    sums = ledger.totals(ledger.spans(service.id, period.start, period.end, clock.now_ms()))
    up_ms = sums[ledger.UP] + sums[ledger.DEGRADED]
    return {
        **_counted(count.get(service.id, queries.Count())),
        "period": period.name,
        "downtime_seconds": sums[ledger.DOWN] // 1000,
        "incident_count": figures.count,
        "mttr_seconds": figures.mttr_seconds,
        "mtbf_seconds": up_ms // figures.count // 1000 if figures.count else None,
        **_covered(sums),
    }


def _counted(count: queries.Count | queries.Figures) -> dict[str, Any]:
    successful = count.checks - count.failures
    return {
        "uptime_percentage": percentage(successful, count.checks),
        "total_checks": count.checks,
        "successful_checks": successful,
        "failed_checks": count.failures,
    }


def _covered(sums: Sequence[int]) -> dict[str, Any]:
    """What the ledger says of a span: how much of it was seen, and what it was."""
    seconds = {name: ms // 1000 for name, ms in zip(ledger.NAMES, sums, strict=True)}
    return {"coverage_percentage": ledger.coverage(sums), "seconds": seconds}


def days(service_id: int, first: date, last: date, zone: tzinfo) -> list[dict[str, Any]]:
    """The days of a zone from `first` to `last`, oldest first; of 23 to 25 hours, as they come.

    Where a day of a zone begins off the half hour, its results are counted from the nearest on.
    So long ago that no half hours are kept, they are counted by the days of UTC.
    """
    now = clock.now_ms()
    dates = [first + timedelta(days=at) for at in range((last - first).days + 2)]
    edges = [_midnight(day, zone) for day in dates]
    figures = _day_figures(service_id, dates, edges)
    stretches = ledger.spans(service_id, edges[0], edges[-1], now)
    sums = ledger.totals_between(stretches, edges)
    incident_counts = _incident_counts(service_id, edges, now)
    return [
        {
            "date": dates[at].isoformat(),
            "from": clock.iso_seconds(edges[at]),
            "to": clock.iso_seconds(edges[at + 1]),
            **_counted(figures[at]),
            **_times(figures[at]),
            **_covered(sums[at]),
            "incident_count": incident_counts[at],
        }
        for at in range(len(dates) - 1)
    ]


def _day_figures(
    service_id: int, dates: Sequence[date], edges: Sequence[int]
) -> list[queries.Figures]:
    """What the results of days come to; the last date is that of the last edge."""
    rounded = [(edge + SLOT_MS // 2) // SLOT_MS * SLOT_MS for edge in edges]
    old = bisect.bisect_left(rounded[:-1], queries.half_hours_since(service_id))
    found = []
    if old:
        in_utc = [_midnight(day, UTC) for day in dates[: old + 1]]
        found = queries.figures(service_id, in_utc)
    if old < len(edges) - 1:
        found += queries.figures(service_id, rounded[old:])
    return found


def _incident_counts(service_id: int, edges: Sequence[int], now: int) -> list[int]:
    """How many incidents touch the time between each two edges, up to now."""
    found = incidents.touching(service_id, Period("days", edges[0], edges[-1]))
    begun = sorted(one.started_at for one in found)
    over = sorted(one.resolved_at for one in found if one.resolved_at is not None)
    return [
        bisect.bisect_left(begun, min(end, now)) - bisect.bisect_right(over, start)
        if start < min(end, now)
        else 0
        for start, end in itertools.pairwise(edges)
    ]


def _midnight(day: date, zone: tzinfo) -> int:
    """When a day begins in a zone, milliseconds; where midnight is skipped, at the leap."""
    begins = datetime.combine(day, time(), zone)
    return int(begins.timestamp()) * 1000


MOST_STRETCHES = 5000


def timeline(service_id: int, period: Period) -> list[dict[str, Any]]:
    """What a service was in a period, oldest first, without a gap.

    Raises:
        BadRequestError: it was so many things that nobody wants them all at once.
    """
    found = ledger.spans(service_id, period.start, period.end, clock.now_ms())
    if len(found) > MOST_STRETCHES:
        raise BadRequestError(f"More than {MOST_STRETCHES} changes: ask for a shorter period")
    return [
        {
            "status": ledger.NAMES[one.kind],
            "from": clock.iso_seconds(one.start),
            "to": clock.iso_seconds(one.end),
            "seconds": one.end // 1000 - one.start // 1000,
        }
        for one in found
    ]


Landed = Sequence[queries.LandedSlot]
"""What has landed of some services, where it was read already."""


def uptimes(
    service_ids: Sequence[int], names: Sequence[str], now: int, landed: Landed | None = None
) -> dict[int, dict[str, float | None]]:
    """Uptime percentages of many services: service id → period name → percentage or None."""
    landed = queries.landed_slots(service_ids) if landed is None else landed
    found: dict[int, dict[str, float | None]] = {service_id: {} for service_id in service_ids}
    for name in names:
        counts = queries.counts(service_ids, now - PERIODS[name], now + AHEAD_MS, landed)
        for service_id in service_ids:
            count = counts.get(service_id, queries.Count())
            found[service_id][name] = percentage(count.checks - count.failures, count.checks)
    return found


def response_times(
    service_id: int, period: Period, bucket_seconds: int, probe_id: int | None = None
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Response times of the successful checks of a service, in buckets, and over all.

    Buckets begin at whole multiples of their length; the first and last are cut by the period.
    Percentiles are off by 1.6 % at the most, and exact below 64 ms.

    Returns:
        one row a bucket, oldest first, with nulls where it has no checks; and the `meta`.
    """
    bucket_ms = bucket_seconds * 1000
    first = period.start // bucket_ms
    starts = [at * bucket_ms for at in range(first, (period.end - 1) // bucket_ms + 1)]
    edges = [period.start, *starts[1:], period.end]
    figures = queries.figures(service_id, edges, probe_id)
    rows = [
        {
            "timestamp": clock.iso_seconds(start),
            **_times(one),
            "checks": one.checks,
            "failures": one.failures,
        }
        for start, one in zip(starts, figures, strict=True)
    ]
    overall = _times(queries.total(figures))
    meta = _span(period, bucket_seconds) | {name: overall[name] for name in ("avg", *_PERCENTILES)}
    return rows, meta


def _times(figures: queries.Figures) -> dict[str, float | int | None]:
    average = figures.average_ms
    return {
        "avg": None if average is None else round(average, 1),
        "min": figures.least_ms,
        "max": figures.most_ms,
        **{name: figures.percentile(share) for name, share in _PERCENTILES.items()},
    }


def _span(period: Period, bucket_seconds: int) -> dict[str, Any]:
    return {
        "period": period.name,
        "interval_seconds": bucket_seconds,
        "from": clock.iso_seconds(period.start),
        "to": clock.iso_seconds(period.end),
    }


Line = tuple[list[int | None], list[str | None]]
"""A sparkline: mean response times in ms, and statuses; null where nothing is known."""


def sparkline(service_id: int, period: Period, points: int) -> dict[str, Any]:
    """A service's period in a few points: mean response times, and how it stood.

    Points of half an hour and more begin at the nearest one, and those of a day and more at the
    nearest day in UTC: so they are read off figures, and cost the same however many results.
    """
    bucket_ms = -(-(period.end - period.start) // points)
    edges = [period.start + at * bucket_ms for at in range(points + 1)]
    for unit in (DAY_MS, SLOT_MS):
        if bucket_ms >= unit:
            edges[1:-1] = [(edge + unit // 2) // unit * unit for edge in edges[1:-1]]
            break
    read = [
        queries.Slot(at, one.checks, one.failures, one.average_ms)
        for at, one in enumerate(queries.figures(service_id, edges))
        if one.checks
    ]
    outages = incidents.touching_many([service_id], period)[service_id]
    values, statuses = _line(read, outages, period.start, bucket_ms, points)
    return {**_span(period, bucket_ms // 1000), "values": values, "statuses": statuses}


def day_lines(
    service_ids: Sequence[int], now: int, landed: Landed | None = None
) -> dict[int, Line]:
    """The last 48 half hours of many services, the open one included, in two queries."""
    last = now // SLOT_MS
    first = last - SPARKLINE_POINTS + 1
    period = Period("24h", first * SLOT_MS, (last + 1) * SLOT_MS)
    read = queries.slots(service_ids, first, last, landed)
    outages = incidents.touching_many(service_ids, period)
    return {
        service_id: _line(
            read.get(service_id, []),
            outages[service_id],
            period.start,
            SLOT_MS,
            SPARKLINE_POINTS,
        )
        for service_id in service_ids
    }


def _line(
    buckets: Sequence[queries.Slot],
    outages: Sequence[Incident],
    start: int,
    bucket_ms: int,
    points: int,
) -> Line:
    """Down where an incident was, degraded where checks failed without becoming one."""
    values: list[int | None] = [None] * points
    statuses: list[str | None] = [None] * points
    for bucket in buckets:
        if bucket.average_ms is not None:
            values[bucket.index] = round(bucket.average_ms)
        statuses[bucket.index] = status.DEGRADED if bucket.failures else status.OPERATIONAL
    known = [at for at in range(points) if statuses[at] is not None]
    for outage in outages:
        first = max(0, (outage.started_at - start) // bucket_ms)
        # An outage that is still open lasts as long as anything is known of the service.
        last = known[-1] if known else -1
        if outage.resolved_at is not None:
            last = min(points - 1, (outage.resolved_at - 1 - start) // bucket_ms)
        statuses[first : last + 1] = [status.DOWN] * (last + 1 - first)
    return values, statuses


def include(
    rows: list[dict[str, Any]], wanted: Sequence[str], now: int | None = None
) -> list[dict[str, Any]]:
    """Add `uptime` and `sparkline` to a page of services, in a number of queries that is fixed."""
    service_ids = [row["id"] for row in rows]
    now = clock.now_ms() if now is None else now
    landed = queries.landed_slots(service_ids) if wanted else []
    if "uptime" in wanted:
        found = uptimes(service_ids, ("24h", "30d"), now, landed)
        rows = [row | {"uptime": found[row["id"]]} for row in rows]
    if "sparkline" in wanted:
        lines = day_lines(service_ids, now, landed)
        rows = [
            row | {"sparkline": {"values": lines[row["id"]][0], "statuses": lines[row["id"]][1]}}
            for row in rows
        ]
    return rows


def checks(
    service_id: int,
    paging: Paging,
    start: int | None = None,
    end: int | None = None,
    ok: bool | None = None,
    probe_id: int | None = None,
) -> Page:
    """The checks of a service, newest first; of `start` ≤ time < `end` in milliseconds."""
    wanted = queries.Wanted(service_id, start, end, ok, probe_id)
    return paging.take(
        queries.count_results(wanted),
        lambda offset, limit: _check_shapes(queries.results(wanted, offset, limit)),
    )


def _check_shapes(results: Sequence[queries.Result]) -> list[dict[str, Any]]:
    probes = _probes(results)
    return [
        {
            "id": _id_of(result),
            "timestamp": clock.iso_millis(result.checked_at),
            "probe": probes[result.probe_id],
            "status": "success" if result.error is None else "failure",
            "response_time": result.response_time_ms,
            "status_code": result.status_code,
            "error": error_shape(result.error, result.message),
            "details": result.details,
        }
        for result in results
    ]


def _id_of(result: queries.Result) -> int:
    """A number that no other result of its service has, and that spreadsheets can hold exactly."""
    return (result.checked_at - _FIRST_ID_AT) * 1000 + result.probe_id % 1000


_FIRST_ID_AT = 1_577_836_800_000
"""2020 begins: so ids have at most 15 digits until 2051."""


def _probes(results: Sequence[queries.Result]) -> dict[int, dict[str, Any]]:
    """The probes that made these results; of one that was deleted, nothing is known but its id."""
    wanted = {result.probe_id for result in results}
    found = {probe.id: probe for probe in Probe.select().where(Probe.id.in_(wanted))}
    return {probe_id: _probe_shape(probe_id, found.get(probe_id)) for probe_id in wanted}


def _probe_shape(probe_id: int, probe: Probe | None) -> dict[str, Any]:
    if probe is None:
        blank = dict.fromkeys(("hostname", "city", "country", "isp"), "")
        return {"id": probe_id, "name": "Deleted probe", **blank}
    return {
        "id": probe.id,
        "name": probe.name,
        "hostname": probe.hostname,
        "city": probe.city,
        "country": COUNTRIES.get(probe.country_code, ""),
        "isp": probe.isp,
    }


def error_shape(code: str | None, message: str | None) -> dict[str, Any] | None:
    """Why a check failed, as the API shows it; None when it did not."""
    return None if code is None else {"code": code, "message": message or ""}


def errors(service_id: int, paging: Paging, start: int | None, end: int | None) -> Page:
    """The failed checks of a service, newest first."""
    wanted = queries.Wanted(service_id, start, end, ok=False)
    return paging.take(
        queries.count_results(wanted),
        lambda offset, limit: _error_shapes(service_id, queries.results(wanted, offset, limit)),
    )


def _error_shapes(service_id: int, results: Sequence[queries.Result]) -> list[dict[str, Any]]:
    if not results:
        return []
    span = Period("page", results[-1].checked_at, results[0].checked_at + 1)
    known = incidents.touching(service_id, span)
    probes = _probes(results)
    return [
        {
            "id": _id_of(result),
            "timestamp": clock.iso_millis(result.checked_at),
            "code": result.error,
            "message": result.message,
            "status_code": result.status_code,
            "response_time": result.response_time_ms,
            "probe": {name: probes[result.probe_id][name] for name in ("id", "name")},
            "incident_id": _incident_at(known, result.checked_at),
            "details": result.details,
        }
        for result in results
    ]


def _incident_at(ascending: Sequence[Incident], at: int) -> int | None:
    """The id of the incident that an instant lies in; they do not overlap."""
    place = bisect.bisect_right(ascending, at, key=lambda one: one.started_at) - 1
    if place < 0:
        return None
    found = ascending[place]
    return found.id if found.resolved_at is None or at < found.resolved_at else None
