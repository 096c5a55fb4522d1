"""Histograms of response times against the times they are made of."""

import random
from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uptimehunt.store import histogram
from uptimehunt.store.histogram import PARTS, middle_of, part_of

MILLISECONDS = st.integers(0, 2**40)
TIMES = st.lists(st.one_of(st.integers(0, 3000), MILLISECONDS), max_size=60)
SHARES = st.sampled_from([0.001, 0.5, 0.9, 0.95, 0.99, 1.0])


def nearest_rank(times: list[int], share: float) -> int:
    """The percentile as it is defined: the smallest time that enough do not exceed."""
    enough = Decimal(str(share)) * len(times)
    return next(ms for ms in sorted(times) if sum(one <= ms for one in times) >= enough)


@given(MILLISECONDS)
def test_a_time_is_known_to_within_a_sixty_fourth_of_it(ms: int) -> None:
    assert abs(middle_of(part_of(ms)) - ms) * 2 * PARTS <= ms


def test_below_64_ms_it_is_known_exactly() -> None:
    assert [middle_of(part_of(ms)) for ms in range(64)] == list(range(64))


@given(MILLISECONDS, MILLISECONDS)
def test_of_two_times_the_longer_lies_in_no_earlier_part(one: int, other: int) -> None:
    shorter, longer = sorted((one, other))

    assert part_of(shorter) <= part_of(longer)
    assert middle_of(part_of(shorter)) <= middle_of(part_of(longer))


def test_parts_follow_one_another_without_a_gap() -> None:
    parts = [part_of(ms) for ms in range(100_000)]

    assert set(parts) == set(range(parts[-1] + 1))
    assert parts == sorted(parts)
    assert all(part_of(middle_of(part)) == part for part in set(parts))


@given(TIMES)
def test_each_time_falls_into_one_part(times: list[int]) -> None:
    assert histogram.of(times) == Counter(part_of(ms) for ms in times)


@given(TIMES, TIMES)
def test_two_histograms_add_up_to_that_of_all_their_times(one: list[int], two: list[int]) -> None:
    both = histogram.of(one)
    second = histogram.of(two)

    histogram.add(both, second)

    assert both == histogram.of(one + two)
    assert second == histogram.of(two)


@given(TIMES)
def test_what_is_kept_reads_as_it_was(times: list[int]) -> None:
    made = histogram.of(times)

    assert histogram.decode(histogram.encode(made)) == made


@given(st.dictionaries(st.integers(0, 5000), st.integers(1, 2**40)))
def test_any_counts_and_distances_are_kept(made: dict[int, int]) -> None:
    read = histogram.decode(histogram.encode(made))

    assert read == made
    assert list(read) == sorted(made)


@given(TIMES.filter(bool), SHARES)
def test_a_percentile_is_off_by_a_sixty_fourth_at_the_most(times: list[int], share: float) -> None:
    exact = nearest_rank(times, share)

    found = histogram.percentile(histogram.of(times), share)

    assert found is not None
    assert abs(found - exact) * 2 * PARTS <= exact


@given(st.lists(st.integers(0, 63), min_size=1), SHARES)
def test_a_percentile_of_short_times_is_the_smallest_that_enough_do_not_exceed(
    times: list[int], share: float
) -> None:
    found = histogram.percentile(histogram.of(times), share)

    assert found in times
    enough = Decimal(str(share)) * len(times)
    assert sum(ms <= found for ms in times) >= enough
    assert sum(ms < found for ms in times) < enough


def test_percentiles_of_a_hundred_are_those_numbers() -> None:
    shares = (0.01, 0.5, 0.95, 0.99, 1.0)
    hundred, sixty = histogram.of(range(1, 101)), histogram.of(range(1, 61))

    # From 64 on, two share a part; the lower one stands for it.
    assert [histogram.percentile(hundred, share) for share in shares] == [1, 50, 94, 98, 100]
    assert [histogram.percentile(sixty, share) for share in shares] == [1, 30, 57, 60, 60]
    assert histogram.percentile(histogram.of([7]), 0.99) == 7


def test_without_times_there_is_no_percentile() -> None:
    assert histogram.percentile({}, 0.5) is None
    assert histogram.encode({}) == b""
    assert histogram.decode(b"") == {}


@pytest.mark.parametrize(
    ("median_ms", "checks", "most_bytes"),
    [(20, 30, 40), (200, 30, 50), (200, 1440, 160), (2000, 1440, 170), (200, 8640, 230)],
)
def test_a_histogram_of_usual_times_is_small(median_ms: int, checks: int, most_bytes: int) -> None:
    dice = random.Random(1)
    times = [round(dice.lognormvariate(0, 0.3) * median_ms) for _ in range(checks)]

    assert len(histogram.encode(histogram.of(times))) <= most_bytes
