"""Registrations by RDAP: which server to ask (RFC 9224), asking it (RFC 9082), keeping the answer.

It knows nothing of judging (see `domain.py`), nor of what is in an answer (`domain_answers.py`).
Everything here is kept in memory only, and within bounds: a restart asks anew.
"""

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from uptimehunt import clock
from uptimehunt.checks import curl, domain_answers, net
from uptimehunt.checks.base import CheckConfig, Deadline
from uptimehunt.checks.domain_answers import BAD_FOR_S, Registration, UnknownError
from uptimehunt.checks.url import Url, parse_url

BOOTSTRAP_URL = "https://data.iana.org/rdap/dns.json"
"""IANA's list of the RDAP servers of all top-level domains."""

_GOOD_FOR_S = 86_400.0
_ASKED_TOO_OFTEN_FOR_S = 3600.0
_MOST_KEPT = 4096
_MOST_REDIRECTS = 5
_MOST_ANSWER_BYTES = 1 << 20
_MOST_LIST_BYTES = 4 << 20
_REDIRECTS = frozenset((301, 302, 303, 307, 308))


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer worth keeping.

    Attributes:
        registration: None when the domain is not registered.
        server: host and port that gave the answer.
        fetched_at_ms: when.
        remote_ip: from which address.
        timing: phase → seconds, over all redirects (`curl.PHASES`).
    """

    registration: Registration | None
    server: str
    fetched_at_ms: int
    remote_ip: str
    timing: Mapping[str, float]


@dataclass(slots=True)
class _Entry:
    """What is known of one domain from one server; `good_until` is on the monotonic clock."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    kept: Kept | None = None
    trouble: UnknownError | None = None
    good_until: float = 0.0


@dataclass(slots=True)
class _Servers:
    """IANA's list: top-level domain (or longer) → base URLs; as it was when last fetched."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    by_suffix: dict[str, list[str]] | None = None
    trouble: UnknownError | None = None
    good_until: float = 0.0


class Registry:
    """Answers of registries, kept for a day."""

    def __init__(
        self,
        bootstrap_url: str = BOOTSTRAP_URL,
        monotonic: Callable[[], float] = clock.monotonic,
        most_kept: int = _MOST_KEPT,
    ) -> None:
        """Make one that knows nothing yet.

        Args:
            bootstrap_url: where the list of RDAP servers is.
            monotonic: the clock that answers age by, in seconds.
            most_kept: how many domains to remember; the one asked for longest ago is forgotten.
        """
        self._bootstrap_url = parse_url(bootstrap_url)
        self._monotonic = monotonic
        self._most_kept = most_kept
        self._lock = threading.Lock()
        self._entries: OrderedDict[tuple[str, str], _Entry] = OrderedDict()
        self._servers = _Servers()

    def look_up(
        self, domain: str, base: Url | None, config: CheckConfig, deadline: Deadline
    ) -> tuple[Kept, bool]:
        """What the registry says of a domain, and whether it was asked just now.

        An answer older than a day is still given when there is no newer one to be had and it
        says that the registration goes on: renewals only ever make that longer.

        Raises:
            UnknownError: nothing can be said.
        """
        entry = self._entry((domain, "" if base is None else base.wire))
        with _held(entry.lock, deadline, config):
            if self._monotonic() >= entry.good_until:
                try:
                    entry.kept = self._fetch(domain, base, config, deadline)
                except UnknownError as unknown:
                    entry.trouble = unknown.again()
                    entry.good_until = self._monotonic() + unknown.holds_s
                else:
                    entry.trouble = None
                    is_registered = entry.kept.registration is not None
                    entry.good_until = self._monotonic() + (
                        _GOOD_FOR_S if is_registered else BAD_FOR_S
                    )
                    return entry.kept, True
            return _usable(entry), False

    def _entry(self, key: tuple[str, str]) -> _Entry:
        with self._lock:
            entry = self._entries.setdefault(key, _Entry())
            self._entries.move_to_end(key)
            if len(self._entries) > self._most_kept:
                self._entries.popitem(last=False)
            return entry

    def _fetch(
        self, domain: str, base: Url | None, config: CheckConfig, deadline: Deadline
    ) -> Kept:
        if base is None:
            base = self._server_for(domain, config, deadline)
        url = parse_url(f"{base.wire.rstrip('/')}/domain/{domain}")
        answer, server, timing = _get(url, config, deadline, _MOST_ANSWER_BYTES)
        details = {"rdap_server": server}
        if answer.status == 404:
            registration = None
        elif answer.status == 429:
            message = "The RDAP server is asked too often"
            raise UnknownError("status_mismatch", message, details, _ASKED_TOO_OFTEN_FOR_S)
        elif answer.status != 200:
            message = f"The RDAP server answered {answer.status}"
            raise UnknownError("status_mismatch", message, details)
        else:
            registration = domain_answers.read(domain, _document(answer, details), details)
        remote_ip = str(answer.facts.get("remote_ip", ""))
        return Kept(registration, server, clock.now_ms(), remote_ip, timing)

    def _server_for(self, domain: str, config: CheckConfig, deadline: Deadline) -> Url:
        """The base URL for a domain; of its suffixes in IANA's list the longest counts."""
        by_suffix = self._list(config, deadline)
        labels = domain.split(".")
        for start in range(len(labels)):
            urls = by_suffix.get(".".join(labels[start:]))
            if urls:
                # RFC 9224, section 4: https where there is a choice.
                url = min(urls, key=lambda url: not url.startswith("https://"))
                try:
                    return parse_url(url)
                except ValueError:
                    break
        raise UnknownError("protocol_error", f"No RDAP server is known for .{labels[-1]} domains")

    def _list(self, config: CheckConfig, deadline: Deadline) -> dict[str, list[str]]:
        servers = self._servers
        with _held(servers.lock, deadline, config):
            if self._monotonic() >= servers.good_until:
                try:
                    answer, server, _ = _get(
                        self._bootstrap_url, config, deadline, _MOST_LIST_BYTES
                    )
                    details = {"rdap_server": server}
                    if answer.status != 200:
                        message = f"The list of RDAP servers: answered {answer.status}"
                        raise UnknownError("status_mismatch", message, details)
                    servers.by_suffix = domain_answers.read_list(_document(answer, details))
                except UnknownError as unknown:
                    servers.trouble = unknown.again()
                    servers.good_until = self._monotonic() + BAD_FOR_S
                else:
                    servers.trouble = None
                    servers.good_until = self._monotonic() + _GOOD_FOR_S
            if servers.by_suffix is not None:  # an old one is better than none
                return servers.by_suffix
            assert servers.trouble is not None
            raise servers.trouble.again()


