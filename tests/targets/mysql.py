"""A real MariaDB server with TLS and two users."""

import contextlib
import socket
from collections.abc import Iterator

from tests.targets import program

READER, PASSWORD = "reader", "correct-hörse"
MODERN = "modern"
DATABASE = "shop"
_OWNER = "mysql"
_SETUP = f"""
SET NAMES utf8mb4;
CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4;
USE {DATABASE};
CREATE TABLE item (id INT, name VARCHAR(100));
INSERT INTO item SELECT seq, CONCAT('it is {PASSWORD} ', seq) FROM seq_1_to_10000;
CREATE TABLE secret (id INT);
CREATE USER {READER}@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';
GRANT SELECT, INSERT, UPDATE, DELETE, DROP, CREATE ON {DATABASE}.item TO {READER}@'127.0.0.1';
CREATE USER {MODERN}@'127.0.0.1' IDENTIFIED VIA ed25519 USING PASSWORD('{PASSWORD}');
"""


@contextlib.contextmanager
def mysql_target() -> Iterator[int]:
    with program.folder(_OWNER) as folder:
        data, port = folder / "data", program.free_port()
        common = ["--no-defaults", f"--datadir={data}"]
        install = [
            "mariadb-install-db",
            *common,
            "--skip-test-db",
            "--auth-root-authentication-method=normal",
        ]
        program.run(install, folder, _OWNER)
        certificate, key = program.certificate_files(folder, _OWNER)
        (folder / "setup.sql").write_text(_SETUP)
        program.give(folder / "setup.sql", _OWNER)
        command = [
            "mariadbd",
            *common,
            "--bind-address=127.0.0.1",
            f"--port={port}",
            f"--socket={folder / 'socket'}",
            f"--ssl-cert={certificate}",
            f"--ssl-key={key}",
            f"--init-file={folder / 'setup.sql'}",
            "--plugin-load-add=auth_ed25519",
            "--skip-name-resolve",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-buffer-pool-size=8M",
        ]
        with program.running(command, folder, lambda: _greet(port), _OWNER):
            yield port


def _greet(port: int) -> None:
    """Raise OSError until the server greets: it listens before that."""
    with socket.create_connection(("127.0.0.1", port), 1) as sock:
        if not sock.recv(1):
            raise ConnectionError
