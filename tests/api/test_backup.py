"""Backup and restore as people do them: with the real program, running and stopped."""

import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import requests

from tests.api.test_process import SHIFTED, Writer
from tests.process import ROOT, SOURCE, Client, running, target, wait_until

WRITERS = 20


def command(*words: str | Path) -> str:
    """What a command of the program prints, which must be one line."""
    done = subprocess.run(
        [*SOURCE, *map(str, words)], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"[^\n]+\n", done.stdout), done.stdout
    return done.stdout


def ask(file: Path, statement: str) -> list[Any]:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        return connection.execute(statement).fetchall()


def test_a_backup_beside_writers_has_all_that_was_acknowledged_before_it(tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    with target() as port, running(tmp_path / "data") as program:
        token = Client(program.url).register().token
        writers = [
            Writer(Client(program.url, token), f"http://127.0.0.1:{port}/") for _ in range(WRITERS)
        ]
        for writer in writers:
            writer.start()
        wait_until(lambda: all(writer.acknowledged for writer in writers), 30)

        acknowledged = [dict(writer.acknowledged) for writer in writers]
        said = command("backup", copy, "--data-dir", tmp_path / "data")
        afterwards = sum(len(writer.acknowledged) for writer in writers)
        wait_until(lambda: sum(len(writer.acknowledged) for writer in writers) > afterwards, 30)
        program.kill()
        for writer in writers:
            writer.join()
            assert writer.failure is None, writer.failure

    assert ask(copy, "PRAGMA integrity_check") == [("ok",)]
    assert ask(copy, "PRAGMA foreign_key_check") == []
    kept = dict(ask(copy, "SELECT id, description FROM service"))
    assert f"services: {len(kept)}," in said
    for ours in acknowledged:
        for service, number in ours.items():
            assert int(kept[service]) >= number


def me(url: str, token: str | None) -> int:
    """Status of a call with this token."""
    auth = {"Authorization": f"Bearer {token}"}
    return requests.get(f"{url}/api/v1/auth/me", headers=auth, timeout=10).status_code


def test_there_and_back_again_and_on_to_another_machine(tmp_path: Path) -> None:
    data_dir, moved, copy = tmp_path / "data", tmp_path / "moved", tmp_path / "copy.db"
    with target() as port:
        with running(data_dir) as program:
            client = Client(program.url).register()
            service = client.add_service("Front", f"http://127.0.0.1:{port}/")
            path = f"/services/{service['id']}"
            wait_until(lambda: client.get(path)["status"] == "operational")
            said = command("backup", copy, "--with-key", "--data-dir", data_dir)
            client.post("/projects", {"name": "Made later"})
            program.stop()
        assert re.search(r"services: 1, results: [1-9]", said), said

        said = command("restore", copy, "--data-dir", data_dir)
        said_too = command("restore", copy, "--data-dir", moved)

        (aside,) = data_dir.glob("uptimehunt.db.before-restore-*")
        assert str(aside) in said
        assert "the key of" in said_too
        assert ask(aside, "SELECT name FROM project") == [("Made later",)]
        for folder in (data_dir, moved):
            with running(folder) as program:
                # The token was signed with the key that the folder has, or got.
                client = Client(program.url, client.token)
                assert client.get("/projects") == []
                checked_at = client.get(path)["last_check_at"]
                if folder == data_dir:
                    wait_until(lambda: client.get(path)["last_check_at"] > checked_at, 15)  # noqa: B023
                program.stop()

    copy.with_name("copy.db.key").unlink()
    shutil.rmtree(moved)
    assert "key" not in command("restore", copy, "--data-dir", moved).replace("keys", "")
    with running(moved) as program:
        assert me(program.url, client.token) == 401
        body = {"email": "mallory@example.com", "password": "a long pass phrase"}
        register = requests.post(f"{program.url}/api/v1/auth/register", json=body, timeout=10)
        assert register.status_code == 403
        assert me(program.url, Client(program.url).login().token) == 200
        program.stop()


def test_the_running_server_makes_a_nightly_copy(tmp_path: Path) -> None:
    shift = tmp_path / "shift"
    shift.write_text("0")
    command = (sys.executable, "-c", SHIFTED, str(shift))
    backups = tmp_path / "data" / "backups"
    with running(tmp_path / "data", command=command) as program:
        Client(program.url).register()

        # Jobs are looked at when the clock is set; else it would be a minute after the start.
        set_to = shift.with_suffix(".new")
        set_to.write_text(str(3600 * 10**9))
        set_to.replace(shift)
        wait_until(lambda: " backup.made " in program.said(), 20)
        program.stop()

    (copy,) = backups.iterdir()
    assert re.fullmatch(r"nightly-\d{4}-\d{2}-\d{2}\.db", copy.name)
    assert copy.stat().st_mode & 0o777 == 0o600
    assert ask(copy, "SELECT count(*) FROM user") == [(1,)]
