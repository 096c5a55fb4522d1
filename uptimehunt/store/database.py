"""The open database: one writer, many readers, and nobody else.

One thread owns the only read-write connection, and alone checkpoints. Whoever wants to change
something hands it a function (`Store.write`); functions that wait at the same moment share one
commit, each inside its own savepoint. Every other thread reads through its own connection, which
cannot write (`Store.reading`). So no write ever waits for a lock, and none can forget to.

In trouble (`trouble.py`) a change is refused and reading goes on:

* a full disk gets the reserve back and the change another try;
* after an error of the disk the connection is not used again. A sync that failed is never asked
  for once more on the same one: the system may by then have dropped what it could not write;
* while another program holds the database, only the first change waits long;
* what is damaged is refused to those who need it, and to nobody who happens to share their commit.
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

from uptimehunt import clock
from uptimehunt.errors import StartError, StorageError
from uptimehunt.logs import about
from uptimehunt.store import backup, migrations, models, trouble
from uptimehunt.store.reserve import Reserve
from uptimehunt.store.trouble import Kind, Troubles

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

IMPATIENT_MS = 500
"""For how long to wait for whom the last change has waited in vain."""

GROUP = 200
"""The most jobs that share one commit."""

CHECKED_AT_START = 100 * 2**20
"""Bytes up to which the whole file is checked at start; beyond, only its header and schema."""

LOOK_EVERY_S = 10.0
"""How often to look whether there is room for the reserve again."""

_Job = tuple[Callable[[], Any], Future[Any]]


class _Connections(APSWDatabase):  # type: ignore[misc]  # playhouse has no types
    """peewee's database with one connection a thread: read-write on the writer's, else not."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), autoconnect=False)
        self.writer_thread: int | None = None
        self._next_writer: apsw.Connection | None = None
        self._opened: list[apsw.Connection] = []
        self._opened_lock = threading.Lock()

    def get_binary_type(self) -> type[bytes]:
        """What bytes are handed over as; peewee would ask the library of Python for it."""
        return bytes

    def _connect(self) -> apsw.Connection:
        if threading.get_ident() == self.writer_thread:
            opened, self._next_writer = self._next_writer, None
            return opened or _open_for_writing(Path(self.database))
        connection = apsw.Connection(self.database, flags=apsw.SQLITE_OPEN_READONLY)
        connection.set_busy_timeout(backup.BUSY_MS)
        connection.pragma("query_only", True)
        connection.pragma("trusted_schema", False)
        with self._opened_lock:
            self._opened.append(connection)
        return connection

    def raw(self) -> apsw.Connection:
        """This thread's connection, without peewee around it."""
        connection: apsw.Connection = self.connection()
        return connection

    def renew_writer(self) -> None:
        """Give the writer another connection.

        The new one is opened before the old one is closed, so that at no moment there is none:
        else the next would recover the log, and take what could not be synced for committed.

        Raises:
            StartError: none can be opened; the old one stays, not to be used.
        """
        self._next_writer = _open_for_writing(Path(self.database))
        self.hang_up()
        self.connect()

    def hang_up(self) -> None:
        """Close this thread's connection, even when the disk fails at that, too."""
        try:
            self.close()
        except (peewee.PeeweeException, apsw.Error) as ex:
            log.warning("store.not_closed", extra=about(error=ex))  # It is out of use all the same.

    def close_readers(self) -> None:
        with self._opened_lock:
            while self._opened:
                self._opened.pop().close()


def examine(path: Path, backups: Path | None = None) -> str | None:
    """Look at a database file without changing a byte of it, before it is opened.

    Args:
        path: the database.
        backups: the folder of its backups, to name the one to restore.

    Returns:
        the instance id in it; None when there is no file yet, or nothing in it.

    Raises:
        StartError: it is damaged, another program's, or made by a newer UptimeHunt.
    """
    if not path.exists() or path.stat().st_size == 0:
        return None
    _refuse_broken_log(path.with_name(path.name + "-wal"), backups)
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            if path.stat().st_size <= CHECKED_AT_START:
                verdict = connection.execute("PRAGMA quick_check(1)").fetchone()
                if verdict != ("ok",):
                    found = "" if verdict is None else " ".join(str(verdict[0]).split())
                    raise StartError(
                        f"the database {path} is damaged ({found}); {_advice(backups)}"
                    )
            if not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
                return None
            migrations.refuse_foreign(connection)
            row = connection.execute("SELECT value FROM meta WHERE name = 'instance'").fetchone()
            return None if row is None else str(row[0])
        finally:
            connection.close()
    except apsw.Error as ex:
        raise StartError(f"cannot use the database {path}: {_reason(ex, backups)}") from ex


_LOG_BEGINS = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
"""The first bytes of a write-ahead log; see "WAL File Format" of SQLite."""


