"""What becomes of findings, on a real database."""

import itertools
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests import builders
from tests.builders import HOUR_MS, T0, finding, record, results_of, state_of
from uptimehunt import clock
from uptimehunt.domain import results, services
from uptimehunt.domain.findings import Finding
from uptimehunt.domain.results import Seen
from uptimehunt.store import queries
from uptimehunt.store.database import Store
from uptimehunt.store.models import (
    DATABASE,
    CheckResult,
    Day,
    Fault,
    HalfHour,
    Incident,
    LandedResult,
    LastCheck,
    Probe,
    ProbeState,
    ServiceState,
    Transition,
    User,
)


@pytest.fixture
def service(store: Store, alice: User) -> int:
    """A service that is down after its second failure."""
    return builders.add_service(store, alice, retries=1, name="Shop")


def rows(store: Store, table: Any) -> list[Any]:
    with store.reading():
        return list(table.select())


def last_check(store: Store, service: int) -> tuple[int, int | None]:
    """When a service was last seen, and how long that took."""
    with store.reading():
        row = LastCheck.get_by_id(service)
        return row.checked_at, row.response_time_ms


def latest_details(store: Store, service: int) -> dict[str, Any]:
    with store.reading():
        return queries.latest_details(service)


def test_a_success_is_kept_with_the_details_of_the_newest(store: Store, service: int) -> None:
    verdicts = record(store, [finding(service, took=123, remote_ip="192.0.2.1")])

    (result,) = results_of(store, service)
    assert (result.response_time_ms, result.checked_at) == (123, T0)
    assert (result.error, result.message) == (None, None)
    assert state_of(store, service).status == "operational"
    assert last_check(store, service) == (T0, 123)
    assert latest_details(store, service) == result.details == {"remote_ip": "192.0.2.1"}
    (verdict,) = verdicts
    assert (verdict.service_id, verdict.revision, verdict.name) == (service, 1, "Shop")
    assert (verdict.retry_in, verdict.error) == (None, None)


def test_a_failure_is_kept_with_its_details(store: Store, service: int) -> None:
    (verdict,) = record(store, [finding(service, ok=False, body="<html>")])

    (result,) = results_of(store, service)
    assert (result.error, result.message) == ("timeout", "It failed: timeout")
    assert result.details == {"body": "<html>"}
    assert state_of(store, service).status == "pending"
    assert (verdict.retry_in, verdict.transition, verdict.error) == (2, None, "timeout")


def test_an_outage_opens_an_incident_at_its_first_failure_and_ends_it(
    store: Store, service: int
) -> None:
    record(store, [finding(service, T0)])
    record(store, [finding(service, T0 + 60_000, ok=False, error="dns_error")])
    assert rows(store, Incident) == []

    (verdict,) = record(store, [finding(service, T0 + 80_000, ok=False, error="timeout")])
    assert verdict.transition is not None and verdict.transition.at == T0 + 60_000
    (incident,) = rows(store, Incident)
    assert (incident.started_at, incident.resolved_at) == (T0 + 60_000, None)
    assert (incident.cause, incident.message) == ("timeout", "It failed: timeout")

    record(store, [finding(service, T0 + 100_000, ok=False)])
    record(store, [finding(service, T0 + 120_000)])
    (incident,) = rows(store, Incident)
    assert incident.resolved_at == T0 + 120_000
    assert [(row.previous, row.status, row.at) for row in rows(store, Transition)] == [
        ("pending", "operational", T0),
        ("operational", "down", T0 + 60_000),
        ("down", "operational", T0 + 120_000),
    ]


def test_two_findings_of_one_service_in_one_batch_are_judged_in_turn(
    store: Store, service: int
) -> None:
    verdicts = record(
        store,
        [
            finding(service, T0, ok=False),
            finding(service, T0 + 1000, ok=False),
            finding(service, T0 + 2000, took=77),
        ],
    )

    assert [v.transition and v.transition.status for v in verdicts] == [None, "down", "operational"]
    (incident,) = rows(store, Incident)
    assert (incident.started_at, incident.resolved_at) == (T0, T0 + 2000)
    state = state_of(store, service)
    assert (state.status, state.failures) == ("operational", 0)
    assert last_check(store, service) == (T0 + 2000, 77)
    assert (state.error, state.message) == (None, "")


