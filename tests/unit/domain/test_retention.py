"""What is deleted in time, what goes early, and what stays."""

from typing import Any

import pytest

from tests import builders
from tests.builders import T0, finding, record, results_of
from uptimehunt.clock import DAY_MS
from uptimehunt.domain import heartbeats, retention, services
from uptimehunt.domain.disk_forecast import Held, Kind, Step
from uptimehunt.domain.findings import FAULT_USED_MS
from uptimehunt.domain.heartbeats import Call
from uptimehunt.domain.retention import Old, Shed
from uptimehunt.store import queries
from uptimehunt.store.database import Store
from uptimehunt.store.models import (
    SLOT_MS,
    CheckDetails,
    CheckResult,
    Day,
    Fault,
    HalfHour,
    Incident,
    Span,
    Transition,
    User,
)

TODAY = T0 // DAY_MS * DAY_MS


@pytest.fixture
def service(store: Store, alice: User) -> int:
    """A service that is down after its first failure."""
    return builders.add_service(store, alice, retries=0)


def count(store: Store, table: Any) -> int:
    with store.reading():
        return int(table.select().count())


def instants(store: Store, service_id: int) -> list[int]:
    return [row.checked_at for row in results_of(store, service_id)]


def expired(store: Store, results_before: int, figures_before: int = 0) -> list[Old]:
    with store.reading():
        return retention.expired(results_before, figures_before)


def known_count(store: Store) -> int:
    with store.reading():
        return queries.result_count()


def expire_all(store: Store, old: list[Old]) -> int:
    deleted = 0
    for one in old:
        while rows := store.write(retention.expire, one):
            deleted += rows
    return deleted


def test_only_old_results_expire_a_slice_at_a_time(store: Store, service: int) -> None:
    record(store, [finding(service, T0 + n) for n in range(30)])
    builders.merge(store)
    old = Old(CheckResult, service, T0 + 25)

    deleted = [store.write(retention.expire, old, 10) for _ in range(4)]

    assert deleted == [10, 10, 5, 0]
    assert instants(store, service) == [T0 + n for n in range(25, 30)]
    assert builders.figures_of(store, service).checks == 30
    assert known_count(store) == 5


def test_what_many_probes_saw_in_one_millisecond_goes_together(store: Store, alice: User) -> None:
    others = [builders.add_probe(store)[0] for _ in range(2)]
    service = builders.add_service(store, alice, probe_ids=[1, *others])
    record(store, [finding(service, T0 + n, probe=one) for n in range(3) for one in (1, *others)])
    builders.merge(store)
    old = Old(CheckResult, service, T0 + 2)

    assert [store.write(retention.expire, old, 4) for _ in range(2)] == [6, 0]

    assert instants(store, service) == [T0 + 2] * 3


def test_of_another_service_nothing_goes(store: Store, alice: User, service: int) -> None:
    other = builders.add_service(store, alice)
    record(store, [finding(one, T0 + n, n=n) for n in range(3) for one in (service, other)])
    builders.merge(store)

    expire_all(store, [Old(CheckResult, service, T0 + 9), Old(HalfHour, service, T0 + DAY_MS)])

    assert instants(store, service) == []
    assert [row.details for row in results_of(store, other)] == [{"n": n} for n in range(3)]
    assert [count(store, table) for table in (HalfHour, Day)] == [1, 2]


