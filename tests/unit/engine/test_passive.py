"""Passive services in the engine: database, prober and recorder together, as in the server."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests import builders
from tests.conftest import WaitUntil
from uptimehunt import clock
from uptimehunt.domain import heartbeats, services
from uptimehunt.domain.heartbeats import Call
from uptimehunt.engine.prober import GAP_S, Prober
from uptimehunt.engine.quarantine import Quarantine
from uptimehunt.engine.recorder import Recorder
from uptimehunt.errors import StorageError
from uptimehunt.server import _Database
from uptimehunt.store.database import Store
from uptimehunt.store.models import (
    LOCAL_PROBE,
    Heartbeat,
    Incident,
    LandedResult,
    Service,
    User,
)

HOUR = 3_600_000


class Engine:
    """The engine on a database, with a hand that gives the pulse."""

    def __init__(self, store: Store, wait_until: WaitUntil) -> None:
        self.store = store
        self._wait_until = wait_until
        self.source = _Database(store)
        self.recorder = Recorder(store.write, lambda verdict: self.prober.judged(verdict))
        self.prober = Prober(self.source, self.recorder.put, LOCAL_PROBE)
        self.recorder.start()

    def pulse_until(self, condition: Callable[[], Any]) -> None:
        """Give the pulse until something has come about."""

        def pulse() -> Any:
            self.prober.pulse()
            return condition()

        self._wait_until(pulse)

    def settle(self) -> None:
        """Give the pulse as often as it takes for anything to be noticed, and have it recorded."""
        for _ in range(5):
            self.prober.pulse()
        self.recorder.stop()

    def beat(self, job: int, kind: Any = "success", **more: Any) -> None:
        """Receive a heartbeat as the API does."""
        self.store.write(heartbeats.receive, job, Call(kind, **more))
        self.prober.check_now(job)

    def results(self, service_id: int) -> list[Any]:
        """(ok, response time, error) of all results, oldest first."""
        return [
            (one.error is None, one.response_time_ms, one.error)
            for one in builders.results_of(self.store, service_id)
        ]

    def status(self, service_id: int) -> str:
        return str(builders.state_of(self.store, service_id).status)


@pytest.fixture
def engine(store: Store, wait_until: WaitUntil) -> Iterator[Engine]:
    """An engine that watches nothing yet."""
    made = Engine(store, wait_until)
    yield made
    made.prober.stop()
    made.recorder.stop()


Restart = Callable[[], Engine]


@pytest.fixture
def restarted(store: Store, wait_until: WaitUntil, engine: Engine) -> Iterator[Restart]:
    """Makes the engine that follows the first one on the same database."""
    made: list[Engine] = []

    def restart() -> Engine:
        engine.recorder.stop()
        made.append(Engine(store, wait_until))
        made[0].prober.load()
        return made[0]

    yield restart
    for each in made:
        each.recorder.stop()


@pytest.fixture
def job(store: Store, alice: User, engine: Engine) -> int:
    """An hourly heartbeat that is looked at by itself once a day."""
    config = {"period_seconds": 3600, "grace_seconds": 60}
    made = builders.add_service(
        store, alice, type="heartbeat", config=config, interval_seconds=86_400, name="Backup"
    )
    engine.prober.refresh(made)
    engine.prober.pulse()
    return made


def age(store: Store, milliseconds: int) -> None:
    """Let time pass for what is known of heartbeats, and for what was made of them."""
    store.write(
        Heartbeat.update(
            watched_since=Heartbeat.watched_since - milliseconds,
            last_at=Heartbeat.last_at - milliseconds,
            started_at=Heartbeat.started_at - milliseconds,
        ).execute
    )
    store.write(LandedResult.update(checked_at=LandedResult.checked_at - milliseconds).execute)


def awake_for(engine: Engine, milliseconds: int) -> None:
    """As if this process had been there for so long."""
    engine.prober._awake_since -= milliseconds


# --- heartbeats --------------------------------------------------------------------------------


def test_while_nothing_happens_nothing_is_recorded(engine: Engine, job: int) -> None:
    for _ in range(3):
        engine.prober.check_now(job)
        engine.prober.pulse()
    engine.settle()

    assert (engine.results(job), engine.status(job)) == ([], "pending")
    due = engine.prober.next_check_at(job)
    assert due == pytest.approx(clock.now_ms() + HOUR + 60_000, abs=5000)


def test_each_heartbeat_is_one_result_and_is_noticed_within_a_second(
    engine: Engine, job: int
) -> None:
    engine.beat(job)
    engine.pulse_until(lambda: engine.status(job) == "operational")
    for kind in ("start", "success", "success", "start"):
        engine.beat(job, kind)
    engine.pulse_until(lambda: len(engine.results(job)) == 3)
    engine.settle()

    first, second, third = engine.results(job)
    assert (first, third) == ((True, None, None), (True, None, None))
    assert second[0] and 1 <= second[1] < 5000


def test_a_reported_failure_is_an_outage_at_once_and_a_success_ends_it(
    engine: Engine, job: int
) -> None:
    engine.beat(job)
    engine.beat(job, "fail", exit_code=3, body=b"No space left")
    engine.pulse_until(lambda: engine.status(job) == "down")
    engine.beat(job)
    engine.pulse_until(lambda: engine.status(job) == "operational")

    assert [error for *_, error in engine.results(job)] == [None, "assertion_failed", None]
    with engine.store.reading():
        (incident,) = Incident.select()
        assert incident.message == "The job ended with exit code 3"
    (failure,) = (
        one for one in builders.results_of(engine.store, job) if one.error == "assertion_failed"
    )
    details = failure.details
    assert (details["body"], details["exit_code"]) == ("No space left", 3)


def test_silence_is_one_failure_and_one_more_a_period(
    engine: Engine, store: Store, job: int
) -> None:
    engine.beat(job)
    engine.pulse_until(lambda: engine.results(job))
    awake_for(engine, 10 * HOUR)
    age(store, HOUR + 61_000)
    engine.prober.check_now(job)
    engine.pulse_until(lambda: engine.status(job) == "down")
    assert [error for *_, error in engine.results(job)] == [None, "no_heartbeat"]

    due = engine.prober.next_check_at(job)

    assert due == pytest.approx(clock.now_ms() + HOUR - 1000, abs=5000)
    engine.settle()
    assert len(engine.results(job)) == 2
    with store.reading():
        (incident,) = Incident.select()
    assert incident.started_at == pytest.approx(clock.now_ms() - 1000, abs=5000)


def test_a_restart_says_nothing_twice_and_forgets_nothing(
    engine: Engine, store: Store, job: int, restarted: Restart
) -> None:
    for _ in range(2):
        engine.beat(job)
    engine.pulse_until(lambda: len(engine.results(job)) == 2)
    engine.beat(job, "fail")  # Answered, and then the process ends before anybody has looked.

    again = restarted()

    again.pulse_until(lambda: again.status(job) == "down")
    again.settle()
    assert [ok for ok, *_ in again.results(job)] == [True, True, False]


def test_one_that_was_due_while_we_were_off_is_not_missed(
    engine: Engine, store: Store, job: int, restarted: Restart
) -> None:
    engine.beat(job)
    engine.pulse_until(lambda: engine.results(job))
    age(store, 48 * HOUR)

    again = restarted()
    again.settle()

    assert (len(again.results(job)), again.status(job)) == (1, "operational")
    due = again.prober.next_check_at(job)
    assert due == pytest.approx(clock.now_ms() + HOUR + 60_000, abs=5000)


def sleep(engine: Engine) -> None:
    engine.prober._pulse_at -= GAP_S + 1  # There is no other way to sleep without sleeping.


def set_clock(engine: Engine) -> None:
    engine.prober._clock_offset -= 3600


@pytest.mark.parametrize("happen", [sleep, set_clock, lambda engine: engine.prober.disturb()])
def test_after_a_sleep_or_a_step_of_the_clock_silence_is_counted_anew(
    engine: Engine, store: Store, job: int, happen: Callable[[Engine], None]
) -> None:
    awake_for(engine, 10 * HOUR)
    age(store, 2 * HOUR)
    engine.prober.check_now(job)
    happen(engine)

    engine.settle()

    assert engine.results(job) == []


class Blind(Quarantine):
    """As if our own network was gone."""

    @property
    def blind_since(self) -> int:
        return 1


def test_while_our_own_network_is_gone_silence_says_nothing(
    engine: Engine, store: Store, job: int
) -> None:
    awake_for(engine, 10 * HOUR)
    age(store, 2 * HOUR)
    engine.prober._quarantine = Blind()
    engine.prober.check_now(job)

    engine.settle()

    assert engine.results(job) == []
    assert engine.prober.next_check_at(job) == pytest.approx(
        clock.now_ms() + HOUR + 60_000, abs=5000
    )


def test_what_comes_in_a_pause_is_not_judged(
    engine: Engine, store: Store, alice: User, job: int
) -> None:
    def enable(to: bool) -> None:
        store.write(lambda: services.set_enabled(Service.get_by_id(job), to))
        engine.prober.refresh(job)
        engine.prober.pulse()

    enable(False)
    engine.beat(job, "fail")
    enable(True)
    engine.settle()

    assert (engine.results(job), engine.status(job)) == ([], "pending")


def test_a_database_that_cannot_be_read_is_asked_again_soon(engine: Engine, job: int) -> None:
    class Failing:
        def told(self, *asked: Any) -> Any:
            raise StorageError("not now")

    engine.prober._source = Failing()  # type: ignore[assignment]
    engine.beat(job)
    engine.prober.pulse()
    due = engine.prober.next_check_at(job)
    assert due is not None and due - clock.now_ms() < 5000

    engine.prober._source = engine.source
    engine.prober.check_now(job)

    engine.pulse_until(lambda: engine.results(job))


@pytest.mark.parametrize("told", ["CANARY", ValueError("CANARY")])
def test_a_judge_that_breaks_is_an_internal_error_and_goes_on(
    engine: Engine, job: int, told: Any
) -> None:
    class Odd:
        def told(self, *asked: Any) -> Any:
            if isinstance(told, Exception):
                raise told
            return told

    engine.prober._source = Odd()  # type: ignore[assignment]
    engine.prober.check_now(job)
    engine.pulse_until(lambda: engine.results(job))
    assert "CANARY" not in builders.state_of(engine.store, job).message

    engine.prober._source = engine.source
    engine.beat(job)
    engine.pulse_until(lambda: len(engine.results(job)) == 2)

    assert [error for *_, error in engine.results(job)] == ["internal_error", None]


# --- groups ------------------------------------------------------------------------------------


@pytest.fixture
def member(store: Store, alice: User) -> int:
    """A service of Alice that is up; one failure is an outage."""
    made = builders.add_service(store, alice, name="Shop", retries=0)
    builders.record(store, [builders.finding(made, clock.now_ms())])
    return made


def watch(engine: Engine, user: User, *service_ids: int, **config: Any) -> int:
    """A new group."""
    made = builders.add_service(
        engine.store,
        user,
        type="group",
        config={"service_ids": list(service_ids), **config},
        interval_seconds=86_400,
    )
    engine.prober.refresh(made)
    return made


def judge(engine: Engine, service_id: int, ok: bool) -> None:
    """Have a check of a member judged."""
    engine.recorder.put(builders.finding(service_id, clock.now_ms(), ok=ok))


def test_a_group_follows_its_members_at_once_and_so_do_groups_of_groups(
    engine: Engine, alice: User, member: int
) -> None:
    inner = watch(engine, alice, member)
    engine.pulse_until(lambda: engine.status(inner) == "operational")
    outer = watch(engine, alice, inner)
    engine.pulse_until(lambda: engine.status(outer) == "operational")

    for ok, status in ((False, "down"), (True, "operational")):
        judge(engine, member, ok)
        engine.pulse_until(lambda: engine.status(outer) == status)  # noqa: B023
        assert engine.status(inner) == status

    assert [ok for ok, *_ in engine.results(outer)] == [True, False, True]
    (failure,) = (one for one in builders.results_of(engine.store, inner) if one.error is not None)
    assert failure.details["down"] == ["Shop"]


def test_a_member_that_is_paused_or_deleted_counts_no_more(
    engine: Engine, store: Store, alice: User, member: int
) -> None:
    other = builders.add_service(store, alice, retries=0)
    builders.record(store, [builders.finding(other, clock.now_ms(), ok=False)])
    group = watch(engine, alice, member, other)
    engine.pulse_until(lambda: engine.status(group) == "down")

    store.write(services.delete, alice, other)
    engine.prober.refresh(other)

    engine.pulse_until(lambda: engine.status(group) == "operational")


def test_of_a_group_without_members_that_count_nothing_is_known(
    engine: Engine, store: Store, alice: User
) -> None:
    group = watch(engine, alice, builders.add_service(store, alice))

    engine.pulse_until(lambda: builders.state_of(store, group).message)

    assert engine.status(group) == "pending"
    assert builders.state_of(store, group).message == "No member has a status yet"
    assert engine.results(group) == []


def test_passive_services_are_no_checks_in_the_figures(
    engine: Engine, alice: User, job: int, member: int
) -> None:
    watch(engine, alice, member)
    engine.prober.pulse()
    assert engine.prober.checks_per_minute() == 0

    engine.prober.refresh(member)
    engine.prober.pulse()

    assert engine.prober.checks_per_minute() == pytest.approx(60 / 180)
