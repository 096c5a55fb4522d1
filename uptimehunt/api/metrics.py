"""`/services/{id}/metrics/…` and `/services/{id}/errors`."""

from datetime import date, datetime, timedelta, tzinfo
from typing import Annotated, Any, Literal

import falcon
from pydantic import BaseModel, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from uptimehunt import clock, zones
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
from uptimehunt.clock import DAY_MS
from uptimehunt.domain import metrics, services
from uptimehunt.domain.paging import Page
from uptimehunt.domain.status import Status
from uptimehunt.domain.uptime import Period, named_period
from uptimehunt.errors import BadRequestError
from uptimehunt.zones import TimeZone

MOST_BUCKETS = 2000

FINE_S = 3 * 86_400
"""The longest period that is told in finer steps than that of the figures which are kept."""

SLOT_S = 1800
LONGEST_MS = 5 * 366 * DAY_MS


class Seconds(BaseModel):
    """What each second of a span was; unknown where nobody looked."""

    up: int = Field(examples=[2_585_616])
    degraded: int = Field(examples=[0])
    down: int = Field(examples=[1200])
    maintenance: int = Field(examples=[0])
    paused: int = Field(examples=[0])
    unknown: int = Field(examples=[5184])


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
    coverage_percentage: float | None = Field(
        description="How much of the time in which it was to be watched it was seen.",
        examples=[99.8],
    )
    seconds: Seconds


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


class DayFigures(BaseModel):
    """A day of the time zone that was asked for."""

    date: str = Field(examples=["2024-01-01"])
    from_: str = Field(alias="from", examples=["2024-01-01T00:00:00Z"])
    to: str = Field(examples=["2024-01-02T00:00:00Z"])
    uptime_percentage: float | None = Field(examples=[99.65])
    total_checks: int = Field(examples=[288])
    successful_checks: int = Field(examples=[287])
    failed_checks: int = Field(examples=[1])
    avg: float | None = Field(examples=[251.5])
    min: int | None = Field(examples=[198])
    max: int | None = Field(examples=[412])
    p50: int | None = Field(examples=[245])
    p95: int | None = Field(examples=[398])
    p99: int | None = Field(examples=[412])
    coverage_percentage: float | None = Field(examples=[100])
    seconds: Seconds
    incident_count: int = Field(examples=[1])


class Stretch(BaseModel):
    """A time in which a service was one and the same."""

    status: Literal["unknown", "up", "degraded", "down", "maintenance", "paused"]
    from_: str = Field(alias="from", examples=["2024-01-01T00:00:00Z"])
    to: str = Field(examples=["2024-01-01T12:00:00Z"])
    seconds: int = Field(examples=[43_200])


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
        Field(
            default=None,
            description="Chosen to give up to 300 when left out. Beyond three days it is rounded up"
            " to half hours; `meta` tells.",
        )
    )
    probe_id: Annotated[int, Field(ge=1, le=10**18), BeforeValidator(digits)] | None = Field(
        default=None, description="As seen from this probe; from all when left out."
    )


class SparklineQuery(PeriodQuery):
    """The period, 24 hours unless said otherwise, and the number of points."""

    points: WholeNumber = Field(default=metrics.SPARKLINE_POINTS, ge=10, le=100)


MOST_DAYS = 400


def _date(value: str) -> date:
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise PydanticCustomError("date", "Must be a date such as 2024-01-31") from None


Day = Annotated[date, BeforeValidator(_date), WithJsonSchema({"type": "string", "format": "date"})]


class DaysQuery(Query):
    """Which days, both inclusive, of which time zone."""

    from_: Day | None = Field(
        default=None, alias="from", description="29 days before the last when left out."
    )
    to: Day | None = Field(default=None, description="Today when left out.")
    timezone: TimeZone | None = Field(
        default=None, description="The caller's own when left out.", examples=["Europe/Berlin"]
    )

    def dates(self, zone: tzinfo) -> tuple[date, date]:
        """The first and the last day.

        Raises:
            BadRequestError: the first lies behind the last, or too far before it.
        """
        last = self.to or datetime.fromtimestamp(clock.now_ms() / 1000, zone).date()
        first = self.from_ or last - timedelta(days=29)
        if not 0 <= (last - first).days < MOST_DAYS or first.year < 1971 or last.year > 2900:
            raise BadRequestError(f"from must lie before to, at most {MOST_DAYS} days")
        return first, last


class TimelineQuery(PeriodQuery):
    """The period, 24 hours unless said otherwise."""


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
        answer=Answer(200, ResponseTimes, is_list=True, meta=ResponseTimesMeta, has_csv=True),
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
        if period.seconds > FINE_S:
            seconds = -(-seconds // SLOT_S) * SLOT_S
        if period.seconds / seconds > MOST_BUCKETS:
            raise BadRequestError(f"interval_seconds would give more than {MOST_BUCKETS} buckets")
        return metrics.response_times(service.id, period, seconds, query.probe_id)

    @operation(
        "Get daily figures",
        access=Access.USER,
        query=DaysQuery,
        answer=Answer(200, DayFigures, is_list=True, has_csv=True),
        errors=(404,),
    )
    def on_get_days(
        self, req: falcon.Request, resp: falcon.Response, service_id: int
    ) -> list[dict[str, Any]]:
        """Oldest first, in days of a time zone: 23 or 25 hours long where its clocks change."""
        service = services.find(req.context.user, service_id)
        query: DaysQuery = req.context.query
        zone = zones.zone(query.timezone or req.context.user.timezone)
        return metrics.days(service.id, *query.dates(zone), zone)

    @operation(
        "Get the timeline",
        access=Access.USER,
        query=TimelineQuery,
        answer=Answer(200, Stretch, is_list=True),
        errors=(404,),
    )
    def on_get_timeline(
        self, req: falcon.Request, resp: falcon.Response, service_id: int
    ) -> list[dict[str, Any]]:
        """What the service was in each second of the period, oldest first, without a gap."""
        service = services.find(req.context.user, service_id)
        query: TimelineQuery = req.context.query
        return metrics.timeline(service.id, query.span("24h"))

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
        answer=Answer(200, ErrorEntry, is_list=True, is_paged=True, has_csv=True),
        errors=(404,),
    )
    def on_get_errors(self, req: falcon.Request, resp: falcon.Response, service_id: int) -> Page:
        """Failed checks, newest first."""
        service = services.find(req.context.user, service_id)
        query: ErrorsQuery = req.context.query
        return metrics.errors(service.id, query.paging, query.from_, query.to)
