import ssl
import time
from typing import Any

import pytest
from pydantic import ValidationError

from tests.targets import mail, scripted
from tests.targets import tcp as targets
from tests.targets import tls as tls_targets
from uptimehunt.checks import Deadline, Outcome, tls


def check(port: int, seconds: float = 5, **more: Any) -> Outcome:
    given = {"host": "127.0.0.1", "port": port, "timeout": 1, "ca_pem": tls_targets.ca_pem()}
    config = tls.TlsCheckConfig.model_validate(given | more)
    return tls.check(config, Deadline(seconds))


def check_kind(kind: tls_targets.Kind, **more: Any) -> Outcome:
    with tls_targets.tls_target(tls_targets.server_context(kind)) as port:
        return check(port, **more)


def test_a_good_certificate_is_up_with_all_its_facts() -> None:
    outcome = check_kind("chain")

    assert outcome.ok and outcome.response_time_ms is not None
    details = outcome.details
    assert details["certificate"]["names"] == ["127.0.0.1"]
    assert details["tls_version"] == "TLS 1.3"
    assert details["cipher"].startswith("TLS_")
    own, above = details["chain"]
    assert own["subject"] == details["certificate"]["subject"]
    assert own["issuer"] == above["subject"] != above["issuer"]
    assert above["not_after"].endswith("Z")
    assert "warning" not in details
    assert list(details["timing"]) == list(tls.CHECK.timing_phases)


@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [
        ("expired", "certificate_expired", "Certificate expired on 2024-01-01"),
        ("not_yet_valid", "certificate_invalid", "Certificate is not valid yet"),
        ("wrong_host", "certificate_invalid", "Certificate is not valid for this host"),
        ("self_signed", "certificate_invalid", "Certificate is self-signed"),
        (
            "incomplete_chain",
            "certificate_invalid",
            "Certificate is signed by an unknown authority",
        ),
    ],
)
def test_a_bad_certificate_is_a_failure_with_all_its_facts(
    kind: tls_targets.Kind, error: str, message: str
) -> None:
    outcome = check_kind(kind)

    assert (outcome.error, outcome.message) == (error, message)
    assert outcome.response_time_ms is None
    assert outcome.details["certificate"]["subject"]
    assert outcome.details["tls_version"] == "TLS 1.3"
    assert len(outcome.details["chain"]) == 1


def test_a_certificate_that_cannot_be_read_is_judged_all_the_same() -> None:
    outcome = check_kind("malformed")

    assert outcome.error == "certificate_invalid"
    assert outcome.details["chain"] == [{}]


def test_any_certificate_is_up_and_watched_without_verification() -> None:
    expired = check_kind("expired", verify_tls=False)
    foreign = check_kind("wrong_host", verify_tls=False)

    assert expired.ok and expired.details["warning"] == "certificate_expiring"
    assert foreign.ok and "warning" not in foreign.details


@pytest.mark.parametrize(("days", "is_warned"), [(14, True), (6, True), (5, False), (0, False)])
def test_a_certificate_that_expires_soon_is_a_warning(days: int, is_warned: bool) -> None:
    outcome = check_kind("expiring", warn_days=days)

    assert outcome.ok
    assert outcome.details["certificate"]["days_left"] == 5
    assert ("warning" in outcome.details) is is_warned


@pytest.mark.parametrize(
    ("spoken", "lowest", "message"),
    [
        ("TLSv1", "1.2", "The server speaks TLS 1.0, expected TLS 1.2 or newer"),
        ("TLSv1_1", "1.2", "The server speaks TLS 1.1, expected TLS 1.2 or newer"),
        ("TLSv1_1", "1.3", "The server speaks TLS 1.1, expected TLS 1.3 or newer"),
        ("TLSv1_2", "1.2", ""),
        ("TLSv1_2", "1.3", "The server speaks TLS 1.2, expected TLS 1.3 or newer"),
        ("TLSv1_3", "1.3", ""),
    ],
)
def test_an_older_version_than_expected_is_named(spoken: str, lowest: str, message: str) -> None:
    context = tls_targets.context_of_version(ssl.TLSVersion[spoken])
    with tls_targets.tls_target(context) as port:
        outcome = check(port, min_version=lowest)

    assert outcome.message == message
    assert outcome.error == ("tls_error" if message else None)
    assert outcome.details["certificate"]["subject"]
    assert outcome.details["tls_version"] in (message[18:25] or f"TLS {lowest}")


