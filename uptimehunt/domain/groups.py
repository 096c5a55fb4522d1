"""Groups: which services may be members of one, and how those stand. Everything here reads.

A member that was deleted stays in the config that is kept, and is left out wherever it is looked
at: ids are never used again. What a group makes of its members is judged in `checks/group.py`.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from uptimehunt.checks import group
from uptimehunt.checks.group import Member, Told
from uptimehunt.errors import ValidationError
from uptimehunt.store.models import Service, ServiceState, User

TYPE = group.CHECK.type
_MOST_NAMED = 20


def refuse_unusable(
    user: User, service_ids: Sequence[int], group_id: int | None, kept: Collection[int]
) -> None:
    """Refuse members that a group cannot have.

    Args:
        user: whose group it is; other people's services look as if they were not there.
        service_ids: of the members that it is to have.
        group_id: its own id; None for a new one.
        kept: the members that it had: one of those that is gone by now is no mistake.

    Raises:
        ValidationError: names the field.
    """
    if group_id in service_ids:
        raise _refusal("A group cannot be a member of itself")
    there = {
        row.id
        for row in Service.select(Service.id).where(
            Service.id.in_(list(service_ids)), Service.user == user
        )
    }
    unknown = [str(one) for one in service_ids if one not in there and one not in kept]
    if unknown:
        raise _refusal(f"No such service: {', '.join(unknown[:_MOST_NAMED])}")
    if group_id is not None and _leads_to(user, service_ids, group_id):
        raise _refusal("A member has this group as its own member")


def _refusal(message: str) -> ValidationError:
    return ValidationError({"service_ids": [message]})


def _leads_to(user: User, service_ids: Iterable[int], group_id: int) -> bool:
    """Whether one of some services is a group with this one in it, at any depth."""
    groups = Service.select(Service.id, Service.config).where(
        Service.user == user, Service.type == TYPE
    )
    members = {row.id: row.config.get("service_ids", []) for row in groups}
    seen: set[int] = set()
    waiting = list(service_ids)
    while waiting:
        service_id = waiting.pop()
        if service_id == group_id:
            return True
        if service_id not in seen:
            seen.add(service_id)
            waiting += members.get(service_id, [])
    return False


def shown_members(services: Iterable[Service]) -> dict[int, list[int]]:
    """The members that there still are of those of some services that are groups, by id."""
    wanted = {
        service.id: service.config.get("service_ids", [])
        for service in services
        if service.type == TYPE
    }
    named = {service_id for ids in wanted.values() for service_id in ids}
    if not named:
        return wanted
    there = {row.id for row in Service.select(Service.id).where(Service.id.in_(named))}
    return {
        group_id: [service_id for service_id in ids if service_id in there]
        for group_id, ids in wanted.items()
    }


def told(service_id: int, service_ids: Sequence[int]) -> Told:
    """How the members of a group stand, in their order.

    Args:
        service_id: of the group.
        service_ids: of its members.
    """
    owner: Any = Service.select(Service.user).where(Service.id == service_id)
    rows = {
        state.service_id: Member(state.service.name, state.status)
        for state in ServiceState.select(ServiceState, Service.id, Service.name)
        .join(Service)
        .where(Service.id.in_(list(service_ids)), Service.user.in_(owner))
    }
    return Told([rows[one] for one in service_ids if one in rows])
