"""How the whole program does. Everything here reads."""

import math
from collections import Counter
from typing import Any

import peewee

from uptimehunt import __version__
from uptimehunt.domain import probes
from uptimehunt.store import queries
from uptimehunt.store.models import Probe, Service, ServiceState, User

_STATUSES = ("operational", "degraded", "down", "pending", "paused", "maintenance")


def service_counts(user: User) -> dict[str, int]:
    """How many services of a user there are, by status."""
    rows = queries.tuples(
        ServiceState.select(ServiceState.status, peewee.fn.COUNT(ServiceState.service))
        .join(Service)
        .where(Service.user == user)
        .group_by(ServiceState.status)
    )
    counts: Counter[str] = Counter(dict(rows))
    return {"total": counts.total(), **{status: counts[status] for status in _STATUSES}}


def probe_counts() -> dict[str, int]:
    """How many probes are there, and how many are not."""
    counts = Counter(probes.status_of(probe) for probe in Probe.select())
    return {"online": counts["online"], "offline": counts["offline"]}


def database_figures() -> dict[str, Any]:
    """What the database holds."""
    return {
        "engine": "sqlite",
        "size_bytes": queries.database_bytes(),
        "results": queries.result_count(),
    }


def percentiles(values: list[float]) -> dict[str, float | None]:
    """p50 and p99 of figures in no order; None without any."""
    ascending = sorted(values)

    def at(share: float) -> float | None:
        if not ascending:
            return None
        return round(ascending[max(1, math.ceil(len(ascending) * share)) - 1], 1)

    return {"p50": at(0.5), "p99": at(0.99)}


def overview(user: User, scheduler: dict[str, Any], is_well: bool) -> dict[str, Any]:
    """All of it, as the API shows it.

    Args:
        user: whose services are counted.
        scheduler: `checks_per_minute`, `lateness_ms` (a list), `queue_depth`, `in_flight`.
        is_well: whether every part does its work.
    """
    return {
        "status": "ok" if is_well else "failing",
        "version": __version__,
        "services": service_counts(user),
        "probes": probe_counts(),
        "scheduler": scheduler | {"lateness_ms": percentiles(scheduler["lateness_ms"])},
        "database": database_figures(),
    }
