"""The facts of a certificate, for people: the same names for every check type."""

import hashlib
from typing import Any

from cryptography import x509

from uptimehunt import clock

_DAY_MS = 86_400_000
_LONGEST_NAME = 256
_MOST_NAMES = 20  # some certificates have hundreds, and facts are kept with every result
# OpenSSL takes certificates that the stricter reader of cryptography refuses, each in its own way.
_UNREADABLE = (
    ValueError,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


def facts(der: bytes) -> dict[str, Any]:
    """What a certificate says.

    Args:
        der: the certificate, in DER, or what a server passes off as one.

    Returns:
        fingerprint_sha256 and, unless the certificate is malformed, subject, issuer, not_before,
        not_after, days_left (negative once it has expired), names (host names and addresses it
        is for, the first 20).
    """
    fingerprint = {"fingerprint_sha256": hashlib.sha256(der).hexdigest()}
    try:
        certificate = x509.load_der_x509_certificate(der)
        begins_at = int(certificate.not_valid_before_utc.timestamp() * 1000)
        expires_at = int(certificate.not_valid_after_utc.timestamp() * 1000)
        return {
            "subject": certificate.subject.rfc4514_string()[:_LONGEST_NAME],
            "issuer": certificate.issuer.rfc4514_string()[:_LONGEST_NAME],
            "not_before": clock.iso_seconds(begins_at),
            "not_after": clock.iso_seconds(expires_at),
            "days_left": (expires_at - clock.now_ms()) // _DAY_MS,
            "names": _names(certificate),
        } | fingerprint
    except _UNREADABLE:
        return fingerprint


def expires_within(facts: dict[str, Any], days: int) -> bool:
    """Whether fewer than so many days are left, by the facts of a certificate; 0 for never."""
    return bool(days) and facts.get("days_left", days) < days


def expired_message(facts: dict[str, Any]) -> str:
    """What to say of an expired certificate, by the facts of the one that the server showed."""
    if "not_after" not in facts:
        return "Certificate has expired"
    if facts["days_left"] >= 0:
        return "A certificate that vouches for this one has expired"
    return f"Certificate expired on {facts['not_after'][:10]}"


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, *_UNREADABLE):
        return []
    names = extension.value.get_values_for_type(x509.DNSName)
    addresses = extension.value.get_values_for_type(x509.IPAddress)
    return [name[:_LONGEST_NAME] for name in (*names, *map(str, addresses))[:_MOST_NAMES]]
