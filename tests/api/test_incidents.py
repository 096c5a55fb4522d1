"""`/incidents` and `/services/{id}/incidents`: what was down, since when, and for whom to see."""

from typing import Any

import pytest
from playhouse.test_utils import count_queries

from tests import builders
from tests.builders import HOUR_MS, T0
from tests.contract import Client
from uptimehunt import clock
from uptimehunt.domain import incidents
from uptimehunt.store.database import Store
from uptimehunt.store.models import User


def add_incident(
    store: Store, service_id: int, at: int, until: int | None = None, message: str = "It failed"
) -> None:
    """An incident as transitions make it; still open without an end."""
    store.write(incidents.open_one, service_id, at, "timeout", message)
    if until is not None:
        store.write(incidents.resolve, service_id, until)


@pytest.fixture
def service(store: Store, alice: User) -> int:
    """A service of Alice."""
    return builders.add_service(store, alice, name="Shop")


@pytest.fixture
def history(as_alice: Client, store: Store, alice: User, service: int) -> list[int]:
    """Two services of Alice, the other in a project; incidents 1 to 5, of which 4 and 5 are open.

    By hours after `T0`: 1 is 0-2 and 3 is 4-5 and 5 is 8-… of the first; 2 is 2-4 and 4 is 6-… of
    the other.
    """
    project = as_alice.add("/projects", {"name": "Web"})["id"]
    other = builders.add_service(store, alice, name="Blog", project_id=project)
    add_incident(store, service, T0, T0 + 2 * HOUR_MS)
    add_incident(store, other, T0 + 2 * HOUR_MS, T0 + 4 * HOUR_MS)
    add_incident(store, service, T0 + 4 * HOUR_MS, T0 + 5 * HOUR_MS)
    add_incident(store, other, T0 + 6 * HOUR_MS)
    add_incident(store, service, T0 + 8 * HOUR_MS)
    return [service, other]


def ids(client: Client, path: str) -> list[int]:
    return [incident["id"] for incident in client.data(path)]


def test_an_incident_says_what_was_down_since_when_and_why(
    as_alice: Client, store: Store, service: int
) -> None:
    add_incident(store, service, T0 + 1500, T0 + HOUR_MS + 2499, "No answer within 30 s")

    listed = as_alice.ask("GET", "/incidents")

    assert listed["meta"] == {"page": 1, "limit": 20, "total": 1, "totalPages": 1}
    [incident] = listed["data"]
    assert incident == {
        "id": 1, "service": {"id": service, "name": "Shop", "type": "tcp"}, "status": "resolved",
        "started_at": clock.iso_seconds(T0 + 1000),
        "resolved_at": clock.iso_seconds(T0 + HOUR_MS + 2000), "duration_seconds": 3600,
        "cause": "timeout", "message": "No answer within 30 s",
    }  # fmt: skip
    assert as_alice.data("/incidents/1") == incident
    assert as_alice.data(f"/services/{service}/incidents") == [incident]


def test_what_a_failed_check_opens_is_listed(as_alice: Client, store: Store, alice: User) -> None:
    strict = builders.add_service(store, alice, retries=0)

    builders.record(store, [builders.finding(strict, T0, ok=False, error="dns_error")])
    [incident] = as_alice.data("/incidents")
    builders.record(store, [builders.finding(strict, T0 + HOUR_MS)])

    assert incident.items() >= {
        "status": "open", "resolved_at": None, "started_at": clock.iso_seconds(T0),
        "cause": "dns_error", "message": "It failed: dns_error",
    }.items()  # fmt: skip
    ended = as_alice.data(f"/incidents/{incident['id']}")
    assert (ended["status"], ended["duration_seconds"]) == ("resolved", 3600)


def test_an_open_incident_has_lasted_until_now(
    as_alice: Client, store: Store, service: int
) -> None:
    add_incident(store, service, clock.now_ms() - 90_000)

    incident = as_alice.data("/incidents/1")

    assert (incident["status"], incident["resolved_at"]) == ("open", None)
    assert 90 <= incident["duration_seconds"] < 120


def test_an_incident_that_begins_ahead_of_a_clock_that_was_set_back_has_not_lasted(
    as_alice: Client, store: Store, service: int
) -> None:
    add_incident(store, service, clock.now_ms() + HOUR_MS)

    assert as_alice.data("/incidents/1")["duration_seconds"] == 0


