"""What the checks of SQL databases share: their config, their verdict, and a socket for libraries.

The libraries of databases bring their own protocol; they know timeouts, but neither deadlines nor
bounds. They get a `LibrarySocket` in place of a socket: every read and write of theirs waits no
longer than the deadline of the check, they read no more than the bound, and they never dial.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from uptimehunt.checks import net, text
from uptimehunt.checks.base import CheckError, place, refuse, secret
from uptimehunt.checks.peer import TlsConfig
from uptimehunt.checks.stream import Stream

MOST_BYTES = 1_048_576
UNKNOWN_USER = "uptimehunt"
"""Who knocks where no user name is given, to be turned away."""


class DatabaseConfig(TlsConfig):
    """Where to log in, what to ask, and what to expect of the answer."""

    username: str | None = Field(
        default=None,
        min_length=1,
        max_length=255,
        title="User name",
        description="Of a user who may only read; left out, the server only has to answer.",
        json_schema_extra=place(10, "auth"),
    )
    password: Annotated[
        str | None,
        Field(title="Password", description="Of that user.", **secret(11, "auth")),
    ] = None
    database: str | None = Field(
        default=None,
        min_length=1,
        max_length=255,
        title="Database",
        description="Which one to open.",
        json_schema_extra=place(12, "auth"),
    )
    query: str | None = Field(
        default=None,
        min_length=1,
        max_length=4096,
        title="Query",
        description="One SELECT, asked in a transaction that can only read.",
        json_schema_extra=place(15, "expect", **{"x-multiline": True}),
    )
    expected: str | None = Field(
        default=None,
        max_length=4096,
        title="Expected value",
        description="First column of the first row, as text.",
        json_schema_extra=place(16, "expect"),
    )
    tls: bool = Field(
        default=False,
        title="TLS",
        description="Ask the server for TLS, and fail when it offers none.",
        json_schema_extra=place(20, "tls"),
    )

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        needs_login = {
            "a password": self.password,
            "a database": self.database,
            "a query": self.query,
        }
        for what, value in needs_login.items():
            if value is not None and self.username is None:
                raise refuse({"username": [f"User name is required with {what}"]})
        if self.expected is not None and self.query is None:
            raise refuse({"query": ["Query is required with an expected value"]})
        for name in ("username", "password", "database", "query"):
            if "\0" in (getattr(self, name) or ""):
                title = type(self).model_fields[name].title
                raise refuse({name: [f"{title} must not contain a NUL character"]})
        return self


def judge(
    config: DatabaseConfig, row: Sequence[Any] | None, details: dict[str, Any]
) -> net.Fault | None:
    """What the answer to the query lacks of what is expected.

    Args:
        config: what was expected.
        row: the first row, its values as text or bytes, None for NULL; None when there is no row.
        details: gets `value`, the first 200 characters of another value than expected.
    """
    if config.expected is None:
        return None
    if not row:
        return "assertion_failed", "The query found nothing"
    value = row[0]
    if value is None:
        return "assertion_failed", "The query found NULL"
    found = value if isinstance(value, bytes) else str(value).encode()
    if found == config.expected.encode():
        return None
    details["value"] = text.excerpt(found, [config.password])
    return "assertion_failed", "The query found another value than expected"


class LibrarySocket:
    """What pg8000 and PyMySQL use of a socket and of the file made from it."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._room = MOST_BYTES
        self._unread = bytearray()
        self._unsent = bytearray()
        self._is_closed = False
        self._trouble: OSError | CheckError | None = None

    @contextmanager
    def guard(self, *garbled: type[Exception]) -> Iterator[None]:
        """Put right what a library makes of trouble within this block.

        It may wrap, swallow or rename what a read or write ended with.

        Args:
            garbled: what the library raises, if anything, for an answer that makes no sense.

        Raises:
            OSError: the connection failed, or the deadline has passed.
            CheckError: an answer that is too long, cut off, or makes no sense.
        """
        try:
            yield
        except garbled:
            if self._trouble is None:
                raise CheckError("protocol_error", "The answer cannot be understood") from None
            raise self._trouble from None
        if self._trouble is not None:
            raise self._trouble

    def secure(self, config: TlsConfig) -> None:
        """Shake hands for TLS, as `Stream.secure` does, and as there forget what came before.

        Raises:
            OSError: it failed.
        """
        self._unread.clear()
        try:
            self._stream.secure(config)
        except OSError as error:
            self._trouble = error
            raise

    def makefile(self, mode: str) -> Self:
        """Itself: it is its own file, too."""
        return self

    def settimeout(self, _seconds: float | None) -> None:
        """Nothing: the deadline holds anyway."""

    def read(self, count: int) -> bytes:
        """So many bytes.

        Raises:
            OSError: the connection failed, or the deadline has passed.
            CheckError: the stream ended before, or has more than the bound allows.
        """
        self._room -= count
        try:
            if self._is_closed or count < 0:
                raise CheckError("protocol_error", "The answer cannot be understood")
            if self._room < 0:
                raise CheckError("body_too_large", "The answer has more than 1 MiB")
            self._fetch(count)
        except (OSError, CheckError) as error:
            self._trouble = self._trouble or error
            raise
        data = bytes(self._unread[:count])
        del self._unread[:count]
        return data

    def _fetch(self, count: int) -> None:
        """Have so many bytes ready: libraries read a few at a time, the system gives many."""
        while len(self._unread) < count:
            chunk = self._stream.read()
            if not chunk:
                raise CheckError("protocol_error", "The connection was closed in mid-answer")
            self._unread += chunk

    def write(self, data: bytes) -> None:
        """Keep it until `flush`."""
        self._unsent += data

    def flush(self) -> None:
        """Send what was written; raises what `sendall` does."""
        data, self._unsent = bytes(self._unsent), bytearray()
        self.sendall(data)

    def sendall(self, data: bytes) -> None:
        """Send it.

        Raises:
            OSError: the connection failed, or the deadline has passed.
        """
        try:
            if not self._is_closed:
                self._stream.send(data)
        except OSError as error:
            self._trouble = self._trouble or error
            raise

    def close(self) -> None:
        """Read and send no more; the check itself hangs up."""
        self._is_closed = True
