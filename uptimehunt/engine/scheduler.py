"""Recurring jobs: the prober's pulse and the housekeeping, on APScheduler.

APScheduler reckons in wall-clock time: set the clock back an hour and it would run nothing for
that hour. So a supervisor compares wall and monotonic clock every second, and after a step arms
every job anew.
"""

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MISSED, JobExecutionEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from uptimehunt import clock
from uptimehunt.errors import StorageError
from uptimehunt.logs import about

log = logging.getLogger(__name__)
logging.getLogger("apscheduler").setLevel(logging.CRITICAL)  # `_report` speaks for it.

PULSE_S = 0.05
STEP_S = 2.0


class Scheduler:
    """Runs functions again and again; the pulse never waits for the housekeeping."""

    def __init__(self, stepped: Callable[[], None]) -> None:
        """Make a scheduler; `start` sets it going.

        Args:
            stepped: told when the wall clock was set, or the machine woke up.
        """
        self._stepped = stepped
        self._jobs = BackgroundScheduler(
            timezone=UTC,
            executors={"pulse": ThreadPoolExecutor(1), "default": ThreadPoolExecutor(2)},
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )
        self._jobs.add_listener(_report, EVENT_JOB_ERROR | EVENT_JOB_MISSED)
        self._is_stopping = threading.Event()
        self._supervisor = threading.Thread(target=self._supervise, name="supervisor", daemon=True)

    def pulse(self, function: Callable[[], None]) -> None:
        """Call a quick function every 50 ms."""
        self._add(function, "pulse", PULSE_S, executor="pulse", first_in_s=0.0)

    def every(
        self, seconds: float, name: str, function: Callable[[], None], first_in_s: float = 60.0
    ) -> None:
        """Call a function at this interval, for the first time soon after the start."""
        self._add(function, name, seconds, executor="default", first_in_s=first_in_s)

    def _add(
        self,
        function: Callable[[], None],
        name: str,
        seconds: float,
        executor: str,
        first_in_s: float,
    ) -> None:
        self._jobs.add_job(
            function,
            _Every(seconds),
            id=name,
            executor=executor,
            next_run_time=datetime.now(UTC) + timedelta(seconds=first_in_s),
        )

    def start(self) -> None:
        """Begin."""
        self._jobs.start()
        self._supervisor.start()

    def stop(self) -> None:
        """Start no job any more, and wait for those that run."""
        self._is_stopping.set()
        if self._supervisor.is_alive():
            self._supervisor.join()
        if self._jobs.running:
            self._jobs.shutdown(wait=True)

    def _supervise(self) -> None:
        offset = _offset()
        while not self._is_stopping.wait(1.0):
            step, offset = _offset() - offset, _offset()
            if abs(step) > STEP_S:
                log.warning("clock.stepped", extra=about(seconds=round(step, 1)))
                self._stepped()
                self._arm_anew()

    def _arm_anew(self) -> None:
        now = datetime.now(UTC)
        for job in self._jobs.get_jobs():
            job.modify(next_run_time=now)


def _offset() -> float:
    return clock.now_ms() / 1000 - clock.monotonic()


def _report(event: JobExecutionEvent) -> None:
    if event.exception is None:
        log.error("job.missed", extra=about(job=event.job_id))
    elif isinstance(event.exception, StorageError):
        # The store tells of its trouble itself, and once; the job comes again.
        log.debug("job.no_storage", extra=about(job=event.job_id, error=event.exception))
    else:
        log.error("job.failed", extra=about(job=event.job_id), exc_info=event.exception)


class _Every(BaseTrigger):  # type: ignore[misc]  # APScheduler has no types
    """Fires an interval after it last fired.

    APScheduler's own interval trigger works through every beat that a sleep or a clock step has
    skipped: ten years of 50 ms are more than any machine has memory for.
    """

    def __init__(self, seconds: float) -> None:
        self._interval = timedelta(seconds=seconds)

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:
        return now + self._interval
