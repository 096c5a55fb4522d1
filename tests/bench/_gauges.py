"""What is read off while something runs: processor time, bytes written, and who had to wait."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import psutil

from uptimehunt.clock import now_ms
from uptimehunt.domain import results
from uptimehunt.domain.results import Seen
from uptimehunt.store.database import Store

P = ParamSpec("P")
T = TypeVar("T")

_PAUSE_S = 0.01


@dataclass
class Used:
    """What something took: seconds by the clock, of processor, and bytes handed to the disk."""

    seconds: float = 0
    cpu_s: float = 0
    written: int = 0


@contextlib.contextmanager
def used() -> Iterator[Used]:
    """What this process, all threads, takes for the body; there at its end.

    The bytes are as the system counts them: whole pages that were dirtied and go to the disk.
    """
    process, taken = psutil.Process(), Used()
    written, cpu, began = _written(process), time.process_time(), time.perf_counter()
    yield taken
    taken.seconds = time.perf_counter() - began
    taken.cpu_s = time.process_time() - cpu
    taken.written = _written(process) - written


def _written(process: psutil.Process) -> int:
    # Only some systems count this; there, the figures stay 0.
    return int(process.io_counters().write_bytes) if hasattr(process, "io_counters") else 0


class TimedStore(Store):
    """A store that notes how long each change had the database to itself.

    Attributes:
        held: seconds of each, the commit included.
        cpu_s: seconds of processor time of all, the commits not included.
    """

    def __init__(self, path: Path, backups: Path) -> None:
        super().__init__(path, backups)
        self.held: list[float] = []
        self.cpu_s = 0.0

    def write(self, change: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As in any store."""
        begun = 0.0

        def timed() -> T:
            nonlocal begun
            begun, cpu = time.perf_counter(), time.thread_time()
            try:
                return change(*args, **kwargs)
            finally:
                self.cpu_s += time.thread_time() - cpu

        answer = super().write(timed)
        self.held.append(time.perf_counter() - begun)
        return answer


@dataclass
class Waits:
    """How long small writes took that somebody made all the while, seconds."""

    each: list[float] = field(default_factory=list)

    def share(self, of: float) -> float:
        """A percentile, seconds."""
        return nearest(self.each, of)


def nearest(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile of some values; 0 of none."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(len(ranked) * share))] if ranked else 0


@contextlib.contextmanager
def others_write(store: Store) -> Iterator[Waits]:
    """Have a small change made every few milliseconds; how long each took is there at the end."""
    waits, done = Waits(), threading.Event()

    def write() -> None:
        while not done.wait(_PAUSE_S):
            began = time.perf_counter()
            Store.write(store, results.see, {1: Seen(now_ms(), 20)})
            waits.each.append(time.perf_counter() - began)

    thread = threading.Thread(target=write, name="other")
    thread.start()
    try:
        yield waits
    finally:
        done.set()
        thread.join()


def log_bytes(path: Path) -> int:
    """How large the log beside a database has grown; it is not cut until that is closed."""
    log: Any = path.with_name(path.name + "-wal")
    return int(log.stat().st_size) if log.exists() else 0
