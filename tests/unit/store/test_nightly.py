"""The copy of every night: when it is made, which are kept, and what is left alone."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import apsw
import pytest

from uptimehunt.store import nightly
from uptimehunt.store.database import Store
from uptimehunt.store.nightly import Nightly, is_due, state

HOUR = 3_600_000


@pytest.fixture(autouse=True)
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A zone whose clocks change."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield
    time.tzset()


def ms(local: str) -> int:
    return int(datetime.fromisoformat(local).timestamp() * 1000)


class Night:
    """A database, its copies, and a clock that tests set."""

    def __init__(self, folder: Path, keep: int) -> None:
        self.now = ms("2026-05-04 22:00")
        self.database = folder / "uptimehunt.db"
        self.backups = folder / "backups"
        Store(self.database, self.backups).close()
        self.restart(keep)

    def restart(self, keep: int) -> None:
        self.nightly = Nightly(self.database, self.backups, keep, lambda: self.now)

    def at(self, local: str) -> list[str]:
        """Let it run at this time; the copies that are there then."""
        self.now = ms(local)
        self.nightly.run()
        return self.names()

    def names(self) -> list[str]:
        return sorted(os.listdir(self.backups)) if self.backups.exists() else []

    def put(self, name: str, content: str = "") -> Path:
        self.backups.mkdir(exist_ok=True)
        file = self.backups / name
        file.write_text(content)
        os.utime(file, (self.now / 1000 - 90 * 86_400, self.now / 1000 - 90 * 86_400))
        return file


@pytest.fixture
def night(tmp_path: Path) -> Night:
    return Night(tmp_path, keep=3)


# --- when --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("last", "started", "now", "due"),
    [
        (None, "2026-05-04 12:00", "2026-05-04 12:01", True),
        ("2026-05-04 03:00:10", "2026-05-01 12:00", "2026-05-05 02:59:59", False),
        ("2026-05-04 03:00:10", "2026-05-01 12:00", "2026-05-05 03:00:00", True),
        ("2026-05-05 03:00:00", "2026-05-01 12:00", "2026-05-05 03:01:00", False),
        # It slept through three o'clock.
        ("2026-05-04 03:00:10", "2026-05-01 12:00", "2026-05-05 09:00:00", True),
        # It was off at three o'clock: the next night will do, unless the last is long ago.
        ("2026-05-04 03:00:10", "2026-05-05 09:00", "2026-05-05 09:01:00", False),
        ("2026-05-04 03:00:10", "2026-05-05 09:00", "2026-05-05 15:01:00", True),
        ("2026-05-03 20:00:00", "2026-05-05 09:00", "2026-05-05 09:01:00", True),
        # Made up for in the evening, it is made again in the night.
        ("2026-05-04 22:00:00", "2026-05-04 21:59", "2026-05-05 03:00:00", True),
        # The night in which there is no hour from two to three, and the one with two of them.
        ("2026-03-28 03:00:10", "2026-03-01 12:00", "2026-03-29 01:59:59", False),
        ("2026-03-28 03:00:10", "2026-03-01 12:00", "2026-03-29 03:00:00", True),
        ("2026-10-25 03:00:00", "2026-10-01 12:00", "2026-10-25 23:59:59", False),
        # The clock was set back since the start; then by an hour just after.
        ("2026-05-04 03:00:10", "2099-01-01 12:00", "2026-05-05 04:00:00", True),
        ("2026-05-05 03:00:10", "2026-05-01 12:00", "2026-05-05 02:00:10", False),
    ],
)
def test_it_is_due_once_a_night(last: str | None, started: str, now: str, due: bool) -> None:
    assert is_due(ms(now), None if last is None else ms(last), ms(started)) is due


def test_one_is_made_every_night_and_no_more(night: Night) -> None:
    first = night.at("2026-05-04 22:01")
    assert first == night.at("2026-05-05 02:59") == ["nightly-2026-05-04.db"]

    for minute in range(0, 60, 7):
        made = night.at(f"2026-05-05 03:{minute:02}")
    night.restart(keep=3)

    assert made == night.at("2026-05-05 12:00") == [*first, "nightly-2026-05-05.db"]


def test_a_copy_is_whole_and_private(night: Night, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "uptimehunt")
    night.at("2026-05-05 03:00")

    (copy,) = night.backups.iterdir()
    assert copy.stat().st_mode & 0o777 == 0o600
    with contextlib.closing(apsw.Connection(str(copy))) as connection:
        assert connection.execute("SELECT count(*) FROM meta").fetchone() == (1,)
    (record,) = (each for each in caplog.records if each.msg == "backup.made")
    assert record.facts.keys() == {"path", "bytes", "seconds"}  # type: ignore[attr-defined]


def test_it_does_not_wait_for_the_writer_nor_the_writer_for_it(tmp_path: Path) -> None:
    night = Night(tmp_path, keep=1)
    with contextlib.closing(Store(night.database, night.backups)) as store:
        made = store.write(lambda: night.at("2026-05-05 03:00"))

    assert made == ["nightly-2026-05-05.db"]


def test_copies_of_a_clock_that_was_wrong_do_not_stop_the_others(night: Night) -> None:
    night.at("2099-01-01 03:00")
    night.restart(keep=3)
    night.at("2026-05-05 12:00")

    assert night.at("2026-05-06 03:00") == [
        "nightly-2026-05-05.db", "nightly-2026-05-06.db", "nightly-2099-01-01.db",
    ]  # fmt: skip


# --- which are kept ----------------------------------------------------------------------------


def test_the_newest_are_kept_and_nothing_else_is_touched(night: Night) -> None:
    ours = [night.put(f"nightly-2026-01-{day:02}.db") for day in range(1, 8)]
    others = [
        night.put(name)
        for name in (
            "before-schema-2.db",
            "nightly-2026-01-01.db.gz",
            "nightly-2026-01-01.db.tmp",
            "nightly-2026-1-1.db",
            "my nightly-2026-01-01.db",
            "nightly-2026-01-01.db.12345678.tmp.txt",
        )
    ]
    (night.backups / "nightly-2026-01-09.db").mkdir()
    (night.backups / "nightly-2026-01-10.db").symlink_to(others[0])
    left = night.put("nightly-2026-01-05.db.0123abcd.tmp")
    left_too = night.put("nightly-2026-01-05.db.0123abcd.tmp-journal")

    names = set(night.at("2026-05-05 03:00"))

    kept = {ours[-2].name, ours[-1].name, "nightly-2026-05-05.db"}
    assert {name for name in names if name in {file.name for file in ours} | kept} == kept
    assert {file.name for file in others} <= names
    assert {"nightly-2026-01-09.db", "nightly-2026-01-10.db"} <= names
    assert names.isdisjoint({left.name, left_too.name})


def test_one_is_enough_and_none_is_made_with_zero(tmp_path: Path) -> None:
    night = Night(tmp_path, keep=1)
    night.at("2026-05-05 03:00")
    assert night.at("2026-05-06 03:00") == ["nightly-2026-05-06.db"]

    night.restart(keep=0)

    assert night.at("2026-05-07 03:00") == ["nightly-2026-05-06.db"]


# --- what goes wrong ----------------------------------------------------------------------------


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.msg for record in caplog.records if record.msg.startswith("backup.")]


@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser can make a file system")
def test_without_room_none_is_made_and_it_is_said_once(
    night: Night, caplog: pytest.LogCaptureFixture
) -> None:
    night.backups.mkdir()
    old = night.put("nightly-2026-01-01.db")
    old.unlink()
    small = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(night.backups)]
    if subprocess.run(small, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        old = night.put("nightly-2026-01-01.db")
        assert night.at("2026-05-05 03:00") == night.at("2026-05-05 03:01") == [old.name]
    finally:
        subprocess.run(["umount", night.backups], check=True)

    assert events(caplog) == ["backup.no_room"]
    free, needed = caplog.records[-1].facts.values()  # type: ignore[attr-defined]
    assert free <= 8 * 2**20
    assert needed > nightly.RESERVE


def test_what_fails_is_said_and_not_tried_again_at_once(
    night: Night, caplog: pytest.LogCaptureFixture
) -> None:
    night.backups.write_text("a file where the folder should be")

    night.nightly.run()
    night.nightly.run()

    assert events(caplog) == ["backup.failed"]
    night.backups.unlink()
    assert state(night.backups, 3, night.now)["ok"] is False


def test_a_stop_breaks_it_off_and_leaves_nothing(
    night: Night, caplog: pytest.LogCaptureFixture
) -> None:
    with contextlib.closing(apsw.Connection(str(night.database))) as connection, connection:
        rows = ((f"row {number}", "") for number in range(80_000))
        connection.executemany("INSERT INTO meta VALUES (?, ?)", rows)

    night.nightly.stop()

    assert night.at("2026-05-05 03:00") == []
    assert events(caplog) == []


# --- how it does --------------------------------------------------------------------------------


def test_its_state_is_read_off_the_folder(night: Night) -> None:
    assert state(night.backups, 7, night.now) == {"last_at": None, "size_bytes": None, "ok": False}
    assert state(night.backups, 0, night.now)["ok"] is True

    night.at("2026-05-05 03:00")
    night.at("2026-05-06 03:00")

    size = (night.backups / "nightly-2026-05-06.db").stat().st_size
    found = {"last_at": ms("2026-05-06 03:00"), "size_bytes": size, "ok": True}
    assert state(night.backups, 7, ms("2026-05-07 20:00")) == found
    assert state(night.backups, 7, ms("2026-05-08 04:00")) == found | {"ok": False}
    shutil.rmtree(night.backups)
    assert state(night.backups, 7, night.now)["last_at"] is None
