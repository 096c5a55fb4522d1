"""The config of the `heartbeat` service type: when one is due, and how late it may be.

The judging is in `heartbeat.py`.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from uptimehunt.checks.base import place, refuse
from uptimehunt.checks.passive import PassiveConfig
from uptimehunt.zones import TimeZone, zone

DAY_S = 86_400
NEVER_MS = 50 * 365 * DAY_S * 1000
SHORTEST_RUN_S = 60

_UNITS = ((DAY_S, "d"), (3600, "h"), (60, "min"), (1, "s"))


def _valid_cron(expression: str) -> str:
    # Late: only a service with such an expression needs it.
    from cronsim import CronSim, CronSimError

    try:
        if len(expression.split()) == 5:  # A sixth field would be seconds.
            next(CronSim(expression, datetime.now(UTC)))
            return expression
    except (CronSimError, StopIteration):
        pass
    raise PydanticCustomError(
        "cron", "Cron expression must be five fields that come true, such as 0 3 * * *"
    )


CronExpression = Annotated[str, AfterValidator(_valid_cron)]


class HeartbeatConfig(PassiveConfig):
    """When a heartbeat is due: so many seconds after the last one, or by a cron expression."""

    schedule: Literal["period", "cron"] = Field(
        title="Schedule",
        description="Left out, it follows from whether a period or an expression is given.",
        json_schema_extra=place(1, "request"),
    )
    period_seconds: int | None = Field(
        default=None,
        ge=10,
        le=365 * DAY_S,
        title="Period",
        description="Seconds from one heartbeat to the next.",
        json_schema_extra=place(2, "request", **{"x-when": {"schedule": "period"}}),
    )
    cron: CronExpression | None = Field(
        default=None,
        min_length=1,
        max_length=128,
        title="Cron expression",
        description="Minute, hour, day of month, month, day of week: when the job runs.",
        examples=["0 3 * * *"],
        json_schema_extra=place(3, "request", **{"x-when": {"schedule": "cron"}}),
    )
    timezone: TimeZone = Field(
        default="UTC",
        max_length=64,
        title="Time zone",
        description="In which the expression is meant.",
        examples=["Europe/Berlin"],
        json_schema_extra=place(4, "request", **{"x-when": {"schedule": "cron"}}),
    )
    grace_seconds: int = Field(
        default=60,
        ge=0,
        le=30 * DAY_S,
        title="Grace",
        description="Seconds that a heartbeat may be late before it counts as missing.",
        json_schema_extra=place(5, "expect"),
    )
    max_runtime_seconds: int | None = Field(
        default=None,
        ge=1,
        le=30 * DAY_S,
        title="Longest run",
        description="Seconds from a start to its end; left out, the grace, but at least 60.",
        json_schema_extra=place(6, "expect"),
    )

    @model_validator(mode="before")
    @classmethod
    def _schedule_follows(cls, data: Any) -> Any:
        if isinstance(data, dict) and "schedule" not in data:
            is_cron = data.get("period_seconds") is None and data.get("cron") is not None
            return {"schedule": "cron" if is_cron else "period", **data}
        return data

    @model_validator(mode="after")
    def _one_schedule(self) -> Self:
        if self.schedule == "period" and self.period_seconds is None:
            raise refuse({"period_seconds": ["Period is required"]})
        if self.schedule == "cron" and self.cron is None:
            raise refuse({"cron": ["Cron expression is required"]})
        if self.cron is not None and self.period_seconds is not None:
            unused = "cron" if self.schedule == "period" else "period_seconds"
            raise refuse({unused: ["Give either a period or a cron expression, not both"]})
        return self

    @property
    def grace_ms(self) -> int:
        """How late a heartbeat may be."""
        return self.grace_seconds * 1000

    @property
    def longest_run_ms(self) -> int:
        """How long a run may take from its start."""
        return 1000 * (self.max_runtime_seconds or max(self.grace_seconds, SHORTEST_RUN_S))

    def after(self, at: int) -> int:
        """The first instant after another at which a heartbeat is due, milliseconds.

        Of an hour that the change from summer time repeats, the first counts; a time that the
        change to it skips comes when the clocks have moved, as in Debian's cron.
        """
        if self.period_seconds is not None:
            return at + self.period_seconds * 1000
        from cronsim import CronSim

        assert self.cron is not None
        moment = datetime.fromtimestamp(at // 1000, zone(self.timezone))
        for occurrence in CronSim(self.cron, moment):
            due = round(occurrence.timestamp()) * 1000
            if due > at:  # In the second of two equal hours it tells those of the first.
                return due
        return at + NEVER_MS

    @property
    def label(self) -> str:
        """The schedule in a few words."""
        if self.period_seconds is None:
            return f"{self.cron} {self.timezone}"
        size, unit = next(each for each in _UNITS if self.period_seconds % each[0] == 0)
        return f"every {self.period_seconds // size} {unit}"
