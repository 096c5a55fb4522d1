"""`/heartbeat/{key}`: calls of services, and what becomes of them."""

import itertools
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests import builders
from tests.conftest import RecordingEngine
from tests.contract import BASE, Client
from uptimehunt import clock
from uptimehunt.api.heartbeat import MOST, Heartbeats
from uptimehunt.api.parts import Parts
from uptimehunt.domain import heartbeats
from uptimehunt.domain.tokens import Tokens
from uptimehunt.store.database import Store
from uptimehunt.store.models import Beat, Heartbeat, Service

Job = tuple[int, str]


def body(**fields: Any) -> dict[str, Any]:
    """What a caller says of a heartbeat."""
    config = {"period_seconds": 3600, **fields.pop("config", {})}
    return {"name": "Backup", "type": "heartbeat", "config": config, **fields}


@pytest.fixture
def job(as_alice: Client) -> Job:
    """The id and the key of a heartbeat of Alice."""
    made = as_alice.add("/services", body())
    return made["id"], made["heartbeat_key"]


def received(client: Client, service_id: int) -> Any:
    return client.data(f"/services/{service_id}/heartbeats")


# --- the key -----------------------------------------------------------------------------------


def test_a_heartbeat_has_a_key_that_stays_and_that_its_owner_alone_sees(
    as_alice: Client, as_bob: Client
) -> None:
    made = [as_alice.add("/services", body()) for _ in range(2)]
    path = f"/services/{made[0]['id']}"

    keys = [service["heartbeat_key"] for service in made]
    assert all(re.fullmatch("[A-Za-z0-9]{32}", key) for key in keys)
    assert keys[0] != keys[1]
    changed = as_alice.ask("PATCH", path, {"name": "Other"})["data"]
    replaced = as_alice.ask("PUT", path, body(config={"period_seconds": 60}))["data"]
    listed = [service["heartbeat_key"] for service in as_alice.data("/services")]
    assert [changed["heartbeat_key"], replaced["heartbeat_key"], listed] == [keys[0], keys[0], keys]
    as_bob.refusal("GET", path, status=404)
    as_bob.refusal("GET", f"{path}/heartbeats", status=404)


def test_other_services_have_none(as_alice: Client) -> None:
    made = as_alice.add("/services", builders.service_body())

    assert made["heartbeat_key"] is None
    assert received(as_alice, made["id"]) == []


def test_nobody_chooses_a_key(as_alice: Client, job: Job) -> None:
    as_alice.details("POST", "/services", {**body(), "heartbeat_key": "x" * 32})
    as_alice.details("PATCH", f"/services/{job[0]}", {"config": {"heartbeat_key": "x" * 32}})


def test_an_unknown_key_looks_like_a_path_that_is_not_there(
    as_nobody: Client, as_alice: Client, job: Job
) -> None:
    deleted = as_alice.add("/services", body())
    as_alice.ask("DELETE", f"/services/{deleted['id']}", status=204)
    wrong = [deleted["heartbeat_key"], "x" * 32, job[1].swapcase(), job[1][:-1], "null", "%00", "1"]

    for key in wrong:
        for path in (f"/heartbeat/{key}", f"/heartbeat/{key}/start", f"/{key}/nothing/here"):
            for method in ("GET", "POST"):
                refusal = as_nobody.refusal(method, path, status=404)
                assert (refusal["code"], refusal["message"]) == ("NOT_FOUND", "Resource not found")


def test_no_key_comes_into_the_log(
    as_nobody: Client, job: Job, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="uptimehunt")
    for base in (BASE, ""):
        for signal in ("", "/start", "/nonsense", "/1/2", "/fail?x=1"):
            for method in ("GET", "POST", "DELETE", "OPTIONS"):
                path = f"{base}/heartbeat/{job[1]}{signal}"
                answer = as_nobody.simulate_request(method, path)
                if answer.status_code in {400, 404, 405}:
                    assert answer.json["path"] == path.partition("?")[0]

    logged = [vars(record) for record in caplog.records]
    assert len(logged) >= 40
    assert job[1] not in repr(logged)
    assert "/api/v1/heartbeat/********/start" in repr(logged)


