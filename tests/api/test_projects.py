"""`/projects`: groups of services, and their order."""

from typing import Any

import pytest

from tests import builders
from tests.conftest import RecordingEngine
from tests.contract import Client
from uptimehunt.store.database import Store
from uptimehunt.store.models import Service, ServiceState, User


def names(client: Client, path: str = "/projects") -> list[str]:
    return [project["name"] for project in client.data(path)]


def test_a_project_is_shown_as_it_was_made(as_alice: Client) -> None:
    made = as_alice.add("/projects", {"name": " Shop ", "description": "a\nb", "icon": "cart"})

    assert made.items() >= {
        "name": "Shop", "description": "a\nb", "icon": "cart", "color": "#3B82F6",
        "order": 0, "service_count": 0, "status": None,
    }.items()  # fmt: skip
    assert as_alice.data(f"/projects/{made['id']}") == made
    assert as_alice.data("/projects") == [made]


def test_put_gives_defaults_to_what_is_left_out_and_patch_leaves_it(as_alice: Client) -> None:
    path = f"/projects/{as_alice.add('/projects', {'name': 'Shop', 'icon': 'cart'})['id']}"

    patched = as_alice.ask("PATCH", path, {"color": "#ff0000"})["data"]
    put = as_alice.ask("PUT", path, {"name": "Store"})["data"]

    assert (patched["name"], patched["icon"], patched["color"]) == ("Shop", "cart", "#ff0000")
    assert (put["name"], put["icon"], put["color"]) == ("Store", "", "#3B82F6")
    assert as_alice.details("PUT", path, {}) == {"name": ["Name is required"]}


@pytest.mark.parametrize("again", ["Shop", "SHOP", "  shop "])
def test_a_name_is_taken_in_whatever_case(as_alice: Client, again: str) -> None:
    shop = as_alice.add("/projects", {"name": "Shop"})
    other = as_alice.add("/projects", {"name": "Other"})
    taken = {"name": ["Name is already in use"]}

    assert as_alice.details("POST", "/projects", {"name": again}) == taken
    assert as_alice.details("PATCH", f"/projects/{other['id']}", {"name": again}) == taken
    as_alice.ask("PUT", f"/projects/{shop['id']}", {"name": again})


def test_two_people_may_use_one_name(as_alice: Client, as_bob: Client) -> None:
    as_alice.add("/projects", {"name": "Shop"})

    as_bob.add("/projects", {"name": "Shop"})


BAD_FIELDS: list[tuple[str, Any, str]] = [
    ("name", "", "Name is required"),
    ("name", "   ", "Name is required"),
    ("name", "x" * 129, "Must be at most 128 characters"),
    ("name", None, "Name must be a string"),
    ("name", 5, "Name must be a string"),
    ("name", "a\u202eb", "Must not contain control or invisible characters"),
    ("name", "a\u0000b", "Must not contain control or invisible characters"),
    ("name", "a\u200bb", "Must not contain control or invisible characters"),
    ("description", "x" * 501, "Must be at most 500 characters"),
    ("color", "red", "Color must be valid"),
    ("color", "#12345g", "Color must be valid"),
    ("icon", "x" * 65, "Must be at most 64 characters"),
    ("order", 1, "Unknown field"),
    ("user_id", 1, "Unknown field"),
]


def test_a_bad_field_is_named(as_alice: Client) -> None:
    path = f"/projects/{as_alice.add('/projects', {'name': 'Shop'})['id']}"

    wrong = {
        f"{method} {field}={value!r}": details
        for field, value, message in BAD_FIELDS
        for method, where in (("POST", "/projects"), ("PUT", path), ("PATCH", path))
        if (details := said(as_alice, method, where, {"name": "Other", field: value}))
        != {field: [message]}
    }

    assert wrong == {}
    assert names(as_alice) == ["Shop"]


def said(client: Client, method: str, path: str, body: Any) -> Any:
    """The details of a refusal, or what was answered instead of one; nothing of it is kept."""
    answer = client.call(method, path, body)
    if answer.status_code == 422:
        return answer.json["error"]["details"]
    if answer.status_code == 201:
        client.ask("DELETE", f"{path}/{answer.json['data']['id']}", status=204)
    elif answer.status_code == 200:
        client.ask("PUT", path, {"name": "Shop"})
    return answer.status


