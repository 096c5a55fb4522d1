"""A copy of the database every night, and how many of them are kept.

A night begins at three o'clock of this machine's time. A server that runs then makes its copy then
(or when it wakes up); one that was started later waits for the next night, unless the last copy is
a day and a half old. So restarts make no copies, and a machine that sleeps at night has some.
"""

import contextlib
import logging
import os
import re
import shutil
import stat
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from uptimehunt import clock
from uptimehunt.errors import StorageError
from uptimehunt.logs import about
from uptimehunt.store import backup

log = logging.getLogger(__name__)

HOUR_MS = 3_600_000
NIGHT = 3
"""The hour of the local day at which a night begins, as far as backups go."""

LATE_MS = 36 * HOUR_MS
"""A last copy of this age is made up for at any hour."""

STALE_MS = 48 * HOUR_MS
"""A last copy of this age says that something is wrong."""

AHEAD_MS = 24 * HOUR_MS
"""A copy dated so far ahead is of a clock that was wrong, and says nothing of its age."""

RESERVE = 64 * 2**20
"""Bytes that are to stay free beside a new copy."""

RETRY_S = 3600.0

_NAME = re.compile(r"nightly-\d{4}-\d{2}-\d{2}\.db")
_UNFINISHED = re.compile(rf"({_NAME.pattern})\.[0-9a-f]{{8}}\.tmp(-journal)?")


@dataclass(frozen=True, slots=True)
class Made:
    """A nightly copy that is there: since when in milliseconds, and its size."""

    path: Path
    at: int
    size_bytes: int


def state(backups: Path, keep: int, now: int) -> dict[str, Any]:
    """How the nightly copies do: `last_at` (ms or None), `size_bytes` (or None), `ok`.

    Args:
        backups: the folder of the copies.
        keep: how many are to be kept; without any, all is well.
        now: the present instant.
    """
    last = _last(backups, now)
    is_fresh = last is not None and now - last.at < STALE_MS
    return {
        "last_at": None if last is None else last.at,
        "size_bytes": None if last is None else last.size_bytes,
        "ok": is_fresh or keep == 0,
    }


def is_due(now: int, last_at: int | None, running_since: int) -> bool:
    """Whether it is time for the next copy.

    Args:
        now: the present instant; its local time counts.
        last_at: when the last copy was made; None when there is none.
        running_since: when this server was started.
    """
    if last_at is None or now - last_at >= LATE_MS:
        return True
    night = _night_before(now)
    # Started in the future: the clock was set back since.
    was_running = not night < running_since <= now
    return last_at < night and was_running


class Nightly:
    """Makes the copies of one data folder; `run` is for the scheduler."""

    def __init__(
        self, database: Path, backups: Path, keep: int, now: clock.Clock = clock.now_ms
    ) -> None:
        """Make nothing yet.

        Args:
            database: what is copied.
            backups: the folder of the copies; made when there is none.
            keep: how many copies stay; 0 for none at all.
            now: the clock.
        """
        self._database = database
        self._backups = backups
        self._keep = keep
        self._now = now
        self._running_since = now()
        self._not_before = clock.monotonic()
        self._said_no_room = False
        self._is_stopping = threading.Event()

    def run(self) -> None:
        """Make a copy if it is time for one; what fails is logged, and tried again in an hour."""
        if self._keep == 0 or clock.monotonic() < self._not_before:
            return
        now = self._now()
        last = _last(self._backups, now)
        if not is_due(now, None if last is None else last.at, self._running_since):
            return
        try:
            self._clear()
            if self._has_room():
                self._prune(self._make(now))
        except (StorageError, OSError) as ex:
            if not self._is_stopping.is_set():
                self._not_before = clock.monotonic() + RETRY_S
                log.error("backup.failed", extra=about(error=ex))

    def stop(self) -> None:
        """Break off the copy that is being made, if there is one."""
        self._is_stopping.set()

    def _make(self, now: int) -> Path:
        target = self._backups / f"nightly-{datetime.fromtimestamp(now / 1000):%Y-%m-%d}.db"
        began = clock.monotonic()
        with (
            contextlib.closing(backup.opened(self._database)) as connection,
            backup.staged(connection, target, self._is_stopping.is_set) as copy,
        ):
            os.utime(copy.path, ns=(now * 1_000_000, now * 1_000_000))
            backup.publish(copy, target)
        self._said_no_room = False
        seconds = round(clock.monotonic() - began, 2)
        log.info("backup.made", extra=about(path=target, bytes=copy.size_bytes, seconds=seconds))
        return target

    def _has_room(self) -> bool:
        where = self._backups if self._backups.exists() else self._backups.parent
        log_file = self._database.with_name(self._database.name + "-wal")
        needed = RESERVE + sum(
            file.stat().st_size for file in (self._database, log_file) if file.exists()
        )
        free = shutil.disk_usage(where).free
        if free < needed and not self._said_no_room:
            self._said_no_room = True
            log.error("backup.no_room", extra=about(free_bytes=free, needed_bytes=needed))
        return free >= needed

    def _clear(self) -> None:
        """Remove what a copy left that was killed, of whichever night."""
        for file in _files(self._backups, _UNFINISHED):
            file.unlink()

    def _prune(self, newest: Path) -> None:
        """Keep the copy just made, and the latest others as far as there is place for them."""
        others = [file for file in _files(self._backups, _NAME) if file != newest]
        for file in others[: max(0, len(others) - (self._keep - 1))]:
            file.unlink()


def _last(backups: Path, now: int) -> Made | None:
    made = []
    for file in _files(backups, _NAME):
        found = file.stat()
        if found.st_mtime_ns // 1_000_000 < now + AHEAD_MS:
            made.append(Made(file, found.st_mtime_ns // 1_000_000, found.st_size))
    return max(made, key=lambda each: each.at, default=None)


def _files(folder: Path, pattern: re.Pattern[str]) -> list[Path]:
    """Plain files of this name, in the order of their names."""
    if not folder.is_dir():
        return []
    return sorted(
        entry
        for entry in folder.iterdir()
        if pattern.fullmatch(entry.name) and stat.S_ISREG(entry.lstat().st_mode)
    )


def _night_before(now: int) -> int:
    """When the present local night began, or the last one did."""
    here = datetime.fromtimestamp(now / 1000)
    night = here.replace(hour=NIGHT, minute=0, second=0, microsecond=0)
    if night > here:
        night -= timedelta(days=1)
    return int(night.timestamp() * 1000)
