"""Whether trouble is ours or theirs: a monitor that has lost its network must not call others down.

Some failures look the same either way: no name server answers, no route. One host that fails so
may be at fault itself; when hosts that have nothing to do with each other all do, it is us. So the
first such failure raises a suspicion: its verdict is held, and some other hosts are asked at once.
When all of these were heard of, or after `HOLD_S`, it is decided:

1. Three hosts fail so, and most that were heard of since: we are blind. What fails so is unknown
   from here on; whatever answers, is refused, or times out is judged as ever. We see again when
   several hosts have answered in a row.
2. Else it was those hosts' own trouble. They are judged, and raise no suspicion again until they
   have answered once.

Hosts are looked at by how they are reached (see `Reach`), since each way can fail by itself: names
need a name server, and addresses of the local network no way out. Timeouts are no evidence: a whole
provider that is gone looks like that, and is an outage.

Pure: told what was found and when, in monotonic seconds. Not thread-safe.
"""

import functools
import ipaddress
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

Reach = Literal["name", "public", "private"]
"""How a host is reached: through a name server, the way out, or the local network alone."""

Ruling = Literal["judge", "hold", "unknown"]
"""What is to be done with a finding."""

LEAST_HOSTS = 3
HOLD_S = 30.0
"""How long a verdict is held at the most: a silent name server is given up after 10 to 20 s."""

SETTLE_S = 10.0
"""How long after we see again what may be our own trouble is still taken for it: networks come
back by and by, and a check that was begun before may hang until now."""

ASKED_OF_EACH_REACH = 4
ANSWERS_TO_SEE_AGAIN = 3


@dataclass(frozen=True, slots=True)
class Blindness:
    """A time in which we could not see; monotonic seconds.

    Attributes:
        until: None while it lasts.
        hosts: that failed of our own trouble in it.
    """

    since: float
    until: float | None
    hosts: int


