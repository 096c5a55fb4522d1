from collections.abc import Iterator
from typing import Any

import pytest

from tests.targets import mail, program, scripted, tls
from tests.targets import tcp as targets
from uptimehunt.checks import Deadline, Outcome, pop3

LOGIN: dict[str, Any] = {"username": mail.USERNAME, "password": mail.PASSWORD}
WRONG: dict[str, Any] = {"username": mail.USERNAME, "password": "hunter-two"}


@pytest.fixture(scope="module")
def store() -> Iterator[mail.MailStore]:
    with mail.dovecot_target() as ports:
        yield ports


def check(port: int, **more: Any) -> Outcome:
    given = {"host": "127.0.0.1", "port": port, "timeout": 5, "ca_pem": program.ca_pem()}
    config = pop3.Pop3Config.model_validate(given | more)
    return pop3.check(config, Deadline(config.timeout))


def test_a_server_that_greets_is_up(store: mail.MailStore) -> None:
    outcome = check(store.pop3, expect="Dovecot")

    assert outcome.ok and outcome.response_time_ms is not None
    assert outcome.details["banner"].startswith("Dovecot")
    assert list(outcome.details["timing"]) == list(pop3.CHECK.timing_phases)


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_login_over_tls(store: mail.MailStore, security: str) -> None:
    port = store.pop3s if security == "tls" else store.pop3

    good = check(port, security=security, **LOGIN)
    bad = check(port, security=security, **WRONG)

    assert good.ok, good
    assert good.details["certificate"]["names"] == ["localhost", "127.0.0.1"]
    assert (bad.error, bad.message) == ("authentication_failed", "Login was refused")
    assert "hunter-two" not in repr(bad)


def test_a_certificate_of_another_host_behind_starttls_is_shown(store: mail.MailStore) -> None:
    outcome = check(store.pop3, security="starttls", server_name="other.example", **LOGIN)

    assert outcome.error == "certificate_invalid"
    assert outcome.message == "Certificate is not valid for this host"
    assert outcome.details["certificate"]["days_left"] > 0


def test_a_server_that_greets_with_an_error_turns_the_check_away() -> None:
    with scripted.saying(greeting=b"-ERR [SYS/PERM] no\r\n") as port:
        outcome = check(port)

    assert outcome.error == "status_mismatch"
    assert outcome.message == "The server turns the connection away"


@pytest.mark.parametrize(
    ("replies", "error"),
    [
        ((b"-ERR no such user\r\n",), "authentication_failed"),
        ((b"+OK\r\n", b"-ERR hunter-two\r\n"), "authentication_failed"),
        ((b"+OK\r\n", b"-ERR [in-use] hunter-two\r\n"), "status_mismatch"),
        ((b"+OK\r\n", b"-ERR [SYS/TEMP] hunter-two\r\n"), "status_mismatch"),
        ((b"+OK\r\n", b"hunter-two\r\n"), "protocol_error"),
        ((b"+OK\r\n",), "timeout"),
    ],
)
def test_an_odd_answer_to_the_login_is_told_from_a_wrong_password(
    replies: tuple[bytes, ...], error: str
) -> None:
    secure = tls.server_context("good")
    with targets.listening_to([], *replies, greeting=b"+OK\r\n", secure=secure) as port:
        outcome = check(port, security="tls", ca_pem=tls.ca_pem(), timeout=1, **WRONG)

    assert outcome.error == error
    assert "hunter-two" not in repr(outcome)
