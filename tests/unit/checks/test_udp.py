import time
from typing import Any

import pytest
from pydantic import ValidationError

from tests.targets import udp as targets
from tests.targets.scripted import named_fields
from uptimehunt.checks import Deadline, Outcome, udp


def check(port: int, seconds: float = 2, **more: Any) -> Outcome:
    config = udp.UdpConfig(host="127.0.0.1", port=port, timeout=1, **more)
    return udp.check(config, Deadline(seconds))


def test_an_expected_answer_is_up_with_its_time() -> None:
    with targets.answering(lambda data: [b"pong " + data]) as port:
        outcome = check(port, send="ping", expect="^pong ping$")

    assert outcome.ok and outcome.response_time_ms is not None
    timing = outcome.details["timing"]
    assert list(timing) == list(udp.CHECK.timing_phases)
    assert 0 < timing["namelookup"] < timing["total"]
    assert outcome.details["remote_ip"] == "127.0.0.1"
    assert outcome.details["answered"] is True and "answer" not in outcome.details


@pytest.mark.parametrize(
    ("send", "expected"),
    [("", b""), ("ä", "ä".encode()), (r"a\r\n\0\xfF\\x41\t", b"a\r\n\0\xff\\x41\t")],
)
def test_one_datagram_is_sent_with_escapes_as_bytes(send: str, expected: bytes) -> None:
    heard: list[bytes] = []
    with targets.answering(lambda _data: [b"x"], heard) as port:
        assert check(port, send=send, expect="x").ok

    assert heard == [expected]


def test_the_expected_answer_may_come_after_others() -> None:
    with targets.answering(lambda _data: [b"", b"\xff\0", b"that is it"]) as port:
        outcome = check(port, expect="is it")

    assert outcome.ok and "answer" not in outcome.details


def test_another_answer_than_expected_is_a_failure_that_shows_it() -> None:
    with targets.answering(lambda _data: [b"no \xff such thing"]) as port:
        outcome = check(port, 1, expect="yes")

    assert (outcome.error, outcome.message) == (
        "assertion_failed",
        "The answer is not as expected",
    )
    assert outcome.details["answer"] == "no � such thing"


def test_no_answer_where_one_is_expected_is_a_timeout() -> None:
    heard: list[bytes] = []
    with targets.answering(lambda _data: [], heard) as port:
        began = time.monotonic()
        outcome = check(port, 0.3, send="ping", expect="pong")

    assert 0.3 <= time.monotonic() - began < 1
    assert (outcome.error, outcome.message) == ("timeout", "No answer within 1 s")
    assert heard == [b"ping"]


@pytest.mark.parametrize("expect", [None, "pong"])
def test_a_port_that_nobody_listens_on_is_refused(expect: str | None) -> None:
    with targets.closed_port() as port:
        outcome = check(port, expect=expect)

    assert outcome.error == "connection_refused"
    assert outcome.message == f"Connection refused by 127.0.0.1:{port}"


def test_silence_without_an_expected_answer_is_up_without_a_time() -> None:
    with targets.answering(lambda _data: []) as port:
        began = time.monotonic()
        outcome = check(port, seconds=30)

    assert 1 <= time.monotonic() - began < 2
    assert outcome.ok and outcome.response_time_ms is None
    assert outcome.details["answered"] is False


def test_the_wait_for_a_refusal_is_half_of_a_short_time() -> None:
    with targets.answering(lambda _data: []) as port:
        began = time.monotonic()
        assert check(port, 1).ok

    assert 0.4 < time.monotonic() - began < 0.9


def test_any_answer_ends_the_wait_for_a_refusal() -> None:
    with targets.answering(lambda _data: [b"whatever"]) as port:
        outcome = check(port, seconds=30)

    assert outcome.ok and outcome.response_time_ms is not None
    assert outcome.details["answered"] is True


def test_a_flood_of_other_answers_ends_the_check() -> None:
    with targets.answering(lambda _data: [b"no"] * 200) as port:
        outcome = check(port, seconds=5, expect="yes")

    assert outcome.error == "assertion_failed"


def test_an_answer_from_elsewhere_is_not_heard() -> None:
    with targets.answering(lambda _data: [b"yes"], from_elsewhere=True) as port:
        outcome = check(port, 0.3, send="ping", expect="yes")

    assert outcome.error == "timeout"


def test_a_largest_datagram_is_read_whole() -> None:
    with targets.answering(lambda _data: [b"x" * 65_000 + b"end"]) as port:
        assert check(port, expect="end$").ok


@pytest.mark.parametrize("host", ["169.254.169.254", "::ffff:169.254.169.254", "255.255.255.255"])
def test_a_refused_address_is_sent_nothing(host: str) -> None:
    outcome = udp.check(udp.UdpConfig(host=host, port=53), Deadline(1))

    assert outcome.error == "network_unreachable"
    assert "is never probed" in outcome.message


def test_a_name_that_does_not_exist_is_a_dns_error() -> None:
    outcome = udp.check(udp.UdpConfig(host="nothing.invalid", port=53), Deadline(2))

    assert outcome.error == "dns_error"


def test_the_next_address_is_tried_when_one_refuses() -> None:
    """`localhost` is ::1 first, where nobody listens."""
    with targets.answering(lambda _data: [b"yes"]) as port:
        config = udp.UdpConfig(host="localhost", port=port, expect="yes")
        outcome = udp.check(config, Deadline(1))

    assert outcome.ok and outcome.details["remote_ip"] == "127.0.0.1"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("host", "a b"), ("port", 0), ("port", None), ("send", "a\\"), ("send", r"\x4"),
        ("send", r"\u1234"), ("send", r"\q"), ("send", "x" * 4097), ("send", 1), ("expect", "(a"),
        ("expect", ""), ("expect", "x" * 1001), ("expect", r"(a)\1"), ("unknown", 1),
    ],
)  # fmt: skip
def test_a_bad_field_is_named(field: str, value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        udp.UdpConfig.model_validate({"host": "127.0.0.1", "port": 80, field: value})

    assert named_fields(caught) == {field}


def test_the_label_names_host_and_port() -> None:
    target = udp.CHECK.target(udp.UdpConfig(host="Host.lan", port=514))

    assert (target.host, target.port, target.label) == ("host.lan", 514, "host.lan:514")
