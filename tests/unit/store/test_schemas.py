"""Databases as each schema there was left them: all of them open, with all that was in them.

`schemas/<n>.sql` is the dump of a database of schema n, with something in every table. A migration
that is added brings the dump of the schema before it; one that was made is never changed again.
"""

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import apsw
import pytest

from uptimehunt.store import migrations, models
from uptimehunt.store.database import Store

DUMPS = sorted(Path(__file__).with_name("schemas").glob("*.sql"))


def restored(dump: Path, file: Path) -> int:
    """Make the database that was dumped; its schema."""
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.executescript(dump.read_text(encoding="utf-8"))
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def schema_of(file: Path) -> list[Any]:
    with contextlib.closing(sqlite3.connect(file)) as connection:
        return connection.execute(
            "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY name"
        ).fetchall()


def test_there_is_a_dump_of_every_schema(tmp_path: Path) -> None:
    found = [restored(dump, tmp_path / dump.name) for dump in DUMPS]

    assert found == list(range(1, len(migrations.MIGRATIONS) + 1))


@pytest.mark.parametrize("dump", DUMPS, ids=lambda dump: dump.stem)
def test_what_an_earlier_schema_held_is_there_after_the_upgrade(dump: Path, tmp_path: Path) -> None:
    file, fresh = tmp_path / "old.db", tmp_path / "new.db"
    restored(dump, file)
    with contextlib.closing(sqlite3.connect(file)) as connection:
        before = {
            name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
            for kind, name, _ in schema_of(file)
            if kind == "table"
        }
    assert all(before.values()), before

    for path in (file, fresh):
        Store(path, tmp_path / "backups").close()

    assert schema_of(file) == schema_of(fresh)
    with contextlib.closing(apsw.Connection(str(file))) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        tables = {table._meta.table_name for table in models.TABLES}
        for name in before.keys() & tables:
            ((count,),) = connection.execute(f"SELECT count(*) FROM {name}").fetchall()
            assert count == before[name], name
