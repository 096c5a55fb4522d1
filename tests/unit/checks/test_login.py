"""What all types have in common that are greeted and may log in, and `ssh`, which is greeted."""

import time
from typing import Any

import pytest
from pydantic import ValidationError

from tests.targets import scripted, tls
from tests.targets import tcp as targets
from uptimehunt.checks import REGISTRY, Deadline, Outcome
from uptimehunt.checks.base import secret_names

WITH_LOGIN = ["smtp", "imap", "pop3", "ftp"]
ALL = [*WITH_LOGIN, "ssh"]
USUAL_PORTS = {"smtp": 25, "imap": 143, "pop3": 110, "ftp": 21, "ssh": 22}
GREETINGS = {
    "smtp": b"220 mail.test at your service\r\n",
    "imap": b"* OK mail.test at your service\r\n",
    "pop3": b"+OK mail.test at your service\r\n",
    "ftp": b"220 mail.test at your service\r\n",
    "ssh": b"SSH-2.0-Server_1 at your service\r\n",
}
SECRET = "hunter-two"


def check(type: str, port: int, seconds: float = 5, **more: Any) -> Outcome:
    kind = REGISTRY[type]
    config = kind.config.model_validate({"host": "127.0.0.1", "port": port, "timeout": 1, **more})
    return kind.check(config, Deadline(seconds))


def fields(type: str, config: dict[str, Any]) -> set[Any]:
    with pytest.raises(ValidationError) as caught:
        REGISTRY[type].config.model_validate({"host": "127.0.0.1", **config})
    return scripted.named_fields(caught)


@pytest.mark.parametrize("type", ALL)
def test_a_closed_port_is_refused(type: str) -> None:
    with targets.closed_port() as port:
        outcome = check(type, port)

    assert outcome.error == "connection_refused"
    assert outcome.message == f"Connection refused by 127.0.0.1:{port}"


def test_a_port_that_never_answers_is_a_connect_timeout() -> None:
    with targets.blackhole() as port:
        assert {check(type, port, 0.3).error for type in ALL} == {"connect_timeout"}


@pytest.mark.parametrize("type", ALL)
def test_silence_instead_of_a_greeting_ends_at_the_deadline(type: str) -> None:
    with targets.silent() as port:
        began = time.monotonic()
        outcome = check(type, port, 0.3)

        assert time.monotonic() - began < 1
    assert outcome.error == "timeout"


@pytest.mark.parametrize("type", ALL)
def test_a_greeting_that_drips_ends_at_the_deadline(type: str) -> None:
    with targets.dripping(GREETINGS[type]) as port:
        began = time.monotonic()
        outcome = check(type, port, 0.3)

        assert time.monotonic() - began < 1
    assert outcome.error == "timeout"


@pytest.mark.parametrize("type", ALL)
def test_a_greeting_that_never_ends_is_not_read_for_ever(type: str) -> None:
    with targets.endless(b"\xff" * 5000) as port:
        outcome = check(type, port)

    assert outcome.error == "protocol_error"


@pytest.mark.parametrize("type", ALL)
def test_lines_that_never_end_are_not_read_for_ever(type: str) -> None:
    line = {"smtp": b"220-more\r\n", "ftp": b"220-more\r\n"}.get(type, b"* more\r\n")
    with targets.endless(line * 1000) as port:
        began = time.monotonic()
        outcome = check(type, port)

        assert time.monotonic() - began < 1
    assert outcome.error == "protocol_error"


@pytest.mark.parametrize("type", ALL)
@pytest.mark.parametrize(
    "garbage", [b"\0\x01\x02\xff\n" * 200, b"\n" * 300, b"HTTP/1.1 400\r\n" * 200]
)
def test_another_protocol_is_a_protocol_error(type: str, garbage: bytes) -> None:
    with scripted.saying(greeting=garbage) as port:
        outcome = check(type, port)

    assert outcome.error == "protocol_error"
    assert "HTTP" not in outcome.message


@pytest.mark.parametrize("type", ALL)
def test_a_server_that_hangs_up_at_once_is_a_protocol_error(type: str) -> None:
    with targets.accepting() as port:
        outcome = check(type, port)

    assert outcome.error == "protocol_error"
    assert outcome.message == "The connection was closed without an answer"


@pytest.mark.parametrize("type", WITH_LOGIN)
def test_a_reset_after_the_greeting_is_a_reset(type: str) -> None:
    with targets.resetting(greeting=GREETINGS[type]) as port:
        outcome = check(type, port, security="starttls")

    assert outcome.error == "connection_reset"


@pytest.mark.parametrize("type", ALL)
def test_the_greeting_is_shown_and_compared_with_what_is_expected(type: str) -> None:
    replies = [b"250 mail.test\r\n"] if type == "smtp" else []
    with scripted.saying(*replies, greeting=GREETINGS[type]) as port:
        good = check(type, port, expect="(mail|Server).*at y[aeiou]{2}r service$")
    with scripted.saying(*replies, greeting=GREETINGS[type]) as port:
        bad = check(type, port, expect="^at your service")

    assert good.ok, good
    assert good.details["banner"].endswith("at your service")
    assert bad.error == "assertion_failed"
    assert bad.message.endswith("is not as expected")
    assert bad.details["banner"] == good.details["banner"]