# --- what counts as one ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("signal", "kind", "code"),
    [
        ("", "success", None), ("/start", "start", None), ("/fail", "fail", None),
        ("/0", "success", 0), ("/1", "fail", 1), ("/255", "fail", 255),
    ],
)  # fmt: skip
def test_a_call_is_a_heartbeat_and_wakes_the_engine(
    as_nobody: Client, as_alice: Client, engine: RecordingEngine, job: Job,
    signal: str, kind: str, code: int | None,
) -> None:  # fmt: skip
    for method, base in itertools.product(["GET", "POST", "HEAD"], [BASE, ""]):
        engine.hurried.clear()

        answer = as_nobody.simulate_request(method, f"{base}/heartbeat/{job[1]}{signal}")

        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "no-store"
        assert engine.hurried == [job[0]]
        beat = received(as_alice, job[0])[0]
        assert (beat["kind"], beat["exit_code"], beat["duration_ms"]) == (kind, code, None)
        assert beat["address"] == "127.0.0.1"
        if method != "HEAD":
            assert answer.json["data"] == {"kind": kind, "timestamp": beat["timestamp"]}
    assert len(received(as_alice, job[0])) == 6


def test_a_signal_that_there_is_not_is_not_found(
    as_nobody: Client, as_alice: Client, job: Job
) -> None:
    for signal in ("256", "-1", "1.0", "01x", "START", "log", "٣", "1000", " 1", "fail/", "1/2"):
        as_nobody.refusal("GET", f"/heartbeat/{job[1]}/{signal}", status=404)

    assert received(as_alice, job[0]) == []


def test_no_other_method_counts(as_nobody: Client, as_alice: Client, job: Job) -> None:
    for method in ("PUT", "PATCH", "DELETE"):
        as_nobody.refusal(method, f"/heartbeat/{job[1]}", status=405)

    assert received(as_alice, job[0]) == []


def test_the_end_of_a_run_tells_how_long_it_took(
    as_nobody: Client, as_alice: Client, job: Job
) -> None:
    for signal in ("/start", "", ""):
        as_nobody.ask("POST", f"/heartbeat/{job[1]}{signal}")

    first, second, third = [beat["duration_ms"] for beat in received(as_alice, job[0])][::-1]
    assert (first, third) == (None, None)
    assert 0 <= second < 5000


# --- what comes with it ------------------------------------------------------------------------


@pytest.mark.parametrize("media", ["text/plain", "application/json", "", "multipart/form-data"])
def test_a_text_is_kept_whatever_it_says_it_is(
    as_nobody: Client, as_alice: Client, job: Job, media: str
) -> None:
    for sent, kept in (
        (b"", ""),
        ("Fertig: 3 Dateien, 1 übersprungen\n".encode(), "Fertig: 3 Dateien, 1 übersprungen\n"),
        (b"x" * 10_240, "x" * 10_240),
        (b"x" * 500_000, "x" * 10_240),
        (b"\xff\x00<script>", "\ufffd\x00<script>"),
    ):
        answer = as_nobody.raw("POST", f"/heartbeat/{job[1]}/1", sent, media)

        assert answer.status_code == 200
        assert received(as_alice, job[0])[0]["body"] == kept


def test_the_last_twenty_are_kept_newest_first_in_pages(as_alice: Client, store: Store) -> None:
    first, other = (as_alice.add("/services", body())["id"] for _ in range(2))
    for number in range(30):
        call = heartbeats.Call("success", body=str(number).encode())
        store.write(heartbeats.receive, first, call)
    store.write(heartbeats.receive, other, heartbeats.Call("start"))

    page = as_alice.ask("GET", f"/services/{first}/heartbeats?limit=8&page=2")
    assert page["meta"] == {"page": 2, "limit": 8, "total": 20, "totalPages": 3}
    assert [beat["body"] for beat in page["data"]] == [str(number) for number in range(21, 13, -1)]
    assert len(received(as_alice, other)) == 1


def test_all_of_it_goes_with_the_service(as_alice: Client, store: Store, job: Job) -> None:
    as_alice.ask("POST", f"/heartbeat/{job[1]}")

    as_alice.ask("DELETE", f"/services/{job[0]}", status=204)

    with store.reading():
        assert (Heartbeat.select().count(), Beat.select().count()) == (0, 0)


# --- too many ----------------------------------------------------------------------------------


def test_a_key_is_good_for_so_many_calls_a_minute(
    as_nobody: Client, as_alice: Client, job: Job
) -> None:
    other = as_alice.add("/services", body())["heartbeat_key"]
    for _ in range(MOST.failures):
        as_nobody.ask("HEAD", f"/heartbeat/{job[1]}")

    answer = as_nobody.call("GET", f"/heartbeat/{job[1]}/fail")

    assert (answer.status_code, answer.json["error"]["code"]) == (429, "RATE_LIMITED")
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert {beat["kind"] for beat in received(as_alice, job[0])} == {"success"}
    as_nobody.ask("GET", f"/heartbeat/{other}")


