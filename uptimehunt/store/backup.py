"""Copies of a database that are whole, checked, and readable by the owner alone.

A copy grows under a name of its own beside the one that it is to have, `<name>.<8 digits>.tmp`,
and gets its name as the last step. What a killed program left is removed with the next copy of
the same name.
"""

import contextlib
import os
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from uptimehunt.errors import StorageError
from uptimehunt.store import files

BUSY_MS = 5000

_STEPS = 100_000
"""After so many steps of SQLite it is asked whether to go on: some times a second."""

_UNFINISHED = re.compile(r"(?P<of>.+)\.[0-9a-f]{8}\.tmp(-journal)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy that passed its check: where it is, its size, and the number of its schema."""

    path: Path
    size_bytes: int
    schema: int


def _no() -> bool:
    return False


def snapshot(connection: apsw.Connection, target: Path) -> None:
    """Write a checked copy of the database; it is there whole or not at all.

    Raises:
        StorageError: the copy could not be written, or is not sound.
    """
    with staged(connection, target) as copy:
        publish(copy, target)


@contextlib.contextmanager
def staged(
    connection: apsw.Connection, target: Path, is_cancelled: Callable[[], bool] = _no
) -> Iterator[Copy]:
    """A checked copy beside the name that it is to have; gone at the end unless it got it.

    Args:
        connection: to what is copied; one that only reads will do, and others may write.
        target: the name it is to have; its folder is made, the one above must be there.
        is_cancelled: asked again and again; once true, the copying ends with an error.

    Raises:
        StorageError: the copy could not be written, or is not sound.
    """
    unfinished = target.absolute().with_name(f"{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        with _storage_errors(target):
            target.parent.mkdir(mode=0o700, exist_ok=True)
            clear(target)
            copy = _copy(connection, unfinished, is_cancelled)
        yield copy
    finally:
        with contextlib.suppress(OSError):
            clear(target, unfinished.name)


def publish(copy: Copy, target: Path) -> None:
    """Give a copy its name.

    Raises:
        StorageError: it cannot have it.
    """
    with _storage_errors(target):
        copy.path.replace(target)
        files.sync_folder(target.parent)


def clear(target: Path, only: str = "") -> None:
    """Remove what copies of this name left that never got so far, journals included."""
    for name in os.listdir(target.parent):
        if is_unfinished(name, target.name) and name.startswith(only):
            target.with_name(name).unlink(missing_ok=True)


def is_unfinished(name: str, of: str) -> bool:
    """Whether a file is a copy that has not got its name `of` yet."""
    found = _UNFINISHED.fullmatch(name)
    return found is not None and found["of"] == of


def opened(path: Path) -> apsw.Connection:
    """A connection that cannot write to a database, which may be in use by another process.

    Raises:
        StorageError: it cannot be opened.
    """
    try:
        connection = apsw.Connection(str(path.absolute()), flags=apsw.SQLITE_OPEN_READONLY)
        connection.set_busy_timeout(BUSY_MS)
        connection.pragma("trusted_schema", False)
    except (apsw.Error, UnicodeError) as ex:  # A name that is no UTF-8 is none for SQLite.
        raise StorageError(f"cannot read {path}: {ex}") from ex
    return connection


def flaw(connection: apsw.Connection) -> str | None:
    """What is not sound in a database, looked through in full; None when all is."""
    verdict = connection.execute("PRAGMA integrity_check(1)").fetchall()
    return None if verdict == [("ok",)] else " ".join(str(verdict).split())


def _copy(connection: apsw.Connection, unfinished: Path, is_cancelled: Callable[[], bool]) -> Copy:
    # SQLite fills an empty file, and would make one that everybody may read.
    os.close(files.make_private(unfinished))
    with _asking(connection, is_cancelled):
        connection.execute("VACUUM INTO ?", (str(unfinished),))
    with open(unfinished, "rb") as file:
        os.fsync(file.fileno())
    with contextlib.closing(opened(unfinished)) as copy, _asking(copy, is_cancelled):
        found = flaw(copy)
        if found is None and _identity(copy) != _identity(connection):
            found = "its schema is not that of the original"
        if found is not None:
            raise StorageError(f"the copy {unfinished} did not pass its check: {found}")
        return Copy(unfinished, unfinished.stat().st_size, int(copy.pragma("user_version")))


@contextlib.contextmanager
def _asking(connection: apsw.Connection, is_cancelled: Callable[[], bool]) -> Iterator[None]:
    """Let long statements be ended, by Ctrl-C too: SQLite alone would not hear of it."""
    connection.set_progress_handler(is_cancelled, _STEPS)
    try:
        yield
    finally:
        connection.set_progress_handler(None)


def _identity(connection: apsw.Connection) -> Any:
    """Whose database it is, and all of its schema."""
    schema = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name"
    numbers = connection.pragma("application_id"), connection.pragma("user_version")
    return numbers, connection.execute(schema).fetchall()


@contextlib.contextmanager
def _storage_errors(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as ex:
        raise StorageError(f"cannot write the copy {target}: {ex.strerror}") from ex
    except (apsw.Error, UnicodeError) as ex:
        raise StorageError(f"cannot write the copy {target}: {ex}") from ex
