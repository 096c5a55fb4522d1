"""`/incidents` and `/services/{id}/incidents`."""

from typing import Annotated, Any

import falcon
from pydantic import BaseModel, BeforeValidator, Field

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
from uptimehunt.domain import incidents, services
from uptimehunt.domain.incidents import IncidentFilter, IncidentStatus
from uptimehunt.domain.paging import Page


class ServiceOfIncident(BaseModel):
    """The service that was down."""

    id: int
    name: str = Field(examples=["Production Website"])
    type: str = Field(examples=["http"])


class Incident(BaseModel):
    """An unbroken time in which a service was down."""

    id: int
    service: ServiceOfIncident
    status: IncidentStatus = Field(examples=["resolved"])
    started_at: Timestamp = Field(description="When the first failed check began.")
    resolved_at: Timestamp | None = Field(
        description="Null while it is open.", examples=["2024-01-01T00:10:00Z"]
    )
    duration_seconds: int = Field(description="So far, while it is open.", examples=[600])
    cause: str | None = Field(
        description="The kind of error that it began with.", examples=["status_mismatch"]
    )
    message: str = Field(examples=["Answered 503, expected 200"])


class IncidentsQuery(PageQuery):
    """Which incidents of a service."""

    status: IncidentStatus | None = Field(default=None)
    from_: Instant | None = Field(
        default=None, alias="from", description="Those that had not ended by then."
    )
    to: Instant | None = Field(default=None, description="Those that began before.")

    def of(self, service_id: int | None, project_id: int | None = None) -> IncidentFilter:
        """The filter as the domain knows it."""
        return IncidentFilter(
            status=self.status,
            service_id=service_id,
            project_id=project_id,
            start=self.from_,
            end=self.to,
        )


Id = Annotated[int, Field(ge=1, le=10**18), BeforeValidator(digits)]


class AllIncidentsQuery(IncidentsQuery):
    """Which incidents of all."""

    service_id: Id | None = Field(default=None, description="Of this service.")
    project_id: Id | None = Field(default=None, description="Of the services of this project.")


class Incidents(Resource):
    """What was down, and since when."""

    @operation(
        "List all incidents",
        access=Access.USER,
        query=AllIncidentsQuery,
        answer=Answer(200, Incident, is_list=True, is_paged=True, has_csv=True),
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> Page:
        """Of all services, newest first; with `from` and `to`, those that have a part in it."""
        query: AllIncidentsQuery = req.context.query
        wanted = query.of(query.service_id, query.project_id)
        return incidents.page(req.context.user, wanted, query.paging)

    @operation(
        "List the incidents of a service",
        access=Access.USER,
        query=IncidentsQuery,
        answer=Answer(200, Incident, is_list=True, is_paged=True, has_csv=True),
        errors=(404,),
    )
    def on_get_of_service(
        self, req: falcon.Request, resp: falcon.Response, service_id: int
    ) -> Page:
        """Newest first; with `from` and `to`, those that have a part in it."""
        service = services.find(req.context.user, service_id)
        query: IncidentsQuery = req.context.query
        return incidents.page(req.context.user, query.of(service.id), query.paging)

    @operation(
        "Get an incident",
        access=Access.USER,
        answer=Answer(200, Incident),
        errors=(404,),
    )
    def on_get_one(
        self, req: falcon.Request, resp: falcon.Response, incident_id: int
    ) -> dict[str, Any]:
        """Since when a service is or was down, and why."""
        return incidents.find(req.context.user, incident_id)