def test_after_a_while_there_may_be_more(
    store: Store, tokens: Tokens, engine: RecordingEngine, job: Job
) -> None:
    now = 0.0
    parts = Parts(store, tokens, engine, "open", dict)
    resource = Heartbeats(parts, lambda: now)
    for _ in range(MOST.failures):
        resource._spend(job[1])
    now = 60.0

    resource._spend(job[1])


# --- the service -------------------------------------------------------------------------------


def test_a_heartbeat_is_down_without_a_second_try(as_alice: Client) -> None:
    made = as_alice.add("/services", body(retries=5))

    assert made["retries"] == 0


def test_only_this_server_can_judge_it(as_alice: Client, remote: tuple[int, str]) -> None:
    as_alice.add("/services", body(probe_ids=[1]))

    for probes in ([remote[0]], [1, remote[0]]):
        details = as_alice.details("POST", "/services", body(probe_ids=probes))
        assert details == {"probe_ids": ["This type is judged by this server only"]}


def test_there_is_nothing_to_try(as_alice: Client) -> None:
    trial = {"type": "heartbeat", "config": {"period_seconds": 60}}

    details = as_alice.details("POST", "/services/test", trial)

    assert details == {"type": ["There is nothing to try: this type makes no checks"]}


def test_one_schedule_is_changed_into_the_other(as_alice: Client, job: Job) -> None:
    path = f"/services/{job[0]}"

    as_alice.details("PATCH", path, {"config": {"cron": "0 3 * * *"}})
    to = {"schedule": "cron", "cron": "0 3 * * *", "period_seconds": None}
    changed = as_alice.ask("PATCH", path, {"config": to})["data"]

    assert changed["config"]["cron"] == "0 3 * * *"
    assert changed["target"] == "0 3 * * * UTC"


Change = Callable[[Client, str], Any]


def patch(body: dict[str, Any]) -> Change:
    return lambda client, path: client.ask("PATCH", path, body)


def pause_and_resume(client: Client, path: str) -> None:
    for enabled in (False, True):
        client.ask("PATCH", path, {"enabled": enabled})


@pytest.mark.parametrize(
    ("change", "restarts"),
    [
        (pause_and_resume, True),
        (patch({"config": {"period_seconds": 60}}), True),
        (patch({"config": {"grace_seconds": 5}}), True),
        (patch({"name": "Other"}), False),
        (patch({"config": {"period_seconds": 3600}}), False),
        (patch({"enabled": False}), False),
    ],
)
def test_a_pause_and_a_new_schedule_start_the_clock_anew(
    as_alice: Client, store: Store, job: Job, change: Change, restarts: bool
) -> None:
    store.write(Heartbeat.update(watched_since=5).execute)
    for signal in ("", "/start"):
        as_alice.ask("GET", f"/heartbeat/{job[1]}{signal}")

    change(as_alice, f"/services/{job[0]}")

    with store.reading():
        known = Heartbeat.get()
        latest = Beat.select().order_by(Beat.id.desc()).first()
        updated_at = Service.get_by_id(job[0]).updated_at
    if restarts:
        assert (known.judged_id, known.started_at) == (latest.id, None)
        assert known.watched_since == pytest.approx(updated_at, abs=1000)
    else:
        assert (known.judged_id, known.started_at) == (0, latest.at)
        assert known.watched_since == 5


def test_calls_in_a_pause_are_kept(as_nobody: Client, as_alice: Client, job: Job) -> None:
    as_alice.ask("PATCH", f"/services/{job[0]}", {"enabled": False})

    as_nobody.ask("GET", f"/heartbeat/{job[1]}")

    assert len(received(as_alice, job[0])) == 1
    assert as_alice.data(f"/services/{job[0]}")["status"] == "paused"


def test_a_job_that_fails_again_soon_is_down_again(
    as_alice: Client, store: Store, job: tuple[int, str]
) -> None:
    """Other services would be called flapping; a job's own word needs no confirmation."""
    start = clock.now_ms()
    seen = []
    for minute, ok in enumerate([False, True, False, True, False]):
        builders.record(store, [builders.finding(job[0], start + minute * 60_000, ok=ok)])
        seen.append(as_alice.data(f"/services/{job[0]}/status")["status"])

    assert seen == ["down", "operational", "down", "operational", "down"]
