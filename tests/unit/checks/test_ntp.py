import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.targets import tcp as tcp_targets
from tests.targets.ntp import NtpTarget, ntp_target
from uptimehunt.checks import Deadline, Outcome, ntp
from uptimehunt.checks.base import CheckError

UNSYNCHRONISED = "The server's clock is not synchronised"
REFUSED = "The server refuses to serve this address"
TOO_OFTEN = "The server is asked too often"
UNWILLING = "The server refuses to tell the time"


@pytest.fixture
def server() -> Iterator[NtpTarget]:
    with ntp_target() as running:
        yield running


def check(port: int, **more: Any) -> Outcome:
    config = ntp.NtpConfig.model_validate({"host": "127.0.0.1", "port": port, "timeout": 1, **more})
    return ntp.check(config, Deadline(config.timeout))


def test_a_synchronised_server_is_up_with_the_facts(server: NtpTarget) -> None:
    outcome = check(server.port)

    details = outcome.details
    assert outcome.ok and outcome.error is None, outcome.message
    assert outcome.response_time_ms is not None and outcome.response_time_ms >= 1
    assert abs(details["offset_ms"]) < 100
    assert 0 <= details["delay_ms"] < 200
    assert (details["stratum"], details["leap"]) == (2, "none")
    assert details["reference_id"] == "192.0.2.1"
    assert (details["root_delay_ms"], details["root_dispersion_ms"]) == (250, 500)
    assert details["remote_ip"] == "127.0.0.1"
    assert list(details["timing"]) == list(ntp.CHECK.timing_phases)


def test_a_reference_clock_is_named(server: NtpTarget) -> None:
    server.stratum, server.reference_id = 1, b"GPS\0"

    assert check(server.port).details["reference_id"] == "GPS"


def test_a_question_is_a_clients_and_tells_nobody_the_time(server: NtpTarget) -> None:
    check(server.port)
    check(server.port)

    first, second = server.questions
    assert len(first) == 48 and first[0] == 0x23 and first[1:40] == bytes(39)
    assert first[40:] != second[40:]


@pytest.mark.parametrize(("ahead_s", "side"), [(5.0, "ahead of"), (-5.0, "behind")])
def test_a_clock_that_is_off_is_a_failure(server: NtpTarget, ahead_s: float, side: str) -> None:
    server.ahead_s = ahead_s

    outcome = check(server.port)
    tolerated = check(server.port, max_offset_ms=6000)

    assert outcome.error == "assertion_failed"
    assert outcome.message.startswith("The server's clock is ")
    assert outcome.message.endswith(f" s {side} the probe's")
    assert abs(outcome.details["offset_ms"] - ahead_s * 1000) < 100
    assert tolerated.ok


def test_the_year_2036_makes_no_difference() -> None:
    last, first = 2**64 - 2**31, 2**31

    assert ntp._signed(first - last) == 2**32
    assert ntp._signed(last - first) == -(2**32)


def test_a_time_from_the_other_end_of_the_century_is_a_failure(server: NtpTarget) -> None:
    server.instant = 1

    assert check(server.port).error == "assertion_failed"


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        ({"leap": 3}, "assertion_failed", UNSYNCHRONISED),
        ({"stratum": 16}, "assertion_failed", UNSYNCHRONISED),
        ({"stratum": 255}, "assertion_failed", UNSYNCHRONISED),
        ({"stratum": 0, "reference_id": b"RATE"}, "assertion_failed", TOO_OFTEN),
        ({"stratum": 0, "reference_id": b"DENY", "leap": 3}, "assertion_failed", REFUSED),
        ({"stratum": 0, "reference_id": b"X\xff\0\n"}, "assertion_failed", UNWILLING),
        ({"stratum": 4}, "assertion_failed", "Stratum 4 is above 3"),
        ({"mode": 5}, "protocol_error", "The answer is not one of a time server"),
        ({"mode": 3}, "protocol_error", "The answer is not one of a time server"),
        ({"instant": 0}, "protocol_error", "The answer does not tell the time"),
    ],
)  # fmt: skip
def test_an_answer_that_is_no_good_is_a_failure(
    server: NtpTarget, answer: dict[str, Any], error: str, message: str
) -> None:
    for name, value in answer.items():
        setattr(server, name, value)

    outcome = check(server.port, max_stratum=3)

    assert (outcome.error, outcome.message) == (error, message)
    assert outcome.details["reference_id"].isprintable()
    assert outcome.response_time_ms is None