@dataclass(slots=True)
class _Heard:
    """What was heard of hosts with one reach since the trouble began.

    Attributes:
        failing: hosts whose latest check failed of what may be our own trouble.
        answering: the others.
        in_a_row: hosts that answered since the last such failure.
        seen_again_at: when the first of these did.
    """

    failing: set[str] = field(default_factory=set)
    answering: set[str] = field(default_factory=set)
    in_a_row: set[str] = field(default_factory=set)
    seen_again_at: float = 0.0

    def mostly_fails(self) -> bool:
        """Whether half of the hosts and most of the domains that they are in fail.

        Many hosts of one domain fail together when that domain's own name servers do.
        """
        failing, answering = _kin(self.failing), _kin(self.answering)
        return len(self.failing) >= len(self.answering) and len(failing) > len(answering)

    def is_seen_again(self) -> bool:
        known = len(self.failing) + len(self.answering)
        return len(self.in_a_row) >= min(ANSWERS_TO_SEE_AGAIN, (known + 1) // 2)


class NetGuard:
    """Tells our own outage from theirs."""

    def __init__(self) -> None:
        self._watched: Counter[str] = Counter()
        self._guilty: set[str] = set()
        self._heard: dict[Reach, _Heard] = {}
        self._asked: set[str] = set()
        self._since: float | None = None
        self._blind: set[Reach] = set()
        self._failed: set[str] = set()
        self._has_asked = False
        self._settled_at = 0.0
        self._ended: Blindness | None = None

    def watch(self, host: str) -> None:
        """One more service is at this host."""
        self._watched[host] += 1

    def forget(self, host: str) -> None:
        """One service less is at this host; nothing more is heard of one without any."""
        self._watched[host] -= 1
        if self._watched[host] > 0:
            return
        del self._watched[host]
        self._guilty.discard(host)
        self._asked.discard(host)
        for heard in self._heard.values():
            heard.failing.discard(host)
            heard.answering.discard(host)
            heard.in_a_row.discard(host)

    def hear(self, host: str, is_local: bool, started_at: float, now: float) -> Ruling:
        """Take note of a check, and say what is to be done with its finding.

        Args:
            host: of the target.
            is_local: it failed of what may be our own trouble.
            started_at: when the check began.
            now: when it ended.
        """
        reach = reach_of(host)
        if reach is None:
            return "judge"
        if not is_local:
            self._guilty.discard(host)
        elif started_at < self._settled_at:
            return "unknown"
        if self._since is None:
            if not is_local or host in self._guilty:
                return "judge"
            self._since = now
        elif not is_local and started_at < self._since:
            return "judge"  # It may have got through before the trouble began.
        if is_local and host in self._guilty and not self._blind:
            return "judge"
        self._asked.discard(host)
        self._note(host, reach, is_local, now)
        if not is_local:
            return "judge"
        return self.rule(host)

    def _note(self, host: str, reach: Reach, is_local: bool, now: float) -> None:
        heard = self._heard.setdefault(reach, _Heard())
        if is_local:
            self._failed.add(host)
            heard.failing.add(host)
            heard.answering.discard(host)
            heard.in_a_row.clear()
            if self._blind and heard.mostly_fails():
                self._blind.add(reach)
            return
        heard.failing.discard(host)
        heard.answering.add(host)
        if not heard.in_a_row:
            heard.seen_again_at = now
        heard.in_a_row.add(host)

    def pop_questions(self) -> set[str]:
        """The hosts to check at once since a suspicion came up; each time but once.

        A few with each reach, of different domains while there are such.
        """
        if not self.is_suspicious or self._has_asked:
            return set()
        self._has_asked = True
        kin = {kin_of(host) for heard in self._heard.values() for host in heard.failing}
        related: list[str] = []
        room: Counter[Reach | None] = Counter()
        known = self._guilty.union(*(heard.failing for heard in self._heard.values()))
        for host in self._watched:
            if host in known or kin_of(host) in kin:
                related.append(host)
            elif self._ask(host, room):
                kin.add(kin_of(host))
        for host in related:
            if host not in known:
                self._ask(host, room)
        return set(self._asked)

    def _ask(self, host: str, room: Counter[Reach | None]) -> bool:
        reach = reach_of(host)
        if reach is None or room[reach] >= ASKED_OF_EACH_REACH:
            return False
        room[reach] += 1
        self._asked.add(host)
        return True

    def decide(self, now: float) -> None:
        """Come to a decision where there is enough to decide by.

        To be called after what was heard, once questions were put; and now and then, for time.
        """
        if self._since is None:
            return
        if self._blind:
            seen = {reach for reach in self._blind if self._sees(reach)}
            self._blind -= seen
            # A reach with a dead host or two was excused with another; by itself it is not.
            if self._count_failing(self._blind) < LEAST_HOSTS:
                self._see_again(self._since, now, seen)
            return
        if self._asked and now - self._since < HOLD_S:
            return
        failing = {reach for reach, heard in self._heard.items() if heard.mostly_fails()}
        if self._count_failing(failing) >= LEAST_HOSTS:
            self._blind = failing
            return
        for heard in self._heard.values():
            self._guilty |= heard.failing
        self._start_anew()

    def _count_failing(self, reaches: Iterable[Reach]) -> int:
        return sum(len(self._heard[reach].failing) for reach in reaches)

    def _sees(self, reach: Reach) -> bool:
        heard = self._heard[reach]
        return not heard.failing or heard.is_seen_again()

    def _see_again(self, since: float, now: float, seen: Iterable[Reach]) -> None:
        again = [self._heard[reach].seen_again_at or now for reach in seen]
        self._ended = Blindness(since, max(again, default=now), len(self._failed))
        self._settled_at = now + SETTLE_S
        self._blind.clear()
        self._start_anew()

    def _start_anew(self) -> None:
        self._since = None
        self._heard.clear()
        self._asked.clear()
        self._has_asked = False
        self._failed.clear()

    def rule(self, host: str) -> Ruling:
        """What is to be done, as things stand, with a finding that may be our own trouble."""
        if reach_of(host) in self._blind:
            return "unknown"
        return "hold" if self.is_suspicious and host not in self._guilty else "judge"

    @property
    def is_suspicious(self) -> bool:
        """Whether verdicts are held because nothing is decided yet."""
        return self._since is not None and not self._blind

    @property
    def blind(self) -> Blindness | None:
        """The blindness that lasts; None when we see."""
        if self._since is None or not self._blind:
            return None
        return Blindness(self._since, None, len(self._failed))

    def pop_ended(self) -> Blindness | None:
        """The blindness that came to an end, once."""
        ended, self._ended = self._ended, None
        return ended


@functools.lru_cache(maxsize=8192)
def reach_of(host: str) -> Reach | None:
    """How a host is reached; None when no network is needed, or there is no host at all."""
    address = _address(host)
    if address is None:
        return None if host in ("", "localhost") or host.endswith(".localhost") else "name"
    if address.is_loopback or address.is_unspecified:
        return None
    return "public" if address.is_global or address.is_reserved else "private"


@functools.lru_cache(maxsize=8192)
def kin_of(host: str) -> str:
    """What hosts that belong together have in common: their domain, or their network."""
    address = _address(host)
    if address is None:
        return ".".join(host.rstrip(".").split(".")[-2:])
    if reach_of(host) == "private":
        return host
    bits = 24 if address.version == 4 else 48
    return str(ipaddress.ip_network((address, bits), strict=False))


def _kin(hosts: Iterable[str]) -> set[str]:
    return {kin_of(host) for host in hosts}


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
