"""`/service-types`: what can be watched. Public, and enough to draw a form from."""

import pytest
from jsonschema import Draft202012Validator

from tests.contract import Client
from uptimehunt import checks

TYPES = sorted(checks.REGISTRY)


def test_every_type_is_listed(client: Client) -> None:
    listed = client.data("/service-types")

    assert [kind["type"] for kind in listed] == TYPES
    assert {"http", "tcp"} <= set(TYPES)
    assert all(set(kind) == {"type", "name", "description", "category", "icon"} for kind in listed)


@pytest.mark.parametrize("name", TYPES)
def test_a_type_tells_its_defaults_and_timing_phases(client: Client, name: str) -> None:
    details = client.data(f"/service-types/{name}")

    assert details["defaults"]["timeout"] == 30
    # A group is made of what is known already: that takes no time.
    assert ("total" in details["timing_phases"]) is (checks.REGISTRY[name].members is None)


@pytest.mark.parametrize("name", TYPES)
def test_a_schema_is_good_enough_to_draw_a_form(client: Client, name: str) -> None:
    schema = client.data(f"/service-types/{name}/schema")

    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["required"]
    for field, described in schema["properties"].items():
        assert described["title"], field
        assert described["description"], field
        assert isinstance(described["x-order"], int), field
        assert described["x-group"], field
        assert field in schema["required"] or "default" in described, field
    orders = [described["x-order"] for described in schema["properties"].values()]
    assert len(orders) == len(set(orders))


@pytest.mark.parametrize("name", TYPES)
def test_the_defaults_are_those_of_the_schema(client: Client, name: str) -> None:
    properties = client.data(f"/service-types/{name}/schema")["properties"]

    defaults = client.data(f"/service-types/{name}")["defaults"]

    assert defaults == {
        field: described["default"]
        for field, described in properties.items()
        if "default" in described
    }


def test_they_may_be_kept_for_an_hour(client: Client) -> None:
    for path in ("", "/http", "/http/schema"):
        answer = client.call("GET", f"/service-types{path}")
        assert answer.headers["Cache-Control"] == "public, max-age=3600"


@pytest.mark.parametrize("name", ["smoke", "HTTP", "__class__", "%2e%2e", "http%00", "x" * 2000])
def test_an_unknown_type_is_not_found(client: Client, name: str) -> None:
    client.refusal("GET", f"/service-types/{name}", status=404)
    client.refusal("GET", f"/service-types/{name}/schema", status=404)


@pytest.mark.parametrize("path", ["", "/http", "/http/schema"])
def test_what_is_known_already_is_not_sent_again(client: Client, path: str) -> None:
    first = client.call("GET", f"/service-types{path}")
    for tag in (first.headers["ETag"], f'"other", W/{first.headers["ETag"]}', "*"):
        again = client.call("GET", f"/service-types{path}", headers={"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")

    assert first.headers["Cache-Control"] == "public, max-age=3600"
