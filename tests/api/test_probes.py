"""`/probes`: the places that checks are made from."""

import string
from collections import Counter
from typing import Any

import pytest
from playhouse.test_utils import count_queries

from tests import builders
from tests.builders import T0
from tests.conftest import RecordingEngine
from tests.contract import Client
from uptimehunt import __version__, clock
from uptimehunt.domain.probes import OFFLINE_AFTER_MS, ROTATION_MS
from uptimehunt.store.database import Store
from uptimehunt.store.models import Probe, ProbeState, Service, User

FRANKFURT = {
    "name": "Frankfurt", "city": "Frankfurt am Main", "country_code": "DE", "region": "Hesse",
    "isp": "Example Net", "latitude": 50.11, "longitude": 8.68,
}  # fmt: skip


def heartbeat_status(client: Client, token: str) -> int:
    body = {"version": "0.1.0", "hostname": "fra-1", "capabilities": ["http"]}
    headers = {"X-Auth": token}
    asked = Client(client.app, client.contract)
    return asked.call("POST", "/prober/heartbeat", body, headers=headers).status_code


def test_this_server_is_the_first_probe(as_vera: Client) -> None:
    (local,) = as_vera.data("/probes")

    assert local == as_vera.data("/probes/1")
    assert local.items() >= {
        "id": 1, "name": "This server", "status": "online", "is_local": True,
        "version": __version__, "country": "", "latitude": None, "service_count": 0,
    }.items()  # fmt: skip


def test_an_admin_adds_a_probe_and_sees_its_token_once(as_alice: Client) -> None:
    made = as_alice.add("/probes", FRANKFURT)
    token = made.pop("token")

    assert len(token) == 32 and set(token) <= set(string.ascii_letters + string.digits)
    assert made.items() >= (FRANKFURT | {"country": "Germany", "is_local": False}).items()
    assert (made["status"], made["last_seen_at"], made["version"]) == ("pending", None, "")
    assert as_alice.data(f"/probes/{made['id']}") == made
    assert as_alice.data("/probes")[1] == made
    assert heartbeat_status(as_alice, token) == 200


def test_no_two_tokens_are_the_same(as_alice: Client) -> None:
    made = {as_alice.add("/probes", {"name": "Same"})["token"] for _ in range(20)}

    assert len(made) == 20


def test_a_put_replaces_and_a_patch_changes(as_alice: Client) -> None:
    as_alice.add("/probes", FRANKFURT)

    patched = as_alice.ask("PATCH", "/probes/2", {"city": "Berlin", "latitude": 52})["data"]
    put = as_alice.ask("PUT", "/probes/2", {"name": "Vienna", "country_code": "AT"})["data"]

    assert (patched["city"], patched["latitude"], patched["isp"]) == ("Berlin", 52, "Example Net")
    assert (put["name"], put["country"], put["city"]) == ("Vienna", "Austria", "")
    assert (put["latitude"], put["isp"]) == (None, "")


def test_a_change_leaves_what_only_the_prober_says(as_alice: Client, as_prober: Client) -> None:
    said = {"version": "0.1.0", "hostname": "fra-1", "capabilities": ["http"]}
    as_prober.ask("POST", "/prober/heartbeat", said)

    put = as_alice.ask("PUT", "/probes/2", {"name": "Vienna"})["data"]

    assert (put["hostname"], put["version"], put["status"]) == ("fra-1", "0.1.0", "online")
    assert as_prober.ask("GET", "/prober/services")["data"] == []


def test_this_server_may_be_given_a_place(as_alice: Client) -> None:
    as_alice.ask("PATCH", "/probes/1", {"name": "Home", "country_code": "CH"})

    assert as_alice.data("/probes/1").items() >= {
        "name": "Home", "country": "Switzerland", "is_local": True, "status": "online",
    }.items()  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "name", "message"),
    [
        ({"name": ""}, "name", "Name is required"),
        ({"name": "x" * 65}, "name", "Must be at most 64 characters"),
        ({"name": "a\u202eb"}, "name", "Must not contain control or invisible characters"),
        ({"latitude": 90.1}, "latitude", "Must be between -90 and 90"),
        ({"longitude": -180.1}, "longitude", "Must be between -180 and 180"),
        ({"latitude": "50"}, "latitude", "Latitude must be a number"),
        ({"token": "x" * 32}, "token", "Unknown field"),
        ({"hostname": "x"}, "hostname", "Unknown field"),
        ({"is_local": True}, "is_local", "Unknown field"),
        ({"token_digest": "x"}, "token_digest", "Unknown field"),
    ],
)
def test_a_probe_that_makes_no_sense_is_refused(
    as_alice: Client, fields: dict[str, Any], name: str, message: str
) -> None:
    as_alice.add("/probes", FRANKFURT)
    before = as_alice.data("/probes/2")

    for method, path in (("POST", "/probes"), ("PUT", "/probes/2"), ("PATCH", "/probes/2")):
        assert as_alice.details(method, path, FRANKFURT | fields) == {name: [message]}

    assert as_alice.data("/probes/2") == before


