"""The `group` type: what a group makes of how its members stand."""

from typing import Any

import pytest

from uptimehunt.checks import Deadline, group
from uptimehunt.checks.base import Outcome
from uptimehunt.checks.group import GroupConfig, Member, Told, judge
from uptimehunt.domain.validation import parse
from uptimehunt.errors import ValidationError

LETTERS = {"o": "operational", "d": "down", "g": "degraded", "p": "paused", "n": "pending",
           "m": "maintenance"}  # fmt: skip


def judged(statuses: str, rule: str = "worst") -> Outcome:
    """What becomes of members with these statuses, by their first letters."""
    members = [Member(f"{letter}{at}", LETTERS[letter]) for at, letter in enumerate(statuses)]
    config = GroupConfig.model_validate(
        {"service_ids": list(range(1, 1 + max(1, len(members)))), "rule": rule}
    )
    found = judge(config, Told(members))
    assert found.outcome is not None
    assert (found.at, found.again_at) == (None, None)
    return found.outcome


@pytest.mark.parametrize(
    ("statuses", "rule", "message"),
    [
        ("d", "worst", "1 of 1 member is down"),
        ("od", "worst", "1 of 2 members is down"),
        ("odod", "worst", "2 of 4 members are down"),
        ("dgo", "worst", "1 of 3 members is down"),
        ("dpnm", "worst", "1 of 1 member is down"),
        ("ddo", "majority", "2 of 3 members are down"),
        ("d", "majority", "1 of 1 member is down"),
        ("ddp", "majority", "2 of 2 members are down"),
        ("dd", "any", "2 of 2 members are down"),
        ("dp", "any", "1 of 1 member is down"),
    ],
)
def test_a_group_is_down(statuses: str, rule: str, message: str) -> None:
    outcome = judged(statuses, rule)

    assert (outcome.ok, outcome.error, outcome.message) == (False, "assertion_failed", message)
    assert outcome.details["down"] == [
        f"d{at}" for at, letter in enumerate(statuses) if letter == "d"
    ]
    assert not outcome.is_unknown


@pytest.mark.parametrize(
    ("statuses", "rule", "warning"),
    [
        ("do", "majority", "1 of 2 members is down"),
        ("ddoog", "majority", "2 of 5 members are down"),
        ("do", "any", "1 of 2 members is down"),
        ("dddddg", "any", "5 of 6 members are down"),
        ("go", "worst", "1 of 2 members is degraded"),
        ("gg", "any", "2 of 2 members are degraded"),
    ],
)
def test_a_group_is_degraded(statuses: str, rule: str, warning: str) -> None:
    outcome = judged(statuses, rule)

    assert (outcome.ok, outcome.error, outcome.message) == (True, None, "")
    assert outcome.details["warning"] == warning


@pytest.mark.parametrize("rule", ["worst", "majority", "any"])
@pytest.mark.parametrize("statuses", ["o", "oo", "opnm"])
def test_a_group_is_up(statuses: str, rule: str) -> None:
    outcome = judged(statuses, rule)

    assert outcome == Outcome(
        True, details={"members": len(statuses), "counting": outcome.details["counting"]}
    )
    assert outcome.details["counting"] == statuses.count("o")


@pytest.mark.parametrize("rule", ["worst", "majority", "any"])
@pytest.mark.parametrize("statuses", ["", "p", "n", "m", "pnm"])
def test_nothing_is_known_of_a_group_of_which_no_member_counts(statuses: str, rule: str) -> None:
    outcome = judged(statuses, rule)

    assert (outcome.ok, outcome.is_unknown, outcome.error) == (False, True, None)
    assert outcome.message == "No member has a status yet"


def test_no_more_than_a_few_names_are_shown() -> None:
    outcome = judged("d" * 200)

    assert outcome.message == "200 of 200 members are down"
    assert len(outcome.details["down"]) == group.MOST_NAMES


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({}, "service_ids"),
        ({"service_ids": []}, "service_ids"),
        ({"service_ids": [1, 1]}, "service_ids"),
        ({"service_ids": list(range(1, 202))}, "service_ids"),
        ({"service_ids": [0]}, "service_ids.0"),
        ({"service_ids": [2**63]}, "service_ids.0"),
        ({"service_ids": ["1"]}, "service_ids.0"),
        ({"service_ids": [1], "rule": "best"}, "rule"),
    ],
)
def test_a_config_that_cannot_work_is_refused_by_field(fields: dict[str, Any], name: str) -> None:
    with pytest.raises(ValidationError) as caught:
        parse(GroupConfig, fields)

    assert caught.value.details.keys() == {name}


def test_its_label_and_its_members_are_told() -> None:
    for ids, label in (([7], "1 service"), ([7, 3], "2 services")):
        config = GroupConfig(service_ids=ids)
        assert group.CHECK.target(config).label == label
        assert group.CHECK.members is not None
        assert list(group.CHECK.members(config)) == ids


def test_it_is_judged_and_cannot_be_checked() -> None:
    with pytest.raises(TypeError):
        group.CHECK.check(GroupConfig(service_ids=[1]), Deadline(1))
