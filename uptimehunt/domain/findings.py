"""Findings: what checks bring in, and how it lands; see `store/merging.py` for what follows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import peewee

from uptimehunt import clock
from uptimehunt.checks import Outcome
from uptimehunt.store.bulk import Put
from uptimehunt.store.models import Fault, LandedDetails, LandedResult, Merge


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check, with where and when it was made.

    Attributes:
        revision: of the service when the check began.
        checked_at: when it began, milliseconds.
    """

    service_id: int
    revision: int
    probe_id: int
    checked_at: int
    outcome: Outcome


def land(findings: Sequence[Finding], telling: set[int]) -> None:
    """Append results to what has landed; their ids go on from the newest there. In `Store.write`.

    Args:
        findings: the results.
        telling: places of those whose details are kept.
    """
    if not findings:
        return
    newest = LandedResult.select(peewee.fn.MAX(LandedResult.id)).scalar()
    first = max(newest or 0, Merge.get().fence) + 1
    faults = _fault_ids(findings)
    _PUT_LANDED(
        (
            first + at,
            finding.service_id,
            finding.probe_id,
            finding.checked_at,
            finding.outcome.response_time_ms,
            finding.outcome.status_code,
            faults.get(_fault_of(finding)),
        )
        for at, finding in enumerate(findings)
    )
    _PUT_DETAILS(
        (first + at, dict(finding.outcome.details))
        for at, finding in enumerate(findings)
        if at in telling and finding.outcome.details
    )


_PUT_LANDED = Put(
    [
        LandedResult.id,
        LandedResult.service_id,
        LandedResult.probe_id,
        LandedResult.checked_at,
        LandedResult.response_time_ms,
        LandedResult.status_code,
        LandedResult.fault_id,
    ]
)
_PUT_DETAILS = Put([LandedDetails.id, LandedDetails.details])

FAULT_USED_MS = 86_400_000
"""How exactly it is known when a fault was last met."""


def _fault_of(finding: Finding) -> tuple[str, str] | None:
    outcome = finding.outcome
    return None if outcome.ok else (outcome.error or "internal_error", outcome.message)


def _fault_ids(findings: Iterable[Finding]) -> dict[tuple[str, str] | None, int]:
    """The ids of the faults in these findings; new ones are added."""
    wanted = {fault for finding in findings if (fault := _fault_of(finding)) is not None}
    now = clock.now_ms()
    ids: dict[tuple[str, str] | None, int] = {}
    for error, message in wanted:
        known = Fault.get_or_none(Fault.error == error, Fault.message == message)
        if known is None:
            known = Fault.create(error=error, message=message, used_at=now)
        elif now - known.used_at > FAULT_USED_MS:
            Fault.update(used_at=now).where(Fault.id == known.id).execute()
        ids[error, message] = known.id
    return ids
