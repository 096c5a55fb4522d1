"""An oracle: it knows every raw event of a service, and works all figures out by brute force.

Its ledger is an array with one kind a second. What status a check leads to it is told; everything
else it finds by itself, in the simplest way that there is. Instants are whole seconds.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any

from uptimehunt.domain.ledger import DEGRADED, DOWN, NAMES, PAUSED, UNKNOWN, UP, kind_of
from uptimehunt.domain.status import Transition
from uptimehunt.store.models import LOCAL_PROBE

SEEN = (UP, DEGRADED, DOWN)
SLOT_S = 1800
STALE_INTERVALS = 3


def only_seen(to: int) -> bytes:
    """A table for `bytes.translate`: what was seen becomes this kind, all else stays."""
    return bytes(to if kind in SEEN else kind for kind in range(256))


@dataclass(frozen=True, slots=True)
class Raw:
    """One result."""

    at: int
    probe: int
    took: int | None
    ok: bool


@dataclass(slots=True)
class Service:
    """What happened to one service."""

    id: int
    origin: int
    interval: int
    probes: list[int]
    horizon: int
    raw: list[Raw] = field(default_factory=list)
    used: set[tuple[int, int]] = field(default_factory=set)
    last: tuple[int, int | None] | None = None
    last_of: dict[int, int] = field(default_factory=dict)
    edited: int = 0
    revision: int = 1
    is_enabled: bool = True
    status: Any = "pending"
    incidents: list[list[int | None]] = field(default_factory=list)
    kinds: bytearray = field(default_factory=bytearray)
    open: int = UNKNOWN

    def __post_init__(self) -> None:
        self.edited = self.origin
        self.kinds = bytearray([UNKNOWN]) * self.horizon

    @property
    def is_shared(self) -> bool:
        return len(self.probes) > 1

    # --- what happens ---

    def is_judged(self, raw: Raw) -> bool:
        """Whether a result is news of its probe."""
        return raw.probe == LOCAL_PROBE or raw.at >= self.last_of.get(raw.probe, 0)

    def take(self, raw: Raw, transition: Transition | None) -> None:
        """A result that was judged, and the change of status that it caused."""
        self._lapse(raw.at)
        self.last_of[raw.probe] = raw.at
        newest = None if self.last is None else self.last[0]
        if not self.is_shared or raw.probe == LOCAL_PROBE or newest is None or raw.at >= newest:
            self.last = raw.at, raw.took
        else:
            stale = raw.at < newest - STALE_INTERVALS * self.interval
            assert transition is None or not stale
        assert self.last is not None
        now = self.last[0]
        if transition is not None:
            self._follow(transition, now)
        self._fill(now, kind_of(self.status))

    def _follow(self, transition: Transition, now: int) -> None:
        began = transition.at // 1000
        assert transition.previous == self.status
        if self.status == "down":
            self._resolve(began)
        if transition.status == "down":
            before = self.incidents[-1][1] if self.incidents else None
            self.incidents.append([began if before is None else max(began, before), None])
        self.status = transition.status
        self._relabel(began, now, kind_of(self.status))

    def _resolve(self, at: int) -> None:
        if self.incidents and self.incidents[-1][1] is None:
            began = self.incidents[-1][0]
            assert began is not None
            self.incidents[-1][1] = max(began, at)

    def say(self, at: int, is_enabled: bool) -> None:
        """A person pauses or resumes it."""
        self.edit(at, self.interval)
        self._resolve(at)
        self.is_enabled = is_enabled
        self.status = "pending" if is_enabled else "paused"
        self._fill(at, UNKNOWN if is_enabled else PAUSED)
        if self.is_shared:
            self.last_of.clear()

    def edit(self, at: int, interval: int) -> None:
        """A person gives it another interval."""
        if self._lapse(at):
            self._fill(at, UNKNOWN)
        self.interval, self.edited = interval, at
        self.revision += 1

    # --- the ledger ---

    def _lapse(self, now: int) -> bool:
        """Nobody looked for a while, if so it was."""
        if self.last is None or self.last[0] > now or self.open not in SEEN:
            return False
        checked_at, took = self.last
        heard = max(checked_at, self.edited) if self.edited <= now else checked_at
        patience_ms = 2000 * self.interval + 30_000 + (120_000 if took is None else took)
        if (now - heard) * 1000 <= patience_ms:
            return False
        self._relabel(heard + self.interval, now, UNKNOWN)
        return True

    def _relabel(self, start: int, end: int, kind: int) -> None:
        part = slice(max(0, start - self.origin), max(0, end - self.origin))
        self.kinds[part] = self.kinds[part].translate(only_seen(kind))

    def _fill(self, start: int, kind: int) -> None:
        first = start - self.origin
        assert 0 <= first < self.horizon
        self.kinds[first:] = bytes([kind]) * (self.horizon - first)
        self.open = kind

    # --- figures ---

    def seconds(self, now: int) -> bytes:
        """The kind of each second from the origin to now."""
        kept = bytes(self.kinds)
        self._lapse(now)
        told = bytes(self.kinds[: now - self.origin])
        self.kinds[:] = kept
        return told

    def sums(self, start: int, end: int, now: int) -> dict[str, int]:
        """Seconds by name of kind."""
        part = self.seconds(now)[max(0, start - self.origin) : max(0, end - self.origin)]
        return {name: part.count(kind) for kind, name in enumerate(NAMES)}

    def timeline(self, start: int, end: int, now: int) -> list[tuple[str, int]]:
        """(name of kind, seconds) of each stretch."""
        part = self.seconds(now)[max(0, start - self.origin) : max(0, end - self.origin)]
        return [(NAMES[kind], len(list(run))) for kind, run in itertools.groupby(part)]

    def results(self, start: int, end: int, probe: int | None = None) -> list[Raw]:
        return [one for one in self.raw if start <= one.at < end and probe in (None, one.probe)]

    def outages(self, start: int, end: int) -> list[tuple[int, int | None]]:
        return [
            (began, over)
            for began, over in self.incidents
            if began is not None and began < end and (over is None or over > start)
        ]


def coverage(sums: dict[str, int]) -> float | None:
    seen = sum(sums[NAMES[kind]] for kind in SEEN)
    return share(seen, seen + sums["unknown"])


def share(part: int, whole: int) -> float | None:
    """Percentage with two decimals, rounded half up."""
    return math.floor(part * 10_000 / whole + 0.5) / 100 if whole else None


def times(results: Sequence[Raw]) -> list[int]:
    """The response times that count, ascending."""
    return sorted(one.took for one in results if one.ok and one.took is not None)


def quantile(ascending: Sequence[int], part: float) -> int | None:
    """By nearest rank."""
    return ascending[math.ceil(part * len(ascending)) - 1] if ascending else None


def date_of(instant: int, zone: tzinfo) -> str:
    return datetime.fromtimestamp(instant, zone).date().isoformat()


def date_of_result(instant: int, zone: tzinfo) -> str:
    """The day in which the half hour of a result begins."""
    return date_of(instant // SLOT_S * SLOT_S, zone)
