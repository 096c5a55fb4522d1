"""Check types for tests of the engine: they touch no network, and do what a test tells them."""

import threading
from collections.abc import Callable

from uptimehunt.checks import CheckConfig, CheckType, Deadline, Outcome, Target
from uptimehunt.domain.assignments import Assignment

OK = Outcome(True, 1)
FAILED = Outcome(False, None, "timeout", "It failed: timeout")


class Config(CheckConfig):
    """Nothing but what every type has."""


def kind(check: Callable[[], Outcome]) -> CheckType[Config]:
    """A check type whose check is this function."""

    def run(config: Config, deadline: Deadline) -> Outcome:
        return check()

    return CheckType(
        type="test",
        name="Test",
        description="Does what a test tells it.",
        category="test",
        icon="x",
        config=Config,
        check=run,
        target=lambda config: Target("here", 1, "here"),
    )


def assignment(
    check: Callable[[], Outcome],
    service_id: int = 1,
    *,
    revision: int = 1,
    interval_s: int = 3600,
    timeout: int = 1,
    host: str = "here",
) -> Assignment:
    """A service that is checked by this function."""
    return Assignment(
        service_id,
        revision,
        interval_s,
        kind(check),
        Config(timeout=timeout),
        Target(host, 1, host),
    )


class Gate:
    """A check that hangs until it is let go, and counts how many hang."""

    def __init__(self, outcome: Outcome = OK) -> None:
        self._open = threading.Event()
        self._lock = threading.Lock()
        self.outcome = outcome
        self.inside = 0
        self.most_inside = 0
        self.calls = 0

    def __call__(self) -> Outcome:
        with self._lock:
            self.calls += 1
            self.inside += 1
            self.most_inside = max(self.most_inside, self.inside)
        self._open.wait(30)
        with self._lock:
            self.inside -= 1
        return self.outcome

    def open(self) -> None:
        """Let go of all that hang, and of all to come."""
        self._open.set()
