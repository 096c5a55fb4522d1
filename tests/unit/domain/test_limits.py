"""Limits on guessing, on a clock that only the test moves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uptimehunt.domain.limits import ACCOUNT, ADDRESS, REMEMBERED, Limit, Limiter, address_key
from uptimehunt.errors import TooManyError, UnauthorizedError, ValidationError

HOME = "192.0.2.1"


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limiter(clock: Clock) -> Limiter:
    return Limiter(clock)


def fail(limiter: Limiter, account: str = "alice", address: str | None = None) -> None:
    """One wrong password."""
    with pytest.raises(UnauthorizedError), limiter.guard(account, address):
        raise UnauthorizedError("wrong")


def passes(limiter: Limiter, account: str = "alice", address: str | None = None) -> bool:
    """Whether a try with the right password is let through."""
    try:
        with limiter.guard(account, address):
            return True
    except TooManyError:
        return False


def test_ten_failures_of_an_account_are_borne_and_then_nothing_is_tried(limiter: Limiter) -> None:
    for _ in range(ACCOUNT.failures):
        fail(limiter)

    tried = []
    with pytest.raises(TooManyError) as refused, limiter.guard("alice"):
        tried.append(1)

    assert tried == []
    assert refused.value.retry_after_s == ACCOUNT.seconds
    assert passes(limiter, "bob")


def test_the_wait_is_until_the_oldest_failure_has_aged_out(limiter: Limiter, clock: Clock) -> None:
    for _ in range(ACCOUNT.failures):
        fail(limiter)
        clock.now += 10

    with pytest.raises(TooManyError) as refused:
        limiter.check(ACCOUNT, "alice")
    assert refused.value.retry_after_s == ACCOUNT.seconds - 100

    clock.now += refused.value.retry_after_s
    fail(limiter)
    assert not passes(limiter)


def test_the_wait_is_never_no_time_at_all(limiter: Limiter, clock: Clock) -> None:
    for _ in range(ACCOUNT.failures):
        fail(limiter)
    clock.now += ACCOUNT.seconds - 0.001

    with pytest.raises(TooManyError) as refused:
        limiter.check(ACCOUNT, "alice")

    assert refused.value.retry_after_s == 1


def test_a_success_before_the_limit_starts_the_count_anew(limiter: Limiter) -> None:
    for _ in range(3):
        for _ in range(ACCOUNT.failures - 1):
            fail(limiter)
        assert passes(limiter)


def test_a_success_does_not_clear_the_address(limiter: Limiter) -> None:
    # Else whoever has one account could guess at all others for ever.
    for number in range(ADDRESS.failures):
        fail(limiter, f"user{number}", HOME)
        if number < ADDRESS.failures - 1:
            assert passes(limiter, "mallory", HOME)

    assert not passes(limiter, "mallory", HOME)
    assert passes(limiter, "mallory", "192.0.2.2")


def test_an_address_is_free_again_after_its_time(limiter: Limiter, clock: Clock) -> None:
    for number in range(ADDRESS.failures):
        fail(limiter, f"user{number}", HOME)

    clock.now += ADDRESS.seconds

    assert passes(limiter, "alice", HOME)


@pytest.mark.parametrize("error", [UnauthorizedError("x"), ValidationError({"x": ["x"]})])
def test_only_what_was_refused_counts(limiter: Limiter, error: Exception) -> None:
    for _ in range(ACCOUNT.failures):
        with pytest.raises(type(error)), limiter.guard("alice"):
            raise error
        with pytest.raises(OSError), limiter.guard("bob"):
            raise OSError("the disk")

    assert not passes(limiter, "alice")
    assert passes(limiter, "bob")


def test_what_is_remembered_is_bounded(limiter: Limiter) -> None:
    for number in range(REMEMBERED + 50):
        limiter.failed(ACCOUNT, f"user{number}")

    assert len(limiter._failures) == REMEMBERED


def test_an_address_that_is_refused_fills_no_memory(limiter: Limiter) -> None:
    for number in range(ADDRESS.failures):
        fail(limiter, f"user{number}", HOME)

    for number in range(REMEMBERED + 50):
        assert not passes(limiter, f"guess{number}", HOME)

    assert len(limiter._failures) <= REMEMBERED


def test_tries_that_are_refused_make_no_failure_forgotten(limiter: Limiter) -> None:
    for _ in range(ACCOUNT.failures):
        fail(limiter, "alice", HOME)
    for number in range(ADDRESS.failures):
        fail(limiter, f"user{number}", "192.0.2.2")

    for number in range(REMEMBERED):
        passes(limiter, f"guess{number}", "192.0.2.2")
    fail(limiter, "bob", HOME)

    assert not passes(limiter, "alice")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("unix", "unix", True),
        ("", "unix", False),
    ],
)
def test_an_address_is_a_host_of_version_4_and_a_network_of_version_6(
    one: str, other: str, same: bool
) -> None:
    assert (address_key(one) == address_key(other)) == same


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 20)), max_size=60))
def test_there_are_never_more_failures_within_the_time_than_borne(
    tries: list[tuple[bool, int]],
) -> None:
    clock, limit = Clock(), Limit(3, 30)
    limiter = Limiter(clock)
    failures: list[float] = []
    for is_right, seconds in tries:
        clock.now += seconds
        try:
            limiter.check(limit, "alice")
        except TooManyError as ex:
            oldest = failures[-limit.failures]
            assert clock.now + ex.retry_after_s == pytest.approx(oldest + limit.seconds, abs=0.5)
            continue
        if is_right:
            limiter.succeeded(limit, "alice")
            failures.clear()
        else:
            limiter.failed(limit, "alice")
            failures.append(clock.now)
        assert sum(at > clock.now - limit.seconds for at in failures) <= limit.failures
