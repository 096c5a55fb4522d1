"""Accounts: the first one, further ones, and who a sign-in is.

`exists_any` and `to_dict` read; `register` runs inside `Store.write`.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from uptimehunt import clock
from uptimehunt.domain import passwords, text
from uptimehunt.errors import ForbiddenError, UnauthorizedError, ValidationError
from uptimehunt.store.models import User

Role = Literal["admin", "member", "viewer"]

SessionKind = Literal["body", "cookie"]


class Credentials(BaseModel):
    """The body of a sign-in."""

    model_config = ConfigDict(extra="forbid", strict=True)

    email: str = Field(title="Email", max_length=320, examples=["user@example.com"])
    password: str = Field(
        title="Password", min_length=1, max_length=256, examples=["your_password"]
    )
    session: SessionKind = Field(
        default="body",
        title="Session",
        description="Where the refresh token travels: in the answer, or in a cookie that scripts "
        "cannot read.",
    )


class Registration(BaseModel):
    """The body of a registration."""

    model_config = ConfigDict(extra="forbid", strict=True)

    email: text.Email = Field(title="Email", max_length=320, examples=["user@example.com"])
    password: passwords.Password = Field(
        title="Password",
        min_length=8,
        max_length=256,
        examples=["your_password"],
    )
    first_name: text.Name = Field(default="", title="First name", max_length=128, examples=["John"])
    last_name: text.Name = Field(default="", title="Last name", max_length=128, examples=["Doe"])
    session: SessionKind = Field(default="body", title="Session")


def exists_any() -> bool:
    """Whether anybody has an account yet. Reads."""
    return User.select().exists()


def register(wanted: Registration, password_hash: str, registration: str) -> User:
    """Create an account; the first one becomes the admin.

    Args:
        wanted: what was asked for, validated.
        password_hash: of the wanted password, computed before, outside of the transaction.
        registration: the setting of that name.

    Raises:
        ForbiddenError: registration is closed.
        ValidationError: the address has an account.
    """
    first = not exists_any()
    if registration == "closed" or (registration == "first" and not first):
        raise ForbiddenError("Registration is closed", code="REGISTRATION_CLOSED")
    key = text.email_key(wanted.email)
    if User.select().where(User.email_key == key).exists():
        raise ValidationError({"email": ["Email is already in use"]})
    return User.create(
        email=wanted.email,
        email_key=key,
        password_hash=password_hash,
        first_name=wanted.first_name,
        last_name=wanted.last_name,
        role="admin" if first else "member",
        created_at=clock.now_ms(),
    )


def find(email: str) -> User | None:
    """The account of an address, in whatever case it is typed. Reads."""
    key = text.email_key(email)
    found: User | None = None if key is None else User.get_or_none(User.email_key == key)
    return found


def check_password(user: User | None, password: str) -> User:
    """The user, when the password is theirs; takes as long and says the same when nobody is.

    Raises:
        UnauthorizedError: no such account, or another password.
    """
    right = passwords.matches(password, None if user is None else user.password_hash)
    if user is None or not right or user.disabled_at is not None:
        raise UnauthorizedError("Email or password is wrong", code="INVALID_CREDENTIALS")
    return user


def to_dict(user: User) -> dict[str, Any]:
    """A user as the API shows it."""
    return {
        "id": user.id,
        "email": user.email,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "role": user.role,
        "created_at": clock.iso_seconds(user.created_at),
        "avatar_url": None,
    }
