"""`/health`."""

import pytest

from tests.contract import Client
from uptimehunt import __version__
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
