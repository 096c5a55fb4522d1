"""The program while its own network is gone: in a network of its own, with a name server of ours.

Nothing leaves that network: it has a loopback device and no route.
"""

import contextlib
import ctypes
import itertools
import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset
import pytest

from tests.process import SOURCE, Client, Program, started, target, wait_until

INTERVAL_S = 5
CLONE_NEWNET = 0x40000000
NAMES = [f"www.site{number}.example" for number in range(12)]
ADDRESSES = [f"198.51.100.{number}" for number in range(6)]

ALONE = (
    *("unshare", "--net", "--mount", "sh", "-euc"),
    'ip link set lo up; mount --bind "$1" /etc/resolv.conf; shift; exec "$@"',
)
"""Starts a program that is cut off, with `$1` in place of the system's resolv.conf."""


@contextlib.contextmanager
def cut_off(tmp_path: Path) -> Iterator[Program]:
    """The running program; this thread, and those that it starts, are in its network meanwhile."""
    if subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True).returncode:
        pytest.skip("only the superuser can make a network")
    resolver = tmp_path / "resolv.conf"
    resolver.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    command = (*ALONE, "sh", str(resolver), *SOURCE)
    with started(tmp_path / "data", command=command) as program:
        assert program.url
        with _inside(program.pid):
            yield program.wait_until_ready()


@contextlib.contextmanager
def _inside(pid: int) -> Iterator[None]:
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net") as ours, open(f"/proc/{pid}/ns/net") as theirs:
        assert libc.setns(theirs.fileno(), CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        try:
            yield
        finally:
            assert libc.setns(ours.fileno(), CLONE_NEWNET) == 0


Trouble = Literal["silent", "servfail"]


class NameServer(threading.Thread):
    """Says that every name is at 127.0.0.1, but for those that are not there; or is in trouble."""

    def __init__(self) -> None:
        super().__init__()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 53))
        self.gone: set[str] = set()
        self.trouble: Trouble | None = None
        self._latest: dict[dns.name.Name, tuple[float, Trouble | None]] = {}

    def run(self) -> None:
        while (asked := self._socket.recvfrom(1024))[0]:
            answer = self._answer(dns.message.from_wire(asked[0]))
            if answer is not None:
                self._socket.sendto(answer.to_wire(), asked[1])

    def _answer(self, query: dns.message.Message) -> dns.message.Message | None:
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        (question,) = query.question
        trouble = self._trouble_of(question.name)
        if question.name.to_text(omit_final_dot=True) in self.gone:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif trouble == "silent":
            return None
        elif trouble == "servfail":
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif question.rdtype == dns.rdatatype.A:
            answer.answer.append(dns.rrset.from_text(question.name, 0, "IN", "A", "127.0.0.1"))
        return answer

    def _trouble_of(self, name: dns.name.Name) -> Trouble | None:
        """The same for IPv4 and IPv6, which are asked for at once: no name is half there."""
        asked_at, trouble = self._latest.get(name, (0.0, None))
        if time.monotonic() - asked_at > 0.2:
            trouble = self.trouble
        self._latest[name] = time.monotonic(), trouble
        return trouble

    def close(self) -> None:
        self._socket.sendto(b"", self._socket.getsockname())
        self.join()
        self._socket.close()


@contextlib.contextmanager
def name_server() -> Iterator[NameServer]:
    server = NameServer()
    server.start()
    try:
        yield server
    finally:
        server.close()


class Watched:
    """Services that are down after one failure: half over HTTP, half plain TCP."""

    def __init__(self, client: Client, hosts: list[str], port: int) -> None:
        self.client = client
        self.ids = {host: self._add(number, host, port) for number, host in enumerate(hosts)}

    def _add(self, number: int, host: str, port: int) -> int:
        config: dict[str, Any] = {"host": host, "port": port}
        if number % 2:
            config = {"url": f"http://{host}:{port}/"}
        body = {
            "name": host,
            "type": "http" if number % 2 else "tcp",
            "config": {**config, "timeout": 5},
            "interval_seconds": INTERVAL_S,
            "retries": 0,
        }
        return int(self.client.post("/services", body)["id"])

    def check(self) -> None:
        for service_id in self.ids.values():
            self.client.post(f"/services/{service_id}/check", {}, status=202)

    def statuses(self) -> dict[str, str]:
        found = self.client.services()
        return {host: found[service_id]["status"] for host, service_id in self.ids.items()}

    def message(self, host: str) -> str:
        return str(self.client.get(f"/services/{self.ids[host]}/status")["message"])


def longest_gap_s(client: Client, service_id: int) -> float:
    """The longest time between two of a service's checks."""
    checks = client.get(f"/services/{service_id}/checks?limit=100")
    times = [datetime.fromisoformat(one["timestamp"]) for one in checks]
    assert len(times) > 1
    return max((late - early).total_seconds() for late, early in itertools.pairwise(times))


def lines(program: Program, event: str) -> int:
    return len(re.findall(rf" {re.escape(event)} ", program.said()))


def test_without_a_network_from_the_start_nobody_is_down_and_loopback_is_watched(
    tmp_path: Path,
) -> None:
    with cut_off(tmp_path) as program, target() as port:
        client = Client(program.url).register()
        outside = Watched(client, [*NAMES, *ADDRESSES], port)
        inside = Watched(client, ["127.0.0.1", "localhost"], port)

        wait_until(lambda: all(map(outside.message, outside.ids)), 20)
        outside.check()
        inside.check()
        wait_until(lambda: set(inside.statuses().values()) == {"operational"})

        assert set(outside.statuses().values()) == {"pending"}
        assert outside.message(NAMES[0]).startswith("No name server answered")
        assert outside.message(NAMES[1]).startswith("No name server answered")
        assert outside.message(ADDRESSES[0]).startswith("No route")
        assert outside.message(ADDRESSES[1]).startswith("No route")
        assert lines(program, "monitor.blind") == 1
        assert lines(program, "service.down") == lines(program, "monitor.sees_again") == 0
        program.stop()


@pytest.mark.parametrize("trouble", ["silent", "servfail"])
def test_while_the_name_server_is_in_trouble_only_what_is_truly_gone_is_down(
    tmp_path: Path, trouble: Trouble
) -> None:
    with cut_off(tmp_path) as program, name_server() as server, target() as port:
        client = Client(program.url).register()
        sites = Watched(client, NAMES, port)
        literal = Watched(client, ["127.0.0.1"], port)
        wait_until(lambda: set(sites.statuses().values()) == {"operational"}, 20)

        server.trouble, server.gone = trouble, {NAMES[2]}
        wait_until(lambda: all(map(sites.message, NAMES)), 20)
        sites.check()
        wait_until(lambda: sites.statuses()[NAMES[2]] == "down", 20)
        assert set(sites.statuses().values()) == {"operational", "down"}
        assert lines(program, "monitor.blind") == 1

        server.trouble = None
        sites.check()
        wait_until(lambda: lines(program, "monitor.sees_again"), 20)
        wait_until(lambda: not any(sites.message(name) for name in NAMES if name != NAMES[2]), 20)
        server.gone = set()
        sites.check()
        wait_until(lambda: set(sites.statuses().values()) == {"operational"}, 20)

        assert lines(program, "service.down") == 1, program.said()
        assert lines(program, "monitor.blind") == lines(program, "monitor.sees_again") == 1
        assert longest_gap_s(client, literal.ids["127.0.0.1"]) < 2 * INTERVAL_S
        program.stop()
