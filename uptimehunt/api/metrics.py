"""`/services/{id}/metrics/…` and `/services/{id}/errors`."""

from typing import Annotated, Any, Literal

import falcon
from pydantic import BaseModel, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from uptimehunt import clock
from uptimehunt.api.operation import (
    Access,
    Answer,
    PageQuery,
    Query,
    Resource,
    Timestamp,
    WholeNumber,
    digits,
    operation,
)
from uptimehunt.domain import metrics, services
from uptimehunt.domain.paging import Page
from uptimehunt.domain.status import Status
from uptimehunt.domain.uptime import DAY_MS, Period, named_period
from uptimehunt.errors import BadRequestError

MOST_BUCKETS = 2000
LONGEST_MS = 5 * 366 * DAY_MS


class Uptime(BaseModel):
    """Uptime and outages over a period."""

    uptime_percentage: float | None = Field(examples=[99.95])
    total_checks: int = Field(examples=[8640])
    successful_checks: int = Field(examples=[8636])
    failed_checks: int = Field(examples=[4])
    period: str = Field(examples=["30d"])
    downtime_seconds: int = Field(examples=[1200])
    incident_count: int = Field(examples=[2])
    mttr_seconds: int | None = Field(examples=[600])
    mtbf_seconds: int | None = Field(examples=[1_295_400])


class ResponseTimes(BaseModel):
    """The response times of one bucket, milliseconds; null without successful checks."""

    timestamp: Timestamp
    avg: float | None = Field(examples=[251.5])
    min: int | None = Field(examples=[198])
    max: int | None = Field(examples=[412])
    p50: int | None = Field(examples=[245])
    p95: int | None = Field(examples=[398])
    p99: int | None = Field(examples=[412])
    checks: int = Field(examples=[12])
    failures: int = Field(examples=[0])


class ResponseTimesMeta(BaseModel):
    """The period, the bucket, and the figures over all."""

    period: str = Field(examples=["24h"])
    interval_seconds: int = Field(examples=[3600])
    from_: str = Field(alias="from", examples=["2024-01-01T00:00:00Z"])
    to: str = Field(examples=["2024-01-02T00:00:00Z"])
    avg: float | None = Field(examples=[249.8])
    p50: int | None = Field(examples=[243])
    p95: int | None = Field(examples=[401])
    p99: int | None = Field(examples=[520])


class SparklineData(BaseModel):
    """A period in a few points."""

    period: str = Field(examples=["24h"])
    interval_seconds: int = Field(examples=[7200])
    from_: str = Field(alias="from", examples=["2024-01-01T00:00:00Z"])
    to: str = Field(examples=["2024-01-02T00:00:00Z"])
    values: list[int | None] = Field(
        examples=[[251, 248, 243, 260, 255, 249, 1204, 252, 247, 250, None, 246]]
    )
    statuses: list[Status | None] = Field(examples=[[*["operational"] * 10, None, "operational"]])


class ErrorProbe(BaseModel):
    """The probe that saw it."""

    id: int
    name: str = Field(examples=["This server"])


class ErrorEntry(BaseModel):
    """One failed check."""

    id: int
    timestamp: Timestamp
    code: str = Field(examples=["status_mismatch"])
    message: str | None = Field(examples=["Answered 503, expected 200"])
    status_code: int | None = Field(examples=[503])
    response_time: int | None = Field(examples=[182])
    probe: ErrorProbe
    incident_id: int | None
    details: dict[str, Any] = Field(
        examples=[{"remote_ip": "203.0.113.10", "http_status_code": 503}]
    )


def _instant(value: str) -> int:
    try:
        return clock.parse_iso(value)
    except (ValueError, OverflowError):
        raise PydanticCustomError(
            "instant", "Must be an instant such as 2024-01-01T00:00:00Z"
        ) from None