def stale(store: Store, service: int, alice: User, how: str) -> Finding:
    """A finding of a check during which something happened to its service."""
    made = finding(service, ok=False)
    if how == "deleted":
        store.write(services.delete, alice, service)
    elif how == "paused":
        store.write(services.change, alice, service, {"enabled": False})
    elif how == "edited":
        store.write(services.change, alice, service, {"name": "Other"})
    elif how == "unknown":
        made = finding(12345)
    return made


@pytest.mark.parametrize("how", ["deleted", "paused", "edited", "unknown"])
def test_a_finding_that_is_stale_is_dropped(
    store: Store, alice: User, service: int, how: str
) -> None:
    other = builders.add_service(store, alice)

    verdicts = record(store, [stale(store, service, alice, how), finding(other)])

    assert [verdict.service_id for verdict in verdicts] == [other]
    assert [row.service_id for row in rows(store, LandedResult)] == [other]
    builders.merge(store)
    for table in (CheckResult, HalfHour, Day):
        assert [row.service_id for row in rows(store, table)] == [other]


def test_nothing_to_record_is_fine(store: Store) -> None:
    assert record(store, [finding(1)]) == []
    assert store.write(results.record, []) == []


def test_a_pause_ends_the_outage_and_going_on_starts_anew(
    store: Store, alice: User, service: int
) -> None:
    record(store, [finding(service, T0 + n, ok=False) for n in range(2)])

    store.write(services.change, alice, service, {"enabled": False})
    store.write(services.change, alice, service, {"enabled": True})

    (incident,) = rows(store, Incident)
    assert incident.resolved_at is not None
    state = state_of(store, service)
    assert (state.status, state.failures, state.failing_since) == ("pending", 0, None)
    assert (state.error, state.message) == (None, "")


# --- unknown -----------------------------------------------------------------------------------


def unknown(service_id: int, at: int = T0, probe: int = 1) -> Finding:
    """The finding of a check that failed of our own trouble."""
    made = finding(service_id, at, ok=False, error="dns_error", probe=probe)
    return replace(made, outcome=replace(made.outcome, is_unknown=True))


def test_of_an_unknown_outcome_nothing_is_kept_but_why(store: Store, service: int) -> None:
    record(store, [finding(service, took=123, remote_ip="192.0.2.1")])

    verdicts = record(store, [unknown(service, T0 + n) for n in range(1, 20)])

    assert verdicts == []
    assert [row.checked_at for row in results_of(store, service)] == [T0]
    assert builders.figures_of(store, service).checks == 1
    assert len(rows(store, Transition)) == 1
    state = state_of(store, service)
    assert (state.status, state.failures) == ("operational", 0)
    assert (state.error, state.message) == ("dns_error", "It failed: dns_error")
    assert last_check(store, service) == (T0, 123)
    assert latest_details(store, service) == {"remote_ip": "192.0.2.1"}


def test_an_unknown_outcome_neither_confirms_a_failure_nor_ends_an_outage(
    store: Store, service: int
) -> None:
    record(store, [finding(service, T0, ok=False), unknown(service, T0 + 1000)])
    assert state_of(store, service).status == "pending"

    record(store, [finding(service, T0 + 2000, ok=False), unknown(service, T0 + 3000)])

    state = state_of(store, service)
    assert (state.status, state.failures) == ("down", 2)
    assert last_check(store, service)[0] == T0 + 2000
    assert state.message == "It failed: dns_error"
    (incident,) = rows(store, Incident)
    assert (incident.started_at, incident.resolved_at) == (T0, None)


def test_what_is_known_again_says_so(store: Store, service: int) -> None:
    record(store, [unknown(service)])
    assert state_of(store, service).status == "pending"

    record(store, [finding(service, T0 + 1000)])

    state = state_of(store, service)
    assert (state.status, state.error, state.message) == ("operational", None, "")


def test_a_probe_that_cannot_see_keeps_its_view(
    store: Store, alice: User, probes: tuple[int, int, int]
) -> None:
    a, b, _ = probes
    service = shared_by(store, alice, probes[:2], confirm_from="all")
    statuses(store, service, (a, 0, True), (b, 1, False))

    record(store, [unknown(service, T0 + 60_000, probe=a)])
    record(store, [unknown(service, T0 + 60_000, probe=probes[2])])

    assert state_of(store, service).status == "degraded"
    views = {view.probe_id: view for view in rows(store, ProbeState)}
    assert views.keys() == {a, b}
    assert (views[a].status, views[a].checked_at) == ("operational", T0)
    assert views[a].message == "It failed: dns_error"


# --- recoveries and flapping -------------------------------------------------------------------


def test_as_many_successes_as_asked_for_end_an_outage(store: Store, alice: User) -> None:
    service = builders.add_service(store, alice, retries=0, recoveries=3)
    record(store, [finding(service, T0 - 1000), finding(service, T0, ok=False)])

    found = []
    for number in range(1, 4):  # One transaction each: what was counted is kept.
        record(store, [finding(service, T0 + number * 1000)])
        found.append(state_of(store, service).status)

    assert found == ["down", "down", "operational"]
    (incident,) = rows(store, Incident)
    assert (incident.started_at, incident.resolved_at) == (T0, T0 + 1000)


def test_a_service_that_flaps_has_one_outage_however_often_it_is_judged(
    store: Store, alice: User
) -> None:
    service = builders.add_service(store, alice, retries=0, interval_seconds=60)

    for number in range(60):
        record(store, [finding(service, T0 + number * 60_000, ok=number % 2 == 0)])

    assert [(one.started_at, one.resolved_at) for one in rows(store, Incident)] == [
        (T0 + 60_000, T0 + 120_000)
    ]
    assert [one.status for one in rows(store, Transition)] == [
        "operational", "down", "operational", "degraded",
    ]  # fmt: skip
    state = state_of(store, service)
    assert (state.status, state.flapping_since) == ("degraded", T0 + 180_000)


def test_a_pause_forgets_that_it_was_flapping(store: Store, alice: User) -> None:
    service = builders.add_service(store, alice, retries=0)
    record(store, [finding(service, T0 + n, ok=n % 2 == 0) for n in range(9)])
    assert state_of(store, service).flapping_since is not None

    store.write(services.change, alice, service, {"enabled": False})

    state = state_of(store, service)
    assert (state.flapping_since, state.outages, state.outage_at) == (None, 0, None)


def test_an_outage_that_a_clock_set_back_ends_lasts_no_less_than_nothing(
    store: Store, service: int
) -> None:
    record(store, [finding(service, T0 + n, ok=False) for n in range(2)])

    record(store, [finding(service, T0 - HOUR_MS)])

    (incident,) = rows(store, Incident)
    assert incident.resolved_at == incident.started_at == T0


# --- several probes ----------------------------------------------------------------------------


@pytest.fixture
def probes(store: Store) -> tuple[int, int, int]:
    """Three places to check from, the first being this process."""
    return (1, builders.add_probe(store)[0], builders.add_probe(store)[0])


def shared_by(store: Store, alice: User, probes: tuple[int, ...], **how: Any) -> int:
    """A service that several probes check, every minute."""
    fields = {"retries": 0, "interval_seconds": 60, "probe_ids": list(probes), **how}
    return builders.add_service(store, alice, **fields)


def statuses(store: Store, service: int, *seen: tuple[int, int, bool]) -> list[str]:
    """The status after each of these: (probe, seconds, whether it was well)."""
    found = []
    for probe, seconds, ok in seen:
        record(store, [finding(service, T0 + seconds * 1000, ok=ok, probe=probe)])
        found.append(state_of(store, service).status)
    return found


def test_a_minority_degrades_and_a_majority_is_an_outage_since_its_first_failure(
    store: Store, alice: User, probes: tuple[int, int, int]
) -> None:
    a, b, c = probes
    service = shared_by(store, alice, probes)

    found = statuses(
        store, service, (a, 0, True), (b, 1, True), (c, 2, True),
        (a, 60, False), (b, 61, False), (c, 62, True), (a, 120, True), (b, 121, True),
    )  # fmt: skip

    assert found == [
        "operational", "operational", "operational",
        "degraded", "down", "down", "degraded", "operational",
    ]  # fmt: skip
    (incident,) = rows(store, Incident)
    assert (incident.started_at, incident.resolved_at) == (T0 + 60_000, T0 + 120_000)


