"""`/services/{id}/metrics/days` and `/metrics/timeline`: days of a zone, and what seconds were."""

import itertools
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests import builders
from tests.builders import finding
from tests.contract import Client
from tests.wall_clock import WallClock, wall_clock
from uptimehunt import clock
from uptimehunt.domain import metrics, retention, services
from uptimehunt.store.database import Store
from uptimehunt.store.models import CheckResult, HalfHour, User

MINUTE = 60_000
HOUR = 60 * MINUTE
INTERVAL = 10 * MINUTE


@pytest.fixture(autouse=True)
def wall() -> Iterator[WallClock]:
    """The clock; people sign in long after all that is told of, so that no token has expired."""
    with wall_clock(at("2040-01-01T00:00:00Z")) as wall:
        yield wall


def at(text: str) -> int:
    return clock.parse_iso(text)


def checked(
    store: Store, wall: WallClock, user: User, start: str, end: str, *failed: tuple[str, str]
) -> int:
    """A service that was checked every ten minutes; it failed in some spans. It is `end` now."""
    wall.now = at(start)
    service = builders.add_service(store, user, interval_seconds=600, retries=0)
    spans = [(at(began), at(over)) for began, over in failed]
    builders.record(
        store,
        [
            finding(service, instant, ok=not any(began <= instant < over for began, over in spans))
            for instant in range(at(start), at(end), INTERVAL)
        ],
    )
    wall.now = at(end)
    return service


