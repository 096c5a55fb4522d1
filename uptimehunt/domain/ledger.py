"""The ledger: what every second of a service was, from its first to now.

    up  degraded  down         what its checks said
    maintenance  paused        what people said
    unknown                    nobody looked: this program was off, asleep or blind, or just began

A result vouches for its service until the next one is due. When that comes much too late, the time
between is unknown, whatever the reason; and so is the end of the ledger once no result comes any
more. So nothing has to be noticed at the moment when it happens, which a program that is killed
cannot do. What reports by itself has no such rhythm: for it, the program notes that it is awake.

`begin`, `mark`, `settle` and `note_awake` run in `Store.write`; `spans` reads. All else is pure.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import peewee

from uptimehunt import checks
from uptimehunt.domain import status
from uptimehunt.domain.uptime import percentage
from uptimehunt.store.bulk import Put
from uptimehunt.store.models import LastCheck, Meta, Service, ServiceState, Span
from uptimehunt.store.queries import tuples

UNKNOWN, UP, DEGRADED, DOWN, MAINTENANCE, PAUSED = range(6)
"""Kinds of spans, as they are stored."""

NAMES = ("unknown", "up", "degraded", "down", "maintenance", "paused")

_SEEN = frozenset({UP, DEGRADED, DOWN})

_KINDS: dict[status.Status, int] = {
    "pending": UNKNOWN,
    "operational": UP,
    "degraded": DEGRADED,
    "down": DOWN,
    "maintenance": MAINTENANCE,
    "paused": PAUSED,
}

SLACK_MS = 30_000
"""How late a check may be, beyond an interval, before its service is unknown."""

LONGEST_CHECK_MS = 120_000
"""How long a check takes at the most; the next one waits for its end."""

AWAKE_MS = 60_000
"""How often it is noted that this program is awake."""

ASLEEP_AFTER_MS = 3 * AWAKE_MS

Row = tuple[int, int]
"""(instant in milliseconds, kind from then on)."""


class Stretch(NamedTuple):
    """A part of a service's time, `[start, end)` in milliseconds."""

    start: int
    end: int
    kind: int


def kind_of(of: status.Status) -> int:
    """The kind of span in which a service has this status."""
    return _KINDS[of]


@dataclass(frozen=True, slots=True)
class Heard:
    """When a service was last checked, which vouches for it until the next check is due.

    Attributes:
        checked_at: when it began, milliseconds.
        took_ms: how long until the answer; None where none came.
        interval_s: of the service now.
        edited_at: since when that is so; with another interval, there was another due time.
    """

    checked_at: int
    took_ms: int | None
    interval_s: int
    edited_at: int

    def silent_from(self, now: int) -> int | None:
        """Since when the next check has been missing; None while it may still come.

        What lies ahead was noted before the clock was set back, and says nothing.
        """
        if self.checked_at > now:
            return None
        heard_at = self.checked_at
        if self.edited_at <= now:
            heard_at = max(heard_at, self.edited_at)
        took_ms = LONGEST_CHECK_MS if self.took_ms is None else self.took_ms
        interval_ms = self.interval_s * 1000
        is_overdue = now - heard_at > 2 * interval_ms + took_ms + SLACK_MS
        return heard_at + interval_ms if is_overdue else None


def relabelled(rows: Sequence[Row], since: int, now: int, kind: int) -> list[Row]:
    """The spans that were seen are of this kind from `since` on, and from `now` on all is.

    So an outage is dated back to its first failure, but not over a time in which nobody looked.

    Args:
        rows: of one service, ascending; the first begins at or before `since`, if any does.
        since: milliseconds, at most `now`.
        now: milliseconds; what is written of later times is dropped: the clock was set back.
        kind: the kind.
    """
    parts: list[Row] = []
    for at, (started_at, before) in enumerate(rows):
        if started_at >= now:
            break
        ended_at = min(rows[at + 1][0] if at + 1 < len(rows) else now, now)
        if before not in _SEEN or ended_at <= since:
            parts.append((started_at, before))
            continue
        if started_at < since:
            parts.append((started_at, before))
        parts.append((max(started_at, since), kind))
    parts.append((now, kind))
    return [
        row
        for row, (_, before) in zip(parts, [(0, None), *parts], strict=False)
        if row[1] != before
    ]


def clipped(rows: Sequence[Row], start: int, end: int) -> list[Stretch]:
    """The part of a ledger between two instants; nothing before its first row.

    Args:
        rows: of one service, ascending.
        start: milliseconds.
        end: milliseconds.
    """
    ends = [*(started_at for started_at, _ in rows[1:]), end]
    return [
        Stretch(max(started_at, start), min(ended_at, end), kind)
        for (started_at, kind), ended_at in zip(rows, ends, strict=False)
        if max(started_at, start) < min(ended_at, end)
    ]


def totals(stretches: Iterable[Stretch]) -> list[int]:
    """Milliseconds by kind."""
    sums = [0] * len(NAMES)
    for stretch in stretches:
        sums[stretch.kind] += stretch.end - stretch.start
    return sums


