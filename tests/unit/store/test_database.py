"""One writer, many readers, on a real file."""

import contextlib
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import peewee
import pytest

from tests.conftest import WaitUntil
from uptimehunt.errors import StartError, StorageError
from uptimehunt.store import backup, database, models
from uptimehunt.store.database import Store
from uptimehunt.store.models import Meta


def put(name: str, value: str = "") -> str:
    Meta.create(name=name, value=value)
    return name


def names(store: Store) -> set[str]:
    with store.reading():
        return {row.name for row in Meta.select()} - {"instance"}


def pragma(store: Store, name: str, value: int | None = None) -> Any:
    """Read or set a pragma of the writer's connection."""
    statement = f"PRAGMA {name}" if value is None else f"PRAGMA {name} = {value}"
    return store.write(lambda: models.DATABASE.execute_sql(statement).fetchone()[0])


class Hold:
    """Keeps the writer busy, so that what is handed in meanwhile shares one commit."""

    def __init__(self, store: Store) -> None:
        self._is_held, self._go = threading.Event(), threading.Event()
        self._threads: list[threading.Thread] = []
        self._store = store
        self.answers: dict[str, Any] = {}

    def write(self, name: str, change: Callable[[], Any]) -> None:
        """Hand a change in from a thread of its own; what became of it is in `answers`."""

        def run() -> None:
            try:
                self.answers[name] = self._store.write(change)
            except Exception as ex:
                self.answers[name] = ex

        thread = threading.Thread(target=run)
        self._threads.append(thread)
        thread.start()

    def __enter__(self) -> "Hold":
        def wait() -> None:
            self._is_held.set()
            self._go.wait()

        self.write("hold", wait)
        self._is_held.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._go.set()
        for thread in self._threads:
            thread.join()


def test_what_is_written_is_there_when_the_call_returns(store: Store) -> None:
    assert store.write(put, "a", value="1") == "a"

    assert names(store) == {"a"}


def test_a_change_that_fails_keeps_nothing_of_itself(store: Store) -> None:
    def fail() -> None:
        put("half")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        store.write(fail)

    assert names(store) == set()
    store.write(put, "after")
    assert names(store) == {"after"}


def test_in_one_commit_only_the_failing_change_is_lost(store: Store, wait_until: WaitUntil) -> None:
    def fail() -> None:
        put("half")
        put("instance")  # A name that is taken.

    with Hold(store) as hold:
        for number in range(5):
            hold.write(f"good {number}", lambda number=number: put(f"good {number}"))  # type: ignore[misc]
        hold.write("bad", fail)
        wait_until(lambda: store._jobs.qsize() == 6)

    assert names(store) == {f"good {number}" for number in range(5)}
    assert isinstance(hold.answers["bad"], peewee.IntegrityError)
    assert all(hold.answers[f"good {number}"] == f"good {number}" for number in range(5))


def test_a_reader_sees_one_picture_however_long_it_looks(store: Store) -> None:
    store.write(put, "before")

    with store.reading():
        first = Meta.select().count()
        store.write(put, "meanwhile")
        second = Meta.select().count()

    assert first == second
    assert names(store) == {"before", "meanwhile"}


def test_a_reader_cannot_write(store: Store) -> None:
    with pytest.raises(StorageError), store.reading():
        put("a")
    with pytest.raises(StorageError), store.reading():
        models.DATABASE.execute_sql("PRAGMA user_version = 9")

    assert names(store) == set()


def test_who_forgets_to_say_that_they_read_is_told(tmp_path: Path) -> None:
    opened = contextlib.closing(Store(tmp_path / "a.db", tmp_path))
    with opened, pytest.raises(peewee.InterfaceError):
        Meta.select().count()


def test_a_wrong_statement_is_no_failure_of_the_disk(store: Store) -> None:
    with pytest.raises(peewee.OperationalError), store.reading():
        models.DATABASE.execute_sql("SELECT * FROM nowhere")
    with pytest.raises(peewee.OperationalError):
        store.write(lambda: models.DATABASE.execute_sql("SELECT * FROM nowhere"))


def test_readings_nest(store: Store) -> None:
    with store.reading(), store.reading():
        assert database.instance_id()


def test_many_threads_write_and_read_at_once(store: Store) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(10):
                store.write(put, f"{number} {turn}")
                assert f"{number} {turn}" in names(store)
        except BaseException as ex:
            failures.append(ex)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert len(names(store)) == 160


