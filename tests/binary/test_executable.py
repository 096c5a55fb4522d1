"""The built executable does what the source does, on a machine that has only itself."""

import contextlib
import hashlib
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from tests.process import ROOT, Client, Program, authority, running, started, target, wait_until
from tests.targets import tcp as tcp_targets
from tests.targets.dns import dns_target
from uptimehunt import __version__, checks

Run = Callable[..., AbstractContextManager[Program]]


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    """The temporary folder into which the executable unpacks itself."""
    folder = tmp_path / "unpacked"
    folder.mkdir()
    return folder


@pytest.fixture
def run(executable: Path, unpacked: Path) -> Run:
    """Runs the executable in an environment that has nothing else: no Python, no paths."""

    @contextlib.contextmanager
    def run(data_dir: Path, *options: str) -> Iterator[Program]:
        with running(
            data_dir, *options, command=(str(executable),), environ={"TMPDIR": str(unpacked)}
        ) as program:
            yield program

    return run


def smoke(client: Client, url: str) -> None:
    """What a person does in the first minutes: pages, a project, a service, its figures."""
    assert client.http.get(client.url, timeout=10).headers["Content-Type"].startswith("text/html")
    assert client.asset("app.js").headers["Content-Type"].startswith("text/javascript")
    assert client.http.get(client.url + "/api/v1/nothing", timeout=10).status_code == 404
    project = client.post("/projects", {"name": f"Shop {url}"})
    service = client.add_service("Front", url, project_id=project["id"])
    assert service["status"] == "pending"
    assert client.first_verdict(service["id"]) == ("operational", None)
    assert client.get(f"/services/{service['id']}/metrics/uptime")["uptime_percentage"] == 100
    client.get(f"/services/{service['id']}/metrics/response-times")
    client.get("/service-types/http/schema")