def _refuse_broken_log(path: Path, backups: Path | None) -> None:
    """Refuse a write-ahead log that is none: SQLite would take it for an empty one.

    One that was never synced, and is empty or begins with zeros, is what a power cut may leave.

    Raises:
        StartError: it is damaged, and with it whatever was written last.
    """
    if not path.exists():
        return
    with open(path, "rb") as file:
        begins = file.read(4)
    if begins.strip(b"\0") and begins not in _LOG_BEGINS:
        raise StartError(
            f"the log {path} of the database is damaged; {_advice(backups)}, or remove the log to"
            " go on without what was written last"
        )


@contextlib.contextmanager
def looking_into(path: Path) -> Iterator[None]:
    """Read a database that no `Store` of this process has open, with the models and queries.

    Raises:
        StorageError: it cannot be read now.
    """
    connections = _Connections(path)
    models.DATABASE.initialize(connections)
    with _storage_errors(), connections.connection_context():
        yield


def _open_for_writing(path: Path) -> apsw.Connection:
    """The read-write connection; a file that does not exist is made.

    Raises:
        StartError: the file cannot be written.
    """
    try:
        connection = apsw.Connection(str(path))
        try:
            connection.set_busy_timeout(backup.BUSY_MS)
            connection.pragma("auto_vacuum", "incremental")  # Takes effect on a new file only.
            connection.pragma("journal_mode", "wal")
            connection.pragma("synchronous", "full")
            connection.pragma("foreign_keys", True)
            connection.pragma("journal_size_limit", 64 * 2**20)
            connection.pragma("temp_store", "memory")
            connection.pragma("trusted_schema", False)
            connection.pragma("cell_size_check", True)
        except BaseException:
            connection.close()
            raise
    except apsw.Error as ex:
        raise StartError(f"cannot use the database {path}: {_reason(ex)}") from ex
    return connection


def _reason(ex: apsw.Error, backups: Path | None = None) -> str:
    if trouble.kind_of(ex) is Kind.DAMAGED:
        return f"it is damaged or not a database; {_advice(backups)}"
    return str(ex)


def _advice(backups: Path | None) -> str:
    return "restore it from a backup" if backups is None else trouble.advice(backups)


