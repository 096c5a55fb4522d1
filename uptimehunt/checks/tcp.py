"""The `tcp` service type: a connection that stands, secured and talked over where asked."""

from typing import Self

from pydantic import Field, model_validator

from uptimehunt.checks import net, payload, starttls, stream, text
from uptimehunt.checks.base import CheckType, Deadline, Outcome, place, refuse
from uptimehunt.checks.peer import TlsConfig, target
from uptimehunt.checks.starttls import Protocol
from uptimehunt.checks.stream import Stream

_MOST_BYTES = 65_536


class TcpConfig(TlsConfig):
    """Where to connect to, what to send, and what must come back."""

    send: payload.Payload | None = Field(
        default=None,
        min_length=1,
        title="Send",
        description=r"Text to send; \r \n \t \0 \xHH and \\ stand for those bytes.",
        json_schema_extra=place(3, "request", **{"x-multiline": True}),
    )
    expect: text.Pattern | None = Field(
        default=None,
        min_length=1,
        max_length=1000,
        title="Expected answer",
        description="RE2 pattern to be found in the first 64 KiB that the server sends.",
        json_schema_extra=place(10, "expect"),
    )
    tls: bool = Field(
        default=False,
        title="TLS",
        description="Complete a TLS handshake after connecting.",
        json_schema_extra=place(19, "tls"),
    )
    starttls: Protocol = Field(
        default="none",
        title="STARTTLS",
        description="Protocol in which to ask the server for TLS before the handshake.",
        json_schema_extra=place(20, "tls", **{"x-when": {"tls": False}}),
    )

    @model_validator(mode="after")
    def _one_way_to_tls(self) -> Self:
        if self.tls and self.starttls != "none":
            raise refuse({"starttls": ["STARTTLS cannot be used within TLS"]})
        return self


def check(config: TcpConfig, deadline: Deadline) -> Outcome:
    """Connect, secure the connection, send, and wait for the expected answer, as far as asked.

    Returns:
        details as `stream.converse` gives them, and `answer` (its start) when it was not as
        expected.
    """

    def talk(peer: Stream) -> net.Fault | None:
        starttls.begin(config.starttls, peer)
        if config.tls or config.starttls != "none":
            peer.secure(config)
        if config.send is not None:
            peer.send(payload.to_bytes(config.send))
        if config.expect is not None:
            return _wait_for(config.expect, peer, config.timeout)
        return None

    return stream.converse(config, deadline, talk)


def _wait_for(pattern: str, peer: Stream, timeout_s: int) -> net.Fault | None:
    """Read until the pattern is found."""
    received = b""
    try:
        while len(received) < _MOST_BYTES and (chunk := peer.read(_MOST_BYTES - len(received))):
            received += chunk
            if text.matches(pattern, received):
                return None
        fault: net.Fault = "assertion_failed", "The answer is not as expected"
    except TimeoutError:
        fault = "timeout", f"No answer as expected within {timeout_s} s"
    peer.details["answer"] = text.excerpt(received)
    return fault


CHECK = CheckType(
    type="tcp",
    name="TCP port",
    description="Connects to a TCP port, with TLS, something to send and an answer where asked.",
    category="network",
    icon="plug",
    config=TcpConfig,
    check=check,
    target=target,
    timing_phases=stream.PHASES,
)
