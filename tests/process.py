"""The program as a person starts it: a real process, in a process group of its own."""

import contextlib
import functools
import http.server
import os
import re
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import requests
import trustme

ROOT = Path(__file__).resolve().parent.parent
SOURCE = (sys.executable, "-m", "uptimehunt")
START_LINE = re.compile(r"http://127\.0\.0\.1:\d+")

EMAIL = "alice@example.com"
PASSWORD = "correct horse battery staple"

T = TypeVar("T")


def wait_until(predicate: Callable[[], T | None], timeout: float = 10) -> T:
    """The first truthy value of a condition; fails when there is none in time."""
    end = time.monotonic() + timeout
    while not (value := predicate()):
        assert time.monotonic() < end, f"nothing after {timeout} s: {predicate}"
        time.sleep(0.01)
    return value


class Program:
    """One run of the program. Everything it writes, to both outputs, is in `said()`."""

    def __init__(
        self,
        data_dir: Path,
        *options: str,
        command: Sequence[str] = SOURCE,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        if environ is None:
            environ = {
                name: value
                for name, value in os.environ.items()
                if not name.startswith("UPTIMEHUNT_")
            }
        self.data_dir = data_dir
        self._output = tempfile.TemporaryFile()  # noqa: SIM115  (closed by close())
        self.started_at = time.monotonic()
        self.process = subprocess.Popen(
            [*command, "serve", "--port", "0", "--data-dir", str(data_dir), *options],
            cwd=ROOT,
            env=environ,
            umask=0o022,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def said(self) -> str:
        size = os.fstat(self._output.fileno()).st_size
        return os.pread(self._output.fileno(), size, 0).decode(errors="replace")

    @functools.cached_property
    def url(self) -> str:
        """Where it listens; waits until it says so."""

        def said_so() -> str | None:
            assert self.process.poll() is None, f"it ended: {self.said()}"
            found = START_LINE.search(self.said())
            return found[0] if found else None

        return wait_until(said_so, 20)

    def wait_until_ready(self) -> "Program":
        def answers() -> bool:
            with contextlib.suppress(requests.ConnectionError):
                return Client(self.url).http.get(f"{self.url}/api/v1/health", timeout=5).ok
            return False

        wait_until(answers, 20)
        return self

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self, timeout: float = 10) -> int:
        """Its exit code."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout} s: {self.said()}") from None

    def stop(self) -> None:
        """An orderly stop, which must be one."""
        self.send(signal.SIGTERM)
        assert self.wait() == 0, self.said()

    def kill(self) -> None:
        """Kill the whole process group, as a crash or a power cut would."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def close(self) -> None:
        self.kill()
        self._output.close()


@contextlib.contextmanager
def running(data_dir: Path, *options: str, **how: Any) -> Iterator[Program]:
    """The program, ready to answer; killed at the end unless it was stopped before."""
    with started(data_dir, *options, **how) as program:
        yield program.wait_until_ready()


@contextlib.contextmanager
def started(data_dir: Path, *options: str, **how: Any) -> Iterator[Program]:
    """The program, just started; killed at the end unless it was stopped before."""
    program = Program(data_dir, *options, **how)
    try:
        yield program
    finally:
        program.close()


class Client:
    """Calls the API of a running program."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = url
        self.http = requests.Session()
        self.http.trust_env = False
        self.token = token

    def call(self, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        """The whole answer of a call that must have this status."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        answer = self.http.request(
            method, f"{self.url}/api/v1{path}", json=body, headers=headers, timeout=20
        )
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def get(self, path: str) -> Any:
        return self.call("GET", path)["data"]

    def post(self, path: str, body: Any, status: int = 201) -> Any:
        return self.call("POST", path, body, status)["data"]

    def register(self) -> "Client":
        self.token = self.post("/auth/register", {"email": EMAIL, "password": PASSWORD})["access"]
        return self

    def login(self) -> "Client":
        credentials = {"email": EMAIL, "password": PASSWORD}
        self.token = self.post("/auth/login", credentials, status=200)["access"]
        return self

    def asset(self, name: str) -> requests.Response:
        """One of the dashboard's files, from where its page says that they are."""
        page = self.http.get(self.url, timeout=10).text
        folder = re.search(r"assets/\w+", page)
        assert folder, page
        return self.http.get(f"{self.url}/{folder[0]}/{name}", timeout=10)

    def services(self) -> dict[int, Any]:
        """Every service, by its id."""
        found: dict[int, Any] = {}
        page, pages = 1, 1
        while page <= pages:
            answer = self.call("GET", f"/services?limit=100&page={page}")
            found |= {service["id"]: service for service in answer["data"]}
            page, pages = page + 1, answer["meta"]["totalPages"]
        return found

    def first_verdict(self, service: int) -> tuple[str, str | None]:
        """Status of a service after its first check, and the kind of its last error."""
        path = f"/services/{service}"
        wait_until(lambda: self.get(path)["status"] != "pending", 15)
        errors = self.get(f"{path}/errors")
        return self.get(path)["status"], errors[0]["code"] if errors else None

    def add_service(self, name: str, url: str, **fields: Any) -> Any:
        """A service checked over HTTP, as often as is allowed."""
        body = {"name": name, "type": "http", "config": {"url": url}, "interval_seconds": 5}
        return self.post("/services", body | fields)


class _Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"ok\n")

    do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:
        pass


def authority() -> tuple[trustme.CA, ssl.SSLContext]:
    """A certificate authority that nobody trusts, and a server's side of TLS for `localhost`."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return authority, context


@contextlib.contextmanager
def target(tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """The port of a web server on this machine that answers 200, over TLS given a context."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
