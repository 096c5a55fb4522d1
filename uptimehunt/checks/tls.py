"""The `tls` service type: a certificate, also one that nobody should trust, and what is wrong.

The certificate is judged by a handshake as any client makes it. What does not pass is looked at in
a second one that accepts everything, so that the facts are there when they are needed most.
"""

import ssl
from typing import Any, Literal

from pydantic import Field

from uptimehunt.checks import certificates, net, starttls, stream
from uptimehunt.checks.base import CheckType, Deadline, Outcome, place
from uptimehunt.checks.peer import TrustConfig, target
from uptimehunt.checks.starttls import Protocol
from uptimehunt.checks.stream import Stream

_VERSIONS = {"SSLv3": "SSL 3", "TLSv1": "TLS 1.0", "TLSv1.1": "TLS 1.1"}
_VERSIONS |= {"TLSv1.2": "TLS 1.2", "TLSv1.3": "TLS 1.3"}
_LONGEST_CHAIN = 10


class TlsCheckConfig(TrustConfig):
    """Where the certificate is, and what is expected of it."""

    port: int = Field(
        default=443,
        ge=1,
        le=65535,
        title="Port",
        description="1 to 65535.",
        json_schema_extra=place(2, "request"),
    )
    starttls: Protocol = Field(
        default="none",
        title="STARTTLS",
        description="Protocol that begins in the clear and is asked for TLS; none for TLS at once.",
        json_schema_extra=place(3, "request"),
    )
    warn_days: int = Field(
        default=14,
        ge=0,
        le=365,
        title="Certificate warning",
        description="Warn when the certificate expires within this many days; 0 for never.",
        json_schema_extra=place(10, "expect"),
    )
    min_version: Literal["1.2", "1.3"] = Field(
        default="1.2",
        title="Lowest TLS version",
        description="A connection with an older version is a failure.",
        json_schema_extra=place(11, "expect"),
    )

    @property
    def warn_within_days(self) -> int:
        """With so many days left to a certificate a warning is due; 0 for never."""
        return self.warn_days


def check(config: TlsCheckConfig, deadline: Deadline) -> Outcome:
    """Shake hands and judge the certificate.

    Returns:
        details as `stream.converse` gives them, `tls_version` ("TLS 1.3"), `cipher`, and `chain`
        (subject, issuer and not_after of each certificate that the server sent, its own first).
    """

    def talk(peer: Stream) -> net.Fault | None:
        starttls.begin(config.starttls, peer)
        peer.secure(config)
        return _version_fault(config, peer.details)

    outcome = stream.converse(config, deadline, talk, inspect=_session)
    if outcome.error == "tls_error":
        fault = _version_fault(config, outcome.details)
        if fault is not None:
            return Outcome(False, None, *fault, details=outcome.details)
    return outcome


def _version_fault(config: TlsCheckConfig, details: Any) -> net.Fault | None:
    version, wanted = details.get("tls_version"), f"TLS {config.min_version}"
    if version is None or version >= wanted:
        return None
    return "tls_error", f"The server speaks {version}, expected {wanted} or newer"


def _session(connection: ssl.SSLSocket) -> dict[str, Any]:
    version, cipher = connection.version() or "", connection.cipher()
    shown = ("subject", "issuer", "not_after")
    return {
        "tls_version": _VERSIONS.get(version, version),
        "cipher": cipher[0] if cipher else "",
        "chain": [
            {name: facts[name] for name in shown if name in facts}
            for facts in map(certificates.facts, _chain(connection))
        ],
    }


def _chain(connection: ssl.SSLSocket) -> list[bytes]:
    """The certificates that the server sent, in DER; only its own where Python does not say more.

    Python has had this since 3.10, but in public from 3.13 on only.
    """
    own = connection.getpeercert(binary_form=True)
    read = getattr(getattr(connection, "_sslobj", None), "get_unverified_chain", None)
    sent = read() if read is not None else None
    if not sent:
        return [own] if own else []
    pems = [certificate.public_bytes() for certificate in sent[:_LONGEST_CHAIN]]
    return [ssl.PEM_cert_to_DER_cert(pem) for pem in pems]


CHECK = CheckType(
    type="tls",
    name="TLS certificate",
    description="Watches a certificate: whether it is trusted, and how long it is still good.",
    category="network",
    icon="lock",
    config=TlsCheckConfig,
    check=check,
    target=target,
    timing_phases=stream.PHASES,
)
