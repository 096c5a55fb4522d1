"""An FTP server: pyftpdlib, with AUTH TLS where a certificate is given."""

import contextlib
import logging
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.targets import program

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of asyncore, which it is built on
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.handlers import FTPHandler, TLS_FTPHandler
    from pyftpdlib.ioloop import IOLoop
    from pyftpdlib.servers import FTPServer

USERNAME, PASSWORD = "alice", "pass wörd"


@contextlib.contextmanager
def ftp_target(folder: Path, is_tls: bool = True) -> Iterator[int]:
    """A server that knows one user, and anonymous; with TLS it takes no password without."""
    logging.getLogger("pyftpdlib").setLevel(logging.CRITICAL)
    authorizer = DummyAuthorizer()
    authorizer.add_user(USERNAME, PASSWORD, str(folder))
    authorizer.add_anonymous(str(folder))
    members: dict[str, Any] = {
        "authorizer": authorizer,
        "banner": "files at your service",
        "auth_failed_timeout": 0,
    }
    kind = FTPHandler
    if is_tls:
        kind = TLS_FTPHandler
        certificate, key = program.certificate_files(folder)
        members |= {"certfile": str(certificate), "keyfile": str(key), "tls_control_required": True}
    loop = IOLoop()
    server = FTPServer(("127.0.0.1", 0), type("Handler", (kind,), members), ioloop=loop)
    stopping = threading.Event()

    def serve() -> None:
        while not stopping.is_set():
            loop.loop(0.01, blocking=False)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield server.address[1]
    finally:
        stopping.set()
        thread.join()
        server.close_all()