@pytest.mark.parametrize("type", WITH_LOGIN)
def test_tls_from_the_first_byte_on_is_judged_by_its_certificate(type: str) -> None:
    with tls.tls_target(tls.server_context("expired")) as port:
        outcome = check(type, port, security="tls", ca_pem=tls.ca_pem())

    assert outcome.error == "certificate_expired"
    assert outcome.details["certificate"]["not_after"] == "2024-01-01T00:00:00Z"


@pytest.mark.parametrize("type", WITH_LOGIN)
@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_password_never_leaves_in_the_clear(type: str, security: str) -> None:
    """Whatever a server in the clear pretends, it does not hear who wanted to log in."""
    heard: list[bytes] = []
    ehlo = b"250-mail.test\r\n250 AUTH PLAIN LOGIN\r\n"
    pretended = {
        "smtp": (ehlo, b"235 Logged in already\r\n"),
        "imap": (b"s BAD No such command\r\n", b"l OK Logged in\r\n"),
        "pop3": (b"-ERR No such command\r\n", b"+OK\r\n", b"+OK\r\n"),
        "ftp": (b"502 No such command\r\n", b"331 Password?\r\n", b"230 Logged in\r\n"),
    }
    login: dict[str, Any] = {"username": "alice", "password": SECRET, "security": security}
    with targets.listening_to(heard, *pretended[type], greeting=GREETINGS[type]) as port:
        outcome = check(type, port, verify_tls=False, **login)

    assert outcome.error == "tls_error"
    if security == "starttls":
        assert outcome.message == "The server offers no STARTTLS"
    said = b"".join(heard)
    assert not any(word in said for word in (b"alice", SECRET.encode(), b"AUTH PLAIN", b"LOGIN"))


@pytest.mark.parametrize("type", WITH_LOGIN)
def test_starttls_that_is_answered_by_something_else_is_a_tls_error(type: str) -> None:
    yes = {
        "smtp": (b"250-mail.test\r\n250 STARTTLS\r\n", b"220 Go ahead\r\n250 slipped in\r\n"),
        "imap": (b"s OK Go ahead\r\nl OK slipped in\r\n",),
        "pop3": (b"+OK Go ahead\r\n+OK slipped in\r\n",),
        "ftp": (b"234 Go ahead\r\n230 slipped in\r\n",),
    }
    replies = (*yes[type], b"235 no TLS at all, but log in all the same\r\n")
    with scripted.saying(*replies, greeting=GREETINGS[type]) as port:
        outcome = check(type, port, security="starttls", username="alice", password=SECRET)

    assert outcome.error == "tls_error"
    assert outcome.message == f"TLS handshake with 127.0.0.1:{port} failed"


@pytest.mark.parametrize("type", WITH_LOGIN)
@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"username": "alice"}, "password"),
        ({"password": SECRET, "security": "tls"}, "username"),
        ({"username": "alice", "password": SECRET}, "security"),
        ({"username": "alice", "password": SECRET, "security": "none"}, "security"),
        ({"username": "a\r\nQUIT", "password": SECRET, "security": "tls"}, "username"),
        ({"username": "a\0b", "password": SECRET, "security": "tls"}, "username"),
        ({"username": "alice", "password": "a\nb", "security": "tls"}, "password"),
        ({"username": "alice", "password": "a\rb", "security": "tls"}, "password"),
        ({"username": "", "password": SECRET, "security": "tls"}, "username"),
        ({"username": "alice", "password": "", "security": "tls"}, "password"),
        ({"username": "x" * 256, "password": SECRET, "security": "tls"}, "username"),
        ({"security": "ssl"}, "security"),
        ({"expect": "(a"}, "expect"),
        ({"expect": "(?=a)"}, "expect"),
        ({"expect": "x" * 1001}, "expect"),
        ({"port": 0}, "port"),
        ({"host": "a\r\nb"}, "host"),
        ({"ca_pem": "no PEM"}, "ca_pem"),
        ({"other": 1}, "other"),
    ],
)
def test_a_config_that_cannot_work_is_refused_by_field(
    type: str, config: dict[str, Any], expected: str
) -> None:
    assert fields(type, config) == {expected}


@pytest.mark.parametrize("type", WITH_LOGIN)
def test_the_password_is_a_secret(type: str) -> None:
    assert secret_names(REGISTRY[type].config) == {"password"}


@pytest.mark.parametrize("type", ALL)
def test_the_usual_port_need_not_be_named(type: str) -> None:
    kind = REGISTRY[type]

    target = kind.target(kind.config.model_validate({"host": "host.lan"}))

    assert (target.host, target.port) == ("host.lan", USUAL_PORTS[type])
    assert target.label == f"host.lan:{USUAL_PORTS[type]}"
