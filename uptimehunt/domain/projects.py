"""Projects: named groups of services, in the order their owner gave them.

`find`, `page` and `to_dict` read; all others run inside `Store.write`.
"""

from collections.abc import Sequence
from typing import Annotated, Any

import peewee
from pydantic import BaseModel, ConfigDict, Field

from uptimehunt import clock
from uptimehunt.domain import text
from uptimehunt.domain.paging import Page, Paging
from uptimehunt.domain.validation import parse
from uptimehunt.errors import NotFoundError, ValidationError
from uptimehunt.store.models import Project, Service, ServiceState, User
from uptimehunt.store.queries import tuples

_WORST_FIRST = ("down", "degraded", "pending", "maintenance", "operational", "paused")

Color = Annotated[str, Field(pattern=r"^#[0-9A-Fa-f]{6}$")]


class ProjectInput(BaseModel):
    """What a caller says of a project."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: text.Name = Field(title="Name", min_length=1, max_length=128, examples=["Production"])
    description: text.Lines = Field(
        default="", title="Description", max_length=500, examples=["What customers see"]
    )
    color: Color = Field(default="#3B82F6", title="Color", examples=["#10B981"])
    icon: text.Name = Field(default="", title="Icon", max_length=64)


def find(user: User, project_id: int) -> Project:
    """A project of this user. Reads.

    Raises:
        NotFoundError: there is none, or it is another user's.
    """
    project: Project | None = Project.get_or_none(Project.id == project_id, Project.user == user)
    if project is None:
        raise NotFoundError("Project")
    return project


def page(user: User, paging: Paging) -> Page:
    """One page of the user's projects, in their order. Reads."""
    query = Project.select().where(Project.user == user).order_by(Project.position, Project.id)
    return paging.cut(query, _to_dicts)


def create(user: User, wanted: ProjectInput) -> dict[str, Any]:
    """Add a project at the end of the order."""
    _refuse_taken_name(user, wanted.name, None)
    last = Project.select(peewee.fn.MAX(Project.position)).where(Project.user == user).scalar()
    now = clock.now_ms()
    project = Project.create(
        user=user,
        **_columns(wanted),
        position=0 if last is None else last + 1,
        created_at=now,
        updated_at=now,
    )
    return to_dict(project)


def replace(user: User, project_id: int, wanted: ProjectInput) -> dict[str, Any]:
    """Give a project new values; what was left out goes back to its default."""
    project = find(user, project_id)
    _refuse_taken_name(user, wanted.name, project_id)
    for column, value in _columns(wanted).items():
        setattr(project, column, value)
    project.updated_at = clock.now_ms()
    project.save()
    return to_dict(project)


def change(user: User, project_id: int, sent: dict[str, Any]) -> dict[str, Any]:
    """Change only what was sent."""
    project = find(user, project_id)
    present = {name: getattr(project, name) for name in ProjectInput.model_fields}
    return replace(user, project_id, parse(ProjectInput, present | sent))


def delete(user: User, project_id: int, with_services: bool) -> list[int]:
    """Delete a project; answers the ids of the services deleted with it.

    Without `with_services` there are none: they go on without a project.
    """
    project = find(user, project_id)
    members: list[int] = []
    if with_services:
        members = [service.id for service in project.services.select(Service.id)]
        Service.delete().where(Service.project == project).execute()
    project.delete_instance()
    return members


def reorder(user: User, project_ids: list[int]) -> list[dict[str, Any]]:
    """Put the user's projects into this order.

    Raises:
        ValidationError: the ids are not each of the user's projects exactly once.
    """
    projects = {project.id: project for project in Project.select().where(Project.user == user)}
    if sorted(project_ids) != sorted(projects):
        raise ValidationError({"project_ids": ["Must name each of your projects exactly once"]})
    for position, project_id in enumerate(project_ids):
        Project.update(position=position).where(Project.id == project_id).execute()
        projects[project_id].position = position
    return _to_dicts([projects[project_id] for project_id in project_ids])


def _refuse_taken_name(user: User, name: str, but: int | None) -> None:
    taken = Project.get_or_none(Project.user == user, Project.name_key == text.fold(name))
    if taken is not None and taken.id != but:
        raise ValidationError({"name": ["Name is already in use"]})


def _columns(wanted: ProjectInput) -> dict[str, Any]:
    return {**wanted.model_dump(), "name_key": text.fold(wanted.name)}


def to_dict(project: Project) -> dict[str, Any]:
    """A project as the API shows it. Reads."""
    return _to_dicts([project])[0]


def _to_dicts(projects: Sequence[Project]) -> list[dict[str, Any]]:
    """Projects as the API shows them, with their services counted in one query."""
    counts: dict[int, dict[str, int]] = {project.id: {} for project in projects}
    rows = tuples(
        Service.select(Service.project, ServiceState.status, peewee.fn.COUNT(Service.id))
        .join(ServiceState)
        .where(Service.project.in_(list(counts)))
        .group_by(Service.project, ServiceState.status)
    )
    for project_id, status, count in rows:
        counts[project_id][status] = count
    return [_shape(project, counts[project.id]) for project in projects]


def _shape(project: Project, count_by_status: dict[str, int]) -> dict[str, Any]:
    return {
        "id": project.id,
        "name": project.name,
        "description": project.description,
        "color": project.color,
        "icon": project.icon,
        "order": project.position,
        "service_count": sum(count_by_status.values()),
        "status": next((status for status in _WORST_FIRST if status in count_by_status), None),
        "created_at": clock.iso_seconds(project.created_at),
        "updated_at": clock.iso_seconds(project.updated_at),
    }
