from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from tests.targets import program, scripted
from tests.targets import redis as targets
from uptimehunt.checks import Deadline, Outcome, redis
from uptimehunt.checks.base import secret_names

PASSWORD = targets.PASSWORD


@pytest.fixture(scope="module")
def server() -> Iterator[targets.RedisTarget]:
    with targets.redis_target() as running:
        yield running


def check(port: int, seconds: float = 5, **more: Any) -> Outcome:
    config = redis.RedisConfig(host="127.0.0.1", port=port, timeout=1, **more)
    return redis.check(config, Deadline(seconds))


def test_a_server_that_takes_the_login_is_up(server: targets.RedisTarget) -> None:
    outcome = check(server.port, password=PASSWORD)

    assert outcome.ok and outcome.response_time_ms
    assert outcome.details["remote_ip"] == "127.0.0.1"
    timing = outcome.details["timing"]
    assert list(timing) == list(redis.CHECK.timing_phases)
    assert 0 < timing["connect"] < timing["total"]


def test_a_user_of_the_access_list_logs_in(server: targets.RedisTarget) -> None:
    login: dict[str, Any] = {"username": targets.READER, "password": targets.READERS_PASSWORD}

    assert check(server.port, **login).ok
    refused = check(server.port, key="greeting", **login)
    assert refused.error == "authentication_failed"
    assert refused.message == "The login is not allowed to do this"


def test_tls_is_spoken_and_its_certificate_shown(server: targets.RedisTarget) -> None:
    login: dict[str, Any] = {"password": PASSWORD, "tls": True}

    outcome = check(server.tls_port, ca_pem=program.ca_pem(), **login)

    assert outcome.ok
    assert "127.0.0.1" in outcome.details["certificate"]["names"]
    untrusted = check(server.tls_port, **login)
    assert untrusted.error == "certificate_invalid"
    assert untrusted.details["certificate"]["days_left"] > 0


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({}, "The server wants a login"),
        ({"password": "wrong-one"}, "User name or password is wrong"),
        ({"username": "nobody", "password": PASSWORD}, "User name or password is wrong"),
    ],
)
def test_a_wrong_login_is_told_from_other_trouble(
    server: targets.RedisTarget, more: dict[str, Any], message: str
) -> None:
    outcome = check(server.port, **more)

    assert (outcome.error, outcome.message) == ("authentication_failed", message)
    assert PASSWORD not in repr(outcome) and "wrong-one" not in repr(outcome)


def test_a_key_is_compared_with_the_expected_value(server: targets.RedisTarget) -> None:
    assert check(server.port, password=PASSWORD, key="greeting").ok
    assert check(server.port, password=PASSWORD, key="greeting", expected="hello").ok
    assert check(server.port, password=PASSWORD, key="third", database=3, expected="yes").ok

    outcome = check(server.port, password=PASSWORD, key="greeting", expected="bye")

    assert (outcome.error, outcome.details["value"]) == ("assertion_failed", "hello")
    assert outcome.message == "Key holds another value than expected"


def test_a_value_that_holds_our_password_is_shown_without_it(server: targets.RedisTarget) -> None:
    outcome = check(server.port, password=PASSWORD, key="leak", expected="")

    assert outcome.details["value"] == "it is ********!"
    assert PASSWORD not in repr(outcome)


@pytest.mark.parametrize(
    ("key", "error", "message"),
    [
        ("missing", "assertion_failed", "Key does not exist"),
        ("list", "assertion_failed", "Key does not hold a text"),
        ("big", "body_too_large", "Key holds more than 1 MiB"),
    ],
)
def test_a_key_that_cannot_be_read_is_a_failure(
    server: targets.RedisTarget, key: str, error: str, message: str
) -> None:
    outcome = check(server.port, password=PASSWORD, key=key)

    assert (outcome.error, outcome.message) == (error, message)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "protocol_error"),
        (b"\0" * 20_000, "protocol_error"),
        (b"+OK\r\n", "protocol_error"),
        (b":1\r\n", "protocol_error"),
        (b"$x\r\n", "protocol_error"),
        (b"$99999999999999\r\n", "protocol_error"),
        (b"$2000000\r\n", "body_too_large"),
        (b"$5\r\nPO", "timeout"),
        (b"-LOADING Redis is loading the dataset in memory\r\n", "assertion_failed"),
        (b"-DENIED Redis is running in protected mode\r\n", "authentication_failed"),
        (b"-ERR operation not permitted\r\n", "authentication_failed"),
    ],
)
def test_what_is_not_an_answer_to_ping_is_a_failure(reply: bytes, error: str) -> None:
    with scripted.saying(reply) as port:
        outcome = check(port, 0.5 if error == "timeout" else 5)

    assert outcome.error == error
    assert outcome.message and "Redis is" not in outcome.message


def test_an_old_server_without_passwords_refuses_the_login() -> None:
    with scripted.saying(b"-ERR Client sent AUTH, but no password is set\r\n") as port:
        outcome = check(port, password="x")

    assert outcome.error == "authentication_failed"


@pytest.mark.parametrize(
    ("more", "fields"),
    [
        ({"host": ""}, {"host"}),
        ({"port": 0}, {"port"}),
        ({"database": -1}, {"database"}),
        ({"username": "x"}, {"password"}),
        ({"password": ""}, {"password"}),
        ({"expected": "x"}, {"key"}),
        ({"key": ""}, {"key"}),
        ({"tls": 1}, {"tls"}),
        ({"unknown": 1}, {"unknown"}),
    ],
)
def test_a_bad_field_is_named(more: dict[str, Any], fields: set[str]) -> None:
    with pytest.raises(ValidationError) as caught:
        redis.RedisConfig.model_validate({"host": "127.0.0.1", **more})

    assert scripted.named_fields(caught) == fields


def test_the_target_is_host_and_port_and_the_password_a_secret() -> None:
    target = redis.CHECK.target(redis.RedisConfig(host="Cache.lan", password="x"))

    assert (target.host, target.port, target.label) == ("cache.lan", 6379, "cache.lan:6379")
    assert secret_names(redis.RedisConfig) == {"password"}
