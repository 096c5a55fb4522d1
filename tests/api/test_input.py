"""Hostile input: never a 5xx, nothing taken for something else, nothing kept of it."""

import json
import random
import re
import string
from typing import Any

import pytest

from tests import builders
from tests.contract import BASE, Client
from uptimehunt.api.operation import Access
from uptimehunt.app import ROUTES

MALFORMED: dict[str, bytes | str] = {
    "empty": "",
    "blank": "  \n",
    "truncated": '{"name": "x"',
    "trailing": '{"name": "x"} {"name": "y"}',
    "trailing comma": '{"name": "x",}',
    "single quotes": "{'name': 'x'}",
    "comment": '{"name": "x"} // Shop',
    "comment inside": '{/* */ "name": "x"}',
    "BOM": b'\xef\xbb\xbf{"name": "x"}',
    "UTF-16": '{"name": "x"}'.encode("utf-16"),
    "UTF-32": '{"name": "x"}'.encode("utf-32-le"),
    "invalid UTF-8": b'{"name": "\xff\xfe"}',
    "surrogates in UTF-8": b'{"name": "\xed\xa0\x80"}',
    "twice the same key": '{"name": "x", "name": "y"}',
    "twice the same key inside": '{"name": {"a": 1, "a": 2}}',
    "NaN": '{"name": NaN}',
    "Infinity": '{"name": Infinity}',
    "-Infinity": '{"name": -Infinity}',
    "too large a float": '{"name": 1e400}',
    "too large a float inside": '{"name": [{"x": -1e400}]}',
    "5000 digits": '{"name": ' + "9" * 5000 + "}",
    "leading zero": '{"name": 01}',
    "hex": '{"name": 0x1}',
    "control character": '{"name": "a\nb"}',
    "bad escape": '{"name": "\\x41"}',
    "lone surrogate": '{"name": "\\ud800"}',
    "lone surrogate as key": '{"name": "x", "\\ud800": 1}',
    "lone surrogate inside": '{"name": {"x": ["\\ud800"]}}',
    "many keys": json.dumps({"name": "x"} | {f"k{n}": n for n in range(2000)}),
    "list": "[]",
    "list of objects": '[{"name": "x"}]',
    "null": "null",
    "string": '"name"',
    "number": "5",
    "true": "true",
}
for _depth in (50, 1000, 100_000):
    MALFORMED[f"nested {_depth}"] = '{"name": ' + "[" * _depth + "]" * _depth + "}"

UNACCEPTABLE: dict[str, bytes | str] = {
    "nothing in it": "{}",
    "NUL": '{"name": "a\\u0000b"}',
    "escaped line break": '{"name": "a\\nb"}',
    "2^63": '{"name": 9223372036854775808}',
    "-2^63-1": '{"name": -9223372036854775809}',
    "1.0": '{"name": 1.0}',
    "-0": '{"name": -0}',
    "true": '{"name": true}',
    "list": '{"name": ["x"]}',
    "object": '{"name": {"$ne": ""}}',
    "null": '{"name": null}',
    "nested 20": '{"name": ' + "[" * 20 + "]" * 20 + "}",
    "prototype": '{"name": "x", "__proto__": {"admin": true}}',
}

TAKING_A_BODY = [
    (method.upper(), re.sub(r"\{\w+:id\}", "1", route.path))
    for route in ROUTES
    for method, _, declared in route.operations()
    if declared.body is not None and declared.access is not Access.PROBER
]


@pytest.fixture
def shop(as_alice: Client) -> Client:
    """Alice with one project and one service, both number 1."""
    as_alice.add("/projects", {"name": "Shop"})
    as_alice.add("/services", builders.service_body(name="Front"))
    return as_alice


def assert_nothing_changed(client: Client) -> None:
    assert [project["name"] for project in client.data("/projects")] == ["Shop"]
    assert [service["name"] for service in client.data("/services")] == ["Front"]


