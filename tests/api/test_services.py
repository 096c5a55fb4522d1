"""`/services`: what is watched, how it is described, listed and paused."""

import itertools
from typing import Any

import pytest
from playhouse.test_utils import count_queries

from tests import builders
from tests.builders import T0, service_body
from tests.conftest import RecordingEngine
from tests.contract import Client
from uptimehunt import checks
from uptimehunt.domain import retention
from uptimehunt.store import queries
from uptimehunt.store.database import Store
from uptimehunt.store.models import (
    CheckDetails,
    CheckResult,
    Day,
    HalfHour,
    Incident,
    LandedDetails,
    LandedResult,
    LastCheck,
    Service,
    ServiceState,
    Span,
    Transition,
    User,
)

QUICK_START = {
    "name": "Production Website",
    "type": "http",
    "project_id": 1,
    "config": {
        "url": "https://example.com",
        "method": "GET",
        "expected_status_code": 200,
        "timeout": 30,
    },
    "interval": 5,
}


def http_body(**config: Any) -> dict[str, Any]:
    return service_body(type="http", config={"url": "https://example.com/health"} | config)


def ids(client: Client, path: str = "/services") -> list[int]:
    return [service["id"] for service in client.data(path)]


# --- create ------------------------------------------------------------------------------------


def test_the_quick_start_of_the_api_overview_works_to_the_letter(as_alice: Client) -> None:
    as_alice.add("/projects", {"name": "Website"})

    service = as_alice.add("/services", QUICK_START)

    assert service["id"] == 1
    assert service["name"] == "Production Website"
    assert service["type"] == "http"
    assert service["status"] == "pending"
    assert service["created_at"].endswith("Z") and len(service["created_at"]) == 20
    assert list(service["config"].items()) == list(QUICK_START["config"].items())  # type: ignore[attr-defined]
    assert (service["interval"], service["interval_seconds"]) == (5, 300)
    assert (service["project_id"], service["project"]["name"]) == (1, "Website")


def test_what_is_not_said_has_a_default(as_alice: Client) -> None:
    service = as_alice.add("/services", http_body())

    assert service.items() >= {
        "interval": 3, "interval_seconds": 180, "enabled": True, "description": "", "tags": [],
        "project_id": None, "project": None, "degraded_after_ms": None, "probe_ids": [],
        "response_time": None, "last_check_at": None,
        "config": {"url": "https://example.com/health"},
    }.items()  # fmt: skip


def test_every_bad_field_is_named_at_once_in_the_words_of_the_overview(as_alice: Client) -> None:
    body = {"type": "http", "config": {"method": "FLY"}, "interval": 61, "colour": "red"}

    details = as_alice.details("POST", "/services", body)

    assert details == {
        "name": ["Name is required"],
        "url": ["URL is required"],
        "method": [details["method"][0]],
        "interval": ["Must be between 1 and 60"],
        "colour": ["Unknown field"],
    }
    assert "GET" in details["method"][0]


