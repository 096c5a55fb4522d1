"""The `ftp` service type: greeting, AUTH TLS and login of a file server; no file is touched.

Only the control connection is used. Source: RFC 959; RFC 4217 (AUTH TLS); RFC 1635 (anonymous).
"""

from typing import ClassVar

from pydantic import Field

from uptimehunt.checks import net, starttls, stream
from uptimehunt.checks.base import CheckType, Deadline, Outcome, place
from uptimehunt.checks.login import LoginConfig, judge_greeting
from uptimehunt.checks.peer import target
from uptimehunt.checks.stream import Stream


class FtpConfig(LoginConfig):
    """Where the file server is, and who logs in."""

    anonymous_names: ClassVar[frozenset[str]] = frozenset(("anonymous", "ftp"))

    port: int = Field(
        default=21,
        ge=1,
        le=65535,
        title="Port",
        description="Usually 21, or 990 with TLS.",
        json_schema_extra=place(2, "request"),
    )


def check(config: FtpConfig, deadline: Deadline) -> Outcome:
    """Greet, secure the connection and log in where asked, and quit.

    Returns:
        details as `stream.converse` gives them, and `banner`.
    """

    def talk(peer: Stream) -> net.Fault | None:
        if config.security == "tls":
            peer.secure(config)
        fault = judge_greeting(config, peer, starttls.ftp_greeting(peer))
        if config.security == "starttls":
            starttls.ftp_starttls(peer)
            peer.secure(config)
        if fault is None and config.username is not None:
            fault = _log_in(peer, config.username, config.password or "guest")
        peer.take_leave(b"QUIT\r\n")
        return fault

    return stream.converse(config, deadline, talk)


def _log_in(peer: Stream, username: str, password: str) -> net.Fault | None:
    code, _ = starttls.command(peer, b"USER " + username.encode())
    if code == 331:
        code, _ = starttls.command(peer, b"PASS " + password.encode())
    if code in (230, 232, 202):
        return None
    if code in (332, *range(500, 600)):  # 332: an account is wanted on top, which we do not have
        return "authentication_failed", f"Login was refused ({code})"
    return "status_mismatch", f"Answered {code} to the login, expected 230"


CHECK = CheckType(
    type="ftp",
    name="FTP",
    description="Talks to a file server: greeting, TLS and login where asked.",
    category="files",
    icon="folder",
    config=FtpConfig,
    check=check,
    target=target,
    timing_phases=stream.PHASES,
)
