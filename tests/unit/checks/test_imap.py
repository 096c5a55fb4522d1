from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from tests.targets import mail, program, scripted, tls
from tests.targets import tcp as targets
from uptimehunt.checks import Deadline, Outcome, imap

LOGIN: dict[str, Any] = {"username": mail.USERNAME, "password": mail.PASSWORD}
WRONG: dict[str, Any] = {"username": mail.USERNAME, "password": "hunter-two"}


@pytest.fixture(scope="module")
def store() -> Iterator[mail.MailStore]:
    with mail.dovecot_target() as ports:
        yield ports


def check(port: int, **more: Any) -> Outcome:
    given = {"host": "127.0.0.1", "port": port, "timeout": 5, "ca_pem": program.ca_pem()}
    config = imap.ImapConfig.model_validate(given | more)
    return imap.check(config, Deadline(config.timeout))


def test_a_server_that_greets_is_up(store: mail.MailStore) -> None:
    outcome = check(store.imap, expect="Dovecot")

    assert outcome.ok and outcome.response_time_ms is not None
    assert outcome.details["banner"].startswith("OK [CAPABILITY IMAP4rev1")
    assert list(outcome.details["timing"]) == list(imap.CHECK.timing_phases)


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_login_over_tls(store: mail.MailStore, security: str) -> None:
    port = store.imaps if security == "tls" else store.imap

    good = check(port, security=security, **LOGIN)
    bad = check(port, security=security, **WRONG)

    assert good.ok, good
    assert good.details["certificate"]["names"] == ["localhost", "127.0.0.1"]
    assert (bad.error, bad.message) == ("authentication_failed", "Login was refused")
    assert "hunter-two" not in repr(bad)


def test_a_mailbox_is_opened_and_counted(store: mail.MailStore) -> None:
    inbox = check(store.imaps, security="tls", mailbox="INBOX", **LOGIN)
    other = check(store.imaps, security="tls", mailbox=mail.MAILBOX, **LOGIN)
    missing = check(store.imaps, security="tls", mailbox="Entwurf", **LOGIN)

    assert inbox.ok and inbox.details["messages"] == 1
    assert other.ok and other.details["messages"] == 0
    assert (missing.error, missing.message) == ("assertion_failed", "Mailbox cannot be opened")


def test_an_unknown_authority_behind_starttls_is_an_invalid_certificate(
    store: mail.MailStore,
) -> None:
    outcome = check(store.imap, security="starttls", ca_pem=tls.ca_pem(), **LOGIN)

    assert outcome.error == "certificate_invalid"
    assert outcome.message == "Certificate is signed by an unknown authority"
    assert outcome.details["certificate"]["days_left"] > 0


def test_a_server_that_says_bye_turns_the_check_away() -> None:
    with scripted.saying(greeting=b"* BYE too many connections\r\n") as port:
        outcome = check(port)

    assert outcome.error == "status_mismatch"
    assert outcome.message == "The server turns the connection away"


def test_a_server_that_claims_we_are_logged_in_cannot_talk_us_out_of_tls() -> None:
    heard: list[bytes] = []
    greeting = b"* PREAUTH welcome back\r\n"
    with targets.listening_to(heard, b"s OK\r\n", b"l OK\r\n", greeting=greeting) as port:
        outcome = check(port, security="starttls", **LOGIN)

    assert outcome.error == "tls_error"
    assert heard == []


def test_a_server_that_needs_no_login_is_up() -> None:
    with scripted.saying(greeting=b"* PREAUTH welcome\r\n") as port:
        assert check(port).ok


def secretly_saying(*replies: bytes) -> Any:
    secure = tls.server_context("good")
    greeting = b"* ok hello\r\n"
    return targets.listening_to([], *replies, greeting=greeting, secure=secure)


@pytest.mark.parametrize(
    ("replies", "error"),
    [
        ((b"l NO [UNAVAILABLE] hunter-two\r\n",), "status_mismatch"),
        ((b"+ go\r\n", b"+ on\r\n", b"l no [inuse] hunter-two\r\n"), "status_mismatch"),
        ((b"+ go\r\n", b"+ on\r\n", b"+ and on\r\n"), "protocol_error"),
        ((b"l BAD hunter-two\r\n",), "authentication_failed"),
        ((b"* junk\r\n" * 1000,), "protocol_error"),
        ((b"+ go\r\n",), "timeout"),
    ],
)
def test_an_odd_answer_to_the_login_is_told_from_a_wrong_password(
    replies: tuple[bytes, ...], error: str
) -> None:
    with secretly_saying(*replies) as port:
        outcome = check(port, security="tls", ca_pem=tls.ca_pem(), timeout=1, **WRONG)

    assert outcome.error == error
    assert "hunter-two" not in repr(outcome)


@pytest.mark.parametrize("count", [b"x", b"", b"9" * 5000, b"-1", "²".encode()])
def test_a_number_of_messages_that_is_none_is_left_out_or_cut(count: bytes) -> None:
    login = b"l OK\r\n", b"* " + count + b" EXISTS\r\nm OK\r\n"
    with secretly_saying(*login) as port:
        outcome = check(port, security="tls", ca_pem=tls.ca_pem(), mailbox="INBOX", **LOGIN)

    assert outcome.ok
    assert outcome.details.get("messages") in (None, 9999999999)


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"mailbox": "INBOX"}, "username"),
        ({"mailbox": "a\r\nb", "security": "tls", **LOGIN}, "mailbox"),
    ],
)
def test_a_mailbox_that_cannot_be_opened_is_refused(config: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        imap.ImapConfig.model_validate({"host": "127.0.0.1", **config})

    assert scripted.named_fields(caught) == {field}