BAD_FIELDS: list[tuple[dict[str, Any], str, str]] = [
    ({"name": ""}, "name", "Name is required"),
    ({"name": " \t "}, "name", "Name is required"),
    ({"name": "x" * 129}, "name", "Must be at most 128 characters"),
    ({"name": "bell\u0007"}, "name", "Must not contain control or invisible characters"),
    ({"type": "smoke signal"}, "type", f"Must be one of {', '.join(checks.REGISTRY)}"),
    ({"type": None}, "type", "Type must be a string"),
    ({"config": None}, "config", "Config must be an object"),
    ({"config": []}, "config", "Config must be an object"),
    ({"config": {}}, "url", "URL is required"),
    ({"config": {"url": None}}, "url", "URL must be a string"),
    ({"config": {"url": ""}}, "url", "URL is required"),
    ({"config": {"url": "http://a", "timeout": 0}}, "timeout", "Must be between 1 and 120"),
    ({"config": {"url": "https://a.example", "speed": 1}}, "speed", "Unknown field"),
    ({"interval": 0}, "interval", "Must be between 1 and 60"),
    ({"interval": -5}, "interval", "Must be between 1 and 60"),
    ({"interval": 61}, "interval", "Must be between 1 and 60"),
    ({"interval": 2**70}, "interval", "Must be between 1 and 60"),
    ({"interval": 1.0}, "interval", "Interval must be a whole number"),
    ({"interval": True}, "interval", "Interval must be a whole number"),
    ({"interval": "5"}, "interval", "Interval must be a whole number"),
    ({"interval_seconds": 4}, "interval_seconds", "Must be between 5 and 86400"),
    ({"interval": 5, "interval_seconds": 300}, "interval",
     "Give either interval or interval_seconds, not both"),
    ({"enabled": 1}, "enabled", "Enabled must be true or false"),
    ({"enabled": "true"}, "enabled", "Enabled must be true or false"),
    ({"tags": "a"}, "tags", "Tags must be a list"),
    ({"tags": ["x" * 33]}, "tags", "Each tag must have 1 to 32 characters"),
    ({"tags": [" "]}, "tags", "Each tag must have 1 to 32 characters"),
    ({"tags": ["x"] * 21}, "tags", "Must have at most 20 items"),
    ({"tags": [5]}, "tags.0", "Tags must be a string"),
    ({"retries": 11}, "retries", "Must be between 0 and 10"),
    ({"retry_interval_seconds": 0}, "retry_interval_seconds", "Must be between 1 and 3600"),
    ({"recoveries": 0}, "recoveries", "Must be between 1 and 10"),
    ({"degraded_after_ms": 0}, "degraded_after_ms", "Must be between 1 and 120000"),
    ({"project_id": 99}, "project_id", "No such project"),
    ({"project_id": "1"}, "project_id", "Project must be a whole number"),
    ({"id": 5}, "id", "Unknown field"),
    ({"user_id": 5}, "user_id", "Unknown field"),
    ({"status": "operational"}, "status", "Unknown field"),
]  # fmt: skip

BAD_URLS = [
    "", "example.com", "ftp://example.com", "file:///etc/passwd", "javascript:alert(1)",
    "https://", "http:///path", "https://exa mple.com", "https://example.com:0",
    "https://example.com:65536", "https://[::1", "https://a\nb.example", "//example.com",
    "gopher://example.com", "https://\u0000.example", "https://-.example/",
]  # fmt: skip


def test_a_bad_field_is_named(as_alice: Client) -> None:
    wrong = {}
    for fields, name, message in BAD_FIELDS:
        answer = as_alice.call("POST", "/services", http_body() | fields)
        said = answer.json.get("error", {}).get("details", answer.status)
        if said != {name: [message]}:
            wrong[str(fields)] = said

    assert wrong == {}


def test_a_url_must_be_one(as_alice: Client) -> None:
    wrong = {}
    for url in BAD_URLS:
        answer = as_alice.call("POST", "/services", http_body(url=url))
        said = answer.json.get("error", {}).get("details", answer.status)
        if said not in ({"url": ["URL must be valid"]}, {"url": ["URL is required"]}):
            wrong[url] = said

    assert wrong == {}
    assert ids(as_alice) == []


def test_a_project_beyond_what_a_number_can_be_is_no_project(as_alice: Client) -> None:
    for number in (0, -1, 2**63 - 1, 2**63, 10**30, -(2**63) - 1):
        answer = as_alice.call("POST", "/services", http_body() | {"project_id": number})
        assert answer.status_code == 422, number
        assert list(answer.json["error"]["details"]) == ["project_id"]


def test_the_engine_is_told_of_every_change(as_alice: Client, engine: RecordingEngine) -> None:
    path = f"/services/{as_alice.add('/services', http_body())['id']}"

    as_alice.ask("PUT", path, http_body())
    as_alice.ask("PATCH", path, {"enabled": False})
    as_alice.ask("DELETE", path, status=204)

    assert engine.refreshed == [1, 1, 1, 1]


def test_the_engine_is_not_told_of_what_was_refused(
    as_alice: Client, as_bob: Client, engine: RecordingEngine
) -> None:
    path = f"/services/{as_alice.add('/services', http_body())['id']}"
    engine.refreshed.clear()

    as_alice.refusal("PATCH", path, {"interval": 0})
    as_bob.refusal("PATCH", path, {"interval": 1}, status=404)
    as_bob.refusal("DELETE", path, status=404)

    assert engine.refreshed == []


# --- change ------------------------------------------------------------------------------------


