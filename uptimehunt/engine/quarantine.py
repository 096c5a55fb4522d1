"""Findings between their check and the recorder: those that may be our own trouble are held here.

`netguard` decides whose trouble it is; here its decisions are applied to findings, and told in the
log: one line when we are blind, one when we see again. Not thread-safe.
"""

import logging
from dataclasses import replace

from uptimehunt import clock
from uptimehunt.checks import Outcome
from uptimehunt.domain.findings import Finding
from uptimehunt.engine.netguard import Blindness, NetGuard
from uptimehunt.logs import about

log = logging.getLogger(__name__)


class Quarantine:
    """Lets findings pass, holds them for a moment, or makes them unknown."""

    def __init__(self) -> None:
        self._guard = NetGuard()
        self._held: dict[int, tuple[Finding, str]] = {}
        self._is_told = False

    def watch(self, host: str) -> None:
        """One more service is at this host."""
        self._guard.watch(host)

    def forget(self, host: str, service_id: int) -> None:
        """This service is no longer at this host; what was held of it is stale."""
        self._guard.forget(host)
        self._held.pop(service_id, None)

    def take(self, finding: Finding, host: str, started_at: float, now: float) -> list[Finding]:
        """Take the finding of a check that was just made.

        Args:
            finding: what it found.
            host: of the target.
            started_at: when it began, monotonic seconds.
            now: monotonic seconds.

        Returns:
            the findings that may be passed on now, of this service and of others.
        """
        outcome = finding.outcome
        if outcome.is_unknown or _is_ours(outcome):
            return [_unknown(finding)]
        # A later check tells more than one that nobody has decided about yet.
        self._held.pop(finding.service_id, None)
        ruling = self._guard.hear(host, outcome.is_local, started_at, now)
        if ruling == "hold":
            self._held[finding.service_id] = finding, host
            return []
        return [_unknown(finding) if ruling == "unknown" else finding]

    def pop_questions(self) -> set[str]:
        """Hosts of which a check now would help to decide."""
        return self._guard.pop_questions()

    def release(self, now: float) -> list[Finding]:
        """What was held and is decided; to be called after what was taken, and now and then."""
        self._guard.decide(now)
        self._tell()
        if self._guard.is_suspicious or not self._held:
            return []
        released = [
            _unknown(finding) if self._guard.rule(host) == "unknown" else finding
            for finding, host in self._held.values()
        ]
        self._held.clear()
        return released

    @property
    def blind_since(self) -> int | None:
        """Since when we are blind, milliseconds; None when we see."""
        blind = self._guard.blind
        return None if blind is None else _wall_ms(blind.since)

    def _tell(self) -> None:
        ended = self._guard.pop_ended()
        if ended is not None:
            self._is_told = False
            log.warning("monitor.sees_again", extra=_about(ended))
        blind = self._guard.blind
        if blind is not None and not self._is_told:
            self._is_told = True
            log.warning("monitor.blind", extra=_about(blind))


def _is_ours(outcome: Outcome) -> bool:
    """Whether it is our own trouble for certain: we had not so much as a socket to try with."""
    return outcome.is_local and outcome.error == "internal_error"


def _unknown(finding: Finding) -> Finding:
    log.debug(
        "check.unknown",
        extra=about(service_id=finding.service_id, error=finding.outcome.error),
    )
    return replace(finding, outcome=replace(finding.outcome, is_unknown=True))


def _about(blindness: Blindness) -> dict[str, object]:
    until = blindness.until
    return about(
        since=clock.iso_seconds(_wall_ms(blindness.since)),
        until=None if until is None else clock.iso_seconds(_wall_ms(until)),
        hosts=blindness.hosts,
    )


def _wall_ms(at: float) -> int:
    return clock.now_ms() - round((clock.monotonic() - at) * 1000)
