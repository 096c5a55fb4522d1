import datetime
import ipaddress
import random
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from uptimehunt.checks import certificates

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


def certificate(
    names: list[x509.GeneralName] | None = None,
    subject: str = "example.com",
    expires: datetime.datetime = NOW + 30.5 * DAY,
) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)])
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "An Authority")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(expires - 400 * DAY)
        .not_valid_after(expires)
    )
    if names is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def test_the_facts_are_those_of_the_certificate() -> None:
    expires = datetime.datetime(2031, 2, 3, 4, 5, 6, tzinfo=datetime.UTC)
    names = [
        x509.DNSName("example.com"),
        x509.DNSName("*.example.com"),
        x509.IPAddress(ipaddress.ip_address("2001:db8::1")),
        x509.RFC822Name("someone@example.com"),
    ]

    facts = certificates.facts(certificate(names, expires=expires))

    assert facts["subject"] == "CN=example.com"
    assert facts["issuer"] == "O=An Authority"
    assert facts["not_before"] == "2029-12-30T04:05:06Z"
    assert facts["not_after"] == "2031-02-03T04:05:06Z"
    assert facts["names"] == ["example.com", "*.example.com", "2001:db8::1"]


@pytest.mark.parametrize(("left", "days_left"), [(30.5, 30), (0.5, 0), (-0.5, -1), (-30.5, -31)])
def test_days_are_counted_down_and_below_zero(left: float, days_left: int) -> None:
    facts = certificates.facts(certificate(expires=NOW + left * DAY))

    assert facts["days_left"] == days_left


def test_the_fingerprint_is_the_one_that_other_tools_show() -> None:
    der = certificate()

    expected = x509.load_der_x509_certificate(der).fingerprint(hashes.SHA256()).hex()
    assert certificates.facts(der)["fingerprint_sha256"] == expected


def test_a_certificate_without_names_has_none() -> None:
    assert certificates.facts(certificate())["names"] == []


def test_facts_stay_small_whatever_is_in_the_certificate() -> None:
    names: list[x509.GeneralName] = [
        x509.DNSName(f"{number}.{'x' * 60}.example") for number in range(5000)
    ]

    facts = certificates.facts(certificate(names, subject="s" * 64))

    assert len(facts["names"]) == 20
    assert len(str(facts)) < 4000


def test_a_certificate_that_cannot_be_read_has_a_fingerprint_at_least() -> None:
    facts = certificates.facts(b"no certificate at all")

    assert list(facts) == ["fingerprint_sha256"]
    assert not certificates.expires_within(facts, 14)
    assert certificates.expired_message(facts) == "Certificate has expired"


@pytest.mark.filterwarnings("ignore")  # by cryptography, about what it reads all the same
def test_no_damage_to_a_certificate_is_more_than_it_can_take() -> None:
    der = certificate([x509.DNSName("example.com")])
    dice = random.Random(1)

    for _ in range(5000):
        damaged = bytearray(der)
        for _ in range(dice.choice((1, 1, 2, 5))):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        facts = certificates.facts(bytes(damaged))

        assert len(facts) in (1, 7)


@pytest.mark.parametrize(
    ("days_left", "days", "expected"),
    [(13, 14, True), (14, 14, False), (-5, 14, True), (-5, 0, False), (0, 1, True)],
)
def test_a_warning_is_due_below_the_days_and_never_for_zero(
    days_left: int, days: int, expected: bool
) -> None:
    assert certificates.expires_within({"days_left": days_left}, days) is expected


def test_what_expired_is_told_from_the_one_that_vouches_for_it() -> None:
    own = certificates.facts(certificate(expires=datetime.datetime(2024, 5, 6, tzinfo=NOW.tzinfo)))
    good = certificates.facts(certificate())

    assert certificates.expired_message(own) == "Certificate expired on 2024-05-06"
    expected = "A certificate that vouches for this one has expired"
    assert certificates.expired_message(good) == expected


def test_a_pem_is_not_taken_for_der() -> None:
    pem = ssl.DER_cert_to_PEM_cert(certificate()).encode()

    assert "subject" not in certificates.facts(pem)
