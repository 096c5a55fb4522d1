"""`uptimehunt backup` and `uptimehunt restore`: copies of the data, there and back.

A backup only reads, so the server may run meanwhile. A restore needs it stopped: the lock of the
data folder sees to that.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from uptimehunt.errors import StartError, StorageError
from uptimehunt.settings import Settings
from uptimehunt.store import backup, database, datadir, files, migrations, queries, restore
from uptimehunt.store.backup import Copy
from uptimehunt.store.models import Service


def back_up(file: str, with_key: bool, chosen: Settings) -> int:
    """Write a checked copy of the database, and the key where asked; answers the exit code.

    Raises:
        StartError: there is nothing that can be copied, or no place for it.
        StorageError: the copy cannot be written.
    """
    target, source = Path(file), datadir.database_in(chosen.data_dir)
    with _one_sentence(source):
        if database.examine(source) is None:
            raise StartError(f"there is no database in {chosen.data_dir}")
        key = datadir.key_in(chosen.data_dir) if with_key else None
        if key is not None and not key.exists():
            raise StartError(f"there is no key in {chosen.data_dir} to back up")
    with _one_sentence(target):
        _refuse_taken(target)
        secret = b"" if key is None else key.read_bytes()
        beside = restore.key_beside(target)
        # The same key may be what a backup left that was killed as it was all but done.
        if key is not None and os.path.lexists(beside) and beside.read_bytes() != secret:
            raise StartError(f"{beside} exists already")
        with (
            contextlib.closing(backup.opened(source)) as connection,
            backup.staged(connection, target) as copy,
        ):
            line = f"{target}: {_figures(copy)}"
            _refuse_taken(target)  # It may have come meanwhile.
            if key is not None:
                files.write_new(beside, secret)
                line += f"; the key is in {beside}"
            backup.publish(copy, target)
    print(line)
    return 0


def bring_back(file: str, chosen: Settings) -> int:
    """Put a backup in the place of the data folder's database; answers the exit code.

    Raises:
        StartError: the backup or the folder cannot be used; nothing was changed.
        StorageError: it cannot be written.
    """
    source, figures = Path(file), list[str]()
    with _one_sentence(source):
        done = restore.restore(
            source, chosen.data_dir, look=lambda copy: figures.append(_figures(copy))
        )
    line = f"restored {source}: {figures[0]}"
    if done.took_key:
        line += f"; the key of {restore.key_beside(source)} was taken"
    if done.aside is not None:
        line += f"; what was there is now {done.aside}"
    print(line)
    return 0


def _refuse_taken(target: Path) -> None:
    if os.path.lexists(target):
        raise StartError(f"{target} exists already")
    if not target.parent.is_dir():
        raise StartError(f"there is no folder {target.parent}")


def _figures(copy: Copy) -> str:
    """What a copy holds, as people read it; of an older layout only its size."""
    size = f"{copy.size_bytes / 1_000_000:.1f} MB"
    if copy.schema != len(migrations.MIGRATIONS):
        return f"{size}, of an older version (schema {copy.schema})"
    with database.looking_into(copy.path):
        services, results = Service.select().count(), queries.result_count()
    return f"{size}, services: {services}, results: {results}"


@contextlib.contextmanager
def _one_sentence(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as ex:
        raise StartError(f"cannot use {path}: {ex.strerror}") from ex
    except KeyboardInterrupt:
        raise StorageError("stopped before it was done") from None