@pytest.mark.parametrize("code", ["de", "XX", "DEU", "U", None, 49])
def test_a_country_is_one_that_there_is(as_alice: Client, code: object) -> None:
    details = as_alice.details("POST", "/probes", FRANKFURT | {"country_code": code})

    assert list(details) == ["country_code"]


@pytest.mark.parametrize(
    ("code", "name"),
    [("DE", "Germany"), ("CI", "C\u00f4te d'Ivoire"), ("ZW", "Zimbabwe"), ("AD", "Andorra"),
     ("US", "United States"), ("", "")],
)  # fmt: skip
def test_a_country_is_named_by_its_code(as_alice: Client, code: str, name: str) -> None:
    assert as_alice.add("/probes", FRANKFURT | {"country_code": code})["country"] == name


def test_a_member_looks_at_probes_and_changes_none(as_alice: Client, as_bob: Client) -> None:
    as_alice.add("/probes", FRANKFURT)
    before = as_bob.data("/probes/2")

    for method, path, body in (
        ("POST", "/probes", FRANKFURT), ("PUT", "/probes/2", FRANKFURT),
        ("PATCH", "/probes/2", {"name": "Mine"}), ("DELETE", "/probes/2", None),
        ("POST", "/probes/2/token", None),
    ):  # fmt: skip
        as_bob.refusal(method, path, body, 403)

    assert as_bob.data("/probes/2") == before


def test_an_unknown_probe_is_not_there(as_alice: Client) -> None:
    for method, path, body in (
        ("GET", "/probes/9", None), ("PUT", "/probes/9", FRANKFURT),
        ("PATCH", "/probes/9", {}), ("DELETE", "/probes/9", None),
        ("POST", "/probes/9/token", None),
    ):  # fmt: skip
        as_alice.refusal(method, path, body, 404)


# --- the token ---------------------------------------------------------------------------------


def test_after_a_rotation_the_old_token_works_for_a_day_more(
    as_alice: Client, store: Store, remote: tuple[int, str]
) -> None:
    number, old = remote
    before = clock.now_ms()

    new = as_alice.add(f"/probes/{number}/token", None)["token"]

    assert new != old and len(new) == 32
    assert [heartbeat_status(as_alice, token) for token in (old, new)] == [200, 200]
    with store.reading():
        until: Any = Probe.get_by_id(number).previous_until
    assert before + ROTATION_MS <= until <= clock.now_ms() + ROTATION_MS

    store.write(Probe.update(previous_until=clock.now_ms()).where(Probe.id == number).execute)
    assert [heartbeat_status(as_alice, token) for token in (old, new)] == [401, 200]


def test_of_two_rotations_only_the_last_leaves_a_way_back(
    as_alice: Client, remote: tuple[int, str]
) -> None:
    found = [remote[1], *(as_alice.add("/probes/2/token", None)["token"] for _ in range(2))]

    assert [heartbeat_status(as_alice, token) for token in found] == [401, 200, 200]


def test_the_probe_of_this_server_is_not_deleted_and_has_no_token(as_alice: Client) -> None:
    deleted = as_alice.refusal("DELETE", "/probes/1", status=409)
    rotated = as_alice.refusal("POST", "/probes/1/token", status=409)

    assert deleted["message"] == "The probe of this server cannot be deleted"
    assert rotated["message"] == "The probe of this server has no token"
    assert len(as_alice.data("/probes")) == 1


def test_a_deleted_probe_is_out_and_its_services_go_on(
    as_alice: Client,
    store: Store,
    alice: User,
    engine: RecordingEngine,
    remote: tuple[int, str],
) -> None:
    number, token = remote
    alone = builders.add_service(store, alice, probe_ids=[number])
    shared = builders.add_service(store, alice, probe_ids=[1, number])
    other = builders.add_service(store, alice)
    builders.record(store, [builders.finding(shared, probe=one) for one in (1, number)])
    revisions = [as_alice.data(f"/services/{one}")["probe_ids"] for one in (alone, shared)]
    assert revisions == [[number], [1, number]]

    as_alice.ask("DELETE", f"/probes/{number}", status=204)

    assert heartbeat_status(as_alice, token) == 401
    found = [as_alice.data(f"/services/{one}")["probe_ids"] for one in (alone, shared, other)]
    assert found == [[], [1], []]
    assert engine.refreshed == [alone, shared]
    assert [probe["id"] for probe in as_alice.data(f"/services/{shared}/status")["probes"]] == [1]
    with store.reading():
        assert [s.revision for s in Service.select().order_by(Service.id)] == [2, 2, 1]
        assert [view.probe_id for view in ProbeState.select()] == [1]


