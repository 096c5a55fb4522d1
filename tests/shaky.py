"""A disk that fails when it is told to, below the real SQLite; needs no compiler and no root.

In a test it is a context (`shaky_disk`); `python -m tests.shaky FLAG …` runs the program on one
that fails each write and sync while the file FLAG is there.
"""

import contextlib
import itertools
import runpy
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw

WRITE, SYNC = "write", "sync"

_CODES = {WRITE: apsw.SQLITE_IOERR_WRITE, SYNC: apsw.SQLITE_IOERR_FSYNC}


class Plan:
    """Decides which calls fail. Counting begins at the first call after `fail`."""

    def __init__(self) -> None:
        self._decide: Callable[[str], apsw.Error | None] = lambda operation: None
        self.is_torn = False
        """Whether half of what fails to be written is written all the same."""
        self._synced: dict[str, bytearray] = {}
        self._unsynced: dict[str, list[tuple[int, bytes]]] = {}

    def fail(
        self,
        operations: set[str],
        first: int = 1,
        last: int | None = None,
        error: Callable[[str], apsw.Error] | None = None,
    ) -> None:
        """Have the calls of these operations fail from the `first` to the `last` one."""
        numbers = itertools.count(1)

        def decide(operation: str) -> apsw.Error | None:
            if operation not in operations:
                return None
            number = next(numbers)
            fails = first <= number and (last is None or number <= last)
            return (error or io_error)(operation) if fails else None

        self._decide = decide

    def fail_while(self, is_failing: Callable[[], bool]) -> None:
        """Have every call fail while this is so."""
        self._decide = lambda operation: io_error(operation) if is_failing() else None

    def heal(self) -> None:
        """Have nothing fail any more."""
        self._decide = lambda operation: None

    def meet(self, operation: str) -> apsw.Error | None:
        """What becomes of a call."""
        return self._decide(operation)

    def left_by_a_power_cut(self, file: Path) -> dict[str, bytes]:
        """What of a database is on the disk for good, by the name of the file.

        That is what was synced. What was written before a sync that failed is lost, as on Linux:
        the system forgets that it still had to write it, and the next sync succeeds without.
        """
        parts = {str(file): file.name, f"{file}-wal": f"{file.name}-wal"}
        return {name: bytes(self._synced.get(path, b"")) for path, name in parts.items()}

    def opened(self, path: str) -> None:
        """What is in a file when it is first opened is there for good."""
        if path not in self._synced:
            file = Path(path)
            self._synced[path] = bytearray(file.read_bytes() if file.exists() else b"")

    def wrote(self, path: str, offset: int, data: bytes) -> None:
        """Something was written, and not synced yet."""
        self._unsynced.setdefault(path, []).append((offset, data))

    def synced(self, path: str, is_done: bool) -> None:
        """What was written is on the disk, or never will be."""
        image = self._synced[path]
        for offset, data in self._unsynced.pop(path, []):
            if is_done:
                image.extend(bytes(max(0, offset + len(data) - len(image))))
                image[offset : offset + len(data)] = data

    def cut(self, path: str, size: int) -> None:
        """A file was shortened."""
        del self._synced[path][size:]


def io_error(operation: str) -> apsw.Error:
    """What SQLite's own layer says when the system answers EIO."""
    return with_code(apsw.IOError("shaky"), _CODES[operation])


def full(operation: str) -> apsw.Error:
    """What it says when the system answers ENOSPC."""
    return with_code(apsw.FullError("shaky"), apsw.SQLITE_FULL)


def with_code(error: apsw.Error, code: int) -> apsw.Error:
    """An error with the exact result code, as SQLite's own come."""
    vars(error)["extendedresult"] = code
    return error


class _File(apsw.VFSFile):
    def __init__(self, plan: Plan, name: "str | apsw.URIFilename | None", flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        self._plan = plan
        self._path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        plan.opened(self._path)

    def xWrite(self, data: bytes, offset: int) -> None:
        error = self._plan.meet(WRITE)
        if error is None or self._plan.is_torn:
            part = data if error is None else data[: len(data) // 2]
            super().xWrite(part, offset)
            self._plan.wrote(self._path, offset, bytes(part))
        if error is not None:
            raise error

    def xSync(self, flags: int) -> None:
        error = self._plan.meet(SYNC)
        self._plan.synced(self._path, error is None)
        if error is not None:
            raise error
        super().xSync(flags)

    def xTruncate(self, size: int) -> None:
        super().xTruncate(size)
        self._plan.cut(self._path, size)


class _Disk(apsw.VFS):
    def __init__(self, plan: Plan) -> None:
        super().__init__("shaky", "unix", makedefault=True)
        self._plan = plan

    def xOpen(self, name: "str | apsw.URIFilename | None", flags: list[int]) -> apsw.VFSFile:
        return _File(self._plan, name, flags)


@contextlib.contextmanager
def shaky_disk() -> Iterator[Plan]:
    """Whatever is opened meanwhile lies on a disk that follows the plan."""
    plan = Plan()
    disk = _Disk(plan)
    try:
        yield plan
    finally:
        apsw.set_default_vfs("unix")
        disk.unregister()


if __name__ == "__main__":
    flag = Path(sys.argv.pop(1))
    with shaky_disk() as plan:
        plan.fail_while(flag.exists)
        runpy.run_module("uptimehunt", run_name="__main__", alter_sys=True)
