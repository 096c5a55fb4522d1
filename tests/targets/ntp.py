"""A time server (RFC 5905) whose answers can be made wrong, one field at a time."""

import contextlib
import socketserver
import struct
import threading
import time
from collections.abc import Iterator
from typing import Any

_PACKET = struct.Struct("!BBbbII4sQQQQ")
_1970 = 2_208_988_800


class NtpTarget(socketserver.UDPServer):
    """The running server.

    Attributes:
        leap, mode, stratum, reference_id, root_delay, root_dispersion: what it answers.
        ahead_s: by how much its clock is ahead.
        instant: what it answers as its time in place of the clock.
        before: datagrams sent ahead of each answer; `None` in it is the answer, origin changed.
        is_silent: it does not answer.
        ignored: how many questions it ignores first.
        questions: what it was asked so far.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.port = int(self.server_address[1])
        self.leap, self.mode, self.stratum, self.reference_id = 0, 4, 2, b"\xc0\x00\x02\x01"
        self.root_delay, self.root_dispersion = 1 << 14, 1 << 15
        self.ahead_s = 0.0
        self.instant: int | None = None
        self.before: list[bytes | None] = []
        self.is_silent = False
        self.ignored = 0
        self.questions: list[bytes] = []

    def now(self) -> int:
        if self.instant is not None:
            return self.instant
        return int((time.time() + self.ahead_s + _1970) * 2**32) % 2**64

    def answer(self, question: bytes) -> bytes:
        flags, *_, transmit = _PACKET.unpack_from(question)
        received = self.now()
        return _PACKET.pack(
            self.leap << 6 | flags & 0b111000 | self.mode, self.stratum, 6, -20, self.root_delay,
            self.root_dispersion, self.reference_id, received, transmit, received, self.now(),
        )  # fmt: skip


class _Handler(socketserver.BaseRequestHandler):
    server: NtpTarget
    request: Any

    def handle(self) -> None:
        question, sock = self.request
        self.server.questions.append(question)
        if len(self.server.questions) <= self.server.ignored:
            return
        answer = self.server.answer(question)
        for datagram in self.server.before:
            if datagram is None:
                datagram = answer[:24] + bytes(8) + answer[32:]
            sock.sendto(datagram, self.client_address)
        if not self.server.is_silent:
            sock.sendto(answer, self.client_address)


@contextlib.contextmanager
def ntp_target() -> Iterator[NtpTarget]:
    with NtpTarget() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
