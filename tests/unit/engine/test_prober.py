"""The prober: what it starts, what it passes on, and what it leaves out."""

import dataclasses
import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.conftest import WaitUntil
from tests.unit.engine.kinds import FAILED, OK, Config, Gate, assignment, kind
from uptimehunt import clock
from uptimehunt.checks import Deadline, Outcome
from uptimehunt.checks.base import LocalTrouble
from uptimehunt.domain.assignments import Assignment
from uptimehunt.domain.findings import Finding
from uptimehunt.domain.results import Seen, Verdict
from uptimehunt.engine.prober import GAP_S, TRIAL_S, TRIALS, Prober
from uptimehunt.errors import BusyError, StorageError

PROBE = 5


class Watched:
    """A source of assignments that a test changes as it likes."""

    def __init__(self) -> None:
        self.services: dict[int, Assignment] = {}
        self.failing = False

    def all_enabled(self) -> list[Assignment]:
        return list(self.services.values())

    def of_service(self, service_id: int) -> Assignment | None:
        if self.failing:
            raise StorageError("not now")
        return self.services.get(service_id)

    def told(self, *asked: object) -> None:
        """Nothing that is watched here is judged by what is known."""


class Clockwork:
    """A prober with its source, its findings, and a hand that gives the pulse."""

    def __init__(self, wait_until: WaitUntil) -> None:
        self.source = Watched()
        self.findings: list[Finding] = []
        self.prober = Prober(self.source, self.findings.append, PROBE)
        self._wait_until = wait_until

    def watch(self, check: Callable[[], Outcome], service_id: int = 1, **how: Any) -> None:
        """Add or change a service; the pulse takes it up."""
        self.source.services[service_id] = assignment(check, service_id, **how)
        self.prober.refresh(service_id)

    def hang(self, gate: Gate, **how: int) -> None:
        """Watch a service whose check hangs, and wait until it does."""
        self.watch(gate, **how)
        self.pulse_until(lambda: gate.inside == 1)

    def forget(self, service_id: int = 1) -> None:
        """Pause or delete a service, and have it known."""
        del self.source.services[service_id]
        self.prober.refresh(service_id)
        self.prober.pulse()

    def pulse_until(self, condition: Callable[[], object]) -> None:
        """Give the pulse until something has come about."""

        def pulse() -> object:
            self.prober.pulse()
            return condition()

        self._wait_until(pulse)

    def verdict(self, retry_in: int | None, service_id: int = 1, revision: int = 1) -> None:
        """Have a finding judged."""
        seen = Seen(clock.now_ms(), None)
        self.prober.judged(
            Verdict(service_id, revision, retry_in, None, "Shop", None, seen, at_once=False)
        )