def test_put_gives_defaults_to_what_is_left_out(as_alice: Client) -> None:
    rich = http_body(timeout=5) | {
        "interval_seconds": 45, "tags": ["a"], "retries": 3, "degraded_after_ms": 900,
        "description": "Sold here", "enabled": False,
    }  # fmt: skip
    made = as_alice.add("/services", rich)

    put = as_alice.ask("PUT", f"/services/{made['id']}", http_body() | {"name": "Plain"})["data"]

    assert put == as_alice.data(f"/services/{made['id']}")
    fresh = as_alice.add("/services", http_body() | {"name": "Plain"})
    same = {"id", "created_at", "updated_at", "status_changed_at"}
    assert {key: put[key] for key in put.keys() - same} == {
        key: fresh[key] for key in fresh.keys() - same
    }


def test_patch_changes_only_what_is_sent(as_alice: Client) -> None:
    made = as_alice.add("/services", http_body(timeout=5) | {"tags": ["a"], "interval": 7})
    path = f"/services/{made['id']}"

    patched = as_alice.ask("PATCH", path, {"name": "New", "config": {"method": "HEAD"}})["data"]

    assert patched["name"] == "New"
    assert patched["config"] == made["config"] | {"method": "HEAD"}
    kept = made.keys() - {"name", "config", "updated_at"}
    assert {key: patched[key] for key in kept} == {key: made[key] for key in kept}


def test_patch_takes_the_interval_in_either_unit(as_alice: Client) -> None:
    path = f"/services/{as_alice.add('/services', http_body())['id']}"

    def patched(**fields: Any) -> tuple[Any, Any]:
        service = as_alice.ask("PATCH", path, fields)["data"]
        return service["interval"], service["interval_seconds"]

    assert patched(interval_seconds=45) == (None, 45)
    assert patched(interval=2) == (2, 120)
    assert patched(interval_seconds=7200) == (None, 7200)
    assert patched(interval_seconds=3600) == (60, 3600)
    as_alice.details("PATCH", path, {"interval": 2, "interval_seconds": 120})


def test_patch_names_bad_and_unknown_fields(as_alice: Client) -> None:
    path = f"/services/{as_alice.add('/services', http_body())['id']}"

    assert as_alice.details("PATCH", path, {"id": 2}) == {"id": ["Unknown field"]}
    assert as_alice.details("PATCH", path, {"interval": 99, "name": 1}) == {
        "interval": ["Must be between 1 and 60"],
        "name": ["Name must be a string"],
    }


def test_an_empty_patch_changes_nothing(as_alice: Client) -> None:
    made = as_alice.add("/services", http_body())

    patched = as_alice.ask("PATCH", f"/services/{made['id']}", {})["data"]

    assert {**patched, "updated_at": ""} == {**made, "updated_at": ""}


def test_the_type_stays_what_it_was(as_alice: Client) -> None:
    path = f"/services/{as_alice.add('/services', http_body())['id']}"

    details = as_alice.details("PUT", path, service_body(type="tcp"))

    assert details == {"type": ["Cannot change, it is http"]}


def test_pausing_and_going_on(as_alice: Client, store: Store) -> None:
    made = as_alice.add("/services", http_body() | {"retries": 0})
    path = f"/services/{made['id']}"
    builders.record(store, [builders.finding(made["id"], ok=False)])
    assert as_alice.data(path)["status"] == "down"

    paused = as_alice.ask("PATCH", path, {"enabled": False})["data"]
    seen = as_alice.data(f"{path}/status")
    resumed = as_alice.ask("PATCH", path, {"enabled": True})["data"]

    assert (paused["status"], paused["enabled"]) == ("paused", False)
    assert (seen["status"], seen["incident"], seen["message"]) == ("paused", None, "")
    assert (resumed["status"], resumed["enabled"]) == ("pending", True)


# --- secrets -----------------------------------------------------------------------------------

CANARY = "CANARY-7d1f"
SECRET_HEADER = {"name": "X-Api-Key", "value": CANARY, "secret": True}


@pytest.fixture
def guarded(as_alice: Client) -> dict[str, Any]:
    """A service with a secret header."""
    headers = [{"name": "Accept", "value": "*/*"}, SECRET_HEADER]
    service: dict[str, Any] = as_alice.add("/services", http_body(headers=headers))
    return service


def kept_secret(store: Store, service_id: int) -> list[str]:
    with store.reading():
        headers = Service.get_by_id(service_id).config.get("headers", [])
    return [header["value"] for header in headers if header.get("secret")]


