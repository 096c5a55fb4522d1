"""The `pop3` service type: greeting, STARTTLS and login of a mail store.

Source: RFC 1939; RFC 2595, section 4 (STLS); RFC 3206 (response codes).
"""

from pydantic import Field

from uptimehunt.checks import net, starttls, stream
from uptimehunt.checks.base import CheckType, Deadline, Outcome, place
from uptimehunt.checks.login import LoginConfig, judge_greeting
from uptimehunt.checks.peer import target
from uptimehunt.checks.stream import Stream

# Refusals that are not about who logs in.
_NOT_NOW = (b"[SYS/TEMP]", b"[SYS/PERM]", b"[IN-USE]", b"[LOGIN-DELAY]")


class Pop3Config(LoginConfig):
    """Where the mail server is, and who logs in."""

    port: int = Field(
        default=110,
        ge=1,
        le=65535,
        title="Port",
        description="Usually 110, or 995 with TLS.",
        json_schema_extra=place(2, "request"),
    )


def check(config: Pop3Config, deadline: Deadline) -> Outcome:
    """Greet, secure the connection and log in where asked, and quit.

    Returns:
        details as `stream.converse` gives them, and `banner`.
    """

    def talk(peer: Stream) -> net.Fault | None:
        if config.security == "tls":
            peer.secure(config)
        fault = judge_greeting(config, peer, starttls.pop3_greeting(peer))
        if config.security == "starttls":
            starttls.pop3_starttls(peer)
            peer.secure(config)
        if fault is None and config.username is not None and config.password is not None:
            fault = _log_in(peer, config.username, config.password)
        peer.take_leave(b"QUIT\r\n")
        return fault

    return stream.converse(config, deadline, talk)


def _log_in(peer: Stream, username: str, password: str) -> net.Fault | None:
    is_ok, reason = starttls.pop3_command(peer, b"USER " + username.encode())
    if is_ok:
        is_ok, reason = starttls.pop3_command(peer, b"PASS " + password.encode())
    if is_ok:
        return None
    if reason.upper().startswith(_NOT_NOW):
        return "status_mismatch", "The server cannot log in anybody at the moment"
    return "authentication_failed", "Login was refused"


CHECK = CheckType(
    type="pop3",
    name="POP3",
    description="Talks to a mail store: greeting, STARTTLS and login where asked.",
    category="mail",
    icon="mail",
    config=Pop3Config,
    check=check,
    target=target,
    timing_phases=stream.PHASES,
)
