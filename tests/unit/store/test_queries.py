"""Reports over the history, merged and just landed, against sums over single results."""

import itertools
import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import builders
from tests.builders import finding, record
from uptimehunt.checks.base import ErrorKind
from uptimehunt.clock import DAY_MS
from uptimehunt.domain import retention
from uptimehunt.domain.findings import Finding
from uptimehunt.domain.retention import Old
from uptimehunt.store import merging, queries
from uptimehunt.store.database import Store
from uptimehunt.store.models import SLOT_MS, CheckResult, HalfHour, User
from uptimehunt.store.queries import Count, Figures, Slot, Wanted

BEGIN = 19_700 * DAY_MS
"""Midnight, UTC."""

END = BEGIN + 5 * DAY_MS
SOON = BEGIN + 4 * DAY_MS
"""What is later has landed and is not merged, as is some of what is earlier."""


class Made(list[Finding]):
    """Findings that were recorded; too many to be shown with a failure."""

    def __repr__(self) -> str:
        return f"<{len(self)} findings>"


@pytest.fixture
def remote(store: Store) -> int:
    """The id of a remote probe."""
    return builders.add_probe(store)[0]


@pytest.fixture
def ids(store: Store, alice: User, remote: int) -> list[int]:
    """Three services, each watched from two places."""
    return [builders.add_service(store, alice, probe_ids=[1, remote]) for _ in range(3)]


