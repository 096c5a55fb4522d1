"""Copies of a database: whole and checked, or not there."""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from uptimehunt.errors import StorageError
from uptimehunt.store import backup
from uptimehunt.store.database import Store


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[apsw.Connection]:
    """To a database of some size, as one who only reads it has it."""
    Store(tmp_path / "a.db", tmp_path / "backups").close()
    with contextlib.closing(apsw.Connection(str(tmp_path / "a.db"))) as filling, filling:
        rows = ((f"row {number}", "") for number in range(80_000))
        filling.executemany("INSERT INTO meta VALUES (?, ?)", rows)
    with contextlib.closing(backup.opened(tmp_path / "a.db")) as opened:
        yield opened


def names(folder: Path) -> set[str]:
    return {name for name in os.listdir(folder) if not name.startswith("a.db")}


def test_a_copy_is_private_from_the_first_byte_and_gone_unless_it_got_its_name(
    connection: apsw.Connection, tmp_path: Path
) -> None:
    with backup.staged(connection, tmp_path / "copy.db") as copy:
        assert stat.S_IMODE(copy.path.stat().st_mode) == 0o600
        assert copy.size_bytes == copy.path.stat().st_size
        assert copy.schema == connection.pragma("user_version")
        assert names(tmp_path) == {copy.path.name}

    assert names(tmp_path) == set()


@pytest.mark.parametrize("how", ["asked", "interrupted"])
def test_a_copy_can_be_broken_off(connection: apsw.Connection, tmp_path: Path, how: str) -> None:
    def is_cancelled() -> bool:
        assert [name for name in names(tmp_path) if backup.is_unfinished(name, "copy.db")]
        if how == "interrupted":
            raise KeyboardInterrupt
        return True

    with (
        pytest.raises(StorageError if how == "asked" else KeyboardInterrupt),
        backup.staged(connection, tmp_path / "copy.db", is_cancelled),
    ):
        pass

    assert names(tmp_path) == set()
    # The connection is as it was.
    backup.snapshot(connection, tmp_path / "copy.db")
    assert names(tmp_path) == {"copy.db"}


def test_of_two_copies_of_one_name_none_is_half(
    connection: apsw.Connection, tmp_path: Path
) -> None:
    with backup.staged(connection, tmp_path / "copy.db") as first:
        with backup.staged(connection, tmp_path / "copy.db") as second:
            backup.publish(second, tmp_path / "copy.db")
        with pytest.raises(StorageError):
            backup.publish(first, tmp_path / "copy.db")

    with contextlib.closing(backup.opened(tmp_path / "copy.db")) as copy:
        assert backup.flaw(copy) is None
        assert copy.execute("SELECT count(*) FROM meta").fetchall() == [(80_001,)]


def test_what_is_not_sound_is_said(connection: apsw.Connection, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    backup.snapshot(connection, target)
    content = bytearray(target.read_bytes())
    content[40_960:45_056] = b"\xff" * 4096
    target.write_bytes(content)

    with contextlib.closing(backup.opened(target)) as copy:
        assert backup.flaw(copy) is not None
        with pytest.raises(StorageError), backup.staged(copy, tmp_path / "second.db"):
            pass
    assert names(tmp_path) == {"copy.db"}
