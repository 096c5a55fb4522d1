"""The jobs that keep the history small, on a real database and through restarts."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from tests import builders
from tests.builders import finding, record, results_of
from uptimehunt import clock
from uptimehunt.clock import DAY_MS
from uptimehunt.domain import results
from uptimehunt.domain.disk_forecast import KEPT_FAILURES_DAYS, KEPT_SUCCESSES_DAYS
from uptimehunt.domain.retention import Keeping
from uptimehunt.engine.upkeep import MERGE_EVERY_MS, Upkeep
from uptimehunt.store import merging, queries
from uptimehunt.store.database import Store
from uptimehunt.store.models import (
    DATABASE,
    CheckDetails,
    CheckResult,
    Day,
    Fault,
    HalfHour,
    LandedResult,
    ReceivedResult,
    User,
)

KEEPING = Keeping(results_days=30, figures_days=365)


@pytest.fixture
def service(store: Store, alice: User) -> int:
    """A service of Alice."""
    return builders.add_service(store, alice)


@pytest.fixture
def upkeep(store: Store) -> Upkeep:
    """The jobs on that database."""
    return Upkeep(store, KEEPING)


def count(store: Store, table: Any) -> int:
    with store.reading():
        return int(table.select().count())


def waiting(store: Store) -> int:
    return count(store, LandedResult)


def is_under_way(store: Store) -> bool:
    with store.reading():
        return merging.is_under_way()


class Counting:
    """A store that counts its commits, and may call somebody after one of them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.changes: list[str] = []
        self.after: Callable[[str], object] = len
        self.reading = store.reading

    def write(self, change: Callable[..., Any], *args: Any) -> Any:
        answer = self._store.write(change, *args)
        self.changes.append(change.__name__)
        self.after(change.__name__)
        return answer


def counted(store: Store, keeping: Keeping = KEEPING) -> tuple[Upkeep, Counting]:
    counting: Any = Counting(store)
    return Upkeep(counting, keeping), counting


# --- merging -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age_ms", "is_due"),
    [
        (0, False),
        (MERGE_EVERY_MS - 60_000, False),
        (MERGE_EVERY_MS + 60_000, True),
        (-MERGE_EVERY_MS - 60_000, True),  # The clock was set back: nobody knows how old it is.
    ],
)
def test_what_has_landed_is_merged_when_the_oldest_waits_for_half_an_hour(
    store: Store, service: int, upkeep: Upkeep, age_ms: int, is_due: bool
) -> None:
    record(store, [finding(service, clock.now_ms() - age_ms)])

    upkeep.merge()

    assert (waiting(store), count(store, CheckResult)) == ((0, 1) if is_due else (1, 0))


def test_what_has_landed_is_merged_early_when_it_is_much(
    store: Store, service: int, upkeep: Upkeep
) -> None:
    record(store, [finding(service, clock.now_ms() + n) for n in range(2)])

    def last_is(number: int) -> None:
        """As if so many had landed: they are counted by their ids."""
        newest = LandedResult.select(LandedResult.id).order_by(LandedResult.id.desc()).limit(1)
        store.write(LandedResult.update(id=number).where(LandedResult.id == newest).execute)

    last_is(merging.MOST_LANDED - 1)
    upkeep.merge()
    assert waiting(store) == 2

    last_is(merging.MOST_LANDED)
    upkeep.merge()
    assert (waiting(store), count(store, CheckResult)) == (0, 2)


def test_where_nothing_has_landed_nothing_is_written(store: Store, service: int) -> None:
    upkeep, counting = counted(store)

    upkeep.merge()

    assert counting.changes == []


def many(ids: Iterable[int], count: int = 40) -> list[Any]:
    """Findings of this very moment, none of which is due for a merge by its age."""
    now = clock.now_ms()
    return [finding(one, now + n, took=n) for n in range(count) for one in ids]


