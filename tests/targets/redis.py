"""A real Redis server: a password for the default user, a second user, a port with TLS."""

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from tests.targets import program

PASSWORD = "correct-horse"
READER, READERS_PASSWORD = "reader", "battery-staple"
VALUES = {"greeting": "hello", "leak": f"it is {PASSWORD}!", "big": "x" * 2_000_000}


@dataclass(frozen=True)
class RedisTarget:
    port: int
    tls_port: int


@contextlib.contextmanager
def redis_target() -> Iterator[RedisTarget]:
    target = RedisTarget(program.free_port(), program.free_port())
    with program.folder() as folder:
        certificate, key = program.certificate_files(folder)
        settings = f"""
            bind 127.0.0.1
            port {target.port}
            tls-port {target.tls_port}
            tls-cert-file {certificate}
            tls-key-file {key}
            tls-ca-cert-file {certificate}
            tls-auth-clients no
            dir {folder}
            save ""
            requirepass {PASSWORD}
            user {READER} on >{READERS_PASSWORD} +ping ~*
        """
        (folder / "redis.conf").write_text(settings)
        command = ["redis-server", "redis.conf"]
        with program.running(command, folder, program.listening(target.port)):
            _fill(target.port)
            yield target


def _fill(port: int) -> None:
    lines = [f"AUTH {PASSWORD}", "LPUSH list a", "SELECT 3", "SET third yes", "SELECT 0"]
    lines += [f'SET {key} "{value}"' for key, value in VALUES.items() if key != "big"]
    value = VALUES["big"]
    big = f"*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n${len(value)}\r\n{value}\r\n"
    with socket.create_connection(("127.0.0.1", port), 5) as sock:
        sock.sendall("\r\n".join([*lines, big]).encode())
        answer = b""
        while answer.count(b"\n") < len(lines) + 1:
            answer += sock.recv(1000)
    assert b"-" not in answer, answer
