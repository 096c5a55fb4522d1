"""The `mqtt` service type: connect to a broker, and wait for a message on a topic where asked.

Spoken by hand, version 3.1.1: a handful of packets, for which a library would want a socket, a
thread and timeouts of its own. Section numbers are those of the OASIS Standard of 29 October 2014.
"""

import secrets
import struct
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from uptimehunt.checks import net, stream, text
from uptimehunt.checks.base import CheckError, CheckType, Deadline, Outcome, place, refuse, secret
from uptimehunt.checks.peer import TlsConfig, target
from uptimehunt.checks.stream import Stream

_CONNECT, _CONNACK, _PUBLISH, _SUBSCRIBE, _SUBACK, _DISCONNECT = 1, 2, 3, 8, 9, 14
_KEEP_ALIVE_S = 300  # longer than any check: the broker's silence is ours to judge
_LONGEST_PACKET = 65_536
_MOST_PACKETS = 1000
_REFUSED: dict[int, net.Fault] = {  # section 3.2.2.3
    1: ("protocol_error", "The broker does not speak MQTT 3.1.1"),
    2: ("protocol_error", "The broker does not take our client identifier"),
    3: ("assertion_failed", "The broker is not available"),
    4: ("authentication_failed", "User name or password is wrong"),
    5: ("authentication_failed", "The broker does not let this user in"),
}
_GARBLED = "The answer is not MQTT"


def _valid_topic(topic: str) -> str:
    if not topic.isprintable() or len(topic.encode()) > 1024:
        raise PydanticCustomError("topic", "Topic must be printable and at most 1024 bytes")
    *upper, last = topic.split("/")
    levels = upper if last == "#" else [*upper, last]
    if any("#" in level or ("+" in level and level != "+") for level in levels):
        raise PydanticCustomError("topic", "Topic must have + and # only as whole levels")
    return topic


class MqttConfig(TlsConfig):
    """Which broker, and which message to wait for."""

    port: int = Field(
        default=1883,
        ge=1,
        le=65535,
        title="Port",
        description="1 to 65535; usually 8883 with TLS.",
        json_schema_extra=place(2, "request"),
    )
    topic: Annotated[str, AfterValidator(_valid_topic)] | None = Field(
        default=None,
        min_length=1,
        max_length=1024,
        title="Topic",
        description="Subscribe to it and wait for a message; + and # stand for any level.",
        json_schema_extra=place(3, "request"),
    )
    publish: str | None = Field(
        default=None,
        min_length=1,
        max_length=4096,
        title="Message to publish",
        description="Sent to the topic first; left out, one has to be retained there or to arrive.",
        json_schema_extra=place(4, "request", **{"x-multiline": True}),
    )
    username: str | None = Field(
        default=None,
        min_length=1,
        max_length=255,
        title="User name",
        description="Left out, the check connects without a login.",
        json_schema_extra=place(10, "auth"),
    )
    password: Annotated[
        str | None,
        Field(title="Password", description="Of that user.", **secret(11, "auth")),
    ] = None
    expect: text.Pattern | None = Field(
        default=None,
        min_length=1,
        max_length=1000,
        title="Expected message",
        description="RE2 pattern that a message must match; any will do when left out.",
        json_schema_extra=place(15, "expect"),
    )
    tls: bool = Field(
        default=False,
        title="TLS",
        description="Connect with TLS.",
        json_schema_extra=place(20, "tls"),
    )

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if self.password is not None and self.username is None:
            raise refuse({"username": ["User name is required with a password"]})
        if self.topic is None:
            for what, value in (("a message", self.publish), ("an expectation", self.expect)):
                if value is not None:
                    raise refuse({"topic": [f"Topic is required with {what}"]})
        elif self.publish is not None and ("+" in self.topic or "#" in self.topic):
            raise refuse({"topic": ["Topic must have no + or # where a message is published"]})
        return self


def check(config: MqttConfig, deadline: Deadline) -> Outcome:
    """Connect, and where there is a topic wait for a message that is as expected.

    Returns:
        details as `stream.converse` gives them; where there is a topic also `messages`, how many
        arrived, and after a failure `message`, the first 200 characters of the last one.
    """

    def talk(peer: Stream) -> net.Fault | None:
        if config.tls:
            peer.secure(config)
        _connect(peer, config)
        fault = _wait(peer, config) if config.topic is not None else None
        if fault is None:
            peer.send(_packet(_DISCONNECT, 0, b""))
        return fault

    return stream.converse(config, deadline, talk)


