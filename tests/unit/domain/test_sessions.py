"""What the API's tests cannot see of sessions: what is kept of them, and for how long."""

import pytest

from tests import builders
from uptimehunt.domain import sessions
from uptimehunt.domain.tokens import ACCESS, REFRESH, Tokens, digest
from uptimehunt.errors import UnauthorizedError
from uptimehunt.store.database import Store
from uptimehunt.store.models import RefreshToken, Session, User


def test_no_token_is_kept_only_its_digest(store: Store, tokens: Tokens, alice: User) -> None:
    pair = builders.sign_in(store, tokens, alice)

    with store.reading():
        (row,) = RefreshToken.select()
        claims = tokens.read(REFRESH, pair.refresh)
    assert row.digest == digest(claims.token_id)
    assert row.digest not in pair.refresh


def test_a_token_names_its_user_and_session(store: Store, tokens: Tokens, alice: User) -> None:
    pair = builders.sign_in(store, tokens, alice)

    with store.reading():
        identity = sessions.identify(tokens, pair.access)

    assert (identity.user.email, identity.session_id) == (alice.email, 1)


@pytest.mark.parametrize("step_ms", [-3_600_000, 0, 899_000])
def test_a_token_survives_a_clock_that_was_set_back(store: Store, step_ms: int) -> None:
    now = [builders.T0]
    maker = Tokens(builders.SECRET, "here", clock=lambda: now[0])
    token, _ = maker.make(ACCESS, 1, 2)

    now[0] += step_ms

    assert maker.read(ACCESS, token).session_id == 2


def test_a_token_ends_after_its_life(store: Store) -> None:
    now = [builders.T0]
    maker = Tokens(builders.SECRET, "here", clock=lambda: now[0])
    token, _ = maker.make(ACCESS, 1, 2)
    now[0] += 900_000

    with pytest.raises(UnauthorizedError, match="expired"):
        maker.read(ACCESS, token)


def test_what_can_never_work_again_is_forgotten(store: Store, tokens: Tokens, alice: User) -> None:
    old, good = [builders.sign_in(store, tokens, alice) for _ in range(2)]
    store.write(Session.update(expires_at=1).where(Session.id == 1).execute)
    store.write(RefreshToken.update(expires_at=1).where(RefreshToken.session == 1).execute)

    forgotten = store.write(sessions.forget_expired)

    assert forgotten == 1
    with store.reading():
        assert [row.id for row in Session.select()] == [2]
        assert RefreshToken.select().count() == 1
        sessions.identify(tokens, good.access)
        with pytest.raises(UnauthorizedError):
            sessions.identify(tokens, old.access)


def test_the_device_is_remembered_in_short(store: Store, tokens: Tokens, alice: User) -> None:
    store.write(sessions.start, tokens, alice, "x" * 5000, "192.0.2.1")

    with store.reading():
        row = Session.get_by_id(1)
    assert (row.user_agent, row.address) == ("x" * 200, "192.0.2.1")
