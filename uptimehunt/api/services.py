"""`/services` and their status."""

from typing import Annotated, Any, Literal

import falcon
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from uptimehunt.api.operation import Access, Answer, PageQuery, Resource, Timestamp, operation
from uptimehunt.domain import service_list, services
from uptimehunt.domain.paging import Page
from uptimehunt.domain.service_list import Filter
from uptimehunt.domain.services import EXAMPLE_CONFIG, ServiceInput
from uptimehunt.domain.status import Quorum, Status


class ProjectOfService(BaseModel):
    """The project that a service is in."""

    id: int
    name: str = Field(examples=["Production"])
    color: str = Field(examples=["#10B981"])
    icon: str = Field(examples=[""])


class Sparkline(BaseModel):
    """The last 24 hours in 48 points."""

    values: list[int | None]
    statuses: list[Status | None]


class Service(BaseModel):
    """The thing watched."""

    model_config = ConfigDict(extra="forbid")

    id: int
    name: str = Field(examples=["Production Website"])
    description: str = Field(examples=[""])
    type: str = Field(examples=["http"])
    status: Status = Field(examples=["operational"])
    enabled: bool
    interval: int | None = Field(
        description="Minutes; null when it is not whole minutes to 60.", examples=[5]
    )
    interval_seconds: int = Field(examples=[300])
    project_id: int | None
    project: ProjectOfService | None
    tags: list[str] = Field(examples=[[]])
    target: str = Field(
        description="What is watched, in a few words, without secrets.",
        examples=["https://example.com"],
    )
    config: dict[str, Any] = Field(examples=[EXAMPLE_CONFIG])
    retries: int
    retry_interval_seconds: int = Field(examples=[20])
    recoveries: int
    degraded_after_ms: int | None = Field(examples=[None])
    probe_ids: list[int] = Field(examples=[[]])
    confirm_from: Quorum = Field(examples=["majority"])
    response_time: int | None = Field(description="Milliseconds of the last check.", examples=[250])
    last_check_at: Timestamp | None
    status_changed_at: Timestamp
    created_at: Timestamp
    updated_at: Timestamp
    heartbeat_key: str | None = Field(
        description="Of a `heartbeat`: whoever knows it can call `/heartbeat/{key}`.",
        examples=[None],
    )
    uptime: dict[str, float | None] | None = Field(
        default=None, description="With `include=uptime`: percentages by period."
    )
    sparkline: Sparkline | None = Field(default=None, description="With `include=sparkline`.")


_UNCHECKED = {"status": "pending", "response_time": None, "last_check_at": None}
"""How a service differs from others before its first check."""


class CheckError(BaseModel):
    """Why a check failed."""

    code: str
    message: str


class ProbeOfStatus(BaseModel):
    """How a service looks from one probe."""

    id: int
    name: str = Field(examples=["This server"])
    status: Status = Field(examples=["operational"])
    response_time: int | None = Field(examples=[250])
    checked_at: Timestamp | None
    error: CheckError | None = Field(examples=[None])


class OpenIncident(BaseModel):
    """The outage that is going on."""

    id: int
    started_at: Timestamp
    cause: str | None


_CERTIFICATE = {
    "subject": "CN = example.com",
    "issuer": "C = US, O = Let's Encrypt, CN = R3",
    "not_after": "2024-03-15T00:00:00Z",
    "days_left": 74,
}


class CurrentStatus(BaseModel):
    """How a service stands now."""

    id: int
    name: str = Field(examples=["Production Website"])
    status: Status = Field(examples=["operational"])
    status_changed_at: Timestamp
    flapping_since: Timestamp | None = Field(
        description="Since when it comes and goes: it is degraded until that ends.",
        examples=[None],
    )
    message: str = Field(examples=[""])
    warning: str | None = Field(
        description="Why an answer that is right is degraded, such as `certificate_expiring`.",
        examples=[None],
    )
    response_time: int | None = Field(examples=[250])
    last_check_at: Timestamp | None
    next_check_at: Timestamp | None = Field(examples=["2024-01-01T00:05:00Z"])
    uptime_24h: float | None = Field(examples=[99.65])
    probes: list[ProbeOfStatus]
    incident: OpenIncident | None = Field(examples=[None])
    certificate: dict[str, Any] | None = Field(examples=[_CERTIFICATE])


_SORTS = ("name", "status", "created_at", "response_time")
_INCLUDES = {"uptime", "sparkline"}


def _sort(value: str) -> str:
    if value.removeprefix("-") not in _SORTS:
        raise PydanticCustomError("sort", f"Must be one of {', '.join(sorted(_SORTS))}")
    return value


def _include(value: str) -> str:
    if not set(value.split(",")) <= _INCLUDES:
        raise PydanticCustomError("include", f"Must be one of {', '.join(sorted(_INCLUDES))}")
    return value


def _project(value: str) -> str:
    if value != "null" and not (value.isascii() and value.isdigit() and len(value) <= 18):
        raise PydanticCustomError("project", "Must be the id of a project, or null")
    return value


