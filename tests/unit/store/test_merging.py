"""The merge of landed results: at each of its steps, everything is there once."""

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests import builders
from tests.builders import HOUR_MS, T0, finding, record, results_of
from uptimehunt.checks.base import ErrorKind
from uptimehunt.clock import DAY_MS
from uptimehunt.domain import services
from uptimehunt.domain.findings import Finding
from uptimehunt.store import merging, queries
from uptimehunt.store.bulk import Put
from uptimehunt.store.database import Store
from uptimehunt.store.models import (
    SLOT_MS,
    CheckDetails,
    CheckResult,
    Day,
    HalfHour,
    LandedDetails,
    LandedResult,
    Merge,
    User,
)
from uptimehunt.store.queries import Figures, Wanted

WEEKS_AGO = T0 - 20 * DAY_MS
SPANS = [
    (0, T0 * 2),
    (T0, T0 + 2 * HOUR_MS),
    (T0 + 5, T0 + HOUR_MS + 7),
    (WEEKS_AGO - DAY_MS, T0 + HOUR_MS),
    (WEEKS_AGO, WEEKS_AGO + 1000),
]
EDGES = [
    [T0 + n * SLOT_MS for n in range(7)],
    [T0 + n * 70_000 for n in range(60)],
    [(WEEKS_AGO // DAY_MS + n) * DAY_MS for n in range(30)],
]


@pytest.fixture
def remote(store: Store) -> int:
    """The id of a remote probe."""
    return builders.add_probe(store)[0]


@pytest.fixture
def ids(store: Store, alice: User, remote: int) -> list[int]:
    """Six services that this process and a remote probe check."""
    return [builders.add_service(store, alice, probe_ids=[1, remote]) for _ in range(6)]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Have a merge of some hundred results take several steps of each kind."""
    monkeypatch.setattr(merging, "SLICE", 40)
    monkeypatch.setattr(merging, "CLEARED", 70)
    if getattr(request, "param", None) != AT_ONCE:
        monkeypatch.setattr(merging, "EMPTIED", 0)


AT_ONCE = "cleared away at once"
however_cleared = pytest.mark.parametrize("small", ["in steps", AT_ONCE], indirect=True)


class Maker:
    """Makes findings by chance, no two of one service and probe in one millisecond."""

    def __init__(self, ids: list[int], remote: int, seed: int) -> None:
        self._ids = ids
        self._remote = remote
        self._dice = random.Random(seed)
        self._used: set[tuple[int, int, int]] = set()

    def some(self, count: int) -> list[Finding]:
        return [self._one() for _ in range(count)]

    def _one(self) -> Finding:
        dice = self._dice
        key = self._key()
        while key in self._used or (*key[:2], key[2] - 1) in self._used:
            key = self._key()
        self._used.add(key)
        service_id, probe_id, at = key
        ok = dice.random() > 0.3
        took = dice.choice([None, dice.randint(0, 4000)]) if ok else None
        error: ErrorKind = dice.choice(["timeout", "dns_error"])
        details = {"n": at} if dice.random() > 0.5 else {}
        return finding(service_id, at, ok, took, error, probe=probe_id, **details)

    def _key(self) -> tuple[int, int, int]:
        """Most of these hours; some that a remote probe tells weeks later."""
        dice = self._dice
        probe_id = dice.choice([1, self._remote])
        is_late = probe_id != 1 and dice.random() < 0.2
        begin = WEEKS_AGO + dice.randrange(3) * DAY_MS if is_late else T0
        return dice.choice(self._ids), probe_id, begin + dice.randrange(3 * HOUR_MS)


@pytest.fixture
def maker(ids: list[int], remote: int) -> Maker:
    """Makes findings of those services."""
    return Maker(ids, remote, seed=11)


def steps(store: Store) -> Iterator[str]:
    """A merge; stops after each of its transactions."""
    store.write(merging.begin)
    yield "begin"
    with store.reading():
        slices = merging.slices()
    for part in slices:
        store.write(merging.merge, part)
        yield "merge"
    while store.write(merging.clear):
        yield "clear"


def picture(store: Store, ids: list[int]) -> dict[str, Any]:
    """All that can be asked of these services."""
    with store.reading():
        first = WEEKS_AGO // SLOT_MS
        slots = queries.slots(ids, first, (T0 + DAY_MS) // SLOT_MS)
        return {
            "counts": [queries.counts(ids, start, end) for start, end in SPANS],
            "slots": {one: sorted(slots.get(one, []), key=lambda slot: slot.index) for one in ids},
            "figures": {one: [queries.figures(one, edges) for edges in EDGES] for one in ids},
            "of a probe": {one: queries.figures(one, [0, T0 * 2], probe_id=1) for one in ids},
            "how many": {one: queries.count_results(Wanted(one)) for one in ids},
            "results": {
                # Of most successes, the details are not kept.
                one: [replace(row, details={}) for row in queries.results(Wanted(one), 0, 10_000)]
                for one in ids
            },
        }


def figures_by_hand(made: list[Finding], service_id: int) -> Figures:
    sums = Figures()
    for one in made:
        if one.service_id == service_id:
            sums.add_result(one.outcome.response_time_ms, not one.outcome.ok)
    return sums


def is_at_rest(store: Store) -> bool:
    """Whether nothing waits and nothing is under way."""
    with store.reading():
        row = Merge.get()
        assert merging.is_under_way() == bool(row.fence)
        landed = LandedResult.select().exists() or LandedDetails.select().exists()
        return not landed and (row.fence, row.upto) == (0, 0)


def count(store: Store, table: Any) -> int:
    with store.reading():
        return int(table.select().count())


@however_cleared
def test_at_each_step_of_a_merge_everything_is_there_once(
    store: Store, ids: list[int], maker: Maker
) -> None:
    made = maker.some(240)
    record(store, made)
    before = picture(store, ids)
    for one in ids:
        assert builders.figures_of(store, one) == figures_by_hand(made, one)

    taken = []
    for step in steps(store):
        taken.append(step)
        assert picture(store, ids) == before, taken

    assert picture(store, ids) == before
    assert is_at_rest(store)
    assert taken.count("merge") > 4
    assert count(store, CheckResult) == 240


def test_how_many_results_there_are_is_known_at_each_step(
    store: Store, ids: list[int], maker: Maker
) -> None:
    def known() -> int:
        with store.reading():
            return queries.result_count()

    assert known() == 0
    for total in (100, 200):
        record(store, maker.some(100))
        assert known() == total
        for _ in steps(store):
            assert known() == total
        assert known() == total == count(store, CheckResult)


@however_cleared
def test_a_merge_that_is_broken_off_after_any_step_is_gone_on_with(
    store: Store, ids: list[int], maker: Maker
) -> None:
    made: list[Finding] = []
    for broken_off_after in range(1, 10):
        fresh = maker.some(120)
        made += fresh
        record(store, fresh)
        before = picture(store, ids)

        for number, _ in enumerate(steps(store), 1):
            if number == broken_off_after:
                break
        assert picture(store, ids) == before

        builders.merge(store)
        assert picture(store, ids) == before
        assert is_at_rest(store)

    assert count(store, CheckResult) == len(made)


@however_cleared
def test_what_comes_in_during_a_merge_waits_for_the_next(
    store: Store, ids: list[int], maker: Maker
) -> None:
    made = maker.some(150)
    record(store, made)

    for _ in steps(store):
        fresh = maker.some(7)
        made += fresh
        record(store, fresh)
        for one in ids:
            assert builders.figures_of(store, one) == figures_by_hand(made, one)
            assert len(results_of(store, one)) == figures_by_hand(made, one).checks
    assert count(store, CheckResult) == 150

    builders.merge(store)
    assert count(store, CheckResult) == len(made)
    for one in ids:
        assert builders.figures_of(store, one) == figures_by_hand(made, one)


def test_what_is_told_weeks_late_finds_its_place(store: Store, ids: list[int], remote: int) -> None:
    service = ids[0]
    instants = [WEEKS_AGO + n * 60_000 for n in range(50)]
    record(store, [finding(service, at, took=40, probe=remote) for at in instants[::2]])
    record(store, [finding(service, T0, took=99, probe=remote)])
    builders.merge(store)

    record(store, [finding(service, at, took=60, probe=remote) for at in instants[1::2]])
    builders.merge(store)

    assert [row.checked_at for row in results_of(store, service)] == [*instants, T0]
    with store.reading():
        days = Day.select().where(Day.slot == WEEKS_AGO // DAY_MS)
        (day,) = days.where(Day.service_id == service)
        start = instants[0] // SLOT_MS * SLOT_MS
        first, second, rest = queries.figures(
            service, [start, start + SLOT_MS, start + 2 * SLOT_MS, T0]
        )
    assert (day.checks, day.timed, day.total_ms) == (50, 50, 25 * 40 + 25 * 60)
    assert (day.least_ms, day.most_ms) == (40, 60)
    assert (first.checks, second.checks, rest.checks) == (30, 20, 0)
    assert first.times == {40: 15, 60: 15}


def test_one_probe_makes_one_check_in_a_millisecond_and_two_make_two(
    store: Store, ids: list[int], remote: int
) -> None:
    service = ids[0]

    def tell(took: int) -> None:
        """The same instant again, late, so that it is not moved on by one."""
        record(store, [finding(service, T0, took=took, probe=remote)])

    record(store, [finding(service, T0 + 5, took=1, probe=remote)])
    tell(20)
    tell(30)
    record(store, [finding(service, T0, took=40)])
    builders.merge(store)
    tell(50)
    builders.merge(store)

    assert [(row.checked_at, row.probe_id, row.response_time_ms) for row in results_of(
        store, service
    )] == [(T0, 1, 40), (T0, remote, 20), (T0 + 5, remote, 1)]  # fmt: skip
    figures = builders.figures_of(store, service)
    assert (figures.checks, figures.total_ms) == (3, 61)
    with store.reading():
        assert queries.result_count() == 3


def test_a_service_of_which_very_much_came_at_once_is_merged(
    store: Store, ids: list[int], remote: int
) -> None:
    """A prober that was cut off for days delivers more than a statement takes values."""
    service, several = ids[0], 40_000
    put = Put(
        [
            *(LandedResult.id, LandedResult.service_id, LandedResult.probe_id),
            *(LandedResult.checked_at, LandedResult.response_time_ms),
        ]
    )
    store.write(put, [(n, service, remote, T0 + n * 5000, 7) for n in range(1, several + 1)])

    builders.merge(store)

    assert count(store, CheckResult) == several
    assert builders.figures_of(store, service).times == {7: several}


def test_a_slice_that_was_merged_is_not_merged_again(
    store: Store, ids: list[int], maker: Maker
) -> None:
    record(store, maker.some(120))
    store.write(merging.begin)
    with store.reading():
        first, *others = merging.slices()
    before = picture(store, ids)

    assert store.write(merging.merge, first) > 0
    assert store.write(merging.merge, first) == 0
    assert store.write(merging.merge, others[-1]) == 0  # Not its turn yet.

    assert picture(store, ids) == before
    with store.reading():
        assert merging.slices() == others


def test_a_line_that_is_drawn_is_not_drawn_again(
    store: Store, ids: list[int], maker: Maker
) -> None:
    record(store, maker.some(10))
    store.write(merging.begin)
    record(store, maker.some(10))

    store.write(merging.begin)

    with store.reading():
        assert Merge.get().fence == 10


def test_with_nothing_landed_a_merge_does_nothing(store: Store, ids: list[int]) -> None:
    assert list(steps(store)) == ["begin"]

    assert is_at_rest(store)
    with store.reading():
        assert merging.landed() == merging.Landed(0, None)


def test_what_waits_is_told_with_the_instant_of_its_first(store: Store, ids: list[int]) -> None:
    record(store, [finding(ids[0], T0 + n) for n in range(3)])

    with store.reading():
        assert merging.landed() == merging.Landed(3, T0)


def test_a_service_that_is_deleted_before_its_turn_is_not_merged(
    store: Store, alice: User, ids: list[int], maker: Maker
) -> None:
    record(store, maker.some(240))
    early, late, others = ids[0], ids[-1], ids[1:-1]
    before = picture(store, others)

    for number, _ in enumerate(steps(store)):
        if number == 1:
            store.write(services.delete, alice, late)
            store.write(services.delete, alice, early)
        assert picture(store, others) == before

    assert is_at_rest(store)
    for table in (CheckResult, CheckDetails, HalfHour, Day):
        with store.reading():
            found = {row.service_id for row in table.select(table.service_id)}
        assert late not in found
        assert set(others) <= found or table is CheckDetails
        assert early in found or table is CheckDetails  # For the retention to clear away.


# --- details -----------------------------------------------------------------------------------


def test_of_each_service_the_details_of_its_newest_five_successes_are_kept(
    store: Store, ids: list[int], remote: int
) -> None:
    def told(service_id: int) -> list[int | None]:
        return [row.details.get("n") for row in results_of(store, service_id)]

    def tell(*instants: int, probe: int = 1) -> None:
        record(store, [finding(one, T0 + n, n=n, probe=probe) for n in instants for one in ids[:2]])

    tell(*range(0, 80, 10))
    assert told(ids[0]) == list(range(0, 80, 10))
    builders.merge(store)
    assert told(ids[0]) == told(ids[1]) == [None, None, None, 30, 40, 50, 60, 70]

    tell(80, 90)
    builders.merge(store)
    assert told(ids[0]) == [None] * 5 + [50, 60, 70, 80, 90]

    tell(95, 5, probe=remote)  # One is late: older than those that are kept.
    builders.merge(store)
    assert told(ids[0]) == [None] * 7 + [60, 70, 80, 90, 95]
    assert count(store, CheckDetails) == 10


def test_of_each_service_the_details_of_its_newest_five_hundred_failures_are_kept(
    store: Store, ids: list[int]
) -> None:
    service = ids[0]
    record(store, [finding(service, T0 + n, n=n) for n in range(3)])
    record(store, [finding(service, T0 + n, ok=False, n=n) for n in range(10, 400)])
    builders.merge(store)
    record(store, [finding(service, T0 + n, ok=False, n=n) for n in range(400, 600)])
    builders.merge(store)

    rows = results_of(store, service)

    assert [row.details.get("n") for row in rows[:3]] == [0, 1, 2]
    assert [row.details.get("n") for row in rows[3:]] == [None] * 90 + list(range(100, 600))
    assert {row.error for row in rows[3:]} == {"timeout"}


@however_cleared
def test_details_stay_with_their_results_at_each_step(
    store: Store, ids: list[int], maker: Maker
) -> None:
    def told() -> dict[int, list[tuple[int, Any]]]:
        """Of each service, the details of failures: all of them are kept."""
        return {
            one: [(row.checked_at, row.details) for row in results_of(store, one) if row.error]
            for one in ids
        }

    record(store, maker.some(200))
    before = told()
    assert any(details == {"n": at} for rows in before.values() for at, details in rows)

    for _ in steps(store):
        assert told() == before

    assert told() == before


# --- the ids of what has landed ----------------------------------------------------------------


@however_cleared
def test_no_id_is_given_twice_while_a_line_stands(
    store: Store, ids: list[int], maker: Maker
) -> None:
    def landed() -> set[int]:
        with store.reading():
            return {row.id for row in LandedResult.select(LandedResult.id)}

    record(store, maker.some(90))
    used, before = landed(), landed()

    for _ in steps(store):
        record(store, maker.some(3))
        fresh = landed() - before
        assert len(fresh) == 3 and not fresh & used
        assert min(fresh) > max(used)
        used |= fresh
        before = landed()


def test_what_is_much_is_cleared_away_in_steps(store: Store, ids: list[int], maker: Maker) -> None:
    record(store, maker.some(200))
    store.write(merging.begin)
    with store.reading():
        slices = merging.slices()
    for part in slices:
        store.write(merging.merge, part)
    record(store, maker.some(4))

    assert [store.write(merging.clear) for _ in range(3)] == [130, 60, 0]

    assert count(store, LandedResult) == 4
    with store.reading():
        assert not merging.is_under_way()


@however_cleared
def test_what_has_landed_meanwhile_stays_with_its_details(
    store: Store, ids: list[int], maker: Maker
) -> None:
    record(store, maker.some(60))
    store.write(merging.begin)
    with store.reading():
        slices = merging.slices()
    for part in slices:
        store.write(merging.merge, part)
    record(store, [finding(ids[0], T0 + DAY_MS + n, n=n) for n in range(20)])

    while store.write(merging.clear):
        pass

    assert [row.details for row in results_of(store, ids[0])[-20:]] == [{"n": n} for n in range(20)]
    assert (count(store, LandedResult), count(store, LandedDetails)) == (20, 20)