def test_a_secret_never_comes_back(as_alice: Client, guarded: dict[str, Any]) -> None:
    path = f"/services/{guarded['id']}"

    shown = [
        as_alice.call(method, where, body).text
        for method, where, body in (
            ("GET", path, None),
            ("GET", "/services", None),
            ("GET", f"{path}/status", None),
            ("PATCH", path, {"name": "Other"}),
            ("PATCH", path, {"config": {"timeout": 5}}),
            ("PATCH", path, {"config": {"headers": [SECRET_HEADER, {"name": ""}]}}),
        )
    ]

    assert guarded["config"]["headers"][1] == {
        "name": "X-Api-Key", "secret": True, "has_value": True,
    }  # fmt: skip
    assert [text for text in shown if CANARY in text] == []


def test_a_secret_is_kept_when_what_was_shown_is_sent_back(
    as_alice: Client, store: Store, guarded: dict[str, Any]
) -> None:
    body = {key: guarded[key] for key in ("name", "type", "config")}

    as_alice.ask("PUT", f"/services/{guarded['id']}", body)
    as_alice.ask("PATCH", f"/services/{guarded['id']}", {"config": guarded["config"]})

    assert kept_secret(store, guarded["id"]) == [CANARY]


def test_a_secret_goes_with_its_header(
    as_alice: Client, store: Store, guarded: dict[str, Any]
) -> None:
    as_alice.ask("PUT", f"/services/{guarded['id']}", http_body(headers=[]))

    assert kept_secret(store, guarded["id"]) == []


ELSEWHERE = [
    "https://evil.example/",
    "https://example.com:8443/health",
    "http://example.com/health",
]


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("url", ELSEWHERE)
def test_a_kept_secret_is_not_sent_to_another_host(
    as_alice: Client, store: Store, guarded: dict[str, Any], method: str, url: str
) -> None:
    body = {"name": guarded["name"], "type": "http", "config": guarded["config"] | {"url": url}}

    details = as_alice.details(method, f"/services/{guarded['id']}", body)

    assert details == {"headers": ["Enter secret values again for another host"]}


def test_changing_the_url_alone_does_not_take_the_secrets_along(
    as_alice: Client, guarded: dict[str, Any]
) -> None:
    body = {"config": {"url": "https://evil.example/"}}

    details = as_alice.details("PATCH", f"/services/{guarded['id']}", body)

    assert details == {"headers": ["Enter secret values again for another host"]}


def test_a_secret_entered_again_may_go_elsewhere(
    as_alice: Client, store: Store, guarded: dict[str, Any]
) -> None:
    header = SECRET_HEADER | {"value": "another"}
    body = http_body(url="https://other.example", headers=[header])

    as_alice.ask("PUT", f"/services/{guarded['id']}", body)

    assert kept_secret(store, guarded["id"]) == ["another"]


def test_a_secret_header_has_a_value(as_alice: Client, guarded: dict[str, Any]) -> None:
    for header in ({"name": "X-New", "secret": True}, {"name": ["X"], "secret": True}):
        for method, path in (("POST", "/services"), ("PUT", f"/services/{guarded['id']}")):
            details = as_alice.details(method, path, http_body(headers=[header]))
            assert any(name.startswith("headers.0") for name in details)


def test_a_secret_does_not_become_public_by_dropping_the_mark(
    as_alice: Client, guarded: dict[str, Any]
) -> None:
    header = {"name": "X-Api-Key", "secret": False}

    details = as_alice.details("PUT", f"/services/{guarded['id']}", http_body(headers=[header]))

    assert details == {"headers.0.value": ["Value is required"]}


# --- secret fields -----------------------------------------------------------------------------

LOGIN = {"auth_type": "basic", "username": "bob", "password": CANARY}


@pytest.fixture
def with_login(as_alice: Client) -> dict[str, Any]:
    """A service that logs in with a password."""
    service: dict[str, Any] = as_alice.add("/services", http_body(**LOGIN))
    return service


def kept_password(store: Store, service_id: int) -> str | None:
    with store.reading():
        password: str | None = Service.get_by_id(service_id).config.get("password")
    return password


