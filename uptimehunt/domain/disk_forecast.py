"""The promise about the disk: how large the history gets, and what goes first to keep it small.

Pure arithmetic on numbers that were measured elsewhere. History consists of three kinds of rows,
of which only the last is kept for ever:

* single results, one a check, for some days; a failed one takes more, and matters more;
* figures of half hours, one a service and probe, for some more days;
* figures of days.

Bytes are always those in use: free pages inside the file are room, not history.
"""

import bisect
import enum
from dataclasses import dataclass

# Measured with `python -m tests.bench storage`: bytes of the file a row, indexes included.
RESULT_BYTES = 23
FAILURE_BYTES = 200
"""What a failed result takes beyond that: its place in the index, and its details."""
HALF_HOUR_BYTES = 58
DAY_BYTES = 150

HALF_HOURS_A_DAY = 48
DAYS_A_WEEK = 7

FARTHEST_DAYS = 3650
"""Nobody is told of a disk that is full in more than ten years."""

SHED_AT_PERCENT = 95
"""From here on history goes, so that the limit itself is not reached between two rounds."""

KEPT_SUCCESSES_DAYS = 2
KEPT_FAILURES_DAYS = 7
KEPT_HALF_HOURS_DAYS = 35
"""What no limit takes: yesterday check by check, why it failed this week, the bars of a month."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is watched, and for how long what is kept.

    Attributes:
        checks_a_day: of all services together.
        pairs: how many pairs there are of a service and a probe that checks it.
        failure_share: how many of the checks fail, 0 to 1.
        results_days: for how many days single results are kept.
        half_hour_days: for how many days figures of half hours are.
    """

    checks_a_day: float
    pairs: int
    failure_share: float
    results_days: int
    half_hour_days: int

    @property
    def _results_a_day(self) -> float:
        return self.checks_a_day * (RESULT_BYTES + self.failure_share * FAILURE_BYTES)

    @property
    def _half_hours_a_day(self) -> float:
        return float(self.pairs * HALF_HOURS_A_DAY * HALF_HOUR_BYTES)

    @property
    def lasting_bytes_a_day(self) -> float:
        """By how much history grows once everything else goes as fast as it comes."""
        return float(self.pairs * DAY_BYTES)

    def bytes_after(self, days: float) -> float:
        """How large history is when it has been kept for so many days."""
        return (
            self._results_a_day * min(days, self.results_days)
            + self._half_hours_a_day * min(days, self.half_hour_days)
            + self.lasting_bytes_a_day * days
        )

    def steady_bytes(self) -> float:
        """How large it is when the last kind that ends begins to go as fast as it comes."""
        return self.bytes_after(max(self.results_days, self.half_hour_days))

    def days_behind(self, size: float) -> float:
        """For how many days it has been kept, going by its size; the inverse of `bytes_after`.

        What is there may come from other services than those of today, so this is no date, but
        the place on the curve from which growth goes on.
        """
        done, at = 0.0, 0.0
        for end in sorted((self.results_days, self.half_hour_days)):
            more = self.bytes_after(end) - at
            if at + more > size:
                return done + (end - done) * (size - at) / more
            done, at = float(end), at + more
        if self.lasting_bytes_a_day == 0:
            return done
        return done + (size - at) / self.lasting_bytes_a_day


class Bound(enum.StrEnum):
    """What is reached first."""

    LIMIT = "limit"
    VOLUME = "volume"


@dataclass(frozen=True, slots=True)
class Forecast:
    """How large history gets when all is kept as the settings say.

    Attributes:
        steady_bytes: when results and half hours go as fast as they come; never less than now.
        lasting_bytes_a_day: by how much it grows from then on, by figures of days.
        in_30_days: bytes.
        in_365_days: bytes.
        full_in_days: when the limit or the volume is reached; None when neither is in ten years.
        bound: which of the two that is; None with `full_in_days`.
    """

    steady_bytes: int
    lasting_bytes_a_day: int
    in_30_days: int
    in_365_days: int
    full_in_days: int | None
    bound: Bound | None


def forecast(load: Load, bytes_now: int, limit: int | None, free_bytes: int) -> Forecast:
    """Look ahead, as if nothing had to go early.

    Args:
        load: what is watched.
        bytes_now: what the database takes.
        limit: what it may take; None without a limit.
        free_bytes: what the volume has left.
    """
    behind = load.days_behind(bytes_now)
    start = load.bytes_after(behind)

    def in_days(days: int) -> float:
        return bytes_now + load.bytes_after(behind + days) - start

    bounds = [(Bound.VOLUME, bytes_now + free_bytes)]
    if limit is not None:
        bounds.insert(0, (Bound.LIMIT, limit))
    bound, room = min(bounds, key=lambda one: one[1])
    full_in_days = None
    if in_days(FARTHEST_DAYS) >= room:
        days = range(FARTHEST_DAYS + 1)
        full_in_days = bisect.bisect_left(days, True, key=lambda day: in_days(day) >= room)
    return Forecast(
        steady_bytes=round(max(bytes_now, load.steady_bytes())),
        lasting_bytes_a_day=round(load.lasting_bytes_a_day),
        in_30_days=round(in_days(30)),
        in_365_days=round(in_days(365)),
        full_in_days=full_in_days,
        bound=bound if full_in_days is not None else None,
    )


class Kind(enum.StrEnum):
    """What may go early, in this order. Figures of days, spans and incidents never do."""

    SUCCESSES = "successes"
    FAILURES = "failures"
    HALF_HOURS = "half_hours"


@dataclass(frozen=True, slots=True)
class Held:
    """The oldest day of which there is any of a kind; days are counted from the epoch, in UTC.

    Attributes:
        today: the day that it is.
        successes: oldest day with single results that went well; None when there are none.
        failures: the same of failed ones.
        half_hours: the same of figures of half hours.
    """

    today: int
    successes: int | None
    failures: int | None
    half_hours: int | None


@dataclass(frozen=True, slots=True)
class Step:
    """What is to go next: all of a kind from before a day."""

    kind: Kind
    before: int


def is_too_large(size: int, limit: int | None) -> bool:
    """Whether something has to go, so that a database stays below its limit, if it has one."""
    return limit is not None and size * 100 > limit * SHED_AT_PERCENT


def what_to_shed(size: int, limit: int | None, held: Held) -> Step | None:
    """The next step towards the limit; a day of single results, or a week of half hours.

    Thinning comes before deletion: what went well is in the figures of its half hour, why
    something failed is nowhere else.

    Args:
        size: bytes in use.
        limit: bytes that may be; None without a limit.
        held: what there is.

    Returns:
        None when there is room enough, or nothing left that may go.
    """
    if not is_too_large(size, limit):
        return None
    for kind, oldest, kept_days, stride in (
        (Kind.SUCCESSES, held.successes, KEPT_SUCCESSES_DAYS, 1),
        (Kind.FAILURES, held.failures, KEPT_FAILURES_DAYS, 1),
        (Kind.HALF_HOURS, held.half_hours, KEPT_HALF_HOURS_DAYS, DAYS_A_WEEK),
    ):
        promised_from = held.today - kept_days + 1
        if oldest is not None and oldest < promised_from:
            return Step(kind, min(oldest + stride, promised_from))
    return None
