"""Results: what becomes of the outcomes of checks, in one transaction.

`record`, `see` and `accept` run inside `Store.write`. What is stale is dropped (the service was
deleted, paused or edited while the check ran); the result of all else is kept and judged, and with
a transition the incident is opened or resolved. Of an unknown outcome nothing is kept but why: it
is no result.

A check that changes nothing is appended to what has landed, and that is all that is written of it
at once: its service's state stays as it is, and that it was seen is noted by `see`, for many
services together.
"""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import peewee

from uptimehunt import checks, clock
from uptimehunt.domain import incidents, ledger, status
from uptimehunt.domain.findings import Finding, land
from uptimehunt.logs import about
from uptimehunt.store.bulk import Put
from uptimehunt.store.models import (
    LOCAL_PROBE,
    LastCheck,
    ProbeState,
    ReceivedResult,
    Service,
    ServiceState,
    Transition,
)
from uptimehunt.store.queries import tuples

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Seen:
    """When a service was checked, and how long it took to answer."""

    checked_at: int
    response_time_ms: int | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a finding.

    Attributes:
        retry_in: seconds until it is to be tried again to confirm it; None for the usual rhythm.
        transition: the change of status that it caused, if any.
        name: of the service, for the log.
        error: of the outcome.
        seen: what is to be noted by `see`.
        at_once: whether it is to be noted now: it is news, or the next finding is judged by it.
    """

    service_id: int
    revision: int
    retry_in: int | None
    transition: status.Transition | None
    name: str
    error: str | None
    seen: Seen
    at_once: bool


def record(findings: Sequence[Finding]) -> list[Verdict]:
    """Keep and judge findings, in their order; answers the verdicts of those not stale."""
    known = _known({finding.service_id for finding in findings})
    kept: list[Finding] = []
    verdicts: list[Verdict] = []
    telling: set[int] = set()
    excused: set[int] = set()
    for finding in findings:
        service = known.get(finding.service_id)
        if service is None or not service.takes(finding):
            continue
        if finding.outcome.is_unknown:
            service.excuse(finding)
            excused.add(finding.service_id)
            continue
        finding = service.apart(finding)
        kept.append(finding)
        if len(findings) <= FEW or service.is_telling(finding):
            telling.add(len(kept) - 1)
        if service.is_late(finding):
            continue
        _note_lapse(service, finding)
        seen, transition = service.judge(finding)
        if transition is not None:
            _keep_transition(finding, transition)
        _keep_ledger(service, transition)
        verdicts.append(
            Verdict(
                finding.service_id,
                finding.revision,
                status.retry_in(seen, service.policy),
                transition,
                service.name,
                finding.outcome.error,
                Seen(service.last["checked_at"], service.last["response_time_ms"]),
                service.is_shared or service.is_passive or transition is not None,
            )
        )
    land(kept, telling)
    _keep_states(service for service in known.values() if service.is_changed())
    judged = {verdict.service_id for verdict in verdicts}
    _keep_views([known[service_id] for service_id in judged | excused])
    return verdicts


def see(seen: Mapping[int, "Seen"]) -> None:
    """Note when services were last checked, and how long that took."""
    there = tuples(Service.select(Service.id).where(Service.id.in_(list(seen))))
    _PUT_SEEN(
        (service_id, seen[service_id].checked_at, seen[service_id].response_time_ms)
        for (service_id,) in there
    )


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
        ledger: the kind of the span that is open.
        before: what is stored of its state.
    """

    service_id: int
    revision: int
    name: str
    interval_s: int
    edited_at: int
    is_passive: bool
    probe_ids: list[int]
    confirm_from: status.Quorum
    policy: status.Policy
    state: status.State
    last: dict[str, Any]
    ledger: int
    before: tuple[Any, ...] = ()
    views: dict[int, _View] = field(default_factory=dict)

    @property
    def is_shared(self) -> bool:
        """Whether several probes check it."""
        return len(self.probe_ids) > 1

    def columns(self) -> tuple[Any, ...]:
        """What is to be stored of its state."""
        return (
            *(getattr(self.state, name) for name in _STATE),
            *(getattr(self.state.flaps, name) for name in _FLAPS.values()),
            self.last["error"],
            self.last["message"],
            self.ledger,
        )

    def is_changed(self) -> bool:
        """Whether there is anything to be stored."""
        return self.columns() != self.before

    def takes(self, finding: Finding) -> bool:
        return self.revision == finding.revision and finding.probe_id in self.probe_ids

    def is_late(self, finding: Finding) -> bool:
        """Whether a later check of the same remote probe was judged before: it tells no news.

        Our own come in order; if our clock was set back, the newest is still the newest.
        """
        if finding.probe_id == LOCAL_PROBE:
            return False
        return finding.checked_at < (self._last_of(finding.probe_id) or 0)

    def _last_of(self, probe_id: int) -> int | None:
        """When a probe last checked it."""
        view = self.views.get(probe_id)
        last = self.last if not self.is_shared else {} if view is None else view.last
        at: int | None = last.get("checked_at")
        return at

    def apart(self, finding: Finding) -> Finding:
        """Keep what came in the same millisecond apart: the time is part of a result's key."""
        last = self._last_of(finding.probe_id)
        crowd_ms = CROWD_MS if self.is_passive else 1
        if last is None or not 0 <= last - finding.checked_at < crowd_ms:
            return finding
        return replace(finding, checked_at=last + 1)

    def is_telling(self, finding: Finding) -> bool:
        """Whether the details of a finding are worth their place where many come.

        Of what goes well as before, those of one check in five minutes are.
        """
        before = self._last_of(finding.probe_id)
        is_steady = self.state.status == status.OPERATIONAL and self.state.failures == 0
        return (
            before is None
            or not is_steady
            or self.is_passive
            or not finding.outcome.ok
            or "warning" in finding.outcome.details
            or not self.edited_at <= before <= finding.checked_at
            or before // TELL_EVERY_MS != finding.checked_at // TELL_EVERY_MS
        )

    def silent_from(self, now: int) -> int | None:
        """Since when it was not known before a finding; None when the one before still vouched."""
        if self.last["checked_at"] is None or self.is_passive:
            return None
        return ledger.Heard(
            self.last["checked_at"],
            self.last["response_time_ms"],
            self.interval_s,
            self.edited_at,
        ).silent_from(now)

    def is_set_back(self, finding: Finding) -> bool:
        """Whether our clock was set back since the check before."""
        before = self._last_of(LOCAL_PROBE)
        is_own = finding.probe_id == LOCAL_PROBE
        return is_own and before is not None and finding.checked_at < before

    def excuse(self, finding: Finding) -> None:
        """Show why nothing is known now; what was last known of the service stays."""
        why = {"error": finding.outcome.error, "message": finding.outcome.message}
        self.last |= why
        view = self.views.get(finding.probe_id)
        if view is not None:
            view.last |= why

    def judge(self, finding: Finding) -> status.Step:
        """The state as the finding's probe sees it now, and what changed for the service."""
        outcome, at = finding.outcome, finding.checked_at
        judged = status.Judged(outcome.ok, outcome.response_time_ms, "warning" in outcome.details)
        last = {
            "checked_at": at,
            "response_time_ms": outcome.response_time_ms,
            "error": outcome.error,
            "message": outcome.message,
            "details": dict(outcome.details),
        }
        if not self.is_shared:
            self.last = last
            self.state, transition = status.step(self.state, judged, at, self.policy)
            return self.state, transition
        view = self.views.get(finding.probe_id)
        before = status.State(status.PENDING, at) if view is None else view.state
        # One probe that flaps is no news: it is the agreement of all that is damped.
        seen, _ = status.step(before, judged, at, replace(self.policy, interval_s=None))
        self.views[finding.probe_id] = _View(seen, last)
        newest = self.last["checked_at"]
        if newest is None or at >= newest or finding.probe_id == LOCAL_PROBE:
            self.last = dict(last)
        elif at < self._stale_before(newest):
            return seen, None  # A probe that was cut off catches up: it has no say until it has.
        self.state, transition = status.agree(
            self.state, self._fresh(at), self.confirm_from, at, self.policy
        )
        return seen, transition

    def _stale_before(self, at: int) -> int:
        return at - status.FRESH_INTERVALS * self.interval_s * 1000

    def _fresh(self, at: int) -> list[status.State]:
        """The views that have a say."""
        stale_before = self._stale_before(at)
        return [
            view.state
            for probe_id, view in self.views.items()
            if probe_id in self.probe_ids and view.last["checked_at"] >= stale_before
        ]


