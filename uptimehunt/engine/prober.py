"""The prober: has each assigned service checked when it is due, and passes the findings on.

One check of a service is in flight at a time; one that is still running when the next is due is
followed by it at once. A change of a service replaces its assignment: a check in flight for the
old one is disowned, and the new one is checked at once.

A service of a passive type is judged right in the pulse: a look into the database takes no longer
than starting a thread, and each thread that reads would keep a connection of its own.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from uptimehunt import clock
from uptimehunt.checks import CheckConfig, CheckType, Outcome
from uptimehunt.domain.assignments import Assignment
from uptimehunt.domain.findings import Finding
from uptimehunt.domain.results import Verdict
from uptimehunt.engine.quarantine import Quarantine
from uptimehunt.engine.runner import Run, Runner, judge
from uptimehunt.engine.timetable import Timetable
from uptimehunt.errors import BusyError, StorageError
from uptimehunt.logs import about

log = logging.getLogger(__name__)

GAP_S = 2.0
"""A pulse that comes this late means that the machine slept or starved."""

BLIND_S = 2.0
"""How soon a passive service is looked at again when the database could not be read."""

REMEMBERED = 5000

JUDGING_S = 0.02
"""How long one pulse judges passive services at the most; the rest waits for the next one."""

TRIALS = 4
TRIAL_S = 30
"""How many tests run at once, and how many seconds one may take: each holds a request's thread."""


class Source(Protocol):
    """Where assignments come from: the database, or a server elsewhere."""

    def all_enabled(self) -> list[Assignment]:
        """All assignments of this probe."""

    def of_service(self, service_id: int) -> Assignment | None:
        """The assignment of one service, None when there is none any more."""

    def told(self, assignment: Assignment, mark: Mapping[str, Any] | None, awake_since: int) -> Any:
        """What the judge of a passive type is told; None when the service is gone.

        Args:
            assignment: the service.
            mark: the details of the outcome that it gave last; None when there was none yet.
            awake_since: from when on this process was there without a break, milliseconds.
        """


@dataclass(slots=True)
class _Post:
    """A service that is watched, and the check that is on its way, if one is.

    Attributes:
        mark: the details of the last outcome of a passive one.
    """

    assignment: Assignment
    run: Run | None = None
    is_overdue: bool = False
    mark: Mapping[str, Any] | None = None


