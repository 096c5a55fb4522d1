"""The `grpc` service type: a server asked for its health by the gRPC health checking protocol.

One call over HTTP/2, with the little of protobuf that it takes written by hand. Sources: "gRPC
over HTTP2" (doc/PROTOCOL-HTTP2.md) and "GRPC Health Checking Protocol" (doc/health-checking.md) of
the gRPC project.
"""

import functools
import re
from typing import Annotated, Any
from urllib.parse import unquote_to_bytes

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from uptimehunt.checks import certificates, curl, net, text
from uptimehunt.checks.base import CheckType, Deadline, Outcome, place, whole_ms
from uptimehunt.checks.http_fields import SENSITIVE_NAME, Header
from uptimehunt.checks.peer import AuthorityConfig, ExpiryConfig, PeerConfig, target
from uptimehunt.checks.url import Url

_PATH = "/grpc.health.v1.Health/Check"
_MOST_BYTES = 16_384
_SET_BY_US = re.compile(r"(?:content-type|host|te|connection|grpc-.*)", re.IGNORECASE)
_OK = 0
_SERVING = 1
_HEALTH = {
    0: "Service does not say whether it is healthy",
    2: "Service says that it is not serving",
    3: "The server does not know this service",
}
_FAULTS: dict[int, net.Fault] = {
    4: ("timeout", "The server did not answer in time"),
    5: ("assertion_failed", "The server does not know this service"),
    7: ("authentication_failed", "The server does not allow us to ask"),
    12: ("assertion_failed", "The server has no health service"),
    14: ("assertion_failed", "The server says that it is not available"),
    16: ("authentication_failed", "The server wants a login"),
}
"""What status codes mean ("Status codes and their use in gRPC", doc/statuscodes.md)."""


def _valid_metadata(headers: list[Header]) -> list[Header]:
    for header in headers:
        if _SET_BY_US.fullmatch(header.name):
            raise PydanticCustomError("metadata", "Metadata must not be what the call itself sets")
    return headers


class GrpcConfig(PeerConfig, AuthorityConfig, ExpiryConfig):
    """Which server to ask for the health of which service."""

    service: str = Field(
        default="",
        max_length=255,
        title="Service",
        description="For example shop.Cart; left out, the server speaks for all it has.",
        json_schema_extra=place(3, "request"),
    )
    metadata: Annotated[list[Header], AfterValidator(_valid_metadata)] = Field(
        default=[],
        max_length=64,
        title="Metadata",
        description="Sent with the call; for example authorization.",
        json_schema_extra=place(4, "request"),
    )
    tls: bool = Field(
        default=False,
        title="TLS",
        description="Connect with TLS.",
        json_schema_extra=place(20, "tls"),
    )

    @functools.cached_property
    def request(self) -> curl.Request:
        """What every check sends."""
        own = {header.name.lower() for header in self.metadata}
        headers = [
            b"Content-Type: application/grpc",
            b"TE: trailers",
            f"grpc-timeout: {self.timeout}S".encode("ascii"),
            *([] if "accept" in own else [b"Accept:"]),
            *(header.line for header in self.metadata),
        ]
        return curl.prepare(
            Url("https" if self.tls else "http", self.host, self.port, _PATH, ""),
            curl.Route(
                ip_family=self.ip_family,
                verify_tls=self.verify_tls,
                ca_pem=self.ca_pem,
                http_version="2" if self.tls else "2-direct",
            ),
            method="POST",
            headers=headers,
            body=_framed(_health_request(self.service)),
            max_body_bytes=_MOST_BYTES,
        )

    @property
    def secret_values(self) -> list[str]:
        """What must not appear in an excerpt of what the server said."""
        secrets: set[str] = set()
        for header in self.metadata:
            if header.secret or SENSITIVE_NAME.search(header.name):
                secrets |= {header.value, *header.value.split()}
        return list(secrets)


def check(config: GrpcConfig, deadline: Deadline) -> Outcome:
    """Ask for the health of the service.

    Returns:
        details: `remote_ip`, `timing` (`curl.PHASES`), `http_status_code`, `http_version`,
        `certificate`, `warning` (`certificate_expiring`); `grpc_status` once there was one, and
        `grpc_message`, the first 200 characters of what the server said of an error.
    """
    answer = curl.exchange(config.request, deadline, config.timeout)
    details: dict[str, Any] = {**answer.facts, "timing": answer.timing}
    if answer.fault is not None:
        return Outcome(False, None, *answer.fault, answer.status or None, details)
    if certificates.expires_within(details.get("certificate", {}), config.certificate_warn_days):
        details["warning"] = "certificate_expiring"
    response_time_ms = whole_ms(answer.timing["total"])
    fault = _judge(answer, config, details)
    if fault is None:
        return Outcome(True, response_time_ms, status_code=answer.status, details=details)
    return Outcome(False, response_time_ms, *fault, answer.status, details)


def _judge(answer: curl.Answer, config: GrpcConfig, details: dict[str, Any]) -> net.Fault | None:
    if answer.status in (401, 403):
        return "authentication_failed", f"Answered {answer.status} instead of gRPC"
    if answer.status != 200:
        return "status_mismatch", f"Answered {answer.status} instead of gRPC"
    # After the body come trailers; libcurl hands them on as it does headers.
    said = {name.lower(): value for name, value in answer.headers()}
    if details.get("http_version") != "2" or not said.get("content-type", "").startswith(
        "application/grpc"
    ):
        return "protocol_error", "The answer is not gRPC"
    status = said.get("grpc-status", "")
    if not status.isdecimal() or len(status) > 3:
        return "protocol_error", "The answer ended without a gRPC status"
    code = details["grpc_status"] = int(status)
    if code != _OK:
        if "grpc-message" in said:
            message = unquote_to_bytes(said["grpc-message"])
            details["grpc_message"] = text.excerpt(message, config.secret_values)
        return _FAULTS.get(code, ("assertion_failed", f"Answered with gRPC status {code}"))
    health = _health(answer.body)
    if health == _SERVING:
        return None
    if health not in _HEALTH:
        return "protocol_error", "The answer is not that of a health service"
    return "assertion_failed", _HEALTH[health]


def _framed(message: bytes) -> bytes:
    """A message that is not compressed, with its length before it."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def _health_request(service: str) -> bytes:
    """`HealthCheckRequest`: field 1, the name of the service; left out when it is empty."""
    name = service.encode()
    if not name:
        return b""
    length = len(name)
    size = bytes([length]) if length < 128 else bytes([length & 0x7F | 0x80, length >> 7])
    return b"\x0a" + size + name


def _health(body: bytes) -> int | None:
    """The status in a `HealthCheckResponse` (field 1, an enum); None for any other body."""
    length = int.from_bytes(body[1:5], "big")
    message = body[5:]
    if len(body) < 5 or body[0] or len(message) != length:
        return None
    if not message:
        return 0  # what protobuf does not write is zero
    return message[1] if len(message) == 2 and message[0] == 0x08 else None


CHECK = CheckType(
    type="grpc",
    name="gRPC",
    description="Asks a gRPC server for the health of a service.",
    category="web",
    icon="globe",
    config=GrpcConfig,
    check=check,
    target=target,
    timing_phases=curl.PHASES,
)
