"""A real PostgreSQL server, with passwords (SCRAM), TLS, and a user for every way to log in."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.targets import program

BIN = max(
    Path("/usr/lib/postgresql").glob("*/bin"),
    key=lambda path: int(path.parent.name),
    default=Path("/usr/lib/postgresql/missing"),
)
READER, PASSWORD = "reader", "correct-horse"
CLEAR, MD5, TURNED_AWAY = "clear", "old", "stranger"
_OWNER = "postgres"
_SETUP = f"""
create table item (id int, name text);
insert into item select n, 'it is {PASSWORD} ' || n from generate_series(1, 100000) n;
create role {READER} login password '{PASSWORD}';
create role {CLEAR} login password '{PASSWORD}';
set password_encryption = 'md5';
create role {MD5} login password '{PASSWORD}';
grant select on item to {READER};
grant insert, update, delete on item to {READER};
create table secret (id int);
create sequence counter;
grant all on sequence counter to {READER};
"""


@contextlib.contextmanager
def postgres_target() -> Iterator[int]:
    with program.folder(_OWNER) as folder:
        data, port = folder / "data", program.free_port()
        initdb = ["initdb", "-D", str(data), "-U", _OWNER, "-A", "scram-sha-256", "-E", "UTF8"]
        (folder / "password").write_text(PASSWORD)
        program.give(folder / "password", _OWNER)
        options = ["--no-sync", "--no-locale", "--pwfile", str(folder / "password")]
        program.run([str(BIN / initdb[0]), *initdb[1:], *options], folder, _OWNER)
        certificate, key = program.certificate_files(folder, _OWNER)
        rules = [f"host all {CLEAR} all password", f"host all {MD5} all md5"]
        rules += [f"host all {TURNED_AWAY} all reject", "host all all all scram-sha-256"]
        (data / "pg_hba.conf").write_text("".join(f"{rule}\n" for rule in rules))
        single = ["--single", "-D", str(data), "postgres"]
        program.run([str(BIN / "postgres"), *single], folder, _OWNER, _one_line_each(_SETUP))
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": folder,
            "ssl": "on",
            "ssl_cert_file": certificate,
            "ssl_key_file": key,
            "fsync": "off",
            "max_connections": 20,
            "shared_buffers": "1MB",
            "autovacuum": "off",
        }
        given = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = [str(BIN / "postgres"), "-D", str(data), *given]
        with program.running(command, folder, lambda: _is_ready(port), _OWNER):
            yield port


def _is_ready(port: int) -> None:
    """Raise ConnectionError until the server takes logins: it listens before that."""
    command = [str(BIN / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
    if subprocess.run(command).returncode:
        raise ConnectionError


def _one_line_each(script: str) -> bytes:
    return script.replace("\n", " ").replace("; ", ";\n").strip().encode() + b"\n"
