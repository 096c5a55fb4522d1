"""Another database in the place of the one that is there: at each moment, one of the two.

1. The log of the old one is folded in, so that it is one file.
2. It gets a second name, `<name>.before-restore-<time>`: a hard link, no copy.
3. The new one takes the first name, in one step.

Killed after 2, the second name is of the database in use; `finish` takes it away again. A log that
cannot be folded in, since its database is damaged, gets the second name too: left where it was,
it would be played into the new database.
"""

import contextlib
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import apsw

from uptimehunt import clock
from uptimehunt.errors import StorageError
from uptimehunt.store import backup, files

_LOGS = ("-wal", "-journal")
_ASIDE = ".before-restore-"


def replace(database: Path, copy: Path) -> Path | None:
    """Put a checked copy in the place of a database that nobody writes to.

    Returns:
        where the old one is now; None when there was none.

    Raises:
        StorageError: it cannot be done; what is there is still the old one.
    """
    with _storage_errors(database):
        _fold(database)
        kept = [suffix for suffix in (*_LOGS, "") if _beside(database, suffix).exists()]
        aside = _free_name(database)
        for suffix in kept:
            os.link(_beside(database, suffix), _beside(aside, suffix))
        files.sync_folder(database.parent)
        for suffix in (*_LOGS, "-shm"):
            _beside(database, suffix).unlink(missing_ok=True)
        copy.replace(database)
        files.sync_folder(database.parent)
    return aside if kept else None


def finish(database: Path) -> None:
    """Remove what a copy or a replacement left that was killed."""
    backup.clear(database)
    if not database.exists():
        return
    for name in os.listdir(database.parent):
        aside = database.with_name(name)
        if not name.startswith(database.name + _ASIDE) or not aside.samefile(database):
            continue
        if not any(_beside(aside, suffix).exists() for suffix in _LOGS):
            aside.unlink()


def _beside(database: Path, suffix: str) -> Path:
    return database.with_name(database.name + suffix)


def _free_name(database: Path) -> Path:
    stamp = clock.iso_seconds(clock.now_ms()).translate({ord("-"): None, ord(":"): None})
    for number in itertools.count(1):
        aside = _beside(database, f"{_ASIDE}{stamp}" + (f"-{number}" if number > 1 else ""))
        if not any(_beside(aside, suffix).exists() for suffix in ("", *_LOGS)):
            return aside
    raise AssertionError("numbers do not end")


def _fold(database: Path) -> None:
    """Make one file of a database and its log; a damaged one is left as it is."""
    # SQLite would throw the log of an empty file away.
    if not database.exists() or database.stat().st_size == 0:
        return
    try:
        flags = apsw.SQLITE_OPEN_READWRITE
        with contextlib.closing(apsw.Connection(str(database), flags=flags)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
            ((is_busy, _, _),) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except (apsw.NotADBError, apsw.CorruptError):
        return
    if is_busy:
        raise StorageError(f"another program reads {database}; try again when it has ended")


@contextlib.contextmanager
def _storage_errors(database: Path) -> Iterator[None]:
    try:
        yield
    except OSError as ex:
        raise StorageError(f"cannot replace {database}: {ex.strerror}") from ex
    except apsw.Error as ex:
        raise StorageError(f"cannot replace {database}: {ex}") from ex
