"""The promise about the disk, in figures that can be worked out by hand and in laws that hold."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uptimehunt.domain import disk_forecast as disk
from uptimehunt.domain.disk_forecast import Bound, Held, Kind, Load, Step, forecast, what_to_shed

MB = 10**6

# 100 services a minute, as everything is kept by default; one in a hundred checks fails.
HUNDRED = Load(144_000, 100, 0.01, 30, 365)

loads = st.builds(
    Load,
    checks_a_day=st.floats(0, 1e8),
    pairs=st.integers(0, 20_000),
    failure_share=st.floats(0, 1),
    results_days=st.integers(1, 3650),
    half_hour_days=st.integers(1, 3650),
)
sizes = st.integers(0, 10**13)


# --- forecast ----------------------------------------------------------------------------------


def test_a_hundred_services_come_to_what_can_be_worked_out_by_hand() -> None:
    results = 144_000 * (23 + 0.01 * 200)
    half_hours = 100 * 48 * 58
    days = 100 * 150

    found = forecast(HUNDRED, 0, None, 10**12)

    assert found.in_30_days == 30 * (results + half_hours + days)
    assert found.in_365_days == 30 * results + 365 * (half_hours + days)
    assert found.steady_bytes == found.in_365_days
    assert found.lasting_bytes_a_day == days
    assert (found.full_in_days, found.bound) == (None, None)


def test_it_goes_on_from_where_it_stands() -> None:
    after_ten = round(HUNDRED.bytes_after(10))

    found = forecast(HUNDRED, after_ten, None, 10**12)

    assert found.in_30_days == pytest.approx(HUNDRED.bytes_after(40), abs=2)
    assert HUNDRED.days_behind(after_ten) == pytest.approx(10)


@pytest.mark.parametrize(
    ("limit", "free", "bound"),
    [
        (100 * MB, 10**12, Bound.LIMIT),
        (None, 100 * MB, Bound.VOLUME),
        (200 * MB, 100 * MB, Bound.VOLUME),
        (100 * MB, 200 * MB, Bound.LIMIT),
    ],
)
def test_the_nearer_of_limit_and_volume_is_told_with_its_day(
    limit: int | None, free: int, bound: Bound
) -> None:
    found = forecast(HUNDRED, 0, limit, free)

    assert found.bound is bound
    assert found.full_in_days is not None
    assert HUNDRED.bytes_after(found.full_in_days) >= 100 * MB
    assert HUNDRED.bytes_after(found.full_in_days - 1) < 100 * MB


def test_a_limit_that_is_reached_already_is_full_today() -> None:
    assert forecast(HUNDRED, 60 * MB, 50 * MB, 10**12).full_in_days == 0
    assert forecast(HUNDRED, 60 * MB, None, 0).full_in_days == 0


def test_where_nothing_is_watched_nothing_grows() -> None:
    nothing = Load(0, 0, 0, 30, 365)

    found = forecast(nothing, 5 * MB, 50 * MB, 10**9)

    assert found.in_365_days == found.steady_bytes == 5 * MB
    assert found.full_in_days is None


@given(loads, sizes, st.none() | sizes, sizes)
def test_history_never_shrinks_by_itself_and_ends_where_it_is_said_to(
    load: Load, now: int, limit: int | None, free: int
) -> None:
    found = forecast(load, now, limit, free)

    assert now <= found.in_30_days <= found.in_365_days
    assert now <= found.steady_bytes
    assert (found.full_in_days is None) == (found.bound is None)


@given(loads, sizes, st.integers(1, 10**9))
def test_more_of_anything_is_never_less_on_the_disk(load: Load, now: int, more: int) -> None:
    larger = (
        replace(load, checks_a_day=load.checks_a_day + more),
        replace(load, pairs=load.pairs + more),
        replace(load, results_days=load.results_days + more),
        replace(load, half_hour_days=load.half_hour_days + more),
    )

    for other in larger:
        for days in (1, 30, 365, 3650):
            assert other.bytes_after(days) >= load.bytes_after(days)


@given(loads, sizes, sizes, sizes)
def test_more_room_is_never_full_earlier(load: Load, now: int, free: int, more: int) -> None:
    day = forecast(load, now, None, free).full_in_days
    later = forecast(load, now, None, free + more).full_in_days

    assert later is None or (day is not None and day <= later)


@given(loads, st.floats(0, 4000))
def test_the_place_on_the_curve_is_found_again(load: Load, days: float) -> None:
    size = load.bytes_after(days)

    assert load.bytes_after(load.days_behind(size)) == pytest.approx(size, rel=1e-6, abs=1e-6)


# --- what goes first ---------------------------------------------------------------------------

TODAY = 20_000
ALL = Held(TODAY, successes=TODAY - 29, failures=TODAY - 29, half_hours=TODAY - 364)
LIMIT = 100 * MB


def test_below_the_limit_nothing_goes() -> None:
    assert what_to_shed(95 * MB, LIMIT, ALL) is None
    assert what_to_shed(10**15, None, ALL) is None


def test_successes_go_first_day_by_day_then_failures_then_half_hours_week_by_week() -> None:
    steps = list(shed(ALL))

    assert steps[0] == Step(Kind.SUCCESSES, TODAY - 28)
    assert [step.kind for step in steps] == (
        [Kind.SUCCESSES] * 28 + [Kind.FAILURES] * 23 + [Kind.HALF_HOURS] * 48
    )
    lasts = {step.kind: step.before for step in steps}
    assert lasts == {
        Kind.SUCCESSES: TODAY - 1,
        Kind.FAILURES: TODAY - 6,
        Kind.HALF_HOURS: TODAY - 34,
    }


def shed(held: Held, size: int = 101 * MB, limit: int = LIMIT) -> "list[Step]":
    """Every step until nothing may go any more, taken; none of them is of any use."""
    steps = []
    while step := what_to_shed(size, limit, held):
        steps.append(step)
        held = taken(held, step)
        assert len(steps) < 100_000
    return steps


def taken(held: Held, step: Step) -> Held:
    return {
        Kind.SUCCESSES: replace(held, successes=step.before),
        Kind.FAILURES: replace(held, failures=step.before),
        Kind.HALF_HOURS: replace(held, half_hours=step.before),
    }[step.kind]


days = st.none() | st.integers(TODAY - 500, TODAY)
helds = st.builds(Held, st.just(TODAY), days, days, days)


@given(helds, sizes, sizes)
def test_what_is_promised_stays_however_small_the_limit_is(
    held: Held, size: int, limit: int
) -> None:
    promised = {
        Kind.SUCCESSES: disk.KEPT_SUCCESSES_DAYS,
        Kind.FAILURES: disk.KEPT_FAILURES_DAYS,
        Kind.HALF_HOURS: disk.KEPT_HALF_HOURS_DAYS,
    }

    steps = shed(held, size, limit)

    for step in steps:
        assert step.before <= TODAY - promised[step.kind] + 1
    order = [list(Kind).index(step.kind) for step in steps]
    assert order == sorted(order)


@given(helds, sizes, sizes)
def test_each_step_takes_something_and_little_at_a_time(held: Held, size: int, limit: int) -> None:
    step = what_to_shed(size, limit, held)

    if step is not None:
        oldest = getattr(held, step.kind.value)
        assert oldest < step.before <= oldest + (7 if step.kind is Kind.HALF_HOURS else 1)


@given(helds, sizes, sizes, sizes)
def test_a_larger_limit_never_takes_what_a_smaller_one_leaves(
    held: Held, size: int, limit: int, more: int
) -> None:
    if what_to_shed(size, limit, held) is None:
        assert what_to_shed(size, limit + more, held) is None
