"""Results that a remote prober delivers: which are taken, and in what form.

`receive` runs inside `Store.write`.
"""

import json
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from uptimehunt import clock
from uptimehunt.checks import Outcome
from uptimehunt.checks.base import ErrorKind
from uptimehunt.clock import DAY_MS
from uptimehunt.domain import results
from uptimehunt.domain.findings import Finding
from uptimehunt.domain.results import Verdict
from uptimehunt.store.models import Service

MOST = 1000
LARGEST_DETAILS = 16_384
AHEAD_MS = 5 * 60_000
"""How far a prober's clock may be ahead of ours."""


def _instant(value: str) -> str:
    try:
        clock.parse_iso(value)
    except (ValueError, OverflowError):
        raise PydanticCustomError(
            "instant", "Must be an instant such as 2024-01-01T00:00:00.000Z"
        ) from None
    return value


def _uuid(value: str) -> str:
    try:
        return str(UUID(value))
    except ValueError:
        raise PydanticCustomError("uuid", "Must be a UUID") from None


def _small(value: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(value)) > LARGEST_DETAILS:
        raise PydanticCustomError("details", f"Must be at most {LARGEST_DETAILS} bytes")
    return value


class RemoteError(BaseModel):
    """Why a check failed."""

    model_config = ConfigDict(extra="forbid", strict=True)

    code: ErrorKind = Field(title="Code")
    message: str = Field(default="", title="Message", max_length=500)


class RemoteResult(BaseModel):
    """One check that a remote prober made."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: Annotated[str, AfterValidator(_uuid)] = Field(
        title="Id", max_length=64, examples=["550e8400-e29b-41d4-a716-446655440000"]
    )
    service_id: int = Field(title="Service", ge=1, le=2**63 - 1)
    timestamp: Annotated[str, AfterValidator(_instant)] = Field(
        title="Timestamp", max_length=40, examples=["2024-01-01T00:00:00.000Z"]
    )
    status: Literal["success", "failure"] = Field(title="Status")
    response_time: int | None = Field(
        default=None, title="Response time", ge=0, le=600_000, examples=[250]
    )
    status_code: int | None = Field(default=None, title="Status code", ge=0, le=999, examples=[200])
    error: RemoteError | None = Field(default=None, title="Error")
    details: Annotated[dict[str, Any], AfterValidator(_small)] = Field(
        default_factory=dict, title="Details"
    )

    def outcome(self) -> Outcome:
        """The result as a check of our own would have told it."""
        error = self.error or RemoteError(code="internal_error", message="No reason was given")
        if self.status == "success":
            return Outcome(True, self.response_time, None, "", self.status_code, self.details)
        return Outcome(
            False, self.response_time, error.code, error.message, self.status_code, self.details
        )


class ResultBatch(BaseModel):
    """Up to 1,000 results, in the order of their making."""

    model_config = ConfigDict(extra="forbid", strict=True)

    results: list[RemoteResult] = Field(title="Results", min_length=1, max_length=MOST)


def receive(probe_id: int, batch: ResultBatch) -> tuple[dict[str, Any], list[Verdict]]:
    """Take the results of a prober: each once, and only of services that it is to check.

    Returns:
        the receipt as the API shows it, and the verdicts.

    SECURITY: a result for another's service, or one made before the service was last changed, is
    refused, whoever sends it.
    """
    services = {
        service.id: service
        for service in Service.select().where(
            Service.id.in_({result.service_id for result in batch.results}), Service.enabled
        )
    }
    taken: list[tuple[str, Finding]] = []
    rejected: list[dict[str, str]] = []
    for result in batch.results:
        at = clock.parse_iso(result.timestamp)
        service = services.get(result.service_id)
        if service is None or probe_id not in service.probe_ids:
            rejected.append({"id": result.id, "reason": "not_assigned"})
        elif at < max(service.updated_at, clock.now_ms() - results.KNOWN_AGAIN_DAYS * DAY_MS):
            rejected.append({"id": result.id, "reason": "stale"})
        elif at > clock.now_ms() + AHEAD_MS:
            rejected.append({"id": result.id, "reason": "in_the_future"})
        else:
            finding = Finding(service.id, service.revision, probe_id, at, result.outcome())
            taken.append((result.id, finding))
    accepted, duplicates, verdicts = results.accept(taken)
    return {"accepted": accepted, "duplicates": duplicates, "rejected": rejected}, verdicts
