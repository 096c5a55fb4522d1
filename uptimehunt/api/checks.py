"""`/services/{id}/checks`, `/services/{id}/check`, `/services/test`, `/services/bulk`."""

from typing import Annotated, Any, Literal

import falcon
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from uptimehunt import checks
from uptimehunt.api.metrics import Instant
from uptimehunt.api.operation import (
    Access,
    Answer,
    PageQuery,
    Resource,
    Timestamp,
    digits,
    operation,
)
from uptimehunt.api.services import CheckError
from uptimehunt.domain import bulk, metrics, services
from uptimehunt.domain.bulk import BulkInput
from uptimehunt.domain.paging import Page
from uptimehunt.domain.services import Config, TypeName
from uptimehunt.errors import ConflictError

_ON_ITS_WAY = "The check is on its way"
_KEPT_BACK = {"body", "response_headers"}
"""Not told of a trial: it must not become a way to read what this machine can reach."""


class CheckProbe(BaseModel):
    """The place that a check was made from."""

    id: int
    name: str = Field(examples=["This server"])
    hostname: str = Field(examples=[""])
    city: str = Field(examples=["Frankfurt am Main"])
    country: str = Field(examples=["Germany"])
    isp: str = Field(examples=["Example Net"])


class Check(BaseModel):
    """One check that was made."""

    id: int
    timestamp: Timestamp
    probe: CheckProbe
    status: Literal["success", "failure"]
    response_time: int | None = Field(examples=[250])
    status_code: int | None = Field(examples=[200])
    error: CheckError | None = Field(examples=[None])
    details: dict[str, Any]


class Trial(BaseModel):
    """What one check of an unsaved config found."""

    status: Literal["success", "failure"]
    response_time: int | None = Field(examples=[250])
    status_code: int | None = Field(examples=[200])
    error: CheckError | None = Field(examples=[None])
    details: dict[str, Any] = Field(
        examples=[{"remote_ip": "203.0.113.10", "http_status_code": 200, "redirects": 0}]
    )


class Queued(BaseModel):
    """That a check was asked for."""

    message: str = Field(examples=[_ON_ITS_WAY])


class BulkResult(BaseModel):
    """Which services were acted on."""

    service_ids: list[int] = Field(examples=[[1, 2]])


class TrialInput(BaseModel):
    """A config to try; `type` stands before `config`, which needs it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    type: TypeName = Field(title="Type", max_length=32, examples=["http"])
    config: Config = Field(title="Config", examples=[{"url": "https://example.com"}])
    service_id: int | None = Field(
        default=None,
        ge=1,
        le=2**63 - 1,
        title="Service",
        description="Whose secrets fill in what is left out.",
    )


class ChecksQuery(PageQuery):
    """Which checks."""

    from_: Instant | None = Field(default=None, alias="from")
    to: Instant | None = Field(default=None)
    status: Literal["success", "failure"] | None = Field(default=None)
    probe_id: Annotated[int, Field(ge=1, le=10**18), BeforeValidator(digits)] | None = None

    @property
    def ok(self) -> bool | None:
        """The status as the domain knows it."""
        return None if self.status is None else self.status == "success"


class Checks(Resource):
    """The checks of a service, and one more of it now."""

    @operation(
        "List the checks of a service",
        access=Access.USER,
        query=ChecksQuery,
        answer=Answer(200, Check, is_list=True, is_paged=True, has_csv=True),
        errors=(404,),
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response, service_id: int) -> Page:
        """Newest first; details are kept of failures and of the newest few successes."""
        service = services.find(req.context.user, service_id)
        query: ChecksQuery = req.context.query
        return metrics.checks(
            service.id, query.paging, query.from_, query.to, query.ok, query.probe_id
        )

    @operation(
        "Check a service now",
        access=Access.EDITOR,
        answer=Answer(202, Queued),
        errors=(404, 409),
    )
    def on_post_now(
        self, req: falcon.Request, resp: falcon.Response, service_id: int
    ) -> dict[str, Any]:
        """Its result follows in the list of checks."""
        with self.parts.store.reading():
            service = services.find(req.context.user, service_id)
        if not self.parts.engine.check_now(service.id):
            raise ConflictError("The service is paused, or checked by other probes only")
        return {"message": _ON_ITS_WAY}


class Trials(Resource):
    """`/services/test`."""

    @operation(
        "Test a service config",
        access=Access.EDITOR,
        body=TrialInput,
        answer=Answer(200, Trial),
        errors=(404,),
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """One check from this server, of what need not be saved; nothing is kept of it."""
        wanted: TrialInput = req.context.body
        with self.parts.store.reading():
            config = services.trial_config(
                req.context.user, wanted.type, wanted.config, wanted.service_id
            )
        outcome = self.parts.engine.try_once(checks.REGISTRY[wanted.type], config)
        return {
            "status": "success" if outcome.ok else "failure",
            "response_time": outcome.response_time_ms,
            "status_code": outcome.status_code,
            "error": metrics.error_shape(outcome.error, outcome.message),
            "details": {
                key: value for key, value in outcome.details.items() if key not in _KEPT_BACK
            },
        }


class Bulk(Resource):
    """`/services/bulk`."""

    @operation(
        "Change many services",
        access=Access.EDITOR,
        body=BulkInput,
        answer=Answer(200, BulkResult),
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """All of them or none: pause, resume, move, tag, untag or delete."""
        service_ids = self.parts.store.write(bulk.apply, req.context.user, req.context.body)
        if req.context.body.action in {"pause", "resume", "delete"}:
            for service_id in service_ids:
                self.parts.engine.refresh(service_id)
        return {"service_ids": service_ids}
