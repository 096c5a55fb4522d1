"""`/services/{id}/metrics/…` and `/services/{id}/errors`, over results made up here."""

import random
import statistics
from typing import Any

import pytest

from tests import builders
from tests.builders import HOUR_MS, T0, finding
from tests.contract import Client
from uptimehunt import clock
from uptimehunt.domain.findings import Finding
from uptimehunt.store.database import Store
from uptimehunt.store.models import LOCAL_PROBE, SLOT_MS, User

MINUTE = 60_000


@pytest.fixture
def service(store: Store, alice: User) -> int:
    """A service of Alice that is down after its first failure."""
    return builders.add_service(store, alice, retries=0)


def between(start: int, end: int) -> str:
    return f"from={clock.iso_seconds(start)}&to={clock.iso_seconds(end)}"


def test_uptime_is_what_the_api_overview_shows(
    as_alice: Client, store: Store, service: int
) -> None:
    now = clock.now_ms()
    step = 30 * 86_400_000 // 8640
    failed = {100, 200, 300, 400}
    builders.record(
        store,
        [finding(service, now - (8640 - n) * step + 5000, ok=n not in failed) for n in range(8640)],
    )

    data = as_alice.data(f"/services/{service}/metrics/uptime")

    assert data.items() >= {
        "uptime_percentage": 99.95, "total_checks": 8640, "successful_checks": 8636,
        "failed_checks": 4, "period": "30d", "incident_count": 4,
        "downtime_seconds": 4 * 300, "mttr_seconds": 300,
    }.items()  # fmt: skip


def test_without_checks_there_is_no_uptime(as_alice: Client, service: int) -> None:
    data = as_alice.data(f"/services/{service}/metrics/uptime?period=7d")

    assert data == {
        "uptime_percentage": None, "total_checks": 0, "successful_checks": 0, "failed_checks": 0,
        "period": "7d", "downtime_seconds": 0, "incident_count": 0,
        "mttr_seconds": None, "mtbf_seconds": None,
        "coverage_percentage": data["coverage_percentage"],
        "seconds": data["seconds"],
    }  # fmt: skip
    # Nobody has looked since it was made, a moment ago.
    assert data["coverage_percentage"] in (None, 0.0)
    assert data["seconds"].keys() == {
        "up", "degraded", "down", "maintenance", "paused", "unknown",
    }  # fmt: skip
    assert sum(data["seconds"].values()) == data["seconds"]["unknown"] < 60


@pytest.fixture
def history(store: Store, service: int) -> list[Finding]:
    """Five hours of checks, some a minute, at random instants."""
    dice = random.Random(7)
    instants = sorted(T0 + dice.randrange(5 * HOUR_MS) for _ in range(400))
    made = [
        finding(service, at, ok=dice.random() > 0.3, took=dice.randint(1, 900)) for at in instants
    ]
    builders.record(store, made)
    return made


SPANS = [
    (0, 5 * HOUR_MS),
    (10 * MINUTE, 5 * HOUR_MS),
    (10 * MINUTE, 2 * HOUR_MS + 20 * MINUTE),
    (HOUR_MS, 2 * HOUR_MS),
    (10 * MINUTE, 20 * MINUTE),
    (HOUR_MS + 1000, HOUR_MS + 2000),
    (50 * MINUTE, HOUR_MS + 10 * MINUTE),
]


@pytest.mark.parametrize(("start", "end"), SPANS)
def test_uptime_counts_exactly_the_checks_of_its_span(
    as_alice: Client, service: int, history: list[Finding], start: int, end: int
) -> None:
    inside = [one for one in history if T0 + start <= one.checked_at < T0 + end]

    data = as_alice.data(f"/services/{service}/metrics/uptime?{between(T0 + start, T0 + end)}")

    assert data["total_checks"] == len(inside)
    assert data["failed_checks"] == sum(not one.outcome.ok for one in inside)
    assert data["period"] == "custom"


