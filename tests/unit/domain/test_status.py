"""What outcomes mean for a service."""

import dataclasses
import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uptimehunt.domain.status import (
    CALM_MS,
    DEGRADED,
    DOWN,
    OPERATIONAL,
    PENDING,
    STEADY_INTERVALS,
    Flaps,
    Judged,
    Policy,
    Quorum,
    State,
    Status,
    Transition,
    agree,
    combine,
    retry_in,
    step,
)

OK, SLOW, FAILED = Judged(True, 10), Judged(True, 900), Judged(False)
WARNED = Judged(True, 10, warning=True)

TABLE: list[tuple[Status, int, Judged, int, Status]] = [
    # before, failures before, outcome, retries, after
    ("pending", 0, OK, 1, "operational"),
    ("pending", 0, FAILED, 1, "pending"),
    ("pending", 1, FAILED, 1, "down"),
    ("pending", 0, FAILED, 0, "down"),
    ("operational", 0, OK, 1, "operational"),
    ("operational", 0, FAILED, 1, "operational"),
    ("operational", 1, FAILED, 1, "down"),
    ("operational", 1, FAILED, 2, "operational"),
    ("operational", 0, SLOW, 1, "degraded"),
    ("operational", 0, WARNED, 1, "degraded"),
    ("degraded", 0, OK, 1, "operational"),
    ("degraded", 0, FAILED, 1, "degraded"),
    ("degraded", 1, FAILED, 1, "down"),
    ("down", 5, FAILED, 1, "down"),
    ("down", 5, OK, 1, "operational"),
    ("down", 5, SLOW, 1, "degraded"),
]


@pytest.mark.parametrize(("before", "failures", "judged", "retries", "after"), TABLE)
def test_an_outcome_leads_to_the_next_status(
    before: Status, failures: int, judged: Judged, retries: int, after: Status
) -> None:
    state = State(before, 50, failures, 40 if failures else None)
    policy = Policy(retries, degraded_after_ms=500)

    found, transition = step(state, judged, 100, policy)

    assert found.status == after
    assert (transition is not None) == (before != after)
    if transition is None:
        assert found.changed_at == state.changed_at
    else:
        assert (transition.previous, transition.status) == (before, after)
        assert found.changed_at == transition.at


@pytest.mark.parametrize(
    ("took", "limit", "expected"),
    [(500, 500, OPERATIONAL), (501, 500, DEGRADED), (10**6, None, OPERATIONAL),
     (None, 500, OPERATIONAL)],
)  # fmt: skip
def test_slower_than_allowed_is_degraded(
    took: int | None, limit: int | None, expected: Status
) -> None:
    policy = Policy(degraded_after_ms=limit)

    state, _ = step(State(PENDING, 0), Judged(True, took), 1, policy)

    assert state.status == expected


def test_an_outage_is_dated_to_its_first_failure() -> None:
    state = State(OPERATIONAL, 0)

    for at in (10, 20, 30):
        state, transition = step(state, FAILED, at, Policy(retries=2))

    assert transition == Transition(OPERATIONAL, DOWN, 10)
    assert (state.changed_at, state.failures, state.failing_since) == (10, 3, 10)


@pytest.mark.parametrize(
    ("state", "seconds"),
    [
        (State(OPERATIONAL, 0), None),
        (State(OPERATIONAL, 0, 1, 5), 20),
        (State(DEGRADED, 0, 1, 5), 20),
        (State(DOWN, 0, 2, 5), None),
        (State(PENDING, 0), None),
        (State(PENDING, 0, 1, 5), 2),
    ],
)
def test_a_failure_that_is_not_confirmed_is_tried_again_soon(
    state: State, seconds: int | None
) -> None:
    assert retry_in(state, Policy(retry_interval_s=20)) == seconds


def test_a_new_service_is_tried_again_no_later_than_it_asks_for() -> None:
    assert retry_in(State(PENDING, 0, 1, 5), Policy(retry_interval_s=1)) == 1


def test_what_was_confirmed_is_not_tried_again_soon_whatever_its_status() -> None:
    assert retry_in(State(DEGRADED, 0, 2, 5), Policy()) is None


# --- recoveries --------------------------------------------------------------------------------


