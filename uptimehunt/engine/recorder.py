"""The recorder: gathers findings for a moment and has them kept and judged in one transaction.

While the database cannot take them (a full disk), findings wait in memory and are tried again;
checks go on. Only when a very long time has filled the memory set aside, the oldest successes go.
"""

import logging
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue

from uptimehunt import clock
from uptimehunt.domain import results
from uptimehunt.domain.results import Finding, Verdict
from uptimehunt.errors import StorageError
from uptimehunt.logs import about

log = logging.getLogger(__name__)

GATHER_S = 0.25
BATCH = 500
MOST_WAITING = 100_000
RETRY_S = 2.0


class Recorder:
    """Takes findings from any thread; a thread of its own hands them to the store."""

    def __init__(
        self,
        write: Callable[[Callable[[list[Finding]], list[Verdict]], list[Finding]], list[Verdict]],
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
            if not self._waiting:
                continue
            if self._record():
                self._stuck_since = None
            elif self._is_stopping:
                log.error("recorder.lost", extra=about(findings=len(self._waiting)))
                return
            else:
                self._stuck_since = self._stuck_since or clock.monotonic()
                self._thin_out()
                time.sleep(RETRY_S)

    def _gather(self) -> None:
        """Wait for a finding, then take all that come within the moment."""
        ends_at: float | None = None
        if self._waiting:
            ends_at = clock.monotonic()
        while len(self._waiting) < BATCH and not (self._is_stopping and self._queue.empty()):
            patience = None if ends_at is None else ends_at - clock.monotonic()
            try:
                finding = self._queue.get(block=patience is None or patience > 0, timeout=patience)
            except Empty:
                return
            if finding is None:
                continue
            self._waiting.append(finding)
            if ends_at is None:
                ends_at = clock.monotonic() + GATHER_S

    def _record(self) -> bool:
        """Have what waits kept; whether it could be."""
        batch = self._waiting[:BATCH]
        try:
            verdicts = self._write(results.record, batch)
        except StorageError as ex:
            log.error("recorder.stuck", extra=about(findings=len(self._waiting), error=ex))
            return False
        except Exception:
            # One finding that cannot be kept must not stop all others for ever.
            log.exception("recorder.failed", extra=about(findings=len(batch)))
            return self._record_singly(batch)
        self._pass_on(verdicts, len(batch))
        return True

    def _pass_on(self, verdicts: list[Verdict], done: int) -> None:
        """Tell the verdicts of the first `done` findings, which wait no more."""
        del self._waiting[:done]
        for verdict in verdicts:
            results.tell(verdict)
            self._judged(verdict)

    def _record_singly(self, batch: list[Finding]) -> bool:
        """Have each kept by itself, so that only what cannot be kept is dropped."""
        for finding in batch:
            verdicts: list[Verdict] = []
            try:
                verdicts = self._write(results.record, [finding])
            except StorageError:
                return False
            except Exception as ex:
                log.error("recorder.dropped", extra=about(service_id=finding.service_id, error=ex))
            self._pass_on(verdicts, 1)
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