def test_response_times_are_those_of_the_successful_checks(
    as_alice: Client, service: int, history: list[Finding]
) -> None:
    start, end = T0 + 10 * MINUTE, T0 + 130 * MINUTE
    path = f"/services/{service}/metrics/response-times"

    answer = as_alice.ask("GET", f"{path}?{between(start, end)}&interval_seconds=1800")

    rows, meta = answer["data"], answer["meta"]
    bounds = [T0 + n * 30 * MINUTE for n in range(6)]
    assert [row["timestamp"] for row in rows] == [clock.iso_seconds(at) for at in bounds[:-1]]
    for row, low, high in zip(rows, bounds, bounds[1:], strict=False):
        inside = [one for one in history if max(low, start) <= one.checked_at < min(high, end)]
        assert (row["checks"], row["failures"]) == (
            len(inside), sum(not one.outcome.ok for one in inside),
        )  # fmt: skip
        times = sorted(took(one) for one in inside if one.outcome.ok)
        assert (row["min"], row["max"]) == (times[0], times[-1])
        assert row["avg"] == pytest.approx(statistics.fmean(times), abs=0.06)
        assert row["min"] <= row["p50"] <= row["p95"] <= row["p99"] <= row["max"]
    assert meta.items() >= {
        "period": "custom", "interval_seconds": 1800,
        "from": clock.iso_seconds(start), "to": clock.iso_seconds(end),
    }.items()  # fmt: skip
    everything = [took(one) for one in history if start <= one.checked_at < end and one.outcome.ok]
    assert meta["avg"] == pytest.approx(statistics.fmean(everything), abs=0.06)


def took(one: Finding) -> int:
    assert one.outcome.response_time_ms is not None
    return one.outcome.response_time_ms


@pytest.mark.parametrize("period", ["24h", "7d", "30d", "90d", "365d"])
def test_a_series_has_at_most_three_hundred_points(
    as_alice: Client, service: int, period: str
) -> None:
    answer = as_alice.ask("GET", f"/services/{service}/metrics/response-times?period={period}")

    assert 100 < len(answer["data"]) <= 300
    assert answer["meta"]["period"] == period
    empty = answer["data"][0]
    assert (empty["checks"], empty["failures"], empty["avg"], empty["p99"]) == (0, 0, None, None)


def test_a_sparkline_shows_how_the_service_stood(
    as_alice: Client, store: Store, alice: User
) -> None:
    patient = builders.add_service(store, alice, retries=1)
    builders.record(
        store,
        [
            finding(patient, T0 + 1, took=10),
            finding(patient, T0 + 2, took=21),
            finding(patient, T0 + 13 * MINUTE, took=30),
            finding(patient, T0 + 14 * MINUTE, ok=False),  # Not confirmed: no outage.
            finding(patient, T0 + 25 * MINUTE, took=40),
            finding(patient, T0 + 37 * MINUTE, ok=False),
            finding(patient, T0 + 38 * MINUTE, ok=False),
            finding(patient, T0 + 50 * MINUTE, ok=False),
            finding(patient, T0 + 73 * MINUTE, took=9),
            finding(patient, T0 + 120 * MINUTE - 1, took=7),
        ],
    )

    data = as_alice.data(
        f"/services/{patient}/metrics/sparkline?{between(T0, T0 + 120 * MINUTE)}&points=10"
    )

    assert data["values"] == [16, 30, 40, None, None, None, 9, None, None, 7]
    up, slow, down = "operational", "degraded", "down"
    assert data["statuses"] == [up, slow, up, down, down, down, down, None, None, up]
    assert data["interval_seconds"] == 720


def test_the_sparkline_of_a_list_is_that_of_the_last_half_hours(
    as_alice: Client, store: Store, alice: User
) -> None:
    patient = builders.add_service(store, alice, retries=1)
    slot = clock.now_ms() // SLOT_MS
    made = [
        finding(patient, (slot - 50) * SLOT_MS, took=1),
        finding(patient, (slot - 47) * SLOT_MS, took=2),
        finding(patient, (slot - 3) * SLOT_MS, took=5),
        finding(patient, (slot - 3) * SLOT_MS + 1, took=8),
        finding(patient, (slot - 2) * SLOT_MS, ok=False),
        finding(patient, (slot - 2) * SLOT_MS + 1, ok=False),
        finding(patient, slot * SLOT_MS, ok=False),
    ]

    builders.record(store, made)
    (shown,) = as_alice.data("/services?include=uptime,sparkline")

    line = shown["sparkline"]
    assert line["values"] == [2, *[None] * 43, 6, None, None, None]
    assert line["statuses"] == ["operational", *[None] * 43, "operational", *["down"] * 3]
    assert shown["uptime"] == {"24h": 50.0, "30d": 57.14}


def test_a_sparkline_has_forty_eight_points_unless_told(as_alice: Client, service: int) -> None:
    path = f"/services/{service}/metrics/sparkline"

    assert len(as_alice.data(path)["values"]) == 48
    assert len(as_alice.data(f"{path}?points=100&period=7d")["statuses"]) == 100


