"""Where a request begins and ends: read strictly, so that no two readers can differ (RFC 9112)."""

import re
from collections import Counter

from waitress.buffers import OverflowableBuffer
from waitress.parser import HTTPRequestParser, ParsingError, TransferEncodingNotImplemented
from waitress.receiver import ChunkedReceiver
from waitress.utilities import BadRequest, Error, RequestEntityTooLarge

from uptimehunt.api import envelope

HEADERS = 100
"""The most headers that a request may have."""

_BEGINNING = re.compile(rb"(\r\n)?([A-Z]|\Z)|\r\Z")
_BARE_LF = re.compile(rb"(?<!\r)\n")
_START_LINE = re.compile(rb"([A-Z]{1,16} /[!-\"$-~]*|OPTIONS \*) HTTP/1\.[01]")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]++):([\t -~\x80-\xff]*+)")
_HOST = re.compile(rb"[\w.~%:\[\]-]*")
_LENGTH = re.compile(rb"[0-9]{1,15}")
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})\r\n")
_SIZE_SO_FAR = re.compile(rb"[0-9A-Fa-f]{0,8}\r?")
_ONCE = (
    b"host",
    b"content-length",
    b"transfer-encoding",
    b"content-type",
    b"authorization",
    b"x-auth",
)


class Parser(HTTPRequestParser):
    """Refuses every request that two readers could take for different ones."""

    path = "/"  # Until it is known.
    headers: dict[str, str]

    def received(self, data: bytes) -> int:
        """Take what came; answers how many bytes of it are done with."""
        if self.body_rcv is None:
            so_far = self.header_plus + data
            if not _BEGINNING.match(so_far) or _BARE_LF.search(so_far.partition(b"\r\n\r\n")[0]):
                return self._refuse(BadRequest("The request is not HTTP/1.1"), data)
        consumed = super().received(data)
        if self.content_length > envelope.LARGEST:
            return self._refuse(RequestEntityTooLarge(""), data)
        if self.completed:
            self.expect_continue = False  # waitress would wait for the body again.
            if consumed < len(data):
                # What comes before the answer is dropped, as RFC 9112 allows: it is how requests
                # are smuggled, and how a peer that reads nothing fills the memory with answers.
                self.headers["CONNECTION"] = "close"
        return len(data) if self.completed else consumed

    def parse_header(self, header_plus: bytes) -> None:
        """Read start line and headers, once they are there."""
        super().parse_header(_unambiguous(header_plus))
        if self.chunked:
            self.body_rcv = _Chunks(OverflowableBuffer(self.adj.inbuf_overflow))

    def _refuse(self, error: Error, data: bytes) -> int:
        self.error = error
        self.completed = True
        self.expect_continue = False
        return len(data)


def _unambiguous(head: bytes) -> bytes:
    """Start line and headers, without blanks around values: waitress takes seconds over many.

    Raises:
        ParsingError: RFC 9112 forbids it, though waitress lets it pass.
        TransferEncodingNotImplemented: it is not `chunked`.
    """
    start, *lines = head.rstrip(b"\r\n").split(b"\r\n")
    if not _START_LINE.fullmatch(start):
        raise ParsingError("The start line is not HTTP/1.1")
    if len(lines) > HEADERS:
        raise ParsingError(f"There are more than {HEADERS} headers")
    fields = []
    for line in lines:
        field = _FIELD.fullmatch(line)
        if not field:
            raise ParsingError("A header is malformed")
        fields.append((field[1], field[2].strip(b" \t")))
    values = {name.lower(): value for name, value in fields}
    names = Counter(name.lower() for name, _ in fields)
    for name in _ONCE:
        if names[name] > 1:
            raise ParsingError(f"{name.decode().title()} stands more than once")
    encoding = values.get(b"transfer-encoding")
    if encoding is not None:
        if b"content-length" in values or start.endswith(b"1.0"):
            raise ParsingError("The length of the body is given in two ways")
        if encoding.lower() != b"chunked":
            raise TransferEncodingNotImplemented("Only the transfer encoding chunked is known")
    if not _LENGTH.fullmatch(values.get(b"content-length", b"0")):
        raise ParsingError("Content-Length is not a length")
    if not _HOST.fullmatch(values.get(b"host", b"/" if start.endswith(b"1.1") else b"")):
        raise ParsingError("Host is missing or malformed")
    return b"\r\n".join([start, *(name + b":" + value for name, value in fields)]) + b"\r\n\r\n"


class _Chunks(ChunkedReceiver):
    """Chunks in their plainest form, without the extensions and trailers that readers dispute."""

    def __init__(self, buf: OverflowableBuffer) -> None:
        super().__init__(buf)
        self._held = bytearray()

    def received(self, s: bytes) -> int:
        self._held += s
        body = bytearray()
        while not self.completed and self.error is None:
            line = _SIZE.match(self._held)
            if not line:
                if not _SIZE_SO_FAR.fullmatch(self._held):
                    self.error = BadRequest("The size of a chunk is malformed")
                break
            begin, size = line.end(), int(line[1], 16)
            end = begin + size
            after = self._held[end : end + 2]
            if len(self.buf) + len(body) + size > envelope.LARGEST:
                self.error = RequestEntityTooLarge("")
            elif not b"\r\n".startswith(after):
                self.error = BadRequest("A chunk does not end where it said")
            elif len(after) < 2:
                break
            else:
                body += self._held[begin:end]
                del self._held[: end + 2]
                self.completed = size == 0
        self.buf.append(bytes(body))
        return len(s) - len(self._held) if self.completed else len(s)