@contextlib.contextmanager
def _held(lock: threading.Lock, deadline: Deadline, config: CheckConfig) -> Iterator[None]:
    """Hold a lock, so that what several want at once is fetched once."""
    try:
        is_held = lock.acquire(timeout=deadline.left())
    except TimeoutError:
        is_held = False
    if not is_held:
        raise UnknownError(*net.explain(TimeoutError(), "", config.timeout))
    try:
        yield
    finally:
        lock.release()


def _usable(entry: _Entry) -> Kept:
    """The answer that is kept.

    Raises:
        UnknownError: there is none, or it is too old to say anything.
    """
    kept, trouble = entry.kept, entry.trouble
    if trouble is None:
        assert kept is not None
        return kept
    if (
        kept is not None
        and kept.registration is not None
        and kept.registration.expires_at_ms > clock.now_ms()
    ):
        return kept
    raise trouble.again()


def _get(
    url: Url, config: CheckConfig, deadline: Deadline, most_bytes: int
) -> tuple[curl.Answer, str, dict[str, float]]:
    """The last answer to a GET after all redirects, which server gave it, and the timing.

    Raises:
        UnknownError: there is no answer.
    """
    timing = dict.fromkeys(curl.PHASES, 0.0)
    for _ in range(_MOST_REDIRECTS + 1):
        server = net.peer(url.host, url.port)
        request = curl.prepare(
            url,
            curl.Route(ip_family=config.ip_family),
            method="GET",
            headers=[b"Accept: application/rdap+json, application/json"],
            body=None,
            max_body_bytes=most_bytes,
        )
        answer = curl.exchange(request, deadline, config.timeout)
        spent_s = timing["total"]
        timing = {phase: round(spent_s + answer.timing[phase], 6) for phase in curl.PHASES}
        if answer.fault is not None:
            raise UnknownError(*answer.fault, {"rdap_server": server})
        if answer.status not in _REDIRECTS or not answer.location:
            return answer, server, timing
        try:
            to = parse_url(answer.location)
        except ValueError:
            message = "The RDAP server redirects to something that is no http or https URL"
            raise UnknownError("protocol_error", message, {"rdap_server": server}) from None
        if url.scheme == "https" and to.scheme == "http":
            message = "The RDAP server redirects to an address that is not encrypted"
            raise UnknownError("protocol_error", message, {"rdap_server": server})
        url = to
    message = f"The RDAP server redirects more than {_MOST_REDIRECTS} times"
    raise UnknownError("too_many_redirects", message, {"rdap_server": server})


def _document(answer: curl.Answer, details: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON object in an answer; one that was cut off is none."""
    return domain_answers.parse(b"" if answer.truncated else answer.body, details)