def after(
    text: str, policy: Policy, step_ms: int = 60_000
) -> list[tuple[State, Transition | None]]:
    """What became of outcomes a minute apart: `x` failed, `o` well, `d` slow."""
    outcomes = {"x": FAILED, "o": OK, "d": WARNED}
    return run([outcomes[letter] for letter in text], policy, step_ms)


def told(found: Sequence[tuple[State, Transition | None]], step_ms: int = 60_000) -> str:
    """The transitions, as `down@3` for one that began with the third outcome."""
    return " ".join(f"{t.status}@{t.at // step_ms}" for _, t in found if t is not None)


@pytest.mark.parametrize(
    ("outcomes", "recoveries", "expected"),
    [
        ("oxo", 1, "operational@1 down@2 operational@3"),
        ("oxoo", 2, "operational@1 down@2 operational@3"),
        ("oxooo", 3, "operational@1 down@2 operational@3"),
        ("oxoxoo", 2, "operational@1 down@2 operational@5"),
        ("oxoxoxo", 2, "operational@1 down@2"),
        ("oxod", 2, "operational@1 down@2 degraded@3"),
        ("odo", 3, "operational@1 degraded@2 operational@3"),
    ],
)
def test_an_outage_is_over_with_the_first_of_enough_successes(
    outcomes: str, recoveries: int, expected: str
) -> None:
    assert told(after(outcomes, Policy(retries=0, recoveries=recoveries))) == expected


# --- flapping ----------------------------------------------------------------------------------

DAMPED = Policy(retries=0, interval_s=60)


def test_what_fails_every_other_check_goes_down_and_up_once_and_then_flaps() -> None:
    found = after("o" + "xo" * 60, DAMPED)

    assert told(found) == "operational@1 down@2 operational@3 degraded@4"
    assert found[-1][0].flaps.since == 4 * 60_000


def test_what_stays_down_soon_after_an_outage_is_down_a_few_checks_later() -> None:
    found = after("oxoxxx", DAMPED)

    assert told(found) == "operational@1 down@2 operational@3 degraded@4 down@4"
    assert found[-1][0].flaps.since is None
    assert found[-2][0].status == DEGRADED


def test_each_outage_soon_after_another_must_last_longer() -> None:
    for length, expected in ((2, 1), (3, 2), (4, 3), (6, 3), (7, 4)):
        found = after("o" + ("x" * length + "o") * 8, DAMPED)
        in_ten_minutes = [t for _, t in found[:30] if t is not None and t.status == DOWN]
        assert len(in_ten_minutes) <= expected


def test_an_outage_long_after_another_is_told_at_once() -> None:
    found = after("oxo" + "o" * 8 + "x", DAMPED)

    assert told(found) == "operational@1 down@2 operational@3 down@12"
    assert found[-1][0].flaps == Flaps(1, 12 * 60_000)


def test_flapping_ends_with_a_calm_time() -> None:
    found = after("oxox" + "o" * 11, DAMPED)

    assert told(found) == "operational@1 down@2 operational@3 degraded@4 operational@15"
    assert found[-1][0].flaps == Flaps()


def test_one_failure_that_is_not_confirmed_is_no_flapping() -> None:
    found = after("oxxooxo", Policy(retries=1, interval_s=60))

    assert told(found) == "operational@1 down@2 operational@4"


def test_a_clock_that_was_set_back_holds_nothing_down_for_ever() -> None:
    ahead = 10 * 365 * 86_400_000
    state = State(DEGRADED, ahead, flaps=Flaps(4, ahead, ahead), succeeding_since=ahead)

    well, _ = step(state, OK, 1000, DAMPED)
    down, _ = step(State(OPERATIONAL, ahead, flaps=Flaps(4, ahead)), FAILED, 1000, DAMPED)

    assert (well.status, well.flaps) == (OPERATIONAL, Flaps())
    assert down.status == DOWN


# --- several probes ----------------------------------------------------------------------------

