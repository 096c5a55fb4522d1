"""UDP servers, each a context manager that yields its port."""

import contextlib
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator

Answer = Callable[[bytes], list[bytes]]
"""The datagrams to send back for one that came."""


@contextlib.contextmanager
def answering(
    answer: Answer, heard: list[bytes] | None = None, from_elsewhere: bool = False
) -> Iterator[int]:
    """Answers each datagram with those of `answer`, from another port when `from_elsewhere`."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            data, sock = self.request
            if heard is not None:
                heard.append(data)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
                for datagram in answer(data):
                    (other if from_elsewhere else sock).sendto(datagram, self.client_address)

    with socketserver.UDPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def closed_port() -> Iterator[int]:
    """A port that refuses: a socket has it that hears only another one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.connect(("127.0.0.1", 9))
        yield sock.getsockname()[1]
