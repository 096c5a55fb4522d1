"""The reserve: a file that holds room on the disk, given back when there is none left.

A database on a full disk cannot even delete, since a deletion is written to the log first. What
the reserve gives back is enough for retention to make room, and until then for what must be
written: changes of status, incidents, sign-ins.

On a volume of less than `SMALLEST` times its size there is none: it would take what it is to save.
"""

import logging
import os
from pathlib import Path

from uptimehunt.logs import about

log = logging.getLogger(__name__)

SIZE = 8 * 2**20
SMALLEST = 16
FLOOR = 64 * 2**20
FLOOR_PERCENT = 2
NO_ROOM = 2**20
"""Free bytes below which a database may not even open: its index of the log takes 32 KiB a time."""


class Reserve:
    """The reserve of one data folder. One thread makes it and gives it back.

    Attributes:
        is_whole: whether it holds all the room that it should; on a volume that is too small for
            one, whether that is known.
    """

    def __init__(self, folder: Path, size: int = SIZE) -> None:
        """Say where it is to be; nothing is made yet.

        Args:
            folder: the data folder.
            size: its bytes.
        """
        self.path = folder / "reserve"
        self.size = size
        self.is_whole = False
        self._is_told = False

    def make(self) -> bool:
        """Make it where that leaves room; whether it is whole now.

        Room is 64 MiB beyond it, or on a small volume 2 % of it. That is far from where a disk is
        full, so that a disk on the edge is not called well again and again.
        """
        reason = "no room"
        try:
            self.is_whole = self._make()
        except OSError as ex:  # A quota, a failing disk; or another program was faster.
            self.give_back()
            reason = os.strerror(ex.errno or 0)
        if not (self.is_whole or self._is_told):
            log.warning("storage.no_reserve", extra=about(reason=reason))
        self._is_told = not self.is_whole
        return self.is_whole

    def _make(self) -> bool:
        total, free = self._room()
        if total < SMALLEST * self.size:
            return True
        held = self.path.stat().st_size if self.path.exists() else 0
        if held >= self.size:
            return True
        if free + held - self.size < min(FLOOR, total * FLOOR_PERCENT // 100):
            return False
        file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # Not truncate: a file with a hole holds no room.
            os.posix_fallocate(file, 0, self.size)
        finally:
            os.close(file)
        return True

    def give_back(self) -> bool:
        """Let others have its room; whether there was any."""
        self.is_whole = False
        try:
            self.path.unlink()
        except FileNotFoundError:
            return False
        except OSError as ex:
            log.warning("storage.reserve_stuck", extra=about(error=ex.strerror))
            return False
        return True

    def give_back_before_opening(self) -> None:
        """Give it back when a database could not even be opened; for the start."""
        free = self._room()[1]
        if free < NO_ROOM and self.give_back():
            log.warning("storage.full", extra=about(free=free, advice="make room on the disk"))

    def _room(self) -> tuple[int, int]:
        """Bytes of its volume, and those of them that we may still take."""
        found = os.statvfs(self.path.parent)
        return found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize
