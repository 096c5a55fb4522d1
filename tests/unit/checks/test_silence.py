"""What types have in common whose servers answer in packets: how it ends when none does."""

import time
from typing import Any

import pytest

from tests.targets import tcp as targets
from tests.unit.checks.test_mysql import greeting
from tests.unit.checks.test_postgres import message
from tests.unit.checks.test_websocket import HEAD
from uptimehunt.checks import REGISTRY, Deadline, Outcome

BEGUN = {
    "grpc": b"\0\0\0\4\0\0\0\0\0",
    "mqtt": b"\x20\x7f" + b"x" * 127,
    "mysql": greeting(),
    "postgres": message(b"N", b"x" * 100),
    "redis": b"x",
    "websocket": HEAD,
}
"""Type → an answer that begins well."""
LOGIN = {"username": "reader", "password": "hunter-two", "database": "shop"}


def check(type: str, port: int, seconds: float = 5) -> Outcome:
    kind = REGISTRY[type]
    config: dict[str, Any] = {"host": "127.0.0.1", "port": port}
    if type == "websocket":
        config = {"url": f"ws://127.0.0.1:{port}/"}
    elif type in ("mysql", "postgres"):
        config |= LOGIN
    return kind.check(kind.config.model_validate(config | {"timeout": 1}), Deadline(seconds))


@pytest.mark.parametrize("type", BEGUN)
def test_a_closed_port_is_refused(type: str) -> None:
    with targets.closed_port() as port:
        assert check(type, port).error == "connection_refused"


@pytest.mark.parametrize("type", sorted(BEGUN.keys() - {"mysql"}))  # whose server speaks first
def test_a_reset_is_named(type: str) -> None:
    with targets.resetting() as port:
        error = check(type, port).error

    assert error == "connection_reset" or (type, error) == ("grpc", "protocol_error")


@pytest.mark.parametrize("type", BEGUN)
def test_a_server_that_hangs_up_is_named(type: str) -> None:
    with targets.accepting() as port:
        assert check(type, port).error in ("protocol_error", "connection_reset")


def test_a_port_that_never_answers_is_a_connect_timeout() -> None:
    with targets.blackhole() as port:
        for type in BEGUN:
            began = time.monotonic()
            outcome = check(type, port, 0.4)

            assert time.monotonic() - began < 1
            assert outcome.error == "connect_timeout", type


@pytest.mark.parametrize("type", BEGUN)
def test_silence_ends_at_the_deadline(type: str) -> None:
    with targets.silent() as port:
        began = time.monotonic()
        outcome = check(type, port, 0.4)

        assert time.monotonic() - began < 1
    assert outcome.error == "timeout"


@pytest.mark.parametrize("type", BEGUN)
def test_an_answer_that_drips_ends_at_the_deadline(type: str) -> None:
    with targets.dripping(BEGUN[type]) as port:
        began = time.monotonic()
        outcome = check(type, port, 0.4)

        assert time.monotonic() - began < 1
    assert outcome.error == "timeout"
