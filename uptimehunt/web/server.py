"""The server and its connections: how long a peer may take, how many it may hold, whom it is."""

import ipaddress
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from waitress.channel import HTTPChannel
from waitress.proxy_headers import PROXY_HEADERS
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask
from waitress.utilities import Error

from uptimehunt import clock
from uptimehunt.api import envelope, middleware
from uptimehunt.logs import about
from uptimehunt.web.framing import Parser

log = logging.getLogger(__name__)

THREADS = 16
CONNECTIONS = 500
CONNECTIONS_AN_ADDRESS = 100
LOOK_EVERY_S = 0.25


@dataclass(frozen=True)
class Patience:
    """Seconds that a peer may take over each step."""

    header_s: float = 10
    body_s: float = 30
    """Over a whole request, its headers included."""
    idle_s: float = 30
    """Until the first byte of a request."""
    answer_s: float = 60
    """To take an answer."""
    goodbye_s: float = 5
    """To close its side after the last answer."""


PATIENCE = Patience()


class Server(TcpWSGIServer):
    """A server on a socket that listens already; `run` returns after SIGTERM or SIGINT."""

    def __init__(
        self,
        app: Any,
        listener: socket.socket,
        trusted_proxy: str | None,
        patience: Patience = PATIENCE,
    ) -> None:
        """Make a server.

        Args:
            app: the WSGI application.
            listener: a bound socket.
            trusted_proxy: address of the reverse proxy whose `X-Forwarded-For` and
                `X-Forwarded-Proto` are believed; None believes nobody's.
            patience: how long peers may take.
        """
        self.channel_class = _Channel
        self.patience = patience
        self._trusted_proxy = trusted_proxy
        self._look_at = clock.monotonic()
        super().__init__(
            _as_seen_by(trusted_proxy, app),
            _sock=listener,
            bind_socket=False,
            sockinfo=(listener.family, listener.type, listener.proto, listener.getsockname()),
            threads=THREADS,
            connection_limit=2 * CONNECTIONS,  # Never reached: `make_room` comes first.
            asyncore_use_poll=True,
            backlog=512,
            max_request_header_size=16_384,
            max_request_body_size=2 * envelope.LARGEST,  # As sent; chunks have their overhead.
            inbuf_overflow=2 * envelope.LARGEST,  # More than any body, so nothing goes to disk.
            ident=None,
            clear_untrusted_proxy_headers=False,  # `_as_seen_by` does.
        )

    def readable(self) -> bool:
        """Asked once a turn of the loop; also the moment to look for peers that dawdle."""
        now = clock.monotonic()
        if now >= self._look_at:
            self._look_at = now + LOOK_EVERY_S
            for channel in self._channels():
                if channel.is_overdue(now):
                    channel.handle_close()
        return bool(super().readable())

    def maintenance(self, now: float) -> None:
        """The look that waitress takes, by the wall clock; ours has replaced it."""

    def fix_addr(self, addr: Any) -> Any:
        """An IPv4 peer of a socket for both families has its plain address."""
        return (addr[0].removeprefix("::ffff:"), *addr[1:])

    def make_room(self, newcomer: "_Channel") -> None:
        """Closes what has waited longest, when its address or everybody together has too many.

        Not the newcomer: who comes with a request must be served while others hold connections,
        even behind one address.
        """
        crowd = self._channels()
        limit, address = CONNECTIONS, newcomer.addr[0]
        if address != self._trusted_proxy:
            same = [channel for channel in crowd if channel.addr[0] == address]
            if len(same) > CONNECTIONS_AN_ADDRESS:
                crowd, limit = same, CONNECTIONS_AN_ADDRESS
        if len(crowd) > limit:
            waiting = [channel for channel in crowd if not channel.requests]
            min(waiting, key=lambda channel: channel.since).handle_close()

    def _channels(self) -> "list[_Channel]":
        channels: Any = self.active_channels  # By file descriptor; its types say otherwise.
        return list(channels.values())


