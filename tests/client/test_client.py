"""The SDK against the real program, and against a server that fails by script."""

import http.server
import json
import pickle
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.process import EMAIL, PASSWORD, ROOT, Program, authority, running, target
from tests.process import Client as Caller
from tests.targets import LoopbackServer
from tests.targets import running as serving
from tests.targets.http import http_target
from uptimehunt import client
from uptimehunt.client import ApiError, Client

TOKENS = {"access": "first", "refresh": "seed", "expires_in": 900}

# --- the real program --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with running(tmp_path_factory.mktemp("client"), "--registration", "open") as program:
        Caller(program.url).register()
        yield program


@pytest.fixture
def alice(program: Program) -> Iterator[Client]:
    with Client(program.url, email=EMAIL, password=PASSWORD) as alice:
        yield alice


def refused(call: Callable[[], Any]) -> ApiError:
    with pytest.raises(ApiError) as caught:
        call()
    return caught.value


def test_the_example_of_the_module_does_what_it_says(alice: Client) -> None:
    with target() as port:
        web = {"name": "Web", "type": "http", "config": {"url": f"http://127.0.0.1:{port}"}}
        service = alice.post("/services", web)
    uptime = alice.get(f"/services/{service['id']}/metrics/uptime", period="7d")
    listed = [each["name"] for each in alice.pages("/services", type="http")]

    assert (uptime["period"], listed) == ("7d", ["Web"])
    alice.delete(f"/services/{service['id']}")
    assert refused(lambda: alice.get(f"/services/{service['id']}")).code == "NOT_FOUND"


def test_all_pages_of_a_collection_come_in_order(alice: Client) -> None:
    made = [alice.post("/projects", {"name": f"Project {number}"})["id"] for number in range(5)]

    assert [each["id"] for each in alice.pages("/projects", limit=2)] == made
    assert [each["id"] for each in alice.pages("/projects")] == made
    alice.delete(f"/projects/{made[0]}", services="delete")
    assert list(alice.pages("/services", enabled=True, tag=None)) == []


def test_put_replaces_and_patch_changes(alice: Client) -> None:
    path = f"/projects/{alice.post('/projects', {'name': 'Old', 'icon': 'globe'})['id']}"

    assert alice.patch(path, {"name": "New"})["icon"] == "globe"
    assert alice.put(path, {"name": "New"})["icon"] == ""


def test_a_refusal_tells_status_code_fields_and_request(alice: Client) -> None:
    ex = refused(lambda: alice.post("/services", {"name": "", "type": "http", "config": {}}))

    assert (ex.status, ex.code, ex.message) == (422, "VALIDATION_ERROR", "Validation failed")
    assert ex.details["url"] == ["URL is required"]
    assert ex.request_id is not None and f"url: URL is required (request {ex.request_id})" in str(
        ex
    )
    copy = pickle.loads(pickle.dumps(ex))
    assert (str(copy), copy.details) == (str(ex), ex.details)


def test_an_id_of_the_caller_names_the_request(alice: Client) -> None:
    sent = {"X-Request-ID": "mine-0123456789"}

    ex = refused(lambda: alice.request("GET", "/services/999", headers=sent))

    assert ex.request_id == "mine-0123456789"


def test_an_unchanged_answer_has_no_data(alice: Client) -> None:
    etag = alice.request("GET", "/projects").headers["ETag"]

    answer = alice.request("GET", "/projects", headers={"If-None-Match": etag})

    assert (answer.status, answer.data, answer.meta) == (304, None, {})


def test_nobody_needs_no_credentials(program: Program) -> None:
    with Client(program.url + "/api/v1/") as nobody:
        assert nobody.get("/health")["status"] == "ok"
        assert nobody.get("/openapi.json")["openapi"].startswith("3.1")
        assert nobody.request("HEAD", "/health").data is None
        assert refused(lambda: nobody.get("/services")).status == 401


def test_a_wrong_password_is_tried_once(program: Program) -> None:
    slept: list[float] = []
    with Client(program.url, email=EMAIL, password="wrong", sleep=slept.append) as mallory:
        assert refused(lambda: mallory.get("/services")).code == "INVALID_CREDENTIALS"
    assert slept == []


