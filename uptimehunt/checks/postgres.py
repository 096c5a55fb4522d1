"""The `postgres` service type: log in, and ask a query that can only read.

What CockroachDB, Yugabyte and PgBouncer answer is the same. The protocol is pg8000's, over a
connection of ours.
"""

import functools
import re
import struct
from typing import Any

from pydantic import Field

from uptimehunt.checks import database, net, stream, text
from uptimehunt.checks.base import CheckError, CheckType, Deadline, Outcome, place
from uptimehunt.checks.database import DatabaseConfig, LibrarySocket
from uptimehunt.checks.peer import target
from uptimehunt.checks.stream import Stream

_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
_CLEARTEXT_PASSWORD, _SASL_CONTINUE = 3, 11
_SPOKEN = (0, _CLEARTEXT_PASSWORD, 5, 10, _SASL_CONTINUE, 12)
"""Requests at login that are answered: all is well, passwords in the clear, MD5, SCRAM."""
_MOST_ITERATIONS = 1_000_000  # about half a second
_ITERATIONS = re.compile(rb",i=(\d{1,9})(?:,|$)")
_SQLSTATE = re.compile(r"[0-9A-Z]{5}")
_QUERY_CANCELED = "57014"
_FAULTS: dict[str, net.Fault] = {
    "28P01": ("authentication_failed", "User name or password is wrong"),
    "28000": ("authentication_failed", "The server does not let this user in"),
    "3D000": ("assertion_failed", "Database does not exist"),
    "53300": ("assertion_failed", "The server has no connection left"),
    "57P01": ("assertion_failed", "The server is shutting down"),
    "57P03": ("assertion_failed", "The server is starting up or shutting down"),
    "25006": ("assertion_failed", "The query wants to change something, and may only read"),
    "42501": ("assertion_failed", "The user is not allowed to ask this"),
    "0A000": ("assertion_failed", "The query is nothing that can be read row by row"),
    "42601": ("assertion_failed", "The query is not one valid SELECT"),
}
_CANNOT_SERVE = ("53300", "57P01", "57P03")
"""Errors of a server that answers, but would not let anybody in."""
_GARBLED = (struct.error, LookupError, ValueError, TypeError, AttributeError)
"""What pg8000 raises for answers that make no sense, beside errors of its own."""


class PostgresConfig(DatabaseConfig):
    """A PostgreSQL server."""

    port: int = Field(
        default=5432,
        ge=1,
        le=65535,
        title="Port",
        description="1 to 65535.",
        json_schema_extra=place(2, "request"),
    )


class _AnsweredError(Exception):
    """The server has asked who we are, which is all that is wanted without a user name."""


def check(config: PostgresConfig, deadline: Deadline) -> Outcome:
    """Log in, ask the query where there is one, and compare the first value of its answer.

    Without a user name, a server that asks for a login or turns it down is up.

    Returns:
        details as `stream.converse` gives them, and `server_version`; after an error of the
        server `sqlstate`; when the value is another than expected also `value`, its first 200
        characters.
    """
    _session_class()  # now, lest the server be charged with the time that loading it takes

    def talk(peer: Stream) -> net.Fault | None:
        if config.tls:
            _secure(peer, config)
        return _ask(peer, config)

    return stream.converse(config, deadline, talk)


def _secure(peer: Stream, config: PostgresConfig) -> None:
    """Switch to TLS; source: PostgreSQL documentation, "SSL Session Encryption"."""
    peer.send(_SSL_REQUEST)
    answer = peer.read(1)
    if answer == b"N":
        raise CheckError("tls_error", "The server offers no TLS")
    if answer != b"S":
        raise CheckError("protocol_error", "The answer is not PostgreSQL")
    peer.secure(config)


def _ask(peer: Stream, config: PostgresConfig) -> net.Fault | None:
    # Late: pg8000 is large, and many an instance watches no PostgreSQL.
    import pg8000.exceptions
    import scramp

    sock = LibrarySocket(peer)
    try:
        with sock.guard(pg8000.exceptions.InterfaceError, scramp.ScramException, *_GARBLED):
            session = _session_class()(sock, config)
            version = session.parameter_statuses.get("server_version", "")
            peer.details["server_version"] = text.excerpt(version.encode())
            row = _first_row(session, config.query, peer.deadline) if config.query else None
            session.close()
            return database.judge(config, row, peer.details)
    except _AnsweredError:
        return None
    except pg8000.exceptions.DatabaseError as error:
        return _fault(error, config, peer.details)


