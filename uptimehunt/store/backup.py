"""Copies of the database that are whole, checked, and readable by the owner alone."""

import contextlib
import os
from pathlib import Path

import apsw

from uptimehunt.errors import StorageError


def snapshot(connection: apsw.Connection, target: Path) -> None:
    """Write a checked copy of the database; it is there whole or not at all.

    Raises:
        StorageError: the copy could not be written, or is not sound.
    """
    unfinished = target.with_name(target.name + ".tmp")
    try:
        target.parent.mkdir(mode=0o700, exist_ok=True)
        unfinished.unlink(missing_ok=True)
        unfinished.touch(mode=0o600)  # SQLite fills an empty file, and would make a readable one.
        connection.execute("VACUUM INTO ?", (str(unfinished),))
        with open(unfinished, "rb") as file:
            os.fsync(file.fileno())
        copy = apsw.Connection(str(unfinished), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            verdict = copy.execute("PRAGMA quick_check(1)").fetchall()
        finally:
            copy.close()
        if verdict != [("ok",)]:
            raise StorageError(f"the backup {target} did not pass its check: {verdict[0][0]}")
        unfinished.rename(target)
        _sync_folder(target.parent)
    except (apsw.Error, OSError) as ex:
        raise StorageError(f"cannot write the backup {target}: {ex}") from ex
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
