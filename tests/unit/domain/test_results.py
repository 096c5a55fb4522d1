"""What becomes of findings, on a real database."""

import itertools
import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from tests import builders
from tests.builders import HOUR_MS, T0, finding, record, state_of
from uptimehunt.domain import results, services
from uptimehunt.domain.results import Finding
from uptimehunt.store.database import Store
from uptimehunt.store.models import (
    SLOT_MS,
    CheckResult,
    Incident,
    Probe,
    ProbeState,
    ServiceState,
    SlotCount,
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


def test_a_success_is_kept_without_details(store: Store, service: int) -> None:
    verdicts = record(store, [finding(service, took=123, remote_ip="192.0.2.1")])

    (result,) = rows(store, CheckResult)
    assert (result.ok, result.response_time_ms, result.checked_at) == (True, 123, T0)
    assert (result.error, result.message, result.details) == (None, None, None)
    state = state_of(store, service)
    assert (state.status, state.response_time_ms, state.checked_at) == ("operational", 123, T0)
    assert state.details == {"remote_ip": "192.0.2.1"}
    (verdict,) = verdicts
    assert (verdict.service_id, verdict.revision, verdict.name) == (service, 1, "Shop")
    assert (verdict.retry_in, verdict.error) == (None, None)


def test_a_failure_is_kept_with_its_details(store: Store, service: int) -> None:
    (verdict,) = record(store, [finding(service, ok=False, body="<html>")])

    (result,) = rows(store, CheckResult)
    assert (result.ok, result.error, result.message) == (False, "timeout", "It failed: timeout")
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
    assert (state.status, state.failures, state.response_time_ms) == ("operational", 0, 77)
    assert (state.checked_at, state.error, state.message) == (T0 + 2000, None, "")


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
    assert [row.service_id for row in rows(store, CheckResult)] == [other]
    assert [row.service_id for row in rows(store, SlotCount)] == [other]


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
    assert [row.checked_at for row in rows(store, CheckResult)] == [T0]
    assert [row.checks for row in rows(store, SlotCount)] == [1]
    assert len(rows(store, Transition)) == 1
    state = state_of(store, service)
    assert (state.status, state.failures, state.checked_at) == ("operational", 0, T0)
    assert (state.error, state.message) == ("dns_error", "It failed: dns_error")
    assert (state.response_time_ms, state.details) == (123, {"remote_ip": "192.0.2.1"})


def test_an_unknown_outcome_neither_confirms_a_failure_nor_ends_an_outage(
    store: Store, service: int
) -> None:
    record(store, [finding(service, T0, ok=False), unknown(service, T0 + 1000)])
    assert state_of(store, service).status == "pending"

    record(store, [finding(service, T0 + 2000, ok=False), unknown(service, T0 + 3000)])

    state = state_of(store, service)
    assert (state.status, state.failures, state.checked_at) == ("down", 2, T0 + 2000)
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

    for table in (Incident, Transition, ProbeState, ServiceState):
        assert told(table, one_by_one) == told(table, at_once)
    assert len(rows(store, CheckResult)) == 240


def test_a_probe_that_is_not_asked_is_not_heard(store: Store, alice: User, service: int) -> None:
    other, _ = builders.add_probe(store)

    assert record(store, [finding(service, probe=other)]) == []

    assert rows(store, CheckResult) == rows(store, ProbeState) == []


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

    assert len(rows(store, CheckResult)) == 3
    state = state_of(store, service)
    assert (state.status, state.checked_at) == ("down", T0 + 2000)
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


# --- sums and retention ------------------------------------------------------------------------


def test_half_hourly_counts_equal_the_results_they_are_made_of(store: Store, alice: User) -> None:
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

    expected: dict[tuple[int, int, int], Counter[str]] = {}
    for one in made:
        key = (one.service_id, one.probe_id, one.checked_at // SLOT_MS)
        took = one.outcome.response_time_ms
        expected.setdefault(key, Counter()).update(
            checks=1,
            failures=int(not one.outcome.ok),
            timed=int(one.outcome.ok and took is not None),
            response_time_ms=(took or 0) if one.outcome.ok else 0,
        )
    found = {
        (row.service_id, row.probe_id, row.slot): {
            name: getattr(row, name) for name in ("checks", "failures", "timed", "response_time_ms")
        }
        for row in rows(store, SlotCount)
    }
    assert found == {key: dict(counts) for key, counts in expected.items()}
    assert len(rows(store, CheckResult)) == len(made)


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


def test_only_old_results_expire_a_slice_at_a_time(store: Store, service: int) -> None:
    record(store, [finding(service, T0 + n) for n in range(30)])

    deleted = [store.write(results.expire, T0 + 25, 10) for _ in range(4)]

    assert deleted == [10, 10, 5, 0]
    assert [row.checked_at for row in rows(store, CheckResult)] == [T0 + n for n in range(25, 30)]
    assert sum(row.checks for row in rows(store, SlotCount)) == 30