def _connect(peer: Stream, config: MqttConfig) -> None:
    """Section 3.1: a clean session under a name of its own, so that nothing is left behind."""
    flags, login = 0x02, b""
    if config.username is not None:
        flags, login = flags | 0x80, _text(config.username)
    if config.password is not None:
        flags, login = flags | 0x40, login + _text(config.password)
    client = _text(f"uptimehunt-{secrets.token_hex(6)}")
    head = _text("MQTT") + struct.pack("!BBH", 4, flags, _KEEP_ALIVE_S)
    peer.send(_packet(_CONNECT, 0, head + client + login))
    _, _, body = _receive(peer, _CONNACK)
    if len(body) != 2:
        raise CheckError("protocol_error", _GARBLED)
    if body[1]:
        raise CheckError(*_REFUSED.get(body[1], ("protocol_error", _GARBLED)))


def _wait(peer: Stream, config: MqttConfig) -> net.Fault | None:
    assert config.topic is not None
    peer.send(_packet(_SUBSCRIBE, 2, struct.pack("!H", 1) + _text(config.topic) + b"\0"))
    peer.details["messages"] = 0
    last = b""
    try:
        for _ in range(_MOST_PACKETS):
            kind, flags, body = _receive(peer, _PUBLISH, _SUBACK)
            if kind == _SUBACK:
                _judge_subscription(body)
                if config.publish is not None:
                    said = _text(config.topic) + config.publish.encode()
                    peer.send(_packet(_PUBLISH, 0, said))
            else:
                last = _message(flags, body)
                peer.details["messages"] += 1
                if config.expect is None or text.matches(config.expect, last):
                    return None
    except TimeoutError:
        if not peer.details["messages"]:
            return "timeout", f"No message within {config.timeout} s"
    peer.details["message"] = text.excerpt(last, [config.password])
    return "assertion_failed", "No message was as expected"


def _judge_subscription(body: bytes) -> None:
    """Section 3.9.3: the highest quality of service that is granted, or a refusal."""
    if len(body) != 3:
        raise CheckError("protocol_error", _GARBLED)
    if body[2] == 0x80:
        raise CheckError("authentication_failed", "The user is not allowed to read this topic")


def _message(flags: int, body: bytes) -> bytes:
    """The payload of a PUBLISH (section 3.3)."""
    if len(body) < 2:
        raise CheckError("protocol_error", _GARBLED)
    (length,) = struct.unpack_from("!H", body)
    has_id = bool(flags & 0x06)
    return body[2 + length + (2 if has_id else 0) :]


def _text(value: str) -> bytes:
    """A text with its length before it (section 1.5.3)."""
    data = value.encode()
    return struct.pack("!H", len(data)) + data


def _packet(kind: int, flags: int, body: bytes) -> bytes:
    """A packet with its fixed header (section 2.2)."""
    length, size = len(body), bytearray()
    while True:
        length, seven = divmod(length, 128)
        size.append(seven | (0x80 if length else 0))
        if not length:
            return bytes([kind << 4 | flags, *size]) + body


def _receive(peer: Stream, *kinds: int) -> tuple[int, int, bytes]:
    """The next packet, of one of these kinds: kind, flags, and what follows the fixed header."""
    (first,) = peer.read_exactly(1)
    if first >> 4 not in kinds:
        raise CheckError("protocol_error", _GARBLED)
    length = 0
    for position in range(4):
        (size,) = peer.read_exactly(1)
        length |= (size & 0x7F) << 7 * position
        if not size & 0x80:
            break
    else:
        raise CheckError("protocol_error", _GARBLED)
    if length > _LONGEST_PACKET:
        raise CheckError("body_too_large", "A message has more than 64 KiB")
    return first >> 4, first & 0x0F, peer.read_exactly(length)


CHECK = CheckType(
    type="mqtt",
    name="MQTT",
    description="Connects to an MQTT broker, and waits for a message where asked.",
    category="messaging",
    icon="server",
    config=MqttConfig,
    check=check,
    target=target,
    timing_phases=stream.PHASES,
)