@pytest.fixture
def made(
    store: Store, ids: list[int], remote: int, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Made]:
    """Five days of checks, on round instants and off them; a merge has got half way."""
    dice = random.Random(17)
    keys = {
        (dice.choice(ids), dice.choice([1, remote]), instant(dice, BEGIN, SOON))
        for _ in range(900)
    }  # fmt: skip
    merged = [one(dice, *key) for key in sorted(keys)]
    record(store, merged)
    builders.merge(store)
    # What is told late is off those instants: of a millisecond, one check is kept.
    keys = {
        (dice.choice(ids), remote, instant(dice, BEGIN, END) // 10_000 * 10_000 + 3_333)
        for _ in range(400)
    }  # fmt: skip
    landed = [one(dice, *key) for key in sorted(keys)]
    record(store, landed)
    monkeypatch.setattr(merging, "SLICE", 100)
    store.write(merging.begin)
    with store.reading():
        first, *others = merging.slices()
    assert others
    store.write(merging.merge, first)
    yield Made(merged + landed)


def instant(dice: random.Random, start: int, end: int) -> int:
    """Any instant, often the first or last one of a half hour or a day."""
    step = dice.choice([1, SLOT_MS, DAY_MS])
    return min(max(dice.randrange(start, end) // step * step - dice.choice([0, 0, 2]), start), end)


def one(dice: random.Random, service_id: int, probe_id: int, at: int) -> Finding:
    ok = dice.random() > 0.2
    took = dice.choice([None, dice.randint(0, 70), dice.randint(0, 9000)]) if ok else None
    error: ErrorKind = dice.choice(["timeout", "dns_error"])
    return finding(service_id, at, ok, took, error, probe=probe_id, n=at)


def by_hand(
    made: Iterable[Finding], edges: list[int], wanted: Callable[[Finding], bool]
) -> list[Figures]:
    """The figures between each two edges, from single results."""
    found = []
    for start, end in itertools.pairwise(edges):
        sums = Figures()
        for each in made:
            if start <= each.checked_at < end and wanted(each):
                sums.add_result(each.outcome.response_time_ms, not each.outcome.ok)
        found.append(sums)
    return found


INSTANTS = st.one_of(
    st.integers(BEGIN - DAY_MS, END + DAY_MS),
    st.integers(BEGIN // SLOT_MS, END // SLOT_MS).map(lambda at: at * SLOT_MS),
    st.integers(BEGIN // DAY_MS - 1, END // DAY_MS + 1).map(lambda at: at * DAY_MS),
)
ROUND = st.integers(BEGIN // SLOT_MS, END // SLOT_MS).map(lambda at: at * SLOT_MS)
EDGES = st.one_of(
    st.lists(INSTANTS, min_size=2, max_size=6),
    # With round edges within, figures of whole slots serve between broken ends.
    st.tuples(INSTANTS, st.lists(ROUND, max_size=4), INSTANTS).map(lambda t: [t[0], *t[1], t[2]]),
).map(sorted)

# The database is only read.
reads = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@reads
@given(EDGES, st.integers(0, 2), st.sampled_from([None, 1, 2, 3]))
def test_figures_between_any_edges_are_those_of_the_results_there(
    store: Store, ids: list[int], made: Made, edges: list[int], which: int, probe_id: int | None
) -> None:
    with store.reading():
        found = queries.figures(ids[which], edges, probe_id)

    assert found == by_hand(
        made,
        edges,
        lambda each: each.service_id == ids[which] and probe_id in (None, each.probe_id),
    )


@reads
@given(INSTANTS, INSTANTS, st.sets(st.integers(0, 2)))
def test_counts_of_any_span_are_those_of_the_results_there(
    store: Store, ids: list[int], made: Made, one: int, other: int, which: set[int]
) -> None:
    start, end = sorted((one, other))
    asked = [ids[number] for number in which]

    with store.reading():
        found = queries.counts(asked, start, end)

    expected = {}
    for service_id in asked:
        (sums,) = by_hand(made, [start, end], lambda each: each.service_id == service_id)  # noqa: B023
        if sums.checks:
            expected[service_id] = Count(sums.checks, sums.failures)
    assert found == expected


@pytest.mark.parametrize("length", [1, 48, 300])
def test_slots_are_the_half_hours_that_have_results(
    store: Store, ids: list[int], made: Made, length: int
) -> None:
    for first in range(BEGIN // SLOT_MS, END // SLOT_MS, 37):
        with store.reading():
            found = queries.slots(ids, first, first + length - 1)
        edges = [(first + at) * SLOT_MS for at in range(length + 1)]

        for service_id in ids:
            sums = by_hand(
                [each for each in made if edges[0] <= each.checked_at < edges[-1]],
                edges,
                lambda each: each.service_id == service_id,  # noqa: B023
            )
            assert sorted(found.get(service_id, []), key=lambda slot: slot.index) == [
                Slot(at, one.checks, one.failures, one.average_ms)
                for at, one in enumerate(sums)
                if one.checks
            ]


def test_without_services_nothing_is_known(store: Store, made: Made) -> None:
    with store.reading():
        assert queries.counts([], BEGIN, END) == {}
        assert queries.slots([], BEGIN // SLOT_MS, END // SLOT_MS) == {}


# --- what each part is read from ---------------------------------------------------------------


def delete_all(store: Store, table: type[CheckResult] | type[HalfHour], service_id: int) -> None:
    while store.write(retention.expire, Old(table, service_id, 2**62)):
        pass


def test_whole_half_hours_outlive_their_results_and_whole_days_their_half_hours(
    store: Store, ids: list[int], made: Made
) -> None:
    builders.merge(store)
    service = ids[0]
    half_hours = list(range(BEGIN, END + SLOT_MS, SLOT_MS))
    days = list(range(BEGIN, END + DAY_MS, DAY_MS))
    whole_day_within = [BEGIN + SLOT_MS, BEGIN + DAY_MS, BEGIN + 3 * DAY_MS]

    def told(edges: list[int]) -> list[Figures]:
        with store.reading():
            return queries.figures(service, edges)

    before = {name: told(edges) for name, edges in (("half", half_hours), ("day", days))}
    off = told([BEGIN + 1, END])

    delete_all(store, CheckResult, service)
    assert told(half_hours) == before["half"]
    assert told(days) == before["day"]
    with store.reading():
        count = queries.counts([service], BEGIN, END)[service]
    assert count.checks == queries.total(before["day"]).checks
    # Of the broken half hour at the beginning nothing is known any more, of all else it is.
    (left,) = told([BEGIN + 1, END])
    assert left == queries.total(before["half"][1:]) != off[0]

    delete_all(store, HalfHour, service)
    assert told(days) == before["day"]
    assert [each.checks for each in told(half_hours)] == [0] * (len(half_hours) - 1)
    first, second = told(whole_day_within)
    assert first == Figures()
    assert second == queries.total(before["day"][1:3])


def test_retention_of_results_leaves_figures_as_they_were(
    store: Store, ids: list[int], made: Made
) -> None:
    builders.merge(store)
    before = {one: builders.figures_of(store, one) for one in ids}
    with store.reading():
        slots = queries.slots(ids, BEGIN // SLOT_MS, END // SLOT_MS)
        old = retention.expired(BEGIN + 2 * DAY_MS, 0)
    assert [one.table for one in old] == [CheckResult] * 3

    for one in old:
        while store.write(retention.expire, one):
            pass

    assert {one: builders.figures_of(store, one) for one in ids} == before
    with store.reading():
        assert queries.slots(ids, BEGIN // SLOT_MS, END // SLOT_MS) == slots
        assert queries.result_count() == sum(each.checked_at >= BEGIN + 2 * DAY_MS for each in made)


# --- single results ----------------------------------------------------------------------------


@reads
@given(
    INSTANTS,
    INSTANTS,
    st.sampled_from([None, True, False]),
    st.sampled_from([None, 1, 2, 3]),
    st.integers(0, 30),
    st.integers(1, 200),
)
def test_a_page_of_results_is_cut_from_all_of_them_newest_first(
    store: Store, ids: list[int], made: Made,
    one: int, other: int, ok: bool | None, probe_id: int | None, offset: int, limit: int,
) -> None:  # fmt: skip
    start, end = sorted((one, other))
    wanted = Wanted(ids[1], start, end, ok, probe_id)

    with store.reading():
        count, page = queries.count_results(wanted), queries.results(wanted, offset, limit)

    expected = [
        each
        for each in sorted(made, key=lambda each: (-each.checked_at, -each.probe_id))
        if each.service_id == ids[1] and start <= each.checked_at < end
        and ok in (None, each.outcome.ok) and probe_id in (None, each.probe_id)
    ]  # fmt: skip
    assert count == len(expected)
    assert [
        (row.checked_at, row.probe_id, row.response_time_ms, row.error, row.message) for row in page
    ] == [
        (
            each.checked_at,
            each.probe_id,
            each.outcome.response_time_ms,
            each.outcome.error,
            None if each.outcome.ok else each.outcome.message,
        )
        for each in expected[offset : offset + limit]
    ]
    assert all(row.details == {"n": row.checked_at} for row in page if row.error)


# --- the details of the newest -----------------------------------------------------------------


def latest(store: Store, service_id: int) -> dict[str, Any]:
    with store.reading():
        return queries.latest_details(service_id)


@pytest.mark.parametrize("is_merged", [False, True])
def test_the_latest_details_are_those_of_the_newest_result_and_of_no_other(
    store: Store, ids: list[int], is_merged: bool
) -> None:
    service, other = ids[:2]
    told = []
    several: tuple[dict[str, Any], ...] = ({}, {"n": 1}, {"n": 2}, {}, {"n": 4})
    for at, details in enumerate(several):
        record(store, [finding(service, BEGIN + at * 1000, ok=at != 3, **details)])
        record(store, [finding(other, BEGIN + at * 1000 + 1, n=at)])
        if is_merged:
            builders.merge(store)
        told.append(latest(store, service))

    assert told == list(several)
    assert latest(store, ids[2]) == {}


def test_the_latest_details_outlive_their_result(store: Store, ids: list[int]) -> None:
    record(store, [finding(ids[0], BEGIN + n, n=n) for n in range(3)])
    builders.merge(store)

    while store.write(retention.expire, Old(CheckResult, ids[0], END)):
        pass

    assert builders.results_of(store, ids[0]) == []
    assert latest(store, ids[0]) == {"n": 2}
