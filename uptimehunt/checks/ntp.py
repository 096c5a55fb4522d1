"""The `ntp` service type: one question to a time server (RFC 5905), judged by its clock.

The offset is between the server's clock and that of this machine: which of the two is wrong, one
server cannot tell. Its limit is therefore wide by default.
"""

import os
import socket
import struct
import time
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from uptimehunt import clock
from uptimehunt.checks import net
from uptimehunt.checks.base import CheckError, CheckType, Deadline, Outcome, place, whole_ms
from uptimehunt.checks.peer import PeerConfig, target

PHASES = ("namelookup", "total")
"""Names of the timing phases, in order; seconds since the start."""

_PACKET = struct.Struct("!BBbbII4sQQQQ")
"""RFC 5905, figure 8: flags, stratum, poll, precision, root delay, root dispersion, reference id;
the instants of reference, origin, receive and transmit."""
_VERSION, _CLIENT, _SERVER = 4, 3, 4
_UNSYNCHRONISED = 3
_HIGHEST_STRATUM = 15
_UNIX_EPOCH_S = 2_208_988_800  # 1970 as NTP counts, from 1900
_FIRST_RESEND_S = 1.0
_LEAPS = ("none", "61 s minute", "59 s minute", "unsynchronised")
# RFC 5905, section 7.4: what a server says instead of the time.
_KISSES = {
    b"DENY": "The server refuses to serve this address",
    b"RSTR": "The server refuses to serve this address",
    b"RATE": "The server is asked too often",
    b"INIT": "The server's clock is not set yet",
    b"STEP": "The server's clock is being set",
}


class NtpConfig(PeerConfig):
    """Which time server to ask, and how good its clock must be."""

    port: int = Field(
        default=123,
        ge=1,
        le=65535,
        title="Port",
        description="1 to 65535.",
        json_schema_extra=place(2, "request"),
    )
    max_offset_ms: int = Field(
        default=1000,
        ge=1,
        le=86_400_000,
        title="Tolerated offset",
        description="Milliseconds by which its clock may differ from the probe's.",
        json_schema_extra=place(10, "expect"),
    )
    max_stratum: int = Field(
        default=_HIGHEST_STRATUM,
        ge=1,
        le=_HIGHEST_STRATUM,
        title="Highest stratum",
        description="Steps it may be away from a reference clock, which is 1.",
        json_schema_extra=place(11, "expect"),
    )


@dataclass(frozen=True, slots=True)
class _Answer:
    """One answer in our units.

    Attributes:
        leap: 0 to 3, as in `_LEAPS`.
        mode: 4 is a server's.
        stratum: 0 for a "kiss of death", 1 for a reference clock, above 15 for unsynchronised.
        reference_id: what it takes its time from, four bytes.
        root_delay_ms: round trip from the server to its reference clock.
        root_dispersion_ms: by how much it may be wrong, as it thinks.
        origin: what we sent along.
        receive: when it got our question, in 2^-32 seconds since 1900.
        transmit: when it sent the answer, likewise.
    """

    leap: int
    mode: int
    stratum: int
    reference_id: bytes
    root_delay_ms: float
    root_dispersion_ms: float
    origin: int
    receive: int
    transmit: int


def check(config: NtpConfig, deadline: Deadline) -> Outcome:
    """Ask for the time, and judge the answer.

    Returns:
        details: `remote_ip`, `timing` (`PHASES`), `offset_ms` (above 0 when the server's clock is
        ahead of ours), `delay_ms`, `stratum`, `reference_id`, `leap`, `root_delay_ms`,
        `root_dispersion_ms`.
    """
    started = clock.monotonic()
    details: dict[str, Any] = {}
    try:
        connection = net.dial_datagram(config.host, config.port, deadline, config.ip_family)
        with connection.sock as sock:
            details["remote_ip"] = connection.remote_ip
            answer, sent_at, took_s = _ask(sock, config, deadline)
        details["timing"] = {
            "namelookup": round(connection.namelookup_s, 6),
            "total": round(clock.monotonic() - started, 6),
        }
        _judge(config, answer, sent_at, took_s, details)
    except CheckError as error:
        return Outcome(False, None, error.kind, error.message, details=details)
    except OSError as error:
        fault = net.explain(error, config.peer, config.timeout)
        return Outcome(False, None, *fault, details=details)
    return Outcome(True, whole_ms(took_s), details=details)


