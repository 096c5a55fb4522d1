"""Servers that say what they are told to, whatever they are asked; each yields its port."""

import contextlib
import socket
import socketserver
from collections.abc import Iterator
from typing import Any

from tests.targets import LoopbackServer, running


@contextlib.contextmanager
def saying(*replies: bytes, greeting: bytes = b"", endless: bytes = b"") -> Iterator[int]:
    """Sends a greeting, a reply each time something arrives, and stays connected.

    What is `endless` is sent over and over after the last reply, as fast as it is taken.
    """

    class Handler(socketserver.BaseRequestHandler):
        server: LoopbackServer
        request: socket.socket

        def handle(self) -> None:
            self.request.sendall(greeting)
            for reply in replies:
                if not self.request.recv(65536):
                    return
                self.request.sendall(reply)
            while endless:
                self.request.sendall(endless)
            self.server.stopping.wait()

    server = LoopbackServer(Handler)
    with running(server):
        yield server.port


def named_fields(caught: Any) -> set[Any]:
    """The fields that a config was refused for."""
    return {
        name
        for error in caught.value.errors()
        for name in error.get("ctx", {}).get("details", error["loc"][:1])
    }
