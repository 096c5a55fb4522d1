"""The openings of dialogues, up to the point where TLS may begin.

For the check types of these protocols, and for `tcp` and `tls`, which go no further. Each function
takes the connection as the one before left it. SECURITY: a server that will not have TLS ends the
check as a `tls_error`; nobody goes on in the clear because of what an answer in the clear said.
"""

from typing import Literal

from uptimehunt.checks import text
from uptimehunt.checks.base import CheckError
from uptimehunt.checks.stream import Stream

Protocol = Literal["none", "smtp", "imap", "pop3", "ftp", "postgres"]
"""Where STARTTLS is understood."""

Reply = tuple[int, list[bytes]]
"""The code, and the text of each line."""

_MOST_LINES = 200
_POSTGRES_SSL_REQUEST = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")


def begin(protocol: Protocol, peer: Stream) -> None:
    """Talk up to where the TLS handshake follows.

    Raises:
        CheckError: the server will not have TLS, or speaks another protocol.
    """
    match protocol:
        case "smtp":
            smtp_greeting(peer)
            smtp_starttls(peer, smtp_hello(peer))
        case "imap":
            imap_starttls(peer, imap_greeting(peer))
        case "pop3":
            pop3_greeting(peer)
            pop3_starttls(peer)
        case "ftp":
            ftp_greeting(peer)
            ftp_starttls(peer)
        case "postgres":
            _postgres(peer)
        case "none":
            pass


def read_reply(peer: Stream) -> Reply:
    """A reply with a number of three digits, on one line or more.

    Source: RFC 5321, section 4.2.1 (SMTP); RFC 959, section 4.2 (FTP, whose middle lines need no
    number).

    Raises:
        CheckError: it is none.
    """
    line = peer.read_line()
    number = line[:3]
    if not (len(number) == 3 and number.isdigit() and line[3:4] in (b"", b" ", b"-")):
        raise CheckError("protocol_error", "The answer has no reply code")
    lines = [line[4:]]
    is_last = line[3:4] != b"-"
    while not is_last:
        if len(lines) == _MOST_LINES:
            raise CheckError("protocol_error", "The answer has too many lines")
        line = peer.read_line()
        has_number = line[:3] == number
        is_last = has_number and line[3:4] in (b"", b" ")
        lines.append(line[4:] if has_number else line)
    return int(number), lines


def command(peer: Stream, line: bytes) -> Reply:
    """Send a line, and read the numbered reply to it."""
    peer.send(line + b"\r\n")
    return read_reply(peer)


def expect(peer: Stream, reply: Reply, wanted: int, what: str) -> list[bytes]:
    """The lines of a reply with the wanted code.

    Args:
        peer: who gave it; any other reply is shown in its details.
        reply: what came.
        wanted: the code that means yes.
        what: what it replies to, for people.

    Raises:
        CheckError: it has another code.
    """
    code, lines = reply
    if code != wanted:
        peer.details["answer"] = text.excerpt(b"\n".join(lines))
        raise CheckError("status_mismatch", f"Answered {code} to {what}, expected {wanted}")
    return lines


def no_starttls() -> CheckError:
    """The failure of a server that will not have TLS."""
    return CheckError("tls_error", "The server offers no STARTTLS")


# SMTP, RFC 5321 and RFC 3207


def smtp_greeting(peer: Stream) -> bytes:
    """The text of the greeting."""
    return b"\n".join(expect(peer, read_reply(peer), 220, "the connection"))


def smtp_hello(peer: Stream) -> list[bytes]:
    """Say EHLO; the extensions of the server, as it writes them."""
    # Section 4.1.3: a client without a name gives its address.
    address = f"IPv6:{peer.local_ip}" if ":" in peer.local_ip else peer.local_ip
    lines = expect(peer, command(peer, f"EHLO [{address}]".encode()), 250, "EHLO")
    return [line.strip() for line in lines[1:]]


