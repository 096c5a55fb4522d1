"""When each service is due, on a clock that is only a number."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uptimehunt.engine.timetable import Timetable

NOW = 10_000.0


def filled(count: int, interval_s: float = 60.0) -> Timetable:
    """Services 1 to `count`, each to come at its own turn."""
    table = Timetable()
    for service_id in range(1, count + 1):
        table.put(service_id, interval_s, NOW, at_once=False)
    return table


def run(table: Timetable, start: float, end: float, step: float = 0.05) -> list[tuple[float, int]]:
    """(when, service) of all that came due while the clock went from start to end."""
    found = []
    pulses = int((end - start) / step)
    for number in range(1, pulses + 1):
        now = start + number * step
        found += [(now, service_id) for service_id, _ in table.pop_due(now)]
    return found


@pytest.mark.parametrize("count", [10, 100, 1000])
def test_many_services_are_spread_evenly_over_their_interval(count: int) -> None:
    found = run(filled(count), NOW, NOW + 60)

    assert sorted(service_id for _, service_id in found) == list(range(1, count + 1))
    by_slice = [0] * 10
    for at, _ in found:
        by_slice[min(9, int((at - NOW) / 6))] += 1
    assert max(by_slice) <= 3 * count / 10
    assert count < 100 or min(by_slice) > count / 30


def test_each_service_keeps_its_beat() -> None:
    found = run(filled(20, 5.0), NOW, NOW + 60)

    for service_id in range(1, 21):
        times = [at for at, one in found if one == service_id]
        gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
        assert len(times) == 12
        assert all(gap == pytest.approx(5.0, abs=0.06) for gap in gaps)


def test_a_restart_changes_no_ones_turn() -> None:
    first, second = filled(50), Timetable()
    for service_id in range(1, 51):
        second.put(service_id, 60.0, NOW + 7 * 60, at_once=False)

    for service_id in range(1, 51):
        a, b = first.due_at(service_id), second.due_at(service_id)
        assert a is not None and b is not None
        assert (b - a) % 60 == pytest.approx(0, abs=1e-6) or (b - a) % 60 == pytest.approx(60)


def test_what_was_checked_at_once_is_not_checked_again_right_after() -> None:
    for service_id in range(1, 200):
        table = Timetable()
        table.put(service_id, 60.0, NOW, at_once=True)

        assert table.pop_due(NOW) == [(service_id, NOW)]

        following = table.due_at(service_id)
        assert following is not None
        assert 6 <= following - NOW <= 66
        assert table.pop_due(following - 0.01) == []


def test_what_is_due_comes_earliest_first_and_once() -> None:
    table = filled(30)

    due = table.pop_due(NOW + 60)

    times = [due_at for _, due_at in due]
    assert times == sorted(times)
    assert len({service_id for service_id, _ in due}) == len(due) == 30
    assert table.pop_due(NOW + 60) == []


def test_what_is_removed_is_never_due() -> None:
    table = filled(3)
    table.remove(2)
    table.remove(99)

    found = run(table, NOW, NOW + 200)

    assert {service_id for _, service_id in found} == {1, 3}
    assert table.due_at(2) is None
    assert len(table) == 2


def test_what_comes_back_is_due_when_it_is_said_to_be() -> None:
    table = Timetable()
    table.put(1, 60.0, NOW, at_once=False)
    first_due = table.due_at(1)
    assert first_due is not None
    table.remove(1)

    table.put(1, 6000.0, first_due + 1, at_once=False)

    due_at = table.due_at(1)
    assert due_at is not None and due_at > first_due + 1
    assert table.pop_due(due_at - 0.001) == []


def test_a_new_interval_replaces_the_old_one() -> None:
    table = filled(1, 5.0)
    table.put(1, 100.0, NOW, at_once=False)

    assert len(run(table, NOW, NOW + 300)) == 3


def test_a_retry_comes_when_it_is_asked_for_and_the_beat_goes_on() -> None:
    table = Timetable()
    table.put(1, 300.0, NOW, at_once=True)
    table.pop_due(NOW)

    table.bring_forward(1, NOW + 20)

    assert table.due_at(1) == NOW + 20
    assert table.pop_due(NOW + 19.9) == []
    assert table.pop_due(NOW + 20) == [(1, NOW + 20)]
    following = table.due_at(1)
    assert following is not None and NOW + 20 + 30 <= following <= NOW + 20 + 330


@pytest.mark.parametrize("interval", [5.0, 60.0, 3600.0])
def test_nobody_waits_much_longer_than_an_interval(interval: float) -> None:
    for service_id in range(1, 1001):
        table = Timetable()
        table.put(service_id, interval, NOW, at_once=True)
        table.pop_due(NOW)

        following = table.due_at(service_id)

        assert following is not None and 0.1 <= (following - NOW) / interval <= 1.1


def test_nothing_is_put_off_by_a_retry() -> None:
    table = filled(1)
    due_at = table.due_at(1)
    assert due_at is not None

    table.bring_forward(1, due_at + 5)
    table.bring_forward(99, NOW)

    assert table.due_at(1) == due_at


def test_after_a_sleep_nothing_comes_in_a_rush() -> None:
    table = filled(1000, 10.0)
    awake = NOW + 3600

    table.skip_missed(awake)

    assert table.pop_due(awake) == []
    found = run(table, awake, awake + 10.1)
    assert {service_id for _, service_id in found} == set(range(1, 1001))
    by_second = [0] * 11
    for at, _ in found:
        by_second[int(at - awake)] += 1
    assert max(by_second) <= 3 * 1000 / 10


def test_a_late_pulse_runs_each_service_once() -> None:
    table = filled(5, 5.0)

    due = table.pop_due(NOW + 100)

    assert sorted(service_id for service_id, _ in due) == [1, 2, 3, 4, 5]
    for service_id in range(1, 6):
        following = table.due_at(service_id)
        assert following is not None
        assert NOW + 100.5 <= following <= NOW + 105.5


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["put", "at once", "remove", "forward", "skip", "wait"]),
            st.integers(1, 4),
            st.floats(0.01, 40),
        ),
        max_size=60,
    )
)
def test_whatever_happens_what_is_due_is_what_was_said(
    steps: list[tuple[str, int, float]],
) -> None:
    table, now = Timetable(), NOW
    dice = random.Random(1)
    for what, service_id, amount in steps:
        if what in {"put", "at once"}:
            table.put(service_id, dice.choice([5.0, 60.0]), now, at_once=what == "at once")
        elif what == "remove":
            table.remove(service_id)
        elif what == "forward":
            table.bring_forward(service_id, now + amount)
        elif what == "skip":
            table.skip_missed(now)
        else:
            now += amount
            said = {one: table.due_at(one) for one in range(1, 5)}
            expected = {one for one, at in said.items() if at is not None and at <= now}
            due = table.pop_due(now)
            assert sorted(one for one, _ in due) == sorted(expected)
            assert all(said[one] == at for one, at in due)
