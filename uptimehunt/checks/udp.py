"""The `udp` service type: one datagram, and the answer to it where one is expected.

UDP has no connections, so silence says little. With an expected answer the service is up when it
comes. Without one it is up unless the machine says by ICMP that nobody listens on the port, which
it is given a second for: a service that is down behind a firewall, or a machine that is off, looks
the same as one that simply has nothing to say.
"""

import socket
from typing import Any

from pydantic import Field

from uptimehunt import clock
from uptimehunt.checks import net, payload, text
from uptimehunt.checks.base import CheckType, Deadline, Outcome, place, whole_ms
from uptimehunt.checks.peer import PeerConfig, target

PHASES = ("namelookup", "total")

_REFUSAL_WAIT_S = 1.0
_LARGEST_DATAGRAM = 65_535
_MOST_ANSWERS = 100


class UdpConfig(PeerConfig):
    """Where to send a datagram, what is in it, and what must come back."""

    send: payload.Payload = Field(
        default="",
        title="Send",
        description=r"Text of the datagram, which may be empty; \r \n \t \0 \xHH and \\ stand for "
        "those bytes.",
        json_schema_extra=place(3, "request", **{"x-multiline": True}),
    )
    expect: text.Pattern | None = Field(
        default=None,
        min_length=1,
        max_length=1000,
        title="Expected answer",
        description="RE2 pattern to be found in an answer; left out, silence counts as success.",
        json_schema_extra=place(10, "expect"),
    )


def check(config: UdpConfig, deadline: Deadline) -> Outcome:
    """Send a datagram to the first address that does not refuse it, and wait.

    Returns:
        details: `remote_ip`, `timing` (`PHASES`), `answered`, and `answer` (its start) when it
        was not as expected.
    """
    details: dict[str, Any] = {}
    try:
        fault = _try_addresses(config, deadline, details)
    except OSError as error:
        fault = net.explain(error, config.peer, config.timeout)
    if fault is not None:
        return Outcome(False, None, *fault, details=details)
    total = whole_ms(details["timing"]["total"]) if details["answered"] else None
    return Outcome(True, total, details=details)


def _try_addresses(
    config: UdpConfig, deadline: Deadline, details: dict[str, Any]
) -> net.Fault | None:
    started = clock.monotonic()
    addresses = net.addresses(config.host, config.port, deadline, config.ip_family)
    timing = {"namelookup": round(clock.monotonic() - started, 6), "total": 0.0}
    details["timing"] = timing
    failures: list[OSError] = []
    for position, (family, address) in enumerate(addresses):
        if net.refused_address(address[0]):
            failures.append(net.RefusedAddressError(address[0]))
            continue
        share = Deadline(deadline.left() / (len(addresses) - position))
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            try:
                sock.connect(address)  # from here on only this address is heard, and its ICMP
                details["remote_ip"] = address[0]
                return _ask(config, sock, share, details)
            except OSError as error:
                failures.append(error)
            finally:
                timing["total"] = round(clock.monotonic() - started, 6)
    raise failures[0]


def _ask(
    config: UdpConfig, sock: socket.socket, deadline: Deadline, details: dict[str, Any]
) -> net.Fault | None:
    details["answered"] = False
    sock.settimeout(deadline.left())
    sock.send(payload.to_bytes(config.send))
    if config.expect is None:
        sock.settimeout(min(_REFUSAL_WAIT_S, deadline.left() / 2))
        try:
            sock.recv(_LARGEST_DATAGRAM)
            details["answered"] = True
        except TimeoutError:
            pass
        return None
    for _ in range(_MOST_ANSWERS):
        try:
            sock.settimeout(deadline.left())
            answer = sock.recv(_LARGEST_DATAGRAM)
        except TimeoutError:
            if details["answered"]:
                break
            raise
        details["answered"] = True
        if text.matches(config.expect, answer):
            details.pop("answer", None)
            return None
        details["answer"] = text.excerpt(answer)
    return "assertion_failed", "The answer is not as expected"


CHECK = CheckType(
    type="udp",
    name="UDP port",
    description="Sends a datagram and waits for a refusal, or for the expected answer.",
    category="network",
    icon="plug",
    config=UdpConfig,
    check=check,
    target=target,
    timing_phases=PHASES,
)
