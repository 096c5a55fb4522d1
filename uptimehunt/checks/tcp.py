"""The `tcp` service type: a connection that stands, and a TLS handshake over it where asked."""

from pydantic import Field

from uptimehunt.checks import net, stream
from uptimehunt.checks.base import CheckType, Deadline, Outcome, place
from uptimehunt.checks.peer import TlsConfig, target
from uptimehunt.checks.stream import Stream


class TcpConfig(TlsConfig):
    """Where to connect to."""

    tls: bool = Field(
        default=False,
        title="TLS",
        description="Complete a TLS handshake after connecting.",
        json_schema_extra=place(20, "tls"),
    )


def check(config: TcpConfig, deadline: Deadline) -> Outcome:
    """Connect, shake hands where asked, and hang up; details as `stream.converse` gives them."""

    def talk(peer: Stream) -> net.Fault | None:
        if config.tls:
            peer.secure(config)
        return None

    return stream.converse(config, deadline, talk)


CHECK = CheckType(
    type="tcp",
    name="TCP port",
    description="Connects to a TCP port, with a TLS handshake where asked.",
    category="network",
    icon="plug",
    config=TcpConfig,
    check=check,
    target=target,
    timing_phases=stream.PHASES,
)
