"""The `heartbeat` service type: the service calls us, and silence is the failure.

What comes in is received and kept by `domain/heartbeats.py`; here it is judged. Each heartbeat is
one outcome, and each that is missing is one; a look in between finds nothing new.
"""

from dataclasses import dataclass
from typing import Any, Literal

from uptimehunt import clock
from uptimehunt.checks.base import CheckType, Judgement, Outcome, Target, not_checked, whole_ms
from uptimehunt.checks.heartbeat_config import HeartbeatConfig

Kind = Literal["start", "success", "fail"]

EARLY_MS = 60_000
"""A job whose clock is a little fast reports before its time: that is not the one before."""

SHOWN = 500
"""Characters of what a job said when it failed that are shown with the failure."""


@dataclass(frozen=True, slots=True)
class Beat:
    """A heartbeat that ends a run: a success or a failure.

    Attributes:
        at: when it was received, milliseconds.
        duration_ms: since its start; None when none was reported.
    """

    id: int
    at: int
    ok: bool
    exit_code: int | None = None
    duration_ms: int | None = None
    body: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of a service; instants in milliseconds.

    Attributes:
        now: when this was read.
        since: from when on it is watched without a pause.
        awake_since: from when on we ourselves were there without a break.
        beat: the oldest one that was not judged yet.
        beat_id: the id of the last one that was judged; 0 when there was none.
        last_at: when the latest one was received, starts left out.
        started_at: the first start after it: a run that goes on.
        missed_at: when the last one was due that was judged to be missing.
    """

    now: int
    since: int
    awake_since: int
    beat: Beat | None = None
    beat_id: int = 0
    last_at: int | None = None
    started_at: int | None = None
    missed_at: int | None = None


def judge(config: HeartbeatConfig, told: Told) -> Judgement:
    """Tell what is new: the oldest heartbeat that was not judged yet, or that one is missing."""
    if told.beat is not None:
        return Judgement(_reported(told.beat), at=told.beat.at, again_at=told.now)
    due, by, message = _awaited(config, told)
    if told.now < by:
        return Judgement(None, again_at=by)
    details = {"beat_id": told.beat_id, "due_at": clock.iso_millis(due)}
    outcome = Outcome(
        False,
        error="no_heartbeat",
        message=f"{message} by {clock.iso_seconds(by)}",
        details=details,
    )
    return Judgement(outcome, at=by, again_at=told.now)


def _reported(beat: Beat) -> Outcome:
    details: dict[str, Any] = {"beat_id": beat.id}
    if beat.duration_ms is not None:
        details["timing"] = {"total": beat.duration_ms / 1000}
    took = None if beat.duration_ms is None else whole_ms(beat.duration_ms / 1000)
    if beat.ok:
        return Outcome(True, took, details=details)
    message = "A failure was reported"
    if beat.exit_code is not None:
        message = f"The job ended with exit code {beat.exit_code}"
        details["exit_code"] = beat.exit_code
    if beat.body:
        details["body"] = beat.body[:SHOWN]
    return Outcome(False, took, "assertion_failed", message, details=details)


def _awaited(config: HeartbeatConfig, told: Told) -> tuple[int, int, str]:
    """What is waited for: when it is due, until when it may come, and how its absence is put."""
    missed = told.missed_at or 0
    started = told.started_at or 0
    if started > missed and started >= told.awake_since:
        by = started + config.longest_run_ms
        return by, by, "A run was started, but did not end"
    # While we were away its end may have been sent to nobody: then it counts as ended.
    last = max(told.last_at or 0, started if started > missed else 0)
    due = _after_beat(config, last) if last > told.since else config.after(told.since)
    if missed >= due:
        due = config.after(missed)
    if due < told.awake_since:  # The same goes for a heartbeat: nobody can say that it is missing.
        due = config.after(told.awake_since)
    return due, due + config.grace_ms, "No heartbeat"


def _after_beat(config: HeartbeatConfig, at: int) -> int:
    """When the next one is due after one that was received."""
    due = config.after(at)
    if config.schedule == "cron":
        following = config.after(due)
        if due - at <= min(EARLY_MS, (following - due) // 10):
            return following
    return due


CHECK = CheckType(
    type="heartbeat",
    name="Heartbeat",
    description="Waits for calls from a job of yours; down when they fail to come.",
    category="passive",
    icon="activity",
    config=HeartbeatConfig,
    check=not_checked,
    target=lambda config: Target("", 0, config.label),
    timing_phases=("total",),
    judge=judge,
    libraries=("cronsim",),
)
