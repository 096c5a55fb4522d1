"""Where checks run: an elastic pool of threads, each check under a hard deadline.

Threads are made when work waits and none is idle, and end after a while without work: a hundred
hanging targets cost a hundred sleeping threads, and nobody else waits for them. At most half of
the pool works on one host and port, so that one dead host cannot take it all.
"""

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any

from uptimehunt import clock
from uptimehunt.checks import CheckConfig, CheckType, Deadline, Outcome
from uptimehunt.checks.base import Judgement
from uptimehunt.domain.assignments import Assignment
from uptimehunt.errors import StorageError
from uptimehunt.logs import about

log = logging.getLogger(__name__)

MOST_THREADS = 1024
IDLE_S = 10.0
GRACE_S = 2.0
"""How long a check may overrun its timeout before it is given up from outside."""


@dataclass(slots=True, eq=False)
class Run:
    """One check on its way.

    Attributes:
        due_at: when it was due, monotonic seconds.
        started_at: when a thread took it up, monotonic seconds; 0 while it waits.
        started_at_ms: the same instant on the wall clock.
        is_disturbed: the machine slept or starved during it: its failure says nothing.
        is_over: its outcome was delivered; whatever comes later is dropped.
    """

    assignment: Assignment
    due_at: float
    started_at: float = 0.0
    started_at_ms: int = 0
    is_disturbed: bool = False
    is_over: bool = False
    host: tuple[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self.host = (self.assignment.target.host, self.assignment.target.port)


def judge(kind: CheckType[Any], config: CheckConfig, ask: Callable[[], Any]) -> Judgement:
    """Have a passive type judge what it is told; trouble inside of it is an outcome too.

    Args:
        kind: the type.
        config: of the service.
        ask: tells what is known of it; None when it is gone.

    Raises:
        StorageError: that cannot be told now.
    """
    assert kind.judge is not None
    try:
        told = ask()
        return Judgement(None) if told is None else kind.judge(config, told)
    except StorageError:
        raise
    except Exception:
        return Judgement(_broken(kind))


def _broken(kind: CheckType[Any]) -> Outcome:
    """The outcome for an exception that is being handled: a mistake of ours."""
    log.exception("check.failed", extra=about(type=kind.type))
    message = f"Internal error in the {kind.type} check"
    return Outcome(ok=False, error="internal_error", message=message)


class Runner:
    """Runs checks and delivers each outcome exactly once."""

    def __init__(
        self,
        deliver: Callable[[Run, Outcome], None],
        most_threads: int = MOST_THREADS,
        idle_s: float = IDLE_S,
    ) -> None:
        """Make a runner without threads.

        Args:
            deliver: called from a pool thread (or from that of `give_up_overdue`) with each
                outcome; must be quick and not raise.
            most_threads: bound of the pool.
            idle_s: seconds without work after which a thread ends.
        """
        self._deliver = deliver
        self._most_threads = most_threads
        self._idle_s = idle_s
        self._lock = threading.Lock()
        self._queue: SimpleQueue[Run] = SimpleQueue()
        self._threads = 0
        self._idle = 0
        self._in_flight: set[Run] = set()
        self._by_host: Counter[tuple[str, int]] = Counter()
        self._waiting: dict[tuple[str, int], deque[Run]] = {}
        self._is_stopped = False

    def submit(self, run: Run) -> None:
        """Take a check; it starts as soon as a thread is free and its host's share allows."""
        with self._lock:
            if self._by_host[run.host] >= self._most_threads // 2:
                self._waiting.setdefault(run.host, deque()).append(run)
                return
            self._by_host[run.host] += 1
            self._enqueue(run)

    def _enqueue(self, run: Run) -> None:
        self._queue.put(run)
        if self._idle > 0:
            self._idle -= 1
        elif self._threads < self._most_threads:
            self._threads += 1
            threading.Thread(target=self._work, name="check", daemon=True).start()
        else:
            self._idle -= 1  # Whoever is free next takes it: below zero, that many runs wait.

    def _work(self) -> None:
        while True:
            try:
                run = self._queue.get(timeout=self._idle_s)
            except Empty:
                with self._lock:
                    if self._idle > 0:
                        self._idle -= 1
                        self._threads -= 1
                        return
                continue  # Work was handed to this thread at the very last moment.
            if not self._is_stopped:
                self._check(run)
            with self._lock:
                self._idle += 1

    def _check(self, run: Run) -> None:
        run.started_at, run.started_at_ms = clock.monotonic(), clock.now_ms()
        with self._lock:
            self._in_flight.add(run)
        assignment = run.assignment
        outcome = self.make(assignment.kind, assignment.config, assignment.config.timeout)
        self._finish(run, outcome)

    def make(self, kind: CheckType[Any], config: CheckConfig, timeout_s: float) -> Outcome:
        """Make a check on this very thread; trouble inside of it is an outcome too."""
        try:
            return kind.check(config, Deadline(timeout_s))
        except Exception:
            return _broken(kind)

    def _finish(self, run: Run, outcome: Outcome) -> None:
        with self._lock:
            if run.is_over:
                return
            run.is_over = True
            self._in_flight.discard(run)
            self._by_host[run.host] -= 1
            waiting = self._waiting.get(run.host)
            if waiting:
                self._by_host[run.host] += 1
                self._enqueue(waiting.popleft())
            elif self._by_host[run.host] <= 0:
                del self._by_host[run.host]
                self._waiting.pop(run.host, None)
        self._deliver(run, outcome)

    def give_up_overdue(self, now: float) -> None:
        """Deliver a timeout for every check that overran its hard deadline.

        Its thread may be stuck where no timeout reaches, as in a name look-up; it comes back
        when it can, and what it then says is dropped.
        """
        with self._lock:
            overdue = [
                run
                for run in self._in_flight
                if now - run.started_at > run.assignment.config.timeout + GRACE_S
            ]
        for run in overdue:
            seconds = run.assignment.config.timeout
            log.warning("check.stuck", extra=about(service_id=run.assignment.service_id))
            self._finish(
                run,
                Outcome(ok=False, error="timeout", message=f"No answer within {seconds} s"),
            )

    def disturb(self) -> None:
        """Mark every check in flight: the machine slept or starved."""
        with self._lock:
            for run in self._in_flight:
                run.is_disturbed = True

    def counts(self) -> tuple[int, int]:
        """Checks in flight, and checks that wait for a thread."""
        with self._lock:
            waiting = sum(len(runs) for runs in self._waiting.values())
            return len(self._in_flight), waiting + self._queue.qsize()

    def stop(self) -> None:
        """Start nothing more; checks in flight are abandoned with the process."""
        self._is_stopped = True
