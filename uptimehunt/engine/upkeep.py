"""Upkeep of the history: merging what has landed, retention, and noting that we are awake.

Everything is done in slices, with a pause after each as long as it took: whoever else wants to
write waits for one slice at the most, and half of the time is theirs.
"""

import logging
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from uptimehunt import clock
from uptimehunt.clock import DAY_MS
from uptimehunt.domain import ledger, results, retention, sessions
from uptimehunt.domain.disk_forecast import is_too_large, what_to_shed
from uptimehunt.domain.retention import Keeping
from uptimehunt.logs import about
from uptimehunt.store import merging
from uptimehunt.store.database import Store, give_space_back
from uptimehunt.store.queries import database_bytes

log = logging.getLogger(__name__)

MERGE_EVERY_MS = 1_800_000
T = TypeVar("T")


class Upkeep:
    """The jobs that keep the history small; each to be called now and then, from any thread."""

    def __init__(self, store: Store, keeping: Keeping) -> None:
        """Describe what is kept, of which database."""
        self._store = store
        self._keeping = keeping
        self._is_stopping = threading.Event()
        self._merging = threading.Lock()

    def stop(self) -> None:
        """End what is going on after the slice in work; the rest is done another time."""
        self._is_stopping.set()

    def note_awake(self) -> None:
        """Note that this program is there."""
        self._store.write(ledger.note_awake, clock.now_ms())

    def merge(self) -> None:
        """Merge what has landed, if it is enough or has waited long, or a merge was broken off."""
        with self._store.reading():
            waits, is_under_way = merging.landed(), merging.is_under_way()
        is_old = waits.oldest_at is not None and (
            abs(clock.now_ms() - waits.oldest_at) >= MERGE_EVERY_MS
        )
        if is_under_way or is_old or waits.count >= merging.MOST_LANDED:
            self.merge_now()

    def merge_now(self) -> None:
        """Merge all that has landed by now."""
        with self._merging:
            started_at, merged = clock.monotonic(), 0
            self._store.write(merging.begin)
            with self._store.reading():
                slices = merging.slices()
            for part in slices:
                merged += self._slowly(merging.merge, part)
                if self._is_stopping.is_set():
                    return
            while self._slowly(merging.clear):
                if self._is_stopping.is_set():
                    return
        if merged:
            took = round(clock.monotonic() - started_at, 2)
            log.debug("results.merged", extra=about(results=merged, seconds=took))

    def expire(self) -> None:
        """Delete what has had its time."""
        now = clock.now_ms()
        results_before = now - self._keeping.results_days * DAY_MS
        with self._store.reading():
            old = retention.expired(results_before, now - self._keeping.figures_days * DAY_MS)
        deleted = sum(self._in_slices(retention.expire, one) for one in old)
        if self._is_stopping.is_set():
            return
        self._store.write(retention.forget_faults, results_before)
        if deleted:
            log.info("results.expired", extra=about(deleted=deleted))
        self._keep_below_limit()
        self._give_space_back()

    def _keep_below_limit(self) -> None:
        """Shed history, step by step, while the database is larger than it may be."""
        limit, shed = self._keeping.max_bytes, 0
        while not self._is_stopping.is_set():
            with self._store.reading():
                size = database_bytes()
                if not is_too_large(size, limit):
                    break
                step = what_to_shed(size, limit, retention.held(clock.now_ms()))
                parts = [] if step is None else retention.to_shed(step)
            if step is None:
                log.error("history.over_limit", extra=about(bytes=size, limit=limit))
                break
            rows = sum(self._shed(part) for part in parts)
            if rows == 0:
                break
            shed += rows
        if shed:
            log.warning("history.shed", extra=about(rows=shed, bytes=size, limit=limit))

    def _shed(self, part: retention.Shed) -> int:
        if part.is_thinned:
            return self._in_slices(retention.thin, part.old.service_id, part.old.before)
        return self._in_slices(retention.expire, part.old)

    def _in_slices(self, delete: Callable[..., int], *args: Any) -> int:
        """Delete slice by slice until there is nothing left; answers how many rows that were."""
        rows = 0
        while not self._is_stopping.is_set():
            some = self._slowly(delete, *args)
            if some == 0:
                break
            rows += some
        return rows

    def _give_space_back(self) -> None:
        while self._slowly(give_space_back) and not self._is_stopping.is_set():
            pass

    def forget(self) -> None:
        """Forget sessions that are over, and ids of remote results that nobody sends again."""
        before = clock.now_ms() - results.KNOWN_AGAIN_DAYS * DAY_MS
        self._store.write(results.forget_received, before)
        forgotten = self._store.write(sessions.forget_expired)
        if forgotten:
            log.info("sessions.forgotten", extra=about(tokens=forgotten))

    def _slowly(self, change: Callable[..., T], *args: Any) -> T:
        """Make a change, and leave the database to others for as long as that took."""
        started_at = clock.monotonic()
        answer = self._store.write(change, *args)
        self._is_stopping.wait(clock.monotonic() - started_at)
        return answer
