"""What it has in common with other types that are greeted is in `test_login.py`."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from tests.targets import scripted
from tests.targets import ssh as ssh_targets
from tests.targets import tcp as targets
from uptimehunt.checks import Deadline, Outcome, ssh


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    with ssh_targets.sshd_target() as port:
        yield port


def check(port: int, **more: Any) -> Outcome:
    config = ssh.SshConfig(host="127.0.0.1", port=port, timeout=1, **more)
    return ssh.check(config, Deadline(config.timeout))


def test_a_real_server_is_up_and_shows_what_it_is(server: int) -> None:
    outcome = check(server, expect="^SSH-2.0-OpenSSH_[0-9.]+")

    assert outcome.ok and outcome.response_time_ms is not None
    assert outcome.details["banner"].startswith("SSH-2.0-OpenSSH_")
    assert list(outcome.details["timing"]) == list(ssh.CHECK.timing_phases)


def test_another_server_than_expected_is_a_failure_that_shows_it(server: int) -> None:
    outcome = check(server, expect="dropbear")

    assert outcome.error == "assertion_failed"
    assert outcome.message == "The identification is not as expected"
    assert outcome.details["banner"].startswith("SSH-2.0-OpenSSH_")


def test_it_says_who_it_is_before_it_leaves() -> None:
    heard: list[bytes] = []
    with targets.listening_to(heard, greeting=b"SSH-2.0-x\r\n") as port:
        check(port)

    assert heard == [b"SSH-2.0-UptimeHunt\r\n"]


@pytest.mark.parametrize(
    "greeting",
    [
        b"SSH-2.0-x\r\n", b"SSH-2.0-x\n", b"SSH-1.99-x y z\r\n", b"SSH-2.0-" + b"x" * 247 + b"\r\n",
        b"Welcome\r\n\r\nto the machine\r\nSSH-2.0-x\r\n", b"\xff\xfe\r\n" * 99 + b"SSH-2.0-x\r\n",
    ],
)  # fmt: skip
def test_an_identification_may_have_lines_before_it(greeting: bytes) -> None:
    with scripted.saying(greeting=greeting) as port:
        assert check(port).ok


@pytest.mark.parametrize(
    ("greeting", "message"),
    [
        (b"SSH-1.5-old\r\n", "The server speaks no version 2 of SSH"),
        (b"SSH-2.0-" + b"x" * 248 + b"\r\n", "The identification is too long"),
        (b"hello\r\n" * 100 + b"SSH-2.0-x\r\n", "The server does not identify itself"),
    ],
)
def test_what_is_no_identification_is_a_protocol_error(greeting: bytes, message: str) -> None:
    with scripted.saying(greeting=greeting) as port:
        outcome = check(port)

    assert (outcome.error, outcome.message) == ("protocol_error", message)


@pytest.mark.parametrize(
    "config",
    [{"expect": "(a"}, {"expect": r"(a)\1"}, {"expect": ""}, {"port": 0}, {"host": ""}, {"x": 1}],
)
def test_a_bad_field_is_named(config: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        ssh.SshConfig.model_validate({"host": "127.0.0.1", **config})

    assert scripted.named_fields(caught) == set(config)
