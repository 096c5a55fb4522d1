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
| `/location?to=…&status=302` | that status with exactly that Location |
| `/say?text=…&type=…` | that text, of that Content-Type |
| `/answer` | `server.reply` |
| `/wants?authorization=…` | 401 unless it comes with exactly that |
| `/digest` | 401 with a challenge unless it is answered right, for `server.login` |
| `/token` | a token of OAuth 2.0, `token-1` first, for `server.login`, or `server.token_answer` |
| `/guarded` | 401 unless it comes with one of `server.good_tokens` |
| `/cookie?set=name=value` | that cookie, and those that came |
"""

import base64
import contextlib
import hashlib
import http.server
import json
import re
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
        reply: what `/answer` says.
        login: user and password of `/digest` and `/token`.
        token_answer: status and body of `/token`, when it is to say something else than a token.
        good_tokens: those that `/guarded` takes; `/token` adds to them.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(_Handler, tls)
        self.status = 200
        self.requests: list[Request] = []
        self.bytes_sent = 0
        self.reply = b""
        self.login = ("bob", "s3cret-word")
        self.token_answer: tuple[int, bytes] | None = None
        self.good_tokens: set[str] = set()
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
        status = int(self.query.get("status", 302))
        self.answer(status, Location=to.encode("utf-8").decode("latin-1"))

    def route_say(self, _path: str) -> None:
        kind = self.query.get("type", "text/plain")
        self.answer(200, self.query.get("text", "").encode(), Content_Type=kind)

    def route_answer(self, _path: str) -> None:
        self.answer(200, self.server.reply, Content_Type="application/json")

    def route_wants(self, _path: str) -> None:
        is_right = self.headers.get("Authorization") == self.query["authorization"]
        self.answer(200 if is_right else 401, b"hello" if is_right else b"who are you?")

    def route_digest(self, _path: str) -> None:
        said = dict(re.findall(r'(\w+)="?([^",]+)"?', self.headers.get("Authorization", "")))
        user, password = self.server.login

        def digest(*parts: str) -> str:
            return hashlib.md5(":".join(parts).encode(), usedforsecurity=False).hexdigest()

        right = digest(
            digest(user, "here", password),
            *(said.get(name, "") for name in ("nonce", "nc", "cnonce", "qop")),
            digest(self.command, said.get("uri", "")),
        )  # RFC 7616, section 3.4.1
        if said.get("username") == user and said.get("response") == right:
            self.answer(200, b"hello")
        else:
            challenge = 'Digest realm="here", qop="auth", nonce="once", algorithm=MD5'
            self.answer(401, b"who are you?", WWW_Authenticate=challenge)

    def route_token(self, _path: str) -> None:
        pair = base64.b64encode(":".join(self.server.login).encode()).decode()
        if self.server.token_answer is not None:
            self.answer(*self.server.token_answer)
        elif self.headers.get("Authorization") != f"Basic {pair}":
            self.answer(401, b'{"error": "invalid_client"}')
        else:
            token = f"token-{self.server.count('/token')}"
            self.server.good_tokens.add(token)
            answer = {"access_token": token, "token_type": "Bearer", "expires_in": 3600}
            self.answer(200, json.dumps(answer).encode(), Content_Type="application/json")

    def route_guarded(self, path: str) -> None:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token in self.server.good_tokens:
            self.route_echo(path)
        else:
            self.answer(401, f"not {token}".encode())

    def route_cookie(self, path: str) -> None:
        if "set" in self.query:
            self.answer(200, b"hello", Set_Cookie=self.query["set"])
        else:
            self.route_echo(path)

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
