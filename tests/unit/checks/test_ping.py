"""Against the real loopback, and in network namespaces where packets get lost for real.

Such a namespace lives in a child process. Its kernel is told to answer no pings itself; a raw
socket answers them as a test wants. It takes root, or user namespaces.
"""

import contextlib
import ctypes
import errno
import multiprocessing
import os
import pathlib
import re
import socket
import struct
import subprocess
import threading
import traceback
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from uptimehunt.checks import Deadline, Outcome, ping, ping_socket

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_CAPABILITY_VERSION = 0x20080522

Packets = list[bytes]
Behaviour = Callable[[int, bytes], Packets]
"""From the sequence number and the whole echo request to what is sent back."""


def config_of(ip: str, **more: Any) -> ping.PingConfig:
    return ping.PingConfig.model_validate({"ip": ip, "timeout": 1, **more})


def check(ip: str, seconds: float = 0.5, **more: Any) -> Outcome:
    return ping.check(config_of(ip, **more), Deadline(seconds))


@pytest.mark.parametrize("ip", ["127.0.0.1", "::1", "127.8.8.8", "localhost"])
def test_an_address_that_answers_is_up_with_the_facts(ip: str) -> None:
    outcome = check(ip, seconds=1)

    details = outcome.details
    assert outcome.ok and outcome.error is None, outcome.message
    assert outcome.response_time_ms == 1
    assert details["remote_ip"] == (ip if ip != "localhost" else details["remote_ip"])
    assert (details["packets_sent"], details["packets_received"]) == (3, 3)
    assert details["packet_loss"] == 0
    assert 0 < details["rtt_min"] <= details["rtt_avg"] <= details["rtt_max"] < 1000
    assert list(details["timing"]) == list(ping.CHECK.timing_phases)
    assert 0.3 < details["timing"]["total"] < 0.9


