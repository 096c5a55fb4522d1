"""The config of the `dns` service type, and the normal form in which records are compared.

The course of a check is in `dns.py`, the ways to a name server in `dns_transport.py`. dnspython
(`import dns…` is always the library here) is loaded when it is first needed, by a program that
has such a service.
"""

import functools
import ipaddress
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from uptimehunt.checks import net
from uptimehunt.checks.base import CheckConfig, Target, place, refuse
from uptimehunt.checks.peer import CaPem, Host, ServerName, TlsConfig
from uptimehunt.checks.url import Url, parse_url

if TYPE_CHECKING:
    import dns.message
    import dns.rdata

RecordType = Literal[
    "A", "AAAA", "CNAME", "MX", "NS", "TXT", "SOA", "SRV", "PTR", "CAA", "DS", "DNSKEY", "TLSA",
    "NAPTR", "HTTPS", "SVCB",
]  # fmt: skip
Transport = Literal["udp", "tcp", "dot", "doh"]

_PORTS: dict[Transport, int] = {"udp": 53, "tcp": 53, "dot": 853, "doh": 443}
_LONGEST_NAME = 253
_ENCRYPTED: list[str] = ["dot", "doh"]
# Nothing in their text but names, addresses, numbers and hexadecimal digits: case means nothing.
_CASELESS = frozenset(
    ("A", "AAAA", "CNAME", "MX", "NS", "SOA", "SRV", "PTR", "DS", "TLSA", "HTTPS", "SVCB")
)


def comparable(record: "dns.rdata.Rdata", record_type: RecordType) -> str:
    """The form in which an answer and an expectation are equal when they mean the same."""
    if record_type == "TXT":
        # How a long text was cut into strings is the server's business.
        strings: tuple[bytes, ...] = record.strings  # type: ignore[attr-defined]
        return b"".join(strings).decode("utf-8", "replace")
    text = record.to_text()
    return text.lower() if record_type in _CASELESS else text


def _expectation(text: str, record_type: RecordType) -> str:
    """What a person wrote, in the form of `comparable`.

    Raises:
        ValueError: it is no value of this type.
    """
    import dns.exception
    import dns.name
    import dns.rdata
    import dns.rdataclass

    if record_type == "TXT" and not text.startswith('"'):
        return text
    try:
        record = dns.rdata.from_text(
            dns.rdataclass.IN, record_type, text.strip(), dns.name.root, relativize=False
        )
    except dns.exception.DNSException:
        raise ValueError("not a value of this type") from None
    return comparable(record, record_type)