class MemberFilter(PageQuery):
    """Which services of a project, and what beside them."""

    enabled: Literal["true", "false"] | None = Field(default=None)
    type: str | None = Field(default=None, max_length=32)
    status: Status | None = Field(default=None)
    tag: str | None = Field(default=None, max_length=32)
    q: str | None = Field(default=None, max_length=128, description="Part of name or target.")
    sort: Annotated[str, AfterValidator(_sort)] | None = Field(
        default=None,
        description="A `-` before the name descends.",
        json_schema_extra={"enum": [*_SORTS, *(f"-{name}" for name in _SORTS)]},
    )
    include: Annotated[str, AfterValidator(_include)] | None = Field(
        default=None,
        description="`uptime`, `sparkline` or both, with a comma.",
        json_schema_extra={"pattern": "^(uptime|sparkline)(,(uptime|sparkline))*$"},
    )

    def of(self, project_id: int | None, without_project: bool = False) -> Filter:
        """The filter as the domain knows it."""
        return Filter(
            project_id=project_id,
            without_project=without_project,
            enabled=None if self.enabled is None else self.enabled == "true",
            type=self.type,
            status=self.status,
            tag=self.tag,
            q=self.q,
            sort=self.sort,
            include=self.include.split(",") if self.include else (),
        )


class ServiceFilter(MemberFilter):
    """Which services, and what beside them."""

    project_id: Annotated[str, AfterValidator(_project)] | None = Field(
        default=None,
        description="Of this project; `null` for those without one.",
        json_schema_extra={"pattern": "^([0-9]{1,18}|null)$"},
    )

    def wanted(self) -> Filter:
        """The filter as the domain knows it."""
        asked = self.project_id
        return self.of(None if asked in {None, "null"} else int(asked), asked == "null")


class Services(Resource):
    """`/services`, `/services/{id}`, `/services/{id}/status`."""

    @operation(
        "List all services",
        access=Access.USER,
        query=ServiceFilter,
        answer=Answer(200, Service, is_list=True, is_paged=True),
        has_etag=True,
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> Page:
        """With `include`, uptime and sparkline come for the whole page in one call."""
        query: ServiceFilter = req.context.query
        return service_list.page(req.context.user, query.wanted(), query.paging)

    @operation(
        "Create a service",
        access=Access.EDITOR,
        body=ServiceInput,
        answer=Answer(201, Service, example=_UNCHECKED),
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """It is checked at once."""
        service = self.parts.store.write(services.create, req.context.user, req.context.body)
        self.parts.engine.refresh(service["id"])
        return service

    @operation(
        "Get a service",
        access=Access.USER,
        answer=Answer(200, Service),
        errors=(404,),
        has_etag=True,
    )
    def on_get_one(
        self, req: falcon.Request, resp: falcon.Response, service_id: int
    ) -> dict[str, Any]:
        """Secrets in the config are left out; `has_value` says that one is set."""
        return services.to_dict(services.find(req.context.user, service_id))

    @operation(
        "Update a service",
        access=Access.EDITOR,
        body=ServiceInput,
        answer=Answer(200, Service),
        errors=(404,),
    )
    def on_put_one(
        self, req: falcon.Request, resp: falcon.Response, service_id: int
    ) -> dict[str, Any]:
        """What is left out goes back to its default; it is checked at once."""
        service = self.parts.store.write(
            services.replace, req.context.user, service_id, req.context.body
        )
        self.parts.engine.refresh(service_id)
        return service

    @operation(
        "Change parts of a service",
        access=Access.EDITOR,
        body=ServiceInput,
        is_partial=True,
        answer=Answer(200, Service),
        errors=(404,),
    )
    def on_patch_one(
        self, req: falcon.Request, resp: falcon.Response, service_id: int
    ) -> dict[str, Any]:
        """Only what is sent changes; `{"enabled": false}` pauses."""
        service = self.parts.store.write(
            services.change, req.context.user, service_id, req.context.body
        )
        self.parts.engine.refresh(service_id)
        return service

    @operation("Delete a service", access=Access.EDITOR, answer=Answer(204), errors=(404,))
    def on_delete_one(self, req: falcon.Request, resp: falcon.Response, service_id: int) -> None:
        """All that is known of it goes with it."""
        self.parts.store.write(services.delete, req.context.user, service_id)
        self.parts.engine.refresh(service_id)

    @operation(
        "Get the current status of a service",
        access=Access.USER,
        answer=Answer(200, CurrentStatus),
        errors=(404,),
        has_etag=True,
    )
    def on_get_status(
        self, req: falcon.Request, resp: falcon.Response, service_id: int
    ) -> dict[str, Any]:
        """How it stands, since when, and when it will be checked next."""
        next_check_at = self.parts.engine.next_check_at(service_id)
        return service_list.current_status(req.context.user, service_id, next_check_at)