def test_each_probe_confirms_for_itself(
    store: Store, alice: User, probes: tuple[int, int, int]
) -> None:
    a, b, _ = probes
    service = shared_by(store, alice, probes[:2], retries=1)

    found = statuses(
        store, service, (a, 0, True), (b, 1, True), (a, 60, False), (b, 61, False),
        (a, 80, False), (b, 81, False),
    )  # fmt: skip

    assert found == ["operational"] * 4 + ["degraded", "down"]
    assert [incident.started_at for incident in rows(store, Incident)] == [T0 + 60_000]


def test_a_probe_that_fell_silent_has_no_say(
    store: Store, alice: User, probes: tuple[int, int, int]
) -> None:
    a, b, _ = probes
    service = shared_by(store, alice, probes[:2])

    found = statuses(store, service, (a, 0, True), (b, 1, False), (a, 181, True), (a, 182, True))

    assert found == ["operational", "degraded", "degraded", "operational"]


def test_what_all_saw_in_one_batch_is_judged_as_if_it_came_one_by_one(
    store: Store, alice: User, probes: tuple[int, int, int]
) -> None:
    dice = random.Random(5)
    one_by_one, at_once = (shared_by(store, alice, probes, retries=1) for _ in range(2))
    seen = [(dice.choice(probes), n, dice.random() > 0.5) for n in range(120)]

    statuses(store, one_by_one, *seen)
    record(store, [finding(at_once, T0 + n * 1000, ok=ok, probe=at) for at, n, ok in seen])

    def told(table: Any, service: int) -> list[Any]:
        return [
            {**row.__data__, "service": None, "id": None}
            for row in rows(store, table)
            if row.service_id == service
        ]

    for table in (Incident, Transition, ProbeState, ServiceState, LastCheck):
        assert told(table, one_by_one) == told(table, at_once)
    assert latest_details(store, one_by_one) == latest_details(store, at_once)
    assert builders.count_results(store) == 240


def test_a_probe_that_is_not_asked_is_not_heard(store: Store, alice: User, service: int) -> None:
    other, _ = builders.add_probe(store)

    assert record(store, [finding(service, probe=other)]) == []

    assert rows(store, LandedResult) == rows(store, ProbeState) == []


def test_another_probe_more_does_not_end_an_outage(
    store: Store, alice: User, probes: tuple[int, int, int]
) -> None:
    service = shared_by(store, alice, (1,), retries=1)
    record(store, [finding(service, T0 + n, ok=False) for n in range(2)])
    assert state_of(store, service).status == "down"

    store.write(services.change, alice, service, {"probe_ids": list(probes[:2])})
    record(store, [finding(service, T0 + 60_000, ok=False, revision=2)])

    assert state_of(store, service).status == "down"
    assert [incident.resolved_at for incident in rows(store, Incident)] == [None]


def test_what_a_remote_probe_tells_late_is_kept_but_changes_nothing(
    store: Store, alice: User, probes: tuple[int, int, int]
) -> None:
    remote = probes[1]
    service = shared_by(store, alice, (remote,))
    record(store, [finding(service, T0 + n, ok=False, probe=remote) for n in (1000, 2000)])

    record(store, [finding(service, T0, probe=remote)])

    assert len(results_of(store, service)) == 3
    assert state_of(store, service).status == "down"
    assert last_check(store, service)[0] == T0 + 2000
    assert [incident.resolved_at for incident in rows(store, Incident)] == [None]


def test_transitions_are_in_the_order_of_time(
    store: Store, alice: User, probes: tuple[int, int, int]
) -> None:
    dice = random.Random(6)
    service = shared_by(store, alice, probes, retries=1)

    statuses(store, service, *((dice.choice(probes), n * 10, dice.random() > 0.5)
                               for n in range(200)))  # fmt: skip

    found = [(one.previous, one.status) for one in rows(store, Transition)]
    assert [before for before, _ in found[1:]] == [after for _, after in found[:-1]]
    for incident in rows(store, Incident):
        assert incident.resolved_at is None or incident.resolved_at > incident.started_at
    spans = sorted((i.started_at, i.resolved_at or T0 * 2) for i in rows(store, Incident))
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))