def test_results_expire_when_a_whole_day_of_them_is_too_old(store: Store, service: int) -> None:
    record(store, [finding(service, TODAY + n * DAY_MS // 4) for n in range(20)])
    builders.merge(store)

    assert expired(store, TODAY + DAY_MS) == []
    (old,) = expired(store, TODAY + DAY_MS + 1)
    assert old == Old(CheckResult, service, TODAY + DAY_MS + 1)

    assert expire_all(store, [old]) == 5
    assert expired(store, TODAY + DAY_MS + 1) == expired(store, TODAY + 2 * DAY_MS) == []


def test_figures_of_half_hours_expire_and_those_of_days_stay(store: Store, service: int) -> None:
    record(store, [finding(service, TODAY + n * SLOT_MS) for n in range(200)])
    builders.merge(store)
    before = TODAY + 2 * DAY_MS + SLOT_MS // 2

    old = expired(store, 0, before)

    assert old == [Old(HalfHour, service, before)]
    assert expire_all(store, old) == 96
    with store.reading():
        assert min(row.slot for row in HalfHour.select()) == before // SLOT_MS
        assert [row.checks for row in Day.select().order_by(Day.slot)] == [48, 48, 48, 48, 8]
    assert builders.figures_of(store, service).checks == 200


def test_incidents_transitions_and_the_ledger_stay(store: Store, service: int) -> None:
    record(store, [finding(service, T0 + n * 60_000, ok=n % 7 > 0) for n in range(20)])
    builders.merge(store)
    kept = {table: count(store, table) for table in (Incident, Transition, Span)}
    assert all(kept.values())

    expire_all(store, expired(store, T0 + 9 * DAY_MS, T0 + 9 * DAY_MS))

    assert (count(store, CheckResult), count(store, HalfHour)) == (0, 0)
    assert {table: count(store, table) for table in kept} == kept


def test_of_a_service_that_is_gone_all_goes(store: Store, alice: User, service: int) -> None:
    gone = builders.add_service(store, alice)
    for one in (gone, service):
        record(store, [finding(one, T0 + n, ok=n % 2 == 0, n=n) for n in range(20)])
    builders.merge(store)
    store.write(services.delete, alice, gone)

    old = expired(store, 0)

    assert {(one.table, one.service_id) for one in old} == {
        (table, gone) for table in (CheckResult, HalfHour, Day)
    }
    expire_all(store, old)
    for table in (CheckResult, CheckDetails, HalfHour, Day):
        with store.reading():
            assert {row.service_id for row in table.select(table.service_id)} == {service}
    assert known_count(store) == 20
    assert expired(store, 0) == []


# --- details -----------------------------------------------------------------------------------


def test_details_go_with_their_results_but_for_the_newest(store: Store, service: int) -> None:
    record(store, [finding(service, T0 + n, ok=n % 4 == 0, n=n) for n in range(40)])
    builders.merge(store)
    kept = count(store, CheckDetails)

    store.write(retention.expire, Old(CheckResult, service, T0 + 30), 10)
    rows = {
        row.checked_at - T0: row.details["n"] for row in results_of(store, service) if row.error
    }
    assert rows == {n: n for n in range(10, 40) if n % 4}

    expire_all(store, [Old(CheckResult, service, T0 + 99)])
    assert kept > count(store, CheckDetails) == 1
    with store.reading():
        assert queries.latest_details(service) == {"n": 39}


def test_a_rare_heartbeat_is_not_judged_again_when_its_results_are_gone(
    store: Store, alice: User
) -> None:
    job = builders.add_service(
        store, alice, type="heartbeat", config={"period_seconds": 86_400, "grace_seconds": 60}
    )
    beat_id = store.write(heartbeats.receive, job, Call("success"))["id"]
    record(store, [finding(job, T0, took=None, beat_id=beat_id)])
    builders.merge(store)

    expire_all(store, expired(store, T0 + 40 * DAY_MS))

    assert results_of(store, job) == []
    with store.reading():
        told = heartbeats.told(job, None, awake_since=T0)
    assert told is not None
    assert (told.beat, told.beat_id) == (None, beat_id)


def test_what_is_told_again_after_it_expired_breaks_no_merge(store: Store, alice: User) -> None:
    remote, _ = builders.add_probe(store)
    service = builders.add_service(store, alice, probe_ids=[remote])
    sent = [finding(service, T0 + n, ok=False, probe=remote, n=n) for n in range(3)]
    record(store, sent)
    builders.merge(store)
    expire_all(store, [Old(CheckResult, service, T0 + 9)])

    record(store, sent)
    builders.merge(store)

    assert [row.details for row in results_of(store, service)] == [{"n": n} for n in range(3)]


# --- the words of faults -----------------------------------------------------------------------


def test_words_that_no_result_can_have_any_more_are_forgotten(store: Store, service: int) -> None:
    record(store, [finding(service, T0 + 1, ok=False, error="timeout")])
    record(store, [finding(service, T0 + 2, ok=False, error="dns_error")])
    now = store.write(lambda: Fault.get(Fault.error == "dns_error").used_at)
    use = Fault.update(used_at=now - 9 * DAY_MS).where(Fault.error == "timeout")
    store.write(use.execute)

    assert store.write(retention.forget_faults, now - 8 * DAY_MS) == 0
    assert store.write(retention.forget_faults, now - 6 * DAY_MS) == 1

    with store.reading():
        assert [fault.error for fault in Fault.select()] == ["dns_error"]


def test_words_that_are_met_again_are_kept_for_as_long_again(store: Store, service: int) -> None:
    def used_at(at: int | None = None) -> int:
        if at is not None:
            store.write(lambda: Fault.update(used_at=at).execute())
        record(store, [finding(service, T0 + len(results_of(store, service)), ok=False)])
        with store.reading():
            (fault,) = Fault.select()
            return int(fault.used_at)

    now = used_at()

    assert used_at(now - 3_600_000) == now - 3_600_000  # Known to the day: not written each time.
    assert used_at(now - 2 * FAULT_USED_MS) >= now
    # After a clock that was ahead, results of days to come may be there still.
    assert used_at(now + 9 * DAY_MS) == now + 9 * DAY_MS


# --- what goes early ---------------------------------------------------------------------------


def test_thinning_takes_successes_alone_a_slice_at_a_time(store: Store, service: int) -> None:
    record(store, [finding(service, T0 + n, ok=n % 3 > 0, n=n) for n in range(30)])
    builders.merge(store)

    deleted = [store.write(retention.thin, service, T0 + 15, 4) for _ in range(4)]

    assert deleted == [4, 4, 2, 0]
    left = [T0 + n for n in range(30) if n % 3 == 0 or n >= 15]
    assert instants(store, service) == left
    assert known_count(store) == len(left)
    assert builders.figures_of(store, service).checks == 30
    assert all(row.details for row in results_of(store, service) if row.error)


def test_the_oldest_of_each_kind_is_found_across_services(
    store: Store, alice: User, service: int
) -> None:
    def held() -> Held:
        with store.reading():
            return retention.held(TODAY + 5 * DAY_MS)

    today = TODAY // DAY_MS
    assert held() == Held(today + 5, None, None, None)

    other = builders.add_service(store, alice)
    record(store, [finding(other, TODAY, ok=False), finding(other, TODAY + 3 * DAY_MS)])
    record(store, [finding(service, TODAY + 2 * DAY_MS), finding(service, TODAY + 4 * DAY_MS)])
    builders.merge(store)
    assert held() == Held(today + 5, today + 2, today, today)


@pytest.mark.parametrize(
    ("kind", "table"),
    [(Kind.SUCCESSES, CheckResult), (Kind.FAILURES, CheckResult), (Kind.HALF_HOURS, HalfHour)],
)
def test_a_step_takes_from_services_that_have_anything_so_old(
    store: Store, alice: User, service: int, kind: Kind, table: Any
) -> None:
    younger = builders.add_service(store, alice)
    record(store, [finding(service, TODAY), finding(younger, TODAY + DAY_MS)])
    builders.merge(store)

    with store.reading():
        found = retention.to_shed(Step(kind, TODAY // DAY_MS + 1))

    old = Old(table, service, TODAY + DAY_MS)
    assert found == [Shed(old, is_thinned=kind is Kind.SUCCESSES)]
