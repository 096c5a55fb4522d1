"""TCP servers that accept, refuse, hang, reset, or say something else than they should.

Each yields its port.
"""

import contextlib
import socket
import socketserver
import ssl
import struct
from collections.abc import Callable, Iterator
from typing import Any

from tests.targets import LoopbackServer, running


@contextlib.contextmanager
def speaking(
    behave: Callable[[socket.socket, LoopbackServer], object], secure: ssl.SSLContext | None = None
) -> Iterator[int]:
    """Does as it is told with each connection, over TLS when `secure` says how."""

    class Handler(socketserver.BaseRequestHandler):
        server: LoopbackServer
        request: socket.socket

        def handle(self) -> None:
            behave(self.request, self.server)

    server = LoopbackServer(Handler, secure)
    with running(server):
        yield server.port


def accepting() -> Any:
    """Accepts, and hangs up."""
    return speaking(lambda _sock, _server: None)


def silent() -> Any:
    """Accepts, and never says a word."""

    def behave(_sock: socket.socket, server: LoopbackServer) -> None:
        server.stopping.wait()

    return speaking(behave)


def resetting(reply: bytes = b"", greeting: bytes = b"") -> Any:
    """Greets, waits for the first bytes, sends `reply`, and resets the connection."""

    def behave(sock: socket.socket, _server: LoopbackServer) -> None:
        sock.sendall(greeting)
        sock.recv(1)
        sock.sendall(reply)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()

    return speaking(behave)


def replying(reply: bytes) -> Any:
    """Reads the head of a request, sends `reply`, and hangs up."""

    def behave(sock: socket.socket, _server: LoopbackServer) -> None:
        head = b""
        while b"\r\n\r\n" not in head and (more := sock.recv(65536)):
            head += more
        sock.sendall(reply)

    return speaking(behave)


def dripping(reply: bytes) -> Any:
    """Sends the reply byte by byte from the first moment on, every 50 ms, over and over."""

    def behave(sock: socket.socket, server: LoopbackServer) -> None:
        position = 0
        while not server.stopping.wait(0.05):
            sock.sendall(reply[position % len(reply) :][:1])
            position += 1

    return speaking(behave)


def resetting_at_once() -> Any:
    """Accepts, and resets the connection without having read a byte."""

    def behave(sock: socket.socket, _server: LoopbackServer) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()

    return speaking(behave)


def endless(data: bytes) -> Any:
    """Sends the same over and over, as fast as it is taken."""

    def behave(sock: socket.socket, _server: LoopbackServer) -> None:
        while True:
            sock.sendall(data)

    return speaking(behave)


def listening_to(
    heard: list[bytes],
    *replies: bytes,
    greeting: bytes = b"",
    secure: ssl.SSLContext | None = None,
) -> Any:
    """Sends a greeting and a reply to each line, then none; keeps all that it hears."""

    def behave(sock: socket.socket, _server: LoopbackServer) -> None:
        sock.sendall(greeting)
        left = list(replies)
        while data := sock.recv(65536):
            heard.append(data)
            for _ in range(data.count(b"\n")):
                if left:
                    sock.sendall(left.pop(0))

    return speaking(behave, secure)


@contextlib.contextmanager
def closed_port() -> Iterator[int]:
    """A port that refuses: taken, so that nobody else gets it, but not listened on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


@contextlib.contextmanager
def blackhole() -> Iterator[int]:
    """A port that answers no attempt to connect: its backlog is full, and nobody accepts."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        while True:
            sock = stack.enter_context(socket.socket())
            sock.settimeout(0.2)
            try:
                sock.connect(listener.getsockname())
            except TimeoutError:
                break
        yield listener.getsockname()[1]