LETTERS: dict[str, Status] = {"o": OPERATIONAL, "d": DEGRADED, "x": DOWN, "p": PENDING}
VOTES: list[tuple[str, str, str, str]] = [
    # votes, and the status with any, majority, all
    ("o", "o", "o", "o"),
    ("x", "x", "x", "x"),
    ("d", "d", "d", "d"),
    ("oo", "o", "o", "o"),
    ("ox", "x", "d", "d"),
    ("xx", "x", "x", "x"),
    ("oox", "x", "d", "d"),
    ("oxx", "x", "x", "d"),
    ("xxx", "x", "x", "x"),
    ("ooxx", "x", "d", "d"),
    ("oxxx", "x", "x", "d"),
    ("ood", "d", "d", "d"),
    ("dxx", "x", "x", "d"),
    ("op", "o", "o", "o"),
    ("xp", "x", "d", "d"),
    ("xxp", "x", "x", "d"),
]


@pytest.mark.parametrize(("votes", "by_any", "by_majority", "by_all"), VOTES)
def test_probes_vote_on_the_status(votes: str, by_any: str, by_majority: str, by_all: str) -> None:
    cast = [LETTERS[vote] for vote in votes]

    assert combine(OPERATIONAL, cast, "any") == LETTERS[by_any]
    assert combine(OPERATIONAL, cast, "majority") == LETTERS[by_majority]
    assert combine(OPERATIONAL, cast, "all") == LETTERS[by_all]


def test_without_a_fresh_view_the_status_stays() -> None:
    for present in LETTERS.values():
        assert combine(present, [], "majority") == present


present_statuses = st.sampled_from([PENDING, OPERATIONAL, DEGRADED, DOWN])
ballots = st.lists(present_statuses, min_size=1, max_size=9)
quorums = st.sampled_from(["any", "majority", "all"])


@given(present_statuses, ballots, quorums)
def test_the_order_of_the_votes_is_of_no_account(
    present: Status, votes: list[Status], quorum: Quorum
) -> None:
    assert combine(present, votes, quorum) == combine(present, sorted(votes), quorum)


@given(present_statuses, ballots)
def test_the_more_have_to_agree_the_rarer_is_an_outage(
    present: Status, votes: list[Status]
) -> None:
    if set(votes) == {PENDING}:
        return  # Nobody knows anything.
    found = [combine(present, votes, quorum) == DOWN for quorum in ("all", "majority", "any")]

    assert found == sorted(found)
    assert found[2] == (DOWN in votes)
    assert found[0] == (set(votes) == {DOWN})
    assert found[1] == (2 * votes.count(DOWN) > len(votes))


@given(present_statuses, ballots, quorums)
def test_one_more_that_fails_never_makes_it_better(
    present: Status, votes: list[Status], quorum: Quorum
) -> None:
    rank = [OPERATIONAL, DEGRADED, DOWN]
    before, after = combine(present, votes, quorum), combine(present, [*votes, DOWN], quorum)

    if PENDING not in votes:
        assert rank.index(after) >= rank.index(before)


@given(present_statuses, ballots, quorums)
def test_probes_that_know_nothing_yet_undo_no_verdict(
    present: Status, votes: list[Status], quorum: Quorum
) -> None:
    if present != PENDING:
        assert combine(present, votes, quorum) != PENDING


# --- properties --------------------------------------------------------------------------------

judgements = st.builds(
    Judged, st.booleans(), st.one_of(st.none(), st.integers(1, 2000)), st.booleans()
)
policies = st.builds(
    Policy, st.integers(0, 4), st.just(20), st.one_of(st.none(), st.integers(1, 2000))
)
histories = st.lists(judgements, max_size=40)


def run(
    judged: Sequence[Judged], policy: Policy, step_ms: int = 10
) -> list[tuple[State, Transition | None]]:
    """What became of a history, checked at an even pace."""
    found: list[tuple[State, Transition | None]] = []
    state = State(PENDING, 0)
    for number, one in enumerate(judged):
        state, transition = step(state, one, step_ms * (number + 1), policy)
        found.append((state, transition))
    return found


@given(histories, policies)
def test_it_is_down_exactly_after_more_failures_in_a_row_than_retries(
    judged: list[Judged], policy: Policy
) -> None:
    in_a_row = 0
    for one, (state, _) in zip(judged, run(judged, policy), strict=True):
        in_a_row = 0 if one.ok else in_a_row + 1
        assert state.failures == min(in_a_row, policy.retries + 1)
        assert (state.failing_since is None) == (in_a_row == 0)
        assert (state.status == DOWN) == (in_a_row > policy.retries)


