"""The WebSocket protocol, the client's side of it: the opening handshake, and messages in frames.

Section numbers are those of RFC 6455. What is expected of the messages is in `websocket.py`.
"""

import base64
import hashlib
import re
import secrets
import struct
from collections.abc import Sequence

from uptimehunt.checks import net
from uptimehunt.checks.base import CheckError
from uptimehunt.checks.stream import Stream

LONGEST_MESSAGE = 65_536
_MOST_HEADERS = 100
_MOST_FRAMES = 1000
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # section 1.3
_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0, 1, 2, 8, 9, 10
_OPCODES = frozenset((_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG))
_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5]\d\d)(?: .*)?")
_NORMAL_CLOSURE = struct.pack("!H", 1000)  # section 7.4.1


def shake_hands(
    peer: Stream, path: str, headers: Sequence[bytes], subprotocol: str | None
) -> net.Fault | None:
    """Ask the server to switch to WebSocket (sections 4.1 and 4.2.2).

    Args:
        peer: connected, and secured where it has to be.
        path: with the query.
        headers: lines without their ends; not those of the handshake itself.
        subprotocol: the one that the server has to choose.

    Returns:
        Why it did not; `http_status_code` in the details says what it answered.

    Raises:
        CheckError: what it answered is no HTTP, or not what a WebSocket server answers.
    """
    key = base64.b64encode(secrets.token_bytes(16))
    lines = [
        f"GET {path} HTTP/1.1".encode("ascii"),
        *headers,
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Key: " + key,
    ]
    if subprotocol is not None:
        lines.append(b"Sec-WebSocket-Protocol: " + subprotocol.encode("ascii"))
    peer.send(b"\r\n".join([*lines, b"", b""]))
    match = _STATUS_LINE.fullmatch(peer.read_line())
    if match is None:
        raise CheckError("protocol_error", "The answer is not HTTP/1.1")
    status = int(match[1])
    peer.details["http_status_code"] = status
    if status in (401, 403):
        return "authentication_failed", f"Answered {status} instead of switching to WebSocket"
    if status != 101:
        return "status_mismatch", f"Answered {status} instead of switching to WebSocket"
    answer = _headers(peer)
    digest = hashlib.sha1(key + _GUID, usedforsecurity=False).digest()
    if (
        answer.get("upgrade", "").lower() != "websocket"
        or "upgrade" not in answer.get("connection", "").lower()
        or answer.get("sec-websocket-accept", "").encode("latin-1") != base64.b64encode(digest)
        or "sec-websocket-extensions" in answer
    ):
        raise _garbled()
    if answer.get("sec-websocket-protocol") != subprotocol:
        return "assertion_failed", "The server does not speak the subprotocol"
    return None


def _headers(peer: Stream) -> dict[str, str]:
    found: dict[str, str] = {}
    for _ in range(_MOST_HEADERS):
        line = peer.read_line()
        if not line:
            return found
        name, _, value = line.decode("latin-1").partition(":")
        found[name.lower()] = value.strip()
    raise CheckError("protocol_error", "The answer has too many headers")


class Messages:
    """The messages of a connection on which hands have been shaken.

    Attributes:
        count: how many have been received, complete ones.
        last: the last of them, cut to what is read of any.
    """

    def __init__(self, peer: Stream) -> None:
        self._peer = peer
        self._frames_left = _MOST_FRAMES
        self.count = 0
        self.last = b""

    def send(self, text: str) -> None:
        """Send a text."""
        self._send(_TEXT, text.encode())

    def close(self) -> None:
        """Say that we are done; the server's own goodbye is not waited for."""
        self._send(_CLOSE, _NORMAL_CLOSURE)

    def receive(self) -> bytes | None:
        """The next text, in one frame or many; pings are answered meanwhile.

        Returns:
            None when there have been more frames than anybody wants to see.

        Raises:
            CheckError: the server closed the connection, broke the protocol, or sent too much.
        """
        kind, parts, size = None, [], 0
        while self._frames_left:
            self._frames_left -= 1
            is_final, opcode, data = self._frame()
            if opcode >= _CLOSE:
                self._control(opcode, data)
                continue
            if (opcode == _CONTINUATION) is (kind is None):
                raise _garbled()
            kind = kind or opcode
            parts.append(data)
            size += len(data)
            if size > LONGEST_MESSAGE:
                raise CheckError("body_too_large", "A message has more than 64 KiB")
            if is_final:
                self.count += 1
                self.last = b"".join(parts)
                if kind == _TEXT:
                    return self.last
                kind, parts, size = None, [], 0
        return None

    def _control(self, opcode: int, data: bytes) -> None:
        """Section 5.5."""
        if opcode == _PING:
            self._send(_PONG, data)
        elif opcode == _CLOSE:
            code = struct.unpack_from("!H", data)[0] if len(data) >= 2 else 1005
            self._send(_CLOSE, data[:2])
            raise CheckError("assertion_failed", f"The server closed the connection (code {code})")

    def _send(self, opcode: int, data: bytes) -> None:
        """One frame, masked as those of clients are (sections 5.2 and 5.3)."""
        mask = secrets.token_bytes(4)
        if len(data) < 126:
            head = struct.pack("!BB", 0x80 | opcode, 0x80 | len(data))
        else:  # nothing of ours is longer than 65535 bytes
            head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, len(data))
        masked = bytes(byte ^ mask[position % 4] for position, byte in enumerate(data))
        self._peer.send(head + mask + masked)

    def _frame(self) -> tuple[bool, int, bytes]:
        """Whether it is the last of its message, its opcode, and its data (section 5.2)."""
        first, second = self._peer.read_exactly(2)
        opcode, length = first & 0x0F, second
        is_control = opcode >= _CLOSE
        # Bits for extensions, which we offered none of, and the mask, which is for clients only.
        if first & 0x70 or second & 0x80 or opcode not in _OPCODES:
            raise _garbled()
        if is_control and (length > 125 or not first & 0x80):
            raise _garbled()
        if length == 126:
            (length,) = struct.unpack("!H", self._peer.read_exactly(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self._peer.read_exactly(8))
        if length > LONGEST_MESSAGE:
            raise CheckError("body_too_large", "A message has more than 64 KiB")
        return bool(first & 0x80), opcode, self._peer.read_exactly(length)


def _garbled() -> CheckError:
    return CheckError("protocol_error", "The answer is not valid WebSocket")
