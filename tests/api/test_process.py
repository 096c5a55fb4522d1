"""The program as a process: how it starts, stops, crashes, and refuses to start."""

import os
import random
import re
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.process import (
    ROOT,
    SOURCE,
    START_LINE,
    Client,
    Program,
    authority,
    running,
    started,
    target,
    wait_until,
)
from tests.targets.http import http_target
from uptimehunt.engine.prober import GAP_S

TERM, INT = signal.SIGTERM, signal.SIGINT


def refused(data_dir: Path, *options: str, **how: Any) -> tuple[int, str]:
    """Exit code and the one sentence of a program that does not start."""
    with started(data_dir, *options, **how) as program:
        code = program.wait()
        said = program.said()
    assert re.fullmatch(r"uptimehunt: [^\n]+\n", said), said
    return code, said


def integrity(data_dir: Path, copies: Path) -> str:
    """What SQLite says of a copy of the database, write-ahead log included."""
    shutil.rmtree(copies, ignore_errors=True)
    copies.mkdir()
    for file in data_dir.glob("uptimehunt.db*"):
        shutil.copy(file, copies)
    with closing(sqlite3.connect(copies / "uptimehunt.db")) as copy:
        return str(copy.execute("PRAGMA integrity_check").fetchone()[0])


# --- stop and restart --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "signals",
    [[TERM], [INT], [TERM, TERM], [INT, TERM]],
    ids=lambda signals: "+".join(number.name for number in signals),
)
def test_a_signal_stops_it_in_order(tmp_path: Path, signals: list[signal.Signals]) -> None:
    data_dir = tmp_path / "data"
    with running(data_dir) as program:
        Client(program.url).register()

        for number in signals:
            program.send(number)

        assert program.wait() == 0, program.said()
        assert "Traceback" not in program.said()
    assert not (data_dir / "uptimehunt.db-wal").exists()


def test_a_check_that_hangs_does_not_hold_up_the_stop(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        running(tmp_path / "data") as program,
    ):
        client = Client(program.url).register()
        client.add_service("Hangs", f"http://127.0.0.1:{silent.getsockname()[1]}/")
        silent.settimeout(20)
        connection, _ = silent.accept()

        program.stop()

        connection.close()


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with target() as port, running(data_dir) as program:
        client = Client(program.url).register()
        project = client.post("/projects", {"name": "Shop"})
        service = client.add_service("Front", f"http://127.0.0.1:{port}/", project_id=project["id"])
        path = f"/services/{service['id']}"
        wait_until(lambda: client.get(path)["status"] == "operational")
        checked_at = client.get(path)["last_check_at"]
        program.stop()

        with running(data_dir) as again:
            # The token was signed before the restart, and is still good.
            client = Client(again.url, client.token)
            assert client.get(f"/projects/{project['id']}")["name"] == "Shop"
            assert client.get(path)["status"] == "operational"
            wait_until(lambda: client.get(path)["last_check_at"] > checked_at, 15)
            again.stop()


# --- crashes -----------------------------------------------------------------------------------


class Writer(threading.Thread):
    """Makes a service and changes it again and again, until the program is gone."""

    def __init__(self, client: Client, url: str) -> None:
        super().__init__(daemon=True)
        self._client = client
        self._url = url
        self.acknowledged: dict[int, int] = {}
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            while True:
                service = self._client.add_service("Writer's", self._url, description="0")["id"]
                self.acknowledged[service] = 0
                for number in range(1, 4):
                    change = {"description": str(number)}
                    self._client.call("PATCH", f"/services/{service}", change)
                    self.acknowledged[service] = number
        except requests.RequestException:
            pass
        except BaseException as ex:
            self.failure = ex


