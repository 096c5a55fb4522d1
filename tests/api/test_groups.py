"""Groups: which services may be members of one, and what is shown of them."""

from typing import Any

import pytest

from tests import builders
from tests.contract import Client
from uptimehunt.checks.group import Member
from uptimehunt.domain import groups
from uptimehunt.store.database import Store
from uptimehunt.store.models import ServiceState


def body(*service_ids: int, **fields: Any) -> dict[str, Any]:
    """What a caller says of a group."""
    config = {"service_ids": list(service_ids), **fields.pop("config", {})}
    return {"name": "Shop", "type": "group", "config": config, **fields}


@pytest.fixture
def members(as_alice: Client) -> list[int]:
    """Three services of Alice."""
    return [as_alice.add("/services", builders.service_body())["id"] for _ in range(3)]


def add(client: Client, *service_ids: int, **fields: Any) -> int:
    return int(client.add("/services", body(*service_ids, **fields))["id"])


def test_a_group_is_a_service_like_any_other(as_alice: Client, members: list[int]) -> None:
    made = as_alice.add("/services", body(*members, retries=3, config={"rule": "any"}))

    assert made["config"] == {"service_ids": members, "rule": "any"}
    assert (made["status"], made["target"], made["retries"]) == ("pending", "3 services", 0)
    changed = as_alice.ask(
        "PATCH", f"/services/{made['id']}", {"config": {"service_ids": members[:1]}}
    )["data"]
    assert changed["config"] == {"service_ids": members[:1], "rule": "any"}


def test_somebody_elses_service_looks_as_if_it_was_not_there(
    as_alice: Client, as_bob: Client, members: list[int]
) -> None:
    own = as_bob.add("/services", builders.service_body())["id"]

    for wanted in ([own, members[0]], [own, 12345]):
        details = as_bob.details("POST", "/services", body(*wanted))
        assert details == {"service_ids": [f"No such service: {wanted[1]}"]}


def test_a_group_is_no_member_of_itself_at_any_depth(as_alice: Client, members: list[int]) -> None:
    inner = add(as_alice, members[0])
    middle = add(as_alice, inner, members[1])
    outer = add(as_alice, middle, inner)

    def refused(group: int, *service_ids: int) -> Any:
        change = {"config": {"service_ids": list(service_ids)}}
        return as_alice.details("PATCH", f"/services/{group}", change)

    assert refused(inner, inner) == {"service_ids": ["A group cannot be a member of itself"]}
    for group in (middle, outer):
        assert refused(inner, members[0], group) == {
            "service_ids": ["A member has this group as its own member"]
        }
    details = as_alice.details("PUT", f"/services/{middle}", body(outer))
    assert details == {"service_ids": ["A member has this group as its own member"]}
    as_alice.ask("PATCH", f"/services/{outer}", {"config": {"service_ids": [inner]}})


@pytest.mark.parametrize("way", ["one", "bulk", "project"])
def test_a_deleted_member_is_gone_from_the_config(
    as_alice: Client, members: list[int], way: str
) -> None:
    group = add(as_alice, *members)
    project = as_alice.add("/projects", {"name": "Old"})["id"]
    gone = members[:2]
    bulk = {"service_ids": gone}
    if way == "one":
        for service_id in gone:
            as_alice.ask("DELETE", f"/services/{service_id}", status=204)
    elif way == "bulk":
        as_alice.ask("POST", "/services/bulk", {"action": "delete", **bulk})
    else:
        as_alice.ask("POST", "/services/bulk", {"action": "move", "project_id": project, **bulk})
        as_alice.ask("DELETE", f"/projects/{project}?services=delete", status=204)

    path = f"/services/{group}"
    assert as_alice.data(path)["config"] == {"service_ids": members[2:]}
    assert as_alice.data("/services")[-1]["config"] == {"service_ids": members[2:]}
    as_alice.ask("PATCH", path, {"name": "Other"})
    as_alice.ask("DELETE", f"/services/{members[2]}", status=204)
    paused = as_alice.ask("PATCH", path, {"enabled": False})["data"]
    assert (paused["config"], paused["status"]) == ({"service_ids": []}, "paused")
    as_alice.details("PUT", path, body())


def test_only_this_server_can_judge_it_and_there_is_nothing_to_try(
    as_alice: Client, members: list[int], remote: tuple[int, str]
) -> None:
    details = as_alice.details("POST", "/services", body(*members, probe_ids=[remote[0]]))
    assert details == {"probe_ids": ["This type is judged by this server only"]}
    trial = {"type": "group", "config": {"service_ids": members}}
    assert as_alice.details("POST", "/services/test", trial).keys() == {"type"}


def test_the_judge_is_told_how_the_members_stand_in_their_order(
    as_alice: Client, as_bob: Client, store: Store, members: list[int]
) -> None:
    foreign = as_bob.add("/services", builders.service_body())["id"]
    group = add(as_alice, *members)
    down = ServiceState.update(status="down").where(ServiceState.service == members[1])
    store.write(down.execute)

    with store.reading():
        told = groups.told(group, [members[1], 12345, members[0], foreign])

    names = {each["id"]: each["name"] for each in as_alice.data("/services")}
    assert told.members == [
        Member(names[members[1]], "down"),
        Member(names[members[0]], "pending"),
    ]