class Store:
    """The database of one data folder, open."""

    def __init__(
        self,
        path: Path,
        backups: Path,
        reserve: Reserve | None = None,
        lost: Callable[[], None] | None = None,
    ) -> None:
        """Open and migrate.

        Args:
            path: the database.
            backups: the folder of its backups.
            reserve: what to give back when the disk is full.
            lost: told once, on the writer's thread, when the disk has failed for so long that the
                program had better end; `close` then raises. It must not wait for the store.

        Raises:
            StartError: the database cannot be used as it is; it is left as it was.
        """
        self._connections = _Connections(path)
        models.DATABASE.initialize(self._connections)
        self._path = path
        self._reserve = reserve
        self._look_at = clock.monotonic()
        self._lost = lost
        self._troubles = Troubles(backups)
        self._is_to_settle = False
        self._is_suspect = False
        self._patience_ms = backup.BUSY_MS
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
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

    def settle(self) -> None:
        """Bring what was written so far from the log into the database itself.

        SECURITY: for the first account. A database that lost its log (a copy made without it, say)
        is whole, only older; it must not be so old that the next visitor becomes admin.

        Raises:
            StorageError: the database cannot take it now.
        """

        def ask() -> None:
            self._is_to_settle = True

        self.write(ask)

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Read one unchanging picture of the database on this thread; keep it short.

        Raises:
            StorageError: the database cannot be read now.
        """
        if self._is_closed:
            raise StorageError("the database is closed")
        try:
            with _storage_errors():
                self._connections.connect(reuse_if_open=True)
                with self._connections.atomic():
                    yield
        except StorageError as ex:
            failure = trouble.failure_of(ex)
            if failure is not None and (kind := trouble.kind_of(failure)):
                self._troubles.read_failed(kind, failure)
            raise

    def is_writing(self) -> bool:
        """Whether the writer is there to take changes."""
        return self._writer.is_alive()

    def is_well(self) -> bool:
        """Whether changes are kept, and nothing was found damaged."""
        is_refusing = self._troubles.is_refusing() or self._troubles.has(Kind.DAMAGED)
        return self.is_writing() and not is_refusing

    def is_short(self) -> bool:
        """Whether the disk is full, or so full that the reserve is in use.

        Then nothing should be written that nobody would miss.
        """
        return self._troubles.has(Kind.FULL)

    def close(self) -> None:
        """Finish what was handed in, checkpoint, and close every connection; twice is fine.

        Raises:
            StorageError: the disk has failed for so long that it was given up.
        """
        with self._closing:
            self._is_closed = True
            self._jobs.put(None)
        self._writer.join()
        if self._troubles.is_lost():
            raise StorageError(
                f"the disk has failed every change to {self._path} for {trouble.GIVE_UP_S:.0f} s;"
                " look after it, and start again"
            )

    # --- the writer's thread -------------------------------------------------------------------

    def _write_until_closed(self, backups: Path) -> None:
        self._connections.writer_thread = threading.get_ident()
        try:
            self._connections.connect()
            migrations.migrate(self._connections.raw(), backups)
        except BaseException as ex:
            self._connections.hang_up()
            if isinstance(ex, apsw.Error | peewee.PeeweeException) and (
                failure := trouble.failure_of(ex)
            ):
                ex = StartError(f"cannot use the database {self._path}: {_reason(failure)}")
            self._opening.set_exception(ex)
            return
        self._look_after_reserve()
        self._opening.set_result(None)
        while (jobs := self._next_jobs()) is not None:
            self._commit(jobs)
        self._connections.close_readers()
        self._checkpoint("TRUNCATE")
        self._connections.hang_up()

    def _checkpoint(self, how: str) -> None:
        try:
            self._connections.raw().execute(f"PRAGMA wal_checkpoint({how})")
        except apsw.Error as ex:
            log.error("store.no_checkpoint", extra=about(error=ex))  # The next one makes it.

    def _next_jobs(self) -> list[_Job] | None:
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

    def _commit(self, jobs: list[_Job], may_retry: bool = True) -> None:
        """Run jobs in one transaction and answer them. One that raises loses only its own changes.

        Args:
            jobs: what to run.
            may_retry: whether to run them once more when the reserve was given back.
        """
        try:
            answers = self._attempt(jobs)
        except Exception as ex:
            kind = self._note(ex)
            if kind is Kind.FULL and may_retry and self._reserve and self._reserve.give_back():
                self._commit(jobs, may_retry=False)
            elif kind is Kind.DAMAGED and len(jobs) > 1:
                for job in jobs:
                    self._commit([job], may_retry)
            else:
                for _, answer in jobs:
                    answer.set_exception(ex)
            return
        self._be_patient(backup.BUSY_MS)
        if self._is_to_settle:
            self._is_to_settle = False
            self._checkpoint("PASSIVE")
        self._look_after_reserve()
        self._troubles.wrote(self._reserve is None or self._reserve.is_whole)
        for answer, result, error in answers:
            if error is None:
                answer.set_result(result)
            else:
                answer.set_exception(error)

    def _attempt(self, jobs: list[_Job]) -> list[tuple[Future[Any], Any, BaseException | None]]:
        """Run jobs in one transaction: each answer with the result or error that it is to have.

        Raises:
            StorageError: the database cannot take it now; nothing was changed.
        """
        answers: list[tuple[Future[Any], Any, BaseException | None]] = []
        self._be_sound()
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
        return answers

    def _be_sound(self) -> None:
        """Have a connection that no error of the disk went through.

        Raises:
            StorageError: there is none to be had.
        """
        if not self._is_suspect:
            return
        try:
            self._connections.renew_writer()
        except StartError as ex:
            raise StorageError(str(ex)) from ex
        self._is_suspect = False
        self._patience_ms = backup.BUSY_MS

    def _be_patient(self, milliseconds: int) -> None:
        if milliseconds != self._patience_ms:
            self._connections.raw().set_busy_timeout(milliseconds)
            self._patience_ms = milliseconds

    def _note(self, ex: Exception) -> Kind | None:
        """Take in why a commit failed; the kind of trouble it is, if it is one."""
        failure = trouble.failure_of(ex)
        connection = self._connections.raw()
        kind = trouble.kind_of(failure, connection.system_errno) if failure else None
        if failure is None or kind is None:
            log.error("store.write_failed", extra=about(error=ex))
            return None
        if isinstance(failure, apsw.IOError) or not connection.get_autocommit():
            self._is_suspect = True
        if kind is Kind.LOCKED:
            self._be_patient(IMPATIENT_MS)
        self._troubles.write_failed(kind, failure)
        if self._lost and self._troubles.is_lost():
            log.critical("storage.lost", extra=about(error=failure))
            self._lost()
            self._lost = None
        return kind

    def _look_after_reserve(self) -> None:
        """Make the reserve, or make it again once there is room."""
        if self._reserve is not None and clock.monotonic() >= self._look_at:
            self._look_at = clock.monotonic() + LOOK_EVERY_S
            self._reserve.make()


@contextlib.contextmanager
def _storage_errors() -> Iterator[None]:
    """Turn the database's own failures into ours; a wrong statement stays what it is."""
    try:
        yield
    except (peewee.PeeweeException, apsw.Error) as ex:
        if failure := trouble.failure_of(ex):
            raise StorageError(f"the database is not available: {failure}") from ex
        raise


def give_space_back(pages: int = 200) -> bool:
    """Shorten the file by some of its free pages; whether there is more to do. In `Store.write`.

    Nothing while less than a tenth of it is free: what goes today is filled again tomorrow.
    """
    connection = models.DATABASE.connection()
    if connection.pragma("freelist_count") * 10 < connection.pragma("page_count"):
        return False
    connection.execute(f"PRAGMA incremental_vacuum({pages:d})").fetchall()
    return True


def sqlite_version() -> str:
    """The version of the SQLite library in use."""
    return apsw.sqlite_lib_version()


def instance_id() -> str:
    """The id made with this database; read inside `reading()` or `write()`."""
    return str(models.Meta.get_by_id("instance").value)