def test_killed_in_the_middle_of_writes_it_loses_nothing_acknowledged(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    dice = random.Random(1)
    acknowledged: dict[int, int] = {}
    token = None
    with target() as port:
        for _ in range(10):
            with running(data_dir) as program:
                client = Client(program.url, token)
                token = client.token or client.register().token
                assert_kept(client, acknowledged)
                writers = [
                    Writer(Client(program.url, token), f"http://127.0.0.1:{port}/")
                    for _ in range(8)
                ]
                for writer in writers:
                    writer.start()
                enough = dice.randint(10, 60)
                wait_until(lambda: sum(len(w.acknowledged) for w in writers) >= enough, 20)  # noqa: B023

                program.kill()

                for writer in writers:
                    writer.join()
                    assert writer.failure is None, writer.failure
                    acknowledged |= writer.acknowledged
            assert integrity(data_dir, tmp_path / "copy") == "ok"
        with running(data_dir) as program:
            assert_kept(Client(program.url, token), acknowledged)
            program.stop()
    assert integrity(data_dir, tmp_path / "copy") == "ok"


def assert_kept(client: Client, acknowledged: dict[int, int]) -> None:
    kept = client.services() if acknowledged else {}
    assert acknowledged.keys() <= kept.keys()
    for service, number in acknowledged.items():
        # A change may have been made whose answer never came.
        assert int(kept[service]["description"]) in {number, number + 1}


def test_what_was_down_before_a_crash_is_down_after_it(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with running(data_dir) as program:
        client = Client(program.url).register()
        service = client.add_service("Dead", f"http://127.0.0.1:{port}/", retries=0)
        path = f"/services/{service['id']}/status"
        wait_until(lambda: client.get(path)["status"] == "down", 15)
        incident = client.get(path)["incident"]
        program.kill()

    with running(data_dir) as program:
        status = Client(program.url, client.token).get(path)
        program.stop()

    assert status["status"] == "down"
    assert status["incident"]["id"] == incident["id"]


# --- sleep and clock steps ----------------------------------------------------------------------


def events(program: Program, name: str) -> int:
    return len(re.findall(rf" {re.escape(name)} ", program.said()))


def test_a_sleep_is_no_downtime(tmp_path: Path) -> None:
    with http_target() as server, running(tmp_path / "data") as program:
        client = Client(program.url).register()
        # Each is in flight for a fifth of the time, and its timeout passes during the sleep.
        config = {"url": f"{server.url}/slow?s=1", "timeout": 2}
        ids = [
            client.add_service(f"Slow {number}", server.url, retries=0, config=config)["id"]
            for number in range(10)
        ]
        wait_until(
            lambda: all(one["status"] == "operational" for one in client.services().values())
        )
        before = server.count("/slow")
        wait_until(lambda: server.count("/slow") > before + 3)

        program.send(signal.SIGSTOP)
        stopped_at = time.monotonic()
        wait_until(lambda: time.monotonic() - stopped_at > GAP_S + 1.5)
        program.send(signal.SIGCONT)

        before = server.count("/slow")
        wait_until(lambda: server.count("/slow") >= before + len(ids), 20)
        assert {one["status"] for one in client.services().values()} == {"operational"}
        assert events(program, "prober.slept") == 1
        assert events(program, "service.down") == 0
        assert all(client.get(f"/services/{one}/errors") == [] for one in ids)
        program.stop()


SHIFTED = """
import pathlib, runpy, sys, time
real, shift = time.time_ns, pathlib.Path(sys.argv.pop(1))
time.time_ns = lambda: real() + int(shift.read_text())
runpy.run_module("uptimehunt", run_name="__main__", alter_sys=True)
"""
"""Runs the program on a clock of its own, which a file sets to the nanosecond."""


def test_a_clock_that_is_set_is_no_downtime_and_stops_no_check(tmp_path: Path) -> None:
    shift = tmp_path / "shift"
    shift.write_text("0")
    command = (sys.executable, "-c", SHIFTED, str(shift))
    with http_target() as server, running(tmp_path / "data", command=command) as program:
        client = Client(program.url).register()
        for number in range(10):
            client.add_service(f"Front {number}", f"{server.url}/echo", retries=0)
        wait_until(lambda: {o["status"] for o in client.services().values()} == {"operational"})

        for steps, hours in enumerate((1, 24 * 3652, 0), 1):
            before = server.count("/echo")
            set_to = shift.with_suffix(".new")
            set_to.write_text(str(hours * 3600 * 10**9))
            set_to.replace(shift)
            wait_until(lambda: events(program, "clock.stepped") == steps)  # noqa: B023
            wait_until(lambda: server.count("/echo") >= before + 10)  # noqa: B023
            client.login()
            assert {o["status"] for o in client.services().values()} == {"operational"}

        assert events(program, "service.down") == 0
        assert events(program, "clock.stepped") == 3
        program.stop()


# --- one data folder, one program ---------------------------------------------------------------


def test_a_second_program_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with running(data_dir) as first:
        client = Client(first.url).register()

        code, said = refused(data_dir)

        assert code == 1
        assert f"pid {first.pid}" in said
        assert client.get("/auth/me")["email"]
        first.stop()


def test_a_killed_program_leaves_no_lock(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with running(data_dir) as first:
        first.kill()

    with running(data_dir) as second:
        second.stop()


def test_nobody_else_may_read_the_data_folder(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"

    def modes() -> dict[str, int]:
        return {
            str(path.relative_to(tmp_path)): stat.S_IMODE(path.stat().st_mode)
            for path in [data_dir, *data_dir.rglob("*")]
        }

    def expected() -> dict[str, int]:
        return {name: 0o700 if (tmp_path / name).is_dir() else 0o600 for name in modes()}

    with running(data_dir) as program:
        Client(program.url).register()
        assert {"data/uptimehunt.db", "data/secret.key", "data/lock"} <= modes().keys()
        assert modes() == expected()
        program.stop()
    assert modes() == expected()


# --- refusals ----------------------------------------------------------------------------------


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])

        code, said = refused(tmp_path / "data", "--port", port)

    assert code == 1
    assert port in said


def test_an_address_that_is_not_this_machines_is_named(tmp_path: Path) -> None:
    code, said = refused(tmp_path / "data", "--host", "192.0.2.1")

    assert code == 1
    assert "192.0.2.1" in said


def without_override(data_dir: Path) -> tuple[int, str]:
    """Start it so that file modes bind it, which they do not for root."""
    drop = "--bounding-set=-dac_override,-dac_read_search"
    return refused(data_dir, command=SOURCE if os.geteuid() else ("setpriv", drop, *SOURCE))


def test_a_data_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with running(data_dir) as program:
        program.stop()
    for file in data_dir.iterdir():
        file.chmod(0o500 if file.is_dir() else 0o400)
    data_dir.chmod(0o500)
    read_only = subprocess.run(
        ["mount", "--bind", "-o", "ro", data_dir, data_dir], capture_output=True
    )
    if read_only.returncode != 0:
        pytest.skip("only the superuser can make a folder read-only for its owner")
    try:
        code, said = refused(data_dir)
    finally:
        subprocess.run(["umount", data_dir], check=True)

    assert code == 1
    assert str(data_dir) in said


def test_a_data_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)

    code, said = without_override(tmp_path / "data")

    tmp_path.chmod(0o700)
    assert code == 1
    assert str(tmp_path / "data") in said


@pytest.mark.parametrize("inside", ["", "deeper"])
def test_a_file_as_data_folder_is_named_and_left_alone(tmp_path: Path, inside: str) -> None:
    file = tmp_path / "data"
    file.write_text("mine")

    code, said = refused(file / inside)

    assert code == 1
    assert str(file) in said
    assert file.read_text() == "mine"


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir(mode=0o755)
    (data_dir / "photo.jpg").write_bytes(b"mine")

    code, said = refused(data_dir)

    assert code == 1
    assert str(data_dir) in said
    assert [path.name for path in data_dir.iterdir()] == ["photo.jpg"]
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o755


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    file = data_dir / "uptimehunt.db"
    with closing(sqlite3.connect(file)) as other:
        other.execute("CREATE TABLE note (text)")
        other.commit()
    before = file.read_bytes()

    code, said = refused(data_dir)

    assert code == 1
    assert "another program" in said
    assert file.read_bytes() == before
    assert [path.name for path in data_dir.iterdir()] == ["uptimehunt.db"]


def _lose(file: Path) -> None:
    file.unlink()


def _empty(file: Path) -> None:
    file.write_bytes(b"")


def _garbage(file: Path) -> None:
    file.write_bytes(random.Random(1).randbytes(file.stat().st_size))


def _truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _header(file: Path) -> None:
    file.write_bytes(b"\0" * 100 + file.read_bytes()[100:])


def _middle(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[4096:12288] = b"\xff" * 8192
    file.write_bytes(content)


def _other(file: Path) -> None:
    """A sound database of UptimeHunt, but of another folder: nobody here could sign in."""
    other = file.parent.parent / "other"
    with running(other) as program:
        program.stop()
    shutil.copy(other / file.name, file)


@pytest.mark.parametrize("damage", [_lose, _empty, _garbage, _truncate, _header, _middle, _other])
def test_a_database_that_is_not_whole_is_never_replaced_by_a_new_one(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    data_dir = tmp_path / "data"
    with running(data_dir) as program:
        Client(program.url).register()
        program.stop()
    file = data_dir / "uptimehunt.db"
    damage(file)
    before = file.read_bytes() if file.exists() else None

    code, said = refused(data_dir)

    assert code == 1
    assert str(file) in said
    assert (file.read_bytes() if file.exists() else None) == before


def test_a_database_of_a_newer_program_is_left_as_it_is(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with running(data_dir) as program:
        program.stop()
    file = data_dir / "uptimehunt.db"
    with closing(sqlite3.connect(file)) as newer:
        newer.execute("PRAGMA user_version = 999")
    before = file.read_bytes()

    code, said = refused(data_dir)

    assert code == 1
    assert "newer" in said
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--port", "eighty"], "--port"),
        (["--port", "65536"], "--port"),
        (["--port"], "--port"),
        (["--prot", "8080"], "--prot"),
        (["--registration", "maybe"], "--registration"),
        (["--log-level", ""], "--log-level"),
        (["surplus"], "surplus"),
    ],
)
def test_a_bad_option_ends_at_once(tmp_path: Path, options: list[str], word: str) -> None:
    code, said = refused(tmp_path / "data", *options)

    assert code == 2
    assert word in said
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("environ", "word"),
    [
        ({"UPTIMEHUNT_REGISTRATION": "maybe"}, "UPTIMEHUNT_REGISTRATION"),
        ({"UPTIMEHUNT_LOGLEVEL": "info"}, "UPTIMEHUNT_LOG_LEVEL"),
        ({"UPTIMEHUNT_SECRET_KEY": "hunter2"}, "UPTIMEHUNT_SECRET_KEY"),
    ],
)
def test_a_bad_variable_ends_at_once(tmp_path: Path, environ: dict[str, str], word: str) -> None:
    code, said = refused(tmp_path / "data", environ=environ)

    assert code == 2
    assert word in said
    assert "hunter2" not in said
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("arguments", [["fly"], ["--fly"], ["serve", "check", "user"]])
def test_an_unknown_command_ends_at_once(arguments: list[str]) -> None:
    ended = subprocess.run(
        [*SOURCE, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=10
    )

    assert ended.returncode == 2
    assert re.fullmatch(r"uptimehunt: [^\n]+\n", ended.stderr), ended.stderr


# --- while it runs -----------------------------------------------------------------------------


def test_nothing_is_imported_after_the_start(tmp_path: Path) -> None:
    """In the executable a later import reads files that a sweeper may have removed."""
    command = (sys.executable, "-X", "importtime", "-m", "uptimehunt")
    _, tls = authority()
    with (
        target() as plain,
        target(tls) as sealed,
        running(tmp_path / "data", command=command) as program,
    ):
        client = Client(program.url).register()
        use_everything(client, plain, sealed)
        program.stop()
        before, after = START_LINE.split(program.said(), maxsplit=1)

    imported = re.compile(r"^import time:.*\| +(.*)$", re.MULTILINE)
    assert "uptimehunt.server" in imported.findall(before)
    assert imported.findall(after) == []


def use_everything(client: Client, plain: int, sealed: int) -> None:
    """Call what a person calls in the first minutes, and one thing that is not there."""
    client.login()
    client.post("/projects", {"name": "Shop"})
    client.add_service("Far", "https://b\u00fccher.invalid/")
    untrusted = client.add_service("Sealed", f"https://localhost:{sealed}/", retries=0)
    assert client.first_verdict(untrusted["id"]) == ("down", "certificate_invalid")
    service = client.add_service("Front", f"http://localhost:{plain}/")
    assert client.first_verdict(service["id"]) == ("operational", None)
    path = f"/services/{service['id']}"
    for part in ("", "/status", "/metrics/uptime", "/metrics/response-times", "/errors"):
        client.get(path + part)
    client.get("/service-types/http/schema")
    client.call("POST", "/services", {"name": "", "type": "http", "config": {}}, 422)
    client.call("GET", "/nothing", status=404)
    client.asset("app.js")
    client.http.get(client.url + "/nothing", timeout=10)


def test_the_quick_start_of_the_readme_works(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = re.search(r"### With curl\n.*?```sh\n(.*?)```", readme, re.DOTALL)
    assert commands
    with target() as port, running(tmp_path / "data") as program:
        script = commands[1].replace("http://127.0.0.1:8080", program.url)
        script = script.replace("https://example.com", f"http://127.0.0.1:{port}")

        ended = subprocess.run(["sh", "-euc", script], capture_output=True, text=True, timeout=30)

        program.stop()
    assert ended.returncode == 0, ended.stderr
    assert '"uptime_percentage"' in ended.stdout, ended.stdout
    assert '"error"' not in ended.stdout, ended.stdout


def test_health_says_from_the_shell_whether_all_is_well(tmp_path: Path) -> None:
    def asked(url: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "uptimehunt", "health", url],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    with running(tmp_path / "data") as program:
        well = asked(program.url)
        program.stop()
    gone = asked(program.url)

    assert well[0] == 0
    assert well[1].startswith("ok, version ")
    assert gone[0] == 1
    assert gone[1].startswith("uptimehunt: no answer from http://127.0.0.1:")
    assert len(gone[1].splitlines()) == 1


def test_an_account_is_kept_from_the_shell_while_the_server_is_stopped(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"

    def user(*words: str, password: str = "") -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "uptimehunt", "user", *words, "--data-dir", str(data_dir)],
            cwd=ROOT,
            input=password,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    assert user("list")[0] == 1  # There is no database yet.
    with running(data_dir) as program:
        token = Client(program.url).register().token
        while_running = user("list")
        program.stop()
    email = user("list")[1].split()[-1]

    changed = user("reset-password", email, password="quite another phrase\n")
    common = user("create", "ann@example.com", password="password1\n")
    made = user("create", "ann@example.com", "--role", "viewer", password="a long pass phrase\n")

    assert while_running[0] == 1
    assert f"pid {program.pid}" in while_running[1]
    assert changed[0] == 0
    assert common == (1, "uptimehunt: Password is too common\n")
    assert made == (0, "created ann@example.com\n")
    with running(data_dir) as program:
        auth, login = {"Authorization": f"Bearer {token}"}, f"{program.url}/api/v1/auth/login"
        assert (
            requests.get(f"{program.url}/api/v1/auth/me", headers=auth, timeout=10).status_code
            == 401
        )
        body = {"email": email, "password": "quite another phrase"}
        assert requests.post(login, json=body, timeout=10).status_code == 200
        program.stop()
