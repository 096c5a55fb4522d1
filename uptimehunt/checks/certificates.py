"""The facts of a certificate, for people: the same names for every check type."""

import hashlib
from typing import Any

from cryptography import x509

from uptimehunt import clock

_DAY_MS = 86_400_000


def facts(der: bytes) -> dict[str, Any]:
    """What a certificate says.

    Args:
        der: the certificate, in DER.

    Returns:
        subject, issuer, not_before, not_after, days_left (negative once it has expired),
        fingerprint_sha256, names (host names and addresses it is for).
    """
    certificate = x509.load_der_x509_certificate(der)
    expires_at = int(certificate.not_valid_after_utc.timestamp() * 1000)
    return {
        "subject": certificate.subject.rfc4514_string(),
        "issuer": certificate.issuer.rfc4514_string(),
        "not_before": clock.iso_seconds(int(certificate.not_valid_before_utc.timestamp() * 1000)),
        "not_after": clock.iso_seconds(expires_at),
        "days_left": (expires_at - clock.now_ms()) // _DAY_MS,
        "fingerprint_sha256": hashlib.sha256(der).hexdigest(),
        "names": _names(certificate),
    }


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return []
    names = extension.value.get_values_for_type(x509.DNSName)
    addresses = extension.value.get_values_for_type(x509.IPAddress)
    return [*names, *map(str, addresses)][:100]
