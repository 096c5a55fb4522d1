from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from tests.targets import ftp as ftp_targets
from tests.targets import program, scripted
from tests.targets import tcp as targets
from uptimehunt.checks import Deadline, Outcome, ftp

LOGIN: dict[str, Any] = {"username": ftp_targets.USERNAME, "password": ftp_targets.PASSWORD}
WRONG: dict[str, Any] = {"username": ftp_targets.USERNAME, "password": "hunter-two"}


@pytest.fixture
def server(tmp_path: Any) -> Iterator[int]:
    with ftp_targets.ftp_target(tmp_path) as port:
        yield port


def check(port: int, **more: Any) -> Outcome:
    given = {"host": "127.0.0.1", "port": port, "timeout": 1, "ca_pem": program.ca_pem()}
    config = ftp.FtpConfig.model_validate(given | more)
    return ftp.check(config, Deadline(config.timeout))


def test_a_server_that_greets_is_up(server: int) -> None:
    outcome = check(server, expect="at your service$")

    assert outcome.ok and outcome.response_time_ms is not None
    assert outcome.details["banner"] == "files at your service"
    assert list(outcome.details["timing"]) == list(ftp.CHECK.timing_phases)


def test_a_login_over_tls(server: int) -> None:
    good = check(server, security="starttls", **LOGIN)
    bad = check(server, security="starttls", **WRONG)

    assert good.ok, good
    assert good.details["certificate"]["names"] == ["localhost", "127.0.0.1"]
    assert (bad.error, bad.message) == ("authentication_failed", "Login was refused (530)")
    assert "hunter-two" not in repr(bad)


def test_an_anonymous_login_needs_neither_password_nor_tls(tmp_path: Any) -> None:
    with ftp_targets.ftp_target(tmp_path, is_tls=False) as port:
        outcome = check(port, username="Anonymous".lower())

    assert outcome.ok, outcome


def test_a_server_that_takes_no_login_in_the_clear_refuses_it(server: int) -> None:
    outcome = check(server, username="anonymous")

    assert outcome.error == "authentication_failed"


def test_a_server_without_tls_is_a_tls_error(tmp_path: Any) -> None:
    with ftp_targets.ftp_target(tmp_path, is_tls=False) as port:
        outcome = check(port, security="starttls", **LOGIN)

    assert (outcome.error, outcome.message) == ("tls_error", "The server offers no STARTTLS")


def test_a_certificate_of_another_host_is_shown(server: int) -> None:
    outcome = check(server, security="starttls", server_name="other.example", **LOGIN)

    assert outcome.error == "certificate_invalid"
    assert outcome.details["certificate"]["days_left"] > 0


def test_a_greeting_may_have_lines_without_a_number() -> None:
    greeting = b"220-Welcome\r\n  to our\r\n221 files,\r\n220-friend\r\n220 \r\n"
    with scripted.saying(greeting=greeting) as port:
        outcome = check(port)

    assert outcome.ok
    assert outcome.details["banner"] == "Welcome\n  to our\n221 files,\nfriend\n"


@pytest.mark.parametrize("greeting", [b"421 Too busy\r\n", b"120 Ready in 5 minutes\r\n"])
def test_a_server_that_is_not_ready_is_a_mismatch_with_its_words(greeting: bytes) -> None:
    with scripted.saying(greeting=greeting) as port:
        outcome = check(port)

    assert outcome.error == "status_mismatch"
    assert outcome.message == f"Answered {greeting[:3].decode()} to the connection, expected 220"
    assert outcome.details["answer"] == greeting[4:-2].decode()


@pytest.mark.parametrize(
    ("replies", "error"),
    [
        ((b"230 Come in\r\n",), None),
        ((b"331 Password?\r\n", b"202 As you like\r\n"), None),
        ((b"331 Password?\r\n", b"332 Account?\r\n"), "authentication_failed"),
        ((b"530 Nobody\r\n",), "authentication_failed"),
        ((b"421 Later\r\n",), "status_mismatch"),
        ((b"331 Password?\r\n", b"331 Again?\r\n"), "status_mismatch"),
        ((b"331 Password?\r\n", b"23\r\n"), "protocol_error"),
        ((b"331 Password?\r\n", b"230x\r\n"), "protocol_error"),
        ((b"331 Password?\r\n",), "timeout"),
    ],
)
def test_the_answers_to_a_login(replies: tuple[bytes, ...], error: str | None) -> None:
    with targets.listening_to([], *replies, greeting=b"220\r\n") as port:
        outcome = check(port, username="ftp")

    assert outcome.error == error


def test_only_those_who_need_no_password_may_leave_it_out() -> None:
    with pytest.raises(ValidationError) as caught:
        ftp.FtpConfig.model_validate({"host": "127.0.0.1", "username": "alice"})

    assert scripted.named_fields(caught) == {"password"}
