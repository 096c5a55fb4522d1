"""The open database: one writer, many readers, and nobody else.

One thread owns the only read-write connection, and alone checkpoints. Whoever wants to change
something hands it a function (`Store.write`); functions that wait at the same moment share one
commit, each inside its own savepoint. Every other thread reads through its own connection, which
cannot write (`Store.reading`). So no write ever waits for a lock, and none can forget to.
"""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, ParamSpec, TypeVar

import apsw
import peewee
from playhouse.apsw_ext import APSWDatabase

from uptimehunt.errors import StartError, StorageError
from uptimehunt.logs import about
from uptimehunt.store import migrations, models

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

BUSY_MS = 5000
GROUP = 200
"""The most jobs that share one commit."""

CHECKED_AT_START = 100 * 2**20
"""Bytes up to which the whole file is checked at start; beyond, only its header and schema."""

_OUT_OF_ORDER = (
    apsw.BusyError,
    apsw.LockedError,
    apsw.FullError,
    apsw.IOError,
    apsw.ReadOnlyError,
    apsw.CantOpenError,
    apsw.CorruptError,
    apsw.NotADBError,
    apsw.InterruptError,
    apsw.NoMemError,
)
"""What SQLite says when it is the disk or the file that fails, not our statement."""


class _Connections(APSWDatabase):  # type: ignore[misc]  # playhouse has no types
    """peewee's database with one connection a thread: read-write on the writer's, else not."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), autoconnect=False)
        self.writer_thread: int | None = None
        self._opened: list[apsw.Connection] = []
        self._opened_lock = threading.Lock()

    def _connect(self) -> apsw.Connection:
        if threading.get_ident() == self.writer_thread:
            return _open_for_writing(Path(self.database))
        connection = apsw.Connection(self.database, flags=apsw.SQLITE_OPEN_READONLY)
        connection.set_busy_timeout(BUSY_MS)
        connection.pragma("query_only", True)
        connection.pragma("trusted_schema", False)
        with self._opened_lock:
            self._opened.append(connection)
        return connection

    def raw(self) -> apsw.Connection:
        """This thread's connection, without peewee around it."""
        connection: apsw.Connection = self.connection()
        return connection

    def close_readers(self) -> None:
        with self._opened_lock:
            while self._opened:
                self._opened.pop().close()


def examine(path: Path) -> str | None:
    """Look at a database file without changing a byte of it, before it is opened.

    Returns:
        the instance id in it; None when there is no file yet, or nothing in it.

    Raises:
        StartError: it is damaged, another program's, or made by a newer UptimeHunt.
    """
    if not path.exists() or path.stat().st_size == 0:
        return None
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            if path.stat().st_size <= CHECKED_AT_START:
                verdict = connection.execute("PRAGMA quick_check(1)").fetchone()
                if verdict != ("ok",):
                    found = "" if verdict is None else " ".join(str(verdict[0]).split())
                    raise StartError(
                        f"the database {path} is damaged ({found}); restore it from a backup"
                    )
            if not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
                return None
            migrations.refuse_foreign(connection)
            row = connection.execute("SELECT value FROM meta WHERE name = 'instance'").fetchone()
            return None if row is None else str(row[0])
        finally:
            connection.close()
    except apsw.Error as ex:
        raise StartError(f"cannot use the database {path}: {_reason(ex)}") from ex


def _open_for_writing(path: Path) -> apsw.Connection:
    """The read-write connection; a file that does not exist is made.

    Raises:
        StartError: the file cannot be written.
    """
    try:
        connection = apsw.Connection(str(path))
        connection.set_busy_timeout(BUSY_MS)
        connection.pragma("auto_vacuum", "incremental")  # Takes effect on a new file only.
        connection.pragma("journal_mode", "wal")
        connection.pragma("synchronous", "full")
        connection.pragma("foreign_keys", True)
        connection.pragma("journal_size_limit", 64 * 2**20)
        connection.pragma("temp_store", "memory")
        connection.pragma("trusted_schema", False)
        connection.pragma("cell_size_check", True)
    except apsw.Error as ex:
        raise StartError(f"cannot use the database {path}: {_reason(ex)}") from ex
    return connection


def _reason(ex: apsw.Error) -> str:
    if isinstance(ex, apsw.NotADBError | apsw.CorruptError):
        return "it is damaged or not a database; restore it from a backup"
    return str(ex)