@pytest.fixture
def works(wait_until: WaitUntil) -> Clockwork:
    """A prober that watches nothing yet."""
    return Clockwork(wait_until)


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A check that hangs until the test ends at the latest."""
    made = Gate()
    yield made
    made.open()


def test_a_new_service_is_checked_at_once_and_its_finding_passed_on(works: Clockwork) -> None:
    before = clock.now_ms()

    works.watch(lambda: OK, 7, revision=3)
    works.pulse_until(lambda: works.findings)

    (found,) = works.findings
    assert (found.service_id, found.revision, found.probe_id) == (7, 3, PROBE)
    assert found.outcome == OK
    assert before <= found.checked_at <= clock.now_ms()


def test_after_a_start_each_service_waits_for_its_own_turn(works: Clockwork) -> None:
    gate = Gate()
    for service_id in range(20):
        works.source.services[service_id] = assignment(gate, service_id)

    works.prober.load()
    works.prober.pulse()

    assert gate.calls == 0
    due = [works.prober.next_check_at(service_id) for service_id in range(20)]
    now = clock.now_ms()
    assert all(at is not None and now - 1000 <= at <= now + 3_600_000 for at in due)
    assert len(set(due)) == 20


def test_one_check_of_a_service_is_in_flight_at_a_time(works: Clockwork, gate: Gate) -> None:
    works.hang(gate)

    for _ in range(5):  # As if it was due again and again.
        works.verdict(retry_in=0)
        works.prober.pulse()

    assert (gate.calls, works.prober.counts()) == (1, (1, 0))


def test_a_check_that_overran_its_turn_is_followed_by_the_next_at_once(
    works: Clockwork, gate: Gate
) -> None:
    works.hang(gate)
    works.verdict(retry_in=0)
    works.prober.pulse()

    gate.open()

    works.pulse_until(lambda: gate.calls == 2 and len(works.findings) == 2)
    works.prober.pulse()
    assert gate.calls == 2
    assert gate.most_inside == 1


def test_a_failure_that_is_not_confirmed_is_tried_again_soon(works: Clockwork) -> None:
    works.watch(lambda: FAILED)
    works.pulse_until(lambda: works.findings)
    later = works.prober.next_check_at(1)
    assert later is not None and later - clock.now_ms() > 300_000

    works.verdict(retry_in=None)
    works.verdict(retry_in=20, revision=2)
    works.verdict(retry_in=20, service_id=9)
    assert works.prober.next_check_at(1) == pytest.approx(later, abs=50)
    works.verdict(retry_in=20)

    due = works.prober.next_check_at(1)
    assert due == pytest.approx(clock.now_ms() + 20_000, abs=500)
    works.verdict(retry_in=0)
    works.pulse_until(lambda: len(works.findings) == 2)


def test_what_was_paused_or_deleted_meanwhile_is_not_passed_on(
    works: Clockwork, gate: Gate, wait_until: WaitUntil
) -> None:
    works.hang(gate)

    works.forget()
    gate.open()
    wait_until(lambda: works.prober.counts() == (0, 0))
    works.prober.pulse()

    assert works.findings == []
    assert works.prober.next_check_at(1) is None
    assert gate.calls == 1


def test_what_was_changed_meanwhile_is_checked_anew_and_the_old_finding_dropped(
    works: Clockwork, gate: Gate, wait_until: WaitUntil
) -> None:
    works.hang(gate, revision=1)

    works.watch(lambda: FAILED, revision=2)
    works.pulse_until(lambda: works.findings)
    gate.open()
    wait_until(lambda: works.prober.counts() == (0, 0))

    assert [(found.revision, found.outcome) for found in works.findings] == [(2, FAILED)]


def test_a_change_that_cannot_be_read_now_is_taken_up_later(works: Clockwork) -> None:
    works.source.failing = True
    works.watch(lambda: OK)
    works.prober.pulse()
    works.source.failing = False

    works.pulse_until(lambda: works.findings)


def test_a_source_that_fails_holds_up_no_other_service(works: Clockwork) -> None:
    works.watch(lambda: OK, 1)
    works.pulse_until(lambda: works.findings)
    works.source.failing = True
    works.prober.refresh(2)
    works.verdict(retry_in=0)

    works.pulse_until(lambda: len(works.findings) == 2)


def pulse_after_gap(works: Clockwork) -> None:
    """The pulse after a sleep of the machine."""
    works.prober._pulse_at -= GAP_S + 1  # There is no other way to sleep without sleeping.
    works.prober.pulse()


def test_a_clock_that_was_set_disturbs_what_is_in_flight(
    works: Clockwork, gate: Gate, wait_until: WaitUntil
) -> None:
    gate.outcome = FAILED
    works.hang(gate)

    works.prober.disturb()
    gate.open()

    wait_until(lambda: works.prober.counts() == (0, 0))
    assert works.findings == []


@pytest.mark.parametrize(("outcome", "counts"), [(OK, True), (FAILED, False)])
def test_a_failure_of_a_check_that_slept_says_nothing(
    works: Clockwork, gate: Gate, wait_until: WaitUntil, outcome: Outcome, counts: bool
) -> None:
    gate.outcome = outcome
    works.hang(gate)

    pulse_after_gap(works)
    gate.open()
    wait_until(lambda: works.prober.counts() == (0, 0))

    if counts:
        works.pulse_until(lambda: [found.outcome for found in works.findings] == [outcome])
        assert gate.calls == 1
    else:
        assert works.findings == []
        works.pulse_until(lambda: works.findings)  # It is made again, and then it counts.
        assert gate.calls == 2


def test_a_check_that_fails_before_the_pulse_has_woken_up_says_nothing(
    works: Clockwork, gate: Gate, wait_until: WaitUntil
) -> None:
    gate.outcome = FAILED
    works.hang(gate)
    works.prober._pulse_at -= GAP_S + 1

    gate.open()
    wait_until(lambda: works.prober.counts() == (0, 0))

    assert works.findings == []


def test_after_a_sleep_what_was_missed_waits_for_its_next_turn(works: Clockwork) -> None:
    gate = Gate()
    gate.open()
    for service_id in range(1, 30):
        works.source.services[service_id] = assignment(gate, service_id, interval_s=5)
    works.prober.load()
    for service_id in range(1, 30):
        works.verdict(retry_in=0, service_id=service_id)

    pulse_after_gap(works)

    assert gate.calls < 10
    assert works.prober.next_check_at(1) is not None


def test_the_age_of_the_pulse_and_the_lateness_are_known(works: Clockwork) -> None:
    works.prober.pulse()
    assert works.prober.pulse_age_s() < 1

    works.watch(lambda: OK)
    works.pulse_until(lambda: works.findings)

    (late,) = works.prober.lateness_ms()
    assert 0 <= late < 5000


def test_a_service_is_checked_at_once_when_somebody_asks(works: Clockwork) -> None:
    works.watch(lambda: OK)
    works.pulse_until(lambda: works.findings)
    assert not works.prober.check_now(9)
    works.prober.pulse()
    assert len(works.findings) == 1

    assert works.prober.check_now(1)

    works.pulse_until(lambda: len(works.findings) == 2)


def test_what_is_asked_for_while_it_is_checked_follows_it(works: Clockwork, gate: Gate) -> None:
    works.hang(gate)

    assert works.prober.check_now(1)
    works.prober.pulse()
    gate.open()

    works.pulse_until(lambda: len(works.findings) == 2)
    assert (gate.calls, gate.most_inside) == (2, 1)


def test_what_was_forgotten_is_not_checked_when_somebody_asks(works: Clockwork) -> None:
    works.watch(lambda: OK)
    works.pulse_until(lambda: works.findings)

    works.forget()

    assert not works.prober.check_now(1)


def test_a_trial_is_answered_and_nothing_kept_of_it(works: Clockwork) -> None:
    tried = works.prober.try_once(kind(lambda: FAILED), Config(timeout=1))

    assert tried == FAILED
    assert (works.findings, works.prober.counts(), works.prober.lateness_ms()) == ([], (0, 0), [])


def test_a_trial_that_breaks_is_an_outcome_too(works: Clockwork) -> None:
    def broken() -> Outcome:
        raise RuntimeError("CANARY")

    for _ in range(TRIALS + 1):  # And it gives its place back.
        tried = works.prober.try_once(kind(broken), Config(timeout=1))
        assert (tried.ok, tried.error) == (False, "internal_error")
        assert "CANARY" not in tried.message


def test_a_trial_may_not_take_as_long_as_a_check(works: Clockwork) -> None:
    left: list[float] = []

    def note(config: Config, deadline: Deadline) -> Outcome:
        left.append(deadline.left())
        return OK

    patient = dataclasses.replace(kind(lambda: OK), check=note)
    for seconds in (5, 120):
        works.prober.try_once(patient, Config(timeout=seconds))

    assert left == [pytest.approx(5, abs=1), pytest.approx(TRIAL_S, abs=1)]


def test_more_trials_than_there_is_room_for_are_put_off(
    works: Clockwork, gate: Gate, wait_until: WaitUntil
) -> None:
    hanging = kind(gate)
    threads = [
        threading.Thread(target=works.prober.try_once, args=(hanging, Config(timeout=1)))
        for _ in range(TRIALS)
    ]
    for thread in threads:
        thread.start()
    wait_until(lambda: gate.inside == TRIALS)

    with pytest.raises(BusyError) as refused:
        works.prober.try_once(kind(lambda: OK), Config(timeout=1))

    assert refused.value.retry_after_s > 0
    gate.open()
    for thread in threads:
        thread.join()
    assert works.prober.try_once(kind(lambda: OK), Config(timeout=1)) == OK


def test_how_many_checks_there_are_a_minute_is_known(works: Clockwork) -> None:
    for service_id, interval_s in enumerate((5, 60, 3600)):
        works.source.services[service_id] = assignment(
            lambda: OK, service_id, interval_s=interval_s
        )

    works.prober.load()

    assert works.prober.checks_per_minute() == pytest.approx(12 + 1 + 1 / 60)


def test_after_the_stop_nothing_is_started(works: Clockwork) -> None:
    calls: list[int] = []

    def count() -> Outcome:
        calls.append(1)
        return OK

    works.prober.stop()
    works.watch(count)
    works.pulse_until(lambda: works.prober.counts()[1] == 0)

    assert calls == []
    assert works.findings == []


# --- own outage --------------------------------------------------------------------------------

NO_ROUTE = Outcome(False, None, "network_unreachable", LocalTrouble("No route"))
NO_SOCKETS = Outcome(False, None, "internal_error", LocalTrouble("No sockets left"))


class Weather:
    """What checks of many hosts find; a test changes it for all of them."""

    def __init__(self, works: Clockwork, *hosts: str) -> None:
        self.works = works
        self.hosts = hosts
        self.outcomes = dict.fromkeys(hosts, OK)
        for service_id, host in enumerate(hosts, 1):
            check = functools.partial(self.outcomes.__getitem__, host)
            works.watch(check, service_id, host=host)
        works.pulse_until(lambda: len(works.findings) == len(hosts))
        works.findings.clear()

    def turn(self, outcome: Outcome, *hosts: str) -> None:
        self.outcomes |= dict.fromkeys(hosts or self.hosts, outcome)

    def check(self, *hosts: str) -> None:
        """Have services checked, and wait until they were."""
        for host in hosts or self.hosts:
            self.works.prober.check_now(self.hosts.index(host) + 1)
        self.works.pulse_until(lambda: self.works.prober.counts() == (0, 0))

    def found(self) -> set[tuple[str, bool, bool]]:
        """(host, ok, unknown) of what was passed on."""
        return {
            (self.hosts[found.service_id - 1], found.outcome.ok, found.outcome.is_unknown)
            for found in self.works.findings
        }


SITES = [f"www.site{number}.example" for number in range(6)]


def test_when_all_hosts_fail_of_our_own_trouble_nothing_is_passed_on_as_a_failure(
    works: Clockwork, caplog: pytest.LogCaptureFixture
) -> None:
    weather = Weather(works, *SITES, "127.0.0.1")
    weather.turn(NO_ROUTE, *SITES)

    weather.check(SITES[0])  # The first failure: others are asked, and all is decided by them.
    works.pulse_until(lambda: works.prober.blind_since() is not None)
    weather.check()

    works.pulse_until(lambda: len(weather.found()) == 7)
    assert weather.found() == {(host, False, True) for host in SITES} | {("127.0.0.1", True, False)}
    assert caplog.text.count("monitor.blind") == 1
    weather.turn(OK)
    weather.check()
    weather.check()
    assert works.prober.blind_since() is None
    assert caplog.text.count("monitor.sees_again") == 1
    assert caplog.text.count("monitor.blind") == 1


def test_one_host_that_fails_alone_is_passed_on_once_others_have_answered(
    works: Clockwork, caplog: pytest.LogCaptureFixture
) -> None:
    weather = Weather(works, *SITES)
    weather.turn(NO_ROUTE, SITES[0])

    weather.check(SITES[0])

    works.pulse_until(lambda: (SITES[0], False, False) in weather.found())
    assert {host for host, ok, _ in weather.found() if ok} <= set(SITES[1:])
    assert "monitor" not in caplog.text


def test_what_is_refused_while_we_are_blind_is_passed_on(works: Clockwork) -> None:
    weather = Weather(works, *SITES)
    weather.turn(NO_ROUTE, *SITES[1:])
    weather.turn(FAILED, SITES[0])

    weather.check()

    works.pulse_until(lambda: len(weather.found()) == 6)
    assert weather.found() == {
        (SITES[0], False, False), *((host, False, True) for host in SITES[1:])
    }  # fmt: skip


def test_without_a_socket_to_try_with_nothing_is_said_of_anybody(works: Clockwork) -> None:
    weather = Weather(works, SITES[0], "127.0.0.1")
    weather.turn(NO_SOCKETS)

    weather.check()

    works.pulse_until(lambda: len(works.findings) == 2)
    assert weather.found() == {(SITES[0], False, True), ("127.0.0.1", False, True)}
    assert works.prober.blind_since() is None


def test_what_a_check_itself_does_not_know_is_no_evidence(works: Clockwork) -> None:
    weather = Weather(works, *SITES)
    weather.turn(dataclasses.replace(FAILED, is_unknown=True), *SITES[1:])
    weather.turn(NO_ROUTE, SITES[0])

    weather.check()

    works.pulse_until(lambda: len(weather.found()) == 5)
    assert weather.found() == {(host, False, True) for host in SITES[1:]}


def test_what_was_held_of_a_service_that_is_gone_is_dropped(works: Clockwork, gate: Gate) -> None:
    weather = Weather(works, *SITES[:2])
    weather.turn(NO_ROUTE, SITES[0])
    works.watch(gate, 2, host=SITES[1])  # asked, and never answers
    works.pulse_until(lambda: gate.inside == 1)
    works.prober.check_now(1)
    works.pulse_until(lambda: works.prober.counts() == (1, 0))
    assert works.findings == []

    works.forget(1)
    gate.open()

    works.pulse_until(lambda: works.findings)
    works.pulse_until(lambda: works.prober.counts() == (0, 0))
    assert {found.service_id for found in works.findings} == {2}


def test_refreshing_from_many_threads_loses_no_service(works: Clockwork) -> None:
    for service_id in range(60):
        works.source.services[service_id] = assignment(lambda: OK, service_id)
    threads = [
        threading.Thread(target=works.prober.refresh, args=(service_id,))
        for service_id in range(60)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    works.pulse_until(lambda: len({found.service_id for found in works.findings}) == 60)