@given(histories, policies)
def test_a_success_always_ends_an_outage(judged: list[Judged], policy: Policy) -> None:
    for one, (state, _) in zip(judged, run(judged, policy), strict=True):
        if one.ok:
            assert state.status in {OPERATIONAL, DEGRADED}


@given(histories, policies)
def test_transitions_join_without_gaps(judged: list[Judged], policy: Policy) -> None:
    status: Status = PENDING
    since = 0
    for state, transition in run(judged, policy):
        if transition is not None:
            assert transition.previous == status != transition.status
            assert transition.at >= since
            status, since = transition.status, transition.at
        assert (state.status, state.changed_at) == (status, since)


@given(histories, policies)
def test_nothing_but_a_pause_ever_makes_it_pending_again(
    judged: list[Judged], policy: Policy
) -> None:
    seen = [state.status for state, _ in run(judged, policy)]
    judged_at = next((at for at, status in enumerate(seen) if status != PENDING), len(seen))

    assert PENDING not in seen[judged_at:]
    assert "paused" not in seen


damped_policies = st.builds(
    Policy,
    st.integers(0, 3),
    st.just(20),
    st.one_of(st.none(), st.just(1000)),
    st.integers(1, 3),
    st.just(60),
)
long_histories = st.lists(judgements, max_size=120)
MINUTE = 60_000


def outages(found: Sequence[tuple[State, Transition | None]]) -> list[tuple[int, int | None]]:
    """The spans that were down."""
    spans: list[tuple[int, int | None]] = []
    for _, transition in found:
        if transition is not None and transition.status == DOWN:
            spans.append((transition.at, None))
        elif transition is not None and transition.previous == DOWN:
            spans[-1] = (spans[-1][0], transition.at)
    return spans


@given(long_histories, damped_policies)
def test_outages_begin_with_a_failure_end_with_a_success_and_never_overlap(
    judged: list[Judged], policy: Policy
) -> None:
    spans = outages(run(judged, policy, MINUTE))

    for began, ended in spans:
        first = began // MINUTE - 1
        assert not any(one.ok for one in judged[first : first + policy.retries + 1])
        if ended is not None:
            over = ended // MINUTE - 1
            assert began < ended
            assert all(one.ok for one in judged[over : over + policy.recoveries])
    for (_, ended), (began, _) in itertools.pairwise(spans):
        assert ended is not None and ended <= began


@given(long_histories, damped_policies)
def test_a_damped_status_changes_by_transitions_alone(judged: list[Judged], policy: Policy) -> None:
    status: Status = PENDING
    since = 0
    for state, transition in run(judged, policy, MINUTE):
        if transition is not None:
            assert transition.previous == status != transition.status
            assert transition.at >= since
            status, since = transition.status, transition.at
        assert (state.status, state.changed_at) == (status, since)


@given(long_histories, damped_policies)
def test_outages_soon_after_one_another_last_longer_and_longer(
    judged: list[Judged], policy: Policy
) -> None:
    latest = -CALM_MS
    series = 0
    before = State(PENDING, 0)
    for (state, transition), minute in zip(run(judged, policy, MINUTE), itertools.count(1)):
        if transition is not None and transition.status == DOWN:
            is_soon = before.flaps.since is not None or minute * MINUTE - latest < CALM_MS
            series = series + 1 if is_soon else 1
            lasted = minute * MINUTE - transition.at
            if is_soon:
                longest = 2 ** min(max(series - 2, 0), 3)
                assert lasted >= STEADY_INTERVALS * longest * MINUTE
            latest = transition.at
        if state.flaps == Flaps():
            series = 0
        before = state


@given(st.integers(0, 3), st.integers(1, 2), st.integers(60, 200))
def test_whatever_toggles_with_each_check_makes_one_outage(
    retries: int, recoveries: int, count: int
) -> None:
    policy = Policy(retries, recoveries=recoveries, interval_s=60)
    toggling = [Judged(ok=bool(number % 2)) for number in range(count)]

    assert len(outages(run(toggling, policy, MINUTE))) <= 1


