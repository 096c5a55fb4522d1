"""Periods, uptime and outage figures: pure arithmetic on numbers that were read elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass

from uptimehunt.clock import DAY_MS

PERIODS = {
    "24h": DAY_MS,
    "7d": 7 * DAY_MS,
    "30d": 30 * DAY_MS,
    "90d": 90 * DAY_MS,
    "365d": 365 * DAY_MS,
}
"""The named periods, in milliseconds."""

_STEPS_S = (60, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 2 * 86400)

MOST_POINTS = 300
"""How many points a series has at the most when nobody asks for another number."""


@dataclass(frozen=True, slots=True)
class Period:
    """A half-open span of time `[start, end)`, milliseconds since the epoch.

    Attributes:
        name: `24h`, …, or `custom`.
    """

    name: str
    start: int
    end: int

    @property
    def seconds(self) -> int:
        """Its length in whole seconds."""
        return (self.end - self.start) // 1000

    def bucket_seconds(self) -> int:
        """The shortest round bucket that cuts this period into at most `MOST_POINTS`.

        One less in fact: buckets begin at round times, so that both ends can be cut ones.
        """
        for step in _STEPS_S:
            if self.seconds <= step * (MOST_POINTS - 1):
                return step
        return -(-self.seconds // (MOST_POINTS - 1))


def named_period(name: str, now_ms: int) -> Period:
    """The period of that name that ends now."""
    return Period(name, now_ms - PERIODS[name], now_ms)


def percentage(successful: int, total: int) -> float | None:
    """Share of successful checks, 0-100, rounded half up to 2 decimals; None when there are none.

    Source: API overview, "Retrieve Service Metrics": 8636 of 8640 is 99.95.
    """
    if total == 0:
        return None
    return (successful * 20_000 + total) // (2 * total) / 100


@dataclass(frozen=True, slots=True)
class Outages:
    """What a period had of outages.

    Attributes:
        count: incidents that touch the period.
        mttr_seconds: mean length of the resolved ones; None when there are none.
    """

    count: int
    mttr_seconds: int | None


def outages(incidents: Sequence[tuple[int, int | None]]) -> Outages:
    """Outage figures of a period.

    Args:
        incidents: (started_at, resolved_at or None while open) in milliseconds, all of which
            touch the period.
    """
    lengths = [resolved - started for started, resolved in incidents if resolved is not None]
    mttr = sum(lengths) // len(lengths) // 1000 if lengths else None
    return Outages(len(incidents), mttr)
