"""An SSH server: Debian's sshd, with a host key of its own and nobody who could log in."""

import contextlib
import os
from collections.abc import Iterator

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from tests.targets import program


@contextlib.contextmanager
def sshd_target() -> Iterator[int]:
    with program.folder() as folder:
        key = folder / "host_key"
        key.write_bytes(
            ed25519.Ed25519PrivateKey.generate().private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.OpenSSH,
                serialization.NoEncryption(),
            )
        )
        key.chmod(0o600)
        port = program.free_port()
        (folder / "config").write_text(
            f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {key}\nPidFile none\nUsePAM no\n"
        )
        if os.getuid() == 0:
            # Its folder for processes without rights, which its Debian service makes at boot.
            os.makedirs("/run/sshd", 0o755, exist_ok=True)
        command = ["/usr/sbin/sshd", "-D", "-e", "-f", str(folder / "config")]
        with program.running(command, folder, program.listening(port)):
            yield port
