"""When each service is due: a heap of due times on the monotonic clock. Pure: no thread, no I/O.

Every service has its own phase, a stable hash of its id, so that a thousand services with one
interval are spread evenly over it, and stay so over restarts.
"""

import heapq
import itertools
from dataclasses import dataclass

TOO_SOON = 0.1
"""Share of the interval: a turn that comes so soon after a retry, say, is left out. Any other is
kept, so that nobody waits much longer than an interval for the next check."""

_GOLDEN = 2654435769  # 2^32 divided by the golden ratio: consecutive ids land far apart.


@dataclass(slots=True)
class _Entry:
    interval_s: float
    phase_s: float
    due_at: float = 0.0
    version: int = -1


class Timetable:
    """Due times of services, by id, in seconds of the monotonic clock. Not thread-safe."""

    def __init__(self) -> None:
        self._entries: dict[int, _Entry] = {}
        self._heap: list[tuple[float, int, int]] = []
        self._versions = itertools.count()

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, service_id: int, interval_s: float, now: float, *, at_once: bool) -> None:
        """Add a service or change its interval; it is due at once, or at its next turn."""
        entry = _Entry(interval_s, _phase(service_id, interval_s))
        self._entries[service_id] = entry
        self._arm(service_id, entry, now if at_once else _next_turn(entry, now))

    def remove(self, service_id: int) -> None:
        """Forget a service."""
        self._entries.pop(service_id, None)

    def pop_due(self, now: float) -> list[tuple[int, float]]:
        """(id, due time) of all that is due, earliest first; each is armed for its next turn."""
        due = []
        while self._heap and self._heap[0][0] <= now:
            due_at, service_id, version = heapq.heappop(self._heap)
            entry = self._entries.get(service_id)
            if entry is None or entry.version != version:
                continue  # Removed, or armed anew since.
            due.append((service_id, due_at))
            following = _next_turn(entry, now)
            if following - now < entry.interval_s * TOO_SOON:
                following += entry.interval_s
            self._arm(service_id, entry, following)
        return due

    def bring_forward(self, service_id: int, at: float) -> None:
        """Make a service due at this time, if it would be later."""
        entry = self._entries.get(service_id)
        if entry is not None and at < entry.due_at:
            self._arm(service_id, entry, at)

    def skip_missed(self, now: float) -> None:
        """Give all that is overdue its next turn instead: after a sleep nothing comes in a rush."""
        for service_id, entry in self._entries.items():
            if entry.due_at <= now:
                self._arm(service_id, entry, _next_turn(entry, now))

    def due_at(self, service_id: int) -> float | None:
        """When a service is due next, or None."""
        entry = self._entries.get(service_id)
        return None if entry is None else entry.due_at

    def _arm(self, service_id: int, entry: _Entry, at: float) -> None:
        entry.due_at = at
        entry.version = next(self._versions)
        heapq.heappush(self._heap, (at, service_id, entry.version))


def _phase(service_id: int, interval_s: float) -> float:
    return (service_id * _GOLDEN % 2**32) / 2**32 * interval_s


def _next_turn(entry: _Entry, now: float) -> float:
    """The first time after `now` that lies on the service's own beat."""
    beats = (now - entry.phase_s) // entry.interval_s + 1
    return entry.phase_s + beats * entry.interval_s
