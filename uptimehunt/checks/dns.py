"""The `dns` service type: one question to a name server, judged by code, records and validation.

Here is the course of a check; its config is in `dns_config.py`, the wire in `dns_transport.py`.
`import dns…` is the library dnspython, in this module of the same name, too.
"""

import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from uptimehunt.checks import dns_transport, net
from uptimehunt.checks.base import CheckType, Deadline, LocalTrouble, Outcome, whole_ms
from uptimehunt.checks.dns_config import DnsConfig, comparable, target
from uptimehunt.checks.dns_transport import Reply

if TYPE_CHECKING:
    import dns.message

_RESOLV_CONF = pathlib.Path("/etc/resolv.conf")
_MOST_SERVERS = 3  # as the C library (resolv.conf(5))
_MOST_ANSWERS = 20
_LONGEST_ANSWER = 512
# The codes of a server that could not find out, rather than of the name that was asked for.
_HELPLESS = frozenset(("SERVFAIL", "REFUSED"))


def check(
    config: DnsConfig, deadline: Deadline, system_servers: Sequence[str] | None = None
) -> Outcome:
    """Ask, and judge the answer.

    Args:
        config: the question, and what to expect.
        deadline: when to give up.
        system_servers: whom to ask when the config names no server; the system's by default.

    Returns:
        details: `remote_ip`, `timing` (`dns_transport.PHASES`), `server` (`host:port`),
        `transport` (`tcp` where a UDP answer was too long), `rcode`, `flags`, `answers` (at most
        20), `answer_count`, `ttl` (seconds, the smallest), and `certificate`, `warning` with TLS.
    """
    if config.server is not None:
        reply = _ask(config, config.server, deadline)
    else:
        servers = nameservers() if system_servers is None else system_servers
        reply = _ask_system(config, servers, deadline)
    details = reply.details
    fault = reply.fault
    response_time_ms = None
    if reply.message is not None and fault is None:
        response_time_ms = whole_ms(details["timing"]["total"])
        fault = _judge(config, reply.message, details)
    if fault is None:
        return Outcome(True, response_time_ms, details=details)
    return Outcome(False, response_time_ms, *fault, details=details)


def nameservers(resolv_conf: pathlib.Path = _RESOLV_CONF) -> list[str]:
    """The system's name servers, read anew each time: they change with the network.

    Source: resolv.conf(5); without any it is the one on this machine.
    """
    try:
        lines = resolv_conf.read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    words = [line.split() for line in lines]
    found = [word[1] for word in words if len(word) > 1 and word[0] == "nameserver"]
    usable = []
    for server in found:
        try:
            usable.append(net.ascii_host(server))
        except ValueError:
            continue  # a typing error
    return usable[:_MOST_SERVERS] or ["127.0.0.1"]


def _ask(config: DnsConfig, server: str, deadline: Deadline) -> Reply:
    reply = dns_transport.ask(config, server, deadline)
    reply.details["server"] = net.peer(server, config.server_port)
    return reply


def _ask_system(config: DnsConfig, servers: Sequence[str], deadline: Deadline) -> Reply:
    """Ask one after the other until one knows, each for an equal share of what is left."""
    reply = Reply()
    for position, server in enumerate(servers):
        try:
            share = Deadline(deadline.left() / (len(servers) - position))
        except TimeoutError:
            break
        reply = _ask(config, server, share)
        if reply.message is not None:
            rcode = _rcode(reply.message)
            if rcode == config.rcode or rcode not in _HELPLESS:
                return reply
    if reply.message is not None:
        _describe(config, reply.message, reply.details)
    # It may be the name that is at fault, it may be us: that is what this kind says.
    message = f"No name server of this system could answer for {config.host}"
    reply.fault = "dns_error", LocalTrouble(message)
    return reply


def _judge(
    config: DnsConfig, message: "dns.message.QueryMessage", details: dict[str, Any]
) -> net.Fault | None:
    """What the answer lacks of what the config expects; None when nothing."""
    import dns.flags

    values = _describe(config, message, details)
    if details["rcode"] != config.rcode:
        return "assertion_failed", f"Answered {details['rcode']}, expected {config.rcode}"
    if config.dnssec and not message.flags & dns.flags.AD:
        return "assertion_failed", "The server has not validated the answer (DNSSEC)"
    if config.rcode != "NOERROR":
        return None
    if values is None:
        return "protocol_error", "The answer contradicts itself"
    if not values:
        return "assertion_failed", f"No {config.record_type} record in the answer"
    expected = config.expected_values
    if not expected:
        return None
    if config.match == "any":
        if values.isdisjoint(expected):
            return "assertion_failed", "None of the expected values is in the answer"
        return None
    missing, unwanted = expected - values, values - expected
    if missing:
        return "assertion_failed", f"{_values(len(missing))} not in the answer"
    if unwanted and config.match == "exact":
        return "assertion_failed", f"More in the answer than expected: {len(unwanted)} too many"
    return None


def _values(count: int) -> str:
    return "1 expected value is" if count == 1 else f"{count} expected values are"


def _describe(
    config: DnsConfig, message: "dns.message.QueryMessage", details: dict[str, Any]
) -> frozenset[str] | None:
    """Add the answer to the details; its values in comparable form, None if it makes no sense."""
    import dns.exception
    import dns.flags

    details["rcode"] = _rcode(message)
    details["flags"] = dns.flags.to_text(message.flags).split()
    if details["rcode"] != "NOERROR":
        return frozenset()
    try:
        chain = message.resolve_chaining()
    except dns.exception.DNSException:
        return None
    if chain.answer is None:
        return frozenset()
    records = list(chain.answer)
    texts = sorted(record.to_text() for record in records)  # servers like to shuffle them
    details["answers"] = [text[:_LONGEST_ANSWER] for text in texts[:_MOST_ANSWERS]]
    details["answer_count"] = len(records)
    details["ttl"] = chain.minimum_ttl
    return frozenset(comparable(record, config.record_type) for record in records)


def _rcode(message: "dns.message.QueryMessage") -> str:
    import dns.rcode

    return dns.rcode.to_text(message.rcode())


CHECK = CheckType(
    type="dns",
    name="DNS",
    description="Asks a name server for records and judges its answer.",
    category="network",
    icon="dns",
    config=DnsConfig,
    check=check,
    target=target,
    timing_phases=dns_transport.PHASES,
    libraries=("dns.message", "dns.rdtypes.*"),
)
