"""What the resources are given: the store, and the few things of the engine they may ask."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from uptimehunt.checks import CheckConfig, CheckType, Outcome
from uptimehunt.domain.limits import Limiter
from uptimehunt.domain.results import Verdict
from uptimehunt.domain.retention import Keeping
from uptimehunt.domain.system import Storage
from uptimehunt.domain.tokens import Tokens
from uptimehunt.store.database import Store


class Engine(Protocol):
    """What the API may ask of the engine."""

    def refresh(self, service_id: int) -> None:
        """A service was added, changed, paused or deleted."""

    def check_now(self, service_id: int) -> bool:
        """Have a service checked at once; False when this process does not watch it."""

    def try_once(self, kind: CheckType[Any], config: CheckConfig) -> Outcome:
        """Make one check for somebody who waits."""

    def checks_per_minute(self) -> float:
        """How many checks there are a minute when all is well."""

    def lateness_ms(self) -> list[float]:
        """How late the latest checks started."""

    def counts(self) -> tuple[int, int]:
        """Checks in flight, and checks that wait for a thread."""

    def judged(self, verdict: Verdict) -> None:
        """What a remote probe found was judged: services made of others follow."""

    def next_check_at(self, service_id: int) -> int | None:
        """When a service is due next, milliseconds since the epoch."""


def _no_storage() -> Storage:
    """Of a store that nobody keeps small, such as in tests."""
    return Storage(Keeping(), 0, {"last_at": None, "size_bytes": None, "ok": True})


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of the running program that requests work with.

    Attributes:
        registration: the setting of that name.
        health: part → whether it is well.
        public_host: the host of the setting `public_url`.
        storage: what is known of the disk.
        limiter: counts failed attempts to sign in.
    """

    store: Store
    tokens: Tokens
    engine: Engine
    registration: str
    health: Callable[[], dict[str, bool]]
    public_host: str | None = None
    storage: Callable[[], Storage] = _no_storage
    limiter: Limiter = field(default_factory=Limiter)
