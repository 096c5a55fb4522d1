"""Mail servers: aiosmtpd for SMTP, and Dovecot for IMAP and POP3.

They know one user; the certificates are for 127.0.0.1.
"""

import asyncio
import contextlib
import os
import shutil
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from tests.targets import program

USERNAME, PASSWORD = "alice", 'pa"ss\\wörd {3}'
MAILBOX = "Entwürfe & \\ mehr"


class SmtpTarget:
    """A running SMTP server.

    Attributes:
        port: where it listens.
        commands: what it was sent, word by word of each line's start.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.commands: list[str] = []

    async def handle_EHLO(
        self, _server: SMTP, session: Any, _envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self.commands.append(f"EHLO {hostname}")
        return responses

    async def handle_QUIT(self, _server: SMTP, _session: Any, _envelope: Any) -> str:
        self.commands.append("QUIT")
        return "221 Bye"

    @staticmethod
    def log_in(_server: SMTP, _session: Any, _envelope: Any, _how: str, data: Any) -> AuthResult:
        is_known = isinstance(data, LoginPassword) and (data.login, data.password) == (
            USERNAME.encode(),
            PASSWORD.encode(),
        )
        return AuthResult(success=is_known, handled=False)


@contextlib.contextmanager
def smtp_target(
    starttls: ssl.SSLContext | None = None,
    tls: ssl.SSLContext | None = None,
    without: tuple[str, ...] = (),
) -> Iterator[SmtpTarget]:
    """An SMTP server.

    Args:
        starttls: offered, when given.
        tls: spoken from the first byte on, when given.
        without: ways to log in that are not offered.
    """
    sock = socket.create_server(("127.0.0.1", 0))
    target = SmtpTarget(sock.getsockname()[1])
    loop = asyncio.new_event_loop()
    tasks: set[Any] = set()

    def session() -> SMTP:
        server = SMTP(
            target,
            hostname="mail.test",
            tls_context=starttls,
            authenticator=target.log_in,
            auth_require_tls=tls is None,
            auth_exclude_mechanism=without,
            loop=loop,
        )
        tasks.add(server)
        return server

    # In a thread from the first moment on: where a browser is driven, this one has a loop already.
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    starting = loop.create_server(session, sock=sock, ssl=tls)
    server = asyncio.run_coroutine_threadsafe(starting, loop).result(5)

    async def end() -> None:
        server.close()
        for one in tasks:
            if one.transport is not None:
                one.transport.abort()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await server.wait_closed()

    try:
        yield target
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@dataclass(frozen=True)
class MailStore:
    """The ports of a running Dovecot."""

    imap: int
    imaps: int
    pop3: int
    pop3s: int


_CONFIG = """
base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/dovecot.log
listen = 127.0.0.1
protocols = imap pop3
disable_plaintext_auth = yes
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{key}
auth_failure_delay = 0
passdb {{
  driver = passwd-file
  args = scheme=plain {folder}/users
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/home
}}
mail_location = maildir:~/mail
namespace inbox {{
  inbox = yes
  separator = /
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service imap-login {{
  inet_listener imap {{
    port = {ports.imap}
  }}
  inet_listener imaps {{
    port = {ports.imaps}
    ssl = yes
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {ports.pop3}
  }}
  inet_listener pop3s {{
    port = {ports.pop3s}
    ssl = yes
  }}
}}
"""


@contextlib.contextmanager
def dovecot_target() -> Iterator[MailStore]:
    """A mail store with one empty mailbox beside the inbox; started by root, as Dovecot wants."""
    with program.folder() as folder:
        folder.chmod(0o755)  # its processes run as users of their own
        ports = MailStore(*(program.free_port() for _ in range(4)))
        certificate, key = program.certificate_files(folder)
        _write_users(folder)
        (folder / "dovecot.conf").write_text(
            _CONFIG.format(
                folder=folder,
                certificate=certificate,
                key=key,
                ports=ports,
                uid=_OWNER_ID,
                gid=_OWNER_ID,
            )
        )
        command = ["/usr/sbin/dovecot", "-F", "-c", str(folder / "dovecot.conf")]

        def ready() -> None:  # it opens them in any order
            for port in (ports.imap, ports.imaps, ports.pop3, ports.pop3s):
                program.listening(port)()

        with program.running(command, folder, ready) as pid:
            try:
                yield ports
            finally:
                _end(pid)


def _end(pid: int) -> None:
    """End it and all that it has started at once; asked to end, it takes up to six seconds."""
    master = psutil.Process(pid)
    master.suspend()  # it would replace those who die
    others = master.children(recursive=True)
    for process in (*others, master):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    end = time.monotonic() + 10
    while any(map(_lives, others)):
        assert time.monotonic() < end
        time.sleep(0.005)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE  # which is gone but for its name
    except psutil.NoSuchProcess:
        return False


_OWNER_ID = 65534


def _write_users(folder: Path) -> None:
    (folder / "users").write_text(f"{USERNAME}:{PASSWORD}\n", "utf-8")
    home = folder / "home"
    for path in ("cur", "new", "tmp", ".Entw&APw-rfe &- \\ mehr/cur"):
        (home / "mail" / path).mkdir(parents=True)
    (home / "mail" / "new" / "1.test").write_text("Subject: hello\n\nworld\n")
    for at, folders, files in os.walk(home):
        for path in (at, *(os.path.join(at, name) for name in (*folders, *files))):
            shutil.chown(path, _OWNER_ID, _OWNER_ID)
