import contextlib
import os
import socket
import time
from collections.abc import Iterator

import pytest
from pydantic import ValidationError

from tests.targets import docker as targets
from tests.targets import scripted
from uptimehunt.checks import Deadline, Outcome, docker


@pytest.fixture(scope="module")
def path() -> Iterator[str]:
    with targets.docker_target() as running:
        yield running


def check(path: str, container: str = "web", seconds: float = 5) -> Outcome:
    config = docker.DockerConfig(container=container, socket=path, timeout=1)
    return docker.check(config, Deadline(seconds))


@contextlib.contextmanager
def without_privileges() -> Iterator[None]:
    """Root may open everything; for a while this process is somebody else."""
    is_root = os.geteuid() == 0
    if is_root:
        os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        if is_root:
            os.setresuid(0, 0, 0)


def test_a_healthy_container_is_up(path: str) -> None:
    outcome = check(path)

    assert outcome.ok and outcome.response_time_ms
    assert outcome.details["state"] == "running"
    assert outcome.details["health"] == "healthy"
    assert outcome.details["restarts"] == 2
    assert list(outcome.details["timing"]) == list(docker.CHECK.timing_phases)


def test_a_container_without_a_health_check_is_up_while_it_runs(path: str) -> None:
    outcome = check(path, "plain")

    assert outcome.ok
    assert outcome.details["health"] == "none"


def test_a_container_that_starts_is_up_with_a_warning(path: str) -> None:
    outcome = check(path, "fresh")

    assert outcome.ok
    assert outcome.details["warning"] == "container_starting"


def test_an_unhealthy_container_is_a_failure_with_the_last_output(path: str) -> None:
    outcome = check(path, "ill")

    assert (outcome.error, outcome.message) == ("assertion_failed", "Container is unhealthy")
    assert outcome.details["health_output"] == "cannot connect"


def test_a_container_that_does_not_run_is_a_failure(path: str) -> None:
    outcome = check(path, "gone")

    assert outcome.error == "assertion_failed"
    assert outcome.message == "Container is not running, but exited"
    assert outcome.details["exit_code"] == 137
    assert check(path, "strange").message == "Container is not running, but unknown"


@pytest.mark.parametrize(
    ("container", "error", "message"),
    [
        ("missing", "assertion_failed", "There is no such container"),
        ("status-500", "status_mismatch", "Answered 500, expected 200"),
        ("status-403", "authentication_failed", "Docker refuses to tell (answered 403)"),
        ("odd-list", "protocol_error", "The answer is not Docker's"),
        ("odd-null", "protocol_error", "The answer is not Docker's"),
        ("odd-text", "protocol_error", "The answer is not Docker's"),
        ("odd-log", "protocol_error", "The answer is not Docker's"),
        ("odd-deep", "protocol_error", "The answer is not Docker's"),
        ("odd-surrogate", "assertion_failed", "Container is unhealthy"),
        ("endless", "protocol_error", "The answer is not Docker's"),
    ],
)
def test_an_answer_that_says_nothing_good_is_a_failure(
    path: str, container: str, error: str, message: str
) -> None:
    outcome = check(path, container)

    assert (outcome.error, outcome.message) == (error, message)


@pytest.mark.parametrize("container", ["silent", "drip"])
def test_a_socket_that_does_not_answer_ends_at_the_deadline(path: str, container: str) -> None:
    began = time.monotonic()
    outcome = check(path, container, 0.4)

    assert time.monotonic() - began < 1
    assert (outcome.error, outcome.message) == ("timeout", "No answer within 1 s")


def test_a_socket_that_is_not_there_is_a_failure_that_says_what_to_do() -> None:
    outcome = check("/run/uptimehunt-nowhere/docker.sock")

    assert outcome.error == "network_unreachable" and not outcome.is_unknown
    assert outcome.message == (
        "There is no /run/uptimehunt-nowhere/docker.sock: start Docker, or name its socket"
    )


def test_a_socket_that_nobody_listens_on_refuses() -> None:
    with targets.folder() as folder, socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(folder / "docker.sock"))
        outcome = check(str(folder / "docker.sock"))

    assert outcome.error == "connection_refused"


def test_a_socket_that_we_may_not_open_says_nothing_of_the_container(path: str) -> None:
    os.chmod(path, 0)
    try:
        with without_privileges():
            outcome = check(path)
    finally:
        os.chmod(path, 0o700)

    assert outcome.is_unknown and not outcome.ok
    assert outcome.message == f"No permission to open {path}: add the program's user to its group"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("container", name) for name in ("", "../x", "a/b", "a?b", "-x", "a b", "x" * 129, 1)),
        *(
            ("socket", path)
            for path in (
                "", "docker.sock", "/etc/passwd", "/run/docker", "/run/../etc/x.sock",
                "/tmp/x.sock", "/run//x.sock", "/run/./x.sock", "/run/a b.sock",
                "/run/x.sock\0", "/run/x.sock\n",
                f"/run/{'x' * 100}.sock", "tcp://a.sock", 1,
            )
        ),
        ("ip_family", "5"), ("unknown", 1),
    ],
)  # fmt: skip
def test_a_bad_field_is_named(field: str, value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        docker.DockerConfig.model_validate({"container": "web", field: value})

    assert scripted.named_fields(caught) == {field}


@pytest.mark.parametrize(
    "path",
    [
        "/var/run/docker.sock",
        "/run/user/1000/docker.sock",
        "/run/podman/podman.sock",
        "/home/ada/.docker/desktop/docker.sock",
    ],
)
def test_the_usual_sockets_are_taken(path: str) -> None:
    assert docker.DockerConfig(container="web", socket=path).socket == path


def test_the_target_is_labelled_with_the_container() -> None:
    target = docker.CHECK.target(docker.DockerConfig(container="web"))

    assert (target.host, target.port, target.label) == ("localhost", 0, "container web")
