"""The program on disks that fill up, fail, or were tampered with."""

import contextlib
import os
import sys
import time
from pathlib import Path

import pytest
import requests

from tests.api.test_process import events, integrity, refused
from tests.process import PASSWORD, Client, Program, running, target, wait_until
from tests.targets.http import http_target
from tests.unit.store.test_database import held_by_another_process
from tests.unit.store.test_reserve import MIB, fill, volume

REFUSED = (503, "SERVICE_UNAVAILABLE", True)


def attempt(client: Client, name: str) -> tuple[int, str | None, bool]:
    """Try to make a project: the status, the code of the error, and whether to come again."""
    answer = client.http.post(
        f"{client.url}/api/v1/projects",
        json={"name": name},
        headers={"Authorization": f"Bearer {client.token}"},
        timeout=20,
    )
    error = answer.json().get("error", {})
    return answer.status_code, error.get("code"), "Retry-After" in answer.headers


def is_well(program: Program) -> bool:
    return requests.get(f"{program.url}/api/v1/health", timeout=10).ok


def test_on_a_full_disk_checks_and_reads_go_on_and_it_recovers_by_itself(tmp_path: Path) -> None:
    with (
        volume(tmp_path / "data", 16 * MIB) as folder,
        http_target() as server,
        contextlib.ExitStack() as down,
        running(folder) as program,
    ):
        client = Client(program.url).register()
        service = client.add_service("Front", f"{server.url}/echo", retries=0)["id"]
        wait_until(lambda: client.get(f"/services/{service}")["status"] == "operational")

        port = down.enter_context(target())
        other = client.add_service("Other", f"http://127.0.0.1:{port}/", retries=0)["id"]
        wait_until(lambda: client.get(f"/services/{other}")["status"] == "operational")

        filler = fill(folder, leave=0)
        wait_until(lambda: attempt(client, f"At {time.monotonic()}")[0] != 201)
        assert attempt(client, "Late") == REFUSED
        down.close()
        before = server.count("/echo")
        wait_until(lambda: server.count("/echo") > before)
        assert client.get(f"/services/{service}")["name"] == "Front"
        wait_until(lambda: not is_well(program))

        filler.unlink()
        freed_at = time.monotonic()
        wait_until(lambda: attempt(client, "Late")[0] == 201)
        wait_until(lambda: is_well(program))
        assert time.monotonic() - freed_at < 10
        assert events(program, "storage.full") == 1
        assert events(program, "recorder.stuck") <= 1
        wait_until(lambda: client.get(f"/services/{other}")["status"] == "down")
        assert events(program, "service.down") == 1
        assert client.get(f"/services/{service}")["status"] == "operational"
        program.stop()
        assert integrity(folder, tmp_path / "copy") == "ok"


def test_the_reserve_keeps_a_full_disk_usable_even_through_a_crash(tmp_path: Path) -> None:
    with volume(tmp_path / "data", 160 * MIB) as folder:
        with running(folder) as program:
            client = Client(program.url).register()
            assert (folder / "reserve").stat().st_size == 8 * MIB
            fill(folder, leave=0)
            program.kill()
        (folder / "uptimehunt.db-shm").unlink()  # As after a power cut.

        with running(folder) as program:
            client = Client(program.url, client.token)
            assert attempt(client, "On a full disk")[0] == 201
            assert not (folder / "reserve").exists()
            assert events(program, "storage.full") == 1
            program.stop()


ON_A_CLOCK = """
import pathlib, runpy, sys, time
real, shift = time.monotonic, pathlib.Path(sys.argv.pop(1))
time.monotonic = lambda: real() + float(shift.read_text())
runpy.run_module("tests.shaky", run_name="__main__", alter_sys=True)
"""


def test_a_disk_that_fails_is_never_acknowledged_and_at_last_given_up(tmp_path: Path) -> None:
    shift, failing = tmp_path / "shift", tmp_path / "failing"
    shift.write_text("0")
    command = (sys.executable, "-c", ON_A_CLOCK, str(shift), str(failing))
    data_dir = tmp_path / "data"
    with target() as port, running(data_dir, command=command) as program:
        client = Client(program.url).register()
        client.add_service("Front", f"http://127.0.0.1:{port}/")

        failing.touch()
        for _ in range(3):
            assert attempt(client, "Lost") == REFUSED
        assert client.get("/projects") == []
        failing.unlink()
        assert attempt(client, "Kept")[0] == 201
        assert [project["name"] for project in client.get("/projects")] == ["Kept"]
        assert events(program, "storage.failing") == 1

        failing.touch()
        attempt(client, "Lost")
        later = shift.with_suffix(".new")
        later.write_text("61")
        later.replace(shift)
        with contextlib.suppress(requests.RequestException):
            attempt(client, "Lost")  # It may be gone before it answers.

        assert program.wait() == 1
        last = program.said().splitlines()[-1]
        assert last.startswith("uptimehunt: the disk has failed every change to ")
        assert "Traceback" not in program.said()
    with running(data_dir) as program:
        names = [one["name"] for one in Client(program.url, client.token).get("/projects")]
        assert names == ["Kept"]
        program.stop()


def test_a_database_that_another_program_holds_is_waited_for_and_then_refused(
    tmp_path: Path,
) -> None:
    data_dir = tmp_path / "data"
    with target() as port, running(data_dir) as program:
        client = Client(program.url).register()
        with held_by_another_process(data_dir / "uptimehunt.db"):
            started_at = time.monotonic()
            assert attempt(client, "Early") == REFUSED
            assert time.monotonic() - started_at > 4
            assert attempt(client, "Early") == REFUSED
            assert client.get("/projects") == []
            assert time.monotonic() - started_at < 10

        service = client.add_service("Front", f"http://127.0.0.1:{port}/")["id"]
        assert client.first_verdict(service) == ("operational", None)
        assert events(program, "storage.locked") == 1
        program.stop()


# --- a log that is not what it was --------------------------------------------------------------


@pytest.fixture
def crashed(tmp_path: Path) -> Path:
    """The folder of a program that was killed, with its last changes in the log alone."""
    with running(tmp_path / "data") as program:
        Client(program.url).register()
        program.kill()
    return tmp_path / "data"


def test_a_log_of_garbage_is_named_with_the_backup_to_restore(crashed: Path) -> None:
    log = crashed / "uptimehunt.db-wal"
    log.write_bytes(os.urandom(log.stat().st_size))
    (crashed / "backups").mkdir(exist_ok=True)
    (crashed / "backups" / "nightly.db").touch()

    code, said = refused(crashed)

    assert code == 1
    assert str(log) in said
    assert "nightly.db" in said


def test_without_its_log_nobody_can_become_the_first_again(crashed: Path) -> None:
    (crashed / "uptimehunt.db-wal").unlink()

    with running(crashed) as program:
        client = Client(program.url)
        body = {"email": "mallory@example.com", "password": PASSWORD}
        client.call("POST", "/auth/register", body, status=403)
        client.login()
        program.stop()
