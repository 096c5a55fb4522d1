"""A cheap web server to be checked, in a process of its own, that notes when it was asked.

nginx when it is installed, else a small asyncio server: its cost is not counted, but it takes
time from the same processor.
"""

import asyncio
import contextlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.process import ROOT, wait_until

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n"
NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
    log_format arrivals '$msec $request_uri';
    access_log {folder}/arrivals arrivals;
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ return 200 "ok\\n"; }} }}
}}
"""


class Target:
    """The running server: its port, and who asked when."""

    def __init__(self, kind: str, port: int, log: Path) -> None:
        self.kind = kind
        self.port = port
        self._log = log

    def arrivals(self) -> dict[str, list[float]]:
        """Path to the wall times in seconds at which it was asked for, in order."""
        found: dict[str, list[float]] = defaultdict(list)
        for line in self._log.read_text().splitlines():
            at, path = line.split()
            found[path].append(float(at))
        return found


@contextlib.contextmanager
def target() -> Iterator[Target]:
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "arrivals"
        log.touch()
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
        if nginx:
            config = Path(folder) / "nginx.conf"
            config.write_text(NGINX.format(folder=folder, port=port))
            command = [nginx, "-p", folder, "-c", str(config)]
        else:
            command = [sys.executable, "-m", "tests.bench._target", str(port), str(log)]
        server = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: accepts(port))
            yield Target("nginx" if nginx else "asyncio", port, log)
        finally:
            server.terminate()
            server.wait()


def accepts(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


async def serve(port: int, log: Path) -> None:
    with log.open("a", buffering=1) as arrivals:

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            at = time.time()
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                head = await reader.readuntil(b"\r\n\r\n")
                arrivals.write(f"{at:.6f} {head.split()[1].decode()}\n")
                writer.write(ANSWER)
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", port, backlog=4096)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
