import time
from typing import Any

import pytest
from pydantic import ValidationError

from tests.conftest import WaitUntil
from tests.targets import mail, scripted, tls
from tests.targets import tcp as targets
from uptimehunt.checks import Deadline, Outcome, tcp


def check(port: int, **more: Any) -> Outcome:
    config = tcp.TcpConfig(host="127.0.0.1", port=port, timeout=1, **more)
    return tcp.check(config, Deadline(config.timeout))


def test_an_open_port_is_up_with_address_and_phases() -> None:
    with targets.accepting() as port:
        outcome = check(port)

    assert outcome.ok and outcome.error is None
    assert outcome.response_time_ms is not None and outcome.response_time_ms >= 1
    timing = outcome.details["timing"]
    assert outcome.details["remote_ip"] == "127.0.0.1"
    assert list(timing) == list(tcp.CHECK.timing_phases)
    assert 0 < timing["namelookup"] <= timing["connect"] == timing["total"]
    assert timing["appconnect"] == 0


def test_a_refused_port_is_a_failure_that_names_it() -> None:
    with targets.closed_port() as port:
        outcome = check(port)

    assert not outcome.ok and outcome.response_time_ms is None
    assert outcome.error == "connection_refused"
    assert outcome.message == f"Connection refused by 127.0.0.1:{port}"


@pytest.mark.alone
def test_a_port_that_never_answers_ends_at_the_deadline_as_connect_timeout() -> None:
    with targets.blackhole() as port:
        began = time.monotonic()
        outcome = check(port)

    assert time.monotonic() - began < 1.1
    assert outcome.error == "connect_timeout"
    assert outcome.message == f"No connection to 127.0.0.1:{port} within 1 s"


@pytest.mark.alone
def test_a_silent_handshake_ends_at_the_deadline() -> None:
    with targets.silent() as port:
        began = time.monotonic()
        outcome = check(port, tls=True)

        assert time.monotonic() - began < 1.1
    assert (outcome.error, outcome.message) == ("timeout", "No answer within 1 s")


@pytest.mark.alone
def test_a_handshake_that_drips_ends_at_the_deadline() -> None:
    with targets.dripping(b"\x16\x03\x03\x40\x00") as port:
        began = time.monotonic()
        outcome = check(port, tls=True)

        assert time.monotonic() - began < 1.1
    assert outcome.error == "timeout"


def test_a_handshake_with_a_server_that_resets_is_a_reset() -> None:
    with targets.resetting() as port:
        outcome = check(port, tls=True)

    assert outcome.error == "connection_reset"