def test_a_password_never_comes_back(as_alice: Client, with_login: dict[str, Any]) -> None:
    path = f"/services/{with_login['id']}"

    shown = [
        as_alice.call(method, where, body).text
        for method, where, body in (
            ("GET", path, None),
            ("GET", "/services", None),
            ("PUT", path, http_body(**LOGIN)),
            ("PATCH", path, {"config": LOGIN}),
            ("PUT", path, http_body(**LOGIN | {"username": "a:b"})),
            ("PUT", path, http_body(**LOGIN | {"password": CANARY + "\n"})),
        )
    ]

    assert with_login["config"] == {
        "url": "https://example.com/health", "auth_type": "basic", "username": "bob",
        "has_password": True,
    }  # fmt: skip
    assert [text for text in shown if CANARY in text] == []


def test_a_password_that_is_left_out_stays(
    as_alice: Client, store: Store, with_login: dict[str, Any]
) -> None:
    path = f"/services/{with_login['id']}"

    put = as_alice.ask("PUT", path, http_body(auth_type="basic", username="eve"))["data"]
    as_alice.ask("PATCH", path, {"config": {"timeout": 5}})

    assert put["config"]["has_password"] is True and put["config"]["username"] == "eve"
    assert kept_password(store, with_login["id"]) == CANARY


def test_a_password_stays_when_what_was_shown_is_sent_back(
    as_alice: Client, store: Store, with_login: dict[str, Any]
) -> None:
    path = f"/services/{with_login['id']}"
    shown = as_alice.data(path)
    body = {key: shown[key] for key in ("name", "type", "config")}

    put = as_alice.ask("PUT", path, body)["data"]
    as_alice.ask("PATCH", path, {"config": shown["config"]})

    assert put["config"] == shown["config"]
    assert kept_password(store, with_login["id"]) == CANARY


def test_a_password_is_cleared_by_null_unless_it_is_needed(
    as_alice: Client, store: Store, with_login: dict[str, Any]
) -> None:
    path = f"/services/{with_login['id']}"

    for method in ("PUT", "PATCH"):
        details = as_alice.details(method, path, http_body(**LOGIN | {"password": None}))
        assert details == {"password": ["Password is required"]}
    cleared = as_alice.ask("PUT", path, http_body(password=None))["data"]

    assert cleared["config"] == {"url": "https://example.com/health"}
    assert kept_password(store, with_login["id"]) is None


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("url", ELSEWHERE)
def test_a_kept_password_is_not_sent_to_another_host(
    as_alice: Client, with_login: dict[str, Any], method: str, url: str
) -> None:
    path = f"/services/{with_login['id']}"
    body = {"name": "x", "type": "http", "config": with_login["config"] | {"url": url}}
    again = {"password": ["Enter secret values again for another host"]}

    assert as_alice.details(method, path, body) == again
    body["config"]["password"] = "another"
    assert as_alice.ask(method, path, body)["data"]["config"]["url"] == url


def test_a_bad_assertion_is_named_by_its_place(as_alice: Client) -> None:
    wanted = {"source": "json", "property": "$[", "operator": "lt", "value": "many"}

    assert as_alice.details("POST", "/services", http_body(assertions=[wanted])) == {
        "assertions.0.property": ["Property must be a JSONPath, with plain paths in filters"],
        "assertions.0.value": ["Value must be a number"],
    }


STEPS = {
    "steps": [{"name": "home", "url": "https://example.com/?k={{key}}"}],
    "secrets": [{"name": "key", "value": CANARY, "secret": True}],
}


def test_secret_variables_of_steps_are_kept_like_secret_headers(
    as_alice: Client, store: Store
) -> None:
    made = as_alice.add("/services", service_body(type="steps", config=STEPS))
    path = f"/services/{made['id']}"
    other = [{"name": "home", "url": "https://evil.example/?k={{key}}"}]

    put = as_alice.ask("PUT", path, {key: made[key] for key in ("name", "type", "config")})["data"]
    details = as_alice.details("PATCH", path, {"config": made["config"] | {"steps": other}})

    assert made["config"]["secrets"] == [{"name": "key", "secret": True, "has_value": True}]
    assert put["config"] == made["config"] and CANARY not in as_alice.call("GET", path).text
    assert details == {"secrets": ["Enter secret values again for another host"]}
    with store.reading():
        assert Service.get_by_id(made["id"]).config["secrets"][0]["value"] == CANARY


# --- lists -------------------------------------------------------------------------------------