def test_what_counts_is_increased_by_everybody_exactly_once(store: Store) -> None:
    store.write(put, "count", "0")

    def increase() -> None:
        row = Meta.get_by_id("count")
        row.value = str(int(row.value) + 1)
        row.save()

    threads = [threading.Thread(target=store.write, args=(increase,)) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with store.reading():
        assert Meta.get_by_id("count").value == "40"


# --- a disk that is full, a file that fails -----------------------------------------------------


def fill(store: Store) -> None:
    """Let the database have no page more than it has."""
    pragma(store, "max_page_count", 1)


def test_a_full_disk_is_said_so_and_everything_goes_on_when_it_is_not(store: Store) -> None:
    store.write(put, "before")
    fill(store)

    for _ in range(3):
        with pytest.raises(StorageError, match="not available"):
            store.write(put, "big", "x" * 200_000)
        assert names(store) == {"before"}
        assert store.is_writing()

    pragma(store, "max_page_count", 2**30)
    store.write(put, "big", "x" * 200_000)
    assert names(store) == {"before", "big"}


def test_a_full_disk_refuses_all_that_shared_the_commit(
    store: Store, wait_until: WaitUntil
) -> None:
    fill(store)

    with Hold(store) as hold:
        hold.write("small", lambda: put("small"))
        hold.write("big", lambda: put("big", "x" * 200_000))
        hold.write("other", lambda: put("other"))
        wait_until(lambda: store._jobs.qsize() == 3)

    assert isinstance(hold.answers["big"], StorageError)
    acknowledged = {name for name in ("small", "other") if hold.answers[name] == name}
    assert names(store) == acknowledged


_HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def held_by_another_process(file: Path) -> Iterator[None]:
    """Keep the write lock; a lock of this very process would not keep our own writer out."""
    command = [sys.executable, "-c", _HOLDER, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield


def test_a_database_that_somebody_else_holds_is_waited_for(store: Store, tmp_path: Path) -> None:
    done: list[str] = []
    thread = threading.Thread(target=lambda: done.append(store.write(put, "late")))
    with held_by_another_process(tmp_path / "uptimehunt.db"):
        thread.start()
        assert names(store) == set()
    thread.join()

    assert done == ["late"]


# --- open and close ----------------------------------------------------------------------------


def test_what_is_handed_in_after_the_end_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path / "a.db", tmp_path)
    store.close()

    with pytest.raises(StorageError, match="closed"):
        store.write(put, "a")
    with pytest.raises(StorageError), store.reading():
        Meta.select().count()
    assert not store.is_writing()
    store.close()


def test_closing_finishes_what_was_handed_in_and_leaves_one_file(tmp_path: Path) -> None:
    store = Store(tmp_path / "a.db", tmp_path / "backups")
    threads = [threading.Thread(target=store.write, args=(put, f"n{n}")) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    store.close()

    assert [path.name for path in tmp_path.iterdir()] == ["a.db"]
    again = Store(tmp_path / "a.db", tmp_path / "backups")
    assert len(names(again)) == 20
    again.close()


def test_the_writer_is_set_up_to_lose_nothing(store: Store) -> None:
    expected = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "auto_vacuum": 2,
                "trusted_schema": 0}  # fmt: skip

    assert {name: pragma(store, name) for name in expected} == expected


@pytest.mark.parametrize(
    "content",
    [
        b"no database at all, but long enough to be one" * 100,
        b"SQLite format 3\0" * 512,
        b"SQLite format 3\0",
    ],
    ids=["text", "header again and again", "header alone"],
)
def test_a_file_that_is_no_database_is_refused_and_left_alone(
    tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "a.db"
    file.write_bytes(content)

    with pytest.raises(StartError, match=r"a\.db"):
        database.examine(file)

    assert file.read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["a.db"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="nowhere"):
        Store(tmp_path / "nowhere" / "a.db", tmp_path)


def test_each_database_has_an_id_of_its_own(tmp_path: Path) -> None:
    ids = set()
    for name in ("a.db", "b.db"):
        with contextlib.closing(Store(tmp_path / name, tmp_path)) as store, store.reading():
            ids.add(database.instance_id())

    assert len(ids) == 2


def test_the_library_is_one_whose_log_is_safe_with_many_connections() -> None:
    # SQLite before 3.51.3 could lose pages when one connection wrote as another checkpointed.
    assert tuple(map(int, database.sqlite_version().split("."))) >= (3, 51, 3)
    assert database.sqlite_version() == apsw.sqlite_lib_version()


def test_a_backup_is_whole_and_readable_by_its_owner_alone(store: Store, tmp_path: Path) -> None:
    store.write(put, "a")
    target = tmp_path / "backups" / "copy.db"
    with contextlib.closing(apsw.Connection(str(tmp_path / "uptimehunt.db"))) as connection:
        backup.snapshot(connection, target)

    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert [path.name for path in target.parent.iterdir()] == ["copy.db"]
    with contextlib.closing(sqlite3.connect(target)) as copy:
        assert ("a", "") in copy.execute("SELECT name, value FROM meta").fetchall()
