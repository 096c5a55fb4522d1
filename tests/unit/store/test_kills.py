"""A backup, a restore and a migration that are killed: afterwards it is the old or the new."""

import contextlib
import itertools
import os
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

from tests import builders, killed
from tests.killed import Killer
from uptimehunt.store import backup, database, merging, migrations, models, queries
from uptimehunt.store.database import Store
from uptimehunt.store.datadir import DataDir
from uptimehunt.store.queries import Wanted

ROWS = 500
KILLS = 25


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """Opening a data folder sets the mask of the whole process; give ours back."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def tmp_path(memory_path: Path) -> Path:
    """What a killed process wrote is there without any disk."""
    return memory_path


@pytest.fixture
def killer(tmp_path: Path) -> Iterator[Killer]:
    with killed.killer(tmp_path / "errors") as made:
        yield made


def start(folder: Path) -> tuple[str, str, int]:
    """Start and stop as the server does; the instance of the database, its mark, its rows."""
    data = DataDir(folder)
    try:
        data.refuse_lost_database(database.examine(data.database))
        data.take_over()
        with contextlib.closing(Store(data.database, data.backups)) as store, store.reading():
            instance = database.instance_id()
            data.tie(instance)
            marks = {row.name: row.value for row in models.Meta.select()}
            return instance, marks.pop("mark", ""), len(marks) - 1
    finally:
        data.close()


def filled(folder: Path, rows: int = ROWS) -> str:
    """A data folder with a database of some size; its instance id."""
    start(folder)
    with contextlib.closing(apsw.Connection(str(folder / "uptimehunt.db"))) as connection:
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO meta VALUES (?, ?)", ((f"row {n}", str(n) * 200) for n in range(rows))
        )
        connection.execute("COMMIT")
    instance, _, found = start(folder)
    assert found == rows
    return instance


def kills(run: Callable[..., bool], prepare: Callable[[], object], seed: int) -> Iterator[bool]:
    """Kill something at each of its steps, and then at `KILLS` moments; whether it got done."""
    for step in itertools.count():
        prepare()
        if run(at_step=step):
            yield True
            break
        yield False
    assert step > 3
    prepare()
    began = time.monotonic()
    assert run()
    duration = time.monotonic() - began
    yield True
    dice, left = random.Random(seed), KILLS
    while left:
        prepare()
        is_done = run(after_s=dice.uniform(0, duration))
        # On a busy machine the first run may have taken long: come nearer.
        duration *= 0.9 if is_done else 1.0
        left -= not is_done
        yield is_done


def names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def is_sound(file: Path) -> bool:
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as copy:
        return copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_backup_that_is_killed_is_there_whole_or_not_at_all(
    tmp_path: Path, killer: Killer
) -> None:
    filled(tmp_path / "data")
    key = b"k" * 32
    (tmp_path / "data" / "secret.key").write_bytes(key)
    target = tmp_path / "copies" / "copy.db"
    target.parent.mkdir()
    ends = []

    def run(**when: float | int) -> bool:
        words = ("backup", str(target), "--with-key", "--data-dir", str(tmp_path / "data"))
        return killer.run(killed.command, *words, **when)  # type: ignore[arg-type]

    for is_done in kills(run, lambda: target.unlink(missing_ok=True), seed=1):
        ends.append(is_done)
        if is_done or target.exists():
            assert is_sound(target)
            assert target.with_name("copy.db.key").read_bytes() == key
        left = names(target.parent) - {"copy.db", "copy.db.key", "copy.db.key.tmp"}
        assert all(backup.is_unfinished(name, "copy.db") for name in left)

    target.unlink(missing_ok=True)
    assert run()
    assert names(target.parent) == {"copy.db", "copy.db.key"}
    assert ends.count(False) >= KILLS


@pytest.mark.parametrize("old", ["crashed", "none"])
def test_a_restore_that_is_killed_leaves_the_old_or_the_new(
    tmp_path: Path, killer: Killer, old: str
) -> None:
    folder, ends, found = tmp_path / "data", [], set[str]()
    other = filled(tmp_path / "other", ROWS + 1)
    words = ("backup", str(tmp_path / "b.db"), "--data-dir", str(tmp_path / "other"))
    assert killer.run(killed.command, *words)
    ours = filled(folder)
    assert killer.run(killed.crash, str(folder), "kept")
    files = {entry.name: entry.read_bytes() for entry in folder.iterdir()}
    assert files["uptimehunt.db-wal"]
    if old == "none":
        files.clear()

    def run(**when: float | int) -> bool:
        words = ("restore", str(tmp_path / "b.db"), "--data-dir", str(folder))
        return killer.run(killed.command, *words, **when)  # type: ignore[arg-type]

    def prepare() -> None:
        for entry in folder.iterdir():
            entry.unlink()
        for name, content in files.items():
            (folder / name).write_bytes(content)

    for is_done in kills(run, prepare, seed=2):
        ends.append(is_done)
        instance, marked, rows = start(folder)
        if instance == other:
            assert (marked, rows) == ("", ROWS + 1)
        else:
            assert not is_done
            assert not files or (instance, marked, rows) == (ours, "kept", ROWS)
            assert files or rows == 0
        found.add("new" if instance == other else "old")
        # Once it has started nothing is left of what was killed, but an old database.
        asides = {name for name in names(folder) if ".before-restore-" in name}
        assert names(folder) - asides == {"uptimehunt.db", "instance", "lock"}
        assert len(asides) == (instance == other and old == "crashed")

    assert found == {"old", "new"}
    assert ends.count(False) >= KILLS


def test_a_migration_that_is_killed_leaves_the_old_schema_or_the_new(
    tmp_path: Path, killer: Killer
) -> None:
    filled(tmp_path / "data")
    original = (tmp_path / "data" / "uptimehunt.db").read_bytes()
    file, backups = tmp_path / "work" / "a.db", tmp_path / "work" / "backups"
    newest = len(migrations.MIGRATIONS) + len(killed.ADDED)
    safe = backups / f"before-schema-{newest}.db"
    found, ends = set(), []

    def run(**when: float | int) -> bool:
        return killer.run(killed.migrate, str(file), str(backups), **when)  # type: ignore[arg-type]

    def prepare() -> None:
        file.parent.mkdir(exist_ok=True)
        for each in [*file.parent.glob("a.db*"), *backups.glob("*")]:
            each.unlink()
        file.write_bytes(original)

    for is_done in kills(run, prepare, seed=3):
        ends.append(is_done)
        with contextlib.closing(apsw.Connection(str(file))) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            version = connection.pragma("user_version")
            columns = [row[1] for row in connection.execute("PRAGMA table_info(meta)")]
            ((count, size),) = connection.execute(
                "SELECT count(*), sum(length(value)) FROM meta WHERE name LIKE 'row %'"
            ).fetchall()
        once = sum(len(str(n)) * 200 for n in range(ROWS))
        if version == newest:
            assert (columns, count, size) == (["name", "value", "length"], ROWS, 2 * once)
            assert is_sound(safe)
        else:
            assert not is_done
            assert version == len(migrations.MIGRATIONS)
            assert (columns, count, size) == (["name", "value"], ROWS, once)
        assert not safe.exists() or is_sound(safe)
        found.add(version)

    prepare()
    assert run()
    assert names(backups) == {safe.name}
    assert found == {newest, len(migrations.MIGRATIONS)}
    assert ends.count(False) >= KILLS


def test_results_that_are_acknowledged_survive_every_kill_and_count_once(
    tmp_path: Path, killer: Killer
) -> None:
    """Killed while it records and merges, again and again on the same database."""
    folder, noted = tmp_path / "data", tmp_path / "noted"
    with contextlib.closing(opened(folder)) as store:
        alice = builders.add_user(store)
        services = [builders.add_service(store, alice) for _ in range(killed.SERVICES)]
    noted.write_bytes(b"")
    dice, in_the_middle = random.Random(4), 0

    for _ in range(KILLS):
        assert not killer.run(
            killed.record, str(folder), str(noted), after_s=dice.uniform(0.1, 0.4)
        )
        acknowledged = int(noted.read_bytes() or 0)
        with contextlib.closing(opened(folder)) as store:
            with store.reading():
                in_the_middle += merging.is_under_way()
                single = [queries.count_results(Wanted(one)) for one in services]
            figures = [builders.figures_of(store, one) for one in services]
        assert [one.checks for one in figures] == single
        assert acknowledged <= sum(single) <= acknowledged + killed.BATCH
        assert sum(one.failures for one in figures) == len(range(0, sum(single), 7))
        noted.write_bytes(b"%020d" % sum(single))

    assert is_sound(folder / "uptimehunt.db")
    assert acknowledged > KILLS * killed.BATCH
    assert in_the_middle


def opened(folder: Path) -> Store:
    folder.mkdir(exist_ok=True)
    return Store(folder / "uptimehunt.db", folder / "backups")
