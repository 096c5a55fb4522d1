"""Figures over time for one service or a page of them. Everything here reads."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from uptimehunt import clock
from uptimehunt.domain import incidents, status
from uptimehunt.domain.countries import COUNTRIES
from uptimehunt.domain.paging import Page, Paging
from uptimehunt.domain.uptime import (
    PERIODS,
    Period,
    outages,
    percentage,
    percentile,
)
from uptimehunt.store import queries
from uptimehunt.store.models import SLOT_MS, CheckResult, Incident, Probe, Service

SPARKLINE_POINTS = 48
_PERCENTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def uptime(service: Service, period: Period) -> dict[str, Any]:
    """Uptime and outage figures of a service over a period; nobody was up before it existed."""
    counts = queries.counts([service.id], period.start, period.end)
    count = counts.get(service.id, queries.Count())
    spans = [
        (found.started_at, found.resolved_at) for found in incidents.touching(service.id, period)
    ]
    # Results may be older than the service here, when its history came from elsewhere.
    known_from = min([service.created_at, *(started for started, _ in spans)])
    lived_from = min(max(period.start, known_from), period.end)
    figures = outages(spans, replace(period, start=lived_from))
    return {
        "uptime_percentage": percentage(count.checks - count.failures, count.checks),
        "total_checks": count.checks,
        "successful_checks": count.checks - count.failures,
        "failed_checks": count.failures,
        "period": period.name,
        "downtime_seconds": figures.downtime_seconds,
        "incident_count": figures.count,
        "mttr_seconds": figures.mttr_seconds,
        "mtbf_seconds": figures.mtbf_seconds,
    }


def uptimes(
    service_ids: Sequence[int], names: Sequence[str], now: int
) -> dict[int, dict[str, float | None]]:
    """Uptime percentages of many services: service id → period name → percentage or None."""
    found: dict[int, dict[str, float | None]] = {service_id: {} for service_id in service_ids}
    for name in names:
        counts = queries.counts(service_ids, now - PERIODS[name], None)
        for service_id in service_ids:
            count = counts.get(service_id, queries.Count())
            found[service_id][name] = percentage(count.checks - count.failures, count.checks)
    return found


def response_times(
    service_id: int, period: Period, bucket_seconds: int, probe_id: int | None = None
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Response times of the successful checks of a service, in buckets, and over all.

    Buckets begin at whole multiples of their length; the first and last are cut by the period.

    Returns:
        one row a bucket, oldest first, with nulls where it has no checks; and the `meta`.
    """
    bucket_ms = bucket_seconds * 1000
    first = period.start // bucket_ms
    times: list[list[int]] = [[] for _ in range(first, (period.end - 1) // bucket_ms + 1)]
    checks = [0] * len(times)
    failures = [0] * len(times)
    for checked_at, ok, took in queries.response_times(
        service_id, period.start, period.end, probe_id
    ):
        at = checked_at // bucket_ms - first
        checks[at] += 1
        failures[at] += not ok
        if ok and took is not None:
            times[at].append(took)
    rows = [
        {
            "timestamp": clock.iso_seconds((first + at) * bucket_ms),
            **_summary(times[at]),
            "checks": checks[at],
            "failures": failures[at],
        }
        for at in range(len(times))
    ]
    overall = _summary([took for bucket in times for took in bucket])
    meta = _span(period, bucket_seconds) | {name: overall[name] for name in ("avg", *_PERCENTILES)}
    return rows, meta


def _summary(times: list[int]) -> dict[str, float | int | None]:
    ascending = sorted(times)
    return {
        "avg": round(sum(ascending) / len(ascending), 1) if ascending else None,
        "min": ascending[0] if ascending else None,
        "max": ascending[-1] if ascending else None,
        **{name: percentile(ascending, share) for name, share in _PERCENTILES.items()},
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
    """A service's period in a few points: mean response times, and how it stood."""
    bucket_ms = -(-(period.end - period.start) // points)
    read = queries.buckets(service_id, period.start, period.end, bucket_ms)
    outages = incidents.touching_many([service_id], period)[service_id]
    values, statuses = _line(read, outages, period.start, bucket_ms, points)
    return {**_span(period, bucket_ms // 1000), "values": values, "statuses": statuses}


def day_lines(service_ids: Sequence[int], now: int) -> dict[int, Line]:
    """The last 48 half hours of many services, the open one included, in two queries."""
    last = now // SLOT_MS
    first = last - SPARKLINE_POINTS + 1
    period = Period("24h", first * SLOT_MS, (last + 1) * SLOT_MS)
    read = queries.slots(service_ids, first, last)
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
    buckets: Sequence[queries.Bucket],
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
    if "uptime" in wanted:
        found = uptimes(service_ids, ("24h", "30d"), now)
        rows = [row | {"uptime": found[row["id"]]} for row in rows]
    if "sparkline" in wanted:
        lines = day_lines(service_ids, now)
        rows = [
            row | {"sparkline": {"values": lines[row["id"]][0], "statuses": lines[row["id"]][1]}}
            for row in rows
        ]
    return rows


@dataclass(frozen=True, slots=True)
class CheckFilter:
    """Which checks are wanted: `start` ≤ time < `end` in milliseconds; None takes all."""

    start: int | None = None
    end: int | None = None
    ok: bool | None = None
    probe_id: int | None = None


def checks(service_id: int, wanted: CheckFilter, paging: Paging) -> Page:
    """The checks of a service, newest first."""
    return paging.cut(_checks(service_id, wanted), _check_shapes)


def _checks(service_id: int, wanted: CheckFilter) -> Any:
    query = CheckResult.select(CheckResult, Probe).join(Probe)
    query = query.where(CheckResult.service == service_id)
    if wanted.ok is not None:
        query = query.where(CheckResult.ok == wanted.ok)
    if wanted.probe_id is not None:
        query = query.where(CheckResult.probe == wanted.probe_id)
    if wanted.start is not None:
        query = query.where(CheckResult.checked_at >= wanted.start)
    if wanted.end is not None:
        query = query.where(CheckResult.checked_at < wanted.end)
    return query.order_by(CheckResult.checked_at.desc(), CheckResult.id.desc())


def _check_shapes(results: Sequence[Any]) -> list[dict[str, Any]]:
    return [
        {
            "id": result.id,
            "timestamp": clock.iso_millis(result.checked_at),
            "probe": {
                "id": result.probe.id,
                "name": result.probe.name,
                "hostname": result.probe.hostname,
                "city": result.probe.city,
                "country": COUNTRIES.get(result.probe.country_code, ""),
                "isp": result.probe.isp,
            },
            "status": "success" if result.ok else "failure",
            "response_time": result.response_time_ms,
            "status_code": result.status_code,
            "error": error_shape(result.error, result.message),
            "details": result.details or {},
        }
        for result in results
    ]


def error_shape(code: str | None, message: str | None) -> dict[str, Any] | None:
    """Why a check failed, as the API shows it; None when it did not."""
    return None if code is None else {"code": code, "message": message or ""}


def errors(service_id: int, paging: Paging, start: int | None, end: int | None) -> Page:
    """The failed checks of a service, newest first."""
    failed = _checks(service_id, CheckFilter(start, end, ok=False))
    return paging.cut(failed, _error_shape(service_id))


def _error_shape(service_id: int) -> Callable[[Sequence[Any]], list[dict[str, Any]]]:
    def shape(results: Sequence[Any]) -> list[dict[str, Any]]:
        if not results:
            return []
        span = Period("page", results[-1].checked_at, results[0].checked_at + 1)
        known = incidents.touching(service_id, span)
        return [
            {
                "id": result.id,
                "timestamp": clock.iso_millis(result.checked_at),
                "code": result.error,
                "message": result.message,
                "status_code": result.status_code,
                "response_time": result.response_time_ms,
                "probe": {"id": result.probe.id, "name": result.probe.name},
                "incident_id": next(
                    (
                        found.id
                        for found in known
                        if found.started_at <= result.checked_at
                        and (found.resolved_at is None or result.checked_at < found.resolved_at)
                    ),
                    None,
                ),
                "details": result.details or {},
            }
            for result in results
        ]

    return shape
