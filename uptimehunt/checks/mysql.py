"""The `mysql` service type: log in to MySQL or MariaDB, and ask a query that can only read.

The protocol is PyMySQL's, over a connection of ours.
"""

import re
import ssl
import struct
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from uptimehunt.checks import database, net, stream, text
from uptimehunt.checks.base import CheckError, CheckType, Deadline, Outcome, place
from uptimehunt.checks.database import DatabaseConfig, LibrarySocket
from uptimehunt.checks.peer import target
from uptimehunt.checks.stream import Stream

# SECURITY: MariaDB lets a DROP TABLE out of a transaction that can only read, so a query has to
# begin as one that reads. Beside that there is only one statement, and the transaction.
_READING = re.compile(r"[\s(]*(select|show|with|values|table)\b", re.IGNORECASE)
_WRONG_LOGIN = "User name or password is wrong"
_NO_CONNECTION_LEFT = "The server has no connection left"
_READ_ONLY = "The query wants to change something, and may only read"
_FAULTS: dict[int, net.Fault] = {
    1044: ("authentication_failed", "The user is not allowed to open this database"),
    1045: ("authentication_failed", _WRONG_LOGIN),
    1130: ("authentication_failed", "The server does not let this machine in"),
    1251: ("authentication_failed", "The server wants a kind of login that is not supported"),
    1698: ("authentication_failed", _WRONG_LOGIN),
    1040: ("assertion_failed", _NO_CONNECTION_LEFT),
    1049: ("assertion_failed", "Database does not exist"),
    1053: ("assertion_failed", "The server is shutting down"),
    1064: ("assertion_failed", "The query is not one valid SELECT"),
    1129: ("assertion_failed", "The server has blocked this machine after too many errors"),
    1142: ("assertion_failed", "The user is not allowed to ask this"),
    1143: ("assertion_failed", "The user is not allowed to ask this"),
    1227: ("assertion_failed", "The user is not allowed to ask this"),
    1203: ("assertion_failed", _NO_CONNECTION_LEFT),
    1226: ("assertion_failed", _NO_CONNECTION_LEFT),
    1290: ("assertion_failed", _READ_ONLY),
    1792: ("assertion_failed", _READ_ONLY),
}
"""What error numbers of the server mean (MySQL 8.0 Error Message Reference)."""
_TIMED_OUT = (1969, 3024)  # MariaDB's and MySQL's
_NO_TLS = 2026
_NO_PLUGIN = (2059, 2061)
_GARBLED = (struct.error, LookupError, ValueError, TypeError, AttributeError, AssertionError)
"""What PyMySQL raises for answers that make no sense, beside errors of its own."""


def _valid_query(query: str) -> str:
    if not _READING.match(query):
        raise PydanticCustomError("query", "Query must be a SELECT or SHOW")
    return query


class MysqlConfig(DatabaseConfig):
    """A MySQL or MariaDB server."""

    port: int = Field(
        default=3306,
        ge=1,
        le=65535,
        title="Port",
        description="1 to 65535.",
        json_schema_extra=place(2, "request"),
    )
    query: Annotated[str, AfterValidator(_valid_query)] | None = Field(
        default=None,
        min_length=1,
        max_length=4096,
        title="Query",
        description="One SELECT or SHOW, asked in a transaction that can only read.",
        json_schema_extra=place(15, "expect", **{"x-multiline": True}),
    )


def check(config: MysqlConfig, deadline: Deadline) -> Outcome:
    """Log in, ask the query where there is one, and compare the first value of its answer.

    Without a user name, a server that turns the login down is up: to hang up before it would
    count as an error of this machine, which the server blocks after a hundred of them.

    Returns:
        details as `stream.converse` gives them, and `server_version`; after an error of the
        server `error_number`; when the value is another than expected also `value`, its first
        200 characters.
    """
    # Late: PyMySQL is not small, and many an instance watches no MySQL. But not so late that the
    # server is charged with the time that it takes.
    import pymysql  # noqa: F401

    def talk(peer: Stream) -> net.Fault | None:
        try:
            fault = _ask(peer, config)
        except CheckError as error:
            fault = error.kind, error.message
        if config.username is None and fault and fault[0] == "authentication_failed":
            return None
        return fault

    return stream.converse(config, deadline, talk)


