"""Users beyond sign-in: their profile, their password, and what an admin does with accounts.

`page`, `find` and `profile` read; all others run inside `Store.write`.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from uptimehunt import clock
from uptimehunt.domain import accounts, passwords, sessions, text
from uptimehunt.domain.accounts import Role
from uptimehunt.domain.paging import Page, Paging
from uptimehunt.errors import ConflictError, NotFoundError, ValidationError
from uptimehunt.store.models import Service, User
from uptimehunt.zones import TimeZone


class ProfileInput(BaseModel):
    """What users say of themselves."""

    model_config = ConfigDict(extra="forbid", strict=True)

    email: text.Email = Field(title="Email", max_length=320)
    first_name: text.Name = Field(default="", title="First name", max_length=128, examples=["John"])
    last_name: text.Name = Field(default="", title="Last name", max_length=128, examples=["Doe"])
    timezone: TimeZone = Field(default="UTC", title="Time zone", examples=["Europe/Berlin"])
    theme: Literal["auto", "light", "dark"] = Field(default="auto", title="Theme")
    locale: str = Field(default="en", title="Locale", pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})?$")
    current_password: str | None = Field(
        default=None,
        title="Current password",
        max_length=256,
        description="Needed for another e-mail address.",
    )


class PasswordInput(BaseModel):
    """A change of the password."""

    model_config = ConfigDict(extra="forbid", strict=True)

    current_password: str = Field(
        title="Current password", max_length=256, examples=["your_password"]
    )
    new_password: passwords.Password = Field(
        title="New password",
        min_length=8,
        max_length=256,
        examples=["your_new_password"],
    )
    confirm_password: str | None = Field(default=None, title="Confirm password", max_length=256)


class UserInput(BaseModel):
    """An account that an admin makes."""

    model_config = ConfigDict(extra="forbid", strict=True)

    email: text.Email = Field(title="Email", max_length=320)
    password: passwords.Password = Field(
        title="Password",
        min_length=8,
        max_length=256,
        examples=["their_password"],
    )
    first_name: text.Name = Field(default="", title="First name", max_length=128, examples=["John"])
    last_name: text.Name = Field(default="", title="Last name", max_length=128, examples=["Doe"])
    role: Role = Field(default="member", title="Role", examples=["member"])


class UserChange(BaseModel):
    """What an admin changes of an account."""

    model_config = ConfigDict(extra="forbid", strict=True)

    role: Role | None = Field(default=None, title="Role", examples=["member"])
    enabled: bool | None = Field(default=None, title="Enabled")


def profile(user: User) -> dict[str, Any]:
    """A user with their preferences, as the API shows them."""
    return {
        **accounts.to_dict(user),
        "timezone": user.timezone,
        "theme": user.theme,
        "locale": user.locale,
    }


def replace_profile(user_id: int, wanted: ProfileInput, session_id: int | None) -> dict[str, Any]:
    """Give a profile new values; what was left out goes back to its default.

    With another e-mail address, every session of the user ends but this one.
    """
    user = User.get_by_id(user_id)
    key = text.email_key(wanted.email)
    taken = User.get_or_none(User.email_key == key)
    if taken is not None and taken.id != user_id:
        raise ValidationError({"email": ["Email is already in use"]})
    if key != user.email_key:
        sessions.end_all(user_id, session_id)
    user.email, user.email_key = wanted.email, str(key)
    user.first_name, user.last_name = wanted.first_name, wanted.last_name
    user.timezone, user.theme, user.locale = wanted.timezone, wanted.theme, wanted.locale
    user.save()
    return profile(user)


def bad_choice(wanted: PasswordInput) -> dict[str, list[str]]:
    """What is wrong with a new password, by field: it is the old one, or not confirmed."""
    details: dict[str, list[str]] = {}
    if wanted.new_password == wanted.current_password:
        details["new_password"] = ["New password must be another one"]
    if wanted.confirm_password not in {None, wanted.new_password}:
        details["confirm_password"] = ["The passwords are not the same"]
    return details


def prove(user: User, password: str, others: dict[str, list[str]]) -> None:
    """Demand the present password. To be called before the transaction.

    Raises:
        ValidationError: it is another; says so beside `others`, what else is wrong.
    """
    if not passwords.matches(password, user.password_hash):
        raise ValidationError({**others, "current_password": ["Current password is wrong"]})


def set_password(user_id: int, password_hash: str, but_session: int | None) -> None:
    """Give a user another password; every session of theirs ends but this one."""
    User.update(password_hash=password_hash).where(User.id == user_id).execute()
    sessions.end_all(user_id, but_session)


# --- what an admin does ------------------------------------------------------------------------


def page(paging: Paging) -> Page:
    """One page of all users, oldest first. Reads."""
    return paging.cut(User.select().order_by(User.id), lambda found: [to_dict(u) for u in found])


def find(user_id: int) -> User:
    """Any user. Reads.

    Raises:
        NotFoundError: there is none.
    """
    user: User | None = User.get_or_none(User.id == user_id)
    if user is None:
        raise NotFoundError("User")
    return user


def create(wanted: UserInput, password_hash: str) -> dict[str, Any]:
    """Make an account."""
    key = text.email_key(wanted.email)
    if User.select().where(User.email_key == key).exists():
        raise ValidationError({"email": ["Email is already in use"]})
    user = User.create(
        email=wanted.email,
        email_key=key,
        password_hash=password_hash,
        first_name=wanted.first_name,
        last_name=wanted.last_name,
        role=wanted.role,
        created_at=clock.now_ms(),
    )
    return to_dict(user)


def change(user_id: int, wanted: UserChange) -> dict[str, Any]:
    """Change a role, or whether somebody may sign in; it holds from the next request on.

    Raises:
        ConflictError: no admin would be left.
    """
    user = find(user_id)
    if wanted.role is not None:
        user.role = wanted.role
    if wanted.enabled is not None:
        user.disabled_at = None if wanted.enabled else clock.now_ms()
    user.save()
    _refuse_without_admin()
    if user.disabled_at is not None:
        sessions.end_all(user_id, None)
    return to_dict(user)


def delete(user_id: int) -> list[int]:
    """Delete an account with all that is its own; answers the ids of its services.

    Raises:
        ConflictError: no admin would be left.
    """
    user = find(user_id)
    services = [service.id for service in Service.select(Service.id).where(Service.user == user)]
    user.delete_instance()
    _refuse_without_admin()
    return services


def _refuse_without_admin() -> None:
    admins = User.select().where(User.role == "admin", User.disabled_at.is_null())
    if not admins.exists():
        raise ConflictError("One admin must remain")


def to_dict(user: User) -> dict[str, Any]:
    """An account as an admin sees it."""
    return {**accounts.to_dict(user), "enabled": user.disabled_at is None}
