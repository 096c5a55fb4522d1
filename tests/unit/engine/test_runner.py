"""Where checks run: no network, only checks that hang, fail and break."""

import functools
import threading
from collections.abc import Iterator

import pytest

from tests.conftest import WaitUntil
from tests.unit.engine.kinds import FAILED, OK, Gate, assignment
from uptimehunt import clock
from uptimehunt.checks import Outcome
from uptimehunt.engine.runner import Run, Runner


class Delivered:
    """Takes what a runner delivers."""

    def __init__(self) -> None:
        self.outcomes: list[tuple[int, Outcome]] = []
        self.threads: set[str] = set()

    def __call__(self, run: Run, outcome: Outcome) -> None:
        self.threads.add(threading.current_thread().name)
        self.outcomes.append((run.assignment.service_id, outcome))

    def services(self) -> list[int]:
        return [service_id for service_id, _ in self.outcomes]


@pytest.fixture
def delivered() -> Delivered:
    """What was delivered so far."""
    return Delivered()


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A check that hangs until the test ends at the latest."""
    made = Gate()
    yield made
    made.open()


def test_a_check_runs_in_a_thread_and_its_outcome_is_delivered(
    delivered: Delivered, wait_until: WaitUntil
) -> None:
    run = Run(assignment(lambda: FAILED, 7), clock.monotonic())
    before = clock.now_ms()

    Runner(delivered).submit(run)

    wait_until(lambda: delivered.outcomes)
    assert delivered.outcomes == [(7, FAILED)]
    assert threading.current_thread().name not in delivered.threads
    assert before <= run.started_at_ms <= clock.now_ms()
    assert run.started_at >= run.due_at


def test_hanging_checks_keep_nobody_waiting(
    delivered: Delivered, gate: Gate, wait_until: WaitUntil
) -> None:
    runner = Runner(delivered)
    for service_id in range(50):
        runner.submit(Run(assignment(gate, service_id, host=f"host{service_id}"), 0.0))
    wait_until(lambda: gate.inside == 50)

    runner.submit(Run(assignment(lambda: OK, 99, host="other"), 0.0))

    wait_until(lambda: delivered.services() == [99])
    assert runner.counts() == (50, 0)
    gate.open()
    wait_until(lambda: len(delivered.outcomes) == 51)
    assert runner.counts() == (0, 0)


def test_a_check_that_breaks_is_an_internal_error(
    delivered: Delivered, wait_until: WaitUntil, caplog: pytest.LogCaptureFixture
) -> None:
    def breaks() -> Outcome:
        raise RuntimeError("CANARY")

    runner = Runner(delivered)
    runner.submit(Run(assignment(breaks, 7), 0.0))
    runner.submit(Run(assignment(lambda: OK, 8), 0.0))

    wait_until(lambda: len(delivered.outcomes) == 2)
    outcome = dict(delivered.outcomes)[7]
    assert (outcome.ok, outcome.error) == (False, "internal_error")
    assert outcome.message == "Internal error in the test check"
    assert "CANARY" in caplog.text


def test_a_check_that_overruns_is_given_up_and_what_it_says_later_is_dropped(
    delivered: Delivered, gate: Gate, wait_until: WaitUntil
) -> None:
    runner = Runner(delivered)
    run = Run(assignment(gate, 7, timeout=1), 0.0)
    runner.submit(run)
    wait_until(lambda: gate.inside)

    runner.give_up_overdue(run.started_at + 2.9)
    assert delivered.outcomes == []
    runner.give_up_overdue(run.started_at + 3.1)
    runner.give_up_overdue(run.started_at + 4)

    ((service_id, outcome),) = delivered.outcomes
    assert (service_id, outcome.ok, outcome.error) == (7, False, "timeout")
    assert outcome.message == "No answer within 1 s"
    gate.open()
    wait_until(lambda: not gate.inside)
    runner.submit(Run(assignment(lambda: OK, 8), 0.0))
    wait_until(lambda: 8 in delivered.services())
    assert delivered.services() == [7, 8]


def test_one_host_never_takes_more_than_half_of_the_pool(
    delivered: Delivered, gate: Gate, wait_until: WaitUntil
) -> None:
    runner = Runner(delivered, most_threads=8)
    for service_id in range(20):
        runner.submit(Run(assignment(gate, service_id, host="dead"), 0.0))
    wait_until(lambda: gate.inside == 4)

    for service_id in range(100, 104):
        runner.submit(Run(assignment(lambda: OK, service_id, host=f"host{service_id}"), 0.0))

    wait_until(lambda: len(delivered.outcomes) == 4)
    assert sorted(delivered.services()) == [100, 101, 102, 103]
    assert runner.counts() == (4, 16)
    gate.open()
    wait_until(lambda: len(delivered.outcomes) == 24)
    assert gate.most_inside == 4
    assert runner.counts() == (0, 0)


def test_a_check_that_was_given_up_makes_room_for_the_next_of_its_host(
    delivered: Delivered, gate: Gate, wait_until: WaitUntil
) -> None:
    runner = Runner(delivered, most_threads=4)
    runs = [Run(assignment(gate, number, host="dead"), 0.0) for number in range(3)]
    for run in runs:
        runner.submit(run)
    wait_until(lambda: gate.inside == 2)

    runner.give_up_overdue(runs[1].started_at + 10)

    wait_until(lambda: gate.inside == 3)
    assert sorted(delivered.services()) == [0, 1]


def test_a_pool_that_is_full_gets_to_everything_in_time(
    delivered: Delivered, gate: Gate, wait_until: WaitUntil
) -> None:
    runner = Runner(delivered, most_threads=4)
    for service_id in range(40):
        runner.submit(Run(assignment(gate, service_id, host=f"host{service_id}"), 0.0))
    wait_until(lambda: gate.inside == 4)
    assert runner.counts() == (4, 36)

    gate.open()

    wait_until(lambda: len(delivered.outcomes) == 40)
    assert sorted(delivered.services()) == list(range(40))
    assert gate.most_inside == 4


def test_threads_are_used_again(delivered: Delivered, wait_until: WaitUntil) -> None:
    runner = Runner(delivered)
    used: set[int] = set()

    def check() -> Outcome:
        used.add(threading.get_ident())
        return OK

    def has_delivered(count: int) -> bool:
        return len(delivered.outcomes) == count

    for number in range(1, 31):
        runner.submit(Run(assignment(check, number), 0.0))
        wait_until(functools.partial(has_delivered, number))

    assert len(used) < 15


def test_after_a_rush_and_a_rest_checks_are_still_started(
    delivered: Delivered, gate: Gate, wait_until: WaitUntil
) -> None:
    threads: set[threading.Thread] = set()

    def check() -> Outcome:
        threads.add(threading.current_thread())
        return gate()

    runner = Runner(delivered, most_threads=2, idle_s=0.02)
    for service_id in range(5):
        runner.submit(Run(assignment(check, service_id, host=f"host{service_id}"), 0.0))
    gate.open()
    wait_until(lambda: len(delivered.outcomes) == 5)
    wait_until(lambda: not any(thread.is_alive() for thread in threads))

    runner.submit(Run(assignment(lambda: OK, 99), 0.0))

    wait_until(lambda: 99 in delivered.services())


def test_what_is_in_flight_can_be_marked_as_disturbed(
    delivered: Delivered, gate: Gate, wait_until: WaitUntil
) -> None:
    runner = Runner(delivered)
    inside, later = Run(assignment(gate, 1), 0.0), Run(assignment(lambda: OK, 2), 0.0)
    runner.submit(inside)
    wait_until(lambda: gate.inside)

    runner.disturb()
    runner.submit(later)

    wait_until(lambda: delivered.services() == [2])
    assert (inside.is_disturbed, later.is_disturbed) == (True, False)


def test_after_the_stop_nothing_is_started(
    delivered: Delivered, gate: Gate, wait_until: WaitUntil
) -> None:
    runner = Runner(delivered, most_threads=2)
    calls: list[int] = []

    def count() -> Outcome:
        calls.append(1)
        return OK

    for number in range(2):
        runner.submit(Run(assignment(gate, number, host=f"host{number}"), 0.0))
    wait_until(lambda: gate.inside == 2)
    for number in range(2, 6):
        runner.submit(Run(assignment(count, number, host=f"host{number}"), 0.0))

    runner.stop()
    gate.open()

    wait_until(lambda: runner.counts() == (0, 0))
    assert calls == []
    assert sorted(delivered.services()) == [0, 1]