def _judge(
    config: NtpConfig, answer: _Answer, sent_at: int, took_s: float, details: dict[str, Any]
) -> None:
    """Add the answer to the details.

    Raises:
        CheckError: it is not as it must be.
    """
    details["stratum"] = answer.stratum
    details["leap"] = _LEAPS[answer.leap]
    details["reference_id"] = _reference(answer)
    if answer.mode != _SERVER:
        raise CheckError("protocol_error", "The answer is not one of a time server")
    if answer.stratum == 0:
        message = _KISSES.get(answer.reference_id, "The server refuses to tell the time")
        raise CheckError("assertion_failed", message)
    if answer.leap == _UNSYNCHRONISED or answer.stratum > _HIGHEST_STRATUM:
        raise CheckError("assertion_failed", "The server's clock is not synchronised")
    if answer.receive == 0 or answer.transmit == 0:
        raise CheckError("protocol_error", "The answer does not tell the time")
    inside_s = _signed(answer.transmit - answer.receive) / 2**32
    ahead_s = (
        _signed(answer.receive - sent_at) + _signed(answer.transmit - sent_at)
    ) / 2**33 - took_s / 2
    details["offset_ms"] = round(ahead_s * 1000, 3)
    details["delay_ms"] = round(max(0.0, took_s - inside_s) * 1000, 3)
    details["root_delay_ms"] = round(answer.root_delay_ms, 3)
    details["root_dispersion_ms"] = round(answer.root_dispersion_ms, 3)
    if answer.stratum > config.max_stratum:
        raise CheckError(
            "assertion_failed", f"Stratum {answer.stratum} is above {config.max_stratum}"
        )
    if abs(ahead_s) * 1000 > config.max_offset_ms:
        side = "ahead of" if ahead_s > 0 else "behind"
        raise CheckError(
            "assertion_failed", f"The server's clock is {abs(ahead_s):.3f} s {side} the probe's"
        )


def _reference(answer: _Answer) -> str:
    """What the server takes its time from: a name, or (from stratum 2 on) an address or a hash."""
    if answer.stratum <= 1:
        text = answer.reference_id.rstrip(b"\0").decode("ascii", "replace")
        return "".join(char if char.isprintable() else "\ufffd" for char in text)
    return socket.inet_ntoa(answer.reference_id)


def _ask(sock: socket.socket, config: NtpConfig, deadline: Deadline) -> tuple[_Answer, int, float]:
    """Ask until there is an answer to one of our questions.

    UDP may lose a packet, so it asks again after a second, then after two, four, …

    Returns:
        The answer, when its question was sent in NTP's units by the clock on the wall, and how
        many seconds later the answer came.

    Raises:
        CheckError: all that came was something else.
        OSError: nothing came.
    """
    sent: dict[int, tuple[int, float]] = {}
    resend_s = _FIRST_RESEND_S
    is_garbage = False
    try:
        while True:
            deadline.left()
            # The server gives back what we send as our time. A random number in its place tells
            # nobody our time, and an answer that has it was not made up by somebody else.
            origin = int.from_bytes(os.urandom(8), "big") | 1
            question = _PACKET.pack(_VERSION << 3 | _CLIENT, 0, 0, 0, 0, 0, b"", 0, 0, 0, origin)
            sent[origin] = _wall_clock(), clock.monotonic()
            sock.send(question)
            ends_at = clock.monotonic() + resend_s
            while (wait_s := min(deadline.left(), ends_at - clock.monotonic())) > 0:
                sock.settimeout(wait_s)
                try:
                    datagram = sock.recv(1024)
                except TimeoutError:
                    break
                came_at = clock.monotonic()
                answer = _parse(datagram)
                if answer is not None and answer.origin in sent:
                    wall, sent_at = sent[answer.origin]
                    return answer, wall, came_at - sent_at
                is_garbage = True
            resend_s *= 2
    except TimeoutError:
        if is_garbage:
            raise CheckError(
                "protocol_error", f"What {config.peer} sends is no answer of a time server"
            ) from None
        raise


def _parse(datagram: bytes) -> _Answer | None:
    """Read an answer; None when it is too short for one. What follows the header is ignored."""
    if len(datagram) < _PACKET.size:
        return None
    flags, stratum, _, _, delay, dispersion, reference, _, origin, receive, transmit = (
        _PACKET.unpack_from(datagram)
    )
    return _Answer(
        leap=flags >> 6,
        mode=flags & 7,
        stratum=stratum,
        reference_id=reference,
        root_delay_ms=delay * 1000 / 2**16,
        root_dispersion_ms=dispersion * 1000 / 2**16,
        origin=origin,
        receive=receive,
        transmit=transmit,
    )


def _wall_clock() -> int:
    """Now, in NTP's units of 2^-32 seconds; `clock.now_ms` is too coarse for an offset."""
    now_ns = time.time_ns()
    return ((now_ns << 32) // 1_000_000_000) + (_UNIX_EPOCH_S << 32)


def _signed(difference: int) -> int:
    """A difference of instants, which count from 0 again in 2036 (RFC 5905, section 6)."""
    return (difference + 2**63) % 2**64 - 2**63


CHECK = CheckType(
    type="ntp",
    name="NTP",
    description="Asks a time server for the time and judges its clock.",
    category="network",
    icon="clock",
    config=NtpConfig,
    check=check,
    target=target,
    timing_phases=PHASES,
)
