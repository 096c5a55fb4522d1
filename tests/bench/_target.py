"""A cheap web server to be checked, in a process of its own, that notes when it was asked.

nginx when it is installed, else a small asyncio server: its cost is not counted, but it takes
time from the same processor.
"""

import asyncio
import contextlib
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import trustme

from tests.process import ROOT, wait_until
from uptimehunt.checks import net

HOSTS = [f"127.0.0.{last}" for last in range(1, 9)]
"""The target has several addresses: ports to one of them would run out at a thousand checks a
second."""

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n"
NGINX = """
daemon off; worker_processes 1; worker_rlimit_nofile 16384; pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 8192; }}
http {{
    log_format arrivals '$msec $request_uri';
    access_log {folder}/arrivals arrivals;
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    server {{
        {listens}
        ssl_certificate {folder}/certificate.pem; ssl_certificate_key {folder}/certificate.pem;
        location / {{ return 200 "ok\\n"; }}
    }}
}}
"""


class Target:
    """The running server: its ports, whom to trust, and who asked when."""

    def __init__(self, kind: str, port: int, tls_port: int, ca_file: Path, log: Path) -> None:
        self.kind = kind
        self.port = port
        self.tls_port = tls_port
        self.ca_file = ca_file
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
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log, certificate, ca_file = (
            folder / file for file in ("arrivals", "certificate.pem", "ca.pem")
        )
        log.touch()
        make_certificates(certificate, ca_file)
        port, tls_port = free_port(), free_port()
        nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
        if nginx:
            listens = "".join(
                f"listen {host}:{port} backlog=4096; listen {host}:{tls_port} ssl backlog=4096; "
                for host in HOSTS
            )
            config = folder / "nginx.conf"
            config.write_text(NGINX.format(folder=folder, listens=listens))
            command = [nginx, "-p", name, "-c", str(config)]
        else:
            arguments = [str(port), str(tls_port), str(certificate), str(log)]
            command = [sys.executable, "-m", "tests.bench._target", *arguments]
        server = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: accepts(port) and accepts(tls_port))
            yield Target("nginx" if nginx else "asyncio", port, tls_port, ca_file, log)
        finally:
            server.terminate()
            server.wait()


def make_certificates(certificate: Path, ca_file: Path) -> None:
    """A certificate with its key, and whom to trust for it: a new authority among the usual ones.

    As many as on any machine, because reading them is what takes time.
    """
    authority = trustme.CA()
    issued = authority.issue_cert(*HOSTS)
    parts = [issued.private_key_pem, *issued.cert_chain_pems]
    certificate.write_bytes(b"".join(part.bytes() for part in parts))
    usual = Path(net.ca_bundle()).read_bytes()
    ca_file.write_bytes(authority.cert_pem.bytes() + usual)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def accepts(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


async def serve(port: int, tls_port: int, certificate: Path, log: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with log.open("a", buffering=1) as arrivals:

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            at = time.time()
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                head = await reader.readuntil(b"\r\n\r\n")
                arrivals.write(f"{at:.6f} {head.split()[1].decode()}\n")
                writer.write(ANSWER)
            writer.close()

        await asyncio.start_server(answer, HOSTS, port, backlog=4096)
        server = await asyncio.start_server(answer, HOSTS, tls_port, backlog=4096, ssl=context)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])))
