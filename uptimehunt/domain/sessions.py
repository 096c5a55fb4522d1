"""Sign-ins: who is behind a token, and the life of a session.

Refresh tokens rotate, and are *successor-activated*: using one retires all others of its session,
except those that were issued for it. So a client that keeps sending the one it got at login (as
the seed's sample does) stays signed in, and one whose answer got lost can ask again, for the same
successor; but a token that was retired and is presented again is a copy in other hands, and ends
the session.

`identify` and `page` read; all others run inside `Store.write`.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from uptimehunt import clock
from uptimehunt.domain import tokens
from uptimehunt.domain.paging import Page, Paging
from uptimehunt.domain.tokens import Tokens
from uptimehunt.errors import NotFoundError, UnauthorizedError
from uptimehunt.logs import about
from uptimehunt.store.models import RefreshToken, Session, User

log = logging.getLogger(__name__)

LONGEST_MS = 30 * 86_400_000
"""However often it is refreshed, a session ends after this."""

MOST_SESSIONS = 20
"""Sessions a user can have; a new one beyond ends the oldest."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is calling, and through which session; None for one with an API token."""

    user: User
    session_id: int | None


@dataclass(frozen=True, slots=True)
class Pair:
    """Fresh tokens of a session."""

    access: str
    refresh: str
    user: User


def identify(maker: Tokens, access: str) -> Identity:
    """The caller behind an access token. Reads.

    Raises:
        UnauthorizedError: the token is not valid, or its session has ended.
    """
    claims = maker.read(tokens.ACCESS, access)
    session = _standing(claims.session_id)
    return Identity(session.user, session.id)


def _standing(session_id: int) -> Session:
    session: Session | None = (
        Session.select(Session, User).join(User).where(Session.id == session_id).first()
    )
    if session is None or session.ended_at is not None or session.expires_at <= clock.now_ms():
        raise UnauthorizedError("The session has ended")
    if session.user.disabled_at is not None:
        raise UnauthorizedError("The account is disabled")
    return session


def start(maker: Tokens, user: User, user_agent: str, address: str) -> Pair:
    """Sign a user in."""
    now = clock.now_ms()
    session = Session.create(
        user=user,
        created_at=now,
        used_at=now,
        expires_at=now + LONGEST_MS,
        user_agent=user_agent[:200],
        address=address,
    )
    beyond = (
        Session.select(Session.id)
        .where(Session.user == user, Session.ended_at.is_null())
        .order_by(Session.id.desc())
        .offset(MOST_SESSIONS)
    )
    Session.update(ended_at=now).where(Session.id.in_([old.id for old in beyond])).execute()
    return _issue(maker, session)


def refresh(maker: Tokens, refresh_token: str) -> Pair | UnauthorizedError:
    """The next pair for a refresh token.

    A refusal is returned, not raised: the end of a session whose retired token turned up must be
    kept, and raising would undo it.
    """
    try:
        claims = maker.read(tokens.REFRESH, refresh_token)
        session = _standing(claims.session_id)
    except UnauthorizedError as ex:
        return ex
    token = RefreshToken.get_or_none(
        RefreshToken.session == session, RefreshToken.digest == tokens.digest(claims.token_id)
    )
    if token is None or token.retired_at is not None:
        end(session.id)
        log.warning("session.token_reused", extra=about(session_id=session.id))
        return UnauthorizedError("The session has ended")
    RefreshToken.update(retired_at=clock.now_ms()).where(
        RefreshToken.session == session,
        RefreshToken.id != token.id,
        RefreshToken.parent_id.is_null() | (RefreshToken.parent_id != token.id),
        RefreshToken.retired_at.is_null(),
    ).execute()
    Session.update(used_at=clock.now_ms()).where(Session.id == session.id).execute()
    return _issue(maker, session, token.id, claims.token_id)


def _issue(
    maker: Tokens, session: Session, parent_id: int | None = None, parent: str | None = None
) -> Pair:
    access, _ = maker.make(tokens.ACCESS, session.user.id, session.id)
    refresh_token, token_id = maker.make(tokens.REFRESH, session.user.id, session.id, parent)
    RefreshToken.insert(
        session=session,
        parent_id=parent_id,
        digest=tokens.digest(token_id),
        expires_at=clock.now_ms() + tokens.REFRESH_SECONDS * 1000,
    ).on_conflict(
        conflict_target=[RefreshToken.digest], preserve=[RefreshToken.expires_at]
    ).execute()
    return Pair(access, refresh_token, session.user)


def end(session_id: int) -> None:
    """Sign out: neither kind of token of this session works from now on."""
    Session.update(ended_at=clock.now_ms()).where(
        Session.id == session_id, Session.ended_at.is_null()
    ).execute()


def end_all(user_id: int, but: int | None) -> None:
    """Sign a user out everywhere, but in this one session."""
    standing = [Session.user == user_id, Session.ended_at.is_null()]
    if but is not None:
        standing.append(Session.id != but)
    Session.update(ended_at=clock.now_ms()).where(*standing).execute()


def end_own(user: User, session_id: int) -> None:
    """Sign out one of the user's own sessions.

    Raises:
        NotFoundError: the user has no such session.
    """
    if not Session.select().where(Session.id == session_id, _is_standing(user)).exists():
        raise NotFoundError("Session")
    end(session_id)


def _is_standing(user: User) -> Any:
    return (
        (Session.user == user) & Session.ended_at.is_null() & (Session.expires_at > clock.now_ms())
    )


def page(user: User, present: int | None, paging: Paging) -> Page:
    """One page of the sessions that stand, newest first; `present` is the caller's own. Reads."""

    def shape(found: Sequence[Session]) -> list[dict[str, Any]]:
        return [
            {
                "id": session.id,
                "created_at": clock.iso_seconds(session.created_at),
                "last_used_at": clock.iso_seconds(session.used_at),
                "expires_at": clock.iso_seconds(session.expires_at),
                "user_agent": session.user_agent,
                "address": session.address,
                "is_current": session.id == present,
            }
            for session in found
        ]

    query = Session.select().where(_is_standing(user)).order_by(Session.id.desc())
    return paging.cut(query, shape)


def session_of(maker: Tokens, refresh_token: str) -> int | None:
    """The session that a genuine refresh token belongs to, else None."""
    try:
        return maker.read(tokens.REFRESH, refresh_token).session_id
    except UnauthorizedError:
        return None


def forget_expired() -> int:
    """Delete tokens and sessions that can never work again; answers how many tokens."""
    now = clock.now_ms()
    gone: int = RefreshToken.delete().where(RefreshToken.expires_at <= now).execute()
    Session.delete().where(Session.expires_at <= now).execute()
    return gone