FEW = 10
"""So many findings at once are few: the details of all of them are kept."""

TELL_EVERY_MS = 300_000

CROWD_MS = 1000
"""How far beats that come in one millisecond may push each other on."""

KNOWN_AGAIN_DAYS = 14
"""How long the ids of remote results are kept; older results are not taken any more."""


def _known(service_ids: Iterable[int]) -> dict[int, _Known]:
    """The enabled ones of these services, with their state; views of those with many probes."""
    rows = (
        Service.select(
            *(getattr(Service, name) for name in _RULES),
            *(getattr(ServiceState, name) for name in _STORED),
            LastCheck.checked_at,
            LastCheck.response_time_ms,
        )
        .join(ServiceState)
        .switch(Service)
        .join(LastCheck, peewee.JOIN.LEFT_OUTER)
        .where(Service.id.in_(list(service_ids)), Service.enabled)
    )
    names = (*(f"rule_{name}" for name in _RULES), *_STORED, "checked_at", "response_time_ms")
    known: dict[int, _Known] = {}
    for values in tuples(rows):
        row = dict(zip(names, values, strict=True))
        one = _from_row(row, values[len(_RULES) : -2])
        known[one.service_id] = one
    shared = [service.service_id for service in known.values() if service.is_shared]
    if shared:
        for view in ProbeState.select().where(ProbeState.service.in_(shared)):
            state = [getattr(view, name) for name in _STATE]
            last = {name: getattr(view, name) for name in _LAST}
            known[view.service_id].views[view.probe_id] = _View(status.State(*state), last)
    return known


