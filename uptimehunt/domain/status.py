"""What a check's outcome means for a service: the one place where status is decided.

    pending ──ok──▶ operational ◀──ok, fast──▶ degraded (ok, but slow or with a warning)
       │                 │                        │
       └──── more failures in a row than `retries` ──────▶ down ──`recoveries` successes in a row──▶
                                                                        operational or degraded

A service that comes and goes is flapping: it is degraded, and said to be so once, in place of going
down and up again and again (see `_damp`).

`paused` is not decided here: it is a person's word, and `domain/services.py` applies it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

Status = Literal["pending", "operational", "degraded", "down", "paused", "maintenance"]

Quorum = Literal["any", "majority", "all"]

PENDING: Status = "pending"
OPERATIONAL: Status = "operational"
DEGRADED: Status = "degraded"
DOWN: Status = "down"
PAUSED: Status = "paused"

PENDING_RETRY_S = 2
"""Somebody waits for the first verdict of a new service: its retries come at least this soon."""

CALM_MS = 600_000
"""So long after its last outage began, or without a failure, a service is no longer flapping."""

STEADY_INTERVALS = 1.5
"""So many intervals the second outage of a series must have lasted before it is told.

The third: twice as many, and so on, `MOST_DOUBLINGS` times. What fails every other check never
gets there; what has really gone down does within a few checks.
"""

MOST_DOUBLINGS = 3


@dataclass(frozen=True, slots=True)
class Policy:
    """How a service is judged.

    Attributes:
        retries: failures in a row, beyond the first, before it is down; 0 or more.
        retry_interval_s: seconds between those tries.
        degraded_after_ms: response time above which it is degraded; None for never.
        recoveries: successes in a row before an outage is over; 1 or more.
        interval_s: seconds between checks, the measure of what is steady; None for never damped.
    """

    retries: int = 1
    retry_interval_s: int = 20
    degraded_after_ms: int | None = None
    recoveries: int = 1
    interval_s: int | None = None


@dataclass(frozen=True, slots=True)
class Flaps:
    """What is remembered of a service that came and went.

    Attributes:
        outages: how many of the present series were told.
        outage_at: when the latest of them began.
        since: when it began to flap; None when it does not.
    """

    outages: int = 0
    outage_at: int | None = None
    since: int | None = None


@dataclass(frozen=True, slots=True)
class State:
    """What is known of a service: its status, and the failures or successes that led here.

    Attributes:
        changed_at: when `status` began, milliseconds.
        failures: in a row, up to now; counted no further than they matter.
        failing_since: time of the first of `failures`; None when there are none.
        successes: in a row, up to now; counted no further than they matter.
        succeeding_since: time of the first of `successes`; None when there are none.
    """

    status: Status
    changed_at: int
    failures: int = 0
    failing_since: int | None = None
    successes: int = 0
    succeeding_since: int | None = None
    flaps: Flaps = Flaps()


@dataclass(frozen=True, slots=True)
class Judged:
    """The part of an outcome that judging needs."""

    ok: bool
    response_time_ms: int | None = None
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of status; `at` is when it began: an outage is dated back to its first failure."""

    previous: Status
    status: Status
    at: int


Step = tuple[State, Transition | None]
"""The state after something was learnt, and the transition if the status changed."""


def step(state: State, judged: Judged, at: int, policy: Policy) -> Step:
    """What one more outcome leads to.

    Args:
        state: what was known before.
        judged: the outcome.
        at: when it was checked, milliseconds.
        policy: how this service is judged.
    """
    if judged.ok:
        since = at if state.succeeding_since is None else state.succeeding_since
        counted = replace(
            state,
            failures=0,
            failing_since=None,
            successes=min(state.successes + 1, policy.recoveries),
            succeeding_since=since,
        )
        if state.status == DOWN:
            if counted.successes < policy.recoveries:
                return counted, None
            return _settle(counted, _how_well(judged, policy), since, at, policy)
        return _settle(counted, _how_well(judged, policy), at, at, policy)
    since = at if state.failing_since is None else state.failing_since
    counted = replace(
        state,
        failures=min(state.failures + 1, policy.retries + 1),
        failing_since=since,
        successes=0,
        succeeding_since=None,
    )
    wanted = DOWN if counted.failures > policy.retries else state.status
    return _settle(counted, wanted, since, at, policy)


