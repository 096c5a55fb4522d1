"""The ledger: the rules by which it is written over, and what it says of histories."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import builders
from tests.builders import HOUR_MS, T0, finding, record
from tests.wall_clock import WallClock, wall_clock
from uptimehunt.clock import DAY_MS
from uptimehunt.domain import ledger, results, services
from uptimehunt.domain.ledger import (
    DEGRADED,
    DOWN,
    MAINTENANCE,
    PAUSED,
    UNKNOWN,
    UP,
    Heard,
    Row,
    clipped,
    coverage,
    relabelled,
    totals,
    totals_between,
)
from uptimehunt.store.database import Store
from uptimehunt.store.models import LOCAL_PROBE, Service, Span, User

S = 1000
MINUTE = 60 * S
YEAR = 365 * DAY_MS
SEEN = {UP, DEGRADED, DOWN}


# --- writing over ------------------------------------------------------------------------------

CASES: dict[str, tuple[list[Row], int, int, int, list[Row]]] = {
    "the first of all": ([], 5, 9, UP, [(9, UP)]),
    "from now on": ([(0, UP)], 9, 9, DOWN, [(0, UP), (9, DOWN)]),
    "dated back": ([(0, UP)], 5, 9, DOWN, [(0, UP), (5, DOWN)]),
    "dated back over several": (
        [(0, UP), (4, DEGRADED), (6, UP)], 5, 9, DOWN, [(0, UP), (4, DEGRADED), (5, DOWN)],
    ),
    "dated back to a beginning": ([(0, UP), (5, DEGRADED)], 5, 9, DOWN, [(0, UP), (5, DOWN)]),
    "dated back beyond the beginning": ([(5, UP)], 2, 9, DOWN, [(5, DOWN)]),
    "not over what nobody saw": (
        [(0, UP), (4, UNKNOWN), (6, UP)], 2, 9, DOWN,
        [(0, UP), (2, DOWN), (4, UNKNOWN), (6, DOWN)],
    ),
    "not over a pause": (
        [(0, UP), (4, PAUSED), (6, UNKNOWN)], 2, 9, DOWN,
        [(0, UP), (2, DOWN), (4, PAUSED), (6, UNKNOWN), (9, DOWN)],
    ),
    "not over maintenance": (
        [(0, MAINTENANCE), (6, UP)], 2, 9, DOWN, [(0, MAINTENANCE), (6, DOWN)],
    ),
    "the same again": ([(0, UP)], 5, 9, UP, [(0, UP)]),
    "what is ahead is dropped": ([(0, UP), (20, DOWN), (30, UP)], 9, 9, UP, [(0, UP)]),
    "all of it is ahead": ([(20, DOWN), (30, UP)], 9, 9, UP, [(9, UP)]),
    "at this very instant": ([(0, UP), (9, DOWN)], 9, 9, UP, [(0, UP)]),
}  # fmt: skip


@pytest.mark.parametrize(("rows", "since", "now", "kind", "wanted"), CASES.values(), ids=CASES)
def test_what_is_written_over(
    rows: list[Row], since: int, now: int, kind: int, wanted: list[Row]
) -> None:
    assert relabelled(rows, since, now, kind) == wanted


KINDS = st.sampled_from([UNKNOWN, UP, DEGRADED, DOWN, MAINTENANCE, PAUSED])


@st.composite
def ledgers(draw: st.DrawFn) -> list[Row]:
    """Rows as they are stored: ascending, and no two neighbours of one kind."""
    times = sorted(draw(st.sets(st.integers(0, 40), max_size=12)))
    kinds = draw(st.lists(KINDS, min_size=len(times), max_size=len(times)))
    rows = list(zip(times, kinds, strict=True))
    return [row for at, row in enumerate(rows) if at == 0 or rows[at - 1][1] != row[1]]


def kind_at(rows: list[Row], instant: int) -> int | None:
    return next((kind for at, kind in reversed(rows) if at <= instant), None)


@given(ledgers(), st.integers(0, 40), st.integers(0, 40), KINDS)
def test_each_instant_of_what_is_written_over(rows: list[Row], a: int, b: int, kind: int) -> None:
    since, now = sorted((a, b))

    after = relabelled(rows, since, now, kind)

    for instant in range(50):
        before = kind_at(rows, instant)
        is_changed = instant >= now or (instant >= since and before in SEEN)
        assert kind_at(after, instant) == (kind if is_changed else before)
    assert all(one[0] < other[0] for one, other in itertools.pairwise(after))
    assert all(one[1] != other[1] for one, other in itertools.pairwise(after))
    assert relabelled(after, since, now, kind) == after


@given(ledgers(), st.lists(st.integers(0, 50), min_size=2, max_size=8))
def test_each_instant_is_counted_once_between_edges(rows: list[Row], edges: list[int]) -> None:
    edges.sort()
    stretches = clipped(rows, edges[0], edges[-1])

    sums = totals_between(stretches, edges)

    for (start, end), found in zip(itertools.pairwise(edges), sums, strict=True):
        kinds = [kind_at(rows, instant) for instant in range(start, end)]
        assert found == [kinds.count(kind) for kind in range(6)]
    assert [sum(column) for column in zip(*sums, strict=True)] == totals(stretches)


def test_coverage_leaves_out_what_was_not_to_be_watched() -> None:
    assert coverage([10, 60, 20, 10, 500, 900]) == 90
    assert coverage([0, 0, 0, 0, 1, 1]) is None
    assert coverage([2, 1, 0, 0, 0, 0]) == 33.33


@pytest.mark.parametrize(
    ("heard", "now", "silent_from"),
    [
        (Heard(0, 50, 60, -9), 150_050, None),
        (Heard(0, 50, 60, -9), 150_051, 60_000),
        (Heard(0, 90_000, 5, -9), 130_000, None),
        (Heard(0, None, 60, -9), 270_000, None),
        (Heard(0, None, 60, -9), 270_001, 60_000),
        (Heard(0, 50, 60, 70_000), 220_050, None),
        (Heard(0, 50, 60, 70_000), 220_051, 130_000),
        (Heard(0, 50, 60, YEAR), 150_051, 60_000),
        (Heard(YEAR, 50, 60, -9), 150_051, None),
    ],
    ids=[
        "may still come", "missing", "the check took its time", "a failure takes time", "long gone",
        "edited since", "edited and missing", "edited in a future that was none",
        "checked in a future that was none",
    ],
)  # fmt: skip
def test_how_long_a_check_vouches(heard: Heard, now: int, silent_from: int | None) -> None:
    assert heard.silent_from(now) == silent_from


# --- histories ---------------------------------------------------------------------------------


@pytest.fixture
def wall() -> Iterator[WallClock]:
    """What the program takes for now: at first, the instant at which services are made."""
    with wall_clock(T0) as clock:
        yield clock


@pytest.fixture
def service(wall: WallClock, store: Store, alice: User) -> int:
    """Checked every minute; down after its second failure."""
    return builders.add_service(store, alice, interval_seconds=60)


Story = list[tuple[str, int]]


def story(store: Store, service: int, now: int, start: int = 0, end: int = 10 * YEAR) -> Story:
    """(name of what it was, second from T0 on which that began), as it is told at an instant."""
    with store.reading():
        stretches = ledger.spans(service, T0 + start, T0 + end, T0 + now)
    for one, other in itertools.pairwise(stretches):
        assert one.end == other.start
    return [(ledger.NAMES[one.kind], (one.start - T0) // S) for one in stretches]


def check(store: Store, service: int, *seconds: int, **fields: Any) -> None:
    for at in seconds:
        record(store, [finding(service, T0 + at * S, **fields)])


def change(store: Store, user: User, service: int, **sent: Any) -> None:
    store.write(services.change, user, service, sent)


def stored(store: Store, service: int) -> list[Row]:
    with store.reading():
        rows = Span.select().where(Span.service == service).order_by(Span.started_at)
        return [((row.started_at - T0) // S, row.kind) for row in rows]


def test_an_outage_is_dated_back_to_its_first_failure(store: Store, service: int) -> None:
    check(store, service, 10, 70)
    check(store, service, 130, 150, ok=False)
    check(store, service, 190)

    assert story(store, service, 200 * S) == [
        ("unknown", 0), ("up", 10), ("down", 130), ("up", 190),
    ]  # fmt: skip


def test_but_not_over_a_time_that_nobody_saw(store: Store, service: int) -> None:
    check(store, service, 10)
    check(store, service, 70, ok=False)
    check(store, service, 2000, ok=False)

    assert story(store, service, 2001 * S) == [
        ("unknown", 0), ("up", 10), ("down", 70), ("unknown", 130), ("down", 2000),
    ]  # fmt: skip


def test_a_first_failure_after_a_gap_is_no_outage_yet(store: Store, service: int) -> None:
    check(store, service, 10, 2010)
    check(store, service, 2070, ok=False)

    assert story(store, service, 2080 * S) == [
        ("unknown", 0), ("up", 10), ("unknown", 70), ("up", 2010),
    ]  # fmt: skip


def test_a_restart_shorter_than_the_patience_leaves_no_trace(store: Store, service: int) -> None:
    check(store, service, 10, 159)

    assert story(store, service, 160 * S) == [("unknown", 0), ("up", 10)]


def test_slow_checks_and_retries_make_no_gap(store: Store, wall: WallClock, alice: User) -> None:
    quick = builders.add_service(store, alice, interval_seconds=5, retries=5)
    check(store, quick, 10, took=100_000)
    check(store, quick, 115, 225, 335, ok=False)
    check(store, quick, 445, took=50)

    assert story(store, quick, 450 * S) == [("unknown", 0), ("up", 10)]


def test_without_results_its_end_is_unknown(store: Store, service: int) -> None:
    check(store, service, 10)

    assert story(store, service, 160 * S) == [("unknown", 0), ("up", 10)]
    told = [("unknown", 0), ("up", 10), ("unknown", 70)]
    assert story(store, service, 161 * S) == told
    assert story(store, service, YEAR) == told
    assert story(store, service, YEAR, 0, 70 * S) == told[:2]
    assert story(store, service, YEAR, 100 * S, 200 * S) == [("unknown", 100)]
    check(store, service, 500)
    assert story(store, service, 500 * S) == told
    assert story(store, service, 501 * S) == [*told, ("up", 500)]


def test_before_its_first_second_there_is_nothing(store: Store, service: int) -> None:
    assert story(store, service, 20 * S, -HOUR_MS, 0) == []
    assert story(store, service, 20 * S, -HOUR_MS) == [("unknown", 0)]
    assert story(store, service, 20 * S, 30 * S) == []


def test_pause_and_resume(store: Store, service: int, wall: WallClock, alice: User) -> None:
    check(store, service, 10, 70)
    wall.now = T0 + 100 * S
    change(store, alice, service, enabled=False)
    wall.now = T0 + 100 * S + HOUR_MS
    change(store, alice, service, enabled=True)
    record(store, [finding(service, T0 + 3705 * S, revision=3)])

    told = [("unknown", 0), ("up", 10), ("paused", 100), ("unknown", 3700), ("up", 3705)]
    assert story(store, service, 3710 * S) == told
    assert story(store, service, YEAR, 0, 100 * S) == told[:2]


def test_a_service_that_is_paused_while_down(
    store: Store, service: int, wall: WallClock, alice: User
) -> None:
    check(store, service, 10)
    check(store, service, 70, 90, ok=False)
    wall.now = T0 + 100 * S
    change(store, alice, service, enabled=False)
    wall.now = T0 + 200 * S
    change(store, alice, service, enabled=True)
    record(store, [finding(service, T0 + at * S, False, revision=3) for at in (205, 225)])

    assert story(store, service, 230 * S) == [
        ("unknown", 0), ("up", 10), ("down", 70), ("paused", 100), ("unknown", 200), ("down", 225),
    ]  # fmt: skip


def test_a_pause_does_not_hide_that_nobody_looked(
    store: Store, service: int, wall: WallClock, alice: User
) -> None:
    check(store, service, 10)
    wall.now = T0 + HOUR_MS
    change(store, alice, service, enabled=False)

    assert story(store, service, 2 * HOUR_MS) == [
        ("unknown", 0), ("up", 10), ("unknown", 70), ("paused", 3600),
    ]  # fmt: skip


def test_what_is_edited_while_it_is_down_stays_down(
    store: Store, service: int, wall: WallClock, alice: User
) -> None:
    check(store, service, 10, 30, ok=False)
    wall.now = T0 + 40 * S
    change(store, alice, service, name="Shop")
    record(store, [finding(service, T0 + 100 * S, False, revision=2)])

    assert story(store, service, 110 * S) == [("unknown", 0), ("down", 30)]
    assert builders.state_of(store, service).status == "down"


def test_a_shorter_interval_makes_no_past_unknown(
    store: Store, wall: WallClock, alice: User
) -> None:
    daily = builders.add_service(store, alice, interval_seconds=86_400)
    check(store, daily, 10)
    wall.now = T0 + 10 * HOUR_MS
    change(store, alice, daily, interval_seconds=60)

    assert story(store, daily, 10 * HOUR_MS + 60 * S) == [("unknown", 0), ("up", 10)]
    silent = [("unknown", 0), ("up", 10), ("unknown", 36_060)]
    assert story(store, daily, 11 * HOUR_MS) == silent
    record(store, [finding(daily, T0 + 36_030 * S, revision=2)])
    assert story(store, daily, 10 * HOUR_MS + 40 * S) == silent[:2]


def test_a_longer_interval_hides_no_gap(
    store: Store, service: int, wall: WallClock, alice: User
) -> None:
    check(store, service, 10)
    wall.now = T0 + 10 * HOUR_MS
    change(store, alice, service, interval_seconds=86_400)
    record(store, [finding(service, T0 + 36_010 * S, revision=2)])

    assert story(store, service, 20 * HOUR_MS) == [
        ("unknown", 0), ("up", 10), ("unknown", 70), ("up", 36_010),
    ]  # fmt: skip


@pytest.mark.parametrize("ahead", [90 * S, HOUR_MS, 10 * YEAR], ids=["90 s", "an hour", "10 y"])
def test_a_clock_that_was_set_ahead_and_back(store: Store, service: int, ahead: int) -> None:
    check(store, service, 10, 70)
    check(store, service, 80 + ahead // S, 140 + ahead // S)
    check(store, service, 150)
    check(store, service, 210, 230, ok=False)

    after = [("up", 150)] if ahead > HOUR_MS // 2 else []
    gap = [("unknown", 130)] if after else []
    assert story(store, service, 240 * S) == [
        ("unknown", 0), ("up", 10), *gap, *after, ("down", 210),
    ]  # fmt: skip


def test_a_clock_that_was_set_back_before_all_that_was(store: Store, service: int) -> None:
    check(store, service, 10, 70)
    check(store, service, -YEAR // S, -YEAR // S + 60)

    assert story(store, service, -YEAR + 90 * S, -2 * YEAR) == [("up", -YEAR // S)]
    assert stored(store, service) == [(-YEAR // S, UP)]


def test_a_service_that_comes_and_goes_is_degraded(store: Store, service: int) -> None:
    for at in range(10, 1200, 60):
        check(store, service, at, at + 20, ok=at // 60 % 2 == 0)

    told = story(store, service, 1200 * S)
    assert told[:5] == [
        ("unknown", 0), ("up", 10), ("down", 70), ("up", 130), ("degraded", 190),
    ]  # fmt: skip
    assert len(told) == 5


def test_many_transitions_keep_the_ledger_in_order(store: Store, wall: WallClock) -> None:
    user = builders.add_user(store)
    quick = builders.add_service(store, user, interval_seconds=60, retries=0)
    for at in range(10, 100_000, 1200):
        check(store, quick, at, ok=at // 1200 % 2 == 0)

    rows = stored(store, quick)
    assert [kind for _, kind in rows[:4]] == [UNKNOWN, UP, UNKNOWN, DOWN]
    assert all(one[1] != other[1] for one, other in itertools.pairwise(rows))


# --- several probes ----------------------------------------------------------------------------


@pytest.fixture
def shared(wall: WallClock, store: Store, alice: User) -> tuple[int, int]:
    """A service that this server and a remote probe check, and that probe."""
    probe, _ = builders.add_probe(store)
    service = builders.add_service(
        store, alice, interval_seconds=60, retries=0, probe_ids=[LOCAL_PROBE, probe],
        confirm_from="majority",
    )  # fmt: skip
    return service, probe


def test_one_of_several_probes_is_enough_to_know(store: Store, shared: tuple[int, int]) -> None:
    service, probe = shared
    check(store, service, 10, 70)
    check(store, service, *range(100, 1000, 60), probe=probe)
    check(store, service, 970)

    assert story(store, service, 1000 * S) == [("unknown", 0), ("up", 10)]
    assert story(store, service, 2000 * S)[2:] == [("unknown", 1030)]


def test_both_of_two_make_an_outage(store: Store, shared: tuple[int, int]) -> None:
    service, probe = shared
    check(store, service, 10)
    check(store, service, 20, probe=probe)
    check(store, service, 70, ok=False)
    check(store, service, 80, ok=False, probe=probe)
    check(store, service, 130)

    assert story(store, service, 140 * S) == [
        ("unknown", 0), ("up", 10), ("down", 70), ("degraded", 130),
    ]  # fmt: skip


def test_a_probe_that_catches_up_rewrites_nothing(store: Store, shared: tuple[int, int]) -> None:
    service, probe = shared
    check(store, service, 10)
    check(store, service, 20, probe=probe)
    check(store, service, *range(70, 3670, 60))
    check(store, service, 3610, ok=False)
    before = story(store, service, 3620 * S)
    assert before[:2] == [("unknown", 0), ("up", 10)]

    for late in range(80, 3000, 60):
        check(store, service, late, ok=False, probe=probe)
        if late % 600 == 80:
            check(store, service, 3610 + late // 600)

    now = 3630
    assert story(store, service, now * S)[:2] == before[:2]
    assert ("unknown", now) not in story(store, service, now * S)[1:]
    assert {name for name, _ in story(store, service, now * S)[1:]} <= {"up", "down"}
    check(store, service, 3640, ok=False, probe=probe)
    assert story(store, service, 3650 * S)[-1] == ("degraded", 3640)


def test_a_clock_that_was_set_back_with_several_probes(
    store: Store, shared: tuple[int, int]
) -> None:
    service, probe = shared
    check(store, service, 10)
    check(store, service, 20, probe=probe)
    check(store, service, 70 + YEAR // S)
    check(store, service, 130)

    assert story(store, service, 140 * S) == [
        ("unknown", 0), ("up", 10), ("unknown", 80), ("up", 130),
    ]  # fmt: skip


# --- what reports by itself --------------------------------------------------------------------

MakePassive = Callable[..., int]


@pytest.fixture
def passive(wall: WallClock, store: Store, alice: User) -> MakePassive:
    """Makes a heartbeat or a group."""

    def make(kind: str) -> int:
        if kind == "group":
            member = builders.add_service(store, alice)
            return builders.add_service(store, alice, type=kind, config={"service_ids": [member]})
        config = {"period_seconds": 3600}
        return builders.add_service(store, alice, type=kind, config=config)

    return make


def awake(store: Store, *seconds: int) -> None:
    for at in seconds:
        store.write(ledger.note_awake, T0 + at * S)


@pytest.mark.parametrize("kind", ["heartbeat", "group"])
def test_what_reports_by_itself_may_be_silent(
    store: Store, passive: MakePassive, kind: str
) -> None:
    service = passive(kind)
    awake(store, *range(0, 7200, 60))
    check(store, service, 100, 7000)

    assert story(store, service, YEAR) == [("unknown", 0), ("up", 100)]


@pytest.mark.parametrize("kind", ["heartbeat", "group"])
@pytest.mark.parametrize("ok", [True, False])
def test_while_the_program_was_off_it_was_not_heard(
    store: Store, passive: MakePassive, kind: str, ok: bool
) -> None:
    service = passive(kind)
    awake(store, 60, 120)
    check(store, service, 121, ok=ok)
    awake(store, 180, 360)  # A restart of three minutes is none.
    awake(store, 5000, 5060)

    name = "up" if ok else "down"
    assert story(store, service, 6000 * S) == [
        ("unknown", 0), (name, 121), ("unknown", 360), (name, 5000),
    ]  # fmt: skip


def test_what_was_heard_after_the_last_note_is_in_doubt(store: Store, passive: MakePassive) -> None:
    service = passive("heartbeat")
    awake(store, 60)
    check(store, service, 100)
    awake(store, 120)
    check(store, service, 150, ok=False)
    awake(store, 5000)

    assert story(store, service, 5001 * S) == [
        ("unknown", 0), ("up", 100), ("unknown", 120), ("down", 5000),
    ]  # fmt: skip


def test_a_pause_stays_one_while_the_program_is_off(
    store: Store, passive: MakePassive, wall: WallClock, alice: User
) -> None:
    service = passive("heartbeat")
    awake(store, 60)
    check(store, service, 100)
    wall.now = T0 + 110 * S
    change(store, alice, service, enabled=False)
    awake(store, 120, 9000)

    assert story(store, service, 9000 * S) == [("unknown", 0), ("up", 100), ("paused", 110)]


@pytest.mark.parametrize("kind", ["heartbeat", "group"])
def test_its_clock_may_be_set_ahead_and_back(store: Store, passive: MakePassive, kind: str) -> None:
    service = passive(kind)
    awake(store, 60)
    check(store, service, 100)
    awake(store, 120, 120 + 10 * YEAR // S, 240, 300)

    assert story(store, service, 310 * S) == [
        ("unknown", 0), ("up", 100), ("unknown", 120), ("up", 240),
    ]  # fmt: skip


# --- its ends ----------------------------------------------------------------------------------


def test_a_period_far_back_has_its_own_spans(store: Store, service: int) -> None:
    check(store, service, *range(10, 400, 60))
    rows = [
        {"service": service, "started_at": T0 + at * MINUTE, "kind": (UP, DOWN)[at % 2]}
        for at in range(8, 1000)
    ]
    store.write(lambda: Span.insert_many(rows).execute())
    store.write(results.see, {service: results.Seen(T0 + 998 * MINUTE, 10)})

    assert story(store, service, 999 * MINUTE, 481 * S, 541 * S) == [("up", 481), ("down", 540)]
    assert story(store, service, 999 * MINUTE, 30 * S, 70 * S) == [("up", 30)]


def test_a_service_that_is_deleted_takes_its_ledger_along(
    store: Store, service: int, alice: User
) -> None:
    check(store, service, 10)
    store.write(services.delete, alice, service)

    assert stored(store, service) == []
    with store.reading():
        assert not Service.select().exists()
