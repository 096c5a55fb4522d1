"""What the prober is told: the services to check, ready to be checked. Everything here reads."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pydantic

from uptimehunt import checks
from uptimehunt.checks import CheckConfig, CheckType, Target
from uptimehunt.logs import about
from uptimehunt.store.models import LOCAL_PROBE, Service

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Assignment:
    """One service as a prober needs it.

    Attributes:
        revision: of the service; goes into the finding, so that a stale one is known.
        interval_s: seconds between checks.
    """

    service_id: int
    revision: int
    interval_s: int
    kind: CheckType[Any]
    config: CheckConfig
    target: Target


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
        }
        for service in Service.select().where(Service.enabled).order_by(Service.id)
        if probe_id in service.probe_ids
    ]


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
            )
        )
    return prepared