def test_a_refresh_token_is_passed_on_from_program_to_program(program: Program) -> None:
    with Client(program.url, email=EMAIL, password=PASSWORD) as first:
        first.get("/auth/me")
    kept = [first.refresh_token]
    for _ in range(3):
        with Client(program.url, refresh=kept[-1]) as later:
            assert later.get("/auth/me")["email"] == EMAIL
        kept.append(later.refresh_token)

    assert None not in kept and len(set(kept)) == 4
    with Client(program.url, refresh=kept[0]) as thief:
        assert refused(lambda: thief.get("/auth/me")).code == "UNAUTHORIZED"


def test_who_has_the_password_signs_in_again_after_the_session_has_ended(alice: Client) -> None:
    alice.get("/auth/me")

    alice.post("/auth/logout", {"refresh": alice.refresh_token})

    assert alice.get("/auth/me")["email"] == EMAIL


def test_an_access_token_is_sent_as_it_is(program: Program) -> None:
    token = Caller(program.url).login().token
    with Client(program.url, token=token) as robot:
        assert robot.get("/auth/me")["email"] == EMAIL
    with Client(program.url, token="worn-out") as robot:
        assert refused(lambda: robot.get("/auth/me")).status == 401


def test_it_is_a_leaf() -> None:
    listed = (
        "import sys, uptimehunt.client;"
        "print(*sorted(name for name in sys.modules if name.startswith('uptimeh')))"
    )

    said = subprocess.run(
        [sys.executable, "-c", listed], cwd=ROOT, capture_output=True, text=True, check=True
    )

    names = ("", ".client", ".clock", ".errors")
    assert said.stdout.split() == [f"uptimehunt{name}" for name in names]


# --- faults, by script -------------------------------------------------------------------------


@dataclass(frozen=True)
class Reply:
    """What the server does with a request: `cut` hangs up, before the answer or within it."""

    status: int = 200
    data: Any = "ok"
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    cut: bool = False


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: Any


class Scripted(LoopbackServer):
    """Answers by script, the last line again and again; the path `/auth/…` by a script of its own.

    Attributes:
        asked: every request, in order of arrival.
        connections: how many there were.
        expects: the only `Authorization` that is good, or None for any.
    """

    def __init__(self, *script: Reply) -> None:
        super().__init__(_Handler)
        self.script = list(script) or [Reply()]
        self.sign_ins = [Reply(data=TOKENS)]
        self.asked: list[Asked] = []
        self.connections = 0
        self.expects: str | None = None
        self.lock = threading.Lock()
        self.url = f"http://127.0.0.1:{self.port}"

    def next(self, asked: Asked) -> Reply:
        signs_in = asked.path.startswith("/api/v1/auth/")
        if not signs_in and self.expects not in {None, asked.headers.get("authorization")}:
            return Reply(401)
        script = self.sign_ins if signs_in else self.script
        return script.pop(0) if len(script) > 1 else script[0]

    def paths(self) -> list[str]:
        return [asked.path.removeprefix("/api/v1") for asked in self.asked]

    def tokens(self) -> list[str | None]:
        calls = [asked for asked in self.asked if "/auth/" not in asked.path]
        return [asked.headers.get("authorization") for asked in calls]


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Scripted

    def setup(self) -> None:
        with self.server.lock:
            self.server.connections += 1
        super().setup()

    def handle_any(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, self.path, headers, json.loads(sent) if sent else None)
        with self.server.lock:
            self.server.asked.append(asked)
            reply = self.server.next(asked)
        raw = reply.raw
        if raw is None and not reply.cut:
            error = {"code": "UNAUTHORIZED" if reply.status == 401 else "ANY", "message": "no"}
            said = {"data": reply.data} if reply.status < 400 else {"error": error}
            raw = b"" if reply.status == 204 else json.dumps(said).encode()
        self.close_connection = reply.cut
        if raw is None:
            return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.status != 204:
            self.send_header("Content-Length", str(len(raw) + 10 * reply.cut))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(raw)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

    def log_message(self, format: str, *args: object) -> None:
        pass


