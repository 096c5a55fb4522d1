"""A real Mosquitto broker with passwords, and a second port with TLS."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from tests.targets import program

USER, PASSWORD = "sensor", "correct-horse"
_OWNER = "mosquitto"


@dataclass(frozen=True)
class MqttTarget:
    port: int
    tls_port: int


@contextlib.contextmanager
def mqtt_target() -> Iterator[MqttTarget]:
    target = MqttTarget(program.free_port(), program.free_port())
    with program.folder(_OWNER) as folder:
        program.run(["mosquitto_passwd", "-b", "-c", "passwords", USER, PASSWORD], folder, _OWNER)
        certificate, key = program.certificate_files(folder, _OWNER)
        (folder / "access").write_text(f"user {USER}\ntopic readwrite open/#\ntopic read $SYS/#\n")
        (folder / "mosquitto.conf").write_text(
            f"""
            per_listener_settings false
            allow_anonymous false
            password_file {folder}/passwords
            acl_file {folder}/access
            sys_interval 1
            listener {target.port} 127.0.0.1
            listener {target.tls_port} 127.0.0.1
            certfile {certificate}
            keyfile {key}
            """.replace("            ", "")
        )
        program.give(folder / "mosquitto.conf", _OWNER)
        program.give(folder / "access", _OWNER)
        command = ["mosquitto", "-c", "mosquitto.conf"]
        with program.running(command, folder, program.listening(target.port), _OWNER):
            yield target
