"""A hard end for sockets in the hands of libraries that know timeouts, but no deadline.

One thread for all: at the deadline it shuts the socket down, and the library's read or write
returns. What the library then says is worth nothing: ask the deadline first.
"""

import contextlib
import heapq
import itertools
import socket
import threading
from collections.abc import Iterator

from uptimehunt import clock
from uptimehunt.checks.base import Deadline

_tickets = itertools.count()
_changed = threading.Condition()
_heap: list[tuple[float, int]] = []
_watched: dict[int, socket.socket] = {}
_thread: threading.Thread | None = None


@contextlib.contextmanager
def held_to(deadline: Deadline, sock: socket.socket) -> Iterator[None]:
    """Shut a socket down when the deadline passes within this block.

    Raises:
        TimeoutError: the deadline has passed; whatever the block said of it is overridden.
    """
    ticket = next(_tickets)
    ends_at = clock.monotonic() + deadline.left()
    with _changed:
        _watched[ticket] = sock
        heapq.heappush(_heap, (ends_at, ticket))
        _start()
        _changed.notify()
    try:
        yield
    finally:
        with _changed:
            _watched.pop(ticket, None)
        deadline.left()


def _start() -> None:
    global _thread
    if _thread is None:
        _thread = threading.Thread(target=_watch, name="watchdog", daemon=True)
        _thread.start()


def _watch() -> None:
    while True:
        with _changed:
            now = clock.monotonic()
            while _heap and (_heap[0][0] <= now or _heap[0][1] not in _watched):
                _, ticket = heapq.heappop(_heap)
                sock = _watched.pop(ticket, None)
                if sock is not None:
                    with contextlib.suppress(OSError):
                        # Below TLS: its own shutdown would talk to the peer first.
                        socket.socket.shutdown(sock, socket.SHUT_RDWR)
            _changed.wait(_heap[0][0] - now if _heap else None)