Serve = Callable[..., tuple[Scripted, Client, list[float]]]
"""Script and client options → the server, a client of it, and how long it slept."""


@pytest.fixture
def serve(request: pytest.FixtureRequest) -> Serve:
    def make(*script: Reply, **how: Any) -> tuple[Scripted, Client, list[float]]:
        server = Scripted(*script)
        running = serving(server)
        running.__enter__()
        request.addfinalizer(lambda: running.__exit__(None, None, None))
        slept: list[float] = []
        made = Client(server.url, sleep=slept.append, **how)
        request.addfinalizer(lambda: made.__exit__())
        return server, made, slept

    return make


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
@pytest.mark.parametrize("fault", [Reply(500), Reply(502, raw=b"<h1>Bad Gateway"), Reply(cut=True)])
def test_what_may_be_repeated_is_after_one_two_and_four_seconds(
    serve: Serve, method: str, fault: Reply
) -> None:
    server, caller, slept = serve(fault, fault, fault, Reply())

    assert caller.request(method, "/projects/1").status == 200
    assert slept == [1, 2, 4]
    assert len({asked.headers["x-request-id"] for asked in server.asked}) == 1


def test_after_three_more_tries_the_error_is_told(serve: Serve) -> None:
    _, caller, slept = serve(Reply(500, headers={"X-Request-ID": "of-the-server"}))

    ex = refused(lambda: caller.get("/health"))

    assert (ex.status, ex.code, ex.request_id) == (500, "ANY", "of-the-server")
    assert slept == [1, 2, 4]


def test_retries_can_be_forbidden(serve: Serve) -> None:
    server, caller, slept = serve(Reply(503, headers={"Retry-After": "1"}), retries=0)

    ex = refused(lambda: caller.get("/health"))

    assert (ex.retry_after_s, slept, len(server.asked)) == (1, [], 1)


def test_the_server_says_how_long_to_wait(serve: Serve) -> None:
    script = [Reply(503, headers={"Retry-After": after}) for after in ("7", "0", "soon")]
    _, caller, slept = serve(*script, Reply())

    assert caller.get("/health") == "ok"
    assert slept == [7, 2, 4]


def test_a_server_that_asks_for_an_hour_is_not_waited_for(serve: Serve) -> None:
    _, caller, slept = serve(Reply(503, headers={"Retry-After": "3600"}))

    assert refused(lambda: caller.get("/health")).retry_after_s == 3600
    assert slept == []


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize("fault", [Reply(500), Reply(503), Reply(cut=True), Reply(201, cut=True)])
def test_what_may_have_been_done_is_not_done_again(serve: Serve, method: str, fault: Reply) -> None:
    server, caller, slept = serve(fault, Reply())

    refused(lambda: caller.request(method, "/projects", {"name": "Once"}))

    assert (slept, len(server.asked)) == ([], 1)


def test_a_post_that_was_put_off_is_made_again(serve: Serve) -> None:
    server, caller, slept = serve(Reply(503, headers={"Retry-After": "2"}), Reply(201, "made"))

    assert caller.post("/projects", {"name": "Late"}) == "made"
    assert slept == [2]
    assert [asked.body for asked in server.asked] == [{"name": "Late"}] * 2


def test_a_post_that_never_left_is_made_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    slept: list[float] = []
    with Client(f"http://127.0.0.1:{port}", sleep=slept.append) as caller:
        ex = refused(lambda: caller.post("/projects", {"name": "Lost"}))

    assert (ex.status, ex.code, slept) == (0, "UNREACHABLE", [1, 2, 4])
    assert "refused" in ex.message and ex.request_id


def test_a_deletion_whose_answer_got_lost_is_one(serve: Serve) -> None:
    _, caller, slept = serve(Reply(cut=True), Reply(404))

    caller.delete("/projects/1")

    assert slept == [1]
    assert refused(lambda: caller.delete("/projects/1")).status == 404