def _as_seen_by(proxy: str | None, app: Any) -> Callable[[dict[str, Any], Any], Any]:
    """The application, told the peer's own address by the proxy and by nobody else.

    SECURITY: only the last entry is the proxy's; the ones before it are what the peer claimed.
    """

    def seen(environ: dict[str, Any], start_response: Any) -> Any:
        chain = environ.get("HTTP_X_FORWARDED_FOR", "")
        scheme = environ.get("HTTP_X_FORWARDED_PROTO", "").rpartition(",")[2].strip().lower()
        for name in PROXY_HEADERS:
            environ.pop(f"HTTP_{name}", None)
        if environ["REMOTE_ADDR"] == proxy:
            try:
                last = ipaddress.ip_address(chain.rpartition(",")[2].strip())
                environ["REMOTE_ADDR"] = environ["REMOTE_HOST"] = str(last)
            except ValueError:
                pass  # It is the proxy itself that asks.
            if scheme in {"http", "https"}:
                environ["wsgi.url_scheme"] = scheme  # A cookie then says `Secure`.
        return app(environ, start_response)

    return seen


class _ErrorTask(ErrorTask):
    """Answers what never reached the application, in the API's envelope."""

    def execute(self) -> None:
        error: Error = self.request.error  # type: ignore[attr-defined]
        path: str = self.request.path  # type: ignore[attr-defined]
        headers: dict[str, str] = self.request.headers  # type: ignore[attr-defined]
        request_id = middleware.request_id(headers.get("X_REQUEST_ID"))
        code = _CODES.get(error.code, "BAD_REQUEST")
        body = envelope.error_body(
            path, request_id, code, _MESSAGES.get(error.code, str(error.body))
        )
        self.version = "1.1"
        self.status = f"{error.code} {error.reason}"
        self.response_headers = [
            *(middleware.SAFE | middleware.CORS).items(),
            ("Content-Security-Policy", middleware.API_POLICY),
            ("Content-Type", envelope.CONTENT_TYPE),
            ("Cache-Control", "no-store"),
            ("X-Request-ID", request_id),
        ]
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)
        log.info(
            "request.refused",
            extra=about(peer=self.channel.addr[0], status=error.code, request_id=request_id),
        )


_CODES = {413: "PAYLOAD_TOO_LARGE", 500: "INTERNAL_ERROR", 501: "NOT_IMPLEMENTED"}
_MESSAGES = {
    413: "The body is larger than 1 MiB",
    431: "The headers are larger than 16 KiB",
    500: "An unexpected error occurred",
}


class _Channel(HTTPChannel):
    """One connection, which has so long for each step and no longer."""

    parser_class = Parser
    error_task_class = _ErrorTask
    server: Server
    addr: tuple[Any, ...]

    def __init__(
        self, server: Server, sock: socket.socket, addr: Any, adj: Any, map: Any = None
    ) -> None:
        self.since = clock.monotonic()  # When the present step began.
        self._is_leaving = False
        super().__init__(server, sock, addr, adj, map=map)
        server.make_room(self)

    def received(self, data: bytes) -> bool:
        before = self.request
        went_on = super().received(data)
        if self.request is not before or self.requests:
            self.since = clock.monotonic()
        return bool(went_on)

    def service(self) -> None:
        super().service()
        self.since = clock.monotonic()

    def is_overdue(self, now: float) -> bool:
        """Whether the peer has taken too long; never while it waits for us."""
        patience = self.server.patience
        if self._is_leaving:
            limit = patience.goodbye_s
        elif self.total_outbufs_len:
            limit = patience.answer_s
        elif self.requests:
            return False
        elif self.request is None:
            limit = patience.idle_s
        else:
            limit = patience.body_s if self.request.headers_finished else patience.header_s
        return now - self.since > limit

    def writable(self) -> bool:
        return bool(super().writable() and (self.will_close or not self._is_leaving))

    def readable(self) -> bool:
        return bool(super().readable() or (self._is_leaving and not self.will_close))

    def handle_write(self) -> None:
        """Send what waits; after the last answer, close our side only.

        A socket that is closed before it has been read to its end resets the connection, and the
        peer loses the answer that says what was wrong.
        """
        if self.will_close or not self.close_when_flushed:
            super().handle_write()
            return
        self._flush_some()  # type: ignore[attr-defined]  # Missing in its types.
        if self.socket is not None and not self.total_outbufs_len:
            self.socket.shutdown(socket.SHUT_WR)
            self._is_leaving = True
            self.since = clock.monotonic()
