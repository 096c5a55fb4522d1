"""Disks that fail or are full, files that are locked or damaged: what is refused, what goes on."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from tests.conftest import WaitUntil
from tests.shaky import SYNC, WRITE, Plan, full, shaky_disk, with_code
from tests.unit.store.test_database import Hold, held_by_another_process, names, pragma, put
from uptimehunt.errors import StartError, StorageError
from uptimehunt.store import backup, database, models, trouble
from uptimehunt.store.database import Store
from uptimehunt.store.models import Meta, Project
from uptimehunt.store.reserve import Reserve
from uptimehunt.store.trouble import Kind, Troubles


@pytest.fixture
def tmp_path(memory_path: Path) -> Path:
    """What outlasts a power cut is reckoned, not tried."""
    return memory_path


@pytest.fixture
def disk() -> Iterator[Plan]:
    with shaky_disk() as plan:
        yield plan


@pytest.fixture
def shaky(disk: Plan, tmp_path: Path) -> Iterator[Store]:
    """A database on a disk that fails when it is told to."""
    with contextlib.closing(Store(tmp_path / "a.db", tmp_path / "backups")) as opened:
        yield opened
        disk.heal()


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if "storage." in record.message]


# --- errors of the disk ------------------------------------------------------------------------


def put_both(name: str) -> None:
    """Two rows in one change, so large that it takes several pages."""
    put(f"{name} left", "x" * 3000)
    put(f"{name} right", "x" * 6000)


def write_some(store: Store) -> set[str]:
    """Make ten changes; those that were acknowledged."""
    acknowledged = set()
    for number in range(10):
        with contextlib.suppress(StorageError):
            store.write(put_both, f"n{number}")
            acknowledged.add(f"n{number}")
    return acknowledged


def left_by_a_crash(file: Path) -> dict[str, bytes]:
    """The files of a database as they are, by name; its index is not one that would be used."""
    parts = (file, file.with_name(file.name + "-wal"))
    return {part.name: part.read_bytes() for part in parts if part.exists()}


def names_in(left: dict[str, bytes], folder: Path) -> set[str]:
    """What is in what a crash left of a database, which must be sound."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, content in left.items():
        (folder / name).write_bytes(content)
    with contextlib.closing(apsw.Connection(str(folder / "a.db"), vfs="unix")) as connection:
        assert connection.pragma("integrity_check") == "ok"
        return {str(row[0]) for row in connection.execute("SELECT name FROM meta")} - {"instance"}


def kept(left: dict[str, bytes], folder: Path) -> set[str]:
    """The changes in it; they must be there whole or not at all."""
    rows = names_in(left, folder)
    sides = [{row.split()[0] for row in rows if row.endswith(end)} for end in ("left", "right")]
    assert sides[0] == sides[1]
    return sides[0]


@pytest.mark.parametrize(
    ("operations", "lasts", "is_torn"),
    [({SYNC}, 1, False), ({WRITE}, 1, False), ({WRITE}, 4, True), ({WRITE, SYNC}, None, True)],
    ids=["a sync", "a write", "torn writes", "everything from then on"],
)
def test_whichever_call_fails_nothing_acknowledged_is_lost_and_nothing_is_half_there(
    disk: Plan, tmp_path: Path, operations: set[str], lasts: int | None, is_torn: bool
) -> None:
    disk.is_torn = is_torn
    made = tmp_path / "made.db"
    Store(made, tmp_path).close()
    refused = 0
    for first in range(1, 31):
        file = tmp_path / str(first) / "a.db"
        file.parent.mkdir()
        shutil.copy(made, file)
        store = Store(file, file.parent / "backups")
        pragma(store, "wal_autocheckpoint", 10)  # So that the database itself is written, too.

        disk.fail(operations, first, None if lasts is None else first + lasts - 1)
        acknowledged = write_some(store)

        lefts = [left_by_a_crash(file), disk.left_by_a_power_cut(file)]
        disk.heal()
        store.write(put_both, "after")
        lefts_at_last = [left_by_a_crash(file), disk.left_by_a_power_cut(file)]
        store.close()
        for left in lefts:
            assert acknowledged <= kept(left, tmp_path / "copy")
        for left in [*lefts_at_last, left_by_a_crash(file)]:
            assert acknowledged | {"after"} <= kept(left, tmp_path / "copy")
        refused += len(acknowledged) < 10
    assert refused >= 20


def test_after_an_error_the_connection_is_another_and_set_up_alike(
    disk: Plan, shaky: Store
) -> None:
    before = shaky.write(models.DATABASE.connection)

    disk.fail({SYNC}, last=1)
    with pytest.raises(StorageError):
        shaky.write(put, "a")

    assert shaky.write(models.DATABASE.connection) is not before
    assert pragma(shaky, "synchronous") == 2
    assert pragma(shaky, "foreign_keys") == 1
    assert names(shaky) == set()