@pytest.mark.parametrize("status", [400, 403, 404, 409, 422, 429])
def test_a_refusal_is_not_repeated(serve: Serve, status: int) -> None:
    server, caller, slept = serve(Reply(status, headers={"Retry-After": "9"}))

    ex = refused(lambda: caller.get("/services"))

    assert (ex.status, ex.retry_after_s, slept, len(server.asked)) == (status, 9, [], 1)


@pytest.mark.parametrize(
    "raw", [b"<h1>It works!", b'{"data":', b"[]", b"\xff", b"[" * 100_000, b'"text"']
)
def test_an_answer_that_is_not_the_apis_is_an_error(serve: Serve, raw: bytes) -> None:
    server, caller, _ = serve(Reply(200, raw=raw))

    assert refused(lambda: caller.get("/services")).code == "UNUSABLE_ANSWER"
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "raw", [b"<h1>Bad Gateway", b"", b"{}", b'{"error": 1}', b'{"error": {"details": ["no"]}}']
)
def test_an_error_of_what_stands_in_between_has_its_status(serve: Serve, raw: bytes) -> None:
    _, caller, _ = serve(Reply(502, raw=raw))

    ex = refused(lambda: caller.post("/services"))

    assert (ex.code, ex.message, ex.details) == ("HTTP_502", "Bad Gateway", {})


def test_a_redirect_is_not_followed(serve: Serve) -> None:
    other, _, _ = serve()
    server, caller, _ = serve(Reply(302, headers={"Location": other.url}), token="secret")

    assert refused(lambda: caller.get("/services")).status == 302
    assert (len(server.asked), other.asked) == (1, [])


def test_an_answer_without_end_is_given_up() -> None:
    with http_target() as server, Client(server.url) as caller:
        caller._root = server.url  # Its routes are not below /api/v1.
        ex = refused(lambda: caller.get("/big", mb=1024, length=0))

    assert (ex.status, ex.code) == (200, "UNUSABLE_ANSWER")
    assert server.bytes_sent < 2 * client.LARGEST


def test_an_answer_that_drips_is_given_up_in_time() -> None:
    with http_target() as server, Client(server.url, timeout=0.3, retries=0) as caller:
        caller._root = server.url
        started_at = time.monotonic()
        ex = refused(lambda: caller.get("/drip", part="body"))

    assert (ex.code, ex.message) == ("UNREACHABLE", "No answer: not whole after 0.3 s")
    assert time.monotonic() - started_at < 2


def test_a_certificate_that_nobody_knows_is_not_tried_again() -> None:
    slept: list[float] = []
    _, context = authority()
    with target(context) as port:
        url = f"https://localhost:{port}"
        with Client(url, sleep=slept.append) as caller:
            ex = refused(lambda: caller.get("/health"))

    assert (ex.code, slept) == ("UNTRUSTED", [])
    assert "certificate" in ex.message


def test_a_session_may_bring_its_own_authority(tmp_path: Path) -> None:
    ca, context = authority()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    session = requests.Session()
    session.verify = str(tmp_path / "ca.pem")
    with target(context) as port, Client(f"https://localhost:{port}", session=session) as caller:
        assert refused(lambda: caller.get("/health")).message == "The answer is no JSON object"


def test_the_environment_is_not_heeded(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login mallory password secret")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    server, caller, _ = serve(token="mine")

    assert caller.get("/services") == "ok"
    assert server.tokens() == ["Bearer mine"]


def test_a_prober_sends_x_auth_and_no_bearer(serve: Serve) -> None:
    server, caller, _ = serve(prober_token="0" * 32)

    caller.post("/prober/heartbeat", {})

    assert server.asked[0].headers["x-auth"] == "0" * 32
    assert server.tokens() == [None]


def test_connections_are_kept(serve: Serve) -> None:
    server, caller, _ = serve(Reply(204), Reply(404), Reply())

    caller.delete("/projects/1")
    refused(lambda: caller.get("/projects/1"))
    caller.get("/projects")

    assert server.connections == 1


@pytest.mark.parametrize(
    "url", ["uptime.example", "ftp://uptime.example", "https://", "https://a:b@c", "https://a/?b"]
)
def test_an_address_that_cannot_be_used_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="base_url"):
        Client(url)


