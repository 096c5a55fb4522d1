"""A name server that answers from a small zone over UDP, TCP, TLS or HTTPS, or misbehaves."""

import contextlib
import errno
import http.server
import socketserver
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from tests.targets import LoopbackServer, running

Answers = list[bytes]
"""What is sent for one query, message by message."""

ZONE = {
    "example.test.": {
        "A": ["192.0.2.1", "192.0.2.2"],
        "AAAA": ["2001:db8::1"],
        "MX": ["10 Mail.Example.test."],
        "NS": ["ns1.example.test."],
        "TXT": ['"v=spf1 ip4:192.0.2.0/24; " "-all"', '"Case Matters"'],
        "SOA": ["ns1.example.test. admin.example.test. 1 2 3 4 5"],
        "CAA": ['0 issue "ca.example"'],
        "HTTPS": ['1 . alpn="h2"'],
        "DNSKEY": ["256 3 8 AwEAAQ=="],
        "DS": ["1 8 2 " + "ab" * 32],
    },
    "www.example.test.": {"CNAME": ["example.test."]},
    "loop.example.test.": {"CNAME": ["loop.example.test."]},
    "_sip._tcp.example.test.": {"SRV": ["1 2 5060 sip.example.test."]},
    "_443._tcp.example.test.": {"TLSA": ["3 1 1 " + "cd" * 32]},
    "naptr.example.test.": {"NAPTR": ['1 1 "u" "E2U+sip" "!^.*$!sip:a@b!" .']},
    "_dns.example.test.": {"SVCB": ['1 ns1.example.test. alpn="dot"']},
    "1.2.0.192.in-addr.arpa.": {"PTR": ["host.example.test."]},
    f"1.{'0.' * 23}8.b.d.0.1.0.0.2.ip6.arpa.": {"PTR": ["host6.example.test."]},
    "empty.example.test.": {},
}


def from_zone(query: dns.message.Message, _transport: str) -> dns.message.Message:
    """The honest answer."""
    answer = dns.message.make_response(query, recursion_available=True)
    name, kind = query.question[0].name, query.question[0].rdtype
    if name.to_text().lower() not in ZONE:
        answer.set_rcode(dns.rcode.NXDOMAIN)
    for _ in range(20):
        records = ZONE.get(name.to_text().lower(), {})
        found = records.get(dns.rdatatype.to_text(kind))
        alias = records.get("CNAME")
        if found:
            answer.answer.append(dns.rrset.from_text(name, 300, "IN", kind, *found))
        if found or not alias:
            break
        answer.answer.append(dns.rrset.from_text(name, 60, "IN", "CNAME", *alias))
        name = dns.name.from_text(alias[0])
    return answer


Behaviour = Callable[[dns.message.Message, str], Answers]
"""From a query and the transport it came by (`udp`, `tcp`, `doh`) to what is sent."""


def honest(query: dns.message.Message, transport: str) -> Answers:
    return [from_zone(query, transport).to_wire()]


def coded(rcode: dns.rcode.Rcode) -> Behaviour:
    """Answers every question with this code and nothing else."""

    def answer(query: dns.message.Message, _transport: str) -> Answers:
        message = dns.message.make_response(query)
        message.set_rcode(rcode)
        return [message.to_wire()]

    return answer


def validating(query: dns.message.Message, transport: str) -> Answers:
    answer = from_zone(query, transport)
    if query.ednsflags & dns.flags.DO:
        answer.flags |= dns.flags.AD
    return [answer.to_wire()]


def truncating(query: dns.message.Message, transport: str) -> Answers:
    """Says over UDP that the answer is too long for it."""
    if transport != "udp":
        return honest(query, transport)
    answer = dns.message.make_response(query)
    answer.flags |= dns.flags.TC
    return [answer.to_wire()]


def forgeries(query: dns.message.Message, transport: str) -> Answers:
    """What somebody sends who has not seen the query."""
    wrong_id = from_zone(query, transport)
    wrong_id.id = query.id ^ 1
    other = dns.message.make_query("other.test", "A", id=query.id)
    wrong_question = dns.message.make_response(other)
    not_an_answer = dns.message.make_query(query.question[0].name, "A", id=query.id)
    return [
        b"", b"\x00", b"\xff" * 600, query.to_wire()[:2] + b"\x81\x80" + b"\xff" * 20,
        wrong_id.to_wire(), wrong_question.to_wire(), not_an_answer.to_wire(),
    ]  # fmt: skip


def forgeries_first(query: dns.message.Message, transport: str) -> Answers:
    return [*forgeries(query, transport), *honest(query, transport)]


def silent(_query: dns.message.Message, _transport: str) -> Answers:
    return []


class DnsTarget(LoopbackServer):
    """The running server.

    Attributes:
        behave: how it answers from now on.
        asked: the transport of each query so far.
        raw: what is sent over TCP in place of any answer, before hanging up.
        path: where DoH is served.
    """

    def __init__(self, behave: Behaviour, tls: ssl.SSLContext | None, doh: bool) -> None:
        super().__init__(_HttpHandler if doh else _TcpHandler, tls)
        self.behave = behave
        self.asked: list[str] = []
        self.path = "/dns-query"
        self.raw: bytes | None = None

    def answers(self, wire: bytes, transport: str) -> Answers:
        self.asked.append(transport)
        return self.behave(dns.message.from_wire(wire), transport)


class _TcpHandler(socketserver.StreamRequestHandler):
    server: DnsTarget

    def handle(self) -> None:
        while len(prefix := self.rfile.read(2)) == 2:
            wire = self.rfile.read(struct.unpack("!H", prefix)[0])
            if self.server.raw is not None:
                self.wfile.write(self.server.raw)
                return
            answers = self.server.answers(wire, "tcp")
            for answer in answers:
                self.wfile.write(struct.pack("!H", len(answer)) + answer)
            if not answers:
                self.server.stopping.wait()


class _HttpHandler(http.server.BaseHTTPRequestHandler):
    server: DnsTarget

    def do_POST(self) -> None:
        wire = self.rfile.read(int(self.headers["Content-Length"]))
        is_right = (
            self.path == self.server.path
            and self.headers["Content-Type"] == "application/dns-message"
            and wire[:2] == b"\x00\x00"
        )
        body = self.server.answers(wire, "doh")[0] if is_right else b""
        self.send_response(200 if is_right else 404)
        self.send_header("Content-Type", "application/dns-message")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


class _UdpServer(socketserver.UDPServer):
    max_packet_size = 65535

    def __init__(self, target: DnsTarget) -> None:
        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                wire, sock = self.request
                for answer in target.answers(wire, "udp"):
                    sock.sendto(answer, self.client_address)

        super().__init__(("127.0.0.1", target.port), Handler)


@contextlib.contextmanager
def dns_target(
    behave: Behaviour = honest, tls: ssl.SSLContext | None = None, doh: bool = False
) -> Iterator[DnsTarget]:
    """UDP and TCP on one port; with `tls` the latter is DoT, with `doh` as well DoH."""
    while True:
        target = DnsTarget(behave, tls, doh)
        try:
            udp = _UdpServer(target)
        except OSError as error:
            target.server_close()
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            break
    thread = threading.Thread(target=udp.serve_forever, args=(0.01,))
    thread.start()
    try:
        with running(target):
            yield target
    finally:
        udp.shutdown()
        thread.join()
        udp.server_close()