@pytest.fixture
def several(as_alice: Client, store: Store, alice: User) -> list[int]:
    """Four services of Alice, each of its own kind, and one of Bob."""
    project = as_alice.add("/projects", {"name": "Shop"})["id"]
    found = [
        builders.add_service(store, alice, name="alpha 100%", tags=["a", "b_c"],
                             project_id=project),
        builders.add_service(store, alice, name="Beta_x", tags=['quo"te', "x%"], enabled=False),
        builders.add_service(store, alice, name="gamma", tags=["A-team", "bxc"],
                             type="http", config={"url": "https://shop.example/health"}),
        builders.add_service(store, alice, name="delta\\", tags=["\u00e9t\u00e9", "xyz"]),
    ]  # fmt: skip
    bob = builders.add_user(store, "bob@example.com")
    builders.add_service(store, bob, name="alpha of Bob", tags=["a"])
    builders.record(
        store, [builders.finding(found[0], took=40), builders.finding(found[2], took=5)]
    )
    return found


FILTERS = {
    "": [0, 1, 2, 3],
    "?enabled=true": [0, 2, 3],
    "?enabled=false": [1],
    "?type=http": [2],
    "?type=none": [],
    "?status=operational": [0, 2],
    "?status=paused": [1],
    "?status=maintenance": [],
    "?project_id=1": [0],
    "?project_id=null": [1, 2, 3],
    "?project_id=0": [],
    "?project_id=99": [],
    "?tag=a": [0],
    "?tag=A": [],
    "?tag=b_c": [0],
    "?tag=x%25": [1],
    "?tag=%25": [],
    "?tag=quo%22te": [1],
    "?tag=%22": [],
    "?tag=a%22%2C%22b_c": [],
    "?tag=%C3%A9t%C3%A9": [3],
    "?tag=": [],
    "?q=ALPHA": [0],
    "?q=%25": [0],
    "?q=_": [1],
    "?q=%5C": [3],
    "?q=shop.example": [2],
    "?q=%27+OR+1=1": [],
    "?q=": [0, 1, 2, 3],
    "?sort=name": [0, 1, 3, 2],
    "?sort=-name": [2, 3, 1, 0],
    "?sort=created_at": [0, 1, 2, 3],
    "?sort=status&enabled=true": [0, 2, 3],
    "?sort=-response_time&status=operational": [0, 2],
    "?sort=response_time&status=operational": [2, 0],
    "?limit=2": [0, 1],
    "?limit=2&page=2": [2, 3],
    "?limit=3&page=2": [3],
    "?page=3": [],
    "?page=1000000000&limit=100": [],
}


def test_a_list_can_be_filtered_sorted_and_cut(as_alice: Client, several: list[int]) -> None:
    wrong = {}
    for query, expected in FILTERS.items():
        found = [several.index(service_id) for service_id in ids(as_alice, f"/services{query}")]
        if found != expected:
            wrong[query] = found

    assert wrong == {}


BAD_QUERIES = [
    "page=0", "page=-1", "page=1e2", "page=" + "9" * 30, "page=", "page", "page=1&page=2",
    "page[]=1", "page=%D9%A1", "page=1.0", "page=+1", "page=null", "limit=0", "limit=101",
    "limit=-1", "limit=", "limit=10&limit=10", "sort=", "sort=password_hash", "sort=--name",
    "sort=name,status", "include=", "include=secrets", "enabled=1", "enabled=TRUE", "status=",
    "status=up", "project_id=", "project_id=-1", "project_id=x", "project_id=" + "9" * 30,
    "fields=id", "colour=red", "user_id=2", "%FF=1", "q=%FF", "q=" + "x" * 129, "Page=1",
]  # fmt: skip


def test_a_query_that_cannot_be_used_is_refused(as_alice: Client) -> None:
    answered = {query: as_alice.call("GET", f"/services?{query}").status for query in BAD_QUERIES}

    assert {query: status for query, status in answered.items() if status[:3] != "400"} == {}


def test_the_meta_counts_what_there_is(as_alice: Client, several: list[int]) -> None:
    def meta(query: str) -> Any:
        return as_alice.ask("GET", f"/services{query}")["meta"]

    assert meta("") == {"page": 1, "limit": 20, "total": 4, "totalPages": 1}
    assert meta("?limit=3&page=9") == {"page": 9, "limit": 3, "total": 4, "totalPages": 2}
    assert meta("?q=nothing") == {"page": 1, "limit": 20, "total": 0, "totalPages": 0}


def test_pages_hold_every_service_once(as_alice: Client, several: list[int]) -> None:
    for sort in ("name", "-name", "status", "-status", "response_time", "created_at"):
        pages = [
            ids(as_alice, f"/services?sort={sort}&limit=1&page={page}") for page in range(1, 5)
        ]
        assert sorted(itertools.chain(*pages)) == several, sort