Instant = Annotated[
    int,
    BeforeValidator(_instant),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""Given in ISO 8601, held in milliseconds."""

PeriodName = Literal["24h", "7d", "30d", "90d", "365d"]


class PeriodQuery(Query):
    """A named period that ends now, or from … to."""

    period: PeriodName | None = Field(default=None)
    from_: Instant | None = Field(default=None, alias="from")
    to: Instant | None = Field(default=None)

    def span(self, default: PeriodName) -> Period:
        """The period that is meant.

        Raises:
            BadRequestError: a name together with instants, an end before its start, or too long.
        """
        now, start, end = clock.now_ms(), self.from_, self.to
        if start is None and end is None:
            return named_period(self.period or default, now)
        if self.period is not None:
            raise BadRequestError("Give either period, or from and to")
        end = now if end is None else end
        if start is None or not 0 <= start < end or end - start > LONGEST_MS:
            raise BadRequestError("from must lie before to, at most five years")
        return Period("custom", start, end)


class UptimeQuery(PeriodQuery):
    """The period, 30 days unless said otherwise."""


class ResponseTimesQuery(PeriodQuery):
    """The period, 24 hours unless said otherwise, and the length of a bucket."""

    # The bounds stand before the validator: behind it, the JSON Schema would not have them.
    interval_seconds: Annotated[int, Field(ge=1, le=31_536_000), BeforeValidator(digits)] | None = (
        Field(default=None, description="Chosen to give up to 300 when left out.")
    )
    probe_id: Annotated[int, Field(ge=1, le=10**18), BeforeValidator(digits)] | None = Field(
        default=None, description="As seen from this probe; from all when left out."
    )


class SparklineQuery(PeriodQuery):
    """The period, 24 hours unless said otherwise, and the number of points."""

    points: WholeNumber = Field(default=metrics.SPARKLINE_POINTS, ge=10, le=100)


class ErrorsQuery(PageQuery):
    """Which page, of which span."""

    from_: Instant | None = Field(default=None, alias="from")
    to: Instant | None = Field(default=None)


class Metrics(Resource):
    """The figures of one service."""

    @operation(
        "Get uptime statistics",
        access=Access.USER,
        query=UptimeQuery,
        answer=Answer(200, Uptime),
        errors=(404,),
    )
    def on_get_uptime(
        self, req: falcon.Request, resp: falcon.Response, service_id: int
    ) -> dict[str, Any]:
        """Share of successful checks, and the outages of the period."""
        service = services.find(req.context.user, service_id)
        return metrics.uptime(service, req.context.query.span("30d"))

    @operation(
        "Get response times",
        access=Access.USER,
        query=ResponseTimesQuery,
        answer=Answer(200, ResponseTimes, is_list=True, meta=ResponseTimesMeta),
        errors=(404,),
    )
    def on_get_response_times(
        self, req: falcon.Request, resp: falcon.Response, service_id: int
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """In buckets, oldest first; those without checks hold nulls."""
        service = services.find(req.context.user, service_id)
        query: ResponseTimesQuery = req.context.query
        period = query.span("24h")
        seconds = query.interval_seconds or period.bucket_seconds()
        if period.seconds / seconds > MOST_BUCKETS:
            raise BadRequestError(f"interval_seconds would give more than {MOST_BUCKETS} buckets")
        return metrics.response_times(service.id, period, seconds, query.probe_id)

    @operation(
        "Get sparkline data",
        access=Access.USER,
        query=SparklineQuery,
        answer=Answer(200, SparklineData),
        errors=(404,),
    )
    def on_get_sparkline(
        self, req: falcon.Request, resp: falcon.Response, service_id: int
    ) -> dict[str, Any]:
        """The period in a few points: mean response time, and how the checks went."""
        service = services.find(req.context.user, service_id)
        query: SparklineQuery = req.context.query
        return metrics.sparkline(service.id, query.span("24h"), query.points)

    @operation(
        "List recent errors",
        access=Access.USER,
        query=ErrorsQuery,
        answer=Answer(200, ErrorEntry, is_list=True, is_paged=True),
        errors=(404,),
    )
    def on_get_errors(self, req: falcon.Request, resp: falcon.Response, service_id: int) -> Page:
        """Failed checks, newest first."""
        service = services.find(req.context.user, service_id)
        query: ErrorsQuery = req.context.query
        return metrics.errors(service.id, query.paging, query.from_, query.to)
