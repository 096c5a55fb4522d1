"""The data folder: whose it is, who holds it, and what must not be lost in it."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from uptimehunt.errors import StartError
from uptimehunt.store.datadir import KEY_BYTES, DataDir


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """Opening a data folder sets the mask of the whole process; give ours back."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the data folder is to be."""
    return tmp_path / "somewhere" / "data"


@pytest.fixture
def folder(path: Path) -> Iterator[DataDir]:
    """A new one, open."""
    opened = DataDir(path)
    yield opened
    opened.close()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def used(path: Path) -> None:
    """Leave the folder as a first run would."""
    folder = DataDir(path)
    folder.database.write_bytes(b"a database")
    folder.tie("this one")
    folder.secret_key()
    folder.close()


def test_it_is_made_for_its_owner_alone(folder: DataDir) -> None:
    folder.tie("this one")
    folder.secret_key()
    made_later = folder.path / "made later"
    made_later.write_text("")

    assert mode(folder.path) == 0o700
    assert {file.name: mode(file) for file in folder.path.iterdir()} == {
        "lock": 0o600, "instance": 0o600, "secret.key": 0o600, "made later": 0o600,
    }  # fmt: skip


def test_what_others_could_read_is_closed_to_them(path: Path) -> None:
    used(path)
    path.chmod(0o755)
    for file in path.iterdir():
        file.chmod(0o644)

    folder = DataDir(path)
    folder.take_over()
    folder.close()

    assert mode(path) == 0o700
    for name in ("uptimehunt.db", "secret.key", "instance"):
        assert mode(path / name) == 0o600


def test_only_one_holds_it_and_the_other_is_told_who(folder: DataDir) -> None:
    with pytest.raises(StartError, match=rf"in use by another UptimeHunt \(pid {os.getpid()}\)"):
        DataDir(folder.path)


def test_when_it_is_given_back_another_may_have_it(path: Path) -> None:
    DataDir(path).close()

    DataDir(path).close()


# --- keys and ties -----------------------------------------------------------------------------


def test_the_key_is_made_once(path: Path) -> None:
    keys = []
    for _ in range(2):
        folder = DataDir(path)
        keys.append(folder.secret_key())
        folder.close()
        (path / "uptimehunt.db").touch()

    assert keys[0] == keys[1]
    assert len(keys[0]) == KEY_BYTES


def test_a_damaged_key_is_not_replaced(folder: DataDir) -> None:
    (folder.path / "secret.key").write_bytes(b"short")

    with pytest.raises(StartError, match="damaged"):
        folder.secret_key()

    assert (folder.path / "secret.key").read_bytes() == b"short"


def test_it_goes_with_one_database_only(folder: DataDir) -> None:
    folder.tie("this one")
    folder.refuse_lost_database("this one")

    with pytest.raises(StartError, match="not the database that this folder was made for"):
        folder.refuse_lost_database("another")


# --- what was lost ------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", ["secret.key", "instance"])
@pytest.mark.parametrize("loss", ["missing", "empty"])
def test_a_lost_database_is_never_replaced_by_an_empty_one(
    path: Path, mark: str, loss: str
) -> None:
    used(path)
    for name in {"secret.key", "instance"} - {mark}:
        (path / name).unlink()
    if loss == "missing":
        (path / "uptimehunt.db").unlink()
    else:
        (path / "uptimehunt.db").write_bytes(b"")
    folder = DataDir(path)

    with pytest.raises(StartError, match=f"is {loss}, but this folder was in use before"):
        folder.refuse_lost_database(None)

    folder.close()


def test_a_new_folder_and_one_in_use_have_lost_nothing(path: Path) -> None:
    folder = DataDir(path)
    folder.refuse_lost_database(None)
    folder.close()
    used(path)
    folder = DataDir(path)
    folder.refuse_lost_database("this one")
    folder.close()


# --- what is not ours ---------------------------------------------------------------------------


def test_a_folder_with_other_files_is_left_alone(path: Path) -> None:
    path.mkdir(parents=True, mode=0o755)
    (path / "photo.jpg").write_bytes(b"mine")

    with pytest.raises(StartError, match=r"holds other files \(photo\.jpg\)"):
        DataDir(path)
    (path / "lock").write_text("of another program")
    (path / "song.ogg").write_bytes(b"mine too")
    with pytest.raises(StartError, match=r"holds other files \(photo\.jpg, …\)"):
        DataDir(path)

    assert sorted(file.name for file in path.iterdir()) == ["lock", "photo.jpg", "song.ogg"]
    assert (path / "lock").read_text() == "of another program"
    assert mode(path) == 0o755


def test_a_folder_that_is_not_taken_over_is_left_as_it_was(path: Path) -> None:
    path.mkdir(parents=True, mode=0o755)
    (path / "uptimehunt.db").write_bytes(b"of another program")
    path.chmod(0o755)

    DataDir(path).close()

    assert [file.name for file in path.iterdir()] == ["uptimehunt.db"]
    assert mode(path) == 0o755


def test_what_a_start_left_that_was_killed_at_once_is_taken(path: Path) -> None:
    path.mkdir(parents=True)
    (path / "lock").write_text("123\n")

    DataDir(path).close()


def test_an_empty_folder_is_taken(path: Path) -> None:
    path.mkdir(parents=True)

    DataDir(path).close()


@pytest.mark.parametrize(("deeper", "words"), [("", "is a file"), ("deeper", "lies inside a file")])
def test_a_file_is_no_folder(path: Path, deeper: str, words: str) -> None:
    path.parent.mkdir()
    path.write_text("mine")

    with pytest.raises(StartError, match=words):
        DataDir(path / deeper)

    assert path.read_text() == "mine"


@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser can give a folder away")
def test_the_folder_of_another_user_is_left_alone(path: Path) -> None:
    path.mkdir(parents=True)
    os.chown(path, 12345, -1)

    with pytest.raises(StartError, match="belongs to user 12345"):
        DataDir(path)

    assert list(path.iterdir()) == []
