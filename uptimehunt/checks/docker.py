"""The `docker` service type: a container's state and health, from Docker on this machine.

Podman answers the same. SECURITY: whoever may add services can look at any container of this
machine, once the system lets the program open the socket; no more than looking is ever done, and
no other file can be named than a socket where Docker's are.
"""

import functools
import json
import os
import posixpath
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from uptimehunt.checks import curl, net, text
from uptimehunt.checks.base import (
    CheckConfig,
    CheckType,
    Deadline,
    Outcome,
    Target,
    place,
    whole_ms,
)
from uptimehunt.checks.url import Url

_MOST_BYTES = 1_048_576
_LONGEST_PATH = 107  # what fits into the address of a Unix socket
_SOCKET = re.compile(r"/(?:run|var/run|home)/[A-Za-z0-9/@_.-]+\.sock")
_CONTAINER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_STATES = ("created", "paused", "restarting", "removing", "exited", "dead", "stopped")
_HEALTH = ("none", "starting", "healthy", "unhealthy")


def _valid_container(name: str) -> str:
    if not _CONTAINER.fullmatch(name):
        raise PydanticCustomError("container", "Container must be a name or an id")
    return name


def _valid_socket(path: str) -> str:
    if not _SOCKET.fullmatch(path) or len(path) > _LONGEST_PATH or posixpath.normpath(path) != path:
        raise PydanticCustomError(
            "socket", "Socket must be a path below /run, /var/run or /home that ends in .sock"
        )
    return path


class DockerConfig(CheckConfig):
    """Which container to look at."""

    container: Annotated[str, AfterValidator(_valid_container)] = Field(
        min_length=1,
        max_length=128,
        title="Container",
        description="Name or id.",
        json_schema_extra=place(1, "request"),
    )
    socket: Annotated[str, AfterValidator(_valid_socket)] = Field(
        default="/var/run/docker.sock",
        min_length=1,
        title="Socket",
        description="Docker's, on the probe's machine; the program must be allowed to open it.",
        json_schema_extra=place(2, "request"),
    )
    ip_family: Literal["auto", "4", "6"] = Field(
        default="auto",
        title="IP version",
        description="Without effect: the connection does not leave the machine.",
        json_schema_extra=place(91, "advanced", readOnly=True),
    )

    @functools.cached_property
    def request(self) -> curl.Request:
        """What every check asks; source: Docker Engine API, "Inspect a container"."""
        return curl.prepare(
            Url("http", "localhost", 80, f"/containers/{self.container}/json", ""),
            curl.Route(unix_socket=self.socket),
            method="GET",
            headers=[],
            body=None,
            max_body_bytes=_MOST_BYTES,
        )


def check(config: DockerConfig, deadline: Deadline) -> Outcome:
    """Ask for the container, and judge its state and its health.

    Returns:
        details: `timing` (`curl.PHASES`) and, as far as they are known, `state`, `health`,
        `exit_code`, `restarts`, and after a failed health check `health_output`, the first 200
        characters of what it said; `warning` (`container_starting`). Unknown, when this program
        is not allowed to ask.
    """
    answer = curl.exchange(config.request, deadline, config.timeout)
    details: dict[str, Any] = {"timing": answer.timing}
    if answer.fault is not None:
        kind, message = answer.fault
        is_unknown = False
        if kind == "network_unreachable":
            message, is_unknown = _trouble_with(config.socket) or (message, False)
        return Outcome(False, None, kind, message, details=details, is_unknown=is_unknown)
    fault = _judge(answer, details)
    response_time_ms = whole_ms(answer.timing["total"])
    if fault is None:
        return Outcome(True, response_time_ms, status_code=answer.status, details=details)
    return Outcome(False, response_time_ms, *fault, answer.status, details)


def _trouble_with(path: str) -> tuple[str, bool] | None:
    """What to say of a socket that cannot be reached, and whether it says nothing of Docker."""
    try:
        os.stat(path)
        is_allowed = os.access(path, os.R_OK | os.W_OK)
    except PermissionError:
        is_allowed = False
    except OSError:
        return f"There is no {path}: start Docker, or name its socket", False
    if is_allowed:
        return None
    return f"No permission to open {path}: add the program's user to its group", True


def _judge(answer: curl.Answer, details: dict[str, Any]) -> net.Fault | None:
    match answer.status:
        case 200:
            pass
        case 404:
            return "assertion_failed", "There is no such container"
        case 401 | 403:
            return "authentication_failed", f"Docker refuses to tell (answered {answer.status})"
        case _:
            return "status_mismatch", f"Answered {answer.status}, expected 200"
    try:
        found = json.loads(answer.body)
        state = found["State"]
        status, health = state["Status"], state.get("Health") or {}
        healthiness = health.get("Status", "none")
        exit_code, restarts = state.get("ExitCode", 0), found.get("RestartCount", 0)
        last = (health.get("Log") or [{}])[-1].get("Output", "")
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError):
        return "protocol_error", "The answer is not Docker's"
    details |= {
        "state": status if status in ("running", *_STATES) else "unknown",
        "health": healthiness if healthiness in _HEALTH else "unknown",
        "exit_code": exit_code if isinstance(exit_code, int) else None,
        "restarts": restarts if isinstance(restarts, int) else None,
    }
    if status != "running":
        return "assertion_failed", f"Container is not running, but {details['state']}"
    if healthiness == "unhealthy":
        details["health_output"] = text.excerpt(str(last).encode("utf-8", "replace"))
        return "assertion_failed", "Container is unhealthy"
    if healthiness == "starting":
        details["warning"] = "container_starting"
    return None


def _target(config: DockerConfig) -> Target:
    return Target(host="localhost", port=0, label=f"container {config.container}")


CHECK = CheckType(
    type="docker",
    name="Docker container",
    description="Looks at the state and the health of a container on the probe's machine.",
    category="container",
    icon="server",
    config=DockerConfig,
    check=check,
    target=_target,
    timing_phases=curl.PHASES,
)