def test_a_handshake_with_a_server_that_speaks_no_tls_is_a_tls_error() -> None:
    with targets.dripping(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        outcome = check(port, tls=True)

    assert outcome.error == "tls_error"


def test_tls_without_verification_takes_any_certificate() -> None:
    with tls.https_target("expired") as server:
        outcome = check(server.port, tls=True, verify_tls=False)

    timing = outcome.details["timing"]
    assert outcome.ok
    assert timing["connect"] < timing["appconnect"] == timing["total"]


def test_tls_with_an_unknown_authority_is_an_invalid_certificate() -> None:
    with tls.https_target("good") as server:
        outcome = check(server.port, tls=True, server_name="localhost")

    assert outcome.error == "certificate_invalid"
    assert outcome.message == "Certificate is signed by an unknown authority"


@pytest.mark.parametrize("host", ["169.254.169.254", "::ffff:169.254.169.254", "0.0.0.0"])
def test_a_metadata_address_is_never_dialled(host: str) -> None:
    outcome = tcp.check(tcp.TcpConfig(host=host, port=80), Deadline(1))

    assert outcome.error == "network_unreachable"
    assert "is never probed" in outcome.message


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("host", ""), ("host", "a b"), ("host", "-x"), ("host", "x" * 256), ("host", 1),
        ("port", 0), ("port", 65536), ("port", "80"), ("port", True), ("port", 80.0),
        ("tls", "yes"), ("verify_tls", 1), ("server_name", ""), ("server_name", "a/b"),
        ("timeout", 0), ("timeout", 121), ("ip_family", "5"), ("unknown", 1),
        ("send", ""), ("send", "x" * 4097), ("send", "a\\"), ("send", r"\q"), ("send", r"\xg0"),
        ("expect", ""), ("expect", "(a"), ("expect", "x" * 1001), ("expect", r"(a)\1"),
        ("expect", "(a{1000}){1000}"), ("starttls", "http"), ("starttls", True),
    ],
)  # fmt: skip
def test_a_bad_field_is_named(field: str, value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        tcp.TcpConfig.model_validate({"host": "127.0.0.1", "port": 80, field: value})

    assert {error["loc"][0] for error in caught.value.errors()} == {field}


def test_starttls_within_tls_is_refused() -> None:
    with pytest.raises(ValidationError) as caught:
        tcp.TcpConfig(host="127.0.0.1", port=80, tls=True, starttls="smtp")

    assert scripted.named_fields(caught) == {"starttls"}


def test_what_is_sent_is_text_with_escapes_for_bytes() -> None:
    heard: list[bytes] = []
    with targets.listening_to(heard, b"done") as port:
        outcome = check(port, send=r"ä\r\n\0\xFf\\x41\t" + "\n", expect="done")

    assert outcome.ok
    assert b"".join(heard) == "ä".encode() + b"\r\n\0\xff\\x41\t\n"


def test_what_is_sent_without_an_expected_answer_arrives(wait_until: WaitUntil) -> None:
    heard: list[bytes] = []
    with targets.listening_to(heard) as port:
        assert check(port, send="hello").ok

        wait_until(lambda: heard == [b"hello"])


def test_the_expected_answer_may_come_in_pieces() -> None:
    with targets.dripping(b"ab\xffc\n") as port:
        outcome = check(port, expect="c\na")

    assert outcome.ok and outcome.response_time_ms is not None
    assert outcome.response_time_ms > 200
    assert "answer" not in outcome.details


def test_an_answer_may_be_expected_over_tls() -> None:
    greeting, secure = b"220 hello\r\n", tls.server_context("good")
    with targets.listening_to([], b"yes", greeting=greeting, secure=secure) as port:
        outcome = check(port, tls=True, ca_pem=tls.ca_pem(), send=r"?\n", expect="hello\r\nyes")

    assert outcome.ok


def test_another_answer_than_expected_is_a_failure_that_shows_its_start() -> None:
    with targets.speaking(lambda sock, _server: sock.sendall(b"220 \xff" + b"x" * 5000)) as port:
        outcome = check(port, expect="yes")

    assert outcome.error == "assertion_failed"
    assert outcome.message == "The answer is not as expected"
    assert outcome.details["answer"] == "220 \N{REPLACEMENT CHARACTER}" + "x" * 195


@pytest.mark.alone
def test_no_expected_answer_by_the_deadline_is_a_timeout() -> None:
    with scripted.saying(greeting=b"wait") as port:
        began = time.monotonic()
        outcome = check(port, expect="yes")

        assert time.monotonic() - began < 1.1
    assert (outcome.error, outcome.message) == ("timeout", "No answer as expected within 1 s")
    assert outcome.details["answer"] == "wait"


def test_an_answer_without_an_end_is_searched_up_to_a_bound() -> None:
    with targets.endless(b"x" * 1000) as port:
        outcome = check(port, expect="yes")

    assert outcome.error == "assertion_failed"


def test_a_reset_instead_of_the_expected_answer_is_a_reset() -> None:
    with targets.resetting(b"no") as port:
        outcome = check(port, send="hello", expect="yes")

    assert outcome.error == "connection_reset"


# None may match a beginning: that is what has arrived when the answer comes in pieces.
@pytest.mark.parametrize("pattern", ["(a+)+b$", "(a|aa)+b$", "(.*a){20}b", "(x?){100}b$"])
def test_an_evil_pattern_takes_no_longer_than_others(pattern: str) -> None:
    with targets.speaking(lambda sock, _server: sock.sendall(b"a" * 60_000 + b"!")) as port:
        began = time.process_time()
        outcome = check(port, expect=pattern)

        assert time.process_time() - began < 0.5
    assert outcome.error == "assertion_failed"


def test_starttls_of_a_mail_server_that_has_it_and_of_one_that_has_not() -> None:
    with mail.smtp_target(starttls=tls.server_context("good")) as server:
        good = check(server.port, starttls="smtp", ca_pem=tls.ca_pem())
        bad = check(server.port, starttls="smtp")
        talk = check(
            server.port,
            starttls="smtp",
            ca_pem=tls.ca_pem(),
            send=r"EHLO x.test\r\n",
            expect=r"250[ -]AUTH",
        )
    with mail.smtp_target() as server:
        none = check(server.port, starttls="smtp", send="secret")

    assert good.ok and good.details["certificate"]["days_left"] > 0
    assert bad.error == "certificate_invalid" and bad.details["certificate"]["days_left"] > 0
    assert talk.ok, talk
    assert (none.error, none.message) == ("tls_error", "The server offers no STARTTLS")


def test_the_target_of_an_ipv6_address_is_labelled_in_brackets() -> None:
    target = tcp.CHECK.target(tcp.TcpConfig(host="::1", port=5432))

    assert (target.host, target.port, target.label) == ("::1", 5432, "[::1]:5432")