def test_a_server_without_a_certificate_is_a_tls_error() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("aNULL:@SECLEVEL=0")
    with tls_targets.tls_target(context) as port:
        outcome = check(port)

    assert outcome.error == "tls_error"
    assert outcome.message == f"TLS handshake with 127.0.0.1:{port} failed"
    assert outcome.details["chain"] == [] and "certificate" not in outcome.details


def test_starttls_leads_to_the_certificate_of_a_mail_server() -> None:
    with mail.smtp_target(starttls=tls_targets.server_context("good")) as server:
        good = check(server.port, starttls="smtp")
    with mail.smtp_target(starttls=tls_targets.server_context("expired")) as server:
        bad = check(server.port, starttls="smtp")
    with mail.smtp_target() as server:
        none = check(server.port, starttls="smtp")

    assert good.ok and good.details["certificate"]["names"] == ["localhost", "127.0.0.1"]
    assert bad.error == "certificate_expired"
    assert bad.details["certificate"]["days_left"] < 0
    assert (none.error, none.message) == ("tls_error", "The server offers no STARTTLS")


def test_a_server_that_speaks_no_tls_is_a_tls_error() -> None:
    with scripted.saying(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        outcome = check(port)

    assert (outcome.error, outcome.message) == (
        "tls_error",
        f"TLS handshake with 127.0.0.1:{port} failed",
    )


@pytest.mark.parametrize(
    ("target", "error"),
    [
        (targets.closed_port, "connection_refused"),
        (targets.blackhole, "connect_timeout"),
        (targets.silent, "timeout"),
        (lambda: targets.dripping(b"\x16\x03\x03\x40\x00"), "timeout"),
        (targets.resetting, "connection_reset"),
        (targets.resetting_at_once, "connection_reset"),
        (lambda: targets.speaking(lambda sock, _: sock.recv(65536)), "tls_error"),
        (lambda: targets.endless(b"\x16\x03\x03\x00\x05hello"), "tls_error"),
        (lambda: targets.endless(b"\x15\x03\x03\x00\x02\x02\x28"), "tls_error"),
    ],
)
def test_trouble_before_a_certificate_ends_by_the_deadline(target: Any, error: str) -> None:
    with target() as port:
        began = time.monotonic()
        outcome = check(port, 0.5 if "timeout" in error else 5)

        assert "timeout" not in error or time.monotonic() - began < 1
    assert outcome.error == error
    assert "certificate" not in outcome.details


def test_the_look_at_a_bad_certificate_ends_by_the_deadline_too() -> None:
    """A server that shows its certificate once, and is silent from then on."""
    served: list[bool] = []

    def behave(sock: Any, server: Any) -> None:
        if served:
            server.stopping.wait()
        served.append(True)
        tls_targets.server_context("expired").wrap_socket(sock, server_side=True).close()

    with targets.speaking(behave) as port:
        began = time.monotonic()
        outcome = check(port, 0.5)

        assert time.monotonic() - began < 1
    assert (outcome.error, outcome.message) == ("certificate_expired", "Certificate has expired")
    assert "certificate" not in outcome.details


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("host", ""), ("port", 0), ("server_name", "a b"), ("server_name", "::1%lo"),
        ("starttls", "http"), ("warn_days", -1), ("warn_days", 366), ("min_version", "1.1"),
        ("min_version", 1.2), ("ca_pem", "x"), ("verify_tls", 0), ("certificate_warn_days", 3),
    ],
)  # fmt: skip
def test_a_bad_field_is_named(field: str, value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        tls.TlsCheckConfig.model_validate({"host": "127.0.0.1", field: value})

    assert scripted.named_fields(caught) == {field}


def test_the_usual_port_need_not_be_named() -> None:
    target = tls.CHECK.target(tls.TlsCheckConfig(host="example.com"))

    assert (target.host, target.port, target.label) == ("example.com", 443, "example.com:443")
