"""Debian's prometheus-blackbox-exporter beside us: the same probes at the same rate.

It probes when it is asked to, keeps nothing and judges nothing, so only what a probe costs can be
compared. It is asked by a small process of its own (`python -m tests.bench._exporter`), whose cost
is not counted.
"""

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psutil

from tests.bench._target import accepts, free_port
from tests.process import ROOT, wait_until

PROGRAM = "prometheus-blackbox-exporter"
CONNECTIONS = 128
CONFIG = """
modules:
  http: {prober: http, timeout: 30s, http: {preferred_ip_protocol: ip4}}
  https: {prober: http, timeout: 30s, http: {preferred_ip_protocol: ip4}}
  tcp: {prober: tcp, timeout: 30s, tcp: {preferred_ip_protocol: ip4}}
"""


@dataclass(frozen=True)
class Cost:
    """What probes cost: how many went well, in how many seconds, processor seconds, bytes."""

    probes: int
    seconds: float
    cpu_s: float
    memory: int


class Exporter:
    """The running exporter."""

    def __init__(self, process: psutil.Process, port: int) -> None:
        self._process = process
        self._port = port

    def probe(self, module: str, targets: list[str], rate: int, seconds: float) -> Cost:
        """Have targets probed in turn, so many a second."""
        orders = {"module": module, "targets": targets, "rate": rate, "seconds": seconds}
        before = self._process.cpu_times()
        driver = subprocess.run(
            [sys.executable, "-m", "tests.bench._exporter", str(self._port)],
            cwd=ROOT,
            input=json.dumps(orders),
            stdout=subprocess.PIPE,
            encoding="utf-8",
            check=True,
        )
        after = self._process.cpu_times()
        used = after.user + after.system - before.user - before.system
        told = json.loads(driver.stdout)
        memory = self._process.memory_info().rss
        return Cost(told["probes"], told["seconds"], used, memory)


@contextlib.contextmanager
def exporter(ca_file: Path) -> Iterator[Exporter | None]:
    """The exporter, or None where it is not installed."""
    program = shutil.which(PROGRAM)
    if program is None:
        print(f"{PROGRAM} is not installed: nothing to compare with", flush=True)
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.yml"
        config.write_text(CONFIG)
        port = free_port()
        address = f"--web.listen-address=127.0.0.1:{port}"
        process = subprocess.Popen(
            [program, f"--config.file={config}", address, "--log.level=error"],
            # As the system's certificates: those of its own config are read for every probe.
            env=os.environ | {"SSL_CERT_FILE": str(ca_file)},
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until(lambda: accepts(port))
            yield Exporter(psutil.Process(process.pid), port)
        finally:
            process.terminate()
            process.wait()


async def drive(port: int, module: str, targets: list[str], rate: int, seconds: float) -> None:
    """Ask for probes at a steady rate over connections that stay open; tell how many went well."""
    paths: asyncio.Queue[str | None] = asyncio.Queue()
    succeeded = 0

    async def ask() -> None:
        nonlocal succeeded
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (path := await paths.get()) is not None:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            if b"transfer-encoding: chunked" in head:
                body = await reader.readuntil(b"\r\n0\r\n\r\n")
            else:
                length = head.partition(b"content-length:")[2].split(maxsplit=1)[0]
                body = await reader.readexactly(int(length))
            succeeded += b"\nprobe_success 1" in body
        writer.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(ask())
        begin = time.monotonic()
        for number in range(int(rate * seconds)):
            await asyncio.sleep(begin + number / rate - time.monotonic())
            if paths.qsize() > CONNECTIONS:  # it cannot keep up; more would be the same
                continue
            target = quote(targets[number % len(targets)], safe="")
            paths.put_nowait(f"/probe?module={module}&target={target}")
        for _ in range(CONNECTIONS):
            paths.put_nowait(None)
    print(json.dumps({"probes": succeeded, "seconds": time.monotonic() - begin}))


if __name__ == "__main__":
    asyncio.run(drive(int(sys.argv[1]), **json.load(sys.stdin)))
