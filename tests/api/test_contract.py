"""The OpenAPI document and the routes are one; every way to fail has the envelope."""

import datetime
import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import falcon
import pytest
from falcon import inspect
from openapi_spec_validator import validate
from pydantic import BaseModel, Field

from tests import builders
from tests.conftest import MakeClient, RecordingEngine, WaitUntil
from tests.contract import BASE, METHODS, Client, Contract
from uptimehunt import clock
from uptimehunt.api import errors, openapi
from uptimehunt.api.middleware import Everywhere
from uptimehunt.api.openapi import Route
from uptimehunt.api.operation import (
    Access,
    Answer,
    Deprecation,
    Resource,
    Timestamp,
    operation,
)
from uptimehunt.api.parts import Parts
from uptimehunt.app import ROUTES, create_app
from uptimehunt.domain import text
from uptimehunt.domain.tokens import Tokens
from uptimehunt.domain.validation import parse
from uptimehunt.errors import NotFoundError, StartError
from uptimehunt.store import models
from uptimehunt.store.database import Store


def test_the_document_is_valid(contract: Contract) -> None:
    validate(json.loads(json.dumps(contract.document)))


def test_the_document_is_served_as_it_is_made(client: Client, contract: Contract) -> None:
    served = client.ask("GET", "/openapi.json")

    assert served == json.loads(json.dumps(contract.document))
    assert served["openapi"].startswith("3.1")


def test_every_operation_has_a_name_of_its_own(contract: Contract) -> None:
    names = [
        item[method]["operationId"]
        for item in contract.document["paths"].values()
        for method in METHODS
        if method in item
    ]

    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in names), names


def test_every_route_is_documented_and_every_documented_path_is_routed(
    client: Client, contract: Contract
) -> None:
    routed = {
        (method.method.lower(), re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path))
        for route in inspect.inspect_routes(client.app)
        for method in route.methods
        if not method.internal and route.path.startswith(BASE)
    }
    documented = {
        (method, BASE + path)
        for path, item in contract.document["paths"].items()
        for method in METHODS
        if method in item
    }

    assert {pair for pair in routed if pair[0] in METHODS} == documented
    assert {path for method, path in routed if method == "head"} == {
        path for method, path in documented if method == "get"
    }


def test_a_responder_that_nobody_declared_does_not_start() -> None:
    class Open(Resource):
        def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
            """Anybody might call this."""

    with pytest.raises(StartError, match="POST /open has no declared operation"):
        list(Route("/open", Open).operations())


def test_a_declared_responder_is_documented() -> None:
    class Closed(Resource):
        @operation("Close it", access=Access.EDITOR, answer=Answer(204))
        def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
            """Only editors may call this."""

    written = openapi.document([Route("/closed", Closed)], BASE)["paths"]["/closed"]["post"]

    assert written["security"] == [{"bearer": []}]
    assert {"204", "401", "403", "500"} <= written["responses"].keys()


def test_an_endpoint_that_will_go_says_so(store: Store, tokens: Tokens) -> None:
    class Old(Resource):
        @operation(
            "Ask the old way",
            access=Access.PUBLIC,
            answer=Answer(204),
            deprecated=Deprecation(
                "Mon, 23 Nov 2026 00:00:00 GMT", "Sun, 23 May 2027 00:00:00 GMT"
            ),
        )
        def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
            """There is a new way."""

        @operation(
            "Ask and be refused",
            access=Access.PUBLIC,
            answer=Answer(204),
            deprecated=Deprecation("Mon, 23 Nov 2026 00:00:00 GMT", "later"),
        )
        def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
            """There is a new way, and this one is closed already."""
            raise NotFoundError("Thing")

    app = falcon.App()
    errors.install(app)
    app.add_middleware(Everywhere())
    app.add_route("/old", Old(Parts(store, tokens, RecordingEngine(), "open", dict)))
    answer = falcon.testing.TestClient(app).simulate_get("/old")
    refused = falcon.testing.TestClient(app).simulate_post("/old")
    written = openapi.document([Route("/old", Old)], BASE)["paths"]["/old"]["get"]

    assert answer.headers["X-API-Deprecation"] == "Mon, 23 Nov 2026 00:00:00 GMT"
    assert answer.headers["X-API-Sunset"] == "Sun, 23 May 2027 00:00:00 GMT"
    assert (refused.status_code, refused.headers["X-API-Sunset"]) == (404, "later")
    assert written["deprecated"] is True


