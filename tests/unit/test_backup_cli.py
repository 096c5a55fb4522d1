"""`uptimehunt backup` and `restore`: what they refuse, and that nothing is changed then."""

import contextlib
import logging
import os
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.process import ROOT
from uptimehunt import cli
from uptimehunt.store import database, models
from uptimehunt.store.database import Store
from uptimehunt.store.datadir import DataDir


@pytest.fixture(autouse=True)
def process() -> Iterator[None]:
    """What a command changes of its process: give ours back."""
    root, before = logging.getLogger(), os.umask(0o022)
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    logging.getLogger("uptimehunt").setLevel(logging.NOTSET)
    os.umask(before)


class Shell:
    """Runs commands on one data folder."""

    def __init__(self, data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.data_dir = data_dir
        self._capsys = capsys

    def run(self, *words: str | Path) -> tuple[int, str]:
        """Exit code and output of a command, which is one line."""
        code = cli.main([*map(str, words), "--data-dir", str(self.data_dir)])
        output = self._capsys.readouterr()
        said = output.err if code else output.out
        assert re.fullmatch(r"[^\n]+\n", said), said
        assert code == 0 or said.startswith("uptimehunt: ")
        return code, said

    def refused(self, *words: str | Path) -> str:
        code, said = self.run(*words)
        assert code == 1, said
        return said


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    """With a data folder that was in use."""
    made = Shell(tmp_path / "data", capsys)
    fill(made.data_dir, "ours")
    return made


def fill(path: Path, mark: str) -> None:
    """Leave a data folder as a run of the server would."""
    folder = DataDir(path)
    folder.take_over()
    with contextlib.closing(Store(folder.database, folder.backups)) as store:
        store.write(models.DATABASE.execute_sql, "REPLACE INTO meta VALUES ('mark', ?)", (mark,))
        with store.reading():
            folder.tie(database.instance_id())
    folder.secret_key()
    folder.close()


def mark(file: Path) -> str:
    with contextlib.closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return str(connection.execute("SELECT value FROM meta WHERE name = 'mark'").fetchone()[0])


def tree(folder: Path) -> dict[str, bytes]:
    """Every file of a folder but the lock, and what SQLite leaves where it only reads."""
    passing = {"lock", "uptimehunt.db-shm", "uptimehunt.db-wal"}
    return {
        str(entry.relative_to(folder)): b"" if entry.is_symlink() else entry.read_bytes()
        for entry in folder.rglob("*")
        if (entry.is_file() or entry.is_symlink()) and entry.name not in passing
    }


def pragma(file: Path, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute(f"PRAGMA {statement}")


# --- backup -------------------------------------------------------------------------------------


def test_a_backup_is_private_and_says_what_is_in_it(shell: Shell, tmp_path: Path) -> None:
    code, said = shell.run("backup", tmp_path / "copy.db")

    assert code == 0
    assert re.fullmatch(rf"{tmp_path}/copy\.db: \d\.\d MB, services: 0, results: 0\n", said)
    assert stat.S_IMODE((tmp_path / "copy.db").stat().st_mode) == 0o600
    assert mark(tmp_path / "copy.db") == "ours"
    assert sorted(os.listdir(tmp_path)) == ["copy.db", "data"]


def test_the_key_comes_along_only_when_asked_for(shell: Shell, tmp_path: Path) -> None:
    shell.run("backup", tmp_path / "copy.db", "--with-key")

    key = tmp_path / "copy.db.key"
    assert key.read_bytes() == (shell.data_dir / "secret.key").read_bytes()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert key.read_bytes() not in (tmp_path / "copy.db").read_bytes()


def test_a_relative_path_and_a_folder_behind_a_link_will_do(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path)

    assert shell.run("backup", "copy.db")[0] == 0
    assert shell.run("backup", "link/file:copy?mode=memory")[0] == 0
    assert shell.run("restore", "copy.db")[0] == 0
    assert shell.run("restore", "link/file:copy?mode=memory")[0] == 0

    assert mark(tmp_path / "copy.db") == mark(shell.data_dir / "uptimehunt.db") == "ours"
    assert os.listdir(tmp_path / "real") == ["file:copy?mode=memory"]


def test_no_backup_takes_the_place_of_anything(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "copy.db.key").write_text("mine")
    before = tree(tmp_path)

    for name in ("file", "folder", "dangling"):
        assert f"{name} exists already" in shell.refused("backup", tmp_path / name)
    assert "key exists already" in shell.refused("backup", tmp_path / "copy.db", "--with-key")
    assert "there is no folder" in shell.refused("backup", tmp_path / "no" / "copy.db")
    assert "there is no folder" in shell.refused("backup", tmp_path / "file" / "copy.db")
    assert "cannot" in shell.refused("backup", tmp_path / ("x" * 250))

    assert tree(tmp_path) == before


def test_only_a_database_of_ours_is_backed_up(shell: Shell, tmp_path: Path) -> None:
    file, copy = shell.data_dir / "uptimehunt.db", tmp_path / "copy.db"
    sound = file.read_bytes()

    pragma(file, "user_version = 99")
    assert "newer UptimeHunt (schema 99" in shell.refused("backup", copy)
    pragma(file, "application_id = 7")
    assert "another program" in shell.refused("backup", copy)
    file.write_bytes(sound[:8192] + b"\xff" * 8192 + sound[16384:])
    assert "damaged" in shell.refused("backup", copy)
    file.write_bytes(b"")
    assert "there is no database in" in shell.refused("backup", copy)
    file.unlink()
    assert "there is no database in" in shell.refused("backup", copy)
    shutil.rmtree(shell.data_dir)
    assert "there is no database in" in shell.refused("backup", copy)

    assert os.listdir(tmp_path) == []


def test_without_a_key_none_is_promised(shell: Shell, tmp_path: Path) -> None:
    (shell.data_dir / "secret.key").unlink()

    assert "there is no key" in shell.refused("backup", tmp_path / "copy.db", "--with-key")

    assert os.listdir(tmp_path) == ["data"]


def test_what_a_killed_backup_left_goes_with_the_next_and_nothing_else(
    shell: Shell, tmp_path: Path
) -> None:
    left = {"copy.db.0123abcd.tmp", "copy.db.0123abcd.tmp-journal"}
    others = {"copy.db.tmp", "other.db.0123abcd.tmp", "copy.db.0123ABCD.tmp"}
    for name in left | others:
        (tmp_path / name).write_text("")

    shell.run("backup", tmp_path / "copy.db")

    assert set(os.listdir(tmp_path)) == others | {"copy.db", "data"}


@contextlib.contextmanager
def small_disk(path: Path, size: str) -> Iterator[None]:
    path.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only the superuser can make a file system")
    try:
        yield
    finally:
        subprocess.run(["umount", path], check=True)


def test_on_a_full_disk_there_is_no_backup_and_no_restore(shell: Shell, tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(shell.data_dir / "uptimehunt.db")) as connection:
        connection.execute("INSERT INTO meta VALUES ('big', ?)", ("x" * 2_000_000,))
        connection.commit()
    with small_disk(tmp_path / "full", "1m"):
        assert "full" in shell.refused("backup", tmp_path / "full" / "copy.db")
        assert os.listdir(tmp_path / "full") == []
    shell.run("backup", tmp_path / "copy.db")

    with small_disk(tmp_path / "full", "1m"):
        shell.data_dir = tmp_path / "full"
        fill(shell.data_dir, "small")
        before = tree(shell.data_dir)
        assert "full" in shell.refused("restore", tmp_path / "copy.db")
        assert tree(shell.data_dir) == before


def bound_by_modes(*words: str | Path) -> tuple[int, str]:
    """Run the program so that file modes bind it, which they do not for root."""
    drop = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    done = subprocess.run(
        [*(drop if os.geteuid() == 0 else []), sys.executable, "-m", "uptimehunt", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stderr


def test_where_it_may_not_write_or_read_is_named(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    copy = tmp_path / "copy.db"
    shell.run("backup", copy)
    copy.chmod(0)
    where = ("--data-dir", shell.data_dir)

    backup = bound_by_modes("backup", tmp_path / "closed" / "copy.db", *where)
    misnamed = bound_by_modes("backup", tmp_path / os.fsdecode(b"\xff.db"), *where)
    restore = bound_by_modes("restore", copy, *where)
    shell.data_dir.chmod(0)
    unreadable = bound_by_modes("backup", tmp_path / "b.db", *where)
    shell.data_dir.chmod(0o700)

    assert misnamed[0] == 1
    assert re.fullmatch(r"uptimehunt: cannot [^\n]+\n", misnamed[1])
    for code, said in (backup, restore, unreadable):
        assert code == 1
        assert re.fullmatch(r"uptimehunt: cannot [^\n]+ermission denied\n", said)
    assert os.listdir(tmp_path / "closed") == []


# --- restore ------------------------------------------------------------------------------------


def asides(folder: Path) -> list[Path]:
    return sorted(folder.glob("uptimehunt.db.before-restore-*"))


def test_a_restore_puts_the_old_database_aside(shell: Shell, tmp_path: Path) -> None:
    shell.run("backup", tmp_path / "copy.db")
    fill(shell.data_dir, "later")
    key = (shell.data_dir / "secret.key").read_bytes()

    code, said = shell.run("restore", tmp_path / "copy.db")

    (aside,) = asides(shell.data_dir)
    assert code == 0
    assert said.endswith(f"what was there is now {aside}\n")
    assert re.search(r"before-restore-\d{8}T\d{6}Z$", aside.name)
    assert (mark(aside), mark(shell.data_dir / "uptimehunt.db")) == ("later", "ours")
    assert (shell.data_dir / "secret.key").read_bytes() == key
    modes = {stat.S_IMODE(entry.stat().st_mode) for entry in shell.data_dir.iterdir()}
    assert modes == {0o600}
    # And back again.
    assert shell.run("restore", aside)[0] == 0
    assert mark(shell.data_dir / "uptimehunt.db") == "later"
    assert len(asides(shell.data_dir)) == 2


def test_the_database_of_another_instance_takes_its_place_without_more_ado(
    shell: Shell, tmp_path: Path
) -> None:
    shell.run("backup", tmp_path / "copy.db")
    shell.data_dir = tmp_path / "other"
    fill(shell.data_dir, "another")

    shell.run("restore", tmp_path / "copy.db")

    folder = DataDir(shell.data_dir)
    folder.refuse_lost_database(database.examine(folder.database))
    folder.close()
    # The guard against a lost database is as it was.
    folder.database.unlink()
    shell_again = DataDir(shell.data_dir)
    with pytest.raises(Exception, match="is missing, but this folder was in use before"):
        shell_again.refuse_lost_database(None)
    shell_again.close()


@pytest.mark.parametrize("exists", [True, False])
def test_a_new_folder_takes_the_key_too(shell: Shell, tmp_path: Path, exists: bool) -> None:
    shell.run("backup", tmp_path / "copy.db", "--with-key")
    key = (shell.data_dir / "secret.key").read_bytes()
    shell.data_dir = tmp_path / "moved"
    if exists:
        shell.data_dir.mkdir()

    said = shell.run("restore", tmp_path / "copy.db")[1]

    assert f"the key of {tmp_path}/copy.db.key was taken" in said
    assert (shell.data_dir / "secret.key").read_bytes() == key
    assert stat.S_IMODE((shell.data_dir / "secret.key").stat().st_mode) == 0o600
    assert mark(shell.data_dir / "uptimehunt.db") == "ours"
    assert asides(shell.data_dir) == []


def test_a_folder_with_a_key_keeps_it(shell: Shell, tmp_path: Path) -> None:
    shell.run("backup", tmp_path / "copy.db", "--with-key")
    (shell.data_dir / "secret.key").write_bytes(b"k" * 32)

    assert "copy.db.key" not in shell.run("restore", tmp_path / "copy.db")[1]

    assert (shell.data_dir / "secret.key").read_bytes() == b"k" * 32


def _empty(file: Path) -> None:
    file.write_bytes(b"")


def _text(file: Path) -> None:
    file.write_text("no database" * 1000)


def _half(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _hole(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[8192:16384] = b"\xff" * 8192
    file.write_bytes(content)


def _newer(file: Path) -> None:
    pragma(file, "user_version = 99")


def _foreign(file: Path) -> None:
    pragma(file, "application_id = 7")


def _nameless(file: Path) -> None:
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("DELETE FROM meta WHERE name = 'instance'")
        connection.commit()


def _gone(file: Path) -> None:
    file.unlink()


def _folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def _key(file: Path) -> None:
    file.with_name(file.name + ".key").write_bytes(b"short")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_empty, "is empty"),
        (_text, "damaged or not a database"),
        (_half, "damaged"),
        (_hole, "damaged"),
        (_newer, r"newer UptimeHunt \(schema 99, this program knows \d+\)"),
        (_foreign, "another program"),
        (_nameless, "damaged"),
        (_gone, "there is no file"),
        (_folder, "is not a file"),
        (_key, "key is damaged"),
    ],
)
@pytest.mark.parametrize("into", ["a folder in use", "a new one"])
def test_what_is_no_sound_backup_of_ours_changes_nothing(
    shell: Shell, tmp_path: Path, into: str, spoil: Callable[[Path], Any], words: str
) -> None:
    file = tmp_path / "copy.db"
    shell.run("backup", file)
    spoil(file)
    if into == "a new one":
        shell.data_dir = tmp_path / "new"
    before = tree(tmp_path)

    assert re.search(words, shell.refused("restore", file))

    assert tree(tmp_path) == before
    assert (tmp_path / "new").exists() is False


def test_while_the_folder_is_in_use_nothing_is_restored(shell: Shell, tmp_path: Path) -> None:
    shell.run("backup", tmp_path / "copy.db")
    server = DataDir(shell.data_dir)
    before = tree(shell.data_dir)

    assert f"(pid {os.getpid()})" in shell.refused("restore", tmp_path / "copy.db")

    assert tree(shell.data_dir) == before
    server.close()


_READER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("UPDATE meta SET value = 'later' WHERE name = 'mark'")
connection.execute("BEGIN")
connection.execute("SELECT * FROM meta").fetchall()
print("reading", flush=True)
sys.stdin.read()
"""
"""Another process, since one process does not see its own locks."""


def test_while_another_program_reads_the_database_nothing_is_restored(
    shell: Shell, tmp_path: Path
) -> None:
    shell.run("backup", tmp_path / "copy.db")
    file = shell.data_dir / "uptimehunt.db"
    command = [sys.executable, "-c", _READER, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"reading\n"

        assert "another program reads" in shell.refused("restore", tmp_path / "copy.db")

    assert mark(file) == "later"
    assert asides(shell.data_dir) == []
    assert shell.run("restore", tmp_path / "copy.db")[0] == 0


def test_a_folder_of_something_else_is_left_alone(shell: Shell, tmp_path: Path) -> None:
    shell.run("backup", tmp_path / "copy.db")
    pragma(shell.data_dir / "uptimehunt.db", "application_id = 7")
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "photo.jpg").write_text("mine")
    before = tree(tmp_path)

    assert "another program" in shell.refused("restore", tmp_path / "copy.db")
    shell.data_dir = photos
    assert "holds other files" in shell.refused("restore", tmp_path / "copy.db")

    assert tree(tmp_path) == before


def test_a_database_is_not_restored_from_itself(shell: Shell) -> None:
    file = shell.data_dir / "uptimehunt.db"

    assert "itself" in shell.refused("restore", file)

    assert mark(file) == "ours"


@pytest.mark.parametrize("damage", [_empty, _text, _half, _hole, _newer, _gone])
def test_a_database_that_is_damaged_or_lost_is_what_a_backup_is_for(
    shell: Shell, tmp_path: Path, damage: Callable[[Path], Any]
) -> None:
    shell.run("backup", tmp_path / "copy.db")
    file, log = shell.data_dir / "uptimehunt.db", shell.data_dir / "uptimehunt.db-wal"
    damage(file)
    # Of the lost database; played into the new one, it would ruin it.
    if damage in {_empty, _gone}:
        log.write_bytes(b"log")
    damaged = file.read_bytes() if file.exists() else None

    code, _ = shell.run("restore", tmp_path / "copy.db")

    assert code == 0
    assert mark(file) == "ours"
    assert not log.exists()
    kept = {entry.read_bytes() for entry in asides(shell.data_dir)}
    assert damage not in {_empty, _gone} or b"log" in kept
    assert damaged is None or damaged in kept


def test_a_backup_on_a_disk_that_is_read_only_can_be_restored(shell: Shell, tmp_path: Path) -> None:
    # A copy of the file itself is in the mode in which SQLite keeps a log beside.
    (tmp_path / "disk").mkdir()
    file = tmp_path / "disk" / "copy.db"
    shutil.copy(shell.data_dir / "uptimehunt.db", file)
    fill(shell.data_dir, "later")

    shell.run("restore", file)

    assert mark(shell.data_dir / "uptimehunt.db") == "ours"
    assert os.listdir(tmp_path / "disk") == ["copy.db"]


def test_a_link_to_a_database_elsewhere_is_followed(shell: Shell, tmp_path: Path) -> None:
    shell.run("backup", tmp_path / "copy.db")
    (tmp_path / "disk").mkdir()
    real = tmp_path / "disk" / "real.db"
    fill(shell.data_dir, "later")
    (shell.data_dir / "uptimehunt.db").rename(real)
    (shell.data_dir / "uptimehunt.db").symlink_to(real)
    (tmp_path / "link").symlink_to(tmp_path / "copy.db")

    shell.run("restore", tmp_path / "link")

    assert (shell.data_dir / "uptimehunt.db").is_symlink()
    assert mark(real) == "ours"
    assert len(list(real.parent.glob("real.db.before-restore-*"))) == 1
