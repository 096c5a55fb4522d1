"""A backup in the place of the data folder's database.

Order matters:

1. The backup is looked through in full, before anything is touched.
2. The folder is locked: the server must be stopped. A copy is made in it, and checked.
3. The folder is tied to either database, so that it starts with the one and with the other.
4. The copy takes the place of the old database (`store/swap.py`).
5. The folder is tied to the new one alone; then it gets the key, if it has none.
"""

import contextlib
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import apsw

from uptimehunt.errors import StartError, StorageError
from uptimehunt.store import backup, migrations, swap
from uptimehunt.store.backup import Copy
from uptimehunt.store.datadir import KEY_BYTES, DataDir


@dataclass(frozen=True, slots=True)
class Restored:
    """Where the old database is, if there was one, and whether the key was taken."""

    aside: Path | None
    took_key: bool


def key_beside(file: Path) -> Path:
    """Where the key lies that belongs to a backup."""
    return file.with_name(file.name + ".key")


def restore(file: Path, data_dir: Path, look: Callable[[Copy], None]) -> Restored:
    """Put a backup in the place of the database of a data folder, or into a new one.

    Args:
        file: the backup; it is only read.
        data_dir: the folder; made when it is not there.
        look: called with the copy before it is put in its place.

    Raises:
        StartError: the backup or the folder cannot be used; nothing was changed.
        StorageError: it cannot be written; the folder has the one database or the other, and
            starts with it.
    """
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(contextlib.closing(_opened(file)))
        instance = _examined(source, file)
        key = _key(file)
        folder = DataDir(data_dir)
        stack.callback(folder.close)
        _refuse_in_place(folder.database, file)
        folder.take_over()
        database = folder.database.resolve()
        copy = stack.enter_context(backup.staged(source, database))
        look(copy)
        try:
            folder.tie_also(instance)
            aside = swap.replace(database, copy.path)
            folder.tie(instance)
            took_key = key is not None and folder.take_key(key)
        except OSError as ex:
            raise StorageError(f"cannot write in {data_dir}: {ex.strerror}") from ex
        return Restored(aside, took_key)


def _opened(file: Path) -> apsw.Connection:
    """A connection to a backup that writes nothing beside it, if it can."""
    try:
        if not file.exists():
            raise StartError(f"there is no file {file}")
        if not file.is_file():
            raise StartError(f"{file} is not a file")
        with open(file, "rb") as readable:
            if not readable.read(1):
                raise StartError(f"{file} is empty")
        log = file.with_name(file.name + "-wal")
        if log.exists() and log.stat().st_size > 0:
            return backup.opened(file)
        name = f"file:{urllib.parse.quote(str(file.absolute()))}?immutable=1"
        flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        connection = apsw.Connection(name, flags=flags)
        connection.pragma("trusted_schema", False)
        return connection
    except OSError as ex:
        raise StartError(f"cannot read {file}: {ex.strerror}") from ex
    except (apsw.Error, UnicodeError) as ex:
        raise StartError(f"cannot read {file}: {ex}") from ex


def _examined(connection: apsw.Connection, file: Path) -> str:
    """The instance id in a backup that is sound, ours, and not newer than this program."""
    try:
        # Of a newer program first: what is sound there may not look so to us.
        migrations.refuse_foreign(connection)
        if (flaw := backup.flaw(connection)) is not None:
            raise StartError(f"{file} is damaged ({flaw})")
        row = connection.execute("SELECT value FROM meta WHERE name = 'instance'").fetchone()
    except apsw.Error as ex:
        raise StartError(f"{file} is damaged or not a database ({ex})") from ex
    if row is None:
        raise StartError(f"{file} is damaged (it has no instance id)")
    return str(row[0])


def _key(file: Path) -> bytes | None:
    beside = key_beside(file)
    try:
        key = beside.read_bytes() if beside.exists() else None
    except OSError as ex:
        raise StartError(f"cannot read {beside}: {ex.strerror}") from ex
    if key is not None and len(key) < KEY_BYTES:
        raise StartError(f"{beside} is damaged; take it away to restore without it")
    return key


def _refuse_in_place(database: Path, file: Path) -> None:
    """Refuse to replace another program's database, or one by itself.

    A damaged database, or that of a newer UptimeHunt, is what a backup is to replace.
    """
    if not database.exists() or database.stat().st_size == 0:
        return
    if database.samefile(file):
        raise StartError(f"{file} is the database of {database.parent} itself")
    try:
        with contextlib.closing(backup.opened(database)) as connection:
            is_ours = connection.pragma("application_id") == migrations.APPLICATION_ID
            tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
    except (apsw.NotADBError, apsw.CorruptError):
        return
    except apsw.Error as ex:
        raise StartError(f"cannot read {database}: {ex}") from ex
    if not is_ours and tables != [(0,)]:
        raise StartError(f"{database} is the database of another program")
