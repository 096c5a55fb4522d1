"""The `ssh` service type: the identification of an SSH server; nobody logs in.

Source: RFC 4253, section 4.2.
"""

from pydantic import Field

from uptimehunt.checks import net, stream, text
from uptimehunt.checks.base import CheckError, CheckType, Deadline, Outcome, place
from uptimehunt.checks.peer import PeerConfig, target
from uptimehunt.checks.stream import Stream

_MOST_LINES = 100
_LONGEST_IDENTIFICATION = 255
_VERSIONS = (b"SSH-2.0-", b"SSH-1.99-")


class SshConfig(PeerConfig):
    """Where the server is, and as what it must identify itself."""

    port: int = Field(
        default=22,
        ge=1,
        le=65535,
        title="Port",
        description="1 to 65535.",
        json_schema_extra=place(2, "request"),
    )
    expect: text.Pattern | None = Field(
        default=None,
        min_length=1,
        max_length=1000,
        title="Expected identification",
        description="RE2 pattern to be found in what the server calls itself, for example OpenSSH.",
        json_schema_extra=place(10, "expect"),
    )


def check(config: SshConfig, deadline: Deadline) -> Outcome:
    """Exchange identifications, and hang up.

    Returns:
        details as `stream.converse` gives them, and `banner` (the identification).
    """

    def talk(peer: Stream) -> net.Fault | None:
        banner = _identification(peer)
        peer.details["banner"] = text.excerpt(banner)
        # Servers count clients that leave without a word as attackers.
        peer.take_leave(b"SSH-2.0-UptimeHunt\r\n")
        if not banner.startswith(_VERSIONS):
            return "protocol_error", "The server speaks no version 2 of SSH"
        if config.expect is not None and not text.matches(config.expect, banner):
            return "assertion_failed", "The identification is not as expected"
        return None

    return stream.converse(config, deadline, talk)


def _identification(peer: Stream) -> bytes:
    for _ in range(_MOST_LINES):
        line = peer.read_line()
        if line.startswith(b"SSH-"):
            if len(line) > _LONGEST_IDENTIFICATION:
                raise CheckError("protocol_error", "The identification is too long")
            return line
        # Any other line may come before, for people.
    raise CheckError("protocol_error", "The server does not identify itself")


CHECK = CheckType(
    type="ssh",
    name="SSH",
    description="Connects to an SSH server and reads as what it identifies itself.",
    category="network",
    icon="key",
    config=SshConfig,
    check=check,
    target=target,
    timing_phases=stream.PHASES,
)
