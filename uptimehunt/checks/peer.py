"""Configs of check types that talk to one host and port, alone or with TLS over it."""

import functools
import ssl
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from uptimehunt.checks import net
from uptimehunt.checks.base import CheckConfig, Target, place


def _valid_host(text: str) -> str:
    try:
        return net.ascii_host(text)
    except ValueError:
        raise PydanticCustomError("host", "Host must be a host name or an IP address") from None


def _valid_ca(text: str) -> str:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (ssl.SSLError, TypeError, ValueError):
        raise PydanticCustomError("ca_pem", "CA certificates must be valid PEM") from None
    return text


def _valid_server_name(text: str) -> str:
    try:
        name = net.ascii_host(text)
    except ValueError:
        name = "%"
    if "%" in name:  # the zone of an IPv6 address is nothing that a certificate could name
        raise PydanticCustomError("host", "Server name must be a host name or an IP address")
    return name


Host = Annotated[str, AfterValidator(_valid_host)]
ServerName = Annotated[str, AfterValidator(_valid_server_name)]
CaPem = Annotated[str, AfterValidator(_valid_ca)]
Security = Literal["none", "starttls", "tls"]


class HostConfig(CheckConfig):
    """Whom to talk to, where the protocol has no ports."""

    host: Host = Field(
        min_length=1,
        max_length=255,
        title="Host",
        description="Host name, IPv4 or IPv6 address.",
        json_schema_extra=place(1, "request"),
    )


class PeerConfig(HostConfig):
    """Where to connect to; a type with a usual port gives `port` a default."""

    port: int = Field(
        ge=1,
        le=65535,
        title="Port",
        description="1 to 65535.",
        json_schema_extra=place(2, "request"),
    )

    @functools.cached_property
    def peer(self) -> str:
        """`host:port`, for messages and labels."""
        return net.peer(self.host, self.port)


class AuthorityConfig(CheckConfig):
    """Whose certificates are trusted."""

    verify_tls: bool = Field(
        default=True,
        title="Verify certificate",
        description="Fail when the certificate is expired, of another host or not trusted.",
        json_schema_extra=place(21, "tls"),
    )
    ca_pem: CaPem | None = Field(
        default=None,
        max_length=65536,
        title="CA certificates",
        description="PEM; trusted for this service instead of the system's.",
        json_schema_extra=place(23, "tls", **{"x-multiline": True}),
    )


class ExpiryConfig(CheckConfig):
    """When a certificate is worth a warning."""

    certificate_warn_days: int = Field(
        default=14,
        ge=0,
        le=365,
        title="Certificate warning",
        description="Warn when the certificate expires within this many days; 0 for never.",
        json_schema_extra=place(24, "tls"),
    )


class TrustConfig(PeerConfig, AuthorityConfig):
    """Which certificates are trusted, for a peer that shows one."""

    server_name: ServerName | None = Field(
        default=None,
        min_length=1,
        max_length=255,
        title="Server name",
        description="Name to ask for in the handshake; the host when left out.",
        json_schema_extra=place(22, "tls"),
    )

    @property
    def warn_within_days(self) -> int:
        """With so many days left to a certificate a warning is due; 0 for never."""
        return 0


class TlsConfig(TrustConfig, ExpiryConfig):
    """How a certificate is judged, for those who speak TLS."""

    @property
    def warn_within_days(self) -> int:
        """With so many days left to a certificate a warning is due; 0 for never."""
        return self.certificate_warn_days


class SecurableConfig(TlsConfig):
    """For protocols that begin in the clear and may be made secure, or begin with TLS."""

    security: Security = Field(
        default="none",
        title="Security",
        description="In the clear, made secure by STARTTLS, or TLS from the first byte on.",
        json_schema_extra=place(20, "tls"),
    )


def target(config: PeerConfig) -> Target:
    """The target of any of these configs."""
    return Target(host=config.host, port=config.port, label=config.peer)
