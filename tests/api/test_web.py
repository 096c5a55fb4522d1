"""The HTTP server itself, over real sockets: what it refuses, and whom it does not wait for."""

import contextlib
import json
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPMessage, parse_headers
from pathlib import Path
from typing import Any

import pytest
from waitress import wasyncore

from tests.contract import Client
from tests.process import running, wait_until
from uptimehunt import web
from uptimehunt.web import PATIENCE, Patience, Server

MIB = 2**20
BIG = b"x" * (8 * MIB)
"""An answer that no socket's buffers hold."""

SHORT = Patience(header_s=0.5, body_s=0.5, idle_s=0.5, answer_s=0.5, goodbye_s=0.5)


@dataclass
class Answer:
    version: str
    status: int
    headers: HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Peer:
    """A client that says exactly what it is told to, and may be slow or silent."""

    def __init__(self, address: tuple[str, int], own: str = "127.0.0.1", buffer: int = 0) -> None:
        self.socket = socket.socket()
        if buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.settimeout(20)
        self.socket.bind((own, 0))
        self.socket.connect(address)
        self._file = self.socket.makefile("rb")

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.socket.close()

    def send(self, data: bytes) -> "Peer":
        self.socket.sendall(data)
        return self

    def answer(self) -> Answer:
        """The next answer; fails when the server closes instead."""
        version, status, _ = self._file.readline().decode().split(" ", 2)
        headers = parse_headers(self._file)
        body = self._file.read(int(headers.get("Content-Length", "0")))
        return Answer(version, int(status), headers, body)

    def is_closed(self) -> bool:
        """Whether nothing more comes; waits for the server's end of the connection."""
        return self._file.read() == b""

    def is_closed_in_spite_of(self, drop: bytes) -> bool:
        """Whether the server has closed already; if not, it is sent a little more."""
        self.socket.setblocking(False)
        try:
            assert self.socket.recv(1) == b""
        except BlockingIOError:
            with contextlib.suppress(ConnectionError):
                self.socket.sendall(drop)
            return False
        except ConnectionError:
            pass
        return True


@dataclass
class App:
    """Says what it was asked; remembers every path."""

    seen: list[str] = field(default_factory=list)
    may_answer: threading.Event = field(default_factory=threading.Event)
    """What `/slow` waits for."""

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        path = environ["PATH_INFO"]
        self.seen.append(path)
        told = {
            "path": path,
            "size": len(environ["wsgi.input"].read()),
            "peer": environ["REMOTE_ADDR"],
            "headers": {name: value for name, value in environ.items() if name[:5] == "HTTP_"},
        }
        if path == "/slow":
            self.may_answer.wait(10)
        body = BIG if path == "/big" else json.dumps(told).encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]


@dataclass
class Running:
    app: Any
    server: Server
    address: tuple[str, int]

    def peer(self, own: str = "127.0.0.1", buffer: int = 0) -> Peer:
        return Peer(self.address, own, buffer)

    def ask(self, path: str = "/health", own: str = "127.0.0.1", head: str = "") -> Answer:
        with self.peer(own) as peer:
            return peer.send(get(path, head)).answer()

    def connections(self) -> int:
        channels: Any = self.server.active_channels
        return len(channels)


@contextlib.contextmanager
def serving(
    app: Any = None,
    patience: Patience = PATIENCE,
    trusted_proxy: str | None = None,
    listener: socket.socket | None = None,
) -> Iterator[Running]:
    """A server in a thread of its own."""
    app = App() if app is None else app
    with listener or socket.create_server(("127.0.0.1", 0)) as listening:
        server: Any = Server(app, listening, trusted_proxy, patience)
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            yield Running(app, server, ("127.0.0.1", listening.getsockname()[1]))
        finally:
            # Another pull may come first and close the trigger before ours reaches it.
            with contextlib.suppress(OSError):
                server.trigger.pull_trigger(lambda: wasyncore.close_all(server._map))
            thread.join()
            server.task_dispatcher.shutdown()


@pytest.fixture(scope="module")
def served() -> Iterator[Running]:
    """One server for all tests that leave it as it was."""
    with serving() as running:
        yield running