def test_each_of_many_beats_of_one_millisecond_is_a_result(store: Store, alice: User) -> None:
    config = {"period_seconds": 3600}
    job = builders.add_service(store, alice, type="heartbeat", config=config)

    record(store, [finding(job, T0, took=n) for n in range(5)])
    for n in range(5, 9):
        record(store, [finding(job, T0 + 1, took=n)])
    record(store, [finding(job, T0 + 60_000, took=9)])

    builders.merge(store)
    results = results_of(store, job)
    assert [row.response_time_ms for row in results] == list(range(10))
    assert [row.checked_at - T0 for row in results] == [*range(9), 60_000]
    assert builders.figures_of(store, job).checks == 10


# --- what is written ---------------------------------------------------------------------------


@pytest.fixture
def written(store: Store) -> Callable[[Any], list[int]]:
    """Asks of which services a table was changed since it was asked before; a trigger knows."""

    def watch() -> None:
        for table in ("service_state", "last_check"):
            execute(f"CREATE TABLE {table}_written (service_id INTEGER)")
            execute(
                f"CREATE TRIGGER {table}_watch AFTER UPDATE ON {table}"
                f" BEGIN INSERT INTO {table}_written VALUES (NEW.service_id); END"
            )

    def ask(table: str) -> list[int]:
        found = execute(f"SELECT service_id FROM {table}_written").fetchall()
        execute(f"DELETE FROM {table}_written")
        return sorted(service_id for (service_id,) in found)

    execute = DATABASE.execute_sql
    store.write(watch)
    return lambda table: store.write(ask, table._meta.table_name)


def test_what_stays_as_it_is_has_its_state_written_no_more(
    store: Store, alice: User, service: int, written: Callable[[Any], list[int]]
) -> None:
    down = builders.add_service(store, alice, retries=2)
    at = itertools.count(T0, 60_000)

    def judge() -> list[int]:
        now = next(at)
        store.write(results.record, [finding(service, now), finding(down, now, ok=False)])
        return written(ServiceState)

    for _ in range(6):
        judge()
    assert state_of(store, down).status == "down"

    assert [judge() for _ in range(20)] == [[]] * 20
    assert written(LastCheck) == []
    assert len(results_of(store, service)) == len(results_of(store, down)) == 26


@pytest.mark.parametrize(
    "how",
    [
        {"ok": False},
        {"warning": "certificate_expiring"},
        {"took": 5000},
    ],
)
def test_a_change_of_one_service_has_its_state_written_and_no_other(
    store: Store, alice: User, how: dict[str, Any], written: Callable[[Any], list[int]]
) -> None:
    one, other = (builders.add_service(store, alice, degraded_after_ms=1000) for _ in range(2))
    for number in range(6):
        record(store, [finding(each, T0 + number * 60_000) for each in (one, other)])
    written(ServiceState)

    record(store, [finding(one, T0 + 360_000, **how), finding(other, T0 + 360_000)])

    assert written(ServiceState) == [one]


def test_other_words_for_the_same_outage_are_written(
    store: Store, service: int, written: Callable[[Any], list[int]]
) -> None:
    record(store, [finding(service, T0 + n, ok=False, error="timeout") for n in range(9)])
    written(ServiceState)

    record(store, [finding(service, T0 + 1000, ok=False, error="dns_error")])

    assert written(ServiceState) == [service]
    assert state_of(store, service).error == "dns_error"


def test_who_was_seen_is_noted_for_those_that_are_still_there(
    store: Store, alice: User, service: int, written: Callable[[Any], list[int]]
) -> None:
    gone = builders.add_service(store, alice)
    store.write(services.delete, alice, gone)

    store.write(results.see, {service: Seen(T0, 12), gone: Seen(T0, 13)})
    store.write(results.see, {service: Seen(T0 + 1, None)})

    assert last_check(store, service) == (T0 + 1, None)
    assert [row.service_id for row in rows(store, LastCheck)] == [service]
    assert written(LastCheck) == [service]


def test_the_same_words_are_kept_once(store: Store, alice: User, service: int) -> None:
    other = builders.add_service(store, alice)
    for at in range(3):
        record(store, [finding(each, T0 + at, ok=False) for each in (service, other)])
    record(store, [finding(service, T0 + 9, ok=False, error="dns_error")])

    assert [(row.error, row.message) for row in rows(store, Fault)] == [
        ("timeout", "It failed: timeout"),
        ("dns_error", "It failed: dns_error"),
    ]
    assert [row.error for row in results_of(store, service)] == ["timeout"] * 3 + ["dns_error"]


