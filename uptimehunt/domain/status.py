"""What a check's outcome means for a service: the one place where status is decided.

    pending ──ok──▶ operational ◀──ok, fast──▶ degraded (ok, but slow or with a warning)
       │                 │                        │
       └──── more failures in a row than `retries` ──────▶ down ──ok──▶ operational or degraded

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


@dataclass(frozen=True, slots=True)
class Policy:
    """How a service is judged.

    Attributes:
        retries: failures in a row, beyond the first, before it is down; 0 or more.
        retry_interval_s: seconds between those tries.
        degraded_after_ms: response time above which it is degraded; None for never.
    """

    retries: int = 1
    retry_interval_s: int = 20
    degraded_after_ms: int | None = None


@dataclass(frozen=True, slots=True)
class State:
    """What is known of a service: its status and the failures in a row that led here.

    Attributes:
        changed_at: when `status` began, milliseconds.
        failing_since: time of the first of `failures`; None when there are none.
    """

    status: Status
    changed_at: int
    failures: int = 0
    failing_since: int | None = None


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


def step(state: State, judged: Judged, at: int, policy: Policy) -> tuple[State, Transition | None]:
    """The state after one more outcome, and the transition if the status changed.

    Args:
        state: what was known before.
        judged: the outcome.
        at: when it was checked, milliseconds.
        policy: how this service is judged.
    """
    if judged.ok:
        failures, since = 0, None
        status = DEGRADED if _is_slow(judged, policy) or judged.warning else OPERATIONAL
    else:
        failures = state.failures + 1
        since = at if state.failing_since is None else state.failing_since
        status = DOWN if failures > policy.retries else state.status
    if status == state.status:
        return replace(state, failures=failures, failing_since=since), None
    began = at if since is None else since
    return State(status, began, failures, since), Transition(state.status, status, began)


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
    if down >= {"any": 1, "majority": len(votes) // 2 + 1, "all": len(votes)}[confirm_from]:
        return DOWN
    if down or DEGRADED in votes:
        return DEGRADED
    return OPERATIONAL


def retry_in(state: State, policy: Policy) -> int | None:
    """Seconds until the next try of a failure that is not confirmed; None when nothing is open."""
    if state.failures == 0 or state.status == DOWN:
        return None
    if state.status == PENDING:
        return min(policy.retry_interval_s, PENDING_RETRY_S)
    return policy.retry_interval_s


def _is_slow(judged: Judged, policy: Policy) -> bool:
    return (
        policy.degraded_after_ms is not None
        and judged.response_time_ms is not None
        and judged.response_time_ms > policy.degraded_after_ms
    )
