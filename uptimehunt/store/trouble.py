"""What goes wrong with disk and file: which kind of trouble it is, and since when.

Each trouble is told once when it begins (`storage.full`, `storage.failing` …) and once when it is
over (`storage.well`), however many changes it refuses meanwhile: a log that fills the disk it
complains about helps nobody. Nothing here touches the disk.

| kind | what it is | what ends it |
| --- | --- | --- |
| full | no room, or a quota | a change that is kept, with the reserve in its place again |
| failing | the disk or the file system reports errors | a change that is kept, or `GIVE_UP_S` |
| read-only | nobody may write any more | a change that is kept |
| locked | another program holds the database | a change that is kept |
| damaged | pages that are not what they were | a restart, from a backup |
"""

import enum
import errno
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from uptimehunt import clock
from uptimehunt.logs import about

log = logging.getLogger(__name__)

QUIET_S = 5.0
"""A trouble is over once changes are kept and it was not met for this long."""

GIVE_UP_S = 60.0
"""A disk that fails each change for this long is not waited for any more.

Then it is better to end and be started anew: by a supervisor that tells somebody, on a file
system that may have been mounted anew. Full, locked and damaged are no reason to: a start would
change nothing, and checks go on meanwhile.
"""

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}


class Kind(enum.StrEnum):
    """The kinds of trouble."""

    FULL = "full"
    FAILING = "failing"
    READ_ONLY = "read_only"
    LOCKED = "locked"
    DAMAGED = "damaged"


_KINDS: dict[type[apsw.Error], Kind] = {
    apsw.FullError: Kind.FULL,
    apsw.IOError: Kind.FAILING,
    apsw.CantOpenError: Kind.FAILING,
    apsw.NoMemError: Kind.FAILING,
    apsw.ReadOnlyError: Kind.READ_ONLY,
    apsw.BusyError: Kind.LOCKED,
    apsw.LockedError: Kind.LOCKED,
    apsw.CorruptError: Kind.DAMAGED,
    apsw.NotADBError: Kind.DAMAGED,
}

_FAILURES: tuple[type[apsw.Error], ...] = (*_KINDS, apsw.InterruptError)
"""What SQLite says when disk or file fails, or time is up; not what it says of a statement."""


def failure_of(ex: BaseException | None) -> apsw.Error | None:
    """The failure of disk or file behind an error, if there is one.

    A full disk ends the transaction by itself; what peewee then raises is that its roll-back
    found none, with the real reason as its context.
    """
    while ex is not None:
        for failure in (ex, *ex.args):
            if isinstance(failure, _FAILURES):
                return failure
        ex = ex.__cause__ or ex.__context__
    return None


def kind_of(failure: apsw.Error, number: int = 0) -> Kind | None:
    """The trouble that a failure is a sign of; None when it is a sign of none.

    Args:
        failure: what `failure_of` found.
        number: the `errno` behind it, 0 when it is not known.
    """
    if isinstance(failure, apsw.IOError):
        # The index of the log cannot grow, or a file system first says so when it writes back.
        extended = getattr(failure, "extendedresult", 0)
        if number in _NO_ROOM or extended == apsw.SQLITE_IOERR_SHMSIZE:
            return Kind.FULL
    return next((kind for error, kind in _KINDS.items() if isinstance(failure, error)), None)


def advice(backups: Path) -> str:
    """What to do about a damaged database: which backup to restore."""
    try:
        newest = max(backups.glob("*.db"), key=lambda file: file.stat().st_mtime, default=None)
    except OSError:  # The disk fails, or one was just removed.
        newest = None
    return "restore it from a backup" if newest is None else f"restore it from {newest}"


@dataclass
class _Trouble:
    since: float
    last: float


class Troubles:
    """The troubles of one database; any thread may report."""

    def __init__(self, backups: Path, now: Callable[[], float] = clock.monotonic) -> None:
        """Begin without any.

        Args:
            backups: the folder of the backups.
            now: the monotonic clock, in seconds.
        """
        self._backups = backups
        self._now = now
        self._open: dict[Kind, _Trouble] = {}
        self._failing_since: float | None = None
        self._is_refusing = False
        self._lock = threading.Lock()

    def write_failed(self, kind: Kind, error: BaseException, **facts: Any) -> None:
        """Changes were refused for this.

        Args:
            kind: of trouble.
            error: what SQLite said.
            facts: more for the log.
        """
        with self._lock:
            self._is_refusing = True
            if kind is Kind.FAILING and self._failing_since is None:
                self._failing_since = self._now()
            self._tell(kind, error, facts)

    def read_failed(self, kind: Kind, error: BaseException) -> None:
        """Something could not be read for this."""
        with self._lock:
            if kind in {Kind.DAMAGED, Kind.FAILING}:
                self._tell(kind, error, {})

    def _tell(self, kind: Kind, error: BaseException, facts: dict[str, Any]) -> None:
        now = self._now()
        if known := self._open.get(kind):
            known.last = now
            return
        self._open[kind] = _Trouble(now, now)
        if kind is Kind.DAMAGED:
            facts = {"advice": advice(self._backups)}
        log.error(f"storage.{kind}", extra=about(error=error, **facts))

    def wrote(self, has_room: bool) -> None:
        """A change was kept.

        Args:
            has_room: whether the reserve is in its place.
        """
        if not self._open:
            return
        with self._lock:
            self._failing_since, self._is_refusing = None, False
            now = self._now()
            for kind, known in list(self._open.items()):
                lasts = kind is Kind.DAMAGED or (kind is Kind.FULL and not has_room)
                if not lasts and now - known.last >= QUIET_S:
                    del self._open[kind]
                    seconds = round(now - known.since)
                    log.warning("storage.well", extra=about(was=kind, seconds=seconds))

    def has(self, kind: Kind) -> bool:
        """Whether there is trouble of this kind."""
        return kind in self._open

    def is_refusing(self) -> bool:
        """Whether the last change was refused."""
        return self._is_refusing

    def is_lost(self) -> bool:
        """Whether the disk has failed each change for so long that waiting makes no sense."""
        since = self._failing_since
        return since is not None and self._now() - since >= GIVE_UP_S