# --- figures -----------------------------------------------------------------------------------


@pytest.mark.parametrize("table", [HalfHour, Day])
def test_figures_equal_the_results_they_are_made_of(store: Store, alice: User, table: Any) -> None:
    dice = random.Random(3)
    store.write(lambda: Probe.create(name="Elsewhere", created_at=T0))
    ids = [builders.add_service(store, alice, probe_ids=[1, 2]) for _ in range(3)]
    made = [
        Finding(one.service_id, one.revision, dice.choice([1, 1, 2]), one.checked_at, one.outcome)
        for one in (
            finding(
                dice.choice(ids),
                T0 + dice.randrange(6 * HOUR_MS),
                ok=dice.random() > 0.2,
                took=dice.choice([None, dice.randint(1, 3000)]),
            )
            for _ in range(900)
        )
    ]

    left = list(made)
    while left:
        size = dice.randint(1, 60)
        record(store, left[:size])
        del left[:size]
        if dice.random() < 0.2:
            builders.merge(store)
    builders.merge(store)

    expected: dict[tuple[int, int, int], Counter[str]] = {}
    for one in made:
        key = (one.service_id, one.probe_id, one.checked_at // table.SPAN_MS)
        took = one.outcome.response_time_ms
        expected.setdefault(key, Counter()).update(
            checks=1,
            failures=int(not one.outcome.ok),
            timed=int(one.outcome.ok and took is not None),
            total_ms=(took or 0) if one.outcome.ok else 0,
        )
    found = {
        (row.service_id, row.probe_id, row.slot): {
            name: getattr(row, name) for name in ("checks", "failures", "timed", "total_ms")
        }
        for row in rows(store, table)
    }
    assert found == {key: dict(counts) for key, counts in expected.items()}
    assert len(rows(store, CheckResult)) == builders.count_results(store) == len(made)


def test_what_is_judged_by_chance_stays_consistent(store: Store, alice: User) -> None:
    dice = random.Random(4)
    ids = [builders.add_service(store, alice, retries=n) for n in range(3)]

    for at in range(120):
        batch = [
            finding(dice.choice(ids), T0 + at * 1000 + n, ok=dice.random() > 0.5) for n in range(5)
        ]
        record(store, batch)

    with store.reading():
        for service in ids:
            changes = list(
                Transition.select().where(Transition.service == service).order_by(Transition.id)
            )
            state = ServiceState.get_by_id(service)
            assert [change.previous for change in changes[1:]] == [
                change.status for change in changes[:-1]
            ]
            assert state.status == changes[-1].status
            downs = [change.at for change in changes if change.status == "down"]
            ups = [change.at for change in changes if change.previous == "down"]
            incidents = list(
                Incident.select().where(Incident.service == service).order_by(Incident.id)
            )
            assert [one.started_at for one in incidents] == downs
            resolved = [one.resolved_at for one in incidents if one.resolved_at is not None]
            assert resolved == ups


def test_where_many_come_the_details_of_what_is_as_before_are_told_now_and_then(
    store: Store, alice: User
) -> None:
    """Once in five minutes, and whenever there is news."""
    ids = [builders.add_service(store, alice, retries=1) for _ in range(2 * results.FEW)]
    begins = (clock.now_ms() // results.TELL_EVERY_MS + 1) * results.TELL_EVERY_MS

    def sweep(number: int) -> None:
        at = begins + number * 60_000
        found = [finding(service, at, n=number) for service in ids]
        if number == 2:
            found[0] = finding(ids[0], at, n=number, warning="It is about to expire")
        if number == 4:
            found[0] = finding(ids[0], at, ok=False, n=number)
        record(store, found[:1] if number == 9 else found)

    def told(service: int) -> list[int]:
        return [one.details["n"] for one in builders.results_of(store, service) if one.details]

    for number in range(12):
        sweep(number)

    # Every fifth; the warning and the failure, and what followed them; the one that came alone.
    assert told(ids[0]) == [0, 2, 3, 4, 5, 9, 10]
    assert told(ids[1]) == [0, 5, 10]
    assert latest_details(store, ids[1]) == {"n": 10}
    assert latest_details(store, ids[0]) == {"n": 10}
    builders.merge(store)
    assert told(ids[1]) == [0, 5, 10]
    assert latest_details(store, ids[1]) == {"n": 10}
