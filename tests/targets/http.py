"""An HTTP/1.1 server with a route for every kind of trouble.

| path | answers |
| --- | --- |
| `/` | `server.status` (200), `hello` |
| `/status/503` | that status |
| `/slow?s=2` | after that many seconds |
| `/drip?part=body` or `headers` | a byte every 50 ms, for ever |
| `/redirect?to=/x&n=3&status=302` | `n` redirects to itself, then one to `to` |
| `/loop` | a redirect to itself |
| `/echo` | method, headers and body as JSON |
| `/big?mb=64&length=0` | that much body; counted in `server.bytes_sent` |
| `/close` | nothing, and hangs up |
| `/garbage` | no HTTP |
| `/headers?n=150&size=10` | that many headers with values of that size |
| `/location?to=…` | 302 with exactly that Location |
"""

import contextlib
import http.server
import json
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from tests.targets import LoopbackServer, running


@dataclass(frozen=True)
class Request:
    """One request as it arrived; `at` is on the monotonic clock, in seconds."""

    at: float
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class HttpTarget(LoopbackServer):
    """The running server.

    Attributes:
        status: what `/` answers from now on.
        requests: all requests so far, in order of arrival.
        bytes_sent: how much of the body of `/big` the system has taken.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(_Handler, tls)
        self.status = 200
        self.requests: list[Request] = []
        self.bytes_sent = 0
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    def count(self, path: str) -> int:
        return sum(request.path == path for request in self.requests)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HttpTarget

    def handle_any(self) -> None:
        parts = urlsplit(self.path)
        self.query = dict(parse_qsl(parts.query))
        self.request_body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append(
            Request(
                time.monotonic(),
                self.command,
                parts.path,
                {name.lower(): value for name, value in self.headers.items()},
                self.request_body,
            )
        )
        self.close_connection = True
        name = parts.path.strip("/").split("/")[0] or "root"
        route = getattr(self, f"route_{name}", None)
        if route is None:
            self.answer(404, b"no such path")
        else:
            route(parts.path)

    do_GET = do_POST = do_HEAD = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = handle_any

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def drip(self, data: bytes) -> None:
        while not self.server.stopping.wait(0.05):
            self.wfile.write(data)

    def route_root(self, _path: str) -> None:
        self.answer(self.server.status, b"hello", Set_Cookie="sid=cookie-of-the-target")

    def route_status(self, path: str) -> None:
        self.answer(int(path.rsplit("/", 1)[1]), b"as you wish")

    def route_slow(self, _path: str) -> None:
        self.server.stopping.wait(float(self.query["s"]))
        self.answer(200, b"at last")

    def route_drip(self, _path: str) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n"
        if self.query.get("part") == "headers":
            self.wfile.write(head + b"X-Long: ")
        else:
            self.wfile.write(head + b"\r\n")
        self.drip(b"x")

    def route_redirect(self, _path: str) -> None:
        left = int(self.query.get("n", 1))
        status = int(self.query.get("status", 302))
        to = self.query["to"]
        if left > 1:
            to = f"/redirect?n={left - 1}&status={status}&to={quote(to, safe='')}"
        self.answer(status, Location=to)

    def route_location(self, _path: str) -> None:
        to = self.query["to"]
        self.answer(302, Location=to.encode("utf-8").decode("latin-1"))

    def route_loop(self, _path: str) -> None:
        self.answer(302, Location="/loop")

    def route_echo(self, _path: str) -> None:
        said = {
            "method": self.command,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": self.request_body.decode("utf-8", "replace"),
        }
        status = int(self.query.get("status", 200))
        self.answer(status, json.dumps(said).encode(), Content_Type="application/json")

    def route_big(self, _path: str) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        left = int(self.query["mb"]) * 2**20
        self.send_response(200)
        if self.query.get("length", "1") == "1":
            self.send_header("Content-Length", str(left))
        self.end_headers()
        while left:
            sent = self.connection.send(b"x" * min(left, 65536))
            self.server.bytes_sent += sent
            left -= sent

    def route_close(self, _path: str) -> None:
        pass

    def route_garbage(self, _path: str) -> None:
        self.wfile.write(b"\x00\x01\x02 this is not HTTP\r\n\r\n")

    def route_headers(self, _path: str) -> None:
        value = "v" * int(self.query.get("size", 10))
        many = {f"X-{number}": value for number in range(int(self.query["n"]))}
        self.answer(200, b"hello", **many)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextlib.contextmanager
def http_target(tls: ssl.SSLContext | None = None) -> Iterator[HttpTarget]:
    server = HttpTarget(tls)
    with running(server):
        yield server
