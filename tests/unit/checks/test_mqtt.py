from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from tests.targets import mqtt as targets
from tests.targets import program, scripted
from uptimehunt.checks import Deadline, Outcome, mqtt
from uptimehunt.checks.base import secret_names

PASSWORD = targets.PASSWORD
LOGIN: dict[str, Any] = {"username": targets.USER, "password": PASSWORD}
WELCOME = b"\x20\2\0\0"
SUBSCRIBED = b"\x90\3\0\1\0"
HELLO = b"\x30\x08\0\1thello"


@pytest.fixture(scope="module")
def broker() -> Iterator[targets.MqttTarget]:
    with targets.mqtt_target() as running:
        yield running


def check(port: int, seconds: float = 5, **more: Any) -> Outcome:
    config = mqtt.MqttConfig(host="127.0.0.1", port=port, timeout=1, **more)
    return mqtt.check(config, Deadline(seconds))


def test_a_broker_that_takes_the_login_is_up(broker: targets.MqttTarget) -> None:
    outcome = check(broker.port, **LOGIN)

    assert outcome.ok and outcome.response_time_ms
    timing = outcome.details["timing"]
    assert list(timing) == list(mqtt.CHECK.timing_phases)
    assert 0 < timing["connect"] < timing["total"]


def test_tls_is_spoken_and_its_certificate_judged(broker: targets.MqttTarget) -> None:
    outcome = check(broker.tls_port, **LOGIN, tls=True, ca_pem=program.ca_pem())

    assert outcome.ok
    assert "127.0.0.1" in outcome.details["certificate"]["names"]
    assert check(broker.tls_port, **LOGIN, tls=True).error == "certificate_invalid"


@pytest.mark.parametrize(
    "more", [{}, {"username": "nobody"}, {"username": targets.USER, "password": "wrong-one"}]
)
def test_a_wrong_login_is_told_from_other_trouble(
    broker: targets.MqttTarget, more: dict[str, Any]
) -> None:
    outcome = check(broker.port, **more)

    assert outcome.error == "authentication_failed"
    assert outcome.message == "The broker does not let this user in"
    assert "wrong-one" not in repr(outcome)


def test_a_message_of_ours_comes_back(broker: targets.MqttTarget) -> None:
    outcome = check(broker.port, **LOGIN, topic="open/echo", publish="are you there?")

    assert outcome.ok
    assert outcome.details["messages"] == 1


def test_a_message_of_the_broker_is_matched(broker: targets.MqttTarget) -> None:
    outcome = check(broker.port, **LOGIN, topic="$SYS/broker/version", expect="^mosquitto version")

    assert outcome.ok


def test_a_message_that_does_not_match_is_shown_without_our_password(
    broker: targets.MqttTarget,
) -> None:
    said = f"it is {PASSWORD}!"

    outcome = check(broker.port, 1, **LOGIN, topic="open/x", publish=said, expect="^yes$")

    assert (outcome.error, outcome.message) == ("assertion_failed", "No message was as expected")
    assert outcome.details["message"] == "it is ********!"
    assert PASSWORD not in repr(outcome)


def test_a_topic_that_stays_silent_ends_at_the_deadline(broker: targets.MqttTarget) -> None:
    outcome = check(broker.port, 1, **LOGIN, topic="open/nothing")

    assert (outcome.error, outcome.message) == ("timeout", "No message within 1 s")


def test_what_is_published_where_we_may_not_does_not_come_back(broker: targets.MqttTarget) -> None:
    outcome = check(broker.port, 0.4, **LOGIN, topic="closed/x", publish="hello")

    assert outcome.error in ("timeout", "authentication_failed")


def test_messages_of_every_quality_of_service_are_read() -> None:
    with_id = b"\x32\x0a\0\1t\0\7world"
    with scripted.saying(WELCOME, HELLO + SUBSCRIBED + with_id) as port:
        outcome = check(port, topic="t", expect="^world$")

    assert outcome.ok
    assert outcome.details["messages"] == 2


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ([b"\x20\2\0\1"], "protocol_error"),
        ([b"\x20\2\0\3"], "assertion_failed"),
        ([b"\x20\2\0\4"], "authentication_failed"),
        ([b"\x20\2\0\x63"], "protocol_error"),
        ([b"\x20\0"], "protocol_error"),
        ([SUBSCRIBED], "protocol_error"),
        ([b"HTTP/1.1 400 Bad Request\r\n\r\n"], "protocol_error"),
        ([b"\0\0\0\0"], "protocol_error"),
        ([b"\x20\xff\xff\xff\xff\xff"], "protocol_error"),
        ([b"\x20\2\0"], "timeout"),
        ([WELCOME, b"\x90\3\0\1\x80"], "authentication_failed"),
        ([WELCOME, b"\x90\0"], "protocol_error"),
        ([WELCOME, SUBSCRIBED + b"\x30\0"], "protocol_error"),
        ([WELCOME, SUBSCRIBED + b"\x30\xff\xff\x7f"], "body_too_large"),
    ],
)
def test_what_is_not_an_answer_of_a_broker_is_a_failure(answers: list[bytes], error: str) -> None:
    with scripted.saying(*answers) as port:
        outcome = check(port, 0.4 if error == "timeout" else 5, topic="t", expect="nothing")

    assert outcome.error == error


def test_a_broker_that_talks_without_end_is_cut_off() -> None:
    with scripted.saying(WELCOME, SUBSCRIBED, endless=HELLO) as port:
        outcome = check(port, topic="t", expect="nothing")

    assert outcome.error == "assertion_failed"
    assert outcome.details["messages"] <= 1000


@pytest.mark.parametrize(
    ("more", "fields"),
    [
        ({"host": ""}, {"host"}),
        ({"port": 0}, {"port"}),
        ({"password": "x"}, {"username"}),
        ({"publish": "x"}, {"topic"}),
        ({"expect": "x"}, {"topic"}),
        ({"topic": "a/+", "publish": "x"}, {"topic"}),
        ({"topic": "a+"}, {"topic"}),
        ({"topic": "#/a"}, {"topic"}),
        ({"topic": "a\0"}, {"topic"}),
        ({"topic": ""}, {"topic"}),
        ({"topic": "a", "expect": "("}, {"expect"}),
        ({"topic": "a", "expect": r"(a)\1"}, {"expect"}),
        ({"topic": "a", "expect": "x" * 1001}, {"expect"}),
        ({"tls": "yes"}, {"tls"}),
        ({"unknown": 1}, {"unknown"}),
    ],
)
def test_a_bad_field_is_named(more: dict[str, Any], fields: set[str]) -> None:
    with pytest.raises(ValidationError) as caught:
        mqtt.MqttConfig.model_validate({"host": "127.0.0.1", **more})

    assert scripted.named_fields(caught) == fields


@pytest.mark.parametrize("topic", ["a", "/", "a/+/b", "a/#", "#", "+", "$SYS/#"])
def test_a_good_topic_is_taken(topic: str) -> None:
    assert mqtt.MqttConfig(host="127.0.0.1", topic=topic).topic == topic


def test_the_target_is_host_and_port_and_the_password_a_secret() -> None:
    target = mqtt.CHECK.target(mqtt.MqttConfig(host="Broker.lan"))

    assert (target.host, target.port, target.label) == ("broker.lan", 1883, "broker.lan:1883")
    assert secret_names(mqtt.MqttConfig) == {"password"}
