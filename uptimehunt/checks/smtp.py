"""The `smtp` service type: greeting, EHLO, STARTTLS and login of a mail server; no mail is sent.

Source: RFC 5321; RFC 3207 (STARTTLS); RFC 4954 (AUTH).
"""

import base64

from pydantic import Field

from uptimehunt.checks import net, starttls, stream, text
from uptimehunt.checks.base import CheckType, Deadline, Outcome, place
from uptimehunt.checks.login import LoginConfig, judge_greeting
from uptimehunt.checks.peer import target
from uptimehunt.checks.stream import Stream

_MOST_SHOWN = 30


class SmtpConfig(LoginConfig):
    """Where the mail server is, and who logs in."""

    port: int = Field(
        default=25,
        ge=1,
        le=65535,
        title="Port",
        description="Usually 25, 587 with STARTTLS, or 465 with TLS.",
        json_schema_extra=place(2, "request"),
    )


def check(config: SmtpConfig, deadline: Deadline) -> Outcome:
    """Greet, secure the connection and log in where asked, and quit.

    Returns:
        details as `stream.converse` gives them, `banner`, and `extensions` (from the last EHLO).
    """

    def talk(peer: Stream) -> net.Fault | None:
        if config.security == "tls":
            peer.secure(config)
        fault = judge_greeting(config, peer, starttls.smtp_greeting(peer))
        extensions = starttls.smtp_hello(peer)
        if config.security == "starttls":
            starttls.smtp_starttls(peer, extensions)
            peer.secure(config)
            extensions = starttls.smtp_hello(peer)
        peer.details["extensions"] = [
            text.excerpt(extension, [config.password]) for extension in extensions[:_MOST_SHOWN]
        ]
        if fault is None and config.username is not None and config.password is not None:
            fault = _log_in(peer, extensions, config.username, config.password)
        peer.take_leave(b"QUIT\r\n")
        return fault

    return stream.converse(config, deadline, talk)


def _log_in(
    peer: Stream, extensions: list[bytes], username: str, password: str
) -> net.Fault | None:
    mechanisms = {
        mechanism
        for words in (extension.upper().split() for extension in extensions)
        if words[:1] == [b"AUTH"]
        for mechanism in words[1:]
    }
    if b"PLAIN" in mechanisms:
        secret = _base64(f"\0{username}\0{password}")
        code, _ = starttls.command(peer, b"AUTH PLAIN " + secret)
    elif b"LOGIN" in mechanisms:
        code, _ = starttls.command(peer, b"AUTH LOGIN")
        for answer in (username, password):
            if code == 334:
                code, _ = starttls.command(peer, _base64(answer))
    else:
        return "authentication_failed", "The server offers no login with a password"
    if code == 235:
        return None
    if 500 <= code <= 599:
        return "authentication_failed", f"Login was refused ({code})"
    return "status_mismatch", f"Answered {code} to the login, expected 235"


def _base64(plain: str) -> bytes:
    return base64.b64encode(plain.encode())


CHECK = CheckType(
    type="smtp",
    name="SMTP",
    description="Talks to a mail server: greeting, STARTTLS and login where asked.",
    category="mail",
    icon="mail",
    config=SmtpConfig,
    check=check,
    target=target,
    timing_phases=stream.PHASES,
)