def _from_row(row: Mapping[str, Any], before: tuple[Any, ...]) -> _Known:
    is_passive = checks.is_passive(row["rule_type"])
    policy = status.Policy(
        row["rule_retries"],
        row["rule_retry_interval_seconds"],
        row["rule_degraded_after_ms"],
        row["rule_recoveries"],
        # A job's own word needs no confirmation.
        None if is_passive else row["rule_interval_seconds"],
    )
    flaps = status.Flaps(*(row[column] for column in _FLAPS))
    return _Known(
        service_id=row["rule_id"],
        revision=row["rule_revision"],
        name=row["rule_name"],
        interval_s=row["rule_interval_seconds"],
        edited_at=row["rule_updated_at"],
        is_passive=is_passive,
        probe_ids=json.loads(row["rule_probe_ids"]) or [LOCAL_PROBE],
        confirm_from=row["rule_confirm_from"],
        policy=policy,
        state=replace(status.State(*(row[column] for column in _STATE)), flaps=flaps),
        last={name: row[name] for name in _LAST[:-1]},
        ledger=row["ledger"],
        before=before,
    )


_RULES = (
    *("id", "revision", "name", "type", "updated_at", "probe_ids", "confirm_from"),
    *("interval_seconds", "retries", "retry_interval_seconds", "degraded_after_ms", "recoveries"),
)
_STATE = (
    *("status", "changed_at", "failures", "failing_since"),
    *("successes", "succeeding_since"),
)
_FLAPS = {"outages": "outages", "outage_at": "outage_at", "flapping_since": "since"}
"""Column of a service's state → attribute of `status.Flaps`, in its order."""

_STORED = (*_STATE, *_FLAPS, "error", "message", "ledger")

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


def _note_lapse(service: _Known, finding: Finding) -> None:
    """Write down that nobody knew the service for a while, if so it was."""
    if service.is_set_back(finding):
        service.ledger = ledger.UNKNOWN  # What stands there of later is written over.
    silent_from = service.silent_from(finding.checked_at)
    if silent_from is not None and service.ledger != ledger.UNKNOWN:
        ledger.mark(service.service_id, ledger.UNKNOWN, silent_from, finding.checked_at)
        service.ledger = ledger.UNKNOWN


def _keep_ledger(service: _Known, transition: status.Transition | None) -> None:
    """Write down what the service is, where that is something else than it was before."""
    kind, now = ledger.kind_of(service.state.status), service.last["checked_at"]
    if kind != service.ledger:
        since = now if transition is None else transition.at
        ledger.mark(service.service_id, kind, since, now)
        service.ledger = kind


def _keep_states(services: Iterable[_Known]) -> None:
    _PUT_STATES((service.service_id, *service.columns()) for service in services)


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
    [ServiceState.service, *(getattr(ServiceState, name) for name in _STORED)],
    key=[ServiceState.service],
)
_PUT_SEEN = Put(
    [LastCheck.service, LastCheck.checked_at, LastCheck.response_time_ms], key=[LastCheck.service]
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
        see({verdict.service_id: verdict.seen for verdict in verdicts})
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
