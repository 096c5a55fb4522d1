"""Results: what becomes of the outcomes of checks, in one transaction.

`record`, `accept` and `expire` run inside `Store.write`. What is stale is dropped (the service was
deleted, paused or edited while the check ran); the result of all else is kept and judged, and with
a transition the incident is opened or resolved. Of an unknown outcome nothing is kept but why: it
is no result. `expire` is the retention of single results.
"""

import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from uptimehunt import checks, clock
from uptimehunt.checks import Outcome
from uptimehunt.domain import incidents, status
from uptimehunt.logs import about
from uptimehunt.store.bulk import Put
from uptimehunt.store.models import (
    LOCAL_PROBE,
    SLOT_MS,
    CheckResult,
    ProbeState,
    ReceivedResult,
    Service,
    ServiceState,
    SlotCount,
    Transition,
)
from uptimehunt.store.queries import tuples

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check, with where and when it was made.

    Attributes:
        revision: of the service when the check began.
        checked_at: when it began, milliseconds.
    """

    service_id: int
    revision: int
    probe_id: int
    checked_at: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a finding.

    Attributes:
        retry_in: seconds until it is to be tried again to confirm it; None for the usual rhythm.
        transition: the change of status that it caused, if any.
        name: of the service, for the log.
        error: of the outcome.
    """

    service_id: int
    revision: int
    retry_in: int | None
    transition: status.Transition | None
    name: str
    error: str | None


def record(findings: Sequence[Finding]) -> list[Verdict]:
    """Keep and judge findings, in their order; answers the verdicts of those not stale."""
    known = _known({finding.service_id for finding in findings})
    kept: list[Finding] = []
    verdicts: list[Verdict] = []
    judged: set[int] = set()
    excused: set[int] = set()
    for finding in findings:
        service = known.get(finding.service_id)
        if service is None or not service.takes(finding):
            continue
        if finding.outcome.is_unknown:
            service.excuse(finding)
            excused.add(finding.service_id)
            continue
        kept.append(finding)
        if service.is_late(finding):
            continue
        judged.add(finding.service_id)
        seen, transition = service.judge(finding)
        if transition is not None:
            _keep_transition(finding, transition)
        verdicts.append(
            Verdict(
                finding.service_id,
                finding.revision,
                status.retry_in(seen, service.policy),
                transition,
                service.name,
                finding.outcome.error,
            )
        )
    _keep_results(kept)
    _keep_slots(kept)
    _keep_states([known[service_id] for service_id in judged])
    _keep_views([known[service_id] for service_id in judged | excused])
    _keep_excuses([known[service_id] for service_id in excused - judged])
    return verdicts


@dataclass(slots=True)
class _View:
    """A service as one of several probes sees it."""

    state: status.State
    last: dict[str, Any]


@dataclass(slots=True)
class _Known:
    """A service as the judging sees it, while one batch is worked through.

    Attributes:
        probe_ids: which probes check it.
        views: what each of them sees; kept only where there are several.
        last: the latest outcome, by column.
    """

    service_id: int
    revision: int
    name: str
    interval_s: int
    probe_ids: list[int]
    confirm_from: status.Quorum
    policy: status.Policy
    state: status.State
    views: dict[int, _View] = field(default_factory=dict)
    last: dict[str, Any] = field(default_factory=dict)

    def takes(self, finding: Finding) -> bool:
        return self.revision == finding.revision and finding.probe_id in self.probe_ids

    def is_late(self, finding: Finding) -> bool:
        """Whether a later check of the same remote probe was judged before: it tells no news.

        Our own come in order; if our clock was set back, the newest is still the newest.
        """
        if finding.probe_id == LOCAL_PROBE:
            return False
        view = self.views.get(finding.probe_id)
        last = self.last if len(self.probe_ids) == 1 else {} if view is None else view.last
        return finding.checked_at < (last.get("checked_at") or 0)

    def excuse(self, finding: Finding) -> None:
        """Show why nothing is known now; what was last known of the service stays."""
        why = {"error": finding.outcome.error, "message": finding.outcome.message}
        self.last |= why
        view = self.views.get(finding.probe_id)
        if view is not None:
            view.last |= why

    def judge(self, finding: Finding) -> status.Step:
        """The state as the finding's probe sees it now, and what changed for the service."""
        outcome = finding.outcome
        judged = status.Judged(outcome.ok, outcome.response_time_ms, "warning" in outcome.details)
        self.last = {
            "checked_at": finding.checked_at,
            "response_time_ms": outcome.response_time_ms,
            "error": outcome.error,
            "message": outcome.message,
            "details": dict(outcome.details),
        }
        at = finding.checked_at
        if len(self.probe_ids) == 1:
            self.state, transition = status.step(self.state, judged, at, self.policy)
            return self.state, transition
        view = self.views.get(finding.probe_id)
        before = status.State(status.PENDING, at) if view is None else view.state
        # One probe that flaps is no news: it is the agreement of all that is damped.
        seen, _ = status.step(before, judged, at, replace(self.policy, interval_s=None))
        self.views[finding.probe_id] = _View(seen, dict(self.last))
        self.state, transition = status.agree(
            self.state, self._fresh(at), self.confirm_from, at, self.policy
        )
        return seen, transition

    def _fresh(self, at: int) -> list[status.State]:
        """The views that have a say."""
        stale_before = at - status.FRESH_INTERVALS * self.interval_s * 1000
        return [
            view.state
            for probe_id, view in self.views.items()
            if probe_id in self.probe_ids and view.last["checked_at"] >= stale_before
        ]


