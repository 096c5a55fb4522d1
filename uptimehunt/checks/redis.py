"""The `redis` service type: log in, PING, and read a key where asked.

Spoken by hand: what is needed of the protocol is three kinds of replies. Valkey, KeyDB and
Dragonfly speak the same.
"""

from typing import Annotated, Self

from pydantic import Field, model_validator

from uptimehunt.checks import net, stream, text
from uptimehunt.checks.base import CheckError, CheckType, Deadline, Outcome, place, refuse, secret
from uptimehunt.checks.peer import TlsConfig, target
from uptimehunt.checks.stream import Stream

_LONGEST_VALUE = 1_048_576
_NOT_LOGGED_IN: dict[bytes, str] = {
    b"NOAUTH": "The server wants a login",
    b"WRONGPASS": "User name or password is wrong",
    b"NOPERM": "The login is not allowed to do this",
    b"DENIED": "The server takes only clients on its own machine (protected mode)",
}
_NOT_ABLE: dict[bytes, str] = {
    b"LOADING": "The server is still loading its data",
    b"BUSY": "The server is busy with a script",
    b"MASTERDOWN": "The server has lost its primary",
    b"CLUSTERDOWN": "The cluster is down",
    b"MOVED": "Key is on another node of the cluster",
    b"ASK": "Key is on another node of the cluster",
    b"WRONGTYPE": "Key does not hold a text",
}


class RedisConfig(TlsConfig):
    """Where to log in, and which key to read."""

    port: int = Field(
        default=6379,
        ge=1,
        le=65535,
        title="Port",
        description="1 to 65535.",
        json_schema_extra=place(2, "request"),
    )
    database: int = Field(
        default=0,
        ge=0,
        le=16383,
        title="Database",
        description="Number of the database that the key is in.",
        json_schema_extra=place(3, "request"),
    )
    username: str | None = Field(
        default=None,
        min_length=1,
        max_length=255,
        title="User name",
        description="Left out, the default user logs in.",
        json_schema_extra=place(10, "auth"),
    )
    password: Annotated[
        str | None,
        Field(
            title="Password",
            description="Left out, the check does not log in.",
            **secret(11, "auth"),
        ),
    ] = None
    key: str | None = Field(
        default=None,
        min_length=1,
        max_length=1024,
        title="Key",
        description="Must exist and hold a text; left out, the server only has to answer.",
        json_schema_extra=place(15, "expect"),
    )
    expected: str | None = Field(
        default=None,
        max_length=4096,
        title="Expected value",
        description="What the key must hold, exactly as written.",
        json_schema_extra=place(16, "expect"),
    )
    tls: bool = Field(
        default=False,
        title="TLS",
        description="Connect with TLS.",
        json_schema_extra=place(20, "tls"),
    )

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if self.username is not None and self.password is None:
            raise refuse({"password": ["Password is required with a user name"]})
        if self.expected is not None and self.key is None:
            raise refuse({"key": ["Key is required with an expected value"]})
        return self


def check(config: RedisConfig, deadline: Deadline) -> Outcome:
    """Log in where there is a password, PING, and read the key where there is one.

    Returns:
        details as `stream.converse` gives them; when the value is another than expected also
        `value`, its first 200 characters.
    """

    def talk(peer: Stream) -> net.Fault | None:
        if config.tls:
            peer.secure(config)
        if config.password is not None:
            _log_in(peer, config.username, config.password)
        if _ask(peer, b"PING") != b"PONG":
            raise CheckError("protocol_error", "The answer to PING is not PONG")
        if config.key is not None:
            return _read_key(peer, config)
        return None

    return stream.converse(config, deadline, talk)


def _log_in(peer: Stream, username: str | None, password: str) -> None:
    words = (password,) if username is None else (username, password)
    try:
        _ask(peer, b"AUTH", *(word.encode() for word in words))
    except CheckError as error:
        if error.kind != "assertion_failed":
            raise
        # Before Redis 6 there was no code for it; an error after AUTH is about the login.
        raise CheckError("authentication_failed", _NOT_LOGGED_IN[b"WRONGPASS"]) from None


def _read_key(peer: Stream, config: RedisConfig) -> net.Fault | None:
    assert config.key is not None
    if config.database:
        _ask(peer, b"SELECT", str(config.database).encode())
    value = _ask(peer, b"GET", config.key.encode())
    if value is None:
        return "assertion_failed", "Key does not exist"
    if config.expected is not None and value != config.expected.encode():
        peer.details["value"] = text.excerpt(value, [config.password])
        return "assertion_failed", "Key holds another value than expected"
    return None


def _ask(peer: Stream, *words: bytes) -> bytes | None:
    """Send a command and read its reply, in RESP version 2.

    Returns:
        The text of a simple or bulk string; None for one that does not exist.

    Raises:
        CheckError: an error reply, a reply of another kind, or one that is too long.

    Source: redis.io, "Redis serialization protocol specification".
    """
    parts = [b"*%d\r\n" % len(words), *(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)]
    peer.send(b"".join(parts))
    line = peer.read_line()
    kind, rest = line[:1], line[1:]
    if kind == b"+":
        return rest
    if kind == b"-":
        raise _error(rest)
    if kind != b"$":
        raise CheckError("protocol_error", "The answer is not Redis")
    if rest == b"-1":
        return None
    if not rest.isdigit() or len(rest) > 10:
        raise CheckError("protocol_error", "The answer is not Redis")
    length = int(rest)
    if length > _LONGEST_VALUE:
        raise CheckError("body_too_large", "Key holds more than 1 MiB")
    return peer.read_exactly(length + 2)[:-2]


def _error(reply: bytes) -> CheckError:
    """What an error reply means; its first word is a code."""
    code = reply.split(b" ", 1)[0]
    if code in _NOT_LOGGED_IN:
        return CheckError("authentication_failed", _NOT_LOGGED_IN[code])
    if reply.startswith(b"ERR operation not permitted"):  # NOAUTH, before Redis 2.8
        return CheckError("authentication_failed", _NOT_LOGGED_IN[b"NOAUTH"])
    return CheckError("assertion_failed", _NOT_ABLE.get(code, "The server answers with an error"))


CHECK = CheckType(
    type="redis",
    name="Redis",
    description="Logs in to a Redis server, and compares a key where asked.",
    category="database",
    icon="database",
    config=RedisConfig,
    check=check,
    target=target,
    timing_phases=stream.PHASES,
)
