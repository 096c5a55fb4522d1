"""How the whole program does. Everything here reads."""

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import peewee

from uptimehunt import __version__, clock
from uptimehunt.domain import probes
from uptimehunt.domain.disk_forecast import Load, forecast
from uptimehunt.domain.retention import Keeping
from uptimehunt.store import queries
from uptimehunt.store.models import Probe, Service, ServiceState, User
from uptimehunt.store.queries import tuples

_STATUSES = ("operational", "degraded", "down", "pending", "paused", "maintenance")


def service_counts(user: User) -> dict[str, int]:
    """How many services of a user there are, by status."""
    rows = tuples(
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


@dataclass(frozen=True, slots=True)
class Storage:
    """What is known of the disk.

    Attributes:
        keeping: what the settings say.
        free_bytes: what the volume of the data folder has left.
        backup: the nightly copies, as `store.nightly.state` tells.
    """

    keeping: Keeping
    free_bytes: int
    backup: Mapping[str, Any]


def database_figures(storage: Storage) -> dict[str, Any]:
    """What the database holds, for how long, and how large it gets."""
    size, keeping = queries.database_bytes(), storage.keeping
    ahead = forecast(_load(keeping), size, keeping.max_bytes, storage.free_bytes)
    last_at = storage.backup["last_at"]
    return {
        "engine": queries.ENGINE,
        "size_bytes": size,
        "max_bytes": keeping.max_bytes,
        "free_bytes": storage.free_bytes,
        "results": queries.result_count(),
        "results_days": keeping.results_days,
        "figures_days": keeping.figures_days,
        "forecast": {
            "steady_bytes": ahead.steady_bytes,
            "in_30_days_bytes": ahead.in_30_days,
            "in_365_days_bytes": ahead.in_365_days,
            "full_in_days": ahead.full_in_days,
            "bound": ahead.bound,
        },
        "backup": {
            "last_at": clock.iso_or_none(last_at),
            "size_bytes": storage.backup["size_bytes"],
            "ok": storage.backup["ok"],
        },
    }


def _load(keeping: Keeping) -> Load:
    """What all services together bring in, as they are checked and fail now."""
    rows = tuples(
        Service.select(Service.interval_seconds, Service.probe_ids, ServiceState.failures)
        .join(ServiceState)
        .where(Service.enabled)
    )
    checks = failed = pairs = 0.0
    for interval_s, probe_ids, failures in rows:
        probes_of_it = max(1, len(json.loads(probe_ids)))
        rate = 86_400 / interval_s * probes_of_it
        pairs += probes_of_it
        checks += rate
        failed += rate if failures else 0
    share = failed / checks if checks else 0.0
    return Load(checks, int(pairs), share, keeping.results_days, keeping.figures_days)


def percentiles(values: list[float]) -> dict[str, float | None]:
    """p50 and p99 of figures in no order; None without any."""
    ascending = sorted(values)

    def at(share: float) -> float | None:
        if not ascending:
            return None
        return round(ascending[max(1, math.ceil(len(ascending) * share)) - 1], 1)

    return {"p50": at(0.5), "p99": at(0.99)}


def overview(
    user: User, scheduler: dict[str, Any], is_well: bool, storage: Storage
) -> dict[str, Any]:
    """All of it, as the API shows it.

    Args:
        user: whose services are counted.
        scheduler: `checks_per_minute`, `lateness_ms` (a list), `queue_depth`, `in_flight`.
        is_well: whether every part does its work.
        storage: what is known of the disk.
    """
    return {
        "status": "ok" if is_well else "failing",
        "version": __version__,
        "services": service_counts(user),
        "probes": probe_counts(),
        "scheduler": scheduler | {"lateness_ms": percentiles(scheduler["lateness_ms"])},
        "database": database_figures(storage),
    }
