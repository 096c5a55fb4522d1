"""A server on a Unix socket that answers as Docker does: a container for every state.

| container | is |
| --- | --- |
| `web` | running and healthy |
| `plain` | running, without a health check |
| `fresh` | running, its health not known yet |
| `ill` | running and unhealthy |
| `gone` | exited with code 137 |
| `status-500` | that status (any) |
| `drip`, `endless`, `silent`, `deep`, `odd` | no proper answer |
"""

import contextlib
import http.server
import json
import os
import socketserver
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_LOG = [{"ExitCode": 0, "Output": "fine"}, {"ExitCode": 1, "Output": "cannot connect"}]
_STATES: dict[str, dict[str, Any]] = {
    "web": {"Status": "running", "Health": {"Status": "healthy", "Log": _LOG[:1]}},
    "plain": {"Status": "running"},
    "fresh": {"Status": "running", "Health": {"Status": "starting", "Log": []}},
    "ill": {"Status": "running", "Health": {"Status": "unhealthy", "Log": _LOG}},
    "gone": {"Status": "exited", "ExitCode": 137},
    "strange": {"Status": "<b>dancing</b>"},
}
_ODD = {
    "odd-list": b"[]",
    "odd-null": b'{"State": null}',
    "odd-text": b"hello",
    "odd-log": b'{"State": {"Status": "running", "Health": {"Status": "unhealthy", "Log": 5}}}',
    "odd-deep": b"[" * 100_000,
    "odd-surrogate": b'{"State": {"Status": "running", "Health": {"Status": "unhealthy",'
    b' "Log": [{"Output": "\\ud800"}]}}}',
}


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = False
    request_queue_size = 128

    def __init__(self, path: str) -> None:
        self.stopping = threading.Event()
        super().__init__(path, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that hangs up is what some of these answers are for


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        name = self.path.removeprefix("/containers/").removesuffix("/json")
        self.close_connection = True
        if name in _STATES:
            found = {"Id": "0" * 64, "RestartCount": 2, "State": _STATES[name]}
            self.answer(200, json.dumps(found).encode())
        elif name in _ODD:
            self.answer(200, _ODD[name])
        elif name.startswith("status-"):
            self.answer(int(name.removeprefix("status-")), b'{"message":"no"}')
        elif name == "silent":
            self.server.stopping.wait()
        elif name == "drip":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
            while not self.server.stopping.wait(0.05):
                self.wfile.write(b"x")
        elif name == "endless":
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                self.wfile.write(b" " * 65536)
        else:
            self.answer(404, b'{"message":"No such container"}')

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A folder for sockets, where a config may name one."""
    homes = ("/run", f"/run/user/{os.getuid()}", os.path.expanduser("~"))
    home = next(path for path in homes if os.access(path, os.W_OK))
    with tempfile.TemporaryDirectory(prefix="uptimehunt-", dir=home) as name:
        yield Path(name)


@contextlib.contextmanager
def docker_target() -> Iterator[str]:
    with folder() as where:
        path = str(where / "docker.sock")
        with _Server(path) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            try:
                yield path
            finally:
                server.stopping.set()
                server.shutdown()
                thread.join()
