"""Retention: what is deleted when its time has come, in slices so small that nobody waits long.

`expired`, `held` and `to_shed` read; `expire`, `forget_faults` and `thin` run inside `Store.write`.
Single results go first, then half-hourly figures; daily figures, the ledger and incidents stay.
What was of a service that is gone goes altogether. Where the database may not grow beyond a size,
more goes earlier, in the order that `disk_forecast.py` says.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import peewee

from uptimehunt.clock import DAY_MS
from uptimehunt.domain.disk_forecast import Held, Kind, Step
from uptimehunt.store.models import (
    CheckDetails,
    CheckResult,
    Day,
    Fault,
    HalfHour,
    Merge,
    Service,
)
from uptimehunt.store.queries import tuples

SLICE = 1000
"""Rows that one transaction deletes at the most."""

_FOR_EVER = 2**62


@dataclass(frozen=True, slots=True)
class Keeping:
    """What the settings say of how much is kept; `max_bytes` None without a limit."""

    results_days: int = 30
    figures_days: int = 365
    max_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Old:
    """What is to be deleted of a service: everything in a table before an instant."""

    table: Any
    service_id: int
    before: int


def expired(results_before: int, figures_before: int) -> list[Old]:
    """What has had its time, in tables of results and figures.

    A day's worth is deleted together: else each page would be written again every hour.

    Args:
        results_before: instant before which single results are not kept.
        figures_before: the same of half-hourly figures.
    """
    there = {service_id for (service_id,) in tuples(Service.select(Service.id))}
    found: list[Old] = []
    for table, before in (
        (CheckResult, results_before),
        (HalfHour, figures_before),
        (Day, None),
    ):
        for service_id, oldest_at in _oldest(table):
            if service_id not in there:
                found.append(Old(table, service_id, _FOR_EVER))
            elif before is not None and oldest_at < before - DAY_MS:
                found.append(Old(table, service_id, before))
    return found


def _oldest(table: Any, *conditions: Any) -> Iterator[tuple[int, int]]:
    """The services that a table has anything of, and since when: a look at each, not a scan."""
    column, unit_ms = _time_of(table)
    service_id = -1
    while True:
        found = tuples(
            table.select(table.service_id, column)
            .where(table.service_id > service_id, *conditions)
            .order_by(table.service_id, column)
            .limit(1)
        )
        if not found:
            return
        service_id, first = found[0]
        yield service_id, first * unit_ms


def _time_of(table: Any) -> tuple[Any, int]:
    """The column that says when a row was, and its unit in milliseconds."""
    if table is CheckResult:
        return table.checked_at, 1
    return table.slot, table.SPAN_MS


def expire(old: Old, most: int = SLICE) -> int:
    """Delete the oldest rows, at most `most` instants of them; answers how many rows."""
    table = old.table
    column, unit_ms = _time_of(table)
    of_service = (table.service_id == old.service_id) & (column < old.before // unit_ms)
    deleted, last = _delete_oldest(table, column, of_service, most)
    if table is CheckResult:
        _forget_details(old, last)
        Merge.update(results=Merge.results - deleted).execute()
    return deleted


def _delete_oldest(table: Any, column: Any, where: Any, most: int) -> tuple[int, int | None]:
    """Delete the first `most` of some rows, and those of the same instant as the last of them.

    Returns:
        how many rows went, and that instant; None when there were no more than that.
    """
    last: int | None = (
        table.select(column).where(where).order_by(column).offset(most - 1).limit(1).scalar()
    )
    until = where if last is None else where & (column <= last)
    return table.delete().where(until).execute(), last


def _forget_details(old: Old, last: int | None) -> None:
    before = old.before if last is None else last + 1
    of_service = CheckDetails.service_id == old.service_id
    if old.before != _FOR_EVER:
        # The newest stay: after a restart, the judge of a rare heartbeat goes on from them.
        newest = CheckDetails.select(peewee.fn.MAX(CheckDetails.checked_at)).where(of_service)
        before = min(before, newest.scalar() or before)
    CheckDetails.delete().where(of_service, CheckDetails.checked_at < before).execute()


def forget_faults(before: int) -> int:
    """Delete the words of faults that no result can have any more; answers how many.

    Args:
        before: instant before which no single result is kept; a fault is known to have been used
            to the day, so that one is kept for longer than it must.
    """
    deleted: int = Fault.delete().where(Fault.used_at < before - 2 * DAY_MS).execute()
    return deleted


def thin(service_id: int, before: int, most: int = SLICE) -> int:
    """Delete single results that went well, the oldest first; answers how many.

    Args:
        service_id: whose.
        before: only older ones.
        most: at most so many.
    """
    went_well = (
        (CheckResult.service_id == service_id)
        & (CheckResult.checked_at < before)
        & CheckResult.fault_id.is_null()
    )
    deleted, _ = _delete_oldest(CheckResult, CheckResult.checked_at, went_well, most)
    Merge.update(results=Merge.results - deleted).execute()
    return deleted


def held(now: int) -> Held:
    """The oldest day of which there is anything that may go early."""
    went_well = CheckResult.fault_id.is_null()
    failed = CheckResult.fault_id.is_null(False)
    return Held(
        today=now // DAY_MS,
        successes=_oldest_day(CheckResult, went_well),
        failures=_oldest_day(CheckResult, failed),
        half_hours=_oldest_day(HalfHour),
    )


def _oldest_day(table: Any, *conditions: Any) -> int | None:
    oldest = min((at for _, at in _oldest(table, *conditions)), default=None)
    return None if oldest is None else oldest // DAY_MS


@dataclass(frozen=True, slots=True)
class Shed:
    """What goes early of a service; successes alone when `is_thinned`."""

    old: Old
    is_thinned: bool


def to_shed(step: Step) -> list[Shed]:
    """What a step comes to, service by service."""
    before = step.before * DAY_MS
    table = HalfHour if step.kind is Kind.HALF_HOURS else CheckResult
    return [
        Shed(Old(table, service_id, before), step.kind is Kind.SUCCESSES)
        for service_id, oldest_at in _oldest(table)
        if oldest_at < before
    ]