def agree(
    state: State, views: Sequence[State], confirm_from: Quorum, at: int, policy: Policy
) -> Step:
    """What the fresh views of several probes lead to, for the service as a whole.

    An outage is dated back to the first failure of those that made it one: not to that of a probe
    which had seen it down by itself for long.

    Args:
        state: of the service.
        views: of the probes that were heard of lately; each is stepped without damping.
        confirm_from: how many of them must see it down.
        at: now, milliseconds.
        policy: how this service is judged.
    """
    wanted = combine(state.status, [view.status for view in views], confirm_from)
    if wanted == DOWN:
        began = state.failing_since
        if began is None:
            began = _outage_since(state, views, confirm_from, at, policy)
        counted = replace(state, failing_since=began, succeeding_since=None)
        return _settle(counted, DOWN, began, at, policy)
    since = at if state.succeeding_since is None else state.succeeding_since
    counted = replace(state, failing_since=None, succeeding_since=since)
    began = at
    if state.status == DOWN:
        turned_at = max((view.changed_at for view in views if view.status != DOWN), default=at)
        began = turned_at if turned_at > state.changed_at else at
    return _settle(counted, wanted, began, at, policy)


def _outage_since(
    state: State, views: Sequence[State], confirm_from: Quorum, at: int, policy: Policy
) -> int:
    """The first failure of the probes that made an outage of it, after the one before it."""
    down_since = sorted(view.changed_at for view in views if view.status == DOWN)
    if not down_since:
        return at
    confirmed_at = down_since[needed(len(views), confirm_from) - 1]
    earliest = confirmed_at - FRESH_INTERVALS * (policy.interval_s or 0) * 1000
    if state.succeeding_since is not None:
        earliest = max(earliest, state.succeeding_since)
    return next((since for since in down_since if since >= earliest), earliest)


FRESH_INTERVALS = 3
"""A probe that was not heard of a service for so many intervals has no say in its status."""


def combine(present: Status, votes: Sequence[Status], confirm_from: Quorum) -> Status:
    """The status of a service that several probes check.

    Args:
        present: what it was; stays when nobody has a fresh view.
        votes: how it looks from each probe with a fresh view; `pending` counts as one of them,
            but says nothing.
        confirm_from: how many of them must see it down before it is down; fewer is degraded.
    """
    if all(vote == PENDING for vote in votes):
        return present
    down = votes.count(DOWN)
    if down >= needed(len(votes), confirm_from):
        return DOWN
    if down or DEGRADED in votes:
        return DEGRADED
    return OPERATIONAL


def needed(votes: int, confirm_from: Quorum) -> int:
    """How many of so many votes make an outage."""
    return {"any": 1, "majority": votes // 2 + 1, "all": votes}[confirm_from]


def retry_in(state: State, policy: Policy) -> int | None:
    """Seconds until the next try of a failure that is not confirmed; None when nothing is open."""
    if not 0 < state.failures <= policy.retries or state.status == DOWN:
        return None
    if state.status == PENDING:
        return min(policy.retry_interval_s, PENDING_RETRY_S)
    return policy.retry_interval_s


def _how_well(judged: Judged, policy: Policy) -> Status:
    is_slow = (
        policy.degraded_after_ms is not None
        and judged.response_time_ms is not None
        and judged.response_time_ms > policy.degraded_after_ms
    )
    return DEGRADED if is_slow or judged.warning else OPERATIONAL


def _settle(state: State, wanted: Status, began: int, at: int, policy: Policy) -> Step:
    """Take on the wanted status, unless that would be one more flap."""
    status, flaps = wanted, state.flaps
    if policy.interval_s is not None:
        status, flaps = _damp(state, wanted, began, at, policy.interval_s)
    if status == state.status:
        return replace(state, flaps=flaps), None
    return (
        replace(state, status=status, changed_at=began, flaps=flaps),
        Transition(state.status, status, began),
    )


def _damp(
    state: State, wanted: Status, began: int, at: int, interval_s: int
) -> tuple[Status, Flaps]:
    """The status to take on, and what is remembered of outages.

    1. An outage long after the last one is told at once, and begins a series.
    2. One that comes soon after is told when it has lasted some intervals, the longer the more
       of them there were; until then the service is degraded and flapping.
    3. While it flaps it is degraded, whatever single checks say: until that, or a calm time.
    """
    flaps = state.flaps
    if wanted == DOWN:
        if state.status == DOWN:
            return DOWN, flaps
        is_soon = flaps.since is not None or (
            flaps.outage_at is not None and not _is_calm(flaps.outage_at, at)
        )
        if not is_soon:
            return DOWN, Flaps(1, began)
        doublings = min(max(flaps.outages, 1) - 1, MOST_DOUBLINGS)
        if at - began >= STEADY_INTERVALS * 2**doublings * interval_s * 1000:
            return DOWN, Flaps(flaps.outages + 1, began)
        return DEGRADED, replace(flaps, since=began if flaps.since is None else flaps.since)
    if flaps.since is None:
        return wanted, flaps
    if state.succeeding_since is not None and _is_calm(state.succeeding_since, at):
        return wanted, Flaps()
    return DEGRADED, flaps


def _is_calm(since: int, at: int) -> bool:
    """Whether enough time lies between; a clock that was set back must not hold on for ever."""
    return abs(at - since) >= CALM_MS
