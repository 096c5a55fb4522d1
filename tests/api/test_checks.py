"""The checks of a service: listed, asked for, tried before saving; and many services at once."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from playhouse.test_utils import count_queries

from tests import builders
from tests.builders import T0, finding, record
from tests.conftest import RecordingEngine
from tests.contract import Client
from tests.targets.http import HttpTarget, http_target
from uptimehunt import clock
from uptimehunt.store.database import Store
from uptimehunt.store.models import LandedResult, Service, User


@pytest.fixture
def service(store: Store, alice: User) -> int:
    """A service of Alice."""
    return builders.add_service(store, alice, name="Shop")


@pytest.fixture
def target() -> Iterator[HttpTarget]:
    """A server to be checked."""
    with http_target() as running:
        yield running


# --- the list ----------------------------------------------------------------------------------


def test_checks_are_listed_newest_first(as_alice: Client, store: Store, service: int) -> None:
    record(
        store,
        [finding(service, T0 + 5, took=7), finding(service, T0 + 6, ok=False, remote_ip="::1")],
    )

    listed = as_alice.ask("GET", f"/services/{service}/checks")

    assert listed["meta"] == {"page": 1, "limit": 20, "total": 2, "totalPages": 1}
    newest, oldest = listed["data"]
    assert newest.items() >= {
        "timestamp": clock.iso_millis(T0 + 6), "status": "failure", "response_time": None,
        "error": {"code": "timeout", "message": "It failed: timeout"},
        "details": {"remote_ip": "::1"},
    }.items()  # fmt: skip
    assert oldest.items() >= {
        "timestamp": clock.iso_millis(T0 + 5), "status": "success", "response_time": 7,
        "error": None, "details": {}, "status_code": None,
    }.items()  # fmt: skip
    assert newest["probe"] == {
        "id": 1, "name": "This server", "hostname": "", "city": "", "country": "", "isp": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]),
        ("status=failure", [9, 6, 3, 0]),
        ("status=success&limit=2", [8, 7]),
        ("probe_id=2", [9, 7, 5, 3, 1]),
        ("probe_id=2&status=failure", [9, 3]),
        ("probe_id=12345", []),
        (f"from={clock.iso_millis(T0 + 8)}", [9, 8]),
        (f"to={clock.iso_millis(T0 + 2)}", [1, 0]),
        (f"from={clock.iso_millis(T0 + 2)}&to={clock.iso_millis(T0 + 4)}", [3, 2]),
        (f"from={clock.iso_millis(T0 + 4)}&to={clock.iso_millis(T0 + 2)}", []),
        ("limit=4&page=3", [1, 0]),
        ("limit=4&page=4", []),
    ],
)
def test_checks_are_found_by_when_where_and_how(
    as_alice: Client, store: Store, alice: User, query: str, expected: list[int]
) -> None:
    builders.add_probe(store)
    shared = builders.add_service(store, alice, probe_ids=[1, 2])
    record(
        store,
        [finding(shared, T0 + n, ok=n % 3 != 0, probe=1 + n % 2) for n in range(10)],
    )

    listed = as_alice.data(f"/services/{shared}/checks?{query}")

    wanted = [clock.iso_millis(T0 + n) for n in expected]
    assert [check["timestamp"] for check in listed] == wanted


@pytest.mark.parametrize(
    "query",
    ["status=down", "status=", "probe_id=0", "probe_id=-1", "probe_id=x", "probe_id=9" + "9" * 20,
     "from=yesterday", "to=1", "from=2024-01-01T00:00:00", "page=0", "limit=101", "limit=1&limit=2",
     "sort=name", "since=1"],
)  # fmt: skip
def test_a_query_that_makes_no_sense_is_refused(as_alice: Client, service: int, query: str) -> None:
    as_alice.refusal("GET", f"/services/{service}/checks?{query}", status=400)


def test_a_longer_page_of_checks_needs_no_more_queries(
    as_alice: Client, store: Store, service: int
) -> None:
    def queries() -> int:
        with count_queries() as counted:
            as_alice.data(f"/services/{service}/checks?limit=100")
        return int(counted.count)

    record(store, [finding(service, T0)])
    few = queries()
    record(store, [finding(service, T0 + n) for n in range(1, 60)])

    assert queries() == few


# --- check now ---------------------------------------------------------------------------------


def test_a_service_is_checked_now(as_alice: Client, engine: RecordingEngine, service: int) -> None:
    engine.due[service] = 1

    answered = as_alice.ask("POST", f"/services/{service}/check", status=202)

    assert answered == {"data": {"message": "The check is on its way"}}
    assert engine.hurried == [service]


def test_what_this_server_does_not_check_cannot_be_hurried(
    as_alice: Client, engine: RecordingEngine, service: int
) -> None:
    refusal = as_alice.refusal("POST", f"/services/{service}/check", status=409)

    assert refusal["message"] == "The service is paused, or checked by other probes only"


def test_nobody_hurries_what_is_not_theirs(
    as_alice: Client, as_bob: Client, engine: RecordingEngine, service: int
) -> None:
    engine.due[service] = 1

    as_alice.refusal("POST", "/services/12345/check", status=404)
    as_bob.refusal("POST", f"/services/{service}/check", status=404)

    assert engine.hurried == []


# --- a trial -----------------------------------------------------------------------------------


def attempt(client: Client, url: str, service_id: int | None = None, **config: Any) -> Any:
    """What one check of a config says."""
    body: dict[str, Any] = {"type": "http", "config": {"url": url, **config}}
    if service_id is not None:
        body["service_id"] = service_id
    return client.ask("POST", "/services/test", body)["data"]


def test_a_config_that_works_is_said_to_work(
    as_alice: Client, store: Store, target: HttpTarget
) -> None:
    told = attempt(as_alice, target.url + "/")

    assert (told["status"], told["status_code"], told["error"]) == ("success", 200, None)
    assert told["response_time"] >= 1
    assert told["details"]["remote_ip"] == "127.0.0.1"
    assert target.count("/") == 1
    assert as_alice.data("/services") == []
    with store.reading():
        assert not LandedResult.select().exists()


@pytest.mark.parametrize(
    ("path", "config", "code"),
    [
        ("/status/503", {}, "status_mismatch"),
        ("/echo?status=500", {"headers": [{"name": "X-A", "value": "CANARY"}]}, "status_mismatch"),
        ("/", {"keyword": "CANARY-not-there"}, "assertion_failed"),
        ("/close", {}, "protocol_error"),
        ("/garbage", {}, "protocol_error"),
        ("/loop", {}, "too_many_redirects"),
        ("/slow?s=60", {"timeout": 1}, "timeout"),
    ],
)
def test_a_config_that_fails_is_told_without_what_the_target_said(
    as_alice: Client, target: HttpTarget, path: str, config: dict[str, Any], code: str
) -> None:
    told = attempt(as_alice, target.url + path, **config)

    assert told["status"] == "failure"
    assert told["error"]["code"] == code
    assert not {"body", "response_headers"} & told["details"].keys()
    for said in ("hello", "as you wish", "cookie-of-the-target", "BaseHTTP", 'CANARY"'):
        assert said not in str(told)


def test_a_port_that_nobody_listens_at_is_an_outcome_too(as_alice: Client) -> None:
    with http_target() as gone:
        url = gone.url

    assert attempt(as_alice, url)["error"]["code"] == "connection_refused"


def test_a_config_that_makes_no_sense_is_not_tried(as_alice: Client) -> None:
    body = {"type": "http", "config": {"method": "FLY"}, "name": "x"}

    details = as_alice.details("POST", "/services/test", body)

    assert details.keys() == {"url", "method", "name"}
    unknown = as_alice.details("POST", "/services/test", {"type": "smoke", "config": {}})
    assert list(unknown) == ["type"]


SECRET = {"name": "X-Key", "value": "CANARY", "secret": True}
KEPT = {"name": "X-Key", "secret": True}


@pytest.fixture
def guarded(store: Store, alice: User, target: HttpTarget) -> int:
    """A service of Alice with a secret header."""
    config = {"url": target.url + "/", "headers": [SECRET]}
    return builders.add_service(store, alice, type="http", config=config)


def test_a_trial_fills_in_the_secrets_of_its_service_on_the_same_host(
    as_alice: Client, target: HttpTarget, guarded: int
) -> None:
    told = attempt(as_alice, target.url + "/other", guarded, headers=[KEPT])

    (request,) = target.requests
    assert (request.path, request.headers["x-key"]) == ("/other", "CANARY")
    assert "CANARY" not in str(told)


def test_a_trial_sends_no_secret_to_another_host(
    as_alice: Client, target: HttpTarget, guarded: int
) -> None:
    with http_target() as elsewhere:
        for url in (elsewhere.url, target.url.replace("127.0.0.1", "localhost"),
                    target.url.replace("http:", "https:"),
                    target.url.replace("//", f"//127.0.0.1:{target.port}@localhost:")):  # fmt: skip
            body = {"type": "http", "config": {"url": url, "headers": [KEPT]}}
            answer = as_alice.call("POST", "/services/test", body | {"service_id": guarded})
            assert answer.status_code == 422, url

        assert elsewhere.requests == target.requests == []


def test_a_trial_without_its_service_knows_no_secret(
    as_alice: Client, as_bob: Client, target: HttpTarget, guarded: int
) -> None:
    body: dict[str, Any] = {"type": "http", "config": {"url": target.url, "headers": [KEPT]}}

    details = as_alice.details("POST", "/services/test", body)
    as_bob.refusal("POST", "/services/test", body | {"service_id": guarded}, 404)
    as_alice.refusal("POST", "/services/test", body | {"service_id": 12345}, 404)

    assert details == {"headers.0.value": ["Value is required"]}
    assert target.requests == []


@pytest.mark.parametrize("number", [0, -1, 2**63, -(2**63) - 1, 10**30])
def test_a_number_that_is_no_id_of_a_service_breaks_nothing(as_alice: Client, number: int) -> None:
    config = {"host": "127.0.0.1", "port": 9}
    body = {"type": "tcp", "config": config, "service_id": number}

    assert as_alice.call("POST", "/services/test", body).status_code in {404, 422}


def test_a_viewer_tries_nothing(as_vera: Client, target: HttpTarget) -> None:
    body = {"type": "http", "config": {"url": target.url}}

    as_vera.refusal("POST", "/services/test", body, 403)

    assert target.requests == []


# --- many at once ------------------------------------------------------------------------------


@pytest.fixture
def three(store: Store, alice: User) -> list[int]:
    """Three services of Alice."""
    return [builders.add_service(store, alice, tags=["web"]) for _ in range(3)]


def bulk(client: Client, action: str, service_ids: list[int], **fields: Any) -> Any:
    body = {"action": action, "service_ids": service_ids, **fields}
    return client.ask("POST", "/services/bulk", body)["data"]


def of_all(client: Client, name: str) -> list[Any]:
    return [service[name] for service in client.data("/services")]


def test_many_are_paused_and_resumed(
    as_alice: Client, engine: RecordingEngine, three: list[int]
) -> None:
    answered = bulk(as_alice, "pause", [three[2], three[0], three[2]])

    assert answered == {"service_ids": [three[2], three[0]]}
    assert of_all(as_alice, "status") == ["paused", "pending", "paused"]
    assert engine.refreshed == [three[2], three[0]]
    bulk(as_alice, "resume", three)
    assert of_all(as_alice, "enabled") == [True] * 3
    assert of_all(as_alice, "status") == ["pending"] * 3
    assert set(engine.refreshed[2:]) >= {three[0], three[2]}


def test_many_are_moved_into_a_project_and_out(as_alice: Client, three: list[int]) -> None:
    project = as_alice.add("/projects", {"name": "Shop"})["id"]

    bulk(as_alice, "move", three[:2], project_id=project)
    inside = of_all(as_alice, "project_id")
    bulk(as_alice, "move", three[1:], project_id=None)

    assert inside == [project, project, None]
    assert of_all(as_alice, "project_id") == [project, None, None]


def test_many_are_tagged_and_untagged(as_alice: Client, three: list[int]) -> None:
    bulk(as_alice, "tag", three[:2], tags=["shop", "web", "shop"])
    tagged = of_all(as_alice, "tags")
    bulk(as_alice, "untag", three, tags=["WEB", "unknown"])

    assert tagged == [["web", "shop"], ["web", "shop"], ["web"]]
    assert of_all(as_alice, "tags") == [["shop"], ["shop"], []]


def test_many_are_deleted(as_alice: Client, engine: RecordingEngine, three: list[int]) -> None:
    bulk(as_alice, "delete", three[:2])

    assert of_all(as_alice, "id") == [three[2]]
    assert engine.refreshed == three[:2]


def test_a_label_does_not_disturb_the_checks(
    as_alice: Client, store: Store, engine: RecordingEngine, three: list[int]
) -> None:
    bulk(as_alice, "tag", three, tags=["x"])
    bulk(as_alice, "move", three, project_id=None)

    assert engine.refreshed == []
    with store.reading():
        assert [service.revision for service in Service.select()] == [1, 1, 1]


def state(client: Client) -> list[Any]:
    return [client.data("/services"), client.data("/projects")]


@pytest.mark.parametrize(
    ("action", "fields"),
    [("pause", {}), ("move", {"project_id": None}), ("tag", {"tags": ["x"]}),
     ("untag", {"tags": ["web"]}), ("delete", {})],
)  # fmt: skip
def test_all_of_them_or_none(
    as_alice: Client,
    as_bob: Client,
    engine: RecordingEngine,
    three: list[int],
    action: str,
    fields: dict[str, Any],
) -> None:
    foreign = as_bob.add("/services", builders.service_body())["id"]
    engine.refreshed.clear()
    before = state(as_alice), state(as_bob)

    for number in (foreign, 12345, 0, -1, 2**63, 10**30):
        body = {"action": action, "service_ids": [*three, number], **fields}
        details = as_alice.details("POST", "/services/bulk", body)
        assert details == {"service_ids": [f"No such service: {number}"]}

    assert (state(as_alice), state(as_bob)) == before
    assert engine.refreshed == []


def test_none_is_moved_into_the_project_of_another(
    as_alice: Client, as_bob: Client, three: list[int]
) -> None:
    foreign = as_bob.add("/projects", {"name": "Mine"})["id"]

    for number in (foreign, 12345, 0, 2**63):
        body = {"action": "move", "service_ids": three, "project_id": number}
        details = as_alice.details("POST", "/services/bulk", body)
        assert details == {"project_id": ["No such project"]}

    assert of_all(as_alice, "project_id") == [None] * 3


def test_none_is_tagged_when_one_would_have_too_many(
    as_alice: Client, store: Store, alice: User, three: list[int]
) -> None:
    full = builders.add_service(store, alice, tags=[f"t{n}" for n in range(20)])
    before = state(as_alice)

    body = {"action": "tag", "service_ids": [*three, full], "tags": ["x"]}

    assert list(as_alice.details("POST", "/services/bulk", body)) == ["tags"]
    assert state(as_alice) == before


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"action": "explode"}, "action"),
        ({"service_ids": []}, "service_ids"),
        ({"service_ids": [1] * 1001}, "service_ids"),
        ({"service_ids": ["1"]}, "service_ids.0"),
        ({"action": "tag"}, "tags"),
        ({"action": "untag", "tags": []}, "tags"),
        ({"action": "tag", "tags": ["x" * 33]}, "tags"),
        ({"action": "move"}, "project_id"),
        ({"force": True}, "force"),
    ],
)
def test_an_act_that_makes_no_sense_is_refused(
    as_alice: Client, three: list[int], fields: dict[str, Any], name: str
) -> None:
    before = state(as_alice)

    body = {"action": "pause", "service_ids": three} | fields

    assert list(as_alice.details("POST", "/services/bulk", body)) == [name]
    assert state(as_alice) == before


def test_two_acts_at_once_leave_no_half(as_alice: Client, three: list[int]) -> None:
    threads = [
        threading.Thread(target=bulk, args=(as_alice, action, three))
        for action in ("pause", "resume") * 4
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(of_all(as_alice, "enabled"))) == 1
