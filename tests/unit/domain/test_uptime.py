"""Periods, uptime and outages: arithmetic against sums done another way."""

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uptimehunt import clock
from uptimehunt.domain.uptime import (
    DAY_MS,
    MOST_POINTS,
    Outages,
    Period,
    named_period,
    outages,
    percentage,
    percentile,
)


@pytest.mark.parametrize(
    ("successful", "total", "expected"),
    [
        (8636, 8640, 99.95), (0, 0, None), (0, 5, 0.0), (5, 5, 100.0), (1, 3, 33.33),
        (2, 3, 66.67), (99_999, 100_000, 100.0), (1, 20_000, 0.01), (1, 40_000, 0.0),
    ],
)  # fmt: skip
def test_uptime_is_the_share_of_successes(
    successful: int, total: int, expected: float | None
) -> None:
    assert percentage(successful, total) == expected


@given(st.integers(1, 10**7), st.data())
def test_uptime_is_rounded_half_up_to_two_places(total: int, data: st.DataObject) -> None:
    successful = data.draw(st.integers(0, total))

    exact = Decimal(successful) * 100 / Decimal(total)

    rounded = exact.quantize(Decimal("0.01"), ROUND_HALF_UP)
    assert percentage(successful, total) == float(rounded)


PERIOD = Period("custom", 100_000, 200_000)


@pytest.mark.parametrize(
    ("incidents", "expected"),
    [
        ([], Outages(0, 0, None, None)),
        ([(110_000, 130_000)], Outages(20, 1, 20, 80)),
        ([(110_000, 120_000), (150_000, 180_000)], Outages(40, 2, 20, 30)),
        ([(90_000, 110_000)], Outages(10, 1, 20, 90)),
        ([(190_000, None)], Outages(10, 1, None, 90)),
        ([(190_000, 250_000)], Outages(10, 1, 60, 90)),
        ([(0, None)], Outages(100, 1, None, 0)),
        ([(110_000, 110_500)], Outages(0, 1, 0, 99)),
    ],
)
def test_outages_count_as_far_as_they_lie_in_the_period(
    incidents: list[tuple[int, int | None]], expected: Outages
) -> None:
    assert outages(incidents, PERIOD) == expected


@given(st.lists(st.integers(-(10**6), 10**6)), st.sampled_from([0.5, 0.9, 0.95, 0.99, 1.0]))
def test_a_percentile_is_the_smallest_that_enough_do_not_exceed(
    numbers: list[int], share: float
) -> None:
    ascending = sorted(numbers)

    found = percentile(ascending, share)

    if not ascending:
        assert found is None
        return
    assert found in ascending
    enough = Decimal(str(share)) * len(ascending)
    assert sum(number <= found for number in ascending) >= enough
    assert sum(number < found for number in ascending) < enough


def test_percentiles_of_a_hundred_are_those_numbers() -> None:
    numbers = list(range(1, 101))

    assert [percentile(numbers, share) for share in (0.5, 0.95, 0.99)] == [50, 95, 99]
    assert percentile([7], 0.99) == 7


@given(st.integers(1, 5 * 366 * 86_400), st.integers(0, 10**6))
def test_a_series_has_few_points_and_no_shorter_step_would_do(seconds: int, start: int) -> None:
    period = Period("custom", start * 1000, (start + seconds) * 1000)

    step = period.bucket_seconds()

    assert -(-seconds // step) <= MOST_POINTS
    assert step >= 60


def test_a_named_period_ends_now() -> None:
    assert named_period("7d", 10 * DAY_MS) == Period("7d", 3 * DAY_MS, 10 * DAY_MS)
    assert named_period("24h", DAY_MS).seconds == 86_400


@given(st.integers(0, 4_102_444_800_000))
def test_an_instant_survives_being_written_and_read(instant_ms: int) -> None:
    assert clock.parse_iso(clock.iso_millis(instant_ms)) == instant_ms
    assert clock.parse_iso(clock.iso_seconds(instant_ms)) == instant_ms // 1000 * 1000
