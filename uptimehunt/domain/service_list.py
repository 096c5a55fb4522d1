"""The list of services: which ones, in which order, with what beside them. All of it reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import peewee

from uptimehunt import clock
from uptimehunt.domain import incidents, metrics, services
from uptimehunt.domain.paging import Page, Paging
from uptimehunt.domain.status import Status
from uptimehunt.store import queries
from uptimehunt.store.models import (
    LOCAL_PROBE,
    LastCheck,
    Probe,
    ProbeState,
    Service,
    ServiceState,
    User,
)

Sort = Literal["name", "status", "created_at", "response_time"]

_COLUMNS: dict[str, Any] = {
    "name": peewee.fn.LOWER(Service.name),
    "status": ServiceState.status,
    "created_at": Service.created_at,
    "response_time": LastCheck.response_time_ms,
}


@dataclass(frozen=True, slots=True)
class Filter:
    """Which services are wanted; None takes all.

    Attributes:
        project_id: of this project.
        without_project: those without one.
        q: part of the name or the target, in any case.
        sort: column name, with `-` in front for descending; by creation when None.
        include: `uptime`, `sparkline`.
    """

    project_id: int | None = None
    without_project: bool = False
    enabled: bool | None = None
    type: str | None = None
    status: Status | None = None
    tag: str | None = None
    q: str | None = None
    sort: str | None = None
    include: Sequence[str] = ()


def page(user: User, wanted: Filter, paging: Paging) -> Page:
    """One page of the user's services."""
    query = (
        Service.select()
        .join(ServiceState)
        .switch(Service)
        .join(LastCheck, peewee.JOIN.LEFT_OUTER)
        .where(Service.user == user, *_conditions(wanted))
    )
    return paging.cut(
        query.order_by(*_order(wanted.sort), Service.id),
        lambda found: metrics.include(services.to_dicts(list(found)), wanted.include),
    )


def _conditions(wanted: Filter) -> list[Any]:
    conditions: list[Any] = []
    if wanted.without_project:
        conditions.append(Service.project.is_null())
    if wanted.project_id is not None:
        conditions.append(Service.project == wanted.project_id)
    if wanted.enabled is not None:
        conditions.append(Service.enabled == wanted.enabled)
    if wanted.type is not None:
        conditions.append(Service.type == wanted.type)
    if wanted.status is not None:
        conditions.append(ServiceState.status == wanted.status)
    if wanted.tag is not None:
        conditions.append(queries.has_tag(wanted.tag))
    if wanted.q:
        conditions.append(Service.name.contains(wanted.q) | Service.target.contains(wanted.q))
    return conditions


def _order(sort: str | None) -> list[Any]:
    if sort is None:
        return []
    column = _COLUMNS[sort.removeprefix("-")]
    return [column.desc() if sort.startswith("-") else column.asc()]


def current_status(user: User, service_id: int, next_check_at: int | None) -> dict[str, Any]:
    """How a service stands now.

    Args:
        user: whose service it must be.
        service_id: which one.
        next_check_at: when the scheduler will check it again, milliseconds; None if it will not.
    """
    service = services.find(user, service_id)
    state = ServiceState.get_by_id(service.id)
    now = clock.now_ms()
    last = LastCheck.get_or_none(LastCheck.service == service)
    details = queries.latest_details(service.id)  # A remote prober may send anything.
    certificate, warning = details.get("certificate"), details.get("warning")
    checked_at = None if last is None else clock.iso_millis(last.checked_at)
    day = metrics.uptimes([service.id], ["24h"], now)[service.id]["24h"]
    return {
        "id": service.id,
        "name": service.name,
        "status": state.status,
        "status_changed_at": clock.iso_seconds(state.changed_at),
        "flapping_since": clock.iso_or_none(state.flapping_since),
        "message": state.message,
        "warning": warning if isinstance(warning, str) else None,
        "response_time": None if last is None else last.response_time_ms,
        "last_check_at": checked_at,
        "next_check_at": None if next_check_at is None else clock.iso_seconds(next_check_at),
        "uptime_24h": day,
        "probes": _views(service, state, last),
        "incident": incidents.current(service.id),
        "certificate": certificate if isinstance(certificate, dict) else None,
    }


def _views(service: Service, state: ServiceState, last: LastCheck | None) -> list[dict[str, Any]]:
    """How a service looks from each of its probes; one alone sees what the service is."""
    ids = service.probe_ids or [LOCAL_PROBE]
    seen: dict[int, tuple[Any, Any]] = {} if last is None else {ids[0]: (state, last)}
    if len(ids) > 1:
        of_service = ProbeState.select().where(ProbeState.service == service)
        seen = {view.probe_id: (view, view) for view in of_service}
    return [
        {
            "id": probe.id,
            "name": probe.name,
            "status": judged.status,
            "response_time": checked.response_time_ms,
            "checked_at": clock.iso_millis(checked.checked_at),
            "error": metrics.error_shape(judged.error, judged.message),
        }
        for probe in Probe.select().where(Probe.id.in_(ids)).order_by(Probe.id)
        if probe.id in seen
        for judged, checked in [seen[probe.id]]
    ]
