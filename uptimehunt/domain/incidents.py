"""Incidents: opened and resolved by transitions, inside the transaction that judges results.

`current` and `touching…` read; `open_one` and `resolve` run inside `Store.write`.
"""

from collections.abc import Sequence
from typing import Any

import peewee

from uptimehunt import clock
from uptimehunt.domain.uptime import Period
from uptimehunt.store.models import Incident


def open_one(service_id: int, started_at: int, cause: str | None, message: str) -> None:
    """Open the incident of a service that has gone down; never into the one before."""
    before = (
        Incident.select(Incident.resolved_at)
        .where(Incident.service == service_id)
        .order_by(Incident.id.desc())
        .first()
    )
    if before is not None and before.resolved_at is not None:
        started_at = max(started_at, before.resolved_at)
    Incident.create(service=service_id, started_at=started_at, cause=cause, message=message)


def resolve(service_id: int, at: int) -> None:
    """Resolve whatever incident of the service is open; never before it began.

    Its beginning may lie ahead where the clock was set back since.
    """
    Incident.update(resolved_at=peewee.fn.MAX(Incident.started_at, at)).where(
        Incident.service == service_id, Incident.resolved_at.is_null()
    ).execute()


def current(service_id: int) -> dict[str, Any] | None:
    """The open incident of a service, or None. Reads."""
    found = (
        Incident.select()
        .where(Incident.service == service_id, Incident.resolved_at.is_null())
        .first()
    )
    if found is None:
        return None
    return {
        "id": found.id,
        "started_at": clock.iso_seconds(found.started_at),
        "cause": found.cause,
    }


def touching(service_id: int, period: Period) -> list[Incident]:
    """The incidents of a service that have a part in a period, oldest first. Reads."""
    return touching_many([service_id], period)[service_id]


def touching_many(service_ids: Sequence[int], period: Period) -> dict[int, list[Incident]]:
    """The incidents that have a part in a period, oldest first, by service. Reads."""
    found: dict[int, list[Incident]] = {service_id: [] for service_id in service_ids}
    for incident in (
        Incident.select()
        .where(
            Incident.service.in_(service_ids),
            Incident.started_at < period.end,
            Incident.resolved_at.is_null() | (Incident.resolved_at > period.start),
        )
        .order_by(Incident.started_at)
    ):
        found[incident.service_id].append(incident)
    return found