def test_forged_and_broken_datagrams_before_the_answer_change_nothing(server: NtpTarget) -> None:
    server.before = [b"", b"x", b"\xff" * 47, b"\xff" * 1400, None]

    assert check(server.port).ok


@pytest.mark.alone
def test_nothing_but_forgeries_end_at_the_deadline(server: NtpTarget) -> None:
    server.before, server.is_silent = [b"", b"x" * 60, None], True

    began = time.monotonic()
    outcome = check(server.port)

    assert time.monotonic() - began < 1.1
    assert outcome.error == "protocol_error"


@pytest.mark.alone
def test_a_server_that_says_nothing_is_a_timeout(server: NtpTarget) -> None:
    server.is_silent = True

    began = time.monotonic()
    outcome = check(server.port)

    assert time.monotonic() - began < 1.1
    assert (outcome.error, outcome.message) == ("timeout", "No answer within 1 s")


def test_a_question_that_gets_lost_is_asked_again(server: NtpTarget) -> None:
    server.ignored = 1

    outcome = check(server.port, timeout=3)

    assert outcome.ok and len(server.questions) == 2
    assert outcome.response_time_ms is not None and outcome.response_time_ms < 500
    assert abs(outcome.details["offset_ms"]) < 100


def test_a_port_that_refuses_is_connection_refused() -> None:
    with tcp_targets.closed_port() as port:  # nobody listens there for UDP either
        outcome = check(port)

    assert outcome.error == "connection_refused"
    assert outcome.message == f"Connection refused by 127.0.0.1:{port}"


@pytest.mark.parametrize("host", ["169.254.169.254", "0.0.0.0", "224.0.1.1"])
def test_a_metadata_address_is_never_asked(host: str) -> None:
    outcome = check(123, host=host)

    assert outcome.error == "network_unreachable"
    assert "is never probed" in outcome.message


def test_a_host_without_an_address_of_the_wanted_family_is_a_dns_error() -> None:
    assert check(123, ip_family="6").error == "dns_error"


@given(st.binary(min_size=48, max_size=100))
def test_no_answer_can_break_the_judging(datagram: bytes) -> None:
    config = ntp.NtpConfig(host="127.0.0.1")
    answer = ntp._parse(datagram)
    details: dict[str, Any] = {}

    assert answer is not None
    try:
        ntp._judge(config, answer, ntp._wall_clock(), 0.1, details)
    except CheckError as error:
        assert error.kind in ("assertion_failed", "protocol_error")
    assert str(details["reference_id"]).isprintable() or details["reference_id"] == ""


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("host", ""), ("host", "a b"), ("host", "-x"), ("port", 0), ("port", "123"),
        ("max_offset_ms", 0), ("max_offset_ms", 86_400_001), ("max_offset_ms", 0.5),
        ("max_stratum", 0), ("max_stratum", 16), ("timeout", 0), ("unknown", 1),
    ],
)  # fmt: skip
def test_a_bad_field_is_named(field: str, value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        ntp.NtpConfig.model_validate({"host": "127.0.0.1", field: value})

    assert {error["loc"][0] for error in caught.value.errors()} == {field}


def test_the_usual_port_is_the_default() -> None:
    target = ntp.CHECK.target(ntp.NtpConfig(host="::1"))

    assert (target.host, target.port, target.label) == ("::1", 123, "[::1]:123")