def get(path: str, head: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode()


def post(head: str, body: bytes = b"") -> bytes:
    return f"POST /refused HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode() + body


def chunked(body: bytes, head: str = "") -> bytes:
    return post(f"Transfer-Encoding: chunked\r\n{head}", body)


def assert_refused(peer: Peer, status: int) -> Answer:
    """It is answered once, in the envelope of the API, and that was the last of the connection."""
    answer = peer.answer()
    assert answer.status == status, answer.body
    assert answer.version == "HTTP/1.1"
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answer.headers["Connection"] == "close"
    assert answer.json.keys() == {"error", "timestamp", "path", "request_id"}
    assert answer.json["error"].keys() == {"code", "message"}
    assert answer.json["request_id"] == answer.headers["X-Request-ID"]
    assert "Server" not in answer.headers
    assert peer.is_closed()
    return answer


# --- requests that two readers could read differently ------------------------------------------

AMBIGUOUS: dict[str, tuple[int, bytes]] = {
    "encoding and length": (400, chunked(b"0\r\n\r\n", "Content-Length: 5\r\n")),
    "length twice": (400, post("Content-Length: 0\r\nContent-Length: 40\r\n")),
    "the same length twice": (400, post("Content-Length: 0\r\nContent-Length: 0\r\n")),
    "two lengths in one": (400, post("Content-Length: 0, 40\r\n")),
    "a length with a sign": (400, post("Content-Length: +12\r\n")),
    "a negative length": (400, post("Content-Length: -1\r\n")),
    "a hexadecimal length": (400, post("Content-Length: 0x1\r\n")),
    "an empty length": (400, post("Content-Length:\r\n")),
    "a length of 5 000 digits": (400, post(f"Content-Length: {'1' * 5000}\r\n")),
    "encoding twice": (400, chunked(b"0\r\n\r\n", "Transfer-Encoding: chunked\r\n")),
    "chunked, chunked": (501, post("Transfer-Encoding: chunked, chunked\r\n", b"0\r\n\r\n")),
    "chunked, identity": (501, post("Transfer-Encoding: chunked, identity\r\n", b"0\r\n\r\n")),
    "identity": (501, post("Transfer-Encoding: identity\r\n")),
    "an empty encoding": (501, post("Transfer-Encoding:\r\n")),
    "xchunked": (501, post("Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n")),
    "a vertical tab before chunked": (400, post("Transfer-Encoding: \vchunked\r\n")),
    "an encoding in HTTP/1.0": (
        400,
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    "a folded line": (400, get("/refused", "X-A: 1\r\n Content-Length: 5\r\n")),
    "a folded first line": (400, b"GET /refused HTTP/1.1\r\n Host: x\r\n\r\n"),
    "a blank before the colon": (400, get("/refused", "Content-Length : 5\r\n")),
    "a header without colon": (400, get("/refused", "Content-Length 5\r\n")),
    "a header without name": (400, get("/refused", ": 5\r\n")),
    "a NUL in a header": (400, get("/refused", "X-A: a\0b\r\n")),
    "a bare LF between headers": (400, get("/refused", "X-A: 1\nX-B: 2\r\n")),
    "a bare CR in a header": (400, get("/refused", "X-A: 1\rX-B: 2\r\n")),
    "bare LFs only": (400, b"GET /refused HTTP/1.1\nHost: x\n\n"),
    "Host twice": (400, get("/refused", "Host: x\r\n")),
    "no Host": (400, b"GET /refused HTTP/1.1\r\n\r\n"),
    "a Host with a path": (400, b"GET /refused HTTP/1.1\r\nHost: x/y\r\n\r\n"),
    "two Hosts in one": (400, b"GET /refused HTTP/1.1\r\nHost: x, y\r\n\r\n"),
    "Authorization twice": (400, get("/refused", "Authorization: a\r\nauthorization: b\r\n")),
    "X-Auth twice": (400, get("/refused", "X-Auth: a\r\nX-AUTH: b\r\n")),
    "HTTP/0.9": (400, b"GET /refused\r\n\r\n"),
    "HTTP/1.2": (400, b"GET /refused HTTP/1.2\r\nHost: x\r\n\r\n"),
    "HTTP/2.0": (400, b"GET /refused HTTP/2.0\r\nHost: x\r\n\r\n"),
    "the preface of HTTP/2": (400, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "a blank after the version": (400, b"GET /refused HTTP/1.1 \r\nHost: x\r\n\r\n"),
    "two blanks in the start line": (400, b"GET  /refused HTTP/1.1\r\nHost: x\r\n\r\n"),
    "a blank before the method": (400, b" GET /refused HTTP/1.1\r\nHost: x\r\n\r\n"),
    "a method in small letters": (400, b"get /refused HTTP/1.1\r\nHost: x\r\n\r\n"),
    "a whole URL": (400, b"GET http://y/refused HTTP/1.1\r\nHost: x\r\n\r\n"),
    "a fragment": (400, get("/refused#x")),
    "a tab in the path": (400, get("/ref\tused")),
    "blank lines only": (400, b"\r\n\r\n"),
    "a greeting of TLS": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    "noise": (400, bytes(range(256))),
    "101 headers": (400, get("/refused", "".join(f"X-{n}: 1\r\n" for n in range(100)))),
    "500 headers": (400, get("/refused", "".join(f"X-{n}: 1\r\n" for n in range(500)))),
    "a chunk size that is no number": (400, chunked(b"zz\r\n")),
    "a chunk size with a sign": (400, chunked(b"+5\r\nhello\r\n0\r\n\r\n")),
    "a chunk size with a blank": (400, chunked(b"5 \r\nhello\r\n0\r\n\r\n")),
    "a chunk size with 0x": (400, chunked(b"0x5\r\nhello\r\n0\r\n\r\n")),
    "a chunk size with a bare LF": (400, chunked(b"5\nhello\r\n0\r\n\r\n")),
    "a chunk size with LF CR LF": (400, chunked(b"5\n\r\nhello\r\n0\r\n\r\n")),
    "a chunk size of many digits": (400, chunked(b"0" * 9 + b"5\r\nhello\r\n0\r\n\r\n")),
    "no chunk size": (400, chunked(b"\r\n5\r\nhello\r\n0\r\n\r\n")),
    "a chunk longer than it said": (400, chunked(b"5\r\nhello world\r\n0\r\n\r\n")),
    "a chunk that ends in a bare LF": (400, chunked(b"5\r\nhello\n0\r\n\r\n")),
    "an extension of a chunk": (400, chunked(b"5;a=b\r\nhello\r\n0\r\n\r\n")),
    "a trailer": (400, chunked(b"5\r\nhello\r\n0\r\nX-A: 1\r\n\r\n")),
}


@pytest.mark.parametrize("case", AMBIGUOUS)
def test_what_can_be_read_in_two_ways_is_refused_with_all_that_follows(
    served: Running, case: str
) -> None:
    status, request = AMBIGUOUS[case]
    del served.app.seen[:]
    with served.peer() as peer:
        peer.send(request + get("/smuggled"))

        answer = assert_refused(peer, status)

    assert answer.json["error"]["code"] == {400: "BAD_REQUEST", 501: "NOT_IMPLEMENTED"}[status]
    assert served.app.seen == []


@pytest.mark.parametrize(
    "request_",
    [
        b"\r\n" + get("/fine"),
        b"GET /fine HTTP/1.0\r\n\r\n",
        b"GET /fine HTTP/1.1\r\nHost:\r\n\r\n",
        b"GET /fine HTTP/1.1\r\nhost: [::1]:8080\r\n\r\n",
        get("/fine", "".join(f"X-{n}: 1\r\n" for n in range(99))),
        get("/fine", "Content-Length: 0\r\n"),
        # waitress alone takes two seconds over this one, in the thread that serves everybody.
        get("/fine", f"X-A:{' ' * 16_000}a\r\n"),
    ],
    ids=["blank line first", "HTTP/1.0", "empty Host", "IPv6", "99 more", "no body", "many blanks"],
)
def test_what_is_unusual_but_clear_is_served(served: Running, request_: bytes) -> None:
    with served.peer() as peer:
        answer = peer.send(request_).answer()

    assert answer.status == 200
    assert answer.json["path"] == "/fine"
    assert "Server" not in answer.headers


def test_a_header_with_an_underline_never_passes_for_one_with_a_hyphen(served: Running) -> None:
    head = "X_Forwarded_For: 192.0.2.1\r\nX_Auth: a\r\n"

    assert served.ask(head=head).json["headers"] == {"HTTP_HOST": "x"}


def test_a_connection_serves_one_request_after_the_other(served: Running) -> None:
    with served.peer() as peer:
        for path in ("/a", "/b", "/c"):
            assert peer.send(get(path)).answer().json["path"] == path


def test_a_request_sent_before_the_answer_is_dropped(served: Running) -> None:
    del served.app.seen[:]
    with served.peer() as peer:
        peer.send(get("/first") + get("/second"))

        assert peer.answer().headers["Connection"] == "close"
        assert peer.is_closed()
    assert served.app.seen == ["/first"]


# --- size --------------------------------------------------------------------------------------


@pytest.fixture
def no_temp_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever makes one fails."""
    monkeypatch.setattr(tempfile, "tempdir", "/nonexistent")


@pytest.mark.usefixtures("no_temp_files")
@pytest.mark.parametrize(
    "request_",
    [
        post(f"Content-Length: {MIB}\r\n", b"x" * MIB),
        chunked(f"{MIB:X}\r\n".encode() + b"x" * MIB + b"\r\n0\r\n\r\n"),
        chunked((b"8000\r\n" + b"x" * 0x8000 + b"\r\n") * 32 + b"0\r\n\r\n"),
    ],
    ids=["length", "one chunk", "chunks"],
)
def test_a_body_of_one_mebibyte_is_served(served: Running, request_: bytes) -> None:
    with served.peer() as peer:
        answer = peer.send(request_).answer()

    assert (answer.status, answer.json["size"]) == (200, MIB)


@pytest.mark.usefixtures("no_temp_files")
@pytest.mark.parametrize(
    ("head", "body"),
    [
        (f"Content-Length: {MIB + 1}\r\n", b""),
        (f"Content-Length: {MIB + 1}\r\n", b"x" * (MIB + 1)),
        (f"Content-Length: {5 * 2**30}\r\n", b"x" * MIB),
        (f"Content-Length: {16 * MIB}\r\n", b"x" * (16 * MIB)),
        (f"Content-Length: {5 * 2**30}\r\nExpect: 100-continue\r\n", b""),
        ("Transfer-Encoding: chunked\r\n", b"FFFFFFFF\r\n"),
        ("Transfer-Encoding: chunked\r\n", (b"8000\r\n" + b"x" * 0x8000 + b"\r\n") * 64),
        ("Transfer-Encoding: chunked\r\n", b"1\r\nx\r\n" * (MIB // 2)),
    ],
    ids=[
        "a byte too much is declared",
        "a byte too much is sent",
        "5 GB are declared",
        "16 MiB are sent",
        "5 GB are announced",
        "a chunk is too large",
        "chunks do not end",
        "tiny chunks do not end",
    ],
)
def test_a_larger_body_is_refused_before_it_is_read(
    served: Running, head: str, body: bytes
) -> None:
    del served.app.seen[:]
    with served.peer() as peer:
        # A peer that sends all of it first still gets its answer, not a connection reset.
        peer.send(post(f"X-Request-ID: 413-of-mine\r\n{head}", body))

        refused = assert_refused(peer, 413).json

    assert refused["error"] == {
        "code": "PAYLOAD_TOO_LARGE",
        "message": "The body is larger than 1 MiB",
    }
    assert (refused["path"], refused["request_id"]) == ("/refused", "413-of-mine")
    assert served.app.seen == []


@pytest.mark.parametrize(
    "request_",
    [
        get("/refused", f"X-A: {'a' * 16_384}\r\n"),
        get("/refused", f"X-A: {'a' * 300_000}\r\n"),
        get(f"/refused?{'a' * 300_000}"),
        b"GET /" + b"a" * 300_000,
        get("/refused", "".join(f"X-{n}: 1234567890123456789012345\r\n" for n in range(500))),
    ],
    ids=["16 KiB of headers", "300 KB of headers", "300 KB of URL", "no end", "500 headers"],
)
def test_larger_headers_are_refused(served: Running, request_: bytes) -> None:
    del served.app.seen[:]
    with served.peer() as peer:
        peer.send(request_)

        assert_refused(peer, 431)
    assert served.app.seen == []


def test_a_body_is_asked_for_when_its_sender_waits_for_that(served: Running) -> None:
    with served.peer() as peer:
        peer.send(post("Content-Length: 5\r\nExpect: 100-continue\r\n"))
        assert peer.answer().status == 100

        assert peer.send(b"hello").answer().json["size"] == 5


def test_a_body_of_nothing_is_not_waited_for(served: Running) -> None:
    with served.peer() as peer:
        assert peer.send(get("/a", "Expect: 100-continue\r\n")).answer().json["path"] == "/a"
        assert peer.send(get("/b")).answer().json["path"] == "/b"


# --- peers that dawdle -------------------------------------------------------------------------

DRIPS: dict[str, tuple[bytes, bytes]] = {
    "the start line": (b"G", b"E"),
    "headers": (b"GET / HTTP/1.1\r\n", b"X"),
    "blank lines": (b"\r\n", b""),
    "a body": (post("Content-Length: 1000\r\n"), b"x"),
    "a chunk": (chunked(b"1000\r\n"), b"x"),
    "a chunk size": (chunked(b""), b""),
    "nothing": (b"", b""),
}


def test_peers_that_drip_are_closed() -> None:
    with serving(patience=SHORT) as served, contextlib.ExitStack() as stack:
        peers = {
            case: stack.enter_context(served.peer()).send(beginning)
            for case, (beginning, _) in DRIPS.items()
        }

        def nothing_is_open() -> bool:
            closed = [peer.is_closed_in_spite_of(DRIPS[case][1]) for case, peer in peers.items()]
            return all(closed)

        wait_until(nothing_is_open)
        wait_until(lambda: not served.connections())
    assert served.app.seen == []


def test_a_connection_without_a_further_request_is_closed() -> None:
    with serving(patience=SHORT) as served, served.peer() as peer:
        assert peer.send(get("/")).answer().status == 200

        assert peer.is_closed()


def test_a_peer_is_given_the_whole_time_again_after_an_answer_that_took_long() -> None:
    patience = Patience(idle_s=0.8)
    with serving(patience=patience) as served, served.peer() as peer:
        peer.send(get("/slow"))
        ask_for(served, patience.idle_s)

        served.app.may_answer.set()

        assert peer.answer().json["path"] == "/slow"
        ask_for(served, web.LOOK_EVERY_S)
        assert peer.send(get("/next")).answer().json["path"] == "/next"


def ask_for(served: Running, seconds: float) -> None:
    """Have another client ask and ask, so that the server looks after its connections."""
    end = time.monotonic() + seconds
    while time.monotonic() <= end:
        assert served.ask().status == 200


def test_a_peer_that_stays_after_the_last_answer_is_closed() -> None:
    with serving(patience=SHORT) as served, served.peer() as peer:
        peer.send(b"noise\r\n\r\n")
        assert_refused(peer, 400)

        wait_until(lambda: not served.connections())


@pytest.mark.parametrize("count", [1, 50], ids=["one request", "many at once"])
def test_peers_that_do_not_read_are_closed_and_keep_nobody_waiting(count: int) -> None:
    patience = Patience(answer_s=0.5)
    with serving(patience=patience) as served, contextlib.ExitStack() as stack:
        for _ in range(web.THREADS + 1):
            peer = stack.enter_context(served.peer(buffer=4096))
            peer.send(get("/big") * count)

        assert served.ask().status == 200
        wait_until(lambda: not served.connections())
    assert served.app.seen.count("/big") == web.THREADS + 1


def drips(served: Running, count: int, own: str, stack: contextlib.ExitStack) -> list[Peer]:
    """Connections that each began a request."""
    return [stack.enter_context(served.peer(own)).send(b"GET /") for _ in range(count)]


def test_others_are_served_while_an_address_holds_what_it_may() -> None:
    with serving(patience=Patience(header_s=1)) as served, contextlib.ExitStack() as stack:
        drips(served, 200, "127.0.0.1", stack)

        for own in ("127.0.0.1", "127.0.0.2") * 10:
            assert served.ask(own=own).status == 200
            assert served.connections() <= web.CONNECTIONS_AN_ADDRESS + 2

        wait_until(lambda: not served.connections())


def test_the_connection_that_waited_longest_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web.server, "CONNECTIONS_AN_ADDRESS", 2)
    with serving() as served, contextlib.ExitStack() as stack:
        first, second = (
            stack.enter_context(served.peer()).send(get(path)) for path in ("/first", "/second")
        )
        assert first.answer().status == second.answer().status == 200
        assert first.send(get("/again")).answer().status == 200

        assert served.ask().status == 200
        assert second.is_closed()
        assert first.send(get("/again")).answer().status == 200


def test_many_addresses_together_shut_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web.server, "CONNECTIONS", 30)
    with serving() as served, contextlib.ExitStack() as stack:
        for number in range(2, 7):
            drips(served, 10, f"127.0.0.{number}", stack)

        assert served.ask().status == 200
        assert served.connections() <= 31


def test_a_trusted_proxy_may_have_more_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web.server, "CONNECTIONS_AN_ADDRESS", 2)
    with serving(trusted_proxy="127.0.0.1") as served, contextlib.ExitStack() as stack:
        drips(served, 10, "127.0.0.1", stack)

        wait_until(lambda: served.connections() == 10)
        assert served.ask().status == 200


@pytest.mark.parametrize("step", [-3600, 3600], ids=["back", "forward"])
def test_a_step_of_the_clock_neither_closes_nor_keeps(
    monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    patience = Patience(header_s=0.5)
    with serving(patience=patience) as served, served.peer() as idle, served.peer() as slow:
        assert idle.send(get("/")).answer().status == 200
        slow.send(b"GET /")
        wall = time.time
        monkeypatch.setattr(time, "time", lambda: wall() + step)

        assert slow.is_closed()
        assert idle.send(get("/")).answer().status == 200


# --- behind a proxy ----------------------------------------------------------------------------

CLAIMS = (
    "X-Forwarded-For: 192.0.2.1, 192.0.2.2\r\nX-Forwarded-For: 192.0.2.3\r\n"
    "X-Forwarded-Host: evil\r\nX-Forwarded-Proto: https, http\r\nX-Forwarded-Port: 1, 2\r\n"
    'Forwarded: for=192.0.2.9\r\nX_Forwarded_For: 192.0.2.8\r\nX-Forwarded-By: "\r\n'
)


@pytest.mark.parametrize(
    ("proxy", "own", "head", "peer"),
    [
        (None, "127.0.0.1", CLAIMS, "127.0.0.1"),
        ("127.0.0.1", "127.0.0.2", CLAIMS, "127.0.0.2"),
        ("127.0.0.1", "127.0.0.1", CLAIMS, "192.0.2.3"),
        ("127.0.0.1", "127.0.0.1", "X-Forwarded-For: 2001:DB8::1\r\n", "2001:db8::1"),
        ("127.0.0.1", "127.0.0.1", 'X-Forwarded-For: ", 192.0.2.1\r\n', "192.0.2.1"),
        ("127.0.0.1", "127.0.0.1", "X-Forwarded-For: unknown\r\n", "127.0.0.1"),
        ("127.0.0.1", "127.0.0.1", "", "127.0.0.1"),
    ],
)
def test_only_the_proxy_says_who_asks_and_only_by_its_own_entry(
    proxy: str | None, own: str, head: str, peer: str
) -> None:
    with serving(trusted_proxy=proxy) as served:
        answer = served.ask(own=own, head=head)

    assert answer.json["peer"] == peer
    assert answer.json["headers"] == {"HTTP_HOST": "x"}


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_an_ipv4_peer_of_a_socket_for_both_families_has_its_plain_address() -> None:
    listener = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    with serving(listener=listener) as served:
        assert served.ask().json["peer"] == "127.0.0.1"


# --- with the application ----------------------------------------------------------------------


def test_a_refusal_looks_like_one_of_the_application(client: Client) -> None:
    with serving(client.app) as served, served.peer() as peer:
        own = served.ask("/api/v1/nothing")
        foreign = assert_refused(peer.send(b"noise\r\n\r\n"), 400)

    assert own.status == 404
    assert own.json.keys() == foreign.json.keys()
    different = {"Content-Length", "Date", "X-Request-Id", "Connection"}
    assert {name: value for name, value in own.headers.items() if name not in different} == {
        name: value for name, value in foreign.headers.items() if name not in different
    }


@pytest.mark.parametrize(
    "target",
    ["//api/v1/services", "/api/v1/services/", "/api/v1/%73ervices", "/api/v1/x/%2e%2e/services"],
)
def test_no_spelling_of_a_path_lets_anybody_in(as_nobody: Client, target: str) -> None:
    with serving(as_nobody.app) as served:
        answer = served.ask(target)

    assert answer.status in {401, 404}
    assert answer.json["path"]


def test_a_question_about_the_server_as_a_whole_is_answered(client: Client) -> None:
    with serving(client.app) as served, served.peer() as peer:
        assert peer.send(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n").answer().status == 404


def test_the_program_closes_drips_and_answers_meanwhile(tmp_path: Path) -> None:
    with running(tmp_path / "data") as program, contextlib.ExitStack() as stack:
        host, port = program.url.removeprefix("http://").split(":")
        address = (host, int(port))
        peers = [stack.enter_context(Peer(address)).send(b"GET /") for _ in range(200)]

        for _ in range(10):
            with Peer(address) as peer:
                assert peer.send(get("/api/v1/health")).answer().status == 200

        assert all(peer.is_closed() for peer in peers)
        program.stop()
