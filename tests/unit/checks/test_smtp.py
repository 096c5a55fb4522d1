from collections.abc import Iterator
from typing import Any

import pytest

from tests.targets import mail, scripted, tls
from tests.targets import tcp as targets
from uptimehunt.checks import Deadline, Outcome, smtp

LOGIN = {"username": mail.USERNAME, "password": mail.PASSWORD}
WRONG = {"username": mail.USERNAME, "password": "hunter-two"}


def check(port: int, **more: Any) -> Outcome:
    config = smtp.SmtpConfig(host="127.0.0.1", port=port, timeout=1, ca_pem=tls.ca_pem(), **more)
    return smtp.check(config, Deadline(config.timeout))


def secretly_saying(*replies: bytes, greeting: bytes) -> Any:
    secure = tls.server_context("good")
    return targets.listening_to([], *replies, greeting=greeting, secure=secure)


@pytest.fixture
def server() -> Iterator[mail.SmtpTarget]:
    with mail.smtp_target(starttls=tls.server_context("good")) as target:
        yield target


def test_a_server_that_greets_is_up(server: mail.SmtpTarget) -> None:
    outcome = check(server.port, expect="^mail.test")

    assert outcome.ok and outcome.response_time_ms is not None
    assert outcome.details["banner"].startswith("mail.test")
    assert "STARTTLS" in outcome.details["extensions"]
    assert "certificate" not in outcome.details
    assert list(outcome.details["timing"]) == list(smtp.CHECK.timing_phases)


def test_it_introduces_itself_by_its_address_and_takes_its_leave(server: mail.SmtpTarget) -> None:
    check(server.port, security="starttls")

    assert server.commands[:2] == ["EHLO [127.0.0.1]", "EHLO [127.0.0.1]"]


def test_starttls_and_a_login(server: mail.SmtpTarget) -> None:
    outcome = check(server.port, security="starttls", **LOGIN)

    assert outcome.ok, outcome
    assert outcome.details["certificate"]["names"] == ["localhost", "127.0.0.1"]
    assert 0 < outcome.details["timing"]["appconnect"] < outcome.details["timing"]["total"]
    assert "AUTH LOGIN PLAIN" in outcome.details["extensions"]


def test_a_login_in_two_steps_where_one_is_not_offered() -> None:
    with mail.smtp_target(tls.server_context("good"), without=("PLAIN",)) as server:
        good = check(server.port, security="starttls", **LOGIN)
        bad = check(server.port, security="starttls", **WRONG)

    assert good.ok, good
    assert bad.error == "authentication_failed"


def test_no_way_to_log_in_is_a_failed_login() -> None:
    with mail.smtp_target(tls.server_context("good"), without=("PLAIN", "LOGIN")) as server:
        outcome = check(server.port, security="starttls", **LOGIN)

    assert outcome.error == "authentication_failed"
    assert outcome.message == "The server offers no login with a password"


def test_a_wrong_password_is_a_failed_login_that_does_not_tell_it(server: mail.SmtpTarget) -> None:
    outcome = check(server.port, security="starttls", **WRONG)

    assert (outcome.error, outcome.message) == ("authentication_failed", "Login was refused (535)")
    assert "hunter-two" not in repr(outcome)


def test_tls_from_the_first_byte_on_and_a_login() -> None:
    with mail.smtp_target(tls=tls.server_context("good")) as server:
        good = check(server.port, security="tls", **LOGIN)
        bad = check(server.port, security="tls", **WRONG)

    assert good.ok, good
    assert good.details["certificate"]["days_left"] > 0
    assert bad.error == "authentication_failed"


def test_a_server_without_starttls_is_a_tls_error() -> None:
    with mail.smtp_target() as server:
        outcome = check(server.port, security="starttls", **LOGIN)

    assert (outcome.error, outcome.message) == ("tls_error", "The server offers no STARTTLS")


@pytest.mark.parametrize(
    ("kind", "error"),
    [("expired", "certificate_expired"), ("wrong_host", "certificate_invalid")],
)
def test_a_bad_certificate_behind_starttls_is_shown(kind: tls.Kind, error: str) -> None:
    with mail.smtp_target(starttls=tls.server_context(kind)) as server:
        outcome = check(server.port, security="starttls", **LOGIN)

    assert outcome.error == error
    assert outcome.details["certificate"]["subject"]


def test_a_certificate_that_expires_soon_is_a_warning() -> None:
    with mail.smtp_target(starttls=tls.server_context("expiring")) as server:
        outcome = check(server.port, security="starttls")

    assert outcome.ok and outcome.details["warning"] == "certificate_expiring"


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ((b"554-Not you\r\n554 never\r\n",), "Answered 554 to the connection, expected 220"),
        ((b"220 hello\r\n", b"421 Too busy\r\n"), "Answered 421 to EHLO, expected 250"),
    ],
)
def test_a_server_that_refuses_is_a_mismatch_with_its_words_in_the_details(
    said: tuple[bytes, ...], message: str
) -> None:
    with scripted.saying(*said[1:], greeting=said[0]) as port:
        outcome = check(port)

    assert (outcome.error, outcome.message) == ("status_mismatch", message)
    assert outcome.details["answer"] in ("Not you\nnever", "Too busy")


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (b"454 Try again later\r\n", "status_mismatch"),
        (b"334 \r\n", "status_mismatch"),
        (b"530 Not now\r\n", "authentication_failed"),
        (b"+OK\r\n", "protocol_error"),
        (b"", "timeout"),
    ],
)
def test_an_odd_answer_to_the_login_is_told_from_a_wrong_password(reply: bytes, error: str) -> None:
    ehlo = b"250-mail.test\r\n250-\r\n250 auth plain\r\n"
    with secretly_saying(ehlo, reply, greeting=b"220 hello\r\n") as port:
        outcome = check(port, security="tls", **WRONG)

    assert outcome.error == error
    assert "hunter-two" not in repr(outcome)


def test_a_server_that_repeats_the_password_does_not_get_it_into_the_details() -> None:
    greeting = b"220 hunter-two is what you sent last time\r\n"
    ehlo = b"250-hunter-two\r\n250 HUNTER-TWO hunter-two\r\n"
    with secretly_saying(ehlo, greeting=greeting) as port:
        outcome = check(port, security="tls", **WRONG)

    assert outcome.error == "authentication_failed"
    assert "hunter-two" not in repr(outcome)
