"""A socket for ICMP echo (RFC 792 and 4443): datagram where the system allows it, else raw.

What the `ping` service type makes of it is in `ping.py`.
"""

import contextlib
import errno
import random
import socket
import struct
from dataclasses import dataclass

_HEADER = struct.Struct("!BBHHH")  # type, code, checksum, identifier, sequence number
_LARGEST_PACKET = 65_535
# Of linux/in.h, in6.h, icmp.h and icmpv6.h; Python has no names for them.
_IP_RECVERR, _IPV6_RECVERR = 11, 25
_SOL_RAW, _ICMP_FILTER, _ICMPV6_FILTER = 255, 1, 1


class DeniedError(Exception):
    """The system lets us have no socket for ICMP."""


@dataclass(frozen=True, slots=True)
class _Icmp:
    """The numbers of one IP version."""

    protocol: int
    request: int
    reply: int
    recverr: tuple[int, int]
    only_replies: tuple[int, int, bytes]
    has_ip_header: bool


# A filter has a bit for each type of message, set for those that are not wanted.
_VERSIONS = {
    socket.AF_INET: _Icmp(
        socket.IPPROTO_ICMP, 8, 0, (socket.IPPROTO_IP, _IP_RECVERR),
        (_SOL_RAW, _ICMP_FILTER, struct.pack("I", 0xFFFFFFFF ^ 1)), True,
    ),
    socket.AF_INET6: _Icmp(
        socket.IPPROTO_ICMPV6, 128, 129, (socket.IPPROTO_IPV6, _IPV6_RECVERR),
        (
            socket.IPPROTO_ICMPV6, _ICMPV6_FILTER,
            b"".join(
                struct.pack("I", 0xFFFFFFFF ^ (1 << 129 % 32 if word == 129 // 32 else 0))
                for word in range(8)
            ),
        ),
        False,
    ),
}  # fmt: skip


class Pinger:
    """A socket that pings one address, as a context manager."""

    def __init__(self, family: socket.AddressFamily, address: tuple[str, int]) -> None:
        self._icmp = _VERSIONS[family]
        self._sock, self._is_raw = _open(family, self._icmp.protocol)
        self._identifier = random.getrandbits(16)
        try:
            # ICMP errors of routers on the way are told to us, too, and not only by silence.
            self._sock.setsockopt(*self._icmp.recverr, 1)
            if self._is_raw:
                self._sock.setsockopt(*self._icmp.only_replies)
            self._sock.connect(address)
        except OSError:
            self._sock.close()
            raise

    def __enter__(self) -> "Pinger":
        return self

    def __exit__(self, *_: object) -> None:
        self._sock.close()

    def send(self, sequence: int, payload: bytes) -> None:
        """Send one request.

        Raises:
            OSError: it could not be sent.
        """
        packet = request(self._icmp.request, self._identifier, sequence, payload)
        try:
            self._sock.send(packet)
        except OSError:
            # It may be about an earlier packet: then this one was not even tried.
            self.forget_errors()
            self._sock.send(packet)

    def receive(self, wait_s: float) -> tuple[int, bytes] | None:
        """The sequence number and payload of the next reply to us; None for anything else.

        Raises:
            TimeoutError: nothing came.
            OSError: an ICMP error came.
        """
        self._sock.settimeout(wait_s)
        packet = self._sock.recv(_LARGEST_PACKET)
        if self._is_raw and self._icmp.has_ip_header and packet:
            packet = packet[(packet[0] & 15) * 4 :]
        if len(packet) < _HEADER.size:
            return None
        kind, code, _, identifier, sequence = _HEADER.unpack_from(packet)
        # A raw socket sees the replies to everybody's requests. With a datagram socket it is the
        # kernel that chooses the identifier and picks out the replies.
        is_ours = not self._is_raw or identifier == self._identifier
        if (kind, code) != (self._icmp.reply, 0) or not is_ours:
            return None
        return sequence, packet[_HEADER.size :]

    def forget_errors(self) -> None:
        """Empty the queue of ICMP errors; while one is in it, every wait on the socket is over."""
        self._sock.settimeout(0)
        with contextlib.suppress(OSError):
            while True:
                self._sock.recvmsg(0, 1024, socket.MSG_ERRQUEUE)


def _open(family: socket.AddressFamily, protocol: int) -> tuple[socket.socket, bool]:
    """A socket for ICMP, and whether it is a raw one.

    Raises:
        DeniedError: the system allows neither kind.
    """
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            return socket.socket(family, kind, protocol), kind == socket.SOCK_RAW
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EPROTONOSUPPORT):
                raise
    raise DeniedError


def request(kind: int, identifier: int, sequence: int, payload: bytes) -> bytes:
    """An echo request; for ICMPv6 it is the kernel that fills in the checksum."""
    packet = _HEADER.pack(kind, 0, 0, identifier, sequence) + payload
    return _HEADER.pack(kind, 0, checksum(packet), identifier, sequence) + payload


def checksum(packet: bytes) -> int:
    """The checksum of the internet protocols (RFC 1071)."""
    words = struct.unpack(f"!{(len(packet) + 1) // 2}H", packet + b"\0" * (len(packet) % 2))
    total: int = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF
