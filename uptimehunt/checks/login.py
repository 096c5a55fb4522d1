"""The config of check types that are greeted, may log in, and may secure the connection first."""

from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from uptimehunt.checks import net, text
from uptimehunt.checks.base import place, refuse, secret
from uptimehunt.checks.peer import SecurableConfig
from uptimehunt.checks.stream import Stream


def _on_one_line(title: str) -> AfterValidator:
    # SECURITY: a line break would end our command and begin one of somebody else's choice.
    def validate(value: str) -> str:
        if any(character in value for character in "\r\n\0"):
            raise PydanticCustomError("one_line", f"{title} must be on one line")
        return value

    return AfterValidator(validate)


class LoginConfig(SecurableConfig):
    """What the greeting must say, and who logs in."""

    anonymous_names: ClassVar[frozenset[str]] = frozenset()
    """User names that need no password."""

    username: Annotated[str, _on_one_line("User name")] | None = Field(
        default=None,
        min_length=1,
        max_length=255,
        title="User name",
        description="Left out, the check does not log in.",
        json_schema_extra=place(10, "auth"),
    )
    password: Annotated[
        Annotated[str, _on_one_line("Password")] | None,
        Field(
            title="Password",
            description="Sent over a secured connection only.",
            **secret(11, "auth"),
        ),
    ] = None
    expect: text.Pattern | None = Field(
        default=None,
        min_length=1,
        max_length=1000,
        title="Expected greeting",
        description="RE2 pattern to be found in the greeting of the server.",
        json_schema_extra=place(15, "expect"),
    )

    @property
    def is_anonymous(self) -> bool:
        """Whether the user name is one that needs no password."""
        return self.username is not None and self.username.lower() in self.anonymous_names

    @model_validator(mode="after")
    def _login_is_whole_and_secured(self) -> Self:
        if self.password is None:
            if self.username is not None and not self.is_anonymous:
                raise refuse({"password": ["Password is required with a user name"]})
        elif self.username is None:
            raise refuse({"username": ["User name is required with a password"]})
        elif self.security == "none":
            raise refuse({"security": ["Security must not be none when a password is sent"]})
        return self


def judge_greeting(config: LoginConfig, peer: Stream, greeting: bytes) -> net.Fault | None:
    """Show the greeting in the details, and compare it with what is expected."""
    peer.details["banner"] = text.excerpt(greeting, [config.password])
    if config.expect is not None and not text.matches(config.expect, greeting):
        return "assertion_failed", "The greeting is not as expected"
    return None