def totals_between(stretches: Sequence[Stretch], edges: Sequence[int]) -> list[list[int]]:
    """Milliseconds by kind between each two edges.

    Args:
        stretches: ascending.
        edges: instants, ascending; two may be the same.
    """
    found = []
    at = 0
    for start, end in itertools.pairwise(edges):
        while at < len(stretches) and stretches[at].end <= start:
            at += 1
        sums = [0] * len(NAMES)
        while at < len(stretches) and stretches[at].start < end:
            one = stretches[at]
            sums[one.kind] += max(0, min(one.end, end) - max(one.start, start))
            if one.end > end:
                break
            at += 1
        found.append(sums)
    return found


def coverage(sums: Sequence[int]) -> float | None:
    """How much of the time in which it was to be watched it was seen, 0-100; None without any."""
    seen = sum(sums[kind] for kind in _SEEN)
    return percentage(seen, seen + sums[UNKNOWN])


# --- in the database ---------------------------------------------------------------------------


def begin(service_id: int, at: int, kind: int) -> None:
    """Open the ledger of a new service."""
    Span.create(service=service_id, started_at=at, kind=kind)


def mark(service_id: int, kind: int, since: int, now: int) -> None:
    """A service is of this kind from `now` on, and was so since `since` wherever it was seen."""
    since = min(since, now)
    rows = _rows(service_id, since - 1)
    if rows and rows[-1][0] >= since:
        Span.delete().where(Span.service == service_id, Span.started_at >= since).execute()
    wanted = relabelled(rows, since, now, kind)
    _PUT_SPANS((service_id, at, one) for at, one in wanted if at >= since)


_PUT_SPANS = Put([Span.service, Span.started_at, Span.kind])


def _rows(service_id: int, start: int, end: int | None = None) -> list[Row]:
    """The span that is open at an instant, and all later ones that begin before `end`."""
    of_service = Span.service == service_id
    first = Span.select(peewee.fn.MAX(Span.started_at)).where(of_service, Span.started_at <= start)
    found = Span.select(Span.started_at, Span.kind).where(
        of_service, Span.started_at >= peewee.fn.COALESCE(first, start)
    )
    if end is not None:
        found = found.where(Span.started_at < end)
    return [(at, kind) for at, kind in tuples(found.order_by(Span.started_at))]


def settle(service_id: int, now: int) -> None:
    """Write down for how long nobody has known a service, before a person's word changes it.

    To be called while its old interval still stands: with the new one, that cannot be told.
    """
    silent_from = _silent_from(service_id, now)
    if silent_from is not None:
        mark(service_id, UNKNOWN, silent_from, now)
        state = ServiceState.update(ledger=UNKNOWN)
        state.where(ServiceState.service == service_id).execute()


def note_awake(now: int) -> None:
    """Note that this program is awake; what reports by itself was not heard while it was not.

    To be called at the start and every minute.
    """
    noted = Meta.get_or_none(Meta.name == _AWAKE)
    # The clock may have been set back: then what stands there of later is written over.
    if noted is not None and not 0 <= now - int(noted.value) <= ASLEEP_AFTER_MS:
        _sleep_through(int(noted.value), now)
    Meta.insert(name=_AWAKE, value=str(now)).on_conflict(
        conflict_target=[Meta.name], preserve=[Meta.value]
    ).execute()


_AWAKE = "awake_at"


def _sleep_through(since: int, now: int) -> None:
    passive = [name for name in checks.REGISTRY if checks.is_passive(name)]
    newest = Span.select(peewee.fn.MAX(Span.started_at)).where(Span.service == Service.id)
    found = Service.select(Service.id, ServiceState.ledger, newest).join(ServiceState)
    found = found.where(Service.type.in_(passive), ServiceState.ledger.in_(list(_SEEN)))
    slept = []
    for service_id, kind, open_since in tuples(found):
        if open_since < since < now:
            slept += [(service_id, since, UNKNOWN), (service_id, now, kind)]
        elif open_since >= min(since, now):
            mark(service_id, UNKNOWN, since, now)
            mark(service_id, kind, now, now)
    _PUT_SPANS(slept)


def spans(service_id: int, start: int, end: int, now: int) -> list[Stretch]:
    """What a service was between two instants, oldest first, up to now at the most."""
    end = min(end, now)
    rows = _rows(service_id, start, end)
    silent_from = _silent_from(service_id, now)
    if rows and silent_from is not None and silent_from < end:
        rows.append((max(silent_from, rows[-1][0]), UNKNOWN))
    return clipped(rows, start, end)


def _silent_from(service_id: int, now: int) -> int | None:
    """Since when no result vouches for a service that was seen; None while one does."""
    found = (
        Service.select(
            Service.type,
            LastCheck.checked_at,
            LastCheck.response_time_ms,
            Service.interval_seconds,
            Service.updated_at,
        )
        .join(ServiceState)
        .switch(Service)
        .join(LastCheck)
        .where(Service.id == service_id, ServiceState.ledger.in_(list(_SEEN)))
    )
    for name, *heard in tuples(found):
        if not checks.is_passive(name):
            return Heard(*heard).silent_from(now)
    return None