@given(long_histories, damped_policies)
def test_a_steady_success_always_ends_operational(judged: list[Judged], policy: Policy) -> None:
    steady = [*judged, *[Judged(True, 10)] * 14]

    state, _ = run(steady, policy, MINUTE)[-1]

    assert (state.status, state.flaps.since) == (OPERATIONAL, None)


@given(long_histories, damped_policies)
def test_a_steady_failure_always_ends_down(judged: list[Judged], policy: Policy) -> None:
    steady = [*judged, *[FAILED] * (policy.retries + 16)]

    state, _ = run(steady, policy, MINUTE)[-1]

    assert (state.status, state.flaps.since) == (DOWN, None)


@given(long_histories, damped_policies)
def test_it_is_flapping_only_while_it_is_degraded(judged: list[Judged], policy: Policy) -> None:
    for state, _ in run(judged, policy, MINUTE):
        assert state.flaps.since is None or state.status == DEGRADED


@given(long_histories, damped_policies)
def test_the_same_history_leads_to_the_same_verdicts(judged: list[Judged], policy: Policy) -> None:
    assert run(judged, policy, MINUTE) == run(judged, policy, MINUTE)


Seen = tuple[int, Judged]
"""The probe, and what it saw."""

sightings = st.lists(st.tuples(st.integers(0, 2), judgements), max_size=120)


def run_shared(seen: list[Seen], quorum: Quorum, policy: Policy) -> list[
    tuple[State, Transition | None]
]:  # fmt: skip
    """What became of a service that three probes check, one of them every 20 seconds."""
    found: list[tuple[State, Transition | None]] = []
    state = State(PENDING, 0)
    views: dict[int, State] = {}
    undamped = dataclasses.replace(policy, interval_s=None)
    for number, (probe, one) in enumerate(seen):
        at = 20_000 * (number + 1)
        views[probe], _ = step(views.get(probe, State(PENDING, at)), one, at, undamped)
        state, transition = agree(state, list(views.values()), quorum, at, policy)
        found.append((state, transition))
    return found


@given(sightings, quorums, damped_policies)
def test_what_several_probes_make_of_it_joins_without_gaps(
    seen: list[Seen], quorum: Quorum, policy: Policy
) -> None:
    found = run_shared(seen, quorum, policy)

    status: Status = PENDING
    for number, (state, transition) in enumerate(found):
        if transition is not None:
            assert transition.previous == status != transition.status
            assert 0 < transition.at <= 20_000 * (number + 1)
            status = transition.status
        assert state.status == status
        assert state.flaps.since is None or status == DEGRADED
    spans = outages(found)
    assert all(ended is None or began < ended for began, ended in spans)
    for (_, ended), (began, _) in itertools.pairwise(spans):
        assert ended is not None and ended <= began
    assert found == run_shared(seen, quorum, policy)


@given(sightings, quorums, damped_policies)
def test_what_all_probes_see_steadily_is_what_it_is_in_the_end(
    seen: list[Seen], quorum: Quorum, policy: Policy
) -> None:
    well = [(number % 3, Judged(True, 10)) for number in range(3 * 14)]
    failing = [(number % 3, FAILED) for number in range(3 * 20)]

    assert run_shared([*seen, *well], quorum, policy)[-1][0].status == OPERATIONAL
    assert run_shared([*seen, *failing], quorum, policy)[-1][0].status == DOWN


@given(quorums, st.integers(0, 1))
def test_what_toggles_for_all_probes_makes_one_outage(quorum: Quorum, retries: int) -> None:
    policy = Policy(retries, interval_s=60)
    toggling = [(number % 3, Judged(ok=bool(number // 3 % 2))) for number in range(180)]

    assert len(outages(run_shared(toggling, quorum, policy))) <= 1


def test_a_probe_that_saw_it_down_for_long_does_not_date_the_outage_of_all() -> None:
    policy = Policy(retries=0, interval_s=60)
    seen = [(0, OK), (1, FAILED), *[(number % 2, [OK, FAILED][number % 2]) for number in range(60)]]

    found = run_shared([*seen, (0, FAILED)], "all", policy)

    transition = found[-1][1]
    assert transition is not None and transition.status == DOWN
    assert transition.at == 20_000 * len(found)
