"""The `imap` service type: greeting, STARTTLS, login, and a mailbox that can be opened.

Source: RFC 9051, also for servers of RFC 3501; mailbox names in the encoding of RFC 3501, section
5.1.3, which both understand.
"""

import base64
import itertools
from typing import Self

from pydantic import Field, model_validator

from uptimehunt.checks import net, starttls, stream
from uptimehunt.checks.base import CheckError, CheckType, Deadline, Outcome, place, refuse
from uptimehunt.checks.login import LoginConfig, judge_greeting
from uptimehunt.checks.peer import target
from uptimehunt.checks.stream import Stream

# RFC 5530: refusals that are not about who logs in.
_NOT_NOW = (b"[UNAVAILABLE]", b"[INUSE]", b"[SERVERBUG]", b"[LIMIT]")
_MOST_DIGITS = 10


class ImapConfig(LoginConfig):
    """Where the mail server is, who logs in, and which mailbox is opened."""

    port: int = Field(
        default=143,
        ge=1,
        le=65535,
        title="Port",
        description="Usually 143, or 993 with TLS.",
        json_schema_extra=place(2, "request"),
    )
    mailbox: str | None = Field(
        default=None,
        min_length=1,
        max_length=255,
        title="Mailbox",
        description="Opened after the login, for reading only; for example INBOX.",
        json_schema_extra=place(12, "auth"),
    )

    @model_validator(mode="after")
    def _mailbox_can_be_opened(self) -> Self:
        if self.mailbox is None:
            return self
        if self.username is None:
            raise refuse({"username": ["User name is required to open a mailbox"]})
        if not all(character.isprintable() for character in self.mailbox):
            raise refuse({"mailbox": ["Mailbox must not contain control characters"]})
        return self


def check(config: ImapConfig, deadline: Deadline) -> Outcome:
    """Greet, secure the connection, log in and open a mailbox where asked, and log out.

    Returns:
        details as `stream.converse` gives them, `banner`, and `messages` (how many the mailbox
        holds).
    """

    def talk(peer: Stream) -> net.Fault | None:
        if config.security == "tls":
            peer.secure(config)
        greeting = starttls.imap_greeting(peer)
        fault = judge_greeting(config, peer, greeting)
        if config.security == "starttls":
            starttls.imap_starttls(peer, greeting)
            peer.secure(config)
        if fault is None and config.username is not None and config.password is not None:
            fault = _log_in(peer, config.username, config.password)
            if fault is None and config.mailbox is not None:
                fault = _open(peer, config.mailbox)
        peer.take_leave(b"q LOGOUT\r\n")
        return fault

    return stream.converse(config, deadline, talk)


def _log_in(peer: Stream, username: str, password: str) -> net.Fault | None:
    # As literals, which can hold anything: each is announced by its length, and asked for by "+".
    first, second = username.encode(), password.encode()
    status, lines = starttls.imap_command(peer, b"l", b"LOGIN {%d}" % len(first))
    for data in (first + b" {%d}" % len(second), second):
        if status == b"+":
            peer.send(data + b"\r\n")
            status, lines = starttls.imap_answer(peer, b"l")
    if status == b"OK":
        return None
    if status == b"+":
        raise CheckError("protocol_error", "The server asks for more than a login has")
    if any(code in lines[-1].upper() for code in _NOT_NOW):
        return "status_mismatch", "The server cannot log in anybody at the moment"
    return "authentication_failed", "Login was refused"


def _open(peer: Stream, mailbox: str) -> net.Fault | None:
    name = _encoded(mailbox).replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    status, lines = starttls.imap_command(peer, b"m", b'EXAMINE "' + name + b'"')
    if status != b"OK":
        return "assertion_failed", "Mailbox cannot be opened"
    for line in lines:
        words = line.split()
        if len(words) == 3 and words[0] == b"*" and words[2].upper() == b"EXISTS":
            count = words[1][:_MOST_DIGITS]
            if count.isdigit():
                peer.details["messages"] = int(count)
    return None


def _encoded(name: str) -> bytes:
    """A mailbox name in modified UTF-7."""
    parts = []
    for is_plain, characters in itertools.groupby(name, lambda character: " " <= character <= "~"):
        part = "".join(characters)
        if is_plain:
            parts.append(part.replace("&", "&-").encode())
        else:
            shifted = base64.b64encode(part.encode("utf-16-be"), b"+,").rstrip(b"=")
            parts.append(b"&" + shifted + b"-")
    return b"".join(parts)


CHECK = CheckType(
    type="imap",
    name="IMAP",
    description="Talks to a mail store: greeting, STARTTLS, login and a mailbox where asked.",
    category="mail",
    icon="mail",
    config=ImapConfig,
    check=check,
    target=target,
    timing_phases=stream.PHASES,
)
