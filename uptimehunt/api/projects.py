"""`/projects`."""

from typing import Any, Literal

import falcon
from pydantic import BaseModel, ConfigDict, Field

from uptimehunt.api.operation import (
    Access,
    Answer,
    PageQuery,
    Query,
    Resource,
    Timestamp,
    operation,
)
from uptimehunt.api.services import MemberFilter, Service
from uptimehunt.domain import projects, service_list
from uptimehunt.domain.paging import Page
from uptimehunt.domain.projects import ProjectInput
from uptimehunt.domain.status import Status


class Project(BaseModel):
    """A named group of services."""

    id: int
    name: str = Field(examples=["Production"])
    description: str = Field(examples=["What customers see"])
    color: str = Field(examples=["#10B981"])
    icon: str = Field(examples=[""])
    order: int = Field(examples=[0])
    service_count: int
    status: Status | None = Field(
        description="The worst of its services; null without any.", examples=["operational"]
    )
    created_at: Timestamp
    updated_at: Timestamp


class Order(BaseModel):
    """Each of the user's projects exactly once."""

    model_config = ConfigDict(extra="forbid", strict=True)

    project_ids: list[int] = Field(title="Project ids", max_length=10_000, examples=[[1, 2]])


class Deletion(Query):
    """What becomes of the services of a deleted project."""

    services: Literal["keep", "delete"] = Field(default="keep")


class Projects(Resource):
    """`/projects`, `/projects/{id}`, `/projects/{id}/services`, `/projects/reorder`."""

    @operation(
        "List all projects",
        access=Access.USER,
        query=PageQuery,
        answer=Answer(200, Project, is_list=True, is_paged=True),
        has_etag=True,
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> Page:
        """In the order that their owner gave them."""
        return projects.page(req.context.user, req.context.query.paging)

    @operation(
        "Create a project",
        access=Access.EDITOR,
        body=ProjectInput,
        answer=Answer(201, Project, example={"service_count": 0, "status": None}),
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """It comes last in the order."""
        return self.parts.store.write(projects.create, req.context.user, req.context.body)

    @operation("Get a project", access=Access.USER, answer=Answer(200, Project), errors=(404,))
    def on_get_one(
        self, req: falcon.Request, resp: falcon.Response, project_id: int
    ) -> dict[str, Any]:
        """One project."""
        return projects.to_dict(projects.find(req.context.user, project_id))

    @operation(
        "Update a project",
        access=Access.EDITOR,
        body=ProjectInput,
        answer=Answer(200, Project),
        errors=(404,),
    )
    def on_put_one(
        self, req: falcon.Request, resp: falcon.Response, project_id: int
    ) -> dict[str, Any]:
        """What is left out goes back to its default."""
        return self.parts.store.write(
            projects.replace, req.context.user, project_id, req.context.body
        )

    @operation(
        "Change parts of a project",
        access=Access.EDITOR,
        body=ProjectInput,
        is_partial=True,
        answer=Answer(200, Project),
        errors=(404,),
    )
    def on_patch_one(
        self, req: falcon.Request, resp: falcon.Response, project_id: int
    ) -> dict[str, Any]:
        """Only what is sent changes."""
        return self.parts.store.write(
            projects.change, req.context.user, project_id, req.context.body
        )

    @operation(
        "Delete a project",
        access=Access.EDITOR,
        query=Deletion,
        answer=Answer(204),
        errors=(404,),
    )
    def on_delete_one(self, req: falcon.Request, resp: falcon.Response, project_id: int) -> None:
        """Its services stay, without a project, unless `services=delete`."""
        with_services = req.context.query.services == "delete"
        deleted = self.parts.store.write(
            projects.delete, req.context.user, project_id, with_services
        )
        for service_id in deleted:
            self.parts.engine.refresh(service_id)

    @operation(
        "List the services of a project",
        access=Access.USER,
        query=MemberFilter,
        answer=Answer(200, Service, is_list=True, is_paged=True),
        errors=(404,),
        has_etag=True,
    )
    def on_get_services(self, req: falcon.Request, resp: falcon.Response, project_id: int) -> Page:
        """Filters as for all services."""
        project = projects.find(req.context.user, project_id)
        wanted = req.context.query.of(project.id)
        return service_list.page(req.context.user, wanted, req.context.query.paging)

    @operation(
        "Reorder projects",
        access=Access.EDITOR,
        body=Order,
        answer=Answer(200, Project, is_list=True),
    )
    def on_post_order(self, req: falcon.Request, resp: falcon.Response) -> list[dict[str, Any]]:
        """Answers the projects in their new order."""
        return self.parts.store.write(
            projects.reorder, req.context.user, req.context.body.project_ids
        )