def test_a_page_can_bring_uptime_and_sparkline(as_alice: Client, several: list[int]) -> None:
    shown = as_alice.data("/services?include=uptime,sparkline")

    assert {tuple(service["uptime"]) for service in shown} == {("24h", "30d")}
    lengths = {
        (len(service["sparkline"]["values"]), len(service["sparkline"]["statuses"]))
        for service in shown
    }
    assert lengths == {(48, 48)}


@pytest.mark.parametrize("path", ["/services", "/projects", "/projects/1/services"])
def test_a_longer_page_needs_no_more_queries(
    as_alice: Client, store: Store, alice: User, path: str
) -> None:
    project_ids = [as_alice.add("/projects", {"name": f"P{n}"})["id"] for n in range(50)]
    for n in range(50):
        project_id = 1 if path.endswith("/services") and n % 2 else project_ids[n]
        builders.add_service(store, alice, project_id=1 if "projects/" in path else project_id)
    include = "" if path == "/projects" else "&include=uptime,sparkline"

    def queries(limit: int) -> int:
        with count_queries() as counter:
            assert len(as_alice.data(f"{path}?limit={limit}{include}")) == limit
        return int(counter.count)

    queries(5)  # The first one on a thread also opens its connection.
    assert queries(5) == queries(50) <= 14


# --- status ------------------------------------------------------------------------------------


def test_a_service_that_was_never_checked_is_pending(
    as_alice: Client, store: Store, alice: User, engine: RecordingEngine
) -> None:
    service = builders.add_service(store, alice)
    engine.due[service] = builders.T0

    status = as_alice.data(f"/services/{service}/status")

    assert status.items() >= {
        "id": service, "status": "pending", "message": "", "response_time": None,
        "last_check_at": None, "next_check_at": "2023-11-14T22:00:00Z", "uptime_24h": None,
        "probes": [], "incident": None, "certificate": None,
    }.items()  # fmt: skip


def test_the_status_of_a_service_that_is_down_says_since_when_and_why(
    as_alice: Client, store: Store, alice: User
) -> None:
    service = builders.add_service(store, alice, retries=1)
    found = [
        builders.finding(service, builders.T0),
        builders.finding(service, builders.T0 + 60_000, ok=False, error="dns_error"),
        builders.finding(service, builders.T0 + 90_500, ok=False, error="timeout"),
    ]

    builders.record(store, found)
    status = as_alice.data(f"/services/{service}/status")

    assert status["status"] == "down"
    assert status["status_changed_at"] == "2023-11-14T22:01:00Z"
    assert status["last_check_at"] == "2023-11-14T22:01:30.500Z"
    assert status["message"] == "It failed: timeout"
    assert status["incident"].items() >= {
        "started_at": "2023-11-14T22:01:00Z", "cause": "timeout",
    }.items()  # fmt: skip
    assert [(probe["id"], probe["status"], probe["error"]) for probe in status["probes"]] == [
        (1, "down", {"code": "timeout", "message": "It failed: timeout"})
    ]


def test_the_status_of_a_service_that_comes_and_goes_says_that_it_is_flapping(
    as_alice: Client, store: Store, alice: User
) -> None:
    service = builders.add_service(store, alice, retries=0, recoveries=1)
    path = f"/services/{service}/status"
    assert as_alice.data(path)["flapping_since"] is None

    builders.record(
        store,
        [builders.finding(service, builders.T0 + n * 60_000, ok=n % 2 == 0) for n in range(6)],
    )

    status = as_alice.data(path)
    assert (status["status"], status["incident"]) == ("degraded", None)
    assert status["flapping_since"] == status["status_changed_at"] == "2023-11-14T22:03:00Z"


def test_the_certificate_of_the_last_answer_is_shown(
    as_alice: Client, store: Store, alice: User
) -> None:
    service = builders.add_service(store, alice)
    certificate = {"subject": "example.com", "days_left": 3}
    found = builders.finding(service, certificate=certificate, warning="certificate_expiring")

    builders.record(store, [found])
    status = as_alice.data(f"/services/{service}/status")

    assert (status["status"], status["certificate"]) == ("degraded", certificate)


