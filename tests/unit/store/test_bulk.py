"""Many rows by one statement that was spelled once."""

from typing import Any

from tests import builders
from uptimehunt.store.bulk import Put
from uptimehunt.store.database import Store
from uptimehunt.store.models import LOCAL_PROBE, CheckDetails, HalfHour, ProbeState, User
from uptimehunt.store.queries import tuples

COUNTS = [HalfHour.checks, HalfHour.failures, HalfHour.timed, HalfHour.total_ms]
KEY = [HalfHour.service_id, HalfHour.probe_id, HalfHour.slot]


def counted(store: Store) -> list[tuple[int, ...]]:
    with store.reading():
        return [
            (row.slot, row.probe_id, row.checks, row.failures, row.timed, row.total_ms)
            for row in HalfHour.select().order_by(HalfHour.slot)
        ]


def test_rows_are_inserted_with_their_values_as_they_are(store: Store, alice: User) -> None:
    one, two = (builders.add_service(store, alice) for _ in range(2))
    names = (
        *("service", "probe", "status", "changed_at", "failures", "successes"),
        *("checked_at", "error", "message", "details"),
    )
    put = Put([getattr(ProbeState, name) for name in names])
    first = (one, LOCAL_PROBE, "pending", 0, 0, 0, 1, None, "", None)
    second = (two, LOCAL_PROBE, "down", 5, 1, 0, 2, "timeout", "It failed: é", {"a": [1, None]})

    store.write(put, [first])
    store.write(put, [second])

    with store.reading():
        rows = list(ProbeState.select().order_by(ProbeState.checked_at))
    assert [tuple(row.__data__[name] for name in names) for row in rows] == [first, second]


def test_what_is_packed_already_is_not_packed_again(store: Store) -> None:
    columns = [
        *(CheckDetails.service_id, CheckDetails.checked_at, CheckDetails.probe_id),
        *(CheckDetails.is_failure, CheckDetails.details),
    ]
    wanted: list[tuple[Any, ...]] = [(False, {}), (True, {"body": "é" * 5000, "a": [1, None]})]

    store.write(Put(columns), [(1, at, LOCAL_PROBE, *row) for at, row in enumerate(wanted)])
    with store.reading():
        stored = tuples(CheckDetails.select(*columns))
    store.write(Put(columns, is_packed=True), [(2, *row[1:]) for row in stored])

    with store.reading():
        rows = list(CheckDetails.select().order_by(CheckDetails.service_id))
    assert [(row.service_id, row.is_failure, row.details) for row in rows] == [
        (service, *row) for service in (1, 2) for row in wanted
    ]
    assert all(len(row[-1]) < 200 for row in stored)


def test_what_is_there_is_replaced(store: Store) -> None:
    replace = Put([*KEY, *COUNTS], key=KEY)

    store.write(replace, [(3, LOCAL_PROBE, 7, 1, 0, 1, 40), (3, LOCAL_PROBE, 8, 1, 1, 0, 0)])
    store.write(replace, [(3, LOCAL_PROBE, 8, 5, 4, 3, 2), (3, LOCAL_PROBE, 9, 1, 0, 0, 0)])

    assert counted(store) == [
        (7, LOCAL_PROBE, 1, 0, 1, 40), (8, LOCAL_PROBE, 5, 4, 3, 2), (9, LOCAL_PROBE, 1, 0, 0, 0),
    ]  # fmt: skip


def test_values_go_where_they_are_said_to_whatever_the_order_of_the_table(store: Store) -> None:
    backwards = Put([*reversed(COUNTS), *reversed(KEY)], key=KEY)

    store.write(backwards, [(40, 3, 2, 1, 7, LOCAL_PROBE, 5)])
    store.write(backwards, [(41, 4, 3, 2, 7, LOCAL_PROBE, 5)])

    assert counted(store) == [(7, LOCAL_PROBE, 2, 3, 4, 41)]


def test_no_rows_are_nothing_to_do(store: Store) -> None:
    store.write(Put([*KEY, *COUNTS], key=KEY), [])

    assert counted(store) == []
