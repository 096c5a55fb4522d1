"""Limits on guessing: after so many failures, further tries are refused for a while.

Only failures count, by account and by address, so that nobody who knows their password ever meets
a limit, and no one can lock somebody else out of a session that stands. Kept in memory, on the
monotonic clock; a restart forgets.
"""

import ipaddress
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from uptimehunt import clock
from uptimehunt.errors import TooManyError, UnauthorizedError, ValidationError

REMEMBERED = 10_000
"""Keys kept; beyond, the ones untouched for longest are forgotten."""


@dataclass(frozen=True, slots=True)
class Limit:
    """So many failures within so many seconds are borne."""

    failures: int
    seconds: int


ACCOUNT = Limit(10, 900)
ADDRESS = Limit(50, 600)
REGISTRATION = Limit(20, 600)
"""Where anybody may register, each address may so often: here every try counts."""


class Limiter:
    """Counts failures by key; thread-safe."""

    def __init__(self, monotonic: Callable[[], float] = clock.monotonic) -> None:
        self._monotonic = monotonic
        self._failures: OrderedDict[tuple[Limit, str], deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def guard(self, account: str, address: str | None = None) -> Iterator[None]:
        """Around a try that may fail: refuse it at once, or count it when it does.

        Args:
            account: whom the try is about.
            address: where it comes from; not counted when None.

        Raises:
            TooManyError: the account or the address has failed too often.
        """
        keys = [(ACCOUNT, account)]
        if address is not None:
            keys.append((ADDRESS, address_key(address)))
        for limit, key in keys:
            self.check(limit, key)
        try:
            yield
        except (UnauthorizedError, ValidationError):
            for limit, key in keys:
                self.failed(limit, key)
            raise
        self.succeeded(ACCOUNT, account)

    def spend(self, limit: Limit, address: str) -> None:
        """Count one more of something that an address may do so often.

        Raises:
            TooManyError: it has done it too often.
        """
        self.check(limit, address_key(address))
        self.failed(limit, address_key(address))

    def check(self, limit: Limit, key: str) -> None:
        """Let a try pass.

        Raises:
            TooManyError: the limit is reached; says when the oldest failure will have aged out.
        """
        with self._lock:
            failures = self._recent(limit, key)
            if failures is not None and len(failures) >= limit.failures:
                wait = limit.seconds - (self._monotonic() - failures[0])
                raise TooManyError("Too many failed attempts", retry_after_s=max(1, round(wait)))

    def failed(self, limit: Limit, key: str) -> None:
        """Count a failure."""
        with self._lock:
            if self._recent(limit, key) is None:
                self._failures[limit, key] = deque(maxlen=limit.failures)
            self._failures[limit, key].append(self._monotonic())
            self._failures.move_to_end((limit, key))
            while len(self._failures) > REMEMBERED:
                self._failures.popitem(last=False)

    def succeeded(self, limit: Limit, key: str) -> None:
        """Forget the failures of a key that has proved itself."""
        with self._lock:
            self._failures.pop((limit, key), None)

    def _recent(self, limit: Limit, key: str) -> deque[float] | None:
        """The failures of a key that still count; None when there is none to remember."""
        failures = self._failures.get((limit, key))
        while failures and self._monotonic() - failures[0] >= limit.seconds:
            failures.popleft()
        return failures


def address_key(address: str) -> str:
    """What counts as one address: all of an IPv4 one, the /64 network of an IPv6 one."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
