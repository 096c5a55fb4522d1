"""The reserve on real file systems: made where there is room, whole or not at all."""

import contextlib
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.store.test_database import put
from uptimehunt.errors import StorageError
from uptimehunt.store.database import Store
from uptimehunt.store.models import Meta
from uptimehunt.store.reserve import NO_ROOM, SIZE, Reserve

MIB = 2**20


@contextlib.contextmanager
def volume(folder: Path, size: int) -> Iterator[Path]:
    """A file system of so many bytes."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "none", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("only the superuser can mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path, leave: int) -> Path:
    """Take all room of a volume but so many bytes."""
    room = os.statvfs(folder)
    filler = folder / "filler"
    with open(filler, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_frsize - leave)
    return filler


def taken(folder: Path) -> int:
    room = os.statvfs(folder)
    return (room.f_blocks - room.f_bfree) * room.f_frsize


def test_it_takes_real_room_is_ours_alone_and_gives_all_of_it_back(tmp_path: Path) -> None:
    with volume(tmp_path / "data", 160 * MIB) as folder:
        reserve = Reserve(folder)

        assert reserve.make()

        assert reserve.path.stat().st_size == SIZE
        assert stat.S_IMODE(reserve.path.stat().st_mode) == 0o600
        assert taken(folder) >= SIZE
        assert reserve.give_back()
        assert taken(folder) < MIB
        assert not reserve.give_back()


def test_it_is_made_again_only_when_that_leaves_room(tmp_path: Path) -> None:
    with volume(tmp_path / "data", 160 * MIB) as folder:
        reserve = Reserve(folder)
        floor = 160 * MIB * 2 // 100

        filler = fill(folder, leave=SIZE + floor - MIB)
        assert not reserve.make()
        assert not reserve.path.exists()

        filler.unlink()
        fill(folder, leave=SIZE + floor + MIB)
        assert reserve.make()


def test_one_that_was_cut_short_is_made_whole(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path)
    reserve.path.write_bytes(b"\0" * 4096)

    assert reserve.make()

    assert reserve.path.stat().st_size == SIZE
    assert reserve.path.stat().st_blocks * 512 >= SIZE


def test_a_volume_that_is_too_small_goes_without_and_is_well(tmp_path: Path) -> None:
    with volume(tmp_path / "data", 16 * MIB) as folder:
        reserve = Reserve(folder)

        assert reserve.make()
        assert reserve.is_whole
        assert list(folder.iterdir()) == []


def test_a_folder_that_takes_no_files_is_no_reason_to_fail(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "gone")

    assert not reserve.make()
    assert not reserve.give_back()


def test_a_start_on_a_full_disk_gives_it_back_and_opens(tmp_path: Path) -> None:
    with volume(tmp_path / "data", 20 * MIB) as folder:
        reserve = Reserve(folder, size=MIB)
        Store(folder / "a.db", folder / "backups", reserve).close()
        assert reserve.path.exists()

        filler = fill(folder, leave=0)
        reserve.give_back_before_opening()
        with contextlib.closing(Store(folder / "a.db", folder / "backups", reserve)) as store:
            store.write(put, "a")
        assert not reserve.path.exists()

        filler.unlink()
        assert reserve.make()
        fill(folder, leave=2 * NO_ROOM)
        reserve.give_back_before_opening()
        assert reserve.path.exists()


def test_on_a_disk_that_fills_up_the_reserve_keeps_changes_and_deletions_going(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with volume(tmp_path / "data", 20 * MIB) as folder:
        reserve = Reserve(folder, size=MIB)
        with contextlib.closing(Store(folder / "a.db", folder / "backups", reserve)) as store:
            for number in range(40):
                store.write(put, f"old {number}", "x" * 20_000)
            filler = fill(folder, leave=0)

            for number in range(12):
                store.write(put, f"new {number}", "x" * 20_000)
            assert store.is_short()
            store.write(lambda: Meta.delete().where(Meta.name.startswith("old")).execute())

            with pytest.raises(StorageError):
                store.write(put, "huge", "x" * 10 * MIB)
            with store.reading():
                assert Meta.select().where(Meta.name.startswith("new")).count() == 12
            filler.unlink()
            store.write(put, "huge", "x" * 10 * MIB)
        messages = [record.message for record in caplog.records]
        assert messages.count("storage.full") == 1


def test_once_there_is_room_the_reserve_is_made_again(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path)
    with contextlib.closing(Store(tmp_path / "a.db", tmp_path / "backups", reserve)) as store:
        reserve.give_back()
        store.write(put, "a")
        assert not reserve.path.exists()  # Not looked for with every change.

        store._look_at = 0.0
        store.write(put, "b")
        assert reserve.path.stat().st_size == SIZE
