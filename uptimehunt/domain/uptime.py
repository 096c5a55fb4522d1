"""Periods, uptime and outage figures: pure arithmetic on numbers that were read elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass

DAY_MS = 86_400_000

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
        downtime_seconds: time inside the period that lies in an incident.
        count: incidents that touch the period.
        mttr_seconds: mean length of the resolved ones; None when there are none.
        mtbf_seconds: time up between failures; None without an incident.
    """

    downtime_seconds: int
    count: int
    mttr_seconds: int | None
    mtbf_seconds: int | None


def outages(incidents: Sequence[tuple[int, int | None]], period: Period) -> Outages:
    """Outage figures of a period.

    Args:
        incidents: (started_at, resolved_at or None while open) in milliseconds, all of which
            touch the period and do not overlap.
        period: the span looked at.
    """
    downtime_ms = sum(
        min(period.end if resolved is None else resolved, period.end)
        - min(max(started, period.start), period.end)
        for started, resolved in incidents
    )
    lengths = [resolved - started for started, resolved in incidents if resolved is not None]
    count = len(incidents)
    up_ms = period.end - period.start - downtime_ms
    return Outages(
        downtime_seconds=downtime_ms // 1000,
        count=count,
        mttr_seconds=sum(lengths) // len(lengths) // 1000 if lengths else None,
        mtbf_seconds=up_ms // count // 1000 if count else None,
    )


def percentile(ascending: Sequence[int], share: float) -> int | None:
    """The nearest-rank percentile of ascending numbers; None when there are none.

    Args:
        ascending: the numbers, sorted.
        share: above 0 and at most 1; 0.95 for p95.
    """
    if not ascending:
        return None
    rank = -(-len(ascending) * share // 1)
    return ascending[max(1, int(rank)) - 1]
