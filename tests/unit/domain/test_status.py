"""What outcomes mean for a service."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uptimehunt.domain.status import (
    DEGRADED,
    DOWN,
    OPERATIONAL,
    PENDING,
    Judged,
    Policy,
    Quorum,
    State,
    Status,
    Transition,
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


def run(judged: Sequence[Judged], policy: Policy) -> list[tuple[State, Transition | None]]:
    """What became of a history, checked every ten milliseconds."""
    found: list[tuple[State, Transition | None]] = []
    state = State(PENDING, 0)
    for number, one in enumerate(judged):
        state, transition = step(state, one, 10 * (number + 1), policy)
        found.append((state, transition))
    return found


@given(histories, policies)
def test_it_is_down_exactly_after_more_failures_in_a_row_than_retries(
    judged: list[Judged], policy: Policy
) -> None:
    in_a_row = 0
    for one, (state, _) in zip(judged, run(judged, policy), strict=True):
        in_a_row = 0 if one.ok else in_a_row + 1
        assert state.failures == in_a_row
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