class Store:
    """The database of one data folder, open."""

    def __init__(self, path: Path, backups: Path) -> None:
        """Open and migrate.

        Raises:
            StartError: the database cannot be used as it is; it is left as it was.
        """
        self._connections = _Connections(path)
        models.DATABASE.initialize(self._connections)
        self._jobs: SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = SimpleQueue()
        self._opening: Future[None] = Future()
        self._closing = threading.Lock()
        self._is_closed = False
        self._writer = threading.Thread(
            target=self._write_until_closed, args=(backups,), name="writer", daemon=True
        )
        self._writer.start()
        self._opening.result()

    def write(self, change: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a function in the writer's transaction; return once it is committed.

        Raises:
            StorageError: the database cannot take it now; nothing was changed.
            Exception: whatever the function raised; nothing it did was kept.
        """
        answer: Future[T] = Future()
        with self._closing:
            if self._is_closed:
                raise StorageError("the database is closed")
            self._jobs.put((lambda: change(*args, **kwargs), answer))
        return answer.result()

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Read one unchanging picture of the database on this thread; keep it short.

        Raises:
            StorageError: the database cannot be read now.
        """
        if self._is_closed:
            raise StorageError("the database is closed")
        with _storage_errors():
            self._connections.connect(reuse_if_open=True)
            with self._connections.atomic():
                yield

    def is_writing(self) -> bool:
        """Whether the writer is there to take changes."""
        return self._writer.is_alive()

    def close(self) -> None:
        """Finish what was handed in, checkpoint, and close every connection; twice is fine."""
        with self._closing:
            self._is_closed = True
            self._jobs.put(None)
        self._writer.join()

    # --- the writer's thread -------------------------------------------------------------------

    def _write_until_closed(self, backups: Path) -> None:
        self._connections.writer_thread = threading.get_ident()
        try:
            self._connections.connect()
            migrations.migrate(self._connections.raw(), backups)
        except BaseException as ex:
            self._connections.close()
            self._opening.set_exception(ex)
            return
        self._opening.set_result(None)
        while (jobs := self._next_jobs()) is not None:
            self._commit(jobs)
        self._connections.close_readers()
        try:
            self._connections.raw().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except apsw.Error as ex:
            log.error("store.no_checkpoint", extra=about(error=ex))  # The next start makes it.
        self._connections.close()

    def _next_jobs(self) -> list[tuple[Callable[[], Any], Future[Any]]] | None:
        """All jobs that wait, at least one; None when the store is to close."""
        first = self._jobs.get()
        if first is None:
            return None
        jobs = [first]
        with contextlib.suppress(Empty):
            while len(jobs) < GROUP:
                job = self._jobs.get_nowait()
                if job is None:
                    self._jobs.put(None)
                    break
                jobs.append(job)
        return jobs

    def _commit(self, jobs: list[tuple[Callable[[], Any], Future[Any]]]) -> None:
        """Run jobs in one transaction. A job that raises loses only its own changes."""
        answers: list[tuple[Future[Any], Any, BaseException | None]] = []
        try:
            with _storage_errors(), self._connections.atomic("IMMEDIATE"):
                for job, answer in jobs:
                    try:
                        with _storage_errors(), self._connections.savepoint():
                            result = job()
                    except StorageError:
                        raise
                    except BaseException as ex:
                        answers.append((answer, None, ex))
                    else:
                        answers.append((answer, result, None))
        except Exception as ex:
            log.error("store.write_failed", extra=about(jobs=len(jobs), error=ex))
            for _, answer in jobs:
                answer.set_exception(ex)
            return
        for answer, result, error in answers:
            if error is None:
                answer.set_result(result)
            else:
                answer.set_exception(error)


@contextlib.contextmanager
def _storage_errors() -> Iterator[None]:
    """Turn the database's own failures into ours; a wrong statement stays what it is."""
    try:
        yield
    except (peewee.PeeweeException, apsw.Error) as ex:
        if failure := _own_failure(ex):
            raise StorageError(f"the database is not available: {failure}") from ex
        raise


def _own_failure(ex: BaseException | None) -> BaseException | None:
    """The failure of disk or file behind an error, if there is one.

    A full disk ends the transaction by itself; what peewee then raises is that its roll-back
    found none, with the real reason as its context.
    """
    while ex is not None:
        for failure in (ex, *ex.args):
            if isinstance(failure, _OUT_OF_ORDER):
                return failure
        ex = ex.__cause__ or ex.__context__
    return None


def sqlite_version() -> str:
    """The version of the SQLite library in use."""
    return apsw.sqlite_lib_version()


def instance_id() -> str:
    """The id made with this database; read inside `reading()` or `write()`."""
    return str(models.Meta.get_by_id("instance").value)