@pytest.mark.parametrize(("method", "path"), TAKING_A_BODY)
def test_what_is_no_json_object_is_malformed(shop: Client, method: str, path: str) -> None:
    for name, body in MALFORMED.items():
        answer = shop.raw(method, path, body)
        assert answer.status_code == 400, name
        assert answer.json["error"]["code"] == "BAD_REQUEST", name
    assert_nothing_changed(shop)


@pytest.mark.parametrize(("method", "path"), TAKING_A_BODY)
def test_what_does_not_fit_is_refused(shop: Client, method: str, path: str) -> None:
    takes_nothing = path in {"/auth/refresh", "/auth/logout"} or method == "PATCH"
    for name, body in UNACCEPTABLE.items():
        if takes_nothing and name == "nothing in it":
            continue
        answer = shop.raw(method, path, body)
        assert answer.status_code == 422, name
        assert answer.json["error"]["details"], name
    assert_nothing_changed(shop)


UNTYPED = [
    None, "", "text/plain", "text/plain;charset=UTF-8", "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x", "application/json; charset=utf-16", "text/json",
    "application/jsonp", "application/json, text/plain", "application/json; x=y",
    "application/vnd.api+json", "*/*", "json",
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), TAKING_A_BODY)
def test_what_does_not_say_that_it_is_json_is_not_read(
    shop: Client, method: str, path: str
) -> None:
    for kind in UNTYPED:
        answer = shop.raw(method, path, '{"name": "x"}', kind)
        assert answer.status_code == 415, kind
        assert answer.json["error"]["code"] == "UNSUPPORTED_MEDIA_TYPE"
    assert_nothing_changed(shop)


@pytest.mark.parametrize(
    "kind",
    ["application/json", "Application/JSON", "application/json;charset=utf-8",
     'application/json; charset="UTF-8"'],
)  # fmt: skip
def test_json_is_known_however_it_is_spelt(as_alice: Client, kind: str) -> None:
    assert as_alice.raw("POST", "/projects", '{"name": "Shop"}', kind).status_code == 201


def test_a_body_beyond_a_mebibyte_is_too_large(shop: Client) -> None:
    most = 2**20

    def status_of(size: int) -> int:
        body = '{"name": "' + "x" * (size - 12) + '"}'
        assert len(body) == size
        return shop.raw("POST", "/projects", body).status_code

    assert status_of(most) == 422
    assert status_of(most + 1) == 413
    assert_nothing_changed(shop)


ALIASES = [
    "0", "-1", "+1", "01", "1_0", "1.0", "1e0", "0x1", "%D9%A1", "%EF%BC%91", "1%00", "%201",
    "1%20", "1%0A", "1;x", "1,2", str(2**63), "9" * 400, "abc", "null", "true", "1'--", "*",
    "00000000-0000-0000-0000-000000000000", "%2e%2e", "\u0661", "..%2f1",
]  # fmt: skip
BELOW = ["", "/status", "/metrics/uptime", "/errors"]


def test_an_id_has_one_spelling(shop: Client) -> None:
    found = {}
    for alias in ALIASES:
        for path in (f"/projects/{alias}", *(f"/services/{alias}{part}" for part in BELOW)):
            for method in ("GET", "DELETE", "PATCH"):
                answer = shop.call(method, path)
                if answer.status_code not in ({404} if method == "GET" else {404, 405, 415}):
                    found[f"{method} {path}"] = answer.status
    assert found == {}
    assert_nothing_changed(shop)


def test_the_largest_id_is_only_unknown(shop: Client) -> None:
    for number in (2**63 - 1, 2**31, 2**53 + 1):
        shop.refusal("GET", f"/services/{number}", status=404)


def test_a_slash_more_is_another_path(shop: Client) -> None:
    shop.refusal("GET", "/services/1/", status=404)
    shop.refusal("GET", "/services/1%2F", status=404)
    shop.refusal("GET", "/services/1//", status=404)
    assert shop.simulate_get(f"/{BASE}/services").status_code == 404