def test_a_name_counts_in_characters_after_it_was_composed(as_alice: Client) -> None:
    made = as_alice.add("/projects", {"name": "e\u0301" * 128})

    assert made["name"] == "\u00e9" * 128


def test_projects_come_in_the_order_that_was_asked_for(as_alice: Client) -> None:
    a, b, c = [as_alice.add("/projects", {"name": name})["id"] for name in "ABC"]

    answered = as_alice.add("/projects/reorder", {"project_ids": [c, a, b]}, status=200)

    assert [(one["name"], one["order"]) for one in answered] == [("C", 0), ("A", 1), ("B", 2)]
    assert names(as_alice) == ["C", "A", "B"]
    as_alice.add("/projects", {"name": "D"})
    assert names(as_alice) == ["C", "A", "B", "D"]


def test_an_order_names_each_project_exactly_once(as_alice: Client, as_bob: Client) -> None:
    a, b = [as_alice.add("/projects", {"name": name})["id"] for name in "AB"]
    bobs = as_bob.add("/projects", {"name": "C"})["id"]

    for ids in ([], [a], [a, a], [a, b, b], [a, b, 99], [a, bobs], [b, a, bobs], [a, 2**70]):
        details = as_alice.details("POST", "/projects/reorder", {"project_ids": ids})
        assert details == {"project_ids": ["Must name each of your projects exactly once"]}
    wrong: list[Any] = [None, "1", {}, [True], ["1"], [1.0]]
    for bad in wrong:
        as_alice.details("POST", "/projects/reorder", {"project_ids": bad})
    assert names(as_alice) == ["A", "B"]


@pytest.mark.parametrize(
    ("query", "kept"), [("", True), ("?services=keep", True), ("?services=delete", False)]
)
def test_deleting_a_project_keeps_its_services_unless_told(
    as_alice: Client, store: Store, alice: User, engine: RecordingEngine, query: str, kept: bool
) -> None:
    project = as_alice.add("/projects", {"name": "Shop"})["id"]
    member = builders.add_service(store, alice, project_id=project)
    other = builders.add_service(store, alice)

    as_alice.ask("DELETE", f"/projects/{project}{query}", status=204)

    as_alice.refusal("GET", f"/projects/{project}", status=404)
    assert as_alice.data(f"/services/{other}")["id"] == other
    if kept:
        assert as_alice.data(f"/services/{member}")["project_id"] is None
    else:
        as_alice.refusal("GET", f"/services/{member}", status=404)
        assert engine.refreshed == [member]


@pytest.mark.parametrize(
    ("statuses", "worst"),
    [
        (["operational", "paused"], "operational"),
        (["paused"], "paused"),
        (["operational", "pending", "paused"], "pending"),
        (["pending", "degraded"], "degraded"),
        (["degraded", "down", "operational"], "down"),
    ],
)
def test_a_project_is_as_well_as_its_worst_service(
    as_alice: Client, store: Store, alice: User, statuses: list[str], worst: str
) -> None:
    project = as_alice.add("/projects", {"name": "Shop"})["id"]
    for status in statuses:
        service = builders.add_service(store, alice, project_id=project)
        update = ServiceState.update(status=status).where(ServiceState.service == service)
        store.write(update.execute)

    shown = as_alice.data(f"/projects/{project}")

    assert (shown["status"], shown["service_count"]) == (worst, len(statuses))


def test_a_project_lists_its_own_services_only(as_alice: Client, store: Store, alice: User) -> None:
    project = as_alice.add("/projects", {"name": "Shop"})["id"]
    member = builders.add_service(store, alice, project_id=project, tags=["a"])
    builders.add_service(store, alice, tags=["a"])

    listed = as_alice.data(f"/projects/{project}/services?tag=a")

    assert [service["id"] for service in listed] == [member]
    assert listed[0]["project"] == {
        "id": project, "name": "Shop", "color": "#3B82F6", "icon": "",
    }  # fmt: skip


def test_an_id_that_was_used_is_never_given_again(as_alice: Client, store: Store) -> None:
    first = as_alice.add("/projects", {"name": "A"})["id"]
    as_alice.ask("DELETE", f"/projects/{first}", status=204)

    assert as_alice.add("/projects", {"name": "B"})["id"] > first
    with store.reading():
        assert not Service.select().exists()