class Prober:
    """Checks services on time. `pulse` is called by one thread; all else by any."""

    def __init__(self, source: Source, report: Callable[[Finding], None], probe_id: int) -> None:
        """Make a prober that does nothing until it is told what to watch.

        Args:
            source: where assignments come from.
            report: takes each finding; called from many threads, must be quick.
            probe_id: the place that this prober speaks for.
        """
        self._source = source
        self._report = report
        self._probe_id = probe_id
        self._runner = Runner(self._finished)
        self._lock = threading.Lock()
        self._timetable = Timetable()
        self._quarantine = Quarantine()
        self._posts: dict[int, _Post] = {}
        self._groups: set[int] = set()
        self._changed: deque[int] = deque()
        self._to_judge: deque[Run] = deque()
        self._awake_since = clock.now_ms()
        self._clock_offset = _clock_offset()
        self._lateness_ms: deque[float] = deque(maxlen=REMEMBERED)
        self._pulse_at = clock.monotonic()
        self._given_up_at = 0.0
        self._is_blind = False
        self._trials = threading.BoundedSemaphore(TRIALS)

    def load(self) -> None:
        """Take up all assignments, each at its own turn within one interval."""
        assignments = self._source.all_enabled()
        with self._lock:
            now = clock.monotonic()
            self._pulse_at = now
            self._awake_since = clock.now_ms()
            for assignment in assignments:
                self._post(assignment)
                self._quarantine.watch(assignment.target.host)
                self._timetable.put(
                    assignment.service_id,
                    assignment.interval_s,
                    now,
                    at_once=_is_matter_of_time(assignment),
                )
        log.info("prober.loaded", extra=about(services=len(assignments)))

    def _post(self, assignment: Assignment) -> None:
        self._posts[assignment.service_id] = _Post(assignment)
        if assignment.members:
            self._groups.add(assignment.service_id)

    def refresh(self, service_id: int) -> None:
        """A service was added, changed, paused or deleted; acted upon with the next pulse."""
        self._changed.append(service_id)

    def check_now(self, service_id: int) -> bool:
        """Have a service checked with the next pulse; whether it is watched at all."""
        with self._lock:
            self._timetable.bring_forward(service_id, clock.monotonic())
            # One that was added a moment ago is taken up, and so checked, with the next pulse.
            return service_id in self._posts or service_id in self._changed

    def try_once(self, kind: CheckType[Any], config: CheckConfig) -> Outcome:
        """Make one check for somebody who waits, beside all others; nothing is kept of it.

        Raises:
            BusyError: too many are waiting.
        """
        if not self._trials.acquire(blocking=False):
            raise BusyError("Too many tests at once", retry_after_s=5)
        try:
            return self._runner.make(kind, config, min(config.timeout, TRIAL_S))
        finally:
            self._trials.release()

    def checks_per_minute(self) -> float:
        """How many checks there are a minute when all is well."""
        with self._lock:
            return sum(
                60 / post.assignment.interval_s
                for post in self._posts.values()
                if post.assignment.kind.judge is None
            )

    def judged(self, verdict: Verdict) -> None:
        """A finding was judged: a failure that is not confirmed yet is tried again soon."""
        if verdict.transition is not None:
            self._look_at_groups_of(verdict.service_id)
        if verdict.retry_in is None:
            return
        with self._lock:
            post = self._posts.get(verdict.service_id)
            if post is not None and post.assignment.revision == verdict.revision:
                at = clock.monotonic() + verdict.retry_in
                self._timetable.bring_forward(verdict.service_id, at)

    def pulse(self) -> None:
        """Start all that is due. To be called every 50-100 ms, from one thread."""
        now = clock.monotonic()
        if now - self._pulse_at > GAP_S:
            self._woke_up(now - self._pulse_at, now)
        self._pulse_at = now
        self._note_clock(now)
        if self.blind_since() is not None:
            self._awake_since = clock.now_ms()  # What does not reach us may well have been sent.
        self._take_up_changes()
        with self._lock:
            runs = [
                run
                for service_id, due_at in self._timetable.pop_due(now)
                if (run := self._next_run(service_id, due_at)) is not None
            ]
        for run in runs:
            if run.assignment.kind.judge is None:
                self._runner.submit(run)
            else:
                self._to_judge.append(run)
        self._judge_what_waits()
        self._release(now)
        if now - self._given_up_at > 1:
            self._given_up_at = now
            self._runner.give_up_overdue(now)

    def _next_run(self, service_id: int, due_at: float) -> Run | None:
        post = self._posts[service_id]
        if post.run is not None:
            post.is_overdue = True
            return None
        post.run = Run(post.assignment, due_at)
        return post.run

    def _take_up_changes(self) -> None:
        while self._changed:
            try:
                assignment = self._source.of_service(self._changed[0])
            except StorageError as ex:
                # All other services are still checked; this one is asked for with each pulse.
                if not self._is_blind:
                    log.error("prober.no_storage", extra=about(error=ex))
                self._is_blind = True
                return
            self._is_blind = False
            service_id = self._changed.popleft()
            self._take_up(service_id, assignment)
            self._look_at_groups_of(service_id)

    def _take_up(self, service_id: int, assignment: Assignment | None) -> None:
        with self._lock:
            before = self._posts.pop(service_id, None)
            self._groups.discard(service_id)
            if before is not None:
                self._quarantine.forget(before.assignment.target.host, service_id)
            if assignment is None:
                self._timetable.remove(service_id)
                return
            self._quarantine.watch(assignment.target.host)
            self._post(assignment)
            now = clock.monotonic()
            self._timetable.put(service_id, assignment.interval_s, now, at_once=True)

    def disturb(self) -> None:
        """The machine slept or its clock was set: a check in flight that fails says nothing."""
        self._runner.disturb()
        with self._lock:
            self._begin_anew(clock.monotonic())

    def _woke_up(self, gap_s: float, now: float) -> None:
        log.warning("prober.slept", extra=about(seconds=round(gap_s, 1)))
        self._runner.disturb()
        with self._lock:
            self._timetable.skip_missed(now)
            self._begin_anew(now)

    def _has_slept(self) -> bool:
        """Whether the machine slept just now: a check may wake up before the pulse does."""
        return self.pulse_age_s() > GAP_S or abs(_clock_offset() - self._clock_offset) > GAP_S

    def _note_clock(self, now: float) -> None:
        """Notice at once that the clock was set: an hour that it skips is nobody's silence."""
        offset = _clock_offset()
        if abs(offset - self._clock_offset) > GAP_S:
            self._runner.disturb()
            with self._lock:
                self._begin_anew(now)
        self._clock_offset = offset

    def _begin_anew(self, now: float) -> None:
        """Nobody knows what passive services sent meanwhile: their clocks are set anew."""
        self._awake_since = clock.now_ms()
        for service_id, post in self._posts.items():
            if _is_matter_of_time(post.assignment):
                self._timetable.bring_forward(service_id, now)

    def _look_at_groups_of(self, service_id: int) -> None:
        """A member changed: its groups are judged with the next pulse."""
        with self._lock:
            for group_id in self._groups:
                if service_id in self._posts[group_id].assignment.members:
                    self._timetable.bring_forward(group_id, clock.monotonic())

    def _judge_what_waits(self) -> None:
        ends_at = clock.monotonic() + JUDGING_S
        while self._to_judge and clock.monotonic() < ends_at:
            self._judge(self._to_judge.popleft())

    def _judge(self, run: Run) -> None:
        assignment = run.assignment
        post = self._posts.get(assignment.service_id)
        if post is None or post.run is not run:
            return  # Deleted, paused or changed meanwhile.
        run.started_at, run.started_at_ms = clock.monotonic(), clock.now_ms()
        mark, awake_since = post.mark, self._awake_since
        try:
            found = judge(
                assignment.kind,
                assignment.config,
                lambda: self._source.told(assignment, mark, awake_since),
            )
        except StorageError as ex:
            log.error("prober.no_storage", extra=about(error=ex))
            self._finished(run, None)
            self._look_again(assignment.service_id, BLIND_S)
            return
        if found.at is not None:
            run.started_at_ms = found.at
        self._finished(run, found.outcome)
        if found.again_at is not None:
            wait_s = max(0, found.again_at - clock.now_ms()) / 1000
            self._look_again(assignment.service_id, wait_s)

    def _look_again(self, service_id: int, wait_s: float) -> None:
        with self._lock:
            self._timetable.bring_forward(service_id, clock.monotonic() + wait_s)

    def _finished(self, run: Run, outcome: Outcome | None) -> None:
        assignment = run.assignment
        self._lateness_ms.append((run.started_at - run.due_at) * 1000)
        counts = outcome is None or outcome.ok or not (run.is_disturbed or self._has_slept())
        with self._lock:
            post = self._posts.get(assignment.service_id)
            if post is None or post.run is not run:
                return  # Deleted, paused or changed meanwhile.
            post.run = None
            if post.is_overdue or not counts:
                post.is_overdue = False
                self._timetable.bring_forward(assignment.service_id, clock.monotonic())
            if counts and outcome is not None and outcome.error != "internal_error":
                post.mark = outcome.details if assignment.kind.judge is not None else None
        if counts and outcome is not None:
            self._pass_on(run, outcome)

    def _pass_on(self, run: Run, outcome: Outcome) -> None:
        """Report what was found, unless it waits for a decision on whose trouble it is."""
        assignment, now = run.assignment, clock.monotonic()
        finding = Finding(
            assignment.service_id,
            assignment.revision,
            self._probe_id,
            run.started_at_ms,
            outcome,
        )
        if assignment.kind.judge is not None:
            self._report(finding)  # It says nothing of the network.
            return
        with self._lock:
            ready = self._quarantine.take(finding, assignment.target.host, run.started_at, now)
            self._ask(self._quarantine.pop_questions(), now)
        for one in ready:
            self._report(one)
        self._release(now)

    def _ask(self, hosts: set[str], now: float) -> None:
        """Have one service at each of these hosts checked at once."""
        for service_id, post in self._posts.items():
            if not hosts:
                return
            if post.assignment.target.host in hosts:
                hosts.discard(post.assignment.target.host)
                self._timetable.bring_forward(service_id, now)

    def _release(self, now: float) -> None:
        with self._lock:
            ready = self._quarantine.release(now)
        for finding in ready:
            self._report(finding)

    def blind_since(self) -> int | None:
        """Since when our own network is gone, milliseconds since the epoch; None while we see."""
        with self._lock:
            return self._quarantine.blind_since

    def next_check_at(self, service_id: int) -> int | None:
        """When a service is due next, milliseconds since the epoch; None when it is not watched."""
        with self._lock:
            due_at = self._timetable.due_at(service_id)
        if due_at is None:
            return None
        return clock.now_ms() + max(0, round((due_at - clock.monotonic()) * 1000))

    def pulse_age_s(self) -> float:
        """Seconds since the last pulse: what says whether checks still happen."""
        return clock.monotonic() - self._pulse_at

    def lateness_ms(self) -> list[float]:
        """How late the latest checks started, milliseconds, in no order."""
        return list(self._lateness_ms)

    def counts(self) -> tuple[int, int]:
        """Checks in flight, and checks that wait for a thread."""
        return self._runner.counts()

    def stop(self) -> None:
        """Start nothing more."""
        self._runner.stop()


def _clock_offset() -> float:
    return clock.now_ms() / 1000 - clock.monotonic()


def _is_matter_of_time(assignment: Assignment) -> bool:
    """Whether silence means something: so of passive services but for those made of others."""
    return assignment.kind.judge is not None and not assignment.members
