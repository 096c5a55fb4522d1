"""Recurring jobs."""

import threading
from collections.abc import Iterator

import pytest

from tests.conftest import WaitUntil
from uptimehunt.engine.scheduler import Scheduler


@pytest.fixture
def scheduler() -> Iterator[Scheduler]:
    """One that a test starts; it is stopped at the end."""
    made = Scheduler(stepped=lambda: None)
    yield made
    made.stop()


def test_the_pulse_beats(scheduler: Scheduler, wait_until: WaitUntil) -> None:
    beats: list[str] = []
    scheduler.pulse(lambda: beats.append(threading.current_thread().name))

    scheduler.start()

    wait_until(lambda: len(beats) >= 5)


def test_a_job_that_fails_is_told_and_runs_again(
    scheduler: Scheduler, wait_until: WaitUntil, caplog: pytest.LogCaptureFixture
) -> None:
    beats: list[int] = []

    def fail() -> None:
        beats.append(1)
        raise RuntimeError("CANARY")

    scheduler.pulse(fail)
    scheduler.start()

    wait_until(lambda: len(beats) >= 3)
    wait_until(lambda: "CANARY" in caplog.text)
    assert "job.failed" in caplog.text


def test_housekeeping_never_holds_up_the_pulse(scheduler: Scheduler, wait_until: WaitUntil) -> None:
    beats: list[int] = []
    go = threading.Event()
    started: list[int] = []

    def hang() -> None:
        started.append(1)
        go.wait(10)

    for name in ("one", "two", "three"):
        scheduler.every(0.01, name, hang, first_in_s=0.0)
    scheduler.pulse(lambda: beats.append(1))
    scheduler.start()
    wait_until(lambda: started)
    before = len(beats)

    wait_until(lambda: len(beats) >= before + 3)
    go.set()


def test_housekeeping_runs_again_and_again(scheduler: Scheduler, wait_until: WaitUntil) -> None:
    runs: list[int] = []
    scheduler.every(0.02, "count", lambda: runs.append(1), first_in_s=0.0)

    scheduler.start()

    wait_until(lambda: len(runs) >= 3)


def test_after_the_stop_nothing_runs(wait_until: WaitUntil) -> None:
    scheduler = Scheduler(stepped=lambda: None)
    beats: list[int] = []
    scheduler.pulse(lambda: beats.append(1))
    scheduler.start()
    wait_until(lambda: beats)

    scheduler.stop()
    scheduler.stop()
    count = len(beats)

    other = Scheduler(stepped=lambda: None)
    ticks: list[int] = []
    other.pulse(lambda: ticks.append(1))
    other.start()
    wait_until(lambda: len(ticks) >= 3)
    other.stop()
    assert len(beats) == count


def test_one_that_was_never_started_can_be_stopped() -> None:
    Scheduler(stepped=lambda: None).stop()