@pytest.fixture
def ids(store: Store, alice: User, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Services each of which is a slice of its own."""
    monkeypatch.setattr(merging, "SLICE", 10)
    return [builders.add_service(store, alice) for _ in range(4)]


def test_a_stop_ends_a_merge_after_its_slice_and_the_next_call_goes_on(
    store: Store, ids: list[int]
) -> None:
    record(store, many(ids))
    before = {one: builders.figures_of(store, one) for one in ids}

    def figures() -> dict[int, Any]:
        return {one: builders.figures_of(store, one) for one in ids}

    for taken in range(1, 5):  # One slice more at each start.
        upkeep, counting = counted(store)
        counting.after = lambda change: upkeep.stop() if change == "merge" else None  # noqa: B023
        upkeep.merge_now() if taken == 1 else upkeep.merge()
        assert counting.changes == ["begin", "merge"]
        assert is_under_way(store)
        assert count(store, CheckResult) == taken * 40
        assert figures() == before

    Upkeep(store, KEEPING).merge()

    assert not is_under_way(store)
    assert (waiting(store), count(store, CheckResult)) == (0, 160)
    assert figures() == before


def test_a_merge_goes_on_after_a_restart(store: Store, ids: list[int], tmp_path: Path) -> None:
    record(store, many(ids))
    upkeep, counting = counted(store)
    counting.after = lambda change: upkeep.stop() if change == "merge" else None
    upkeep.merge_now()
    store.close()

    again = Store(tmp_path / "uptimehunt.db", tmp_path / "backups")
    try:
        assert is_under_way(again)
        record(again, many(ids[:1], 5))
        Upkeep(again, KEEPING).merge()

        assert not is_under_way(again)
        assert (waiting(again), count(again, CheckResult)) == (5, 160)
        assert [builders.figures_of(again, one).checks for one in ids] == [45, 40, 40, 40]
    finally:
        again.close()


def test_a_merge_is_made_of_small_changes_that_others_get_between(
    store: Store, ids: list[int]
) -> None:
    record(store, many(ids))
    upkeep, counting = counted(store)
    between = many(ids, 1)
    counting.after = lambda change: record(store, between) if change == "merge" else None

    upkeep.merge_now()

    assert counting.changes == ["begin", *["merge"] * 4, "clear"]
    assert count(store, CheckResult) == 160
    assert waiting(store) == 4 * 4


# --- retention ---------------------------------------------------------------------------------


def days_ago(days: float) -> int:
    return clock.now_ms() - round(days * DAY_MS)


def test_results_and_figures_expire_as_the_settings_say(
    store: Store, service: int, upkeep: Upkeep
) -> None:
    ages = [400, 367, 364, 40, 31.5, 29, 1]
    record(store, [finding(service, days_ago(age)) for age in ages])
    upkeep.merge_now()

    upkeep.expire()

    assert len(results_of(store, service)) == 2
    assert count(store, HalfHour) == 5
    assert count(store, Day) == 7
    assert builders.figures_of(store, service).checks >= 2


def test_a_day_of_results_goes_at_once_and_not_each_hour_a_few(
    store: Store, service: int, upkeep: Upkeep
) -> None:
    record(store, [finding(service, days_ago(30.9 - n / 100)) for n in range(100)])
    upkeep.merge_now()

    upkeep.expire()
    assert len(results_of(store, service)) == 100

    record(store, [finding(service, days_ago(31.1), probe=1)])
    upkeep.merge_now()
    upkeep.expire()
    assert 1 < len(results_of(store, service)) < 12


def test_what_expired_gives_its_space_back_to_the_disk(store: Store, service: int) -> None:
    def pages() -> int:
        with store.reading():
            return int(DATABASE.execute_sql("PRAGMA page_count").fetchone()[0])

    body = "".join(chr(33 + n * n % 90) for n in range(500))
    record(
        store,
        [
            finding(service, days_ago(40) + n, ok=False, body=f"{n}{body[n % 90 :]}{n * 7919}")
            for n in range(3000)
        ],
    )
    upkeep, counting = counted(store)
    upkeep.merge_now()
    before = pages()

    upkeep.expire()

    assert results_of(store, service) == []
    assert count(store, CheckDetails) == 1
    assert counting.changes.count("expire") >= 3  # Slices: nobody waits long for one.
    assert pages() < before * 0.8
    with store.reading():
        assert DATABASE.execute_sql("PRAGMA freelist_count").fetchone()[0] == 0
        assert queries.result_count() == 0


def test_a_stop_ends_the_retention_after_its_slice(store: Store, service: int) -> None:
    record(store, [finding(service, days_ago(40) + n) for n in range(2500)])
    upkeep, counting = counted(store)
    upkeep.merge_now()
    counting.after = lambda change: upkeep.stop() if change == "expire" else None

    upkeep.expire()
    assert len(results_of(store, service)) == 1500

    Upkeep(store, KEEPING).expire()
    assert results_of(store, service) == []


def test_words_of_faults_that_nobody_uses_any_more_go(
    store: Store, service: int, upkeep: Upkeep
) -> None:
    record(store, [finding(service, days_ago(40), ok=False, error="timeout")])
    record(store, [finding(service, days_ago(20), ok=False, error="dns_error")])
    upkeep.merge_now()
    for error, age in (("timeout", 40), ("dns_error", 20)):
        used = Fault.update(used_at=days_ago(age)).where(Fault.error == error)
        store.write(used.execute)

    upkeep.expire()

    with store.reading():
        assert [fault.error for fault in Fault.select()] == ["dns_error"]
    assert [row.error for row in results_of(store, service)] == ["dns_error"]


def test_history_is_shed_down_to_what_is_promised(
    store: Store, service: int, caplog: pytest.LogCaptureFixture
) -> None:
    days = [days_ago(age) for age in range(20, -1, -1)]
    record(store, [finding(service, day + n, ok=n < 4) for day in days for n in range(5)])
    upkeep, counting = counted(store, Keeping(30, 365, max_bytes=1))
    upkeep.merge_now()

    upkeep.expire()

    today = days[-1] // DAY_MS
    rows = results_of(store, service)
    for failed, kept_days in ((False, KEPT_SUCCESSES_DAYS), (True, KEPT_FAILURES_DAYS)):
        left = {row.checked_at // DAY_MS for row in rows if (row.error is not None) is failed}
        assert left == set(range(today - kept_days + 1, today + 1))
    assert {"thin", "expire"} <= set(counting.changes)
    assert "history.shed" in caplog.text
    with store.reading():
        assert queries.result_count() == len(rows)


def test_below_the_limit_no_history_is_shed(store: Store, service: int) -> None:
    record(store, [finding(service, days_ago(20) + n) for n in range(100)])
    upkeep, _ = counted(store, Keeping(30, 365, max_bytes=2**40))
    upkeep.merge_now()

    upkeep.expire()

    assert len(results_of(store, service)) == 100


# --- the rest ----------------------------------------------------------------------------------


def test_ids_that_nobody_sends_again_are_forgotten(store: Store, upkeep: Upkeep) -> None:
    kept_days = results.KNOWN_AGAIN_DAYS

    def receive() -> None:
        for name, days in (("old", kept_days + 1), ("new", kept_days - 1)):
            ReceivedResult.create(id=name, received_at=days_ago(days))

    store.write(receive)

    upkeep.forget()

    with store.reading():
        assert [row.id for row in ReceivedResult.select()] == ["new"]
