import re

import pytest

from tests.targets import tls
from tests.targets.http import HttpTarget
from tests.unit.checks.conftest import check


def test_a_good_certificate_is_verified_and_described() -> None:
    with tls.https_target("good") as site:
        outcome = check(f"{site.url}/", ca_pem=tls.ca_pem())

    certificate = outcome.details["certificate"]
    assert outcome.ok and "warning" not in outcome.details
    assert set(certificate) == {
        "subject", "issuer", "not_after", "days_left", "fingerprint_sha256"
    }  # fmt: skip
    assert "Testing cert" in certificate["subject"] and "Testing CA" in certificate["issuer"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", certificate["not_after"])
    assert re.fullmatch("[0-9a-f]{64}", certificate["fingerprint_sha256"])
    assert certificate["days_left"] > 100
    timing = outcome.details["timing"]
    assert timing["connect"] < timing["appconnect"] < timing["total"]


@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [
        ("expired", "certificate_expired", "Certificate expired on 2024-01-01"),
        ("not_yet_valid", "certificate_invalid", "Certificate is not valid yet"),
        ("wrong_host", "certificate_invalid", "Certificate is not valid for this host"),
        ("self_signed", "certificate_invalid", "Certificate is self-signed"),
    ],
)
def test_each_bad_certificate_is_told_apart_and_described(
    kind: tls.Kind, error: str, message: str
) -> None:
    with tls.https_target(kind) as site:
        outcome = check(f"{site.url}/", ca_pem=tls.ca_pem())
        unverified = check(f"{site.url}/", verify_tls=False)
        again = check(f"{site.url}/", ca_pem=tls.ca_pem())

    assert (outcome.error, outcome.message) == (error, message)
    assert outcome.details["certificate"]["not_after"]
    assert unverified.ok
    assert again.error == error, "verify_tls=false of one service must not reach another"


def test_an_unknown_authority_is_an_invalid_certificate() -> None:
    with tls.https_target("good") as site:
        assert check(f"{site.url}/", ca_pem=tls.ca_pem()).ok
        outcome = check(f"https://localhost:{site.port}/", ip_family="4")

    assert outcome.error == "certificate_invalid"
    assert outcome.message == "Certificate is signed by an unknown authority"


def test_a_certificate_about_to_expire_is_up_with_a_warning() -> None:
    with tls.https_target("expiring") as site:
        outcome = check(f"{site.url}/", ca_pem=tls.ca_pem())
        relaxed = check(f"{site.url}/", ca_pem=tls.ca_pem(), certificate_warn_days=5)

    assert outcome.ok and outcome.details["warning"] == "certificate_expiring"
    assert outcome.details["certificate"]["days_left"] == 5
    assert "warning" not in relaxed.details


def test_plain_http_on_a_tls_port_is_a_tls_error(site: HttpTarget) -> None:
    outcome = check(f"https://127.0.0.1:{site.port}/")

    assert outcome.error == "tls_error"
