"""`/health` and `/openapi.json`. Public; `/health` says nothing of what is watched."""

from typing import Any, Literal

import falcon
from pydantic import BaseModel, RootModel

from uptimehunt import __version__, clock
from uptimehunt.api.operation import Access, Answer, Resource, operation
from uptimehunt.api.parts import Parts
from uptimehunt.domain import accounts, system
from uptimehunt.errors import BusyError


class Health(BaseModel):
    """Whether the program does its work."""

    status: Literal["ok"]
    version: str
    uptime_seconds: int
    setup_required: bool
    checks: dict[str, Literal["ok"]]


class ServiceCounts(BaseModel):
    """Services by status."""

    total: int
    operational: int
    degraded: int
    down: int
    pending: int
    paused: int
    maintenance: int


class ProbeCounts(BaseModel):
    """Probes by whether they are there."""

    online: int
    offline: int


class Lateness(BaseModel):
    """How late checks start, milliseconds; null before the first."""

    p50: float | None
    p99: float | None


class SchedulerFigures(BaseModel):
    """How the scheduler keeps up."""

    checks_per_minute: float
    lateness_ms: Lateness
    queue_depth: int
    in_flight: int


class DatabaseFigures(BaseModel):
    """What the database holds."""

    engine: str
    size_bytes: int
    results: int


class NotificationFigures(BaseModel):
    """How notifications fare. None are sent yet, so none wait and none fail."""

    pending: int = 0
    failed_24h: int = 0


class SystemStatus(BaseModel):
    """How the program does, and the caller's services."""

    status: Literal["ok", "failing"]
    version: str
    services: ServiceCounts
    probes: ProbeCounts
    scheduler: SchedulerFigures
    database: DatabaseFigures
    notifications: NotificationFigures


class OpenApi(RootModel[dict[str, Any]]):
    """The OpenAPI document, without envelope."""


class HealthCheck(Resource):
    """`/health`."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self._started_at = clock.monotonic()

    @operation("Check API health", access=Access.PUBLIC, answer=Answer(200, Health), errors=(503,))
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """200 when every part is well, else 503 with the failing one named."""
        found = self.parts.health()
        failing = [name for name, is_well in found.items() if not is_well]
        if failing:
            raise BusyError(f"Not well: {', '.join(failing)}", retry_after_s=5)
        return {
            "status": "ok",
            "version": __version__,
            "uptime_seconds": int(clock.monotonic() - self._started_at),
            "setup_required": not accounts.exists_any(),
            "checks": dict.fromkeys(found, "ok"),
        }


class Status(Resource):
    """`/status`."""

    @operation("Get system status", access=Access.USER, answer=Answer(200, SystemStatus))
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """Figures of the scheduler and the database, and one's services by status."""
        engine = self.parts.engine
        in_flight, waiting = engine.counts()
        scheduler = {
            "checks_per_minute": round(engine.checks_per_minute(), 1),
            "lateness_ms": engine.lateness_ms(),
            "queue_depth": waiting,
            "in_flight": in_flight,
        }
        is_well = all(self.parts.health().values())
        figures = system.overview(req.context.user, scheduler, is_well)
        return {**figures, "notifications": NotificationFigures().model_dump()}


class OpenApiDocument(Resource):
    """`/openapi.json`; `app.create_app` writes the document, since it knows the routes."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self.document: dict[str, Any] = {}

    @operation(
        "Get the OpenAPI document",
        access=Access.PUBLIC,
        answer=Answer(200, OpenApi, is_bare=True),
        cache="public, max-age=300",
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """OpenAPI 3.1, made from the declarations that validate requests."""
        return self.document
