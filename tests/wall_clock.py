"""The wall clock, to be set: what the program takes for now."""

import contextlib
import time
from collections.abc import Iterator

import pytest


class WallClock:
    """A clock that stands still until it is set.

    Attributes:
        now: milliseconds since the epoch.
    """

    def __init__(self, now: int) -> None:
        self.now = now

    def time_ns(self) -> int:
        return self.now * 1_000_000


@contextlib.contextmanager
def wall_clock(now: int) -> Iterator[WallClock]:
    """Have the program believe that it is this instant, or what the clock is set to later."""
    clock = WallClock(now)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time_ns", clock.time_ns)
        yield clock