KNOWN_AGAIN_DAYS = 14
"""How long the ids of remote results are kept; older results are not taken any more."""


def _known(service_ids: Iterable[int]) -> dict[int, _Known]:
    """The enabled ones of these services, with their state; views of those with many probes."""
    rows = tuples(
        Service.select(
            Service.id,
            Service.revision,
            Service.name,
            Service.probe_ids,
            Service.confirm_from,
            Service.retries,
            Service.retry_interval_seconds,
            Service.degraded_after_ms,
            Service.recoveries,
            Service.interval_seconds,
            *(getattr(ServiceState, name) for name in (*_STATE, *_FLAPS)),
            ServiceState.checked_at,
            Service.type,
        )
        .join(ServiceState)
        .where(Service.id.in_(list(service_ids)), Service.enabled)
    )
    known = {
        row[0]: _Known(
            service_id=row[0],
            revision=row[1],
            name=row[2],
            interval_s=row[9],
            probe_ids=json.loads(row[3]) or [LOCAL_PROBE],
            confirm_from=row[4],
            policy=replace(
                status.Policy(*row[5:9]), interval_s=None if _is_passive(row[20]) else row[9]
            ),
            state=replace(status.State(*row[10:16]), flaps=status.Flaps(*row[16:19])),
            last={"checked_at": row[19]},
        )
        for row in rows
    }
    shared = [service.service_id for service in known.values() if len(service.probe_ids) > 1]
    if shared:
        for row in ProbeState.select().where(ProbeState.service.in_(shared)):
            state = [getattr(row, name) for name in _STATE]
            last = {name: getattr(row, name) for name in _LAST}
            known[row.service_id].views[row.probe_id] = _View(status.State(*state), last)
    return known


def _is_passive(service_type: str) -> bool:
    """Whether outages of this type are told at once: a job's own word needs no confirmation."""
    kind = checks.REGISTRY.get(service_type)
    return kind is not None and kind.judge is not None


_STATE = (
    *("status", "changed_at", "failures", "failing_since"),
    *("successes", "succeeding_since"),
)
_FLAPS = {"outages": "outages", "outage_at": "outage_at", "flapping_since": "since"}
"""Column of a service's state → attribute of `status.Flaps`, in its order."""

_LAST = ("checked_at", "response_time_ms", "error", "message", "details")


def _keep_transition(finding: Finding, transition: status.Transition) -> None:
    outcome = finding.outcome
    Transition.create(
        service=finding.service_id,
        at=transition.at,
        previous=transition.previous,
        status=transition.status,
        cause=outcome.error,
    )
    if transition.status == status.DOWN:
        incidents.open_one(finding.service_id, transition.at, outcome.error, outcome.message)
    elif transition.previous == status.DOWN:
        incidents.resolve(finding.service_id, transition.at)


def _keep_results(findings: Sequence[Finding]) -> None:
    _PUT_RESULTS(
        (
            finding.service_id,
            finding.probe_id,
            finding.checked_at,
            finding.outcome.ok,
            finding.outcome.response_time_ms,
            finding.outcome.status_code,
            finding.outcome.error,
            None if finding.outcome.ok else finding.outcome.message,
            None if finding.outcome.ok else dict(finding.outcome.details),
        )
        for finding in findings
    )