def test_while_the_disk_fails_reading_goes_on_and_it_is_told_once(
    disk: Plan, shaky: Store, caplog: pytest.LogCaptureFixture
) -> None:
    shaky.write(put, "before")
    disk.fail({WRITE, SYNC})

    for _ in range(5):
        with pytest.raises(StorageError):
            shaky.write(put, "a")
        assert names(shaky) == {"before"}
        assert not shaky.is_well()

    disk.heal()
    shaky.write(put, "after")
    assert shaky.is_well()
    assert names(shaky) == {"before", "after"}
    assert events(caplog) == ["storage.failing"]


def test_a_disk_that_fails_at_the_start_is_told_in_one_sentence(disk: Plan, tmp_path: Path) -> None:
    disk.fail({WRITE})

    with pytest.raises(StartError, match=r"cannot use the database .*a\.db"):
        Store(tmp_path / "a.db", tmp_path / "backups")


class Clock:
    """A monotonic clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def now() -> Clock:
    return Clock()


@pytest.fixture
def troubles(tmp_path: Path, now: Clock) -> Troubles:
    return Troubles(tmp_path, now)


def test_a_disk_is_given_up_only_when_nothing_was_kept_for_a_long_time(
    troubles: Troubles, now: Clock
) -> None:
    def fail_for(seconds: float) -> bool:
        troubles.write_failed(Kind.FAILING, apsw.IOError())
        now.now += seconds
        troubles.write_failed(Kind.FAILING, apsw.IOError())
        return troubles.is_lost()

    assert not fail_for(trouble.GIVE_UP_S - 1)
    troubles.wrote(has_room=True)
    assert not fail_for(trouble.GIVE_UP_S - 1)
    assert fail_for(1)


@pytest.mark.parametrize("kind", [Kind.FULL, Kind.LOCKED, Kind.READ_ONLY, Kind.DAMAGED])
def test_what_a_new_start_would_not_mend_is_never_given_up(
    troubles: Troubles, now: Clock, kind: Kind
) -> None:
    troubles.write_failed(kind, apsw.Error())
    now.now += 10 * trouble.GIVE_UP_S
    troubles.write_failed(kind, apsw.Error())

    assert not troubles.is_lost()


def test_a_trouble_that_comes_and_goes_is_told_once_until_it_stays_away(
    troubles: Troubles, now: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(100):
        troubles.write_failed(Kind.FULL, apsw.FullError())
        now.now += trouble.QUIET_S / 2
        troubles.wrote(has_room=True)
    assert events(caplog) == ["storage.full"]

    now.now += trouble.QUIET_S
    troubles.wrote(has_room=False)
    assert events(caplog) == ["storage.full"]
    troubles.wrote(has_room=True)
    troubles.wrote(has_room=True)
    assert events(caplog) == ["storage.full", "storage.well"]


def test_reading_on_the_wrong_side_is_no_trouble(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(StorageError), store.reading():
        put("a")

    assert events(caplog) == []
    assert store.is_well()


# --- a full disk -------------------------------------------------------------------------------


def test_on_a_full_disk_the_reserve_is_given_back_and_the_change_is_kept(
    disk: Plan, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reserve = Reserve(tmp_path, size=64 * 1024)
    file = tmp_path / "a.db"
    with contextlib.closing(Store(file, tmp_path / "backups", reserve)) as store:
        assert reserve.path.stat().st_size == 64 * 1024
        is_full = reserve.path.exists
        disk.fail({WRITE}, error=full, last=1)

        store.write(put_both, "a")

        assert not is_full()
        assert kept(left_by_a_crash(file), tmp_path / "copy") == {"a"}
        assert store.is_short()
        assert store.is_well()
        assert events(caplog) == ["storage.full"]


def test_when_even_the_reserve_is_not_enough_all_is_refused_and_told_once(
    disk: Plan, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "a.db"
    reserve = Reserve(tmp_path, size=64 * 1024)
    with contextlib.closing(Store(file, tmp_path / "backups", reserve)) as store:
        disk.fail({WRITE}, error=full)

        assert write_some(store) == set()

        assert not store.is_well()
        disk.heal()
        assert len(write_some(store)) == 10
        assert events(caplog) == ["storage.full"]


@pytest.mark.parametrize("code", [apsw.SQLITE_IOERR_SHMSIZE])
def test_an_index_that_cannot_grow_is_a_full_disk(code: int) -> None:
    error = with_code(apsw.IOError(), code)

    assert trouble.kind_of(error) is Kind.FULL


# --- locked ------------------------------------------------------------------------------------


def test_only_the_first_change_waits_long_for_another_program(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store.write(lambda: models.DATABASE.connection().set_busy_timeout(50))

    with held_by_another_process(tmp_path / "uptimehunt.db"):
        for _ in range(2):
            with pytest.raises(StorageError):
                store.write(put, "early")
        assert names(store) == set()
        assert not store.is_well()

    store.write(put, "late")
    assert names(store) == {"late"}
    assert pragma(store, "busy_timeout") == backup.BUSY_MS
    assert events(caplog) == ["storage.locked"]


# --- damaged -----------------------------------------------------------------------------------


def damage(file: Path, table: str) -> None:
    """Overwrite the page at which a table begins."""
    with contextlib.closing(apsw.Connection(str(file))) as connection:
        found = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,))
        ((page,),) = found.fetchall()
        size = int(str(connection.pragma("page_size")))
    with open(file, "r+b") as pages:
        pages.seek((int(str(page)) - 1) * size)
        pages.write(b"\xff" * size)


@pytest.fixture
def damaged(tmp_path: Path) -> Iterator[Store]:
    """A database of which the table of projects became unreadable while nobody looked."""
    file, backups = tmp_path / "a.db", tmp_path / "backups"
    Store(file, backups).close()
    damage(file, "project")
    backups.mkdir()
    (backups / "newest.db").write_bytes(b"")
    with contextlib.closing(Store(file, backups)) as opened:
        yield opened


def read_projects() -> int:
    return Project.select().where(Project.name == "a").count()


def test_what_is_damaged_is_refused_the_rest_goes_on_and_the_log_names_a_backup(
    damaged: Store, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        with pytest.raises(StorageError), damaged.reading():
            read_projects()
        with pytest.raises(StorageError):
            damaged.write(read_projects)

    damaged.write(put, "a")
    assert names(damaged) == {"a"}
    assert not damaged.is_well()
    (told,) = (record for record in caplog.records if record.message.startswith("storage."))
    assert told.message == "storage.damaged"
    assert "newest.db" in vars(told)["facts"]["advice"]


def test_who_shares_a_commit_with_what_is_damaged_is_not_refused(
    damaged: Store, wait_until: WaitUntil
) -> None:
    with Hold(damaged) as hold:
        hold.write("before", lambda: put("before"))
        wait_until(lambda: damaged._jobs.qsize() == 1)
        hold.write("damaged", read_projects)
        wait_until(lambda: damaged._jobs.qsize() == 2)
        hold.write("after", lambda: put("after"))
        wait_until(lambda: damaged._jobs.qsize() == 3)

    assert isinstance(hold.answers["damaged"], StorageError)
    assert names(damaged) == {"before", "after"}


def unclean(file: Path) -> None:
    """Leave a database as a crash does, with what was written last in its log alone."""
    with contextlib.closing(Store(file, file.parent / "backups")) as store:
        store.write(put, "a")
        aside = file.parent / "aside"
        aside.mkdir()
        for part in (file, file.with_name("a.db-wal")):
            shutil.copy(part, aside)
    for part in aside.iterdir():
        shutil.copy(part, file.parent)


def test_a_log_that_is_none_is_refused_and_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    file = tmp_path / "a.db"
    unclean(file)
    file.with_name("a.db-wal").write_bytes(b"garbage" * 1000)

    with pytest.raises(StartError, match=r"the log .*a\.db-wal .* damaged; restore it from"):
        database.examine(file, tmp_path / "backups")


@pytest.mark.parametrize("content", [b"", b"\0" * 4096], ids=["empty", "zeros"])
def test_a_log_that_a_power_cut_left_unwritten_is_an_empty_one(
    tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "a.db"
    Store(file, tmp_path / "backups").close()
    file.with_name("a.db-wal").write_bytes(content)

    assert database.examine(file, tmp_path / "backups") is not None


def test_a_log_whose_end_is_torn_is_good_up_to_there(tmp_path: Path) -> None:
    file = tmp_path / "a.db"
    unclean(file)
    log = file.with_name("a.db-wal")
    log.write_bytes(log.read_bytes() + b"\xff" * 2000)

    assert database.examine(file, tmp_path / "backups") is not None
    with contextlib.closing(Store(file, tmp_path / "backups")) as store:
        assert names(store) == {"a"}


def test_a_lost_log_leaves_the_database_of_before_or_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.db"
    Store(file, tmp_path / "backups").close()
    unclean(file)
    file.with_name("a.db-wal").unlink()

    found = database.examine(file, tmp_path / "backups")

    with contextlib.closing(Store(file, tmp_path / "backups")) as store, store.reading():
        assert database.instance_id() == found
        assert Meta.select().count() == 1


def test_what_was_settled_does_not_need_the_log(tmp_path: Path) -> None:
    file = tmp_path / "a.db"
    with contextlib.closing(Store(file, tmp_path / "backups")) as store:
        store.write(put, "settled")
        store.settle()
        store.write(put, "later")
        without_log = {"a.db": left_by_a_crash(file)["a.db"]}

    assert names_in(without_log, tmp_path / "copy") == {"settled"}


@pytest.mark.parametrize("suffix", ["", ".tmp"])
def test_the_backup_to_restore_is_the_newest_whole_one(tmp_path: Path, suffix: str) -> None:
    assert trouble.advice(tmp_path / "nowhere") == "restore it from a backup"
    for number, name in enumerate(["b.db", "a.db", f"c.db{suffix}"]):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (number, number))

    newest = tmp_path / ("a.db" if suffix else "c.db")
    assert trouble.advice(tmp_path) == f"restore it from {newest}"
