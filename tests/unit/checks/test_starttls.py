"""STARTTLS as `tls` and `tcp` use it; what follows it is in the tests of each protocol's type."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.targets import LoopbackServer, ftp, mail, postgres, program, scripted
from tests.targets import tcp as targets
from tests.targets import tls as tls_targets
from uptimehunt.checks import Deadline, Outcome, tls

SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"


def check(starttls: str, port: int, seconds: float = 5, **more: Any) -> Outcome:
    given = {"host": "127.0.0.1", "port": port, "starttls": starttls, "timeout": 5}
    config = tls.TlsCheckConfig.model_validate(given | {"ca_pem": program.ca_pem()} | more)
    return tls.check(config, Deadline(seconds))


@pytest.fixture(scope="module")
def store() -> Iterator[mail.MailStore]:
    with mail.dovecot_target() as ports:
        yield ports


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_a_real_mail_store_shows_its_certificate(store: mail.MailStore, protocol: str) -> None:
    outcome = check(protocol, getattr(store, protocol))

    assert outcome.ok, outcome
    assert outcome.details["certificate"]["names"] == ["localhost", "127.0.0.1"]
    assert outcome.details["tls_version"] == "TLS 1.3"


def test_a_file_server_shows_its_certificate(tmp_path: Path) -> None:
    with ftp.ftp_target(tmp_path) as port:
        outcome = check("ftp", port)

    assert outcome.ok, outcome


def test_a_real_database_shows_its_certificate() -> None:
    with postgres.postgres_target() as port:
        good = check("postgres", port)
        bad = check("postgres", port, server_name="other.example")

    assert good.ok, good
    assert good.details["certificate"]["names"] == ["localhost", "127.0.0.1"]
    assert bad.error == "certificate_invalid"
    assert bad.details["certificate"]["names"] == ["localhost", "127.0.0.1"]


def test_a_database_is_asked_for_tls_before_anything_else() -> None:
    heard: list[bytes] = []

    def behave(sock: socket.socket, _server: LoopbackServer) -> None:
        heard.append(sock.recv(100))
        sock.sendall(b"S")
        tls_targets.server_context("expired").wrap_socket(sock, server_side=True).close()

    with targets.speaking(behave) as port:
        outcome = check("postgres", port, ca_pem=tls_targets.ca_pem())

    assert outcome.error == "certificate_expired"
    assert heard == [SSL_REQUEST, SSL_REQUEST]  # once to judge, once to look


@pytest.mark.parametrize(
    ("protocol", "said", "error"),
    [
        ("postgres", (b"", b"N"), "tls_error"),
        ("postgres", (b"", b"E\0\0\0\x09no\0\0"), "protocol_error"),
        ("postgres", (b"",), "timeout"),
        ("postgres", (b"", b"S and no more"), "tls_error"),
        ("smtp", (b"220 hello\r\n", b"250 STARTTLS\r\n"), "tls_error"),
        ("smtp", (b"220 hello\r\n", b"250-x\r\n250 STARTTLS\r\n", b"454 No\r\n"), "tls_error"),
        ("smtp", (b"+OK\r\n",), "protocol_error"),
        ("imap", (b"* OK\r\n", b"s BAD\r\n"), "tls_error"),
        ("imap", (b"* OK\r\n", b"s NO\r\n"), "tls_error"),
        ("imap", (b"* OK\r\n", b"+ what\r\n"), "tls_error"),
        ("imap", (b"* OK\r\n", b"* junk\r\n" * 300), "protocol_error"),
        ("imap", (b"* OKAY\r\n",), "protocol_error"),
        ("imap", (b"OK\r\n",), "protocol_error"),
        ("pop3", (b"+OK\r\n", b"-ERR\r\n"), "tls_error"),
        ("pop3", (b"+OKAY\r\n",), "protocol_error"),
        ("ftp", (b"220\r\n", b"502\r\n"), "tls_error"),
        ("ftp", (b"220\r\n", b"334\r\n"), "tls_error"),
        ("ftp", (b"220\r\n", "²³⁴\r\n".encode()), "protocol_error"),
        ("ftp", (b"220-more\r\n" * 500,), "protocol_error"),
        ("ftp", (b"220\r\n",), "timeout"),
    ],
)
def test_a_server_that_will_not_have_tls_ends_the_check(
    protocol: str, said: tuple[bytes, ...], error: str
) -> None:
    with scripted.saying(*said[1:], greeting=said[0]) as port:
        outcome = check(protocol, port, 0.3 if error == "timeout" else 5)

    assert outcome.error == error
    assert "certificate" not in outcome.details


def test_a_database_that_hangs_up_is_a_protocol_error() -> None:
    with targets.speaking(lambda sock, _server: sock.recv(100)) as port:
        outcome = check("postgres", port)

    assert outcome.error == "protocol_error"