def operations(contract: Contract) -> Iterator[tuple[str, dict[str, Any]]]:
    """(method and path, what the document says) of every operation."""
    for path, item in contract.document["paths"].items():
        for method in METHODS:
            if method in item:
                yield f"{method.upper()} {path}", item[method]


def sent(described: dict[str, Any]) -> Any:
    """The JSON content of an operation's body: schema and example; None without one."""
    body = described.get("requestBody")
    return None if body is None else body["content"]["application/json"]


def test_every_body_has_an_example_that_fits_it(contract: Contract) -> None:
    declared = {
        f"{method.upper()} {re.sub(r':[a-z]+}', '}', route.path)}": declared
        for route in ROUTES
        for method, _, declared in route.operations()
    }

    for called, described in operations(contract):
        body, wanted = sent(described), declared[called]
        assert (body is None) == (wanted.body is None), called
        if body is None or wanted.body is None:
            continue
        contract.validate(body["schema"], body["example"], called)
        # A change is laid over what is there, so it is looked at together with a whole.
        whole = sent(contract.document["paths"][called.partition(" ")[2]].get("put", described))
        parse(wanted.body, whole["example"] | body["example"])
        assert body["example"], called


def test_every_success_has_an_example_that_fits_it(contract: Contract) -> None:
    for called, described in operations(contract):
        for status, answer in described["responses"].items():
            if int(status) < 300 and "content" in answer:
                content = answer["content"]["application/json"]
                contract.validate(content["schema"], content["example"], called)
                assert '"text"' not in json.dumps(content["example"]), f"{called}: says nothing"


def test_an_error_has_the_example_of_the_api_overview(contract: Contract) -> None:
    schema = contract.document["components"]["schemas"]["Error"]
    [example] = schema["examples"]

    contract.validate(schema, example, "Error")
    assert example["error"]["code"] == "VALIDATION_ERROR"
    assert example["error"]["details"] == {
        "url": ["URL is required", "URL must be valid"],
        "interval": ["Must be between 1 and 60"],
    }


def test_the_examples_of_the_quick_start_are_those_of_the_api_overview(
    contract: Contract,
) -> None:
    paths = contract.document["paths"]
    login, create = paths["/auth/login"]["post"], paths["/services"]["post"]
    config = {
        "url": "https://example.com", "method": "GET", "expected_status_code": 200, "timeout": 30,
    }  # fmt: skip

    assert sent(login)["example"] == {"email": "user@example.com", "password": "your_password"}
    assert sent(create)["example"] == {
        "name": "Production Website", "type": "http", "project_id": 1, "config": config,
        "interval": 5,
    }  # fmt: skip
    assert list(sent(create)["example"]["config"]) == list(config)
    answered = create["responses"]["201"]["content"]["application/json"]["example"]
    assert answered["data"].items() >= {
        "id": 1, "name": "Production Website", "type": "http", "status": "pending",
        "created_at": "2024-01-01T00:00:00Z", "config": config,
    }.items()  # fmt: skip


def test_every_example_of_the_documentation_is_accepted(
    as_alice: Client, contract: Contract
) -> None:
    for path in ("/projects", "/services", "/probes", "/users/tokens", "/services/bulk", "/users"):
        body = sent(contract.document["paths"][path]["post"])["example"]
        if path == "/services/bulk":
            as_alice.add("/services", builders.service_body())
        as_alice.ask("POST", path, body, 200 if path == "/services/bulk" else 201)


def test_a_new_model_has_an_example_by_itself() -> None:
    class Part(BaseModel):
        at: Timestamp
        share: float = Field(ge=0)

    class Body(BaseModel):
        address: text.Email
        kind: Literal["one", "other"]
        left_out: str | None = None
        count: int | None = Field(ge=5)
        note: str = Field(default="", examples=["Read me"])

    class Answered(BaseModel):
        name: str
        parts: list[Part]
        is_known: bool
        mood: str = "fine"

    class Things(Resource):
        @operation(
            "Change a thing", access=Access.EDITOR, body=Body, is_partial=True, answer=Answer(204)
        )
        def on_patch(self, req: falcon.Request, resp: falcon.Response) -> None:
            """Any part."""

        @operation(
            "Make a thing",
            access=Access.EDITOR,
            body=Body,
            answer=Answer(201, Answered, example={"is_known": False}),
        )
        def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
            """A whole one."""

    written = openapi.document([Route("/things", Things)], BASE)["paths"]["/things"]

    assert sent(written["post"])["example"] == {
        "address": "user@example.com", "kind": "one", "count": 5, "note": "Read me",
    }  # fmt: skip
    assert sent(written["patch"])["example"] == {"note": "Read me"}
    assert written["post"]["responses"]["201"]["content"]["application/json"]["example"] == {
        "data": {
            "name": "text",
            "parts": [{"at": "2024-01-01T00:00:00Z", "share": 0}],
            "is_known": False,
        }
    }