class _Handshake(ssl.SSLContext):
    """Stands where PyMySQL wants its TLS settings: the handshake is that of all checks."""

    config: MysqlConfig

    def wrap_socket(self, sock: Any, *_args: Any, **_options: Any) -> Any:
        """Shake hands, and go on with the same socket."""
        sock.secure(self.config)
        return sock


class _PasswordKeeper:
    """Answers those who want the password in the clear over a connection in the clear."""

    def __init__(self, _connection: object) -> None:
        pass

    def authenticate(self, _packet: object) -> None:
        """Refuse."""
        raise CheckError(
            "authentication_failed", "The server wants the password in the clear, which takes TLS"
        )


def _ask(peer: Stream, config: MysqlConfig) -> net.Fault | None:
    import pymysql  # late, as above
    from cryptography.exceptions import UnsupportedAlgorithm

    sock = LibrarySocket(peer)
    with sock.guard(*_GARBLED, UnsupportedAlgorithm):
        try:
            session = _session(config)
            session.connect(sock)
            peer.details["server_version"] = text.excerpt(session.server_version.encode())
            row = _first_row(session, config.query, peer.deadline) if config.query else None
            session.close()
        except pymysql.MySQLError as error:
            return _fault(error, config, peer.details)
        except RuntimeError:
            if "server_version" not in peer.details:
                return _FAULTS[1251]  # an algorithm that a library would be needed for
            return "protocol_error", "The server asks for files of this machine"
        return database.judge(config, row, peer.details)


def _session(config: MysqlConfig) -> Any:
    """A session that is not connected yet; it knows no files, neither to read nor to send."""
    import pymysql  # late, as above

    handshake = None
    if config.tls:
        handshake = _Handshake(ssl.PROTOCOL_TLS_CLIENT)
        handshake.config = config
    in_the_clear = () if config.tls else ("mysql_clear_password", "dialog")
    return pymysql.Connection(
        host=config.host,
        user=config.username or database.UNKNOWN_USER,
        password=(config.password or "").encode(),
        database=config.database,
        charset="utf8mb4",
        conv={},  # every value stays the text that it came as
        autocommit=None,
        local_infile=False,
        auth_plugin_map=dict.fromkeys(in_the_clear, _PasswordKeeper),
        ssl=handshake,
        ssl_disabled=handshake is None,
        program_name="UptimeHunt",
        defer_connect=True,
    )


def _first_row(session: Any, query: str, deadline: Deadline) -> Sequence[Any] | None:
    """The first row of a query.

    SECURITY: the protocol takes one statement at a time unless we asked for more, the statement
    begins as one that reads (`_READING`), and the transaction can only read. The server sends one
    row of a SELECT without a LIMIT; of all else no more than the bound of the socket is read.
    """
    seconds = deadline.left()
    if "mariadb" in session.server_version.lower():
        limit = f"max_statement_time = {seconds:.3f}"
    else:
        limit = f"max_execution_time = {max(1, int(seconds * 1000))}"
    with session.cursor() as cursor:
        cursor.execute(f"SET SESSION sql_select_limit = 1, {limit}")
        cursor.execute("START TRANSACTION READ ONLY")
        cursor.execute(query)
        row: Sequence[Any] | None = cursor.fetchone()
        return row


def _fault(error: Exception, config: MysqlConfig, details: dict[str, Any]) -> net.Fault:
    """What an error means, the server's or PyMySQL's own."""
    number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    if number in _TIMED_OUT:
        return net.explain(TimeoutError(), config.peer, config.timeout)
    if number == _NO_TLS:
        return "tls_error", "The server offers no TLS"
    if number in _NO_PLUGIN:
        return _FAULTS[1251]
    if number < 1000 or 2000 <= number < 3000:
        return "protocol_error", "The answer cannot be understood"
    details["error_number"] = number
    is_logged_in = "server_version" in details
    other = "The query failed" if is_logged_in else "The server answers with an error"
    return _FAULTS.get(number, ("assertion_failed", other))


CHECK = CheckType(
    type="mysql",
    name="MySQL / MariaDB",
    description="Logs in to a MySQL or MariaDB server, and asks a query where one is given.",
    category="database",
    icon="database",
    config=MysqlConfig,
    check=check,
    target=target,
    timing_phases=stream.PHASES,
    libraries=("pymysql",),
)
