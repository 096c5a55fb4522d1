"""The ways to a name server: UDP, TCP, TLS and HTTPS, each over sockets that we have dialled.

One query in, one answer or fault out. It knows nothing of what is expected (see `dns.py`).
dnspython reads and writes the messages here, and nothing else.
"""

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from uptimehunt import clock
from uptimehunt.checks import certificates, curl, net, stream
from uptimehunt.checks.base import CheckError, Deadline
from uptimehunt.checks.dns_config import DnsConfig
from uptimehunt.checks.peer import TlsConfig
from uptimehunt.checks.stream import Stream

if TYPE_CHECKING:
    import dns.message

PHASES = stream.PHASES

_LARGEST_MESSAGE = 65_535
_FIRST_RESEND_S = 1.0
"""UDP may lose a packet: the query is sent again after this long, then after twice that, …"""


@dataclass(slots=True)
class Reply:
    """What asking one server brought.

    Attributes:
        message: its answer to our question; None when there is none.
        fault: why there is none.
        details: remote_ip, timing (`PHASES`), transport (the one that brought the answer), and
            `certificate`, `warning` where TLS was spoken.
    """

    message: "dns.message.QueryMessage | None" = None
    fault: net.Fault | None = None
    details: dict[str, Any] = field(default_factory=dict)


def ask(config: DnsConfig, server: str, deadline: Deadline) -> Reply:
    """Put the question of a config to one server, before the deadline."""
    peer = config.at(server)
    query = config.query()
    match config.transport:
        case "udp":
            reply = _ask_udp(peer, query, deadline)
        case "tcp" | "dot":
            reply = _ask_stream(peer, query, deadline, secure=config.transport == "dot")
        case "doh":
            reply = _ask_https(config, peer, query, deadline)
    reply.details.setdefault("transport", config.transport)
    return reply


def _ask_udp(peer: TlsConfig, query: "dns.message.QueryMessage", deadline: Deadline) -> Reply:
    """RFC 1035, section 4.2.1; an answer too long for it is fetched over TCP."""
    import dns.flags

    started = clock.monotonic()
    reply = Reply()
    garbage = 0
    try:
        connection = net.dial_datagram(peer.host, peer.port, deadline, peer.ip_family)
        with connection.sock as sock:
            reply.details["remote_ip"] = connection.remote_ip
            wire = query.to_wire()
            resend_s = _FIRST_RESEND_S
            while reply.message is None:
                deadline.left()
                sock.send(wire)
                sent_at = clock.monotonic()
                while reply.message is None:
                    wait_s = min(deadline.left(), sent_at + resend_s - clock.monotonic())
                    if wait_s <= 0:
                        break
                    sock.settimeout(wait_s)
                    try:
                        datagram = sock.recv(_LARGEST_MESSAGE)
                    except TimeoutError:
                        break
                    reply.message = read_answer(query, datagram)
                    garbage += reply.message is None
                resend_s *= 2
    except OSError as error:
        if garbage and isinstance(error, TimeoutError):
            reply.fault = "protocol_error", f"What {peer.peer} sends does not answer the question"
        else:
            reply.fault = net.explain(error, peer.peer, peer.timeout)
        return reply
    total_s = clock.monotonic() - started
    if reply.message.flags & dns.flags.TC:
        reply = _ask_stream(peer, query, deadline, secure=False)
        reply.details["transport"] = "tcp"
        timing = reply.details.get("timing", {})
        reply.details["timing"] = {
            phase: round(seconds + total_s, 6) if seconds else 0.0
            for phase, seconds in timing.items()
        }
        return reply
    reply.details["timing"] = {
        "namelookup": round(connection.namelookup_s, 6),
        "connect": 0.0,
        "appconnect": 0.0,
        "total": round(total_s, 6),
    }
    return reply


def _ask_stream(
    peer: TlsConfig, query: "dns.message.QueryMessage", deadline: Deadline, *, secure: bool
) -> Reply:
    """RFC 1035, section 4.2.2 and, with TLS, RFC 7858: each message after its length."""
    reply = Reply()

    def talk(connection: Stream) -> None:
        if secure:
            connection.secure(peer)
        wire = query.to_wire()
        connection.send(struct.pack("!H", len(wire)) + wire)
        (length,) = struct.unpack("!H", connection.read_exactly(2))
        reply.message = read_answer(query, connection.read_exactly(length))
        if reply.message is None:
            raise CheckError("protocol_error", f"{peer.peer} does not answer the question")

    outcome = stream.converse(peer, deadline, talk)
    reply.details.update(outcome.details)
    if outcome.error is not None:
        reply.fault = outcome.error, outcome.message
    return reply


def _ask_https(
    config: DnsConfig, peer: TlsConfig, query: "dns.message.QueryMessage", deadline: Deadline
) -> Reply:
    """RFC 8484: the message is what is posted, and what comes back."""
    query.id = 0  # as section 4.1 asks, for the sake of caches
    request = curl.prepare(
        config.doh_url,
        curl.Route(ip_family=peer.ip_family, verify_tls=peer.verify_tls, ca_pem=peer.ca_pem),
        method="POST",
        headers=[b"Content-Type: application/dns-message", b"Accept: application/dns-message"],
        body=query.to_wire(),
        max_body_bytes=_LARGEST_MESSAGE,
    )
    answer = curl.exchange(request, deadline, peer.timeout)
    reply = Reply(fault=answer.fault)
    for name in ("remote_ip", "http_status_code", "http_version", "certificate"):
        if name in answer.facts:
            reply.details[name] = answer.facts[name]
    reply.details["timing"] = {phase: answer.timing[phase] for phase in PHASES}
    certificate = answer.facts.get("certificate", {})
    if certificates.expires_within(certificate, peer.warn_within_days):
        reply.details["warning"] = "certificate_expiring"
    if reply.fault is not None:
        return reply
    if answer.status != 200:
        reply.fault = "status_mismatch", f"Answered {answer.status}, expected 200"
        return reply
    reply.message = None if answer.truncated else read_answer(query, answer.body)
    if reply.message is None:
        reply.fault = "protocol_error", f"{peer.peer} does not answer the question"
    return reply


def read_answer(
    query: "dns.message.QueryMessage", wire: bytes
) -> "dns.message.QueryMessage | None":
    """A message, when it is one and answers this query (id, question); else None."""
    import dns.exception
    import dns.message

    try:
        message = dns.message.from_wire(wire, ignore_trailing=True)
        if isinstance(message, dns.message.QueryMessage) and query.is_response(message):
            return message
    except (dns.exception.DNSException, ValueError):
        pass  # Anyone can send anything; what cannot be read is no answer.
    return None
