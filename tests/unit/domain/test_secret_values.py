"""Secrets inside a config."""

from typing import Any

import pytest

from uptimehunt.domain.secret_values import hide, kept_names, restore, unflagged
from uptimehunt.errors import ValidationError

SECRET = {"name": "X-Key", "value": "CANARY", "secret": True}
PLAIN = {"name": "Accept", "value": "*/*", "secret": False}
CONFIG: dict[str, Any] = {"url": "https://a.example", "headers": [PLAIN, SECRET], "codes": [200]}


def test_a_secret_value_is_left_out_when_shown() -> None:
    shown = hide(CONFIG)

    assert "CANARY" not in str(shown)
    assert shown["headers"] == [PLAIN, {"name": "X-Key", "secret": True, "has_value": True}]
    assert (shown["url"], shown["codes"]) == (CONFIG["url"], CONFIG["codes"])
    assert CONFIG["headers"][1]["value"] == "CANARY"


def test_what_was_shown_stands_for_what_is_kept() -> None:
    shown = hide(CONFIG)

    assert kept_names(shown, CONFIG) == ["headers"]
    assert restore(shown, CONFIG) == CONFIG
    assert kept_names(CONFIG, {}) == []
    assert restore(CONFIG, {}) == CONFIG


def test_a_new_value_replaces_the_old_one() -> None:
    sent = {"headers": [SECRET | {"value": "NEW"}]}

    assert restore(sent, CONFIG) == sent


@pytest.mark.parametrize(
    "item",
    [
        {"name": "X-Other", "secret": True},
        {"name": "x-key ", "secret": True},
        {"name": "Accept", "secret": True},
        {"name": None, "secret": True},
    ],
)
def test_a_value_that_was_never_set_is_missed(item: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        restore({"headers": [PLAIN, item]}, CONFIG)

    assert refused.value.details == {"headers.1.value": ["Value is required"]}


def test_what_is_no_secret_is_left_alone() -> None:
    odd = {
        "headers": [{"name": "A"}, {"secret": True}, "text", None, 5, []],
        "deep": {"a": [SECRET]},
    }

    assert restore(odd, {}) == odd
    assert hide({"headers": ["text", None]}) == {"headers": ["text", None]}


SECRETS = frozenset({"password", "token"})
LOGIN = {"host": "db.lan", "password": "CANARY"}


def test_a_declared_secret_is_shown_as_a_flag() -> None:
    assert hide(LOGIN, SECRETS) == {"host": "db.lan", "has_password": True}
    assert hide({"host": "db.lan", "password": None}, SECRETS) == {"host": "db.lan"}


def test_a_declared_secret_that_is_left_out_stays() -> None:
    sent = unflagged(hide(LOGIN, SECRETS), SECRETS)

    assert sent == {"host": "db.lan"}
    assert kept_names(sent, LOGIN, SECRETS) == ["password"]
    assert restore(sent, LOGIN, SECRETS) == LOGIN


@pytest.mark.parametrize("value", [None, "new"])
def test_a_declared_secret_that_is_sent_replaces_the_old_one(value: str | None) -> None:
    sent = {"host": "db.lan", "password": value}

    assert kept_names(sent, LOGIN, SECRETS) == []
    assert restore(sent, LOGIN, SECRETS) == sent


def test_a_declared_secret_that_was_never_set_stays_unset() -> None:
    assert restore({"host": "db.lan"}, {"host": "old"}, SECRETS) == {"host": "db.lan"}