def test_errors_come_newest_first_with_their_incident(
    as_alice: Client, store: Store, service: int
) -> None:
    builders.record(
        store,
        [
            finding(service, T0, ok=False, error="dns_error", remote_ip="192.0.2.1"),
            finding(service, T0 + MINUTE, ok=False, error="timeout"),
            finding(service, T0 + 2 * MINUTE),
            finding(service, T0 + 13 * MINUTE + 5, ok=False, error="timeout"),
        ],
    )
    path = f"/services/{service}/errors"

    answer = as_alice.ask("GET", path)
    newest, middle, oldest = answer["data"]

    assert answer["meta"]["total"] == 3
    assert newest.items() >= {
        "timestamp": "2023-11-14T22:13:00.005Z", "code": "timeout",
        "message": "It failed: timeout", "status_code": None, "response_time": None,
        "probe": {"id": 1, "name": "This server"},
    }.items()  # fmt: skip
    assert (oldest["code"], oldest["details"]) == ("dns_error", {"remote_ip": "192.0.2.1"})
    assert middle["incident_id"] == oldest["incident_id"] != newest["incident_id"]
    assert newest["incident_id"] is not None
    assert [one["id"] for one in as_alice.data(f"{path}?limit=1&page=2")] == [middle["id"]]
    span = between(T0 + MINUTE, T0 + 3 * MINUTE)
    assert [one["id"] for one in as_alice.data(f"{path}?{span}")] == [middle["id"]]


BAD_SPANS = [
    "period=", "period=1y", "period=24H", "period=24h&from=2024-01-01T00:00:00Z",
    "to=2024-01-01T00:00:00Z", "from=2024-01-01", "from=2024-01-01T00:00:00", "from=now",
    "from=2024-02-01T00:00:00Z&to=2024-01-01T00:00:00Z",
    "from=2024-01-01T00:00:00Z&to=2024-01-01T00:00:00Z",
    "from=2001-01-01T00:00:00Z&to=2024-01-01T00:00:00Z", "from=2999-01-01T00:00:00Z",
    "from=0001-01-01T00:00:00%2B14:00", "from=1704067200", "from=99999-01-01T00:00:00Z",
    "from=1960-01-01T00:00:00Z&to=1961-01-01T00:00:00Z", "colour=red",
]  # fmt: skip
BAD_BUCKETS = ["interval_seconds=0", "interval_seconds=-1", "interval_seconds=x",
               "period=365d&interval_seconds=60", "interval_seconds=1", "points=10"]  # fmt: skip
BAD_POINTS = ["points=9", "points=101", "points=1e1", "points=", "interval_seconds=60"]


def test_a_span_that_cannot_be_used_is_refused(as_alice: Client, service: int) -> None:
    path = f"/services/{service}"
    calls = [
        *(f"{path}/metrics/{kind}?{query}" for kind in ("uptime", "response-times", "sparkline")
          for query in BAD_SPANS),
        *(f"{path}/metrics/response-times?{query}" for query in BAD_BUCKETS),
        *(f"{path}/metrics/sparkline?{query}" for query in BAD_POINTS),
        *(f"{path}/errors?{query}" for query in ("from=now", "to=", "limit=0", "period=7d")),
    ]  # fmt: skip

    answered: dict[str, Any] = {call: as_alice.call("GET", call).status_code for call in calls}

    assert {call: status for call, status in answered.items() if status != 400} == {}


def test_an_instant_may_have_any_zone(as_alice: Client, service: int) -> None:
    path = f"/services/{service}/metrics/sparkline"

    data = as_alice.data(f"{path}?from=2024-01-01T02:00:00%2B02:00&to=2024-01-01T12:00:00.500Z")

    assert (data["from"], data["to"]) == ("2024-01-01T00:00:00Z", "2024-01-01T12:00:00Z")


def test_response_times_can_be_those_of_one_probe(
    as_alice: Client, store: Store, service: int, history: list[Finding], remote: tuple[int, str]
) -> None:
    as_alice.ask("PATCH", f"/services/{service}", {"probe_ids": [LOCAL_PROBE, remote[0]]})
    seen = finding(service, T0 + MINUTE, took=5000, probe=remote[0], revision=2)
    builders.record(store, [seen])
    path = f"/services/{service}/metrics/response-times?{between(T0, T0 + HOUR_MS)}"

    everybody = as_alice.ask("GET", path)["meta"]["avg"]

    assert as_alice.ask("GET", f"{path}&probe_id={remote[0]}")["meta"]["avg"] == 5000
    assert as_alice.ask("GET", f"{path}&probe_id={LOCAL_PROBE}")["meta"]["avg"] < everybody
    assert as_alice.ask("GET", f"{path}&probe_id=999")["meta"]["avg"] is None


def test_time_before_a_service_existed_is_no_time_between_failures(
    as_alice: Client, store: Store, service: int
) -> None:
    now = clock.now_ms()
    builders.record(store, [finding(service, now, ok=False)])

    data = as_alice.data(f"/services/{service}/metrics/uptime?period=24h")

    assert data["incident_count"] == 1
    assert data["mtbf_seconds"] < 60