# --- the envelope ------------------------------------------------------------------------------


def test_an_error_says_what_the_api_overview_shows(as_alice: Client) -> None:
    sent = str(uuid.uuid4())

    answer = as_alice.call("POST", "/services?x=1", {"name": 1}, headers={"X-Request-ID": sent})

    assert answer.json.keys() == {"error", "timestamp", "path", "request_id"}
    assert answer.json["path"] == "/api/v1/services"
    assert answer.json["request_id"] == answer.headers["X-Request-ID"] == sent
    instant = datetime.datetime.fromisoformat(answer.json["timestamp"])
    assert abs(instant - datetime.datetime.now(datetime.UTC)) < datetime.timedelta(seconds=60)


@pytest.mark.parametrize(
    "sent", [None, "", "short", "x" * 65, "has space", "a/../../b", "\u00e9" * 9]
)
def test_a_request_without_a_usable_id_gets_one(client: Client, sent: str | None) -> None:
    headers = {} if sent is None else {"X-Request-ID": sent}

    answer = client.call("GET", "/health", headers=headers)

    assert uuid.UUID(answer.headers["X-Request-ID"]).version == 4


@pytest.mark.parametrize("accept", ["application/xml", "text/html", "image/png", "", "nonsense"])
@pytest.mark.parametrize(
    "path", ["/api/v1/nothing", "/api/v2/services", "/nothing", "/api", "/api/v1/services/x/y"]
)
def test_a_path_that_nothing_is_at_answers_with_the_envelope(
    as_alice: Client, path: str, accept: str
) -> None:
    for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
        answer = as_alice.simulate_request(method, path, headers={"Accept": accept})
        assert answer.status_code == 404
        assert answer.json["error"]["code"] == "NOT_FOUND"
        assert answer.json["path"] == path


@pytest.mark.filterwarnings("ignore:Unknown REQUEST_METHOD")
@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PATCH", "DELETE", "PUT"])
def test_a_method_that_is_not_there_answers_which_are(client: Client, method: str) -> None:
    answer = client.call(method, "/auth/login")

    assert answer.status_code == 405
    assert answer.json["error"]["code"] == "METHOD_NOT_ALLOWED"
    assert {name.strip() for name in answer.headers["Allow"].split(",")} == {"POST", "OPTIONS"}


@pytest.mark.filterwarnings("ignore:Unknown REQUEST_METHOD")
def test_a_method_that_nobody_knows_is_not_allowed(client: Client) -> None:
    assert client.call("FOO", "/auth/login").status_code == 405


def test_no_header_makes_one_method_of_another(as_alice: Client) -> None:
    project = as_alice.add("/projects", {"name": "Shop"})["id"]

    as_alice.call("GET", f"/projects/{project}", headers={"X-HTTP-Method-Override": "DELETE"})

    assert as_alice.data(f"/projects/{project}")["name"] == "Shop"


def test_an_error_of_our_own_tells_nothing_of_it(
    store: Store, tokens: Tokens, static: Path, contract: Contract, caplog: Any
) -> None:
    def broken() -> dict[str, bool]:
        raise RuntimeError("CANARY")

    parts = Parts(store, tokens, RecordingEngine(), "open", broken)
    client = Client(create_app(parts, static), contract)

    answer = client.call("GET", "/health")

    assert answer.status_code == 500
    assert answer.json["error"] == {
        "code": "INTERNAL_ERROR", "message": "An unexpected error occurred",
    }  # fmt: skip
    assert "CANARY" not in answer.text
    assert "CANARY" in caplog.text


def test_a_database_that_fails_is_said_to_be_unavailable(
    as_alice: Client, store: Store, alice: Any
) -> None:
    set_page_limit(store, 1)
    for _ in range(200):
        answer = as_alice.call("POST", "/projects", {"name": str(uuid.uuid4()) * 3})
        if answer.status_code != 201:
            break

    assert answer.status_code == 503
    assert answer.json["error"]["code"] == "SERVICE_UNAVAILABLE"
    assert int(answer.headers["Retry-After"]) > 0
    assert as_alice.data("/auth/me")["id"] == alice.id

    set_page_limit(store, 2**30)
    as_alice.add("/projects", {"name": "Shop"})


