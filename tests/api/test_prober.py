"""`/prober`: what a remote prober asks and delivers, and what it cannot get at."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests import builders
from tests.api.test_input import MALFORMED, UNACCEPTABLE
from tests.contract import Client
from uptimehunt import clock
from uptimehunt.domain import services
from uptimehunt.domain.probes import HEARTBEAT_S
from uptimehunt.store.database import Store
from uptimehunt.store.models import Incident, Probe, Service, User

ALIVE = {"version": "0.1.0", "hostname": "fra-1", "capabilities": ["http", "tcp"]}
DAY_MS = 86_400_000


def result(service_id: int, at: int | None = None, ok: bool = True, **fields: Any) -> Any:
    """A result as a prober writes it, made now unless an instant is given."""
    made = {
        "id": str(uuid.uuid4()),
        "service_id": service_id,
        "timestamp": clock.iso_millis(clock.now_ms() if at is None else at),
        "status": "success" if ok else "failure",
    }
    if ok:
        made["response_time"] = 12
    else:
        made["error"] = {"code": "timeout", "message": "No answer within 30 s"}
    return made | fields


def deliver(client: Client, *results: Any) -> Any:
    """What is answered to a batch."""
    return client.ask("POST", "/prober/results", {"results": list(results)})["data"]


def taken(accepted: int = 0, duplicates: int = 0) -> Any:
    return {"accepted": accepted, "duplicates": duplicates, "rejected": []}


@pytest.fixture
def service(store: Store, alice: User, remote: tuple[int, str]) -> int:
    """A service of Alice that the remote probe alone checks; one failure is an outage."""
    return builders.add_service(store, alice, probe_ids=[remote[0]], retries=0, name="Shop")


# --- heartbeat and assignments -----------------------------------------------------------------


def test_a_heartbeat_tells_who_is_there(as_alice: Client, as_prober: Client) -> None:
    answered = as_prober.ask("POST", "/prober/heartbeat", ALIVE)["data"]

    assert answered.pop("heartbeat_seconds") == HEARTBEAT_S
    assert answered == as_alice.data("/probes/2")
    assert answered.items() >= {
        "name": "Frankfurt", "hostname": "fra-1", "version": "0.1.0", "status": "online",
    }.items()  # fmt: skip
    assert answered["last_seen_at"] is not None


@pytest.mark.parametrize(
    ("fields", "name"),
    [({"version": "x" * 33}, "version"), ({"version": None}, "version"),
     ({"hostname": "a\u0000"}, "hostname"), ({"capabilities": "http"}, "capabilities"),
     ({"capabilities": ["x"] * 201}, "capabilities"), ({"id": 1}, "id"), ({"name": "x"}, "name")],
)  # fmt: skip
def test_a_heartbeat_that_makes_no_sense_is_refused(
    as_alice: Client, as_prober: Client, fields: dict[str, Any], name: str
) -> None:
    assert list(as_prober.details("POST", "/prober/heartbeat", ALIVE | fields)) == [name]
    assert as_alice.data("/probes/2")["status"] == "pending"


def test_a_version_that_would_reorder_the_page_is_refused(as_prober: Client) -> None:
    details = as_prober.details("POST", "/prober/heartbeat", ALIVE | {"version": "1\u202e\n2"})

    assert list(details) == ["version"]


def test_a_prober_is_told_all_that_it_needs(
    store: Store, alice: User, as_prober: Client, remote: tuple[int, str]
) -> None:
    headers = [{"name": "Authorization", "value": "Bearer CANARY", "secret": True}]
    config = {"url": "https://user:PASS@example.com/health", "headers": headers}
    number = builders.add_service(
        store, alice, type="http", config=config, probe_ids=[remote[0]], interval_seconds=45,
        retries=2, retry_interval_seconds=7,
    )  # fmt: skip

    answer = as_prober.call("GET", "/prober/services")

    (assigned,) = answer.json["data"]
    assert assigned == {
        "id": number, "revision": 1, "type": "http", "config": config, "interval_seconds": 45,
        "retries": 2, "retry_interval_seconds": 7, "recoveries": 1,
    }  # fmt: skip


def test_a_prober_is_told_of_its_own_services_only(
    store: Store, alice: User, as_prober: Client, remote: tuple[int, str]
) -> None:
    other, _ = builders.add_probe(store)
    bob = builders.add_user(store, "bob@example.com")
    builders.add_service(store, alice)
    builders.add_service(store, alice, probe_ids=[1, other])
    builders.add_service(store, alice, probe_ids=[remote[0]], enabled=False)
    own = [
        builders.add_service(store, alice, probe_ids=[1, remote[0]]),
        builders.add_service(store, bob, probe_ids=[remote[0]]),
    ]

    assert [assigned["id"] for assigned in as_prober.data("/prober/services")] == own


def test_assignments_that_have_not_changed_are_not_sent_again(
    store: Store, alice: User, as_prober: Client, service: int
) -> None:
    def status_with(etag: str) -> int:
        headers = {"If-None-Match": etag}
        return as_prober.call("GET", "/prober/services", headers=headers).status_code

    etag = as_prober.call("GET", "/prober/services").headers["ETag"]
    as_prober.ask("POST", "/prober/heartbeat", ALIVE)
    deliver(as_prober, result(service))
    assert status_with(etag) == 304

    store.write(services.change, alice, service, {"retries": 3})

    assert status_with(etag) == 200


def test_secrets_on_their_way_to_a_prober_are_stored_nowhere(as_prober: Client) -> None:
    answer = as_prober.call("GET", "/prober/services")

    assert "no-store" in answer.headers["Cache-Control"]


# --- results -----------------------------------------------------------------------------------


def test_a_result_is_kept_and_judged_as_one_of_our_own(
    as_alice: Client, as_prober: Client, service: int
) -> None:
    as_prober.ask("POST", "/prober/heartbeat", ALIVE)
    at = clock.now_ms()
    good = result(service, at, status_code=200)
    bad = result(service, at + 1000, ok=False, status_code=503, details={"remote_ip": "192.0.2.1"})

    assert deliver(as_prober, good, bad) == taken(accepted=2)

    listed = as_alice.data(f"/services/{service}/checks")
    assert [check["timestamp"] for check in listed] == [bad["timestamp"], good["timestamp"]]
    assert listed[0].items() >= {
        "status": "failure", "status_code": 503, "error": bad["error"], "response_time": None,
        "details": {"remote_ip": "192.0.2.1"},
    }.items()  # fmt: skip
    assert listed[1].items() >= {
        "status": "success", "status_code": 200, "error": None, "response_time": 12,
    }.items()  # fmt: skip
    assert listed[0]["probe"].items() >= {"id": 2, "name": "Frankfurt", "hostname": "fra-1"}.items()
    status = as_alice.data(f"/services/{service}/status")
    assert (status["status"], status["message"]) == ("down", "No answer within 30 s")
    assert [(probe["id"], probe["status"]) for probe in status["probes"]] == [(2, "down")]
    assert status["incident"]["cause"] == "timeout"


def test_a_failure_without_a_reason_is_kept_too(
    as_alice: Client, as_prober: Client, service: int
) -> None:
    deliver(as_prober, result(service, ok=False, error=None))

    (listed,) = as_alice.data(f"/services/{service}/checks")
    assert listed["error"] == {"code": "internal_error", "message": "No reason was given"}


def test_a_result_that_is_sent_again_is_taken_once(
    store: Store, as_prober: Client, service: int
) -> None:
    first, second = result(service), result(service)

    answered = [
        deliver(as_prober, first),
        deliver(as_prober, first),
        deliver(as_prober, first | {"id": first["id"].upper()}, second, second),
        deliver(as_prober, second, first),
    ]

    assert answered == [taken(1), taken(0, 1), taken(1, 2), taken(0, 2)]
    assert builders.count_results(store) == 2
    assert builders.figures_of(store, service).checks == 2
    builders.merge(store)
    assert builders.count_results(store) == 2
    assert builders.figures_of(store, service).checks == 2


def test_of_two_results_with_one_id_the_first_counts(
    as_alice: Client, as_prober: Client, service: int
) -> None:
    first = result(service)
    other = result(service, ok=False, id=first["id"])

    assert deliver(as_prober, first, other) == taken(1, 1)

    (listed,) = as_alice.data(f"/services/{service}/checks")
    assert listed["status"] == "success"


def test_a_result_of_what_is_not_the_probers_is_rejected(
    store: Store, alice: User, as_prober: Client, service: int, remote: tuple[int, str]
) -> None:
    other, _ = builders.add_probe(store)
    paused = builders.add_service(store, alice, probe_ids=[remote[0]])
    store.write(services.change, alice, paused, {"enabled": False})
    foreign = [
        result(builders.add_service(store, alice)),
        result(builders.add_service(store, alice, probe_ids=[1, other])),
        result(paused),
        result(12345),
        result(2**63 - 1),
    ]

    answered = deliver(as_prober, *foreign, result(service))

    assert answered == {
        "accepted": 1,
        "duplicates": 0,
        "rejected": [{"id": sent["id"], "reason": "not_assigned"} for sent in foreign],
    }
    assert builders.count_results(store) == 1


def test_a_result_from_before_the_last_change_is_stale(
    store: Store, alice: User, as_prober: Client, service: int
) -> None:
    store.write(services.change, alice, service, {"retries": 3})
    with store.reading():
        changed_at = Service.get_by_id(service).updated_at
    old, new = result(service, changed_at - 1), result(service, changed_at)

    answered = deliver(as_prober, old, new)

    assert answered["accepted"] == 1
    assert answered["rejected"] == [{"id": old["id"], "reason": "stale"}]


def test_a_label_does_not_make_results_stale(
    store: Store, as_alice: Client, as_prober: Client, service: int
) -> None:
    store.write(Service.update(updated_at=clock.now_ms() - 60_000).execute)
    made_before = result(service, clock.now_ms() - 1000)

    as_alice.ask(
        "POST", "/services/bulk", {"action": "tag", "service_ids": [service], "tags": ["x"]}
    )

    assert deliver(as_prober, made_before) == taken(1)


def test_a_result_too_old_to_be_known_again_is_stale(
    store: Store, as_prober: Client, service: int
) -> None:
    # The ids of results are forgotten after two weeks: what is older could be taken twice.
    store.write(Service.update(updated_at=1).execute)

    answered = deliver(as_prober, result(service, clock.now_ms() - 15 * DAY_MS))

    assert [rejected["reason"] for rejected in answered["rejected"]] == ["stale"]


def test_a_result_of_tomorrow_is_rejected(as_prober: Client, service: int) -> None:
    soon, tomorrow = (result(service, clock.now_ms() + ms) for ms in (240_000, DAY_MS))

    answered = deliver(as_prober, soon, tomorrow)

    assert answered["accepted"] == 1
    assert answered["rejected"] == [{"id": tomorrow["id"], "reason": "in_the_future"}]


def test_a_result_that_arrives_late_does_not_turn_back_the_clock(
    store: Store, as_alice: Client, as_prober: Client, service: int
) -> None:
    at = clock.now_ms() + 1000
    deliver(as_prober, result(service, at + 60_000, ok=False))

    deliver(as_prober, result(service, at))

    assert len(as_alice.data(f"/services/{service}/checks")) == 2
    status = as_alice.data(f"/services/{service}/status")
    assert (status["status"], status["last_check_at"]) == ("down", clock.iso_millis(at + 60_000))
    with store.reading():
        for incident in Incident.select():
            assert incident.resolved_at is None or incident.resolved_at >= incident.started_at


def test_a_thousand_results_are_taken_and_one_more_is_not(
    store: Store, as_prober: Client, service: int
) -> None:
    many = [result(service) for _ in range(1001)]

    details = as_prober.details("POST", "/prober/results", {"results": many})
    assert details == {"results": ["Must have at most 1000 items"]}
    assert builders.count_results(store) == 0

    assert deliver(as_prober, *many[:1000]) == taken(1000)
    assert as_prober.details("POST", "/prober/results", {"results": []}).keys() == {"results"}


BAD: list[tuple[dict[str, Any], str]] = [
    ({"id": "x"}, "results.0.id"),
    ({"id": None}, "results.0.id"),
    ({"service_id": 0}, "results.0.service_id"),
    ({"service_id": 2**63}, "results.0.service_id"),
    ({"service_id": "1"}, "results.0.service_id"),
    ({"timestamp": "yesterday"}, "results.0.timestamp"),
    ({"timestamp": "2024-01-01T00:00:00"}, "results.0.timestamp"),
    ({"timestamp": 1700000000}, "results.0.timestamp"),
    ({"status": "down"}, "results.0.status"),
    ({"response_time": -1}, "results.0.response_time"),
    ({"response_time": 600_001}, "results.0.response_time"),
    ({"response_time": 1.5}, "results.0.response_time"),
    ({"status_code": 1000}, "results.0.status_code"),
    ({"error": {"code": "bad_luck", "message": ""}}, "results.0.error"),
    ({"error": {"code": "timeout", "message": "x" * 501}}, "results.0.error"),
    ({"details": []}, "results.0.details"),
    ({"probe_id": 1}, "results.0.probe_id"),
]


@pytest.mark.parametrize(("fields", "name"), BAD)
def test_a_result_that_makes_no_sense_is_refused_with_its_batch(
    store: Store, as_prober: Client, service: int, fields: dict[str, Any], name: str
) -> None:
    batch = [result(service) | fields, result(service)]

    assert list(as_prober.details("POST", "/prober/results", {"results": batch})) == [name]
    assert builders.count_results(store) == 0


@pytest.mark.parametrize(
    "timestamp", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "1969-01-01T00:00:00Z"]
)
def test_an_instant_at_the_end_of_time_breaks_nothing(
    as_prober: Client, service: int, timestamp: str
) -> None:
    answered = deliver(as_prober, result(service, timestamp=timestamp))

    assert answered["accepted"] == 0


def test_details_of_a_wrong_shape_do_not_reach_the_page(
    as_alice: Client, as_prober: Client, service: int
) -> None:
    sent = result(service, details={"certificate": "none", "timing": [1], "warning": None})

    as_prober.call("POST", "/prober/results", {"results": [sent]})

    assert as_alice.call("GET", f"/services/{service}/status").status_code == 200


@pytest.mark.parametrize("path", ["/prober/heartbeat", "/prober/results"])
def test_hostile_bodies_of_a_prober_are_refused(store: Store, as_prober: Client, path: str) -> None:
    for name, body in MALFORMED.items():
        assert as_prober.raw("POST", path, body).status_code == 400, name
    for name, body in UNACCEPTABLE.items():
        assert as_prober.raw("POST", path, body).status_code == 422, name
    assert as_prober.raw("POST", path, "{}", "text/plain").status_code == 415
    assert as_prober.raw("POST", path, b"x" * (2**20 + 1)).status_code == 413


# --- several probes ----------------------------------------------------------------------------

QUORUMS = [
    # how many must fail, status while one, two and all three probes do
    ("any", ["down", "down", "down"]),
    ("majority", ["degraded", "down", "down"]),
    ("all", ["degraded", "degraded", "down"]),
]


@pytest.fixture
def three(as_alice: Client, store: Store) -> list[tuple[int, Client]]:
    """Three remote probes: the id of each, and the API as it sees it."""
    made = [builders.add_probe(store) for _ in range(3)]
    return [
        (number, Client(as_alice.app, as_alice.contract, prober_token=token))
        for number, token in made
    ]


@pytest.mark.parametrize(("confirm_from", "expected"), QUORUMS)
def test_as_many_probes_as_are_asked_for_make_an_outage(
    as_alice: Client,
    three: list[tuple[int, Client]],
    store: Store,
    confirm_from: str,
    expected: list[str],
) -> None:
    probe_ids = [number for number, _ in three]
    body = builders.service_body(probe_ids=probe_ids, retries=0, confirm_from=confirm_from)
    service = as_alice.add("/services", body)["id"]
    start = clock.now_ms() // 1000 * 1000 + 2000
    for _, client in three:
        deliver(client, result(service, start))
    assert as_alice.data(f"/services/{service}")["status"] == "operational"

    seen = []
    for number, (_, client) in enumerate(three, 1):
        deliver(client, result(service, start + number * 1000, ok=False))
        seen.append(as_alice.data(f"/services/{service}/status"))

    assert [status["status"] for status in seen] == expected
    assert [len([p for p in s["probes"] if p["status"] == "down"]) for s in seen] == [1, 2, 3]
    # However late it was confirmed, it began with the first failure.
    assert seen[-1]["incident"]["started_at"] == clock.iso_seconds(start + 1000)
    with store.reading():
        assert Incident.select().count() == 1

    for _, client in three:
        deliver(client, result(service, start + 10_000))
    recovered = as_alice.data(f"/services/{service}/status")
    assert (recovered["status"], recovered["incident"]) == ("operational", None)


def test_this_server_and_a_prober_vote_together(
    as_alice: Client, store: Store, alice: User, as_prober: Client, remote: tuple[int, str]
) -> None:
    service = builders.add_service(store, alice, probe_ids=[1, remote[0]], retries=0)
    at = clock.now_ms() + 1000
    deliver(as_prober, result(service, at))

    builders.record(store, [builders.finding(service, at + 1, ok=False)])
    minority = as_alice.data(f"/services/{service}")["status"]
    deliver(as_prober, result(service, at + 2, ok=False))

    assert minority == "degraded"
    assert as_alice.data(f"/services/{service}")["status"] == "down"


# --- the token ---------------------------------------------------------------------------------

PROBER_CALLS: list[tuple[str, str, Any]] = [
    ("GET", "/prober/services", None),
    ("POST", "/prober/heartbeat", ALIVE),
    ("POST", "/prober/results", {"results": []}),
]
ANYWHERE = [*PROBER_CALLS, ("GET", "/services", None), ("GET", "/health", None),
            ("GET", "/service-types", None), ("POST", "/auth/login", {})]  # fmt: skip


def near_misses(token: str) -> list[str]:
    made = ["x" * length for length in range(65)]
    made += [token[:-1], token + "x", token.swapcase(), token[::-1], f"Bearer {token}"]
    made += [f"{token},{token}", f"{token}, x", token[:-1] + "\u00e9", "\u00e9" * 32, "\u00ff" * 16]
    made += ["x" * 2**16, "null", "%00", "' OR 1=1 --", token[:16] + " " + token[16:]]
    return [miss for miss in made if miss != token]


def test_a_token_that_is_not_quite_one_is_refused_wherever_it_is_shown(
    as_nobody: Client, remote: tuple[int, str]
) -> None:
    for token in near_misses(remote[1]):
        for method, path, body in ANYWHERE:
            answer = as_nobody.call(method, path, body, headers={"X-Auth": token})
            assert answer.status_code == 401, (path, token[:70])


def test_two_tokens_at_once_are_refused(as_alice: Client, remote: tuple[int, str]) -> None:
    number, token = remote
    for sent in (token, "", "x" * 32):
        for method, path, body in ANYWHERE:
            answer = as_alice.call(method, path, body, headers={"X-Auth": sent})
            assert answer.status_code == 400, path
    answer = as_alice.call("GET", "/health", headers={"X-Auth": token, "Authorization": ""})
    assert answer.status_code == 400
    assert as_alice.data(f"/probes/{number}")["last_seen_at"] is None


def test_no_kind_of_token_stands_in_for_another(
    as_alice: Client, as_nobody: Client, remote: tuple[int, str]
) -> None:
    api_token = as_alice.add("/users/tokens", {"name": "Script", "scope": "write"})["token"]
    as_prober: list[dict[str, str]] = [
        {"X-Auth": str(as_alice.token)},
        {"X-Auth": api_token},
        {"Authorization": f"Bearer {remote[1]}"},
        {"Authorization": f"Bearer {as_alice.token}"},
        {"Authorization": f"Bearer {api_token}"},
        {"Authorization": remote[1]},
    ]

    for headers in as_prober:
        for method, path, body in PROBER_CALLS:
            assert as_nobody.call(method, path, body, headers=headers).status_code == 401
    for headers in ({"X-Auth": remote[1]}, {"Authorization": f"Bearer {remote[1]}"}):
        for path in ("/services", "/auth/me", "/probes", "/status"):
            assert as_nobody.call("GET", path, headers=headers).status_code == 401


def test_a_token_is_never_taken_from_the_query(as_nobody: Client, remote: tuple[int, str]) -> None:
    for name in ("X-Auth", "x_auth", "token", "auth", "access_token"):
        as_nobody.refusal("GET", f"/prober/services?{name}={remote[1]}", status=401)


def forgotten(store: Store, number: int) -> None:
    store.write(Probe.delete().where(Probe.id == number).execute)


def rotated_twice(store: Store, number: int) -> None:
    changed = Probe.update(token_digest="x", previous_digest="y")
    store.write(changed.where(Probe.id == number).execute)


@pytest.mark.parametrize("how", [forgotten, rotated_twice])
def test_a_token_that_was_taken_away_stops_at_once(
    store: Store, as_prober: Client, remote: tuple[int, str], how: Callable[[Store, int], None]
) -> None:
    assert as_prober.data("/prober/services") == []

    how(store, remote[0])

    as_prober.refusal("GET", "/prober/services", status=401)


def test_details_that_are_too_large_are_a_bad_field(
    as_prober: Client, remote: tuple[int, str]
) -> None:
    made = {"id": str(uuid.uuid4()), "timestamp": clock.iso_millis(clock.now_ms())}
    result = made | {"service_id": 1, "status": "success", "details": {"a": "x" * 17_000}}

    details = as_prober.details("POST", "/prober/results", {"results": [result]})

    assert details == {"results.0.details": ["Must be at most 16384 bytes"]}