DAYS = [
    # The zone, its day, when that begins and ends, and how many hours it has.
    ("Europe/Berlin", "2026-03-29", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", 23),
    ("Europe/Berlin", "2026-10-25", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", 25),
    ("America/New_York", "2026-03-08", "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z", 23),
    ("America/New_York", "2026-11-01", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z", 25),
    ("Australia/Lord_Howe", "2026-04-05", "2026-04-04T13:00:00Z", "2026-04-05T13:30:00Z", 24.5),
    ("Australia/Lord_Howe", "2026-10-04", "2026-10-03T13:30:00Z", "2026-10-04T13:00:00Z", 23.5),
    ("America/Havana", "2026-03-08", "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z", 23),
    ("America/Havana", "2026-11-01", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z", 25),
    ("UTC", "2024-02-29", "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z", 24),
    ("Europe/Berlin", "2025-12-31", "2025-12-30T23:00:00Z", "2025-12-31T23:00:00Z", 24),
    ("Pacific/Apia", "2011-12-29", "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z", 24),
]  # fmt: skip


@pytest.mark.parametrize(("zone", "day", "start", "end", "hours"), DAYS)
def test_a_day_is_as_long_as_its_clocks_make_it(
    as_alice: Client, store: Store, wall: WallClock, alice: User,
    zone: str, day: str, start: str, end: str, hours: float,
) -> None:  # fmt: skip
    before, after = (
        clock.iso_seconds(at(edge) + shift) for edge, shift in ((start, -6 * HOUR), (end, 6 * HOUR))
    )
    # Down for the last hour of the day before, and the first two of this one; and for its last.
    outage = clock.iso_seconds(at(start) - HOUR), clock.iso_seconds(at(start) + 2 * HOUR)
    another = clock.iso_seconds(at(end) - HOUR), end
    service = checked(store, wall, alice, before, after, outage, another)

    (told,) = as_alice.data(f"/services/{service}/metrics/days?from={day}&to={day}&timezone={zone}")

    checks = int(hours * 6)
    assert told == {
        "date": day, "from": start, "to": end,
        "total_checks": checks, "successful_checks": checks - 18, "failed_checks": 18,
        "uptime_percentage": float(round((checks - 18) * 100 / checks, 2)),
        "avg": 10, "min": 10, "max": 10, "p50": 10, "p95": 10, "p99": 10,
        "coverage_percentage": 100, "incident_count": 2,
        "seconds": {
            "up": int((hours - 3) * 3600), "down": 3 * 3600,
            "degraded": 0, "unknown": 0, "maintenance": 0, "paused": 0,
        },
    }  # fmt: skip


@pytest.mark.parametrize(
    ("zone", "first"),
    [
        ("Europe/Berlin", "2026-03-26"), ("Europe/Berlin", "2026-10-22"),
        ("America/New_York", "2026-10-29"), ("Australia/Lord_Howe", "2026-04-02"),
        ("Pacific/Apia", "2011-12-27"), ("Asia/Kathmandu", "2025-12-29"), ("UTC", "2024-02-26"),
    ],
)  # fmt: skip
def test_days_follow_each_other_and_count_all_once(
    as_alice: Client, store: Store, wall: WallClock, alice: User, zone: str, first: str
) -> None:
    last = (datetime.fromisoformat(first) + timedelta(days=6)).date().isoformat()
    start = clock.iso_seconds(at(f"{first}T00:00:00Z") + 20 * HOUR)
    end = clock.iso_seconds(at(f"{last}T00:00:00Z") - 20 * HOUR)
    service = checked(store, wall, alice, start, end)
    builders.merge(store)

    days = as_alice.data(f"/services/{service}/metrics/days?from={first}&to={last}&timezone={zone}")

    assert [day["date"] for day in days] == [
        (datetime.fromisoformat(first) + timedelta(days=more)).date().isoformat()
        for more in range(7)
    ]
    assert all(day["to"] == following["from"] for day, following in itertools.pairwise(days))
    checks = (at(end) - at(start)) // INTERVAL
    assert sum(day["total_checks"] for day in days) == checks
    assert sum(day["seconds"]["up"] for day in days) == checks * 600
    for day in days:
        whole = (at(day["to"]) - at(day["from"])) // 1000
        not_yet = max(at(start) - at(day["from"]), 0) + max(at(day["to"]) - at(end), 0)
        assert sum(day["seconds"].values()) == max(whole - not_yet // 1000, 0)


def test_the_day_that_never_was_is_empty(
    as_alice: Client, store: Store, wall: WallClock, alice: User
) -> None:
    service = checked(store, wall, alice, "2011-12-29T00:00:00Z", "2012-01-01T00:00:00Z")

    before, none, after = as_alice.data(
        f"/services/{service}/metrics/days?from=2011-12-29&to=2011-12-31&timezone=Pacific/Apia"
    )

    assert (before["total_checks"], none["total_checks"], after["total_checks"]) == (144, 0, 144)
    assert before["to"] == none["from"] == none["to"] == after["from"] == "2011-12-30T10:00:00Z"
    assert (none["coverage_percentage"], none["uptime_percentage"]) == (None, None)
    assert set(none["seconds"].values()) == {0}


def test_results_of_a_zone_off_the_half_hour_go_by_the_nearest(
    as_alice: Client, store: Store, wall: WallClock, alice: User
) -> None:
    wall.now = at("2026-01-01T12:00:00Z")
    service = builders.add_service(store, alice, interval_seconds=60)
    # In Kathmandu, 2026-01-02 begins at 18:15 UTC.
    instants = [at(f"2026-01-01T18:{minute}:30Z") for minute in ("14", "16", "29", "30")]
    builders.record(store, [finding(service, instant) for instant in instants])
    wall.now = at("2026-01-01T18:31:00Z")

    one, other = as_alice.data(
        f"/services/{service}/metrics/days?from=2026-01-01&to=2026-01-02&timezone=Asia/Kathmandu"
    )

    assert (one["total_checks"], other["total_checks"]) == (3, 1)
    assert one["to"] == other["from"] == "2026-01-01T18:15:00Z"
    assert other["seconds"] | {"up": 0, "unknown": 0} == dict.fromkeys(other["seconds"], 0)
    assert sum(other["seconds"].values()) == 16 * 60


@pytest.mark.parametrize("kept_from", ["2026-06-03T04:00:00Z", "2027-01-01T00:00:00Z"])
def test_days_from_which_no_half_hours_are_kept_are_those_of_utc(
    as_alice: Client, store: Store, wall: WallClock, alice: User, kept_from: str
) -> None:
    outage = "2026-06-02T22:00:00Z", "2026-06-03T00:00:00Z"
    service = checked(store, wall, alice, "2026-06-01T22:00:00Z", "2026-06-04T22:00:00Z", outage)
    builders.merge(store)
    path = f"/services/{service}/metrics/days?from=2026-06-02&to=2026-06-04&timezone=Europe/Berlin"
    counts = ("total_checks", "failed_checks")
    before = [[day[name] for name in counts] for day in as_alice.data(path)]

    for table in (CheckResult, HalfHour):
        store.write(retention.expire, retention.Old(table, service, at(kept_from)))

    days = as_alice.data(path)
    assert before == [[144, 0], [144, 12], [144, 0]]
    assert [[day[name] for name in counts] for day in days][:2] == [[144, 12], [144, 0]]
    assert days[2]["total_checks"] == (144 if kept_from < "2026-07" else 132)
    assert [day["seconds"]["down"] for day in days] == [0, 7200, 0]


def test_thirty_days_of_the_callers_own_zone(
    as_alice: Client, store: Store, wall: WallClock, alice: User
) -> None:
    wall.now = at("2026-06-30T23:30:00Z")
    alice.timezone = "Asia/Tokyo"
    store.write(alice.save)
    service = builders.add_service(store, alice)

    days = as_alice.data(f"/services/{service}/metrics/days")

    assert (days[0]["date"], days[-1]["date"], len(days)) == ("2026-06-02", "2026-07-01", 30)
    assert (days[-1]["from"], days[-1]["to"]) == ("2026-06-30T15:00:00Z", "2026-07-01T15:00:00Z")


def test_days_of_a_new_service_are_empty(
    as_alice: Client, store: Store, wall: WallClock, alice: User
) -> None:
    wall.now = at("2026-06-30T12:00:00Z")
    service = builders.add_service(store, alice)
    wall.now += MINUTE

    before, today, tomorrow = as_alice.data(
        f"/services/{service}/metrics/days?from=2026-06-29&to=2026-07-01"
    )

    assert (before["coverage_percentage"], today["coverage_percentage"]) == (None, 0)
    assert tomorrow["coverage_percentage"] is None
    assert sum(before["seconds"].values()) + sum(tomorrow["seconds"].values()) == 0
    assert today["seconds"]["unknown"] == sum(today["seconds"].values()) == 60
    assert today["uptime_percentage"] is None


@pytest.mark.parametrize(
    "query",
    [
        "from=yesterday", "to=2026-02-30", "from=2026-01-02&to=2026-01-01",
        "from=2025-01-01&to=2026-02-05", "from=0001-01-01&to=0001-01-02", "to=9999-12-31",
        "from=1970-12-31&to=1971-01-01", "timezone=Mars", "timezone=../../etc/passwd",
        "timezone=Europe", "timezone=", "from=2026-01-01T00:00:00Z", "days=3",
    ],
)  # fmt: skip
def test_days_that_make_no_sense(as_alice: Client, store: Store, alice: User, query: str) -> None:
    service = builders.add_service(store, alice)

    as_alice.refusal("GET", f"/services/{service}/metrics/days?{query}", status=400)


def test_400_days_at_once(as_alice: Client, store: Store, alice: User) -> None:
    service = builders.add_service(store, alice)

    days = as_alice.data(f"/services/{service}/metrics/days?from=2025-01-01&to=2026-02-04")

    assert len(days) == 400


# --- the timeline ------------------------------------------------------------------------------


def test_a_timeline_has_no_gap(
    as_alice: Client, store: Store, wall: WallClock, alice: User
) -> None:
    service = checked(
        store, wall, alice, "2026-03-29T00:00:00Z", "2026-03-29T06:00:00Z",
        ("2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"),
    )  # fmt: skip
    store.write(services.change, alice, service, {"enabled": False})
    wall.now += HOUR

    told = as_alice.data(f"/services/{service}/metrics/timeline")

    assert [(one["status"], one["seconds"]) for one in told] == [
        ("up", 3600), ("down", 1800), ("up", 16_200), ("paused", 3600),
    ]  # fmt: skip
    assert all(one["to"] == other["from"] for one, other in itertools.pairwise(told))
    assert (told[0]["from"], told[-1]["to"]) == ("2026-03-29T00:00:00Z", "2026-03-29T07:00:00Z")
    part = as_alice.data(
        f"/services/{service}/metrics/timeline?from=2026-03-29T01:20:00Z&to=2026-03-29T01:40:00Z"
    )
    assert [(one["status"], one["seconds"]) for one in part] == [("down", 600), ("up", 600)]


def test_stretches_shorter_than_a_second_add_up(
    as_alice: Client, store: Store, wall: WallClock, alice: User
) -> None:
    wall.now = at("2026-03-29T00:00:00.500Z")
    service = builders.add_service(store, alice, retries=0)
    for more, ok in ((900, True), (1100, False), (2800, True)):
        builders.record(store, [finding(service, wall.now + more, ok)])
    wall.now += 4000

    told = as_alice.data(f"/services/{service}/metrics/timeline")

    assert [one["seconds"] for one in told] == [1, 0, 2, 1]
    for one in told:
        assert one["seconds"] * 1000 == at(one["to"]) - at(one["from"])


@pytest.mark.parametrize("query", ["period=2d", "from=2026-01-02T00:00:00Z&period=24h", "from=x"])
def test_a_timeline_that_makes_no_sense(
    as_alice: Client, store: Store, alice: User, query: str
) -> None:
    service = builders.add_service(store, alice)

    as_alice.refusal("GET", f"/services/{service}/metrics/timeline?{query}", status=400)


@pytest.mark.parametrize("path", ["days", "timeline"])
def test_only_its_owner_sees_them(
    as_alice: Client, as_bob: Client, as_nobody: Client, store: Store, alice: User, path: str
) -> None:
    service = builders.add_service(store, alice)

    as_bob.refusal("GET", f"/services/{service}/metrics/{path}", status=404)
    as_nobody.refusal("GET", f"/services/{service}/metrics/{path}", status=401)
    store.write(services.delete, alice, service)
    as_alice.refusal("GET", f"/services/{service}/metrics/{path}", status=404)


def test_uptime_says_how_much_was_seen(
    as_alice: Client, store: Store, wall: WallClock, alice: User
) -> None:
    service = checked(store, wall, alice, "2026-03-29T00:00:00Z", "2026-03-29T06:00:00Z")
    wall.now += 18 * HOUR

    told: dict[str, Any] = as_alice.data(f"/services/{service}/metrics/uptime?period=24h")

    assert (told["uptime_percentage"], told["coverage_percentage"]) == (100, 25)
    assert (told["seconds"]["up"], told["seconds"]["unknown"]) == (6 * 3600, 18 * 3600)


def test_a_timeline_of_too_many_changes_is_to_be_asked_for_in_parts(
    as_alice: Client, store: Store, alice: User, wall: WallClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "MOST_STRETCHES", 2)
    failed = ("2026-01-01T01:00:00Z", "2026-01-01T02:00:00Z")
    service = checked(store, wall, alice, "2026-01-01T00:00:00Z", "2026-01-01T03:00:00Z", failed)
    path = f"/services/{service}/metrics/timeline"

    error = as_alice.refusal("GET", path, status=400)

    assert "shorter" in error["message"]
    span = "from=2026-01-01T00:30:00Z&to=2026-01-01T01:30:00Z"
    assert [one["status"] for one in as_alice.data(f"{path}?{span}")] == ["up", "down"]
