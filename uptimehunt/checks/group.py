"""The `group` service type: a status made of those of other services, its members."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from uptimehunt.checks.base import CheckType, Judgement, Outcome, Target, not_checked, place
from uptimehunt.checks.passive import PassiveConfig

MOST_NAMES = 20
COUNTING = ("operational", "degraded", "down")
"""Nothing is known of a member that is pending or paused, and maintenance is nobody's failure."""


def _each_once(value: list[int]) -> list[int]:
    if len(set(value)) != len(value):
        raise PydanticCustomError("members", "Members must each be named once")
    return value


MemberId = Annotated[int, Field(ge=1, le=2**63 - 1)]


class GroupConfig(PassiveConfig):
    """Which services, and how many of them make the group down."""

    service_ids: Annotated[list[MemberId], AfterValidator(_each_once)] = Field(
        min_length=1,
        max_length=200,
        title="Members",
        description="The services that it is made of.",
        json_schema_extra=place(1, "request"),
    )
    rule: Literal["worst", "majority", "any"] = Field(
        default="worst",
        title="Rule",
        description="Worst: one member down is too many; majority: more than half of them;"
        " any: it is up as long as any of them is.",
        json_schema_extra=place(2, "expect"),
    )


@dataclass(frozen=True, slots=True)
class Member:
    """A service of the group, as it stands now."""

    name: str
    status: str


@dataclass(frozen=True, slots=True)
class Told:
    """The members of a group that there are."""

    members: Sequence[Member]


def judge(config: GroupConfig, told: Told) -> Judgement:
    """Count the members that are down; those that are not enough make it degraded."""
    counting = [member for member in told.members if member.status in COUNTING]
    if not counting:
        return Judgement(Outcome(False, message="No member has a status yet", is_unknown=True))
    down = [member.name for member in counting if member.status == "down"]
    degraded = [member.name for member in counting if member.status == "degraded"]
    details: dict[str, Any] = {"members": len(told.members), "counting": len(counting)}
    for status, names in (("down", down), ("degraded", degraded)):
        if names:
            details[status] = names[:MOST_NAMES]
    bearable = {"worst": 0, "majority": len(counting) // 2, "any": len(counting) - 1}[config.rule]
    if len(down) > bearable:
        message = _share(len(down), len(counting), "down")
        return Judgement(Outcome(False, None, "assertion_failed", message, details=details))
    if down:
        details["warning"] = _share(len(down), len(counting), "down")
    elif degraded:
        details["warning"] = _share(len(degraded), len(counting), "degraded")
    return Judgement(Outcome(True, details=details))


def _share(some: int, all_of_them: int, status: str) -> str:
    members = "member" if all_of_them == 1 else "members"
    return f"{some} of {all_of_them} {members} {'is' if some == 1 else 'are'} {status}"


def _target(config: GroupConfig) -> Target:
    count = len(config.service_ids)
    return Target("", 0, f"{count} service{'' if count == 1 else 's'}")


CHECK = CheckType(
    type="group",
    name="Group",
    description="Takes its status from those of other services.",
    category="passive",
    icon="folder",
    config=GroupConfig,
    check=not_checked,
    target=_target,
    judge=judge,
    members=lambda config: config.service_ids,
)
