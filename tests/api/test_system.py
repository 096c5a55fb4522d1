"""`/health` and `/status`."""

import pytest

from tests import builders
from tests.contract import Client
from uptimehunt import __version__
from uptimehunt.domain.disk_forecast import (
    DAY_BYTES,
    FAILURE_BYTES,
    HALF_HOUR_BYTES,
    RESULT_BYTES,
)
from uptimehunt.store.database import Store
from uptimehunt.store.models import User


def test_a_program_that_is_well_says_so(client: Client, health: dict[str, bool]) -> None:
    data = client.data("/health")

    assert data.items() >= {
        "status": "ok", "version": __version__, "setup_required": True,
        "checks": {"database": "ok", "scheduler": "ok", "recorder": "ok"},
    }.items()  # fmt: skip
    assert data["uptime_seconds"] in range(60)


def test_after_the_first_account_nothing_is_to_be_set_up(client: Client, alice: User) -> None:
    assert client.data("/health")["setup_required"] is False


@pytest.mark.parametrize("part", ["database", "scheduler", "recorder"])
def test_the_part_that_is_not_well_is_named(
    client: Client, health: dict[str, bool], part: str
) -> None:
    health[part] = False

    answer = client.call("GET", "/health")

    assert answer.status_code == 503
    assert answer.json["error"]["code"] == "SERVICE_UNAVAILABLE"
    assert part in answer.json["error"]["message"]
    assert int(answer.headers["Retry-After"]) > 0


def test_a_monitor_may_ask_with_head(client: Client) -> None:
    assert client.call("HEAD", "/health").status_code == 200


def test_it_is_never_kept(client: Client) -> None:
    assert client.call("GET", "/health").headers["Cache-Control"] == "no-store"


def test_the_status_tells_how_large_the_database_gets(
    as_alice: Client, store: Store, alice: User
) -> None:
    one, other = (
        builders.add_service(store, alice, interval_seconds=60, retries=9) for _ in range(2)
    )
    builders.record(store, [builders.finding(one), builders.finding(other, ok=False)])
    builders.merge(store)
    builders.record(store, [builders.finding(one, builders.T0 + 60_000)])

    told = as_alice.data("/status")["database"]

    a_day = 2 * 1440 * (RESULT_BYTES + FAILURE_BYTES / 2) + 2 * 48 * HALF_HOUR_BYTES + 2 * DAY_BYTES
    grown = told["forecast"]["in_30_days_bytes"] - told["size_bytes"]
    assert told["results"] == 3
    assert (told["results_days"], told["figures_days"], told["max_bytes"]) == (30, 365, None)
    assert grown == pytest.approx(30 * a_day, rel=0.1)
    assert told["forecast"]["in_365_days_bytes"] > told["forecast"]["in_30_days_bytes"]
    assert told["backup"] == {"last_at": None, "size_bytes": None, "ok": True}