class DnsConfig(CheckConfig):
    """What to look up, where, and what to expect."""

    host: Host = Field(
        min_length=1,
        max_length=255,
        title="Host",
        description="Name to look up; for PTR an IP address will do.",
        json_schema_extra=place(1, "request"),
    )
    record_type: RecordType = Field(
        default="A",
        title="Record type",
        description="Which records to ask for.",
        json_schema_extra=place(2, "request"),
    )
    server: Host | None = Field(
        default=None,
        min_length=1,
        max_length=255,
        title="Server",
        description="Name server to ask; those of the probe's own system when left out.",
        json_schema_extra=place(3, "request"),
    )
    transport: Transport = Field(
        default="udp",
        title="Transport",
        description="UDP, TCP, DNS over TLS (DoT) or over HTTPS (DoH).",
        json_schema_extra=place(4, "request"),
    )
    port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        title="Port",
        description="Port of the server; 53, for DoT 853, for DoH 443 when left out.",
        json_schema_extra=place(5, "request"),
    )
    path: str = Field(
        default="/dns-query",
        min_length=1,
        max_length=1024,
        title="Path",
        description="Path of the DoH service on its server.",
        json_schema_extra=place(6, "request", **{"x-when": {"transport": "doh"}}),
    )
    rcode: Literal["NOERROR", "NXDOMAIN", "SERVFAIL", "REFUSED", "FORMERR", "NOTIMP"] = Field(
        default="NOERROR",
        title="Response code",
        description="What the server must answer; with NOERROR there must be a record, too.",
        json_schema_extra=place(10, "expect"),
    )
    expected: list[Annotated[str, Field(min_length=1, max_length=4096)]] = Field(
        default=[],
        max_length=50,
        title="Expected values",
        description="Records as in a zone file (10 mail.example.com); any will do when left out.",
        json_schema_extra=place(
            11, "expect", **{"x-multiline": True, "x-when": {"rcode": "NOERROR"}}
        ),
    )
    match: Literal["any", "all", "exact"] = Field(
        default="any",
        title="Match",
        description="One of the expected values is enough, all must be there, or all and no other.",
        json_schema_extra=place(12, "expect", **{"x-when": {"rcode": "NOERROR"}}),
    )
    dnssec: bool = Field(
        default=False,
        title="DNSSEC",
        description="The server must say that it has validated the answer.",
        json_schema_extra=place(13, "expect"),
    )
    verify_tls: bool = Field(
        default=True,
        title="Verify certificate",
        description="Fail when the certificate is expired, of another host or not trusted.",
        json_schema_extra=place(21, "tls", **{"x-when": {"transport": _ENCRYPTED}}),
    )
    server_name: ServerName | None = Field(
        default=None,
        min_length=1,
        max_length=255,
        title="Server name",
        description="Name to ask for in the handshake; the server when left out.",
        json_schema_extra=place(22, "tls", **{"x-when": {"transport": "dot"}}),
    )
    ca_pem: CaPem | None = Field(
        default=None,
        max_length=65536,
        title="CA certificates",
        description="PEM; trusted for this service instead of the system's.",
        json_schema_extra=place(
            23, "tls", **{"x-multiline": True, "x-when": {"transport": _ENCRYPTED}}
        ),
    )
    certificate_warn_days: int = Field(
        default=14,
        ge=0,
        le=365,
        title="Certificate warning",
        description="Warn when the certificate expires within this many days; 0 for never.",
        json_schema_extra=place(24, "tls", **{"x-when": {"transport": _ENCRYPTED}}),
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        found: dict[str, list[str]] = {}
        is_address = _is_address(self.host)
        if "%" in self.host:
            found["host"] = ["Host must be without a zone"]
        elif is_address and self.record_type != "PTR":
            found["host"] = ["Host must be a name, unless PTR is asked for"]
        elif not is_address and len(self.host.removesuffix(".")) > _LONGEST_NAME:
            found["host"] = [f"Must be at most {_LONGEST_NAME} characters"]
        if self.server is None and self.transport in _ENCRYPTED:
            found["server"] = ["Server is required for this transport"]
        elif self.server is not None and "%" in self.server and self.transport in _ENCRYPTED:
            found["server"] = ["Server must be without a zone for this transport"]
        if self.transport == "doh" and not self._has_path():
            found["path"] = ["Path must start with / and be that of a URL"]
        if self.expected and self.rcode != "NOERROR":
            found["expected"] = ["Expected values come only with the response code NOERROR"]
        elif not self._understands_expected():
            found["expected"] = [f"Expected values must be valid {self.record_type} records"]
        if found:
            raise refuse(found)
        return self

    def _has_path(self) -> bool:
        try:
            parse_url(f"https://localhost{self.path}")
        except ValueError:
            return False
        return self.path.startswith("/") and "#" not in self.path

    def _understands_expected(self) -> bool:
        try:
            return len(self.expected_values) <= len(self.expected)
        except ValueError:
            return False

    @functools.cached_property
    def expected_values(self) -> frozenset[str]:
        """The expected values in the form of `comparable`."""
        return frozenset(_expectation(text, self.record_type) for text in self.expected)

    @property
    def server_port(self) -> int:
        """The port to ask at."""
        return self.port or _PORTS[self.transport]

    @functools.cached_property
    def doh_url(self) -> Url:
        """Where DoH queries go.

        Raises:
            ValueError: the path is not that of a URL.
        """
        return parse_url(
            f"https://{net.peer(self.server or 'localhost', self.server_port)}{self.path}"
        )

    @functools.cached_property
    def question(self) -> str:
        """The name to ask for: for the PTR of an address, the one it has in the reverse zone."""
        if self.record_type == "PTR" and _is_address(self.host):
            return ipaddress.ip_address(self.host).reverse_pointer
        return self.host

    def query(self) -> "dns.message.QueryMessage":
        """A new query, with an id that cannot be guessed."""
        import dns.message

        # 1,232 bytes is what gets through everywhere without fragments (DNS Flag Day 2020).
        return dns.message.make_query(
            self.question, self.record_type, use_edns=0, want_dnssec=self.dnssec, payload=1232
        )

    def at(self, server: str) -> TlsConfig:
        """One name server, in the words of those who dial."""
        return TlsConfig(
            host=server,
            port=self.server_port,
            timeout=self.timeout,
            ip_family=self.ip_family,
            verify_tls=self.verify_tls,
            server_name=self.server_name,
            ca_pem=self.ca_pem,
            certificate_warn_days=self.certificate_warn_days,
        )


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def target(config: DnsConfig) -> Target:
    """Whom a config talks to; a look-up by the system's servers counts by the name looked up."""
    label = f"{config.host} {config.record_type}"
    if config.server is not None:
        label += f" at {net.peer(config.server, config.server_port)}"
    return Target(host=config.server or config.host, port=config.server_port, label=label)