_PUT_RESULTS = Put(
    [
        CheckResult.service,
        CheckResult.probe,
        CheckResult.checked_at,
        CheckResult.ok,
        CheckResult.response_time_ms,
        CheckResult.status_code,
        CheckResult.error,
        CheckResult.message,
        CheckResult.details,
    ]
)


def _keep_slots(findings: Sequence[Finding]) -> None:
    sums: dict[tuple[int, int, int], list[int]] = {}
    for finding in findings:
        outcome = finding.outcome
        key = (finding.service_id, finding.probe_id, finding.checked_at // SLOT_MS)
        total = sums.setdefault(key, [0, 0, 0, 0])
        total[0] += 1
        total[1] += not outcome.ok
        if outcome.ok and outcome.response_time_ms is not None:
            total[2] += 1
            total[3] += outcome.response_time_ms
    _ADD_SLOTS((*key, *total) for key, total in sums.items())


_SLOT_KEY = [SlotCount.service, SlotCount.probe, SlotCount.slot]
_SUMS = [SlotCount.checks, SlotCount.failures, SlotCount.timed, SlotCount.response_time_ms]
_ADD_SLOTS = Put([*_SLOT_KEY, *_SUMS], key=_SLOT_KEY, added=_SUMS)


def _keep_states(judged: Iterable[_Known]) -> None:
    _PUT_STATES(
        (
            service.service_id,
            *(getattr(service.state, name) for name in _STATE),
            *(getattr(service.state.flaps, name) for name in _FLAPS.values()),
            *(service.last[name] for name in _LAST),
        )
        for service in judged
    )


def _keep_excuses(excused: Iterable[_Known]) -> None:
    for service in excused:
        ServiceState.update(error=service.last["error"], message=service.last["message"]).where(
            ServiceState.service == service.service_id
        ).execute()


def _keep_views(judged: Iterable[_Known]) -> None:
    _PUT_VIEWS(
        (
            service.service_id,
            probe_id,
            *(getattr(view.state, name) for name in _STATE),
            *(view.last[name] for name in _LAST),
        )
        for service in judged
        for probe_id, view in service.views.items()
        if probe_id in service.probe_ids
    )


_PUT_STATES = Put(
    [ServiceState.service, *(getattr(ServiceState, name) for name in (*_STATE, *_FLAPS, *_LAST))],
    key=[ServiceState.service],
)
_PUT_VIEWS = Put(
    [
        ProbeState.service,
        ProbeState.probe,
        *(getattr(ProbeState, name) for name in (*_STATE, *_LAST)),
    ],
    key=[ProbeState.service, ProbeState.probe],
)


def accept(received: Sequence[tuple[str, Finding]]) -> tuple[int, int, list[Verdict]]:
    """Record what a remote probe sent, each result once however often it is sent.

    Args:
        received: (id of the result, finding), in the order of their making.

    Returns:
        how many were new, how many were there before, and the verdicts.
    """
    ids = {result_id for result_id, _ in received}
    there = {row.id for row in ReceivedResult.select().where(ReceivedResult.id.in_(ids))}
    fresh: dict[str, Finding] = {}
    for result_id, finding in received:
        if result_id not in there:
            fresh.setdefault(result_id, finding)
    verdicts: list[Verdict] = []
    if fresh:
        now = clock.now_ms()
        ReceivedResult.insert_many(
            [{"id": result_id, "received_at": now} for result_id in fresh]
        ).execute()
        verdicts = record(list(fresh.values()))
    return len(fresh), len(received) - len(fresh), verdicts


def tell(verdict: Verdict) -> None:
    """Log a change of status; once it is committed."""
    transition = verdict.transition
    if transition is not None:
        log.info(
            f"service.{transition.status}",
            extra=about(
                service_id=verdict.service_id,
                name=verdict.name,
                previous=transition.previous,
                since=clock.iso_seconds(transition.at),
                error=verdict.error,
            ),
        )


def forget_received(before: int) -> None:
    """Forget ids of results received before an instant: nobody sends those again."""
    ReceivedResult.delete().where(ReceivedResult.received_at < before).execute()


def expire(before: int, most: int = 1000) -> int:
    """Delete single results older than an instant, at most `most` of them; answers how many.

    Only the oldest `most` rows are looked at: rows are appended as time goes by.
    """
    oldest = tuples(
        CheckResult.select(CheckResult.id, CheckResult.checked_at)
        .order_by(CheckResult.id)
        .limit(most)
    )
    old = [result_id for result_id, checked_at in oldest if checked_at < before]
    deleted: int = CheckResult.delete().where(CheckResult.id.in_(old)).execute()
    return deleted
