"""Many rows by one statement that was spelled once."""

from tests import builders
from uptimehunt.store.bulk import Put
from uptimehunt.store.database import Store
from uptimehunt.store.models import LOCAL_PROBE, CheckResult, SlotCount, User

COUNTS = [SlotCount.checks, SlotCount.failures, SlotCount.timed, SlotCount.response_time_ms]
KEY = [SlotCount.service, SlotCount.probe, SlotCount.slot]


def counted(store: Store) -> list[tuple[int, ...]]:
    with store.reading():
        return [
            (row.slot, row.checks, row.failures, row.timed, row.response_time_ms)
            for row in SlotCount.select().order_by(SlotCount.slot)
        ]


def test_rows_are_inserted_with_their_values_as_they_are(store: Store, alice: User) -> None:
    service = builders.add_service(store, alice)
    names = ("service", "probe", "checked_at", "ok", "message", "details")
    put = Put([getattr(CheckResult, name) for name in names])

    store.write(put, [(service, LOCAL_PROBE, 1, True, None, None)])
    store.write(put, [(service, LOCAL_PROBE, 2, False, "It failed: é", {"a": [1, None]})])

    with store.reading():
        rows = list(CheckResult.select().order_by(CheckResult.checked_at))
        seen = [(row.checked_at, row.ok, row.message, row.details) for row in rows]
    assert seen == [(1, True, None, None), (2, False, "It failed: é", {"a": [1, None]})]


def test_what_is_there_is_replaced_or_added_to(store: Store, alice: User) -> None:
    service = builders.add_service(store, alice)
    add = Put([*KEY, *COUNTS], key=KEY, added=COUNTS)
    replace = Put([*KEY, *COUNTS], key=KEY)

    store.write(
        add, [(service, LOCAL_PROBE, 7, 1, 0, 1, 40), (service, LOCAL_PROBE, 8, 1, 1, 0, 0)]
    )
    store.write(add, [(service, LOCAL_PROBE, 7, 2, 1, 1, 10)])
    assert counted(store) == [(7, 3, 1, 2, 50), (8, 1, 1, 0, 0)]

    store.write(replace, [(service, LOCAL_PROBE, 8, 5, 4, 3, 2)])
    assert counted(store) == [(7, 3, 1, 2, 50), (8, 5, 4, 3, 2)]


def test_no_rows_are_nothing_to_do(store: Store) -> None:
    store.write(Put([*KEY, *COUNTS], key=KEY), [])

    assert counted(store) == []