def test_deleting_a_service_takes_all_that_is_known_of_it(
    as_alice: Client, store: Store, alice: User
) -> None:
    service = builders.add_service(store, alice, retries=0)
    builders.record(store, [builders.finding(service, ok=False, body="Bad Gateway")])
    builders.merge(store)
    builders.record(store, [builders.finding(service, T0 + 1, ok=False, body="Bad Gateway")])

    as_alice.ask("DELETE", f"/services/{service}", status=204)

    as_alice.refusal("GET", f"/services/{service}", status=404)
    as_alice.refusal("DELETE", f"/services/{service}", status=404)
    for path in ("status", "checks", "errors", "metrics/uptime", "metrics/response-times"):
        as_alice.refusal("GET", f"/services/{service}/{path}", status=404)
    left = {Incident, Transition, ServiceState, LastCheck, Span}
    assert {table for table in left if has_rows(store, table)} == set()

    builders.merge(store)
    clear_expired(store)

    left |= {LandedResult, LandedDetails, CheckResult, CheckDetails, HalfHour, Day}
    assert {table for table in left if has_rows(store, table)} == set()
    with store.reading():
        assert queries.result_count() == 0


def has_rows(store: Store, table: Any) -> bool:
    with store.reading():
        return bool(table.select().exists())


def clear_expired(store: Store) -> None:
    """What the retention does at any time, of services that are gone."""
    with store.reading():
        old = retention.expired(0, 0)
    for one in old:
        while store.write(retention.expire, one):
            pass


@pytest.mark.parametrize("field", ["verify_tls", "expected_status_code", "max_redirects"])
def test_a_list_of_secrets_in_place_of_something_else_is_a_bad_field(
    as_alice: Client, field: str
) -> None:
    values = {"verify_tls": True, "expected_status_code": 200, "max_redirects": 3}
    service_id = as_alice.add("/services", http_body(**{field: values[field]}))["id"]
    config = {field: [{"name": "X", "secret": True}]}

    details = as_alice.details("PATCH", f"/services/{service_id}", {"config": config})

    assert details == {f"{field}.0.value": ["Value is required"]}


def test_everything_unknown_that_is_referred_to_is_named(as_alice: Client) -> None:
    body = http_body() | {"project_id": 77, "probe_ids": [1, 88, 88, 99]}

    assert as_alice.details("POST", "/services", body) == {
        "project_id": ["No such project"],
        "probe_ids": ["No such probe: 88, 99"],
    }


@pytest.mark.parametrize("name", ["Authorization", "cookie", "X-Auth-Token"])
def test_a_header_whose_name_says_enough_is_secret_unasked(as_alice: Client, name: str) -> None:
    headers = [{"name": name, "value": CANARY}]

    added = as_alice.add("/services", http_body(headers=headers))

    assert added["config"]["headers"] == [{"name": name, "secret": True, "has_value": True}]


@pytest.mark.parametrize(
    "more",
    [
        {"proxy": "http://evil.example:3128"},
        {"proxy": "socks5://127.0.0.1:1080"},
    ],
)
def test_a_kept_password_is_not_sent_through_another_proxy(
    as_alice: Client, with_login: dict[str, Any], more: dict[str, Any]
) -> None:
    path = f"/services/{with_login['id']}"

    details = as_alice.details("PATCH", path, {"config": more})

    assert details == {"password": ["Enter secret values again for another host"]}
    as_alice.ask("PATCH", path, {"config": more | {"password": "another"}})
    as_alice.ask("PATCH", path, {"config": {"proxy": None}})


def test_a_kept_client_secret_is_not_sent_to_another_token_endpoint(as_alice: Client) -> None:
    login = {"auth_type": "oauth2", "token_url": "https://id.example.com/token",
             "client_id": "me", "client_secret": CANARY}  # fmt: skip
    path = f"/services/{as_alice.add('/services', http_body(**login))['id']}"

    config = {"token_url": "https://evil.example/token"}
    details = as_alice.details("PATCH", path, {"config": config})

    assert details == {"client_secret": ["Enter secret values again for another host"]}


def test_a_secret_that_is_not_used_any_more_is_forgotten(
    as_alice: Client, store: Store, with_login: dict[str, Any]
) -> None:
    path = f"/services/{with_login['id']}"

    put = as_alice.ask("PUT", path, http_body(url="https://other.example/"))["data"]

    assert "has_password" not in put["config"]
    assert kept_password(store, with_login["id"]) is None