def test_what_a_deleted_probe_saw_stays(
    as_alice: Client, store: Store, alice: User, remote: tuple[int, str]
) -> None:
    number, _ = remote
    service = builders.add_service(store, alice, probe_ids=[1, number])
    made = [
        builders.finding(service, T0 + at, ok=at % 2 > 0, probe=one)
        for at in range(4)
        for one in (1, number)
    ]
    builders.record(store, made[:4])
    builders.merge(store)
    builders.record(store, made[4:])
    before = as_alice.data(f"/services/{service}/checks")

    as_alice.ask("DELETE", f"/probes/{number}", status=204)

    after = as_alice.data(f"/services/{service}/checks")
    assert [check | {"probe": None} for check in after] == [
        check | {"probe": None} for check in before
    ]
    names = {"This server": 4, "Deleted probe": 4}
    assert Counter(check["probe"]["name"] for check in after) == names
    gone = {"id": number, "hostname": "", "city": "", "country": "", "isp": ""}
    assert [c["probe"] for c in after if c["probe"]["id"] != 1] == [
        {**gone, "name": "Deleted probe"}
    ] * 4
    errors = as_alice.data(f"/services/{service}/errors")
    assert Counter(error["probe"]["name"] for error in errors) == {
        "This server": 2, "Deleted probe": 2,
    }  # fmt: skip
    span = f"from={clock.iso_seconds(T0)}&to={clock.iso_seconds(T0 + 1000)}"
    uptime = as_alice.data(f"/services/{service}/metrics/uptime?{span}")
    assert uptime["total_checks"] == 8


# --- where they are, and whether they are there ------------------------------------------------


def test_the_map_is_geojson_of_the_probes_whose_place_is_known(
    as_vera: Client, store: Store
) -> None:
    number, _ = builders.add_probe(store, name="Sydney", latitude=-33.87, longitude=151.21)
    builders.add_probe(store, name="Halfway", latitude=1.0)
    builders.add_probe(store, name="Null Island", latitude=0.0, longitude=0.0)

    found = as_vera.data("/probes/map")

    assert found.keys() == {"type", "features"}
    assert found["type"] == "FeatureCollection"
    assert [feature["properties"]["name"] for feature in found["features"]] == [
        "Sydney", "Null Island",
    ]  # fmt: skip
    sydney = found["features"][0]
    assert sydney.keys() == {"type", "id", "geometry", "properties"}
    assert (sydney["type"], sydney["id"]) == ("Feature", number)
    # RFC 7946: longitude first.
    assert sydney["geometry"] == {"type": "Point", "coordinates": [151.21, -33.87]}
    assert sydney["properties"] == as_vera.data(f"/probes/{number}")
    assert "token" not in sydney["properties"]


def test_a_map_without_places_is_empty(as_vera: Client) -> None:
    assert as_vera.data("/probes/map") == {"type": "FeatureCollection", "features": []}


@pytest.mark.parametrize(
    ("age_ms", "status"),
    [(0, "online"), (OFFLINE_AFTER_MS - 5000, "online"), (OFFLINE_AFTER_MS + 1, "offline"),
     (None, "pending")],
)  # fmt: skip
def test_a_probe_is_there_as_long_as_it_is_heard(
    as_alice: Client, store: Store, remote: tuple[int, str], age_ms: int | None, status: str
) -> None:
    seen_at = None if age_ms is None else clock.now_ms() - age_ms
    store.write(Probe.update(seen_at=seen_at).where(Probe.id == remote[0]).execute)

    assert as_alice.data(f"/probes/{remote[0]}")["status"] == status
    counts = as_alice.data("/status")["probes"]
    assert counts == {"online": 1 + (status == "online"), "offline": int(status == "offline")}


def test_services_are_counted_where_they_are_checked(
    as_alice: Client, store: Store, alice: User, remote: tuple[int, str]
) -> None:
    for probe_ids in ([], [], [remote[0]], [1, remote[0]]):
        builders.add_service(store, alice, probe_ids=probe_ids)

    assert [probe["service_count"] for probe in as_alice.data("/probes")] == [3, 2]


def test_a_longer_page_of_probes_needs_no_more_queries(as_alice: Client, store: Store) -> None:
    def queries() -> int:
        with count_queries() as counted:
            as_alice.data("/probes?limit=100")
        return int(counted.count)

    builders.add_probe(store)
    few = queries()
    for _ in range(20):
        builders.add_probe(store)

    assert queries() == few
    assert as_alice.ask("GET", "/probes?limit=5&page=3")["meta"] == {
        "page": 3, "limit": 5, "total": 22, "totalPages": 5,
    }  # fmt: skip
