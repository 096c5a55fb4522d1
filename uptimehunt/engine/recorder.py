"""The recorder: gathers findings for a moment and has them kept and judged in one transaction.

A finding that comes alone is kept at once. Where many come, they share a commit of two seconds, but
for what may be news, which waits for nothing: whatever went otherwise than the check before. Each
commit costs a few pages, however much is in it. For the same reason it is noted but now and then
that services were seen which are as they were.

While the database cannot take them (a full disk), findings wait in memory and are tried again;
checks go on. Only when a very long time has filled the memory set aside, the oldest successes go.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from uptimehunt import clock
from uptimehunt.domain import results
from uptimehunt.domain.findings import Finding
from uptimehunt.domain.results import Seen, Verdict
from uptimehunt.errors import StorageError
from uptimehunt.logs import about

log = logging.getLogger(__name__)

GATHER_S = 0.02
"""How long others are waited for after the first finding of a batch."""

COMMIT_EVERY_S = 2.0
SEE_EVERY_S = 4.0
BATCH = 500
MOST_WAITING = 100_000
RETRY_S = 2.0


Write = Callable[..., Any]
"""`Store.write`."""


class Recorder:
    """Takes findings from any thread; a thread of its own hands them to the store."""

    def __init__(
        self,
        write: Write,
        judged: Callable[[Verdict], None],
    ) -> None:
        """Make a recorder; `start` sets it going.

        Args:
            write: `Store.write`.
            judged: told each verdict once it is committed.
        """
        self._write = write
        self._judged = judged
        self._queue: SimpleQueue[Finding | None] = SimpleQueue()
        self._waiting: list[Finding] = []
        self._is_stopping = False
        self._stuck_since: float | None = None
        self._committed_at = 0.0
        self._seen: dict[int, Seen] = {}
        self._seen_at = 0.0
        self._settled: dict[int, bool] = {}
        self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)

    def start(self) -> None:
        """Begin to record."""
        self._thread.start()

    def put(self, finding: Finding) -> None:
        """Take a finding; returns at once."""
        self._queue.put(finding)

    def is_well(self) -> bool:
        """Whether findings reach the database."""
        return self._thread.is_alive() and self._stuck_since is None

    def stop(self) -> None:
        """Record what was put so far, and end."""
        self._is_stopping = True
        self._queue.put(None)
        self._thread.join(timeout=5)

    def _work(self) -> None:
        while not (self._is_stopping and self._queue.empty() and not self._waiting):
            self._gather()
            if self._waiting:
                is_kept = self._record()
            elif self._seen and clock.monotonic() >= self._see_due_at():
                is_kept = self._see()
            else:
                continue
            if is_kept:
                self._stuck_since = None
            elif self._is_stopping:
                break
            else:
                self._stuck_since = self._stuck_since or clock.monotonic()
                self._thin_out()
                time.sleep(RETRY_S)
        if self._seen:
            self._see()
        if self._waiting:
            log.error("recorder.lost", extra=about(findings=len(self._waiting)))

    def _see_due_at(self) -> float:
        return self._seen_at + SEE_EVERY_S

    def _gather(self) -> None:
        """Wait for a finding, then take all that come until it is time to commit."""
        ends_at = clock.monotonic() if self._waiting else None
        while len(self._waiting) < BATCH and not (self._is_stopping and self._queue.empty()):
            until = self._see_due_at() if ends_at is None and self._seen else ends_at
            patience = None if until is None else until - clock.monotonic()
            try:
                finding = self._queue.get(block=patience is None or patience > 0, timeout=patience)
            except Empty:
                return
            if finding is None:
                continue
            self._waiting.append(finding)
            soon = clock.monotonic() + GATHER_S
            if ends_at is None:
                ends_at = max(soon, self._committed_at + COMMIT_EVERY_S)
            if finding.outcome.ok != self._settled.get(finding.service_id, True):
                ends_at = min(ends_at, soon)

    def _record(self) -> bool:
        """Have what waits kept; whether it could be."""
        batch = self._waiting[:BATCH]
        try:
            kept = self._write(self._keep, batch)
        except StorageError as ex:
            self._tell_stuck(ex)
            return False
        except Exception:
            # One finding that cannot be kept must not stop all others for ever.
            log.exception("recorder.failed", extra=about(findings=len(batch)))
            return self._record_singly(batch)
        self._pass_on(kept, len(batch))
        return True

    def _keep(self, batch: list[Finding]) -> "_Kept":
        """Keep and judge findings; with it, note who was seen, when it is time for that."""
        verdicts = results.record(batch)
        seen = {verdict.service_id: verdict.seen for verdict in verdicts}
        is_due = clock.monotonic() >= self._see_due_at()
        if is_due or any(verdict.at_once for verdict in verdicts):
            results.see(self._seen | seen)
            return _Kept(verdicts, {})
        return _Kept(verdicts, self._seen | seen)

    def _see(self) -> bool:
        """Note who was seen; whether that could be."""
        try:
            self._write(results.see, self._seen)
        except StorageError as ex:
            self._tell_stuck(ex)
            return False
        self._seen, self._seen_at = {}, clock.monotonic()
        return True

    def _tell_stuck(self, error: StorageError) -> None:
        if self._stuck_since is None:  # Told once, however often it is tried again.
            log.error("recorder.stuck", extra=about(findings=len(self._waiting), error=error))

    def _pass_on(self, kept: "_Kept", done: int) -> None:
        """Tell the verdicts of the first `done` findings, which wait no more."""
        self._committed_at = clock.monotonic()
        if not kept.unseen:
            self._seen_at = self._committed_at
        self._seen = kept.unseen
        del self._waiting[:done]
        for verdict in kept.verdicts:
            if verdict.retry_in is None:
                self._settled[verdict.service_id] = verdict.error is None
            else:
                self._settled.pop(verdict.service_id, None)
            results.tell(verdict)
            self._judged(verdict)

    def _record_singly(self, batch: list[Finding]) -> bool:
        """Have each kept by itself, so that only what cannot be kept is dropped."""
        for finding in batch:
            kept = _Kept([], self._seen)
            try:
                kept = self._write(self._keep, [finding])
            except StorageError:
                return False
            except Exception as ex:
                log.error("recorder.dropped", extra=about(service_id=finding.service_id, error=ex))
            self._pass_on(kept, 1)
        return True

    def _thin_out(self) -> None:
        while not self._queue.empty():
            finding = self._queue.get()
            if finding is not None:
                self._waiting.append(finding)
        beyond = len(self._waiting) - MOST_WAITING
        if beyond > 0:
            kept = []
            for finding in self._waiting:
                if beyond > 0 and finding.outcome.ok:
                    beyond -= 1
                else:
                    kept.append(finding)
            self._waiting = kept[-MOST_WAITING:]


@dataclass(frozen=True, slots=True)
class _Kept:
    """What a commit made of a batch: its verdicts, and who was seen but not noted yet."""

    verdicts: list[Verdict]
    unseen: dict[int, Seen]
