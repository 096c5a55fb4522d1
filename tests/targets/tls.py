"""TLS servers with good and bad certificates, all for 127.0.0.1, from an authority of our own."""

import contextlib
import datetime
import functools
import socketserver
import ssl
import warnings
from collections.abc import Iterator
from typing import Literal

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.targets import LoopbackServer, running
from tests.targets.http import HttpTarget, http_target

Kind = Literal[
    "good",
    "expiring",
    "expired",
    "not_yet_valid",
    "wrong_host",
    "self_signed",
    "chain",
    "incomplete_chain",
    "malformed",
]

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
        case "chain" | "incomplete_chain":
            certificate = _authority().create_child_ca().issue_cert("127.0.0.1")
            if kind == "incomplete_chain":
                own = certificate.cert_chain_pems[0].bytes()
                certificate = trustme.LeafCert(certificate.private_key_pem.bytes(), own, [])
        case "malformed":
            certificate = _malformed()
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


def _malformed() -> trustme.LeafCert:
    """One that OpenSSL takes and others do not: its version number does not exist."""
    good = _self_signed()
    der = ssl.PEM_cert_to_DER_cert(good.cert_chain_pems[0].bytes().decode())
    version = b"\xa0\x03\x02\x01"
    at = der.index(version) + len(version)
    broken = ssl.DER_cert_to_PEM_cert(der[:at] + b"\x27" + der[at + 1 :])
    return trustme.LeafCert(good.private_key_pem.bytes(), broken.encode(), [])


def context_of_version(version: ssl.TLSVersion) -> ssl.SSLContext:
    """A good certificate, by this version of TLS only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _authority().issue_cert("127.0.0.1").configure_cert(context)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the version, not of the method
        context.minimum_version = context.maximum_version = version
    return context


@contextlib.contextmanager
def tls_target(context: ssl.SSLContext) -> Iterator[int]:
    """Shakes hands, and waits for the other side to hang up; yields its port."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(1)

    server = LoopbackServer(Handler, context)
    with running(server):
        yield server.port


@contextlib.contextmanager
def https_target(kind: Kind = "good") -> Iterator[HttpTarget]:
    with http_target(server_context(kind)) as server:
        yield server