@pytest.mark.parametrize(
    "credentials",
    [
        {"email": "a@example.com"},
        {"password": "secret"},
        {"email": "a@example.com", "password": "secret", "token": "b"},
        {"refresh": "a", "prober_token": "b"},
        {"token": "a", "prober_token": "b"},
    ],
)
def test_credentials_of_two_kinds_are_refused(credentials: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="give email and password, or"):
        Client("https://uptime.example", **credentials)  # type: ignore[arg-type]


# --- signing in, by script ---------------------------------------------------------------------

USER = {"email": EMAIL, "password": PASSWORD}


def renewed(number: int, life_s: int = 900) -> Reply:
    """Tokens that were refreshed this many times."""
    tokens = {"access": f"access {number}", "refresh": f"refresh {number}", "expires_in": life_s}
    return Reply(data=tokens)


def test_it_signs_in_when_first_needed_and_once(serve: Serve) -> None:
    server, caller, _ = serve(**USER)
    assert server.asked == []

    caller.get("/services")
    caller.get("/services")

    assert server.paths() == ["/auth/login", "/services", "/services"]
    assert server.asked[0].body == USER
    assert server.tokens() == ["Bearer first"] * 2


def test_an_expired_token_is_renewed_and_the_call_made_again(serve: Serve) -> None:
    server, caller, _ = serve(Reply(401), Reply(201, "made"), refresh="seed")
    server.sign_ins = [renewed(1), renewed(2)]

    assert caller.post("/projects", {"name": "Web"}) == "made"
    assert server.paths() == ["/auth/refresh", "/projects", "/auth/refresh", "/projects"]
    assert [asked.body for asked in server.asked[::2]] == [
        {"refresh": "seed"},
        {"refresh": "refresh 1"},
    ]
    assert server.tokens() == ["Bearer access 1", "Bearer access 2"]
    assert caller.refresh_token == "refresh 2"


def test_a_token_is_renewed_once_a_call(serve: Serve) -> None:
    server, caller, _ = serve(Reply(401), **USER)
    server.sign_ins = [renewed(1), renewed(2)]

    assert refused(lambda: caller.get("/services")).code == "UNAUTHORIZED"
    assert server.paths() == ["/auth/login", "/services", "/auth/refresh", "/services"]


def test_a_token_is_renewed_before_it_ends(serve: Serve) -> None:
    server, caller, _ = serve(**USER)
    server.sign_ins = [renewed(1, life_s=0), renewed(2, life_s=61), renewed(3)]

    for _ in range(3):
        caller.get("/services")

    assert server.tokens() == ["Bearer access 1", "Bearer access 2", "Bearer access 2"]


def test_a_refresh_is_asked_for_again_as_long_as_it_takes(serve: Serve) -> None:
    server, caller, slept = serve(refresh="seed")
    server.sign_ins = [Reply(cut=True), Reply(500), renewed(1)]

    assert caller.get("/services") == "ok"
    assert slept == [1, 2]


def test_without_a_password_an_ended_session_is_the_end(serve: Serve) -> None:
    server, caller, _ = serve(refresh="seed")
    server.sign_ins = [Reply(401)]

    assert refused(lambda: caller.get("/services")).status == 401
    assert server.paths() == ["/auth/refresh"]


@pytest.mark.parametrize("data", ["ok", None, {"access": "a"}, {**TOKENS, "expires_in": None}])
def test_an_answer_without_tokens_is_an_error(serve: Serve, data: Any) -> None:
    server, caller, _ = serve(**USER)
    server.sign_ins = [Reply(data=data)]

    assert refused(lambda: caller.get("/services")).code == "UNUSABLE_ANSWER"


def test_threads_share_one_sign_in_and_one_renewal(serve: Serve) -> None:
    server, caller, _ = serve(**USER)
    server.expects = "Bearer access 2"
    server.sign_ins = [renewed(1), renewed(2)]
    together = threading.Barrier(8)

    def call() -> None:
        together.wait()
        answers.append(caller.get("/services"))

    answers: list[str] = []
    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == ["ok"] * 8
    assert server.paths().count("/auth/login") == 1
    assert server.paths().count("/auth/refresh") == 1
