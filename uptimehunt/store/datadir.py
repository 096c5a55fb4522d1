"""The data folder: who may use it, the lock of the running instance, its secret key.

    uptimehunt.db (-wal, -shm)   the database          lock        pid of the running instance
    secret.key                   signs sessions        instance    id that ties key and database
    backups/                     made before a migration, and every night
    reserve                      room on the disk, given back when there is no other

Everything is made readable by the owner alone.
"""

import fcntl
import os
import secrets
import stat
from pathlib import Path

from uptimehunt.errors import StartError
from uptimehunt.store import backup, files, swap

KEY_BYTES = 32


def database_in(path: Path) -> Path:
    """Where the database of a data folder is."""
    return path / "uptimehunt.db"


def key_in(path: Path) -> Path:
    """Where the key of a data folder is that signs its sessions."""
    return path / "secret.key"


class DataDir:
    """An opened data folder; its lock is held until `close()` or the end of the process."""

    def __init__(self, path: Path) -> None:
        """Make the folder, or find it fit to be ours, and lock it; nothing else is changed yet.

        Raises:
            StartError: it is a file, not ours, not writable, or in use by another instance.
        """
        os.umask(0o077)
        self.path = path
        self.database = database_in(path)
        self.backups = path / "backups"
        self._is_ours = False
        self._make()
        self._had_lock = self._lock_file.exists()
        self._lock = self._take_lock()

    def _make(self) -> None:
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except FileExistsError:
            raise StartError(f"the data folder {self.path} is a file") from None
        except NotADirectoryError:
            raise StartError(f"the data folder {self.path} lies inside a file") from None
        except OSError as ex:
            raise StartError(f"cannot make the data folder {self.path}: {ex.strerror}") from None
        owner = self.path.stat().st_uid
        if owner != os.geteuid():
            raise StartError(
                f"the data folder {self.path} belongs to user {owner}, not to {os.geteuid()}"
            )
        # A lock is what a first start leaves that was killed at once, and a first restore
        # a part of its copy.
        strangers = sorted(
            entry.name
            for entry in self.path.iterdir()
            if entry.name not in {"lost+found", "lock"}
            and not backup.is_unfinished(entry.name, self.database.name)
        )
        if strangers and not (self.database.exists() or self._marked()):
            others = "" if len(strangers) == 1 else ", …"
            raise StartError(
                f"the folder {self.path} holds other files ({strangers[0]}{others});"
                " give an empty one or one that UptimeHunt made"
            )

    def take_over(self) -> None:
        """Make the folder private and tidy: it was looked at and is ours.

        Raises:
            StartError: we may not write there.
        """
        self._is_ours = True
        try:
            self.path.chmod(0o700)
            for entry in (self.database, self._key_file, self._instance_file):
                if entry.exists() and stat.S_IMODE(entry.stat().st_mode) != 0o600:
                    entry.chmod(0o600)
            for entry in (self._key_file, self._instance_file):
                files.unfinished(entry).unlink(missing_ok=True)
            swap.finish(self.database.resolve())
        except OSError as ex:
            raise StartError(f"cannot write in the data folder {self.path}: {ex.strerror}") from ex

    def _take_lock(self) -> int:
        try:
            lock = os.open(self._lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as ex:
            raise StartError(f"cannot write in the data folder {self.path}: {ex.strerror}") from ex
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pid = os.read(lock, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(lock)
            raise StartError(
                f"the data folder {self.path} is in use by another UptimeHunt (pid {pid})"
            ) from None
        ours = f"{os.getpid()}\n".encode()
        try:
            # Written over the last one, and only then cut: on a full disk that block is ours yet.
            os.pwrite(lock, ours, 0)
            os.ftruncate(lock, len(ours))
        except OSError as ex:
            os.close(lock)
            raise StartError(f"cannot write in the data folder {self.path}: {ex.strerror}") from ex
        return lock

    @property
    def _lock_file(self) -> Path:
        return self.path / "lock"

    @property
    def _key_file(self) -> Path:
        return key_in(self.path)

    @property
    def _instance_file(self) -> Path:
        return self.path / "instance"

    def _marked(self) -> bool:
        return self._key_file.exists() or self._instance_file.exists()

    def refuse_lost_database(self, found: str | None) -> None:
        """Refuse to go on when this folder had a database that is not there any more.

        SECURITY: on an empty database the first visitor becomes admin, so a lost or truncated
        file must never be replaced by a new one without a person's word.

        Args:
            found: the instance id of the database that is there; None when there is none.

        Raises:
            StartError: the folder has a key or instance id, but no database, or another's.
        """
        if found is not None:
            self._refuse_other(found)
        elif self._marked():
            state = "empty" if self.database.exists() else "missing"
            raise StartError(
                f"{self.database} is {state}, but this folder was in use before: restore it from"
                f" {self.backups} or another backup; to start anew, give an empty folder"
            )

    def _refuse_other(self, instance: str) -> None:
        if self._instance_file.exists() and instance not in self._tied_to():
            raise StartError(
                f"{self.database} is not the database that this folder was made for;"
                f" if you put it there on purpose, remove {self._instance_file}"
            )

    def _tied_to(self) -> list[str]:
        if not self._instance_file.exists():
            return []
        return self._instance_file.read_text(encoding="ascii", errors="replace").splitlines()

    def tie(self, instance: str) -> None:
        """Tie the folder to its database, by the instance id that the database carries."""
        if self._tied_to() != [instance]:
            files.write_new(self._instance_file, instance.encode() + b"\n")

    def tie_also(self, instance: str) -> None:
        """Let the folder start with one more database than the one it is tied to, if it is."""
        tied_to = self._tied_to()
        if tied_to and instance not in tied_to:
            files.write_new(self._instance_file, "\n".join([*tied_to, instance, ""]).encode())

    def secret_key(self) -> bytes:
        """The key that signs sessions; made at the first start.

        Raises:
            StartError: the key file is there and damaged.
        """
        if not self._key_file.exists():
            files.write_new(self._key_file, secrets.token_bytes(KEY_BYTES))
        key = self._key_file.read_bytes()
        if len(key) < KEY_BYTES:
            raise StartError(f"{self._key_file} is damaged: restore it from a backup")
        return key

    def take_key(self, key: bytes) -> bool:
        """Take a key that came with a backup, unless the folder has one; whether it did."""
        if self._key_file.exists():
            return False
        files.write_new(self._key_file, key)
        return True

    def close(self) -> None:
        """Give the lock back; a folder that turned out to be another's is left as it was."""
        if not (self._is_ours or self._had_lock):
            self._lock_file.unlink(missing_ok=True)
        os.close(self._lock)
