"""The schema: what the models say, what the file holds, and how one becomes the other."""

import contextlib
import hashlib
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import peewee
import pytest
from playhouse import schema_diff

from uptimehunt.errors import StartError, StorageError
from uptimehunt.store import database, migrations, models
from uptimehunt.store.database import Store
from uptimehunt.store.migrations import MIGRATIONS, Migration, migrate


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A database at the newest schema, with a row in it."""
    store = Store(tmp_path / "a.db", tmp_path / "backups")
    store.write(lambda: models.Meta.create(name="kept", value="1"))
    store.close()
    return tmp_path / "a.db"


@pytest.fixture
def connection(file: Path) -> Iterator[apsw.Connection]:
    """A plain connection to it."""
    with contextlib.closing(apsw.Connection(str(file))) as opened:
        yield opened


def schema(connection: apsw.Connection) -> list[Any]:
    statement = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name"
    return connection.execute(statement).fetchall()


# --- models and migrations agree ---------------------------------------------------------------


def test_no_column_or_index_is_missing_or_too_much(store: Store) -> None:
    with store.reading():
        differences = schema_diff.diff_models(models.DATABASE.obj, list(models.TABLES))

    assert not differences, differences


def shape(connection: Any, table: str) -> Any:
    """Columns, foreign keys and indexes of a table, as SQLite understood them."""
    columns = {
        name: (affinity(kind), bool(not_null), key)
        for _, name, kind, not_null, _, key in connection.execute(f'PRAGMA table_info("{table}")')
    }
    keys = {
        (column, other, other_column, on_delete)
        for _, _, other, column, other_column, _, on_delete, _ in connection.execute(
            f'PRAGMA foreign_key_list("{table}")'
        )
    }
    indexes = set()
    for _, name, unique, origin, _ in connection.execute(f'PRAGMA index_list("{table}")'):
        if origin != "pk":
            columns_of = [row[2] for row in connection.execute(f'PRAGMA index_info("{name}")')]
            indexes.add((tuple(columns_of), unique))
    return columns, keys, indexes


def affinity(kind: str) -> str:
    """What SQLite makes of a declared type."""
    kind = kind.upper()
    if "INT" in kind or kind == "BOOLEAN" or kind == "SMALLINT":
        return "INTEGER"
    return "TEXT" if "TEXT" in kind or "CHAR" in kind else kind


@pytest.mark.parametrize("model", models.TABLES, ids=lambda model: str(model.__name__))
def test_each_table_is_as_its_model_would_make_it(
    connection: apsw.Connection, model: type[peewee.Model]
) -> None:
    made = peewee.SqliteDatabase(":memory:")
    with made.bind_ctx([model], bind_refs=False, bind_backrefs=False), made:
        made.create_tables([model])
        wanted = shape(made.connection(), model._meta.table_name)  # type: ignore[no-untyped-call]

    found = shape(connection, model._meta.table_name)

    for mine, theirs in zip(found, wanted, strict=True):
        assert mine == theirs


def test_every_table_has_a_model(connection: apsw.Connection) -> None:
    tables = {name for kind, name, *_ in schema(connection) if kind == "table"}

    named = {model._meta.table_name for model in models.TABLES}
    assert {name for name in tables if not name.startswith("sqlite_")} == named


def test_a_new_database_says_whose_it_is(connection: apsw.Connection) -> None:
    assert connection.pragma("application_id") == migrations.APPLICATION_ID
    assert connection.pragma("user_version") == len(MIGRATIONS)
    assert connection.execute("SELECT id, name FROM probe").fetchall() == [(1, "This server")]


# --- from one version to the next --------------------------------------------------------------


def add_colour(connection: apsw.Connection) -> None:
    connection.execute("ALTER TABLE project ADD COLUMN mood TEXT")
    connection.execute("UPDATE meta SET value = '2' WHERE name = 'kept'")


def breaks(connection: apsw.Connection) -> None:
    connection.execute("CREATE TABLE half (id)")
    raise RuntimeError("this migration is wrong")


def orphans(connection: apsw.Connection) -> None:
    connection.execute(
        "INSERT INTO session (user_id, created_at, used_at, expires_at, user_agent, address)"
        " VALUES (99, 0, 0, 0, '', '')"
    )


def snapshot(connection: apsw.Connection) -> Any:
    """All that a failed migration must leave as it was."""
    kept = connection.execute("SELECT value FROM meta WHERE name = 'kept'").fetchall()
    sessions = connection.execute("SELECT count(*) FROM session").fetchall()
    return schema(connection), kept, sessions, connection.pragma("user_version")


def test_a_migration_keeps_the_data_and_backs_it_up_before(
    connection: apsw.Connection, tmp_path: Path
) -> None:
    before = snapshot(connection)

    migrate(connection, tmp_path / "backups", (*MIGRATIONS, add_colour))

    assert connection.pragma("user_version") == len(MIGRATIONS) + 1
    assert connection.execute("SELECT value FROM meta WHERE name = 'kept'").fetchall() == [("2",)]
    (copy,) = (tmp_path / "backups").iterdir()
    assert copy.name == f"before-schema-{len(MIGRATIONS) + 1}.db"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with contextlib.closing(apsw.Connection(str(copy))) as backup:
        assert snapshot(backup) == before
        assert backup.pragma("application_id") == migrations.APPLICATION_ID


@pytest.mark.parametrize(("wrong", "error"), [(breaks, RuntimeError), (orphans, StartError)])
def test_a_migration_that_fails_changes_nothing(
    connection: apsw.Connection, tmp_path: Path, wrong: Migration, error: type[Exception]
) -> None:
    before = snapshot(connection)

    with pytest.raises(error):
        migrate(connection, tmp_path / "backups", (*MIGRATIONS, add_colour, wrong))

    assert snapshot(connection) == before


def test_without_a_backup_there_is_no_migration(
    connection: apsw.Connection, tmp_path: Path
) -> None:
    before = snapshot(connection)
    (tmp_path / "taken").write_text("a file where the folder should be")

    with pytest.raises((StorageError, StartError)):
        migrate(connection, tmp_path / "taken", (*MIGRATIONS, add_colour))

    assert snapshot(connection) == before


def test_a_new_database_is_not_backed_up(tmp_path: Path) -> None:
    Store(tmp_path / "a.db", tmp_path / "backups").close()

    assert not (tmp_path / "backups").exists()


def test_what_is_up_to_date_is_not_migrated(connection: apsw.Connection, tmp_path: Path) -> None:
    before = snapshot(connection)

    migrate(connection, tmp_path / "backups")

    assert snapshot(connection) == before
    assert not (tmp_path / "backups").exists()


# --- databases that are not ours ---------------------------------------------------------------


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def refused(file: Path) -> str:
    """Why a database is not touched; opening it says the same."""
    before = digest(file)
    with pytest.raises(StartError) as looked_at:
        database.examine(file)

    assert digest(file) == before
    # SQLite itself may leave these two beside a file that it was only to read.
    assert {path.suffix for path in file.parent.iterdir()} <= {".db", ".db-wal", ".db-shm"}
    with pytest.raises(StartError) as opened:
        Store(file, file.parent / "backups")
    assert str(opened.value) == str(looked_at.value)
    return str(looked_at.value)


def test_a_database_of_a_newer_program_is_refused_and_left_alone(file: Path) -> None:
    with contextlib.closing(sqlite3.connect(file)) as newer:
        newer.execute("PRAGMA user_version = 99")

    assert "made by a newer UptimeHunt (schema 99" in refused(file)


@pytest.mark.parametrize(
    "statement",
    ["PRAGMA application_id = 7", "PRAGMA user_version = 1", "PRAGMA user_version = 99"],
)
def test_the_database_of_another_program_is_refused_and_left_alone(
    tmp_path: Path, statement: str
) -> None:
    file = tmp_path / "a.db"
    with contextlib.closing(sqlite3.connect(file)) as other:
        other.execute(statement)
        other.execute("CREATE TABLE theirs (x)")
        other.commit()

    assert "another program" in refused(file)


def test_a_database_of_ours_is_known_by_its_id(file: Path, connection: apsw.Connection) -> None:
    kept = connection.execute("SELECT value FROM meta WHERE name = 'instance'").fetchone()

    assert kept == (database.examine(file),)


def test_where_nothing_is_there_is_no_id(tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()

    assert database.examine(tmp_path / "empty.db") is None
    assert database.examine(tmp_path / "nothing.db") is None
    assert [path.name for path in tmp_path.iterdir()] == ["empty.db"]
