"""Incidents: opened and resolved by transitions, inside the transaction that judges results.

`open_one` and `resolve` run inside `Store.write`; everything else reads.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import peewee

from uptimehunt import clock
from uptimehunt.domain.paging import Page, Paging
from uptimehunt.domain.uptime import Period
from uptimehunt.errors import NotFoundError
from uptimehunt.store.models import Incident, Service, User

IncidentStatus = Literal["open", "resolved"]


@dataclass(frozen=True, slots=True)
class IncidentFilter:
    """Which incidents are wanted; None takes all.

    Attributes:
        start: those that had not ended by then, milliseconds.
        end: those that began before, milliseconds.
    """

    status: IncidentStatus | None = None
    service_id: int | None = None
    project_id: int | None = None
    start: int | None = None
    end: int | None = None


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
            _began_before(period.end),
            _lasted_beyond(period.start),
        )
        .order_by(Incident.started_at)
    ):
        found[incident.service_id].append(incident)
    return found


def page(user: User, wanted: IncidentFilter, paging: Paging) -> Page:
    """One page of the incidents of a user's services, newest first. Reads."""
    # The index holds what orders them, so that the table is read for the rows of the page alone.
    found = Incident.select(Incident.id).join(Service).where(Service.user == user)
    for condition in _conditions(wanted):
        found = found.where(condition)
    newest_first = found.order_by(Incident.started_at.desc(), Incident.id.desc())
    return paging.cut(newest_first.tuples(), lambda rows: _shapes([row[0] for row in rows]))


def find(user: User, incident_id: int) -> dict[str, Any]:
    """An incident of one of a user's services, as the API shows it. Reads.

    Raises:
        NotFoundError: there is none, or it is somebody else's.
    """
    incident = _with_service().where(Incident.id == incident_id, Service.user == user).first()
    if incident is None:
        raise NotFoundError("Incident")
    return _shape(incident, clock.now_ms())


def _conditions(wanted: IncidentFilter) -> list[Any]:
    conditions: list[Any] = []
    if wanted.status is not None:
        conditions.append(Incident.resolved_at.is_null(wanted.status == "open"))
    if wanted.service_id is not None:
        conditions.append(Incident.service == wanted.service_id)
    if wanted.project_id is not None:
        conditions.append(Service.project == wanted.project_id)
    if wanted.start is not None:
        conditions.append(_lasted_beyond(wanted.start))
    if wanted.end is not None:
        # Nothing has a part in a span that ends before it starts, however long it lasted.
        conditions.append(_began_before(wanted.end))
        conditions.append(peewee.Value(wanted.start is None or wanted.start < wanted.end))
    return conditions


def _began_before(instant: int) -> Any:
    return Incident.started_at < instant


def _lasted_beyond(instant: int) -> Any:
    return Incident.resolved_at.is_null() | (Incident.resolved_at > instant)


def _with_service() -> Any:
    return Incident.select(Incident, Service.id, Service.name, Service.type).join(Service)


def _shapes(ids: Sequence[int]) -> list[dict[str, Any]]:
    """The incidents of these ids, in their order."""
    now = clock.now_ms()
    found = {one.id: _shape(one, now) for one in _with_service().where(Incident.id.in_(ids))}
    return [found[incident_id] for incident_id in ids]


def _shape(incident: Any, now: int) -> dict[str, Any]:
    is_open = incident.resolved_at is None
    ended_at = now if is_open else incident.resolved_at
    return {
        "id": incident.id,
        "service": {
            "id": incident.service_id,
            "name": incident.service.name,
            "type": incident.service.type,
        },
        "status": "open" if is_open else "resolved",
        "started_at": clock.iso_seconds(incident.started_at),
        "resolved_at": clock.iso_or_none(incident.resolved_at),
        # It may begin ahead of now where the clock was set back since.
        "duration_seconds": max(0, ended_at - incident.started_at) // 1000,
        "cause": incident.cause,
        "message": incident.message,
    }