def smtp_starttls(peer: Stream, extensions: list[bytes]) -> None:
    """Ask for TLS."""
    is_offered = any(extension.upper() == b"STARTTLS" for extension in extensions)
    if not is_offered or command(peer, b"STARTTLS")[0] != 220:
        raise no_starttls()


# IMAP, RFC 9051, sections 6.2.1 and 7.1


def imap_greeting(peer: Stream) -> bytes:
    """The greeting as it came, `OK` or `PREAUTH` first."""
    star, _, greeting = peer.read_line().partition(b" ")
    status = greeting[:7].upper().split(b" ")[0]
    if star != b"*" or status not in (b"OK", b"PREAUTH", b"BYE"):
        raise CheckError("protocol_error", "The greeting is not one of IMAP")
    if status == b"BYE":
        raise CheckError("status_mismatch", "The server turns the connection away")
    return greeting


def imap_starttls(peer: Stream, greeting: bytes) -> None:
    """Ask for TLS, which a server that has logged us in already cannot start any more."""
    if greeting[:7].upper() == b"PREAUTH" or imap_command(peer, b"s", b"STARTTLS")[0] != b"OK":
        raise no_starttls()


def imap_command(peer: Stream, tag: bytes, line: bytes) -> tuple[bytes, list[bytes]]:
    """Send a command, and read its answer, see `imap_answer`."""
    peer.send(tag + b" " + line + b"\r\n")
    return imap_answer(peer, tag)


def imap_answer(peer: Stream, tag: bytes) -> tuple[bytes, list[bytes]]:
    """The result of a command (`OK`, `NO`, `BAD`; `+` when more is asked for), and all lines."""
    lines: list[bytes] = []
    while len(lines) < _MOST_LINES:
        line = peer.read_line()
        lines.append(line)
        if line[:1] == b"+":
            return b"+", lines
        start, _, rest = line.partition(b" ")
        if start == tag:
            return rest.split(b" ")[0].upper(), lines
    raise CheckError("protocol_error", "The answer has too many lines")


# POP3, RFC 1939 and RFC 2595


def pop3_greeting(peer: Stream) -> bytes:
    """The text of the greeting."""
    is_ok, greeting = pop3_answer(peer)
    if not is_ok:
        raise CheckError("status_mismatch", "The server turns the connection away")
    return greeting


def pop3_starttls(peer: Stream) -> None:
    """Ask for TLS."""
    if not pop3_command(peer, b"STLS")[0]:
        raise no_starttls()


def pop3_command(peer: Stream, line: bytes) -> tuple[bool, bytes]:
    """Send a command, and read its answer, see `pop3_answer`."""
    peer.send(line + b"\r\n")
    return pop3_answer(peer)


def pop3_answer(peer: Stream) -> tuple[bool, bytes]:
    """Whether it says yes, and the text."""
    status, _, rest = peer.read_line().partition(b" ")
    if status not in (b"+OK", b"-ERR"):
        raise CheckError("protocol_error", "The answer is not one of POP3")
    return status == b"+OK", rest


# FTP, RFC 959 and RFC 4217


def ftp_greeting(peer: Stream) -> bytes:
    """The text of the greeting."""
    return b"\n".join(expect(peer, read_reply(peer), 220, "the connection"))


def ftp_starttls(peer: Stream) -> None:
    """Ask for TLS."""
    if command(peer, b"AUTH TLS")[0] != 234:
        raise no_starttls()


# PostgreSQL, Frontend/Backend Protocol, "SSLRequest"


def _postgres(peer: Stream) -> None:
    peer.send(_POSTGRES_SSL_REQUEST)
    match peer.read(1):
        case b"S":
            pass
        case b"N":
            raise CheckError("tls_error", "The server offers no TLS")
        case b"":
            raise CheckError("protocol_error", "The connection was closed without an answer")
        case _:
            raise CheckError("protocol_error", "The answer is not one of PostgreSQL")
