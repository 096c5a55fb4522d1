"""One act on many services, all of them or none. `apply` runs inside `Store.write`."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from uptimehunt.checks.base import refuse
from uptimehunt.domain import projects, services, text
from uptimehunt.domain.services import MOST_TAGS, NO_SUCH_PROJECT, ProjectId, TagList
from uptimehunt.errors import NotFoundError, ValidationError
from uptimehunt.store.models import Service, User

MOST = 1000

Action = Literal["pause", "resume", "move", "tag", "untag", "delete"]


class BulkInput(BaseModel):
    """What is to be done, and with which services."""

    model_config = ConfigDict(extra="forbid", strict=True)

    action: Action = Field(title="Action")
    service_ids: list[int] = Field(
        title="Services", min_length=1, max_length=MOST, examples=[[1, 2]]
    )
    project_id: ProjectId = Field(
        default=None, title="Project", description="For `move`; null moves out of any project."
    )
    tags: TagList = Field(
        default_factory=list, title="Tags", max_length=MOST_TAGS, description="For `tag`, `untag`."
    )

    @model_validator(mode="after")
    def _complete(self) -> "BulkInput":
        if self.action in {"tag", "untag"} and not self.tags:
            raise refuse({"tags": ["Tags is required"]})
        if self.action == "move" and "project_id" not in self.model_fields_set:
            raise refuse({"project_id": ["Project is required"]})
        return self


def apply(user: User, wanted: BulkInput) -> list[int]:
    """Do it; answers the ids of the services, in the order they were named.

    Raises:
        ValidationError: a service or the project is not the user's; nothing was done.
    """
    ids = list(dict.fromkeys(wanted.service_ids))
    usable = [service_id for service_id in ids if 0 < service_id < 2**63]
    found = {
        service.id: service
        for service in Service.select().where(Service.id.in_(usable), Service.user == user)
    }
    unknown = [str(service_id) for service_id in ids if service_id not in found]
    if unknown:
        raise ValidationError({"service_ids": [f"No such service: {', '.join(unknown[:20])}"]})
    if wanted.project_id is not None:
        try:
            projects.find(user, wanted.project_id)
        except NotFoundError:
            raise ValidationError({"project_id": [NO_SUCH_PROJECT]}) from None
    for service_id in ids:
        _act(found[service_id], wanted)
    return ids


def _act(service: Service, wanted: BulkInput) -> None:
    if wanted.action == "delete":
        service.delete_instance()
    elif wanted.action in {"pause", "resume"}:
        services.set_enabled(service, wanted.action == "resume")
    else:
        _describe(service, wanted)
        service.save()


def _describe(service: Service, wanted: BulkInput) -> None:
    """Change what does not touch how it is checked: revision and `updated_at` stay."""
    tags: list[Any] = service.tags
    if wanted.action == "move":
        service.project_id = wanted.project_id
    elif wanted.action == "tag":
        service.tags = list(dict.fromkeys([*tags, *wanted.tags]))
        if len(service.tags) > MOST_TAGS:
            raise ValidationError({"tags": [f"{service.name} would have more than {MOST_TAGS}"]})
    else:
        gone = {text.fold(tag) for tag in wanted.tags}
        service.tags = [tag for tag in tags if text.fold(tag) not in gone]
