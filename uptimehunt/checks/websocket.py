"""The `websocket` service type: switch to WebSocket, and send and expect a message where asked.

The protocol is in `websocket_protocol.py`.
"""

import dataclasses
import functools
import re
from typing import Annotated
from urllib.parse import unquote

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from uptimehunt import __version__
from uptimehunt.checks import net, stream, text
from uptimehunt.checks.base import CheckType, Deadline, Outcome, Target, place
from uptimehunt.checks.http_fields import SENSITIVE_NAME, Header
from uptimehunt.checks.peer import AuthorityConfig, ExpiryConfig, TlsConfig
from uptimehunt.checks.stream import Stream
from uptimehunt.checks.url import Url, parse_url
from uptimehunt.checks.websocket_protocol import Messages, shake_hands

_SCHEME = re.compile(r"ws(s?)(?=://)", re.IGNORECASE)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SET_BY_US = re.compile(r"upgrade|connection|sec-websocket-.*", re.IGNORECASE)


def _parse(address: str) -> Url:
    """The URL with http for ws and https for wss: all else about them is the same (RFC 6455, 3).

    Raises:
        ValueError: not a WebSocket URL.
    """
    if not _SCHEME.match(address):
        raise ValueError("a WebSocket URL starts with ws:// or wss://")
    return parse_url(_SCHEME.sub(lambda match: f"http{match[1].lower()}", address, count=1))


def _valid_url(address: str) -> str:
    try:
        _parse(address)
    except ValueError:
        raise PydanticCustomError("url", "URL must be valid, with ws:// or wss://") from None
    return address


def _valid_subprotocol(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise PydanticCustomError("subprotocol", "Subprotocol must be one name without blanks")
    return name


def _valid_headers(headers: list[Header]) -> list[Header]:
    for header in headers:
        if _SET_BY_US.fullmatch(header.name):
            raise PydanticCustomError("headers", "Headers must not be those of the handshake")
    return headers


class WebsocketConfig(AuthorityConfig, ExpiryConfig):
    """Where to switch to WebSocket, and what to say and to hear there."""

    url: Annotated[str, AfterValidator(_valid_url)] = Field(
        min_length=1,
        max_length=4096,
        title="URL",
        description="Address to connect to, starting with ws:// or wss://.",
        json_schema_extra=place(1, "request", format="uri"),
    )
    headers: Annotated[list[Header], AfterValidator(_valid_headers)] = Field(
        default=[],
        max_length=64,
        title="Headers",
        description="Sent with the request to switch.",
        json_schema_extra=place(2, "request"),
    )
    subprotocol: Annotated[str, AfterValidator(_valid_subprotocol)] | None = Field(
        default=None,
        min_length=1,
        max_length=128,
        title="Subprotocol",
        description="The server must choose it; for example graphql-transport-ws.",
        json_schema_extra=place(3, "request"),
    )
    send: str | None = Field(
        default=None,
        min_length=1,
        max_length=4096,
        title="Message to send",
        description="Sent as text once the connection stands.",
        json_schema_extra=place(4, "request", **{"x-multiline": True}),
    )
    expect: text.Pattern | None = Field(
        default=None,
        min_length=1,
        max_length=1000,
        title="Expected message",
        description="RE2 pattern that a text must match; left out, none is awaited.",
        json_schema_extra=place(10, "expect"),
    )

    @functools.cached_property
    def parsed_url(self) -> Url:
        """The URL in parts, http for ws."""
        return _parse(self.url)

    @functools.cached_property
    def peer(self) -> TlsConfig:
        """Whom to connect to."""
        return TlsConfig(
            host=self.parsed_url.host,
            port=self.parsed_url.port,
            timeout=self.timeout,
            ip_family=self.ip_family,
            verify_tls=self.verify_tls,
            ca_pem=self.ca_pem,
            certificate_warn_days=self.certificate_warn_days,
        )

    @property
    def header_lines(self) -> list[bytes]:
        """What goes into the request to switch; a header of ours gives way to one of theirs."""
        url = self.parsed_url
        headers = {
            "host": f"Host: {url.netloc}",
            "user-agent": f"User-Agent: UptimeHunt/{__version__}",
        }
        if url.basic_credentials:
            headers["authorization"] = f"Authorization: {url.basic_credentials}"
        for header in self.headers:
            headers.pop(header.name.lower(), None)
        lines = [*headers.values(), *(f"{one.name}: {one.value.strip()}" for one in self.headers)]
        return [line.encode("latin-1") for line in lines]

    @property
    def secret_values(self) -> list[str]:
        """What must not appear in an excerpt of what the server said."""
        url = self.parsed_url
        secrets = {url.password, unquote(url.password), *url.basic_credentials.split()[1:]}
        for header in self.headers:
            if header.secret or SENSITIVE_NAME.search(header.name):
                secrets |= {header.value, *header.value.split()}
        return list(secrets)


def check(config: WebsocketConfig, deadline: Deadline) -> Outcome:
    """Switch to WebSocket, send the message, and wait for the expected one.

    Returns:
        details as `stream.converse` gives them; `http_status_code` once there was an answer;
        where a message is expected also `messages`, how many arrived, and after a failure
        `message`, the first 200 characters of the last one.
    """

    def talk(peer: Stream) -> net.Fault | None:
        if config.parsed_url.scheme == "https":
            peer.secure(config.peer)
        path = config.parsed_url.wire.removeprefix(config.parsed_url.origin)
        fault = shake_hands(peer, path, config.header_lines, config.subprotocol)
        return fault or _exchange(peer, config)

    outcome = stream.converse(config.peer, deadline, talk)
    return dataclasses.replace(outcome, status_code=outcome.details.get("http_status_code"))


def _exchange(peer: Stream, config: WebsocketConfig) -> net.Fault | None:
    messages = Messages(peer)
    if config.send is not None:
        messages.send(config.send)
    if config.expect is not None:
        try:
            fault = _wait(messages, config.expect, config.timeout)
        finally:
            peer.details["messages"] = messages.count
            if messages.count:
                peer.details["message"] = text.excerpt(messages.last, config.secret_values)
        if fault is not None:
            return fault
        del peer.details["message"]  # it was as expected
    messages.close()
    return None


def _wait(messages: Messages, expect: str, timeout_s: int) -> net.Fault | None:
    try:
        while (message := messages.receive()) is not None:
            if text.matches(expect, message):
                return None
    except TimeoutError:
        if not messages.count:
            return "timeout", f"No message within {timeout_s} s"
    return "assertion_failed", "No message was as expected"


def _target(config: WebsocketConfig) -> Target:
    url = config.parsed_url
    return Target(host=url.host, port=url.port, label=f"ws{url.label.removeprefix('http')}")


CHECK = CheckType(
    type="websocket",
    name="WebSocket",
    description="Switches to WebSocket, and exchanges messages where asked.",
    category="web",
    icon="globe",
    config=WebsocketConfig,
    check=check,
    target=_target,
    timing_phases=stream.PHASES,
)