def gone(process: psutil.Process) -> bool:
    """Whether it has ended, even if nobody has taken note of it yet."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.status() == psutil.STATUS_ZOMBIE
    return True


def test_it_is_small_and_its_checksum_is_right(executable: Path) -> None:
    content = executable.read_bytes()

    assert len(content) < 40 * 2**20
    checksum = executable.with_name("uptimehunt.sha256").read_text()
    assert checksum == f"{hashlib.sha256(content).hexdigest()}  uptimehunt\n"


def test_it_says_its_version(executable: Path, unpacked: Path) -> None:
    said = subprocess.run(
        [executable, "version"], env={"TMPDIR": str(unpacked)}, capture_output=True, text=True
    )

    assert said.returncode == 0, said.stderr
    assert __version__ in said.stdout


def test_the_first_minutes_work_on_a_bare_machine(run: Run, tmp_path: Path, unpacked: Path) -> None:
    data_dir = tmp_path / "data"
    with target() as port, run(data_dir) as program:
        smoke(Client(program.url).register(), f"http://localhost:{port}/")
        program.stop()
        assert "Traceback" not in program.said()
    assert not (data_dir / "uptimehunt.db-wal").exists()
    assert list(unpacked.iterdir()) == []


def test_it_has_every_service_type_and_describes_itself_as_the_source_does(
    run: Run, tmp_path: Path
) -> None:
    answers: list[Any] = []
    for start in (run, running):
        with start(tmp_path / f"data-{len(answers)}") as program:
            client = Client(program.url)
            kinds = {kind["type"]: kind for kind in client.get("/service-types")}
            schemas = {kind: client.get(f"/service-types/{kind}/schema") for kind in kinds}
            document = client.http.get(f"{client.url}/api/v1/openapi.json", timeout=10).json()
            answers.append((kinds, schemas, document))
            program.stop()

    assert list(answers[0][0]) == list(checks.REGISTRY)
    assert answers[0] == answers[1]


def test_it_serves_every_static_file(run: Run, tmp_path: Path) -> None:
    static = ROOT / "static"
    with run(tmp_path / "data") as program:
        client = Client(program.url)
        for path in static.rglob("*"):
            if path.is_file() and path.suffix != ".html":
                asset = client.asset(path.relative_to(static).as_posix())
                assert asset.content == path.read_bytes(), path
        for page, title in (("/", "UptimeHunt"), ("/docs", "API")):
            assert f"<title>{title}" in requests.get(program.url + page, timeout=10).text
        program.stop()


def test_source_and_executable_work_on_the_same_data_folder(run: Run, tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    token = None
    for number, start in enumerate((run, running, run)):
        with start(data_dir) as program:
            client = Client(program.url, token)
            token = client.token or client.register().token
            assert len(client.get("/projects")) == number
            client.post("/projects", {"name": f"Project {number}"})
            program.stop()


def test_a_certificate_is_judged_by_the_authorities_of_this_machine(
    run: Run, tmp_path: Path
) -> None:
    issuer, tls = authority()
    own = tmp_path / "authority.pem"
    issuer.cert_pem.write_to_path(str(own))

    verdicts = []
    with target(tls) as port:
        for options in ([], ["--ca-file", str(own)]):
            with run(tmp_path / f"data-{len(options)}", *options) as program:
                client = Client(program.url).register()
                service = client.add_service("Front", f"https://localhost:{port}/", retries=0)
                verdicts.append(client.first_verdict(service["id"]))
                program.stop()

    # Judged and found wanting, not unable to judge: authorities were found at run time.
    assert verdicts == [("down", "certificate_invalid"), ("operational", None)]


def test_it_goes_on_when_its_files_are_swept_and_replaced(
    executable: Path, unpacked: Path, tmp_path: Path
) -> None:
    """Sweepers of temporary folders remove what runs for weeks; an upgrade replaces the file."""
    copy = tmp_path / "uptimehunt"
    shutil.copy(executable, copy)
    _, tls = authority()
    with (
        target() as port,
        target(tls) as sealed,
        running(
            tmp_path / "data", command=(str(copy),), environ={"TMPDIR": str(unpacked)}
        ) as program,
    ):
        copy.unlink()
        copy.write_bytes(b"something else")
        for folder in unpacked.iterdir():
            shutil.rmtree(folder)

        smoke(Client(program.url).register(), f"http://localhost:{port}/")
        client = Client(program.url).login()
        untrusted = client.add_service("Sealed", f"https://localhost:{sealed}/", retries=0)
        assert client.first_verdict(untrusted["id"]) == ("down", "certificate_invalid")
        client.add_service("Far", "https://b\u00fccher.invalid/")
        client.call("POST", "/services", {"type": "http"}, 422)
        program.stop()

        assert "Traceback" not in program.said()


def one_of_each(host: str, port: int, name_server: int) -> dict[str, dict[str, Any]]:
    """A config for every type that checks, for a server at this port that says nothing useful."""
    peer = {"host": host, "port": port, "timeout": 2}
    login = {"username": "bob", "password": "x"}
    step = {"name": "One", "url": f"http://{host}:{port}/"}
    assertion = {"source": "json", "property": "$.a[?@.b > 1]", "operator": "exists"}
    return {
        **dict.fromkeys(("ftp", "imap", "pop3", "smtp", "ssh", "tls", "mqtt", "redis"), peer),
        **dict.fromkeys(("ntp", "udp", "grpc"), peer),
        "tcp": peer | {"expect": "^never$"},
        "dns": {
            "host": "_dns.example.test",
            "record_type": "SVCB",
            "server": host,
            "port": name_server,
        },
        "docker": {"container": "shop"},
        "domain": {"domain": "example.test", "rdap_url": f"http://{host}:{port}/"},
        "http": {"url": f"http://{host}:{port}/", "assertions": [assertion]},
        "mysql": peer | login,
        "ping": {"ip": host, "packets": 1},
        "postgres": peer | login,
        "steps": {"steps": [step]},
        "websocket": {"url": f"ws://{host}:{port}/"},
    }


def test_every_kind_of_check_works_after_its_files_were_swept(
    executable: Path, unpacked: Path, tmp_path: Path
) -> None:
    """What a check imports late must have been loaded at the start."""
    copy = tmp_path / "uptimehunt"
    shutil.copy(executable, copy)
    command = (str(copy),)
    with (
        tcp_targets.speaking(lambda sock, _server: sock.sendall(b"R\0\0\0\x08\0\0\0\0")) as port,
        dns_target() as name_server,
        running(tmp_path / "data", command=command, environ={"TMPDIR": str(unpacked)}) as program,
    ):
        copy.unlink()
        for folder in unpacked.iterdir():
            shutil.rmtree(folder)
        client = Client(program.url).register()
        configs = one_of_each("127.0.0.1", port, name_server.port)
        outcomes = {
            kind: client.post("/services/test", {"type": kind, "config": config}, 200)
            for kind, config in configs.items()
        }
        cron = {"schedule": "cron", "cron": "0 3 * * *", "timezone": "Europe/Berlin"}
        client.post("/services", {"name": "Job", "type": "heartbeat", "config": cron})
        program.stop()

        assert "Traceback" not in program.said()
    passive = {kind.type for kind in checks.REGISTRY.values() if kind.judge is not None}
    assert outcomes.keys() | passive == checks.REGISTRY.keys()
    assert outcomes["ping"]["status"] == outcomes["dns"]["status"] == "success"
    kinds = {outcome["error"]["code"] for outcome in outcomes.values() if outcome["error"]}
    assert "internal_error" not in kinds


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
def test_a_signal_to_the_bootloader_stops_it_in_order(
    run: Run, tmp_path: Path, unpacked: Path, number: signal.Signals
) -> None:
    with run(tmp_path / "data") as program:
        program.send(number)

        assert program.wait() == 0, program.said()
    assert list(unpacked.iterdir()) == []


def test_when_the_bootloader_is_killed_the_program_stops_too(run: Run, tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with run(data_dir) as program:
        client = Client(program.url).register()
        [inner] = psutil.Process(program.pid).children()

        program.process.kill()

        wait_until(lambda: gone(inner))
        with pytest.raises(requests.ConnectionError):
            client.get("/auth/me")
    assert not (data_dir / "uptimehunt.db-wal").exists()


def test_a_second_one_on_the_same_folder_is_refused(
    run: Run, executable: Path, unpacked: Path, tmp_path: Path
) -> None:
    data_dir = tmp_path / "data"
    with run(data_dir) as first:
        [inner] = psutil.Process(first.pid).children()
        with started(
            data_dir, command=(str(executable),), environ={"TMPDIR": str(unpacked)}
        ) as second:
            assert second.wait() == 1
            assert f"pid {inner.pid}" in second.said()
        first.stop()
