"""HTTPS servers with good and bad certificates, all for 127.0.0.1, from an authority of our own."""

import contextlib
import datetime
import functools
import ssl
from collections.abc import Iterator
from typing import Literal

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.targets.http import HttpTarget, http_target

Kind = Literal["good", "expiring", "expired", "not_yet_valid", "wrong_host", "self_signed"]

EXPIRED_ON = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)


@functools.cache
def _authority() -> trustme.CA:
    return trustme.CA()


def ca_pem() -> str:
    """The certificate to trust, for all kinds but `self_signed`."""
    return _authority().cert_pem.bytes().decode("ascii")


@functools.cache
def server_context(kind: Kind) -> ssl.SSLContext:
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    issue = _authority().issue_cert
    match kind:
        case "good":
            certificate = issue("127.0.0.1", "localhost")
        case "expiring":
            certificate = issue("127.0.0.1", not_after=now + 5.5 * day)
        case "expired":
            certificate = issue("127.0.0.1", not_before=EXPIRED_ON - day, not_after=EXPIRED_ON)
        case "not_yet_valid":
            certificate = issue("127.0.0.1", not_before=now + day, not_after=now + 2 * day)
        case "wrong_host":
            certificate = issue("other.example")
        case "self_signed":
            certificate = _self_signed()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def _self_signed() -> trustme.LeafCert:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=365))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    return trustme.LeafCert(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
        certificate.public_bytes(pem),
        [],
    )


@contextlib.contextmanager
def https_target(kind: Kind = "good") -> Iterator[HttpTarget]:
    with http_target(server_context(kind)) as server:
        yield server
