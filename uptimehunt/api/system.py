"""`/health` and `/openapi.json`. Public; `/health` says nothing of what is watched."""

from typing import Any, Literal

import falcon
from pydantic import BaseModel, ConfigDict, Field, RootModel

from uptimehunt import __version__, clock
from uptimehunt.api.operation import Access, Answer, Resource, Timestamp, operation
from uptimehunt.api.parts import Parts
from uptimehunt.domain import accounts, system
from uptimehunt.errors import BusyError


class Health(BaseModel):
    """Whether the program does its work."""

    status: Literal["ok"]
    version: str = Field(examples=[__version__])
    uptime_seconds: int = Field(examples=[86_400])
    setup_required: bool = Field(examples=[False])
    checks: dict[str, Literal["ok"]] = Field(
        examples=[{"database": "ok", "scheduler": "ok", "recorder": "ok"}]
    )


class ServiceCounts(BaseModel):
    """Services by status."""

    total: int = Field(examples=[12])
    operational: int = Field(examples=[10])
    degraded: int = Field(examples=[1])
    down: int = Field(examples=[1])
    pending: int = Field(examples=[0])
    paused: int = Field(examples=[0])
    maintenance: int = Field(examples=[0])


class ProbeCounts(BaseModel):
    """Probes by whether they are there."""

    online: int = Field(examples=[2])
    offline: int = Field(examples=[0])


class Lateness(BaseModel):
    """How late checks start, milliseconds; null before the first."""

    p50: float | None = Field(examples=[1.2])
    p99: float | None = Field(examples=[8.5])


class SchedulerFigures(BaseModel):
    """How the scheduler keeps up."""

    checks_per_minute: float = Field(examples=[2.4])
    lateness_ms: Lateness
    queue_depth: int = Field(examples=[0])
    in_flight: int = Field(examples=[1])


class DiskForecast(BaseModel):
    """How large the database gets when all is kept as the settings say."""

    steady_bytes: int = Field(
        description="When results and half hours go as fast as they come.", examples=[96_468_992]
    )
    in_30_days_bytes: int = Field(examples=[41_943_040])
    in_365_days_bytes: int = Field(examples=[94_371_840])
    full_in_days: int | None = Field(
        description="When the limit or the volume is reached; null when neither is in ten years.",
        examples=[None],
    )
    bound: Literal["limit", "volume"] | None = Field(
        description="Which of the two that is.", examples=[None]
    )


class BackupFigures(BaseModel):
    """The latest of the nightly copies."""

    last_at: Timestamp | None
    size_bytes: int | None = Field(examples=[18_350_080])
    ok: bool = Field(description="Whether it is younger than two days.", examples=[True])


class DatabaseFigures(BaseModel):
    """What the database holds, for how long, and how large it gets."""

    engine: str = Field(examples=["sqlite"])
    size_bytes: int = Field(description="In use, of the file.", examples=[18_874_368])
    max_bytes: int | None = Field(description="The setting `max_disk`.", examples=[2_147_483_648])
    free_bytes: int = Field(description="Left on the volume.", examples=[21_474_836_480])
    results: int = Field(examples=[103_680])
    results_days: int = Field(examples=[30])
    figures_days: int = Field(examples=[365])
    forecast: DiskForecast
    backup: BackupFigures


class NotificationFigures(BaseModel):
    """How notifications fare. None are sent yet, so none wait and none fail."""

    pending: int = 0
    failed_24h: int = 0


class SystemStatus(BaseModel):
    """How the program does, and the caller's services."""

    status: Literal["ok", "failing"]
    version: str = Field(examples=[__version__])
    services: ServiceCounts
    probes: ProbeCounts
    scheduler: SchedulerFigures
    database: DatabaseFigures
    notifications: NotificationFigures


class OpenApi(RootModel[dict[str, Any]]):
    """The OpenAPI document, without envelope."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "openapi": "3.1.0",
                    "info": {"title": "UptimeHunt API", "version": __version__},
                    "paths": {},
                }
            ]
        }
    )


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
        figures = system.overview(req.context.user, scheduler, is_well, self.parts.storage())
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
