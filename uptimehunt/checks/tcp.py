"""The `tcp` service type: a connection that stands, and a TLS handshake over it where asked."""

import functools
import ssl
from typing import Annotated, Any

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from uptimehunt import clock
from uptimehunt.checks import net
from uptimehunt.checks.base import CheckConfig, CheckType, Deadline, Outcome, Target, whole_ms


def _valid_host(text: str) -> str:
    try:
        return net.ascii_host(text)
    except ValueError:
        raise PydanticCustomError("host", "Host must be a host name or an IP address") from None


Host = Annotated[str, AfterValidator(_valid_host)]


class TcpConfig(CheckConfig):
    """Where to connect to."""

    host: Host = Field(
        min_length=1,
        max_length=255,
        title="Host",
        description="Host name, IPv4 or IPv6 address.",
        json_schema_extra={"x-order": 1, "x-group": "request"},
    )
    port: int = Field(
        ge=1,
        le=65535,
        title="Port",
        description="TCP port, 1 to 65535.",
        json_schema_extra={"x-order": 2, "x-group": "request"},
    )
    tls: bool = Field(
        default=False,
        title="TLS",
        description="Complete a TLS handshake after connecting.",
        json_schema_extra={"x-order": 20, "x-group": "tls"},
    )
    verify_tls: bool = Field(
        default=True,
        title="Verify certificate",
        description="Fail when the certificate is expired, of another host or not trusted.",
        json_schema_extra={"x-order": 21, "x-group": "tls"},
    )
    server_name: Host | None = Field(
        default=None,
        min_length=1,
        max_length=255,
        title="Server name",
        description="Name to ask for in the handshake; the host when left out.",
        json_schema_extra={"x-order": 22, "x-group": "tls"},
    )

    @functools.cached_property
    def peer(self) -> str:
        """`host:port`, for messages and labels."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def check(config: TcpConfig, deadline: Deadline) -> Outcome:
    """Connect, shake hands where asked, and hang up.

    Returns:
        details: `remote_ip`, `timing` with `namelookup`, `connect`, `appconnect` (0 without TLS)
        and `total`, in seconds from the start.
    """
    started = clock.monotonic()
    details: dict[str, Any] = {}
    try:
        connection = net.dial(config.host, config.port, deadline, config.ip_family)
        with connection.sock as sock:
            details["remote_ip"] = connection.remote_ip
            timing = {
                "namelookup": round(connection.namelookup_s, 6),
                "connect": round(connection.connect_s, 6),
                "appconnect": 0.0,
                "total": round(connection.connect_s, 6),
            }
            details["timing"] = timing
            if config.tls:
                context = _context(config.verify_tls)  # slow the first time: before asking `left`
                name = config.server_name or config.host
                sock.settimeout(deadline.left())
                # The handshake as a whole obeys the timeout, not each of its reads.
                with context.wrap_socket(sock, server_hostname=name):
                    timing["appconnect"] = timing["total"] = round(clock.monotonic() - started, 6)
    except OSError as error:
        kind, message = net.explain(error, config.peer, config.timeout)
        return Outcome(False, None, kind, message, details=details)
    return Outcome(True, whole_ms(timing["total"]), details=details)


@functools.cache
def _context(verify: bool) -> ssl.SSLContext:
    """The TLS settings; made once, because reading all roots takes 10 ms."""
    context = ssl.create_default_context(cafile=net.ca_bundle())
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _target(config: TcpConfig) -> Target:
    return Target(host=config.host, port=config.port, label=config.peer)


CHECK = CheckType(
    type="tcp",
    name="TCP port",
    description="Connects to a TCP port, with a TLS handshake where asked.",
    category="network",
    icon="plug",
    config=TcpConfig,
    check=check,
    target=_target,
    timing_phases=("namelookup", "connect", "appconnect", "total"),
)
