"""Server programs, each run on a free port with a folder of its own, and ended by its process."""

import contextlib
import functools
import os
import random
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import trustme


@functools.cache
def _authority() -> trustme.CA:
    return trustme.CA()


def ca_pem() -> str:
    """The certificate to trust for all of them."""
    return _authority().cert_pem.bytes().decode("ascii")


def certificate_pems() -> tuple[bytes, bytes]:
    """A certificate for 127.0.0.1, and its key."""
    issued = _authority().issue_cert("127.0.0.1", "localhost")
    return issued.cert_chain_pems[0].bytes(), issued.private_key_pem.bytes()


def certificate_files(folder: Path, user: str | None = None) -> tuple[Path, Path]:
    """The same as files that only `user` may read."""
    paths = folder / "server.crt", folder / "server.key"
    for path, pem in zip(paths, certificate_pems(), strict=True):
        path.write_bytes(pem)
        path.chmod(0o600)
        give(path, user)
    return paths


def give(path: Path, user: str | None) -> None:
    """Make it the property of the user whom the server runs as."""
    if user is not None and os.getuid() == 0:
        shutil.chown(path, user, user)


def free_port() -> int:
    """A port that nobody listens on; the programs cannot take port 0 and say what they got.

    Below those that the system gives away, or another test would get it before the program does.
    """
    while True:
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", random.randrange(10_000, 32_000)))
            return int(sock.getsockname()[1])


@contextlib.contextmanager
def folder(user: str | None = None) -> Iterator[Path]:
    """A folder that belongs to `user`, for servers that refuse to run as root."""
    with tempfile.TemporaryDirectory(prefix="uptimehunt-") as name:
        give(Path(name), user)
        yield Path(name)


def run(command: list[str], cwd: Path, user: str | None = None, given: bytes = b"") -> None:
    """Run a program to its end; it has to succeed."""
    done = subprocess.run(command, cwd=cwd, input=given, capture_output=True, **_identity(user))
    assert done.returncode == 0, done.stderr.decode()


@contextlib.contextmanager
def running(
    command: list[str], cwd: Path, ready: Callable[[], object], user: str | None = None
) -> Iterator[int]:
    """Run a server while the block runs; `ready` is called until it does not raise OSError.

    Yields:
        Its process id.
    """
    with (
        (cwd / "output.log").open("wb") as output,
        subprocess.Popen(
            command, cwd=cwd, stdout=output, stderr=output, **_identity(user)
        ) as process,
    ):
        try:
            _wait(ready, process, cwd / "output.log")
            yield process.pid
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def listening(port: int) -> Callable[[], object]:
    """Ready when the port takes connections."""
    return lambda: socket.create_connection(("127.0.0.1", port), 1).close()


def _wait(ready: Callable[[], object], process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 30
    while True:
        try:
            ready()
        except OSError:
            assert process.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.02)
        else:
            return


def _identity(user: str | None) -> dict[str, Any]:
    if user is None or os.getuid() != 0:
        return {}
    return {"user": user, "group": user, "extra_groups": []}
