"""The `ping` service type: ICMP echo requests (RFC 792 and 4443), judged by how many come back.

A datagram socket for ICMP needs no rights but a group in `net.ipv4.ping_group_range`, a raw one
needs CAP_NET_RAW; the first that the system allows is used. Without either nothing can be said of
the service: such an outcome is unknown, and says what to enable. The sockets are in
`ping_socket.py`.
"""

import os
import socket
from collections.abc import Sequence
from typing import Any

from pydantic import Field

from uptimehunt import clock
from uptimehunt.checks import net
from uptimehunt.checks.base import (
    CheckConfig,
    CheckType,
    Deadline,
    Outcome,
    Target,
    place,
    whole_ms,
)
from uptimehunt.checks.peer import Host
from uptimehunt.checks.ping_socket import DeniedError, Pinger

PHASES = ("namelookup", "total")
"""Names of the timing phases, in order; seconds since the start."""

_INTERVAL_S = 0.2
_LINGER_S = 1.0
_NOT_ALLOWED = (
    "This system does not allow pings: widen the sysctl net.ipv4.ping_group_range, "
    "or give the program CAP_NET_RAW"
)


class PingConfig(CheckConfig):
    """Whom to ping, and how much may get lost."""

    ip: Host = Field(
        min_length=1,
        max_length=255,
        title="Host",
        description="IPv4 or IPv6 address, or host name.",
        json_schema_extra=place(1, "request"),
    )
    packets: int = Field(
        default=3,
        ge=1,
        le=10,
        title="Packets",
        description="How many to send, a fifth of a second apart.",
        json_schema_extra=place(2, "request"),
    )
    packet_size: int = Field(
        default=56,
        ge=0,
        le=1400,
        title="Packet size",
        description="Bytes of content in each packet; headers come on top.",
        json_schema_extra=place(3, "request"),
    )
    max_loss_percent: int = Field(
        default=50,
        ge=0,
        le=99,
        title="Tolerated loss",
        description="Percentage of packets that may get lost; all of them are always a failure.",
        json_schema_extra=place(10, "expect"),
    )


def check(config: PingConfig, deadline: Deadline) -> Outcome:
    """Send the packets, wait for replies, and judge the loss.

    The last replies are waited for until the deadline when none has come at all, otherwise for
    a second, or twice the longest round trip so far.

    Returns:
        details: `remote_ip`, `timing` (`PHASES`), `packets_sent`, `packets_received`,
        `packet_loss` (percent), `rtt_min`, `rtt_avg`, `rtt_max` (milliseconds). The response
        time is the average round trip.
    """
    started = clock.monotonic()
    details: dict[str, Any] = {}
    try:
        addresses = net.addresses(config.ip, 0, deadline, config.ip_family)
        namelookup_s = clock.monotonic() - started
        pinger, details["remote_ip"] = _first(addresses)
        with pinger:
            rtts, trouble = _exchange(config, pinger, deadline)
    except DeniedError:
        return Outcome(False, None, "internal_error", _NOT_ALLOWED, is_unknown=True)
    except OSError as error:
        return Outcome(False, None, *net.explain(error, config.ip, config.timeout), details=details)
    total_s = clock.monotonic() - started
    details["timing"] = {"namelookup": round(namelookup_s, 6), "total": round(total_s, 6)}
    details |= summary(rtts)
    fault = _judge(config, details, trouble)
    if fault is not None:
        return Outcome(False, None, *fault, details=details)
    return Outcome(True, whole_ms(details["rtt_avg"] / 1000), details=details)


def summary(rtts: Sequence[float | None]) -> dict[str, Any]:
    """What round trips amount to.

    Args:
        rtts: seconds, one for each packet sent; None for those that are lost.
    """
    came = [rtt for rtt in rtts if rtt is not None]
    facts: dict[str, Any] = {
        "packets_sent": len(rtts),
        "packets_received": len(came),
        "packet_loss": round(100 * (1 - len(came) / len(rtts)), 1),
    }
    if came:
        facts["rtt_min"] = round(min(came) * 1000, 3)
        facts["rtt_avg"] = round(sum(came) / len(came) * 1000, 3)
        facts["rtt_max"] = round(max(came) * 1000, 3)
    return facts


def _judge(config: PingConfig, facts: dict[str, Any], trouble: OSError | None) -> net.Fault | None:
    sent, came, loss = facts["packets_sent"], facts["packets_received"], facts["packet_loss"]
    if came == 0 and trouble is not None:
        return net.explain(trouble, config.ip, config.timeout)
    if came == 0:
        return "packet_loss", f"No reply to {sent} packets" if sent > 1 else "No reply"
    if loss > config.max_loss_percent:
        return "packet_loss", f"{sent - came} of {sent} packets lost ({loss:g} %)"
    return None


def _first(
    addresses: Sequence[tuple[socket.AddressFamily, tuple[str, int]]],
) -> tuple[Pinger, str]:
    """A socket to the first address there is a way to.

    Raises:
        OSError: there is none to any, or the only ones are such as are never probed.
    """
    failures: list[OSError] = []
    for family, address in addresses:
        if net.refused_address(address[0]):
            failures.append(net.RefusedAddressError(address[0]))
            continue
        try:
            return Pinger(family, address), address[0]
        except OSError as error:
            failures.append(error)
    raise failures[0]


def _exchange(
    config: PingConfig, pinger: Pinger, deadline: Deadline
) -> tuple[list[float | None], OSError | None]:
    """The round trip of each packet in seconds, None for a lost one; the last ICMP error seen."""
    # The payload is a token at the same time: nobody can answer who has not seen the request.
    payload = os.urandom(config.packet_size)
    # With little time, the last packet is on its way at half of it.
    interval_s = min(_INTERVAL_S, deadline.left() / 2 / config.packets)
    ends_at = clock.monotonic() + deadline.left()
    rtts: list[float | None] = [None] * config.packets
    sent_at: list[float] = []
    trouble: OSError | None = None
    errors = 0
    while rtts.count(None) > errors or len(sent_at) < config.packets:
        now = clock.monotonic()
        if len(sent_at) < config.packets:
            wait_until = sent_at[0] + len(sent_at) * interval_s if sent_at else now
        else:
            wait_until = _last_moment(rtts, sent_at[-1], ends_at)
            if now >= wait_until:
                break
        if now >= wait_until:
            sent_at.append(clock.monotonic())
            pinger.send(len(sent_at) - 1, payload)
            continue
        try:
            reply = pinger.receive(wait_until - now)
        except TimeoutError:
            continue
        except OSError as error:
            trouble = error
            errors += 1
            pinger.forget_errors()
            continue
        if reply is not None:
            sequence, echoed = reply
            is_ours = sequence < len(sent_at) and echoed == payload
            if is_ours and rtts[sequence] is None:
                rtts[sequence] = clock.monotonic() - sent_at[sequence]
    return rtts, trouble


def _last_moment(rtts: Sequence[float | None], last_sent_at: float, ends_at: float) -> float:
    """Until when a reply is waited for, once all packets are sent."""
    came = [rtt for rtt in rtts if rtt is not None]
    if not came:
        return ends_at
    return min(ends_at, last_sent_at + max(_LINGER_S, 2 * max(came)))


def _target(config: PingConfig) -> Target:
    return Target(host=config.ip, port=0, label=config.ip)


CHECK = CheckType(
    type="ping",
    name="Ping",
    description="Sends ICMP echo requests and judges how many come back.",
    category="network",
    icon="ping",
    config=PingConfig,
    check=check,
    target=_target,
    timing_phases=PHASES,
)