def set_page_limit(store: Store, pages: int) -> None:
    """The most pages the database may have; those it has already stay."""
    store.write(lambda: models.DATABASE.execute_sql(f"PRAGMA max_page_count = {pages}"))


# --- caching, HEAD, CORS -----------------------------------------------------------------------

POLLED = [
    "/services", "/services/1", "/services/1/status", "/projects", "/projects/1/services",
]  # fmt: skip


@pytest.mark.parametrize("path", POLLED)
def test_what_has_not_changed_is_not_sent_again(
    as_alice: Client, store: Store, alice: Any, path: str
) -> None:
    as_alice.add("/projects", {"name": "Shop"})
    builders.add_service(store, alice, project_id=1)
    first = as_alice.call("GET", path)
    etag = first.headers["ETag"]

    def status_with(sent: str, method: str = "GET") -> int:
        return as_alice.call(method, path, headers={"If-None-Match": sent}).status_code

    assert first.headers["Cache-Control"] == "private, no-cache"
    assert status_with(etag) == status_with(etag, "HEAD") == 304
    assert status_with(f'"other", W/{etag}') == 304
    assert status_with('"other"') == 200
    builders.record(store, [builders.finding(1, took=1234)])
    as_alice.ask("PATCH", "/projects/1", {"name": "Store"})
    assert status_with(etag) == 200


@pytest.mark.parametrize("path", ["/probes", "/probes/1", "/probes/map"])
def test_a_probe_that_did_nothing_new_is_not_sent_again(
    as_alice: Client, wait_until: WaitUntil, path: str
) -> None:
    etag = as_alice.call("GET", path).headers["ETag"]
    second = clock.now_ms() // 1000

    wait_until(lambda: clock.now_ms() // 1000 > second)

    assert as_alice.call("GET", path, headers={"If-None-Match": etag}).status_code == 304


def test_head_answers_as_get_does_without_the_body(
    as_alice: Client, as_prober: Client, store: Store
) -> None:
    as_alice.add("/projects", {"name": "Shop"})
    as_alice.add("/services", builders.service_body(retries=0))
    builders.record(store, [builders.finding(1, ok=False)])
    beating = {"name": "Job", "type": "heartbeat", "config": {"period_seconds": 60}}
    fields = {
        "type_name": "http",
        "key": as_alice.add("/services", beating)["heartbeat_key"],
        "signal": "start",
    }

    for route in ROUTES:
        access = {method: declared.access for method, _, declared in route.operations()}.get("get")
        if access is None:
            continue
        client = as_prober if access is Access.PROBER else as_alice
        called = re.sub(r"\{\w+_id:id\}", "1", route.path).format(**fields)
        got, head = client.call("GET", called), client.call("HEAD", called)
        assert (head.status_code, head.content) == (200, b""), called
        assert head.headers["Content-Type"] == got.headers["Content-Type"], called


SEED_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Max-Age": "86400",
}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("OPTIONS", "/services"), ("OPTIONS", "/services/1"), ("OPTIONS", "/nothing"),
        ("GET", "/health"), ("GET", "/services"), ("GET", "/nothing"), ("DELETE", "/health"),
    ],
)  # fmt: skip
def test_every_answer_has_the_cors_headers_of_the_seed(
    client: Client, method: str, path: str
) -> None:
    headers = client.call(method, path, headers={"Origin": "https://app.example"}).headers

    assert headers.items() >= {name.lower(): value for name, value in SEED_CORS.items()}.items()
    allowed = set(headers["Access-Control-Allow-Methods"].split(", "))
    assert {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} == allowed
    assert {"Authorization", "Content-Type", "X-Auth"} <= set(
        headers["Access-Control-Allow-Headers"].split(", ")
    )
    assert "X-Request-ID" in headers["Access-Control-Expose-Headers"]
    assert "Access-Control-Allow-Credentials" not in headers


def test_every_answer_of_the_api_is_safe_to_look_at(client: Client) -> None:
    for path in ("/health", "/nothing", "/services", "/openapi.json"):
        headers = client.call("GET", path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in headers["Content-Security-Policy"]


def test_what_is_not_polled_is_not_stored(make_client: MakeClient) -> None:
    client = make_client()

    for path in ("/health", "/auth/me", "/nothing"):
        assert client.call("GET", path).headers["Cache-Control"] == "no-store"