@pytest.mark.parametrize("ip", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("size", [0, 1, 1400])
def test_packets_of_every_size_come_back(ip: str, size: int) -> None:
    outcome = check(ip, packet_size=size, packets=1)

    assert outcome.ok and outcome.details["packets_received"] == 1


def test_many_checks_of_one_address_at_once_keep_their_replies_apart() -> None:
    outcomes: list[Outcome] = []
    threads = [
        threading.Thread(target=lambda: outcomes.append(check("127.0.0.1"))) for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [outcome.details["packets_received"] for outcome in outcomes] == [3] * 20


def test_a_datagram_socket_is_enough_where_the_system_allows_it() -> None:
    outcomes = in_namespace(_both_versions, datagrams=True, capabilities=False)

    assert all(outcome.ok for outcome in outcomes), outcomes
    assert [outcome.details["remote_ip"] for outcome in outcomes] == ["127.0.0.1", "::1"]
    assert [outcome.details["packets_received"] for outcome in outcomes] == [3, 3]


def test_without_the_right_to_ping_the_outcome_is_unknown_and_says_what_to_enable() -> None:
    for outcome in in_namespace(_both_versions, capabilities=False):
        assert not outcome.ok and outcome.is_unknown
        assert outcome.error == "internal_error"
        assert "net.ipv4.ping_group_range" in outcome.message
        assert "CAP_NET_RAW" in outcome.message


@pytest.mark.parametrize("datagrams", [False, True])
def test_lost_packets_are_counted_and_judged(datagrams: bool) -> None:
    def loses_the_second(sequence: int, request: bytes) -> Packets:
        return [] if sequence == 1 else [reply_to(request)]

    def work() -> list[Outcome]:
        with answering(loses_the_second):
            return [check("127.0.0.1", max_loss_percent=limit) for limit in (33, 34)]

    too_many, tolerated = in_namespace(work, datagrams=datagrams)

    assert tolerated.ok and tolerated.details["packet_loss"] == 33.3
    assert tolerated.details["packets_received"] == 2
    assert too_many.error == "packet_loss"
    assert too_many.message == "1 of 3 packets lost (33.3 %)"
    assert too_many.details["rtt_avg"] > 0 and too_many.response_time_ms is None


def test_an_address_that_never_answers_is_packet_loss_at_the_deadline() -> None:
    def work() -> list[Outcome]:
        with answering(lambda _sequence, _request: []):
            return [check("127.0.0.1", max_loss_percent=99), check("::1", packets=1)]

    first, single = in_namespace(work)

    assert (first.error, first.message) == ("packet_loss", "No reply to 3 packets")
    assert (single.error, single.message) == ("packet_loss", "No reply")
    assert first.details["packet_loss"] == 100 and "rtt_avg" not in first.details
    assert 0.4 < first.details["timing"]["total"] < 0.7


@pytest.mark.parametrize("datagrams", [False, True])
def test_replies_to_something_else_do_not_count(datagrams: bool) -> None:
    def confused(sequence: int, request: bytes) -> Packets:
        kind, code, _, identifier, _ = struct.unpack_from("!BBHHH", request)
        foreign = struct.pack("!BBHHH", kind, code, 0, identifier ^ 1, sequence) + request[8:]
        unknown = struct.pack("!BBHHH", kind, code, 0, identifier, 77) + request[8:]
        forged = request[:8] + bytes(len(request) - 8)
        return [
            b"", b"\0" * 7, reply_to(foreign), reply_to(unknown), reply_to(forged),
            reply_to(request[:-1]),
        ]  # fmt: skip

    def work() -> list[Outcome]:
        with answering(confused):
            return [check("127.0.0.1")]

    (outcome,) = in_namespace(work, datagrams=datagrams)

    assert outcome.error == "packet_loss" and outcome.details["packets_received"] == 0


def test_a_reply_counts_once() -> None:
    def twice(sequence: int, request: bytes) -> Packets:
        return [] if sequence else [reply_to(request)] * 3

    def work() -> list[Outcome]:
        with answering(twice):
            return [check("127.0.0.1", max_loss_percent=99)]

    (outcome,) = in_namespace(work)

    assert outcome.ok and outcome.details["packets_received"] == 1


@pytest.mark.parametrize("datagrams", [False, True])
def test_a_router_that_knows_no_way_is_network_unreachable_at_once(datagrams: bool) -> None:
    def unreachable(_sequence: int, request: bytes) -> Packets:
        # RFC 792: host unreachable, then the IP header and the start of what was not delivered.
        address = socket.inet_aton("127.0.0.1")
        length = 20 + len(request)
        header = struct.pack("!BBHHHBBH", 0x45, 0, length, 0, 0, 64, 1, 0) + address * 2
        return [with_checksum(struct.pack("!BBHI", 3, 1, 0, 0) + header + request)]

    def work() -> list[Outcome]:
        with answering(unreachable):
            return [check("127.0.0.1")]

    (outcome,) = in_namespace(work, datagrams=datagrams)

    assert (outcome.error, outcome.message) == ("network_unreachable", "No route to 127.0.0.1")
    assert outcome.details["timing"]["total"] < 0.4
    assert outcome.details["packets_received"] == 0


def test_without_any_network_it_is_network_unreachable() -> None:
    outcomes = in_namespace(_both_versions, network=False)

    assert [outcome.error for outcome in outcomes] == ["network_unreachable"] * 2
    assert all(outcome.is_local for outcome in outcomes)


@pytest.mark.parametrize(
    "ip", ["169.254.169.254", "0.0.0.0", "224.0.0.1", "::ffff:169.254.169.254"]
)
def test_a_metadata_address_is_never_pinged(ip: str) -> None:
    outcome = check(ip)

    assert outcome.error == "network_unreachable"
    assert "is never probed" in outcome.message


def test_a_host_without_an_address_of_the_wanted_family_is_a_dns_error() -> None:
    assert check("127.0.0.1", ip_family="6").error == "dns_error"


@pytest.mark.parametrize(
    ("rtts", "facts"),
    [
        ([0.001], (1, 1, 0.0, 1.0, 1.0, 1.0)),
        ([0.001, None, 0.003], (3, 2, 33.3, 1.0, 2.0, 3.0)),
        ([None, None], (2, 0, 100.0, None, None, None)),
        ([None] * 6 + [0.0102594], (7, 1, 85.7, 10.259, 10.259, 10.259)),
    ],
)
def test_a_summary_counts_and_averages(rtts: list[float | None], facts: tuple[Any, ...]) -> None:
    summary = ping.summary(rtts)

    names = ("packets_sent", "packets_received", "packet_loss", "rtt_min", "rtt_avg", "rtt_max")
    assert tuple(summary.get(name) for name in names) == facts


@given(st.binary(max_size=64))
def test_a_checksum_makes_the_packet_add_up_to_zero(payload: bytes) -> None:
    packet = ping_socket.request(8, 1, 2, payload)

    assert ping_socket.checksum(packet) == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ip", ""), ("ip", "a b"), ("ip", "-oProxyCommand=x"), ("ip", ";id"), ("ip", "$(id)"),
        ("ip", "x" * 256), ("ip", 1), ("ip", "1.2.3.4\n"), ("packets", 0), ("packets", 11),
        ("packets", 1.5), ("packets", "3"), ("packet_size", -1), ("packet_size", 1401),
        ("max_loss_percent", -1), ("max_loss_percent", 100), ("port", 7), ("ip_family", "5"),
        ("timeout", 0), ("host", "localhost"),
    ],
)  # fmt: skip
def test_a_bad_field_is_named(field: str, value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        ping.PingConfig.model_validate({"ip": "127.0.0.1", field: value})

    assert {error["loc"][0] for error in caught.value.errors()} == {field}


def test_the_target_is_the_host() -> None:
    target = ping.CHECK.target(config_of("Example.TEST"))

    assert (target.host, target.port, target.label) == ("example.test", 0, "example.test")


def _both_versions() -> list[Outcome]:
    return [check("127.0.0.1"), check("::1")]


def with_checksum(packet: bytes) -> bytes:
    words = struct.unpack(f"!{(len(packet) + 1) // 2}H", packet + b"\0" * (len(packet) % 2))
    return packet[:2] + struct.pack("!H", -sum(words) % 0xFFFF) + packet[4:]


def reply_to(request: bytes) -> bytes:
    return with_checksum(b"\0\0\0\0" + request[4:])


@contextlib.contextmanager
def answering(behave: Behaviour) -> Iterator[None]:
    """Answer pings of IPv4 in place of the kernel, in this network namespace."""
    pathlib.Path("/proc/sys/net/ipv4/icmp_echo_ignore_all").write_text("1")
    pathlib.Path("/proc/sys/net/ipv6/icmp/echo_ignore_all").write_text("1")
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sock:
        sock.bind(("127.0.0.1", 0))

        def answer() -> None:
            while True:
                packet = sock.recv(65535)[20:]
                if packet[:1] == b"\xff":
                    return
                if packet[:1] == b"\x08":
                    for reply in behave(struct.unpack_from("!H", packet, 6)[0], packet):
                        sock.sendto(reply, ("127.0.0.1", 0))

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield
        finally:
            sock.sendto(with_checksum(b"\xff" + bytes(7)), ("127.0.0.1", 0))
            thread.join()


def in_namespace(
    work: Callable[[], list[Outcome]],
    *,
    datagrams: bool = False,
    capabilities: bool = True,
    network: bool = True,
) -> list[Outcome]:
    """Run `work` in a child process with a loopback of its own.

    Args:
        work: what to do there.
        datagrams: whether datagram sockets are allowed; a new namespace has none of it.
        capabilities: else raw sockets are forbidden.
        network: else nothing has an address or a route.
    """

    def child(pipe: Connection) -> None:
        try:
            _enter_namespace(datagrams, capabilities, network)
            pipe.send(work())
        except BaseException:
            pipe.send(traceback.format_exc())

    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=child, args=(theirs,))
    process.start()
    theirs.close()
    try:
        answer = ours.recv()
    finally:
        process.join()
        process.close()
        ours.close()
    if isinstance(answer, str):
        pytest.fail(f"in the namespace:\n{answer}")
    outcomes: list[Outcome] = answer
    return outcomes


def _enter_namespace(datagrams: bool, capabilities: bool, network: bool) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    _succeed(libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET))
    me = pathlib.Path("/proc/self")
    (me / "setgroups").write_text("deny")
    (me / "uid_map").write_text(f"0 {user} 1")
    (me / "gid_map").write_text(f"0 {group} 1")
    if datagrams:
        pathlib.Path("/proc/sys/net/ipv4/ping_group_range").write_text("0 0")
    if network:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        # The address of IPv6 is there a moment later.
        while not re.search(r" 80 +lo", pathlib.Path("/proc/net/if_inet6").read_text()):
            threading.Event().wait(0.01)
    if not capabilities:
        header = struct.pack("Ii", _CAPABILITY_VERSION, 0)
        _succeed(libc.capset(header, bytes(24)))


def _succeed(result: int) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, errno.errorcode.get(code, "?"))
