"""Real servers to be checked, each a context manager on a free port of the loopback."""

import contextlib
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from typing import Any


class LoopbackServer(socketserver.ThreadingTCPServer):
    """A thread a connection; stopping ends every connection at once.

    Handlers wait on `stopping` instead of sleeping, so that a slow answer does not outlive a test.
    """

    daemon_threads = False
    request_queue_size = 128
    allow_reuse_address = True

    def __init__(self, handler: Any, tls: ssl.SSLContext | None = None) -> None:
        self.stopping = threading.Event()
        self._tls = tls
        self._open: set[Any] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), handler)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._tls is not None:
            request = self._tls.wrap_socket(
                request, server_side=True, do_handshake_on_connect=False
            )
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self._tls is not None:
            request.do_handshake()  # here, in the connection's own thread
        super().finish_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up, or refuses our certificate, is what these servers are for."""

    def end_connections(self) -> None:
        with self._lock:
            for request in self._open:
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(request, socket.SHUT_RDWR)


@contextlib.contextmanager
def running(server: LoopbackServer) -> Iterator[None]:
    """Serve in a thread; at the end nothing is left of it, neither threads nor sockets."""
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield
    finally:
        server.stopping.set()
        server.shutdown()
        thread.join()
        server.end_connections()
        server.server_close()