def _first_row(session: Any, query: str, deadline: Deadline) -> list[Any] | None:
    """The first row of a query, as texts.

    SECURITY: a cursor takes a single SELECT and nothing else, and the transaction that it needs
    can only read. The protocol for prepared statements refuses a second statement behind it, so
    that nobody gets out of the transaction. And the server sends one row, however many there are.
    """
    timeout_ms = max(1, int(deadline.left() * 1000))
    session.execute_simple("START TRANSACTION READ ONLY")
    session.execute_simple(f"SET LOCAL statement_timeout = {timeout_ms}")
    session.execute_unnamed(f"DECLARE answer NO SCROLL CURSOR FOR {query}")
    rows = session.execute_simple("FETCH FORWARD 1 FROM answer").rows
    return rows[0] if rows else None


def _fault(error: Any, config: PostgresConfig, details: dict[str, Any]) -> net.Fault | None:
    """What an error of the server means, by its SQLSTATE (PostgreSQL documentation, appendix A)."""
    fields = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    sqlstate = str(fields.get("C", ""))
    if sqlstate == _QUERY_CANCELED:
        return net.explain(TimeoutError(), config.peer, config.timeout)
    details["sqlstate"] = sqlstate if _SQLSTATE.fullmatch(sqlstate) else None
    if config.username is None and sqlstate not in _CANNOT_SERVE:
        return None
    is_logged_in = "server_version" in details
    other = "The query failed" if is_logged_in else "The server answers with an error"
    return _FAULTS.get(sqlstate, ("assertion_failed", other))


@functools.cache
def _session_class() -> Any:
    """Make the class of a session: pg8000's, with bounds."""
    from pg8000.core import CoreConnection  # late, as above

    class Session(CoreConnection):  # type: ignore[misc]
        """A session in which the server cannot have everything its way."""

        def __init__(self, sock: LibrarySocket, config: PostgresConfig) -> None:
            self._config = config
            super().__init__(
                config.username or database.UNKNOWN_USER,
                database=config.database,
                password=config.password or "",
                application_name="UptimeHunt",
                startup_params={"client_encoding": "UTF8"},
                ssl_context=False,
                sock=sock,
            )
            self.pg_types.clear()  # every value stays the text that it came as

        def handle_AUTHENTICATION_REQUEST(self, data: bytes, context: Any) -> None:
            """Answer, unless it would give the password away or take for ever."""
            (code,) = struct.unpack_from("!i", data)
            if code and self._config.username is None:
                raise _AnsweredError
            if code not in _SPOKEN:
                raise CheckError(
                    "authentication_failed", "The server wants a login that is no password"
                )
            if code == _CLEARTEXT_PASSWORD and not self._config.tls:
                raise CheckError(
                    "authentication_failed",
                    "The server wants the password in the clear, which takes TLS",
                )
            if code == _SASL_CONTINUE:
                iterations = _ITERATIONS.search(data)
                if iterations is None or int(iterations[1]) > _MOST_ITERATIONS:
                    raise CheckError("protocol_error", "The server asks for endless work at login")
            super().handle_AUTHENTICATION_REQUEST(data, context)

        def handle_PARAMETER_STATUS(self, data: bytes, context: Any) -> None:
            """Keep the version only: the encoding is UTF-8, whatever the server says."""
            name, _, value = data.partition(b"\0")
            if name == b"server_version":
                self.parameter_statuses["server_version"] = value.rstrip(b"\0").decode("latin-1")

    return Session


CHECK = CheckType(
    type="postgres",
    name="PostgreSQL",
    description="Logs in to a PostgreSQL server, and asks a query where one is given.",
    category="database",
    icon="database",
    config=PostgresConfig,
    check=check,
    target=target,
    timing_phases=stream.PHASES,
    libraries=("pg8000.core", "pg8000.exceptions", "scramp"),
)