def hours(start: float | None = None, end: float | None = None) -> str:
    """A span in hours after `T0`, as a query."""
    given = {"from": start, "to": end}
    return "&".join(
        f"{name}={clock.iso_millis(int(T0 + at * HOUR_MS))}"
        for name, at in given.items()
        if at is not None
    )


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [5, 4, 3, 2, 1]),
        ("status=open", [5, 4]),
        ("status=resolved", [3, 2, 1]),
        ("service_id=1", [5, 3, 1]),
        ("service_id=1&status=resolved", [3, 1]),
        ("project_id=1", [4, 2]),
        ("project_id=1&service_id=1", []),
        ("service_id=12345", []),
        ("project_id=12345", []),
        (hours(2), [5, 4, 3, 2]),
        (hours(1.9), [5, 4, 3, 2, 1]),
        (hours(100), [5, 4]),
        (hours(None, 2), [1]),
        (hours(None, 2.1), [2, 1]),
        (hours(None, 0), []),
        (hours(4.5, 4.6), [3]),
        (hours(7, 7.5), [4]),
        (hours(4, 6), [3]),
        (hours(7, 7), []),
        (hours(7, 6.5), []),
        ("limit=2&page=2", [3, 2]),
        ("limit=2&page=4", []),
        ("status=open&limit=1&page=2", [4]),
    ],
)
def test_incidents_are_found_by_what_and_when(
    as_alice: Client, history: list[int], query: str, expected: list[int]
) -> None:
    assert ids(as_alice, f"/incidents?{query}") == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [5, 3, 1]),
        ("status=open", [5]),
        ("status=resolved&limit=1&page=2", [1]),
        (hours(2), [5, 3]),
        (hours(None, 4), [1]),
    ],
)
def test_those_of_a_service_are_found_the_same_way(
    as_alice: Client, history: list[int], query: str, expected: list[int]
) -> None:
    assert ids(as_alice, f"/services/{history[0]}/incidents?{query}") == expected


def test_incidents_of_one_instant_keep_their_order(
    as_alice: Client, store: Store, alice: User
) -> None:
    for _ in range(5):
        add_incident(store, builders.add_service(store, alice), T0)

    paged = [ids(as_alice, f"/incidents?limit=2&page={page}") for page in (1, 2, 3)]

    assert paged == [[5, 4], [3, 2], [1]]


BAD = ["status=acknowledged", "status=", "status=OPEN", "from=now", "to=", "from=2024-01-01",
       "page=0", "limit=0", "limit=101", "sort=name", "status=open&status=open"]  # fmt: skip
BAD_IDS = ["service_id=0", "service_id=-1", "service_id=", "service_id=null",
           "service_id=9" + "9" * 20, "project_id=x", "project_id=0", "project_id=1.0"]  # fmt: skip


def test_a_query_that_makes_no_sense_is_refused(as_alice: Client, service: int) -> None:
    calls = [
        *(f"/incidents?{query}" for query in (*BAD, *BAD_IDS)),
        *(f"/services/{service}/incidents?{query}" for query in (*BAD, "service_id=1")),
    ]

    answered = {call: as_alice.call("GET", call).status_code for call in calls}

    assert {call: status for call, status in answered.items() if status != 400} == {}


def test_nobody_sees_what_was_down_of_somebody_else(
    as_alice: Client, as_bob: Client, as_nobody: Client, history: list[int]
) -> None:
    for query in ("", "?service_id=1", "?project_id=1", "?status=open"):
        answer: Any = as_bob.ask("GET", f"/incidents{query}")
        assert (answer["data"], answer["meta"]["total"]) == ([], 0)
    for path in ("/incidents/1", f"/services/{history[0]}/incidents"):
        foreign = as_bob.refusal("GET", path, status=404)
        assert foreign == as_bob.refusal("GET", path.replace("1", "12345"), status=404)
        as_nobody.refusal("GET", path, status=401)
    as_nobody.refusal("GET", "/incidents", status=401)


def test_one_who_may_only_look_sees_the_incidents_of_their_own(
    as_vera: Client, store: Store
) -> None:
    vera = User(id=as_vera.data("/auth/me")["id"])
    add_incident(store, builders.add_service(store, vera), T0)

    assert ids(as_vera, "/incidents") == [1]


@pytest.mark.parametrize("number", ["0", "x", "12345", "9223372036854775808"])
def test_an_incident_that_is_not_there_is_not_found(as_alice: Client, number: str) -> None:
    as_alice.refusal("GET", f"/incidents/{number}", status=404)


def test_the_incidents_of_a_deleted_service_go_with_it(
    as_alice: Client, history: list[int]
) -> None:
    as_alice.ask("DELETE", f"/services/{history[0]}", status=204)

    assert ids(as_alice, "/incidents") == [4, 2]
    as_alice.refusal("GET", "/incidents/1", status=404)


def test_a_longer_page_of_incidents_needs_no_more_queries(
    as_alice: Client, store: Store, service: int, history: list[int]
) -> None:
    def queries() -> int:
        with count_queries() as counted:
            as_alice.data("/incidents?limit=100")
        return int(counted.count)

    few = queries()
    for n in range(60):
        add_incident(store, service, T0 + (9 + n) * HOUR_MS, T0 + (10 + n) * HOUR_MS)

    assert queries() == few