def test_query_parameters_stand_only_where_they_mean_something(shop: Client) -> None:
    for method, path, body in (
        ("GET", "/auth/me", None),
        ("GET", "/services/1", None),
        ("POST", "/projects", {"name": "Other"}),
        ("DELETE", "/services/1", None),
        ("DELETE", "/projects/1", None),
    ):
        answer = shop.call(method, f"{path}?colour=red", body)
        assert answer.status_code == 400, (method, path)
        assert "colour" in answer.json["error"]["message"]
    assert_nothing_changed(shop)


def test_an_unknown_query_parameter_is_named_in_part_only(shop: Client) -> None:
    refusal = shop.refusal("GET", "/auth/me?" + "x" * 5000 + "=1", status=400)

    assert len(refusal["message"]) < 200


def value(dice: random.Random, depth: int = 0) -> Any:
    """Some JSON value."""
    text = "".join(
        dice.choices(string.printable + "\u00e9\u202e\ud800\x00%_'\"", k=dice.randrange(9))
    )
    plain: list[Any] = [
        None, True, False, 0, -1, 1, 60, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 10**25, 0.5, 1.0,
        -0.0, text, "http", "tcp", "https://example.com", "#123456", text * 99,
    ]  # fmt: skip
    choice = dice.random()
    if depth > 2 or choice < 0.7:
        return dice.choice(plain)
    if choice < 0.85:
        return [value(dice, depth + 1) for _ in range(dice.randrange(4))]
    return {key(dice): value(dice, depth + 1) for _ in range(dice.randrange(5))}


KEYS = [
    "name", "type", "config", "url", "host", "port", "headers", "value", "secret", "timeout",
    "expected_status_code", "interval", "interval_seconds", "project_id", "project_ids", "tags",
    "enabled", "retries", "retry_interval_seconds", "degraded_after_ms", "description", "color",
    "recoveries",
    "icon", "keyword", "ca_pem", "method", "body", "has_value", "service_id", "service_ids",
    "action", "probe_ids", "confirm_from", "country_code", "latitude", "longitude", "email",
    "timezone", "theme", "locale", "scope", "expires_in_days", "role", "current_password",
]  # fmt: skip


def key(dice: random.Random) -> str:
    return dice.choice([*KEYS, *KEYS, "\ud800", "x" * 300, "__class__"])


def test_no_body_made_by_chance_breaks_anything(shop: Client) -> None:
    dice = random.Random(2)
    changing = [called for called in TAKING_A_BODY if not called[1].startswith("/auth")]
    made: dict[str, Any] = {
        "/services/bulk": {"action": "tag", "service_ids": [1], "tags": ["x"]},
        "/probes": {"name": "Frankfurt"},
        "/users/profile": {"email": "alice@example.com"},
        "/users/tokens": {"name": "Script"},
        "/projects": {"name": "Shop"},
        "/services": builders.service_body(),
    }
    for _ in range(900):
        method, path = dice.choice(changing)
        good: dict[str, Any] = dict(made.get(path.removesuffix("/1"), {}))
        body = good | {key(dice): value(dice) for _ in range(dice.randrange(1, 5))}
        if dice.random() < 0.5 and "config" in good:
            body["config"] = good["config"] | {key(dice): value(dice)}
        answer = shop.raw(method, path, json.dumps(body))
        assert answer.status_code < 500, (method, path, body)
    for path in ("/projects", "/services", "/probes", "/probes/map", "/users", "/users/profile"):
        assert shop.call("GET", path).status_code == 200


def test_a_body_that_is_compressed_is_not_taken(as_alice: Client) -> None:
    headers = {"Content-Encoding": "gzip"}

    assert as_alice.call("POST", "/projects", {"name": "x"}, headers=headers).status_code == 415
    headers = {"Content-Encoding": "identity"}
    assert as_alice.call("POST", "/projects", {"name": "x"}, headers=headers).status_code == 201
