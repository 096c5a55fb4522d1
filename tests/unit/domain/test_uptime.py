"""Periods, uptime and outages: arithmetic against sums done another way."""

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uptimehunt import clock
from uptimehunt.clock import DAY_MS
from uptimehunt.domain.uptime import (
    MOST_POINTS,
    Outages,
    Period,
    named_period,
    outages,
    percentage,
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


@pytest.mark.parametrize(
    ("incidents", "expected"),
    [
        ([], Outages(0, None)),
        ([(110_000, 130_000)], Outages(1, 20)),
        ([(110_000, 120_000), (150_000, 180_000)], Outages(2, 20)),
        ([(90_000, 110_000)], Outages(1, 20)),
        ([(190_000, None)], Outages(1, None)),
        ([(190_000, 250_000)], Outages(1, 60)),
        ([(0, None)], Outages(1, None)),
        ([(0, None), (110_000, 130_000)], Outages(2, 20)),
        ([(110_000, 110_500)], Outages(1, 0)),
    ],
)
def test_outages_are_counted_and_those_that_are_over_have_a_mean_length(
    incidents: list[tuple[int, int | None]], expected: Outages
) -> None:
    assert outages(incidents) == expected


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
