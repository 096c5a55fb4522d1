"""What the prober is told: the services to check, ready to be checked. Everything here reads.

A service of a passive type is not checked but judged by what the database knows of it: `told`.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pydantic

from uptimehunt import checks
from uptimehunt.checks import CheckConfig, CheckType, Target
from uptimehunt.domain import groups, heartbeats
from uptimehunt.logs import about
from uptimehunt.store.models import LOCAL_PROBE, Service

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Assignment:
    """One service as a prober needs it.

    Attributes:
        revision: of the service; goes into the finding, so that a stale one is known.
        interval_s: seconds between checks.
        members: ids of the services whose status this one is made of.
    """

    service_id: int
    revision: int
    interval_s: int
    kind: CheckType[Any]
    config: CheckConfig
    target: Target
    members: Sequence[int] = ()


def all_enabled() -> list[Assignment]:
    """The assignments of this process: its services that are not paused."""
    return _prepare(Service.select().where(Service.enabled))


def of_service(service_id: int) -> Assignment | None:
    """The assignment of one service; None when it is paused, gone, elsewhere, or unusable."""
    found = _prepare(Service.select().where(Service.id == service_id, Service.enabled))
    return found[0] if found else None


def elsewhere(probe_id: int) -> list[dict[str, Any]]:
    """What a remote probe is to check, with all that it needs for it, secrets included."""
    return [
        {
            "id": service.id,
            "revision": service.revision,
            "type": service.type,
            "config": service.config,
            "interval_seconds": service.interval_seconds,
            "retries": service.retries,
            "retry_interval_seconds": service.retry_interval_seconds,
            "recoveries": service.recoveries,
        }
        for service in Service.select().where(Service.enabled).order_by(Service.id)
        if probe_id in service.probe_ids
    ]


Mark = Mapping[str, Any]
"""The details of the outcome that a judge gave last."""


def told(assignment: Assignment, mark: Mark | None, awake_since: int) -> Any:
    """What the judge of a passive type is told now; None when the service is gone.

    Args:
        assignment: the service.
        mark: what this process saw of it last; None when it has seen nothing yet.
        awake_since: from when on this process was there without a break, milliseconds.
    """
    return _TOLD[assignment.kind.type](assignment, mark, awake_since)


def _told_heartbeat(assignment: Assignment, mark: Mark | None, awake_since: int) -> Any:
    return heartbeats.told(assignment.service_id, mark, awake_since)


def _told_group(assignment: Assignment, mark: Mark | None, awake_since: int) -> Any:
    return groups.told(assignment.service_id, assignment.members)


_TOLD: dict[str, Callable[[Assignment, Mark | None, int], Any]] = {
    heartbeats.TYPE: _told_heartbeat,
    groups.TYPE: _told_group,
}


def _prepare(services: Iterable[Service]) -> list[Assignment]:
    prepared = []
    for service in services:
        if LOCAL_PROBE not in (service.probe_ids or [LOCAL_PROBE]):
            continue
        kind = checks.REGISTRY.get(service.type)
        try:
            if kind is None:
                raise ValueError(f"no check type {service.type!r}")
            config = kind.config.model_validate(service.config)
        except (pydantic.ValidationError, ValueError) as ex:
            # Saved by another version of the program: the others must go on.
            log.error("service.unusable", extra=about(service_id=service.id, error=ex))
            continue
        prepared.append(
            Assignment(
                service.id,
                service.revision,
                service.interval_seconds,
                kind,
                config,
                kind.target(config),
                () if kind.members is None else tuple(kind.members(config)),
            )
        )
    return prepared
