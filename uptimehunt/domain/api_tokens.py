"""Personal API tokens: what a script signs in with, in place of a password.

Shown once, kept as a digest. `identify`, `page` and `to_dict` read; all others run inside
`Store.write`.
"""

import hashlib
import secrets
import string
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from uptimehunt import clock
from uptimehunt.domain import text
from uptimehunt.domain.paging import Page, Paging
from uptimehunt.errors import ConflictError, NotFoundError, UnauthorizedError
from uptimehunt.store.models import ApiToken, User

PREFIX = "uh_"
MOST = 100
USE_NOTED_MS = 60_000
"""How exact `last_used_at` is: noting each use would be a write a request."""

_ALPHABET = string.ascii_letters + string.digits
_LENGTH = 40

Scope = Literal["read", "write"]


class TokenInput(BaseModel):
    """What a caller says of a new token."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: text.Name = Field(title="Name", min_length=1, max_length=64, examples=["Backup script"])
    scope: Scope = Field(
        default="read", title="Scope", description="`write` includes `read`.", examples=["read"]
    )
    expires_in_days: int | None = Field(
        default=None,
        ge=1,
        le=3650,
        title="Expires in days",
        description="Never when left out.",
        examples=[365],
    )


def digest(token: str) -> str:
    """What is kept of a token; enough for one that is as random as ours."""
    return hashlib.sha256(token.encode()).hexdigest()


def identify(token: str) -> ApiToken:
    """The token of this text, with its user. Reads.

    Raises:
        UnauthorizedError: there is none, it has expired, or its user may not sign in.
    """
    found: ApiToken | None = None
    if len(token) == len(PREFIX) + _LENGTH and token.isascii():
        found = (
            ApiToken.select(ApiToken, User)
            .join(User)
            .where(ApiToken.digest == digest(token))
            .first()
        )
    if found is None or found.user.disabled_at is not None:
        raise UnauthorizedError("The token is not valid")
    if found.expires_at is not None and found.expires_at <= clock.now_ms():
        raise UnauthorizedError("The token has expired")
    return found


def is_use_due(token: ApiToken) -> bool:
    """Whether this use is worth a note."""
    return token.last_used_at is None or clock.now_ms() - token.last_used_at > USE_NOTED_MS


def note_use(token_id: int) -> None:
    """Note that a token was used now."""
    ApiToken.update(last_used_at=clock.now_ms()).where(ApiToken.id == token_id).execute()


def page(user: User, paging: Paging) -> Page:
    """One page of the user's tokens, newest first. Reads."""
    query = ApiToken.select().where(ApiToken.user == user).order_by(ApiToken.id.desc())
    return paging.cut(query, _to_dicts)


def create(user: User, wanted: TokenInput) -> dict[str, Any]:
    """Make a token; only this answer holds its text.

    Raises:
        ConflictError: the user has too many.
    """
    if ApiToken.select().where(ApiToken.user == user).count() >= MOST:
        raise ConflictError(f"You have {MOST} tokens; delete one first")
    token = PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
    now, days = clock.now_ms(), wanted.expires_in_days
    row = ApiToken.create(
        user=user,
        name=wanted.name,
        digest=digest(token),
        prefix=token[: len(PREFIX) + 4],
        scope=wanted.scope,
        created_at=now,
        expires_at=None if days is None else now + days * 86_400_000,
    )
    return {**to_dict(row), "token": token}


def delete(user: User, token_id: int) -> None:
    """End a token.

    Raises:
        NotFoundError: the user has no such token.
    """
    gone = ApiToken.delete().where(ApiToken.id == token_id, ApiToken.user == user).execute()
    if not gone:
        raise NotFoundError("Token")


def _to_dicts(tokens: Sequence[ApiToken]) -> list[dict[str, Any]]:
    return [to_dict(token) for token in tokens]


def to_dict(token: ApiToken) -> dict[str, Any]:
    """A token as the API shows it, without its text."""
    return {
        "id": token.id,
        "name": token.name,
        "prefix": token.prefix,
        "scope": token.scope,
        "created_at": clock.iso_seconds(token.created_at),
        "expires_at": clock.iso_or_none(token.expires_at),
        "last_used_at": clock.iso_or_none(token.last_used_at),
    }
