"""Accounts, services and their history, made in a store without the API."""

import functools
import itertools
from collections.abc import Iterable
from typing import Any

from uptimehunt.checks import Outcome
from uptimehunt.checks.base import ErrorKind
from uptimehunt.domain import accounts, passwords, probes, results, services, sessions
from uptimehunt.domain.accounts import Registration
from uptimehunt.domain.findings import Finding
from uptimehunt.domain.probes import ProbeInput
from uptimehunt.domain.results import Verdict
from uptimehunt.domain.services import ServiceInput
from uptimehunt.domain.sessions import Pair
from uptimehunt.domain.tokens import Tokens
from uptimehunt.engine.recorder import BATCH
from uptimehunt.store import merging, queries
from uptimehunt.store.database import Store
from uptimehunt.store.models import LOCAL_PROBE, Service, ServiceState, User
from uptimehunt.store.queries import Result

PASSWORD = "correct horse battery staple"
SECRET = b"a secret key of the tests, 32 bytes and more"
HOUR_MS = 3_600_000
T0 = 1_700_000_000_000 // HOUR_MS * HOUR_MS
"""An instant at which an hour begins."""

_names = itertools.count(1)


@functools.cache
def password_hash() -> str:
    """The hash of `PASSWORD`; made once, since making it is slow on purpose."""
    return passwords.hash_password(PASSWORD)


def add_user(store: Store, email: str = "alice@example.com", role: str | None = None) -> User:
    """An account with `PASSWORD`; the first one is the admin unless a role is given."""
    wanted = Registration(email=email, password=PASSWORD)
    user = store.write(accounts.register, wanted, password_hash(), "open")
    if role is not None:
        store.write(lambda: User.update(role=role).where(User.id == user.id).execute())
    return user


def sign_in(store: Store, tokens: Tokens, user: User) -> Pair:
    """The tokens of a new session."""
    return store.write(sessions.start, tokens, user, "a test", "127.0.0.1")


def service_body(**fields: Any) -> dict[str, Any]:
    """What a caller says of a service."""
    config = {"host": "127.0.0.1", "port": 9}
    return {"name": f"Service {next(_names)}", "type": "tcp", "config": config, **fields}


def add_service(store: Store, user: User, **fields: Any) -> int:
    """The id of a new service."""
    wanted = ServiceInput.model_validate(service_body(**fields))
    return int(store.write(services.create, user, wanted)["id"])


def add_probe(store: Store, **fields: Any) -> tuple[int, str]:
    """The id and the token of a new remote probe."""
    wanted = ProbeInput.model_validate({"name": f"Probe {next(_names)}", **fields})
    made = store.write(probes.create, wanted)
    return int(made["id"]), str(made["token"])


def finding(
    service_id: int,
    at: int = T0,
    ok: bool = True,
    took: int | None = 10,
    error: ErrorKind = "timeout",
    revision: int = 1,
    probe: int = LOCAL_PROBE,
    **details: Any,
) -> Finding:
    """The outcome of a check."""
    if ok:
        outcome = Outcome(True, took, details=details)
    else:
        outcome = Outcome(False, None, error, f"It failed: {error}", details=details)
    return Finding(service_id, revision, probe, at, outcome)


def record(store: Store, findings: Iterable[Finding]) -> list[Verdict]:
    """Have findings kept and judged, as many at a time as the recorder hands in."""
    left = list(findings)
    verdicts = []
    while left:
        verdicts += store.write(_record, left[:BATCH])
        del left[:BATCH]
    return verdicts


def _record(batch: list[Finding]) -> list[Verdict]:
    verdicts = results.record(batch)
    results.see({verdict.service_id: verdict.seen for verdict in verdicts})
    return verdicts


def merge(store: Store) -> None:
    """Move all that has landed to where it stays."""
    store.write(merging.begin)
    with store.reading():
        slices = merging.slices()
    for part in slices:
        store.write(merging.merge, part)
    while store.write(merging.clear):
        pass


def results_of(store: Store, service_id: int) -> list[Result]:
    """All single results of a service, the oldest first."""
    with store.reading():
        return queries.results(queries.Wanted(service_id), 0, 1_000_000)[::-1]


def count_results(store: Store) -> int:
    """How many single results there are of all services."""
    with store.reading():
        return sum(
            queries.count_results(queries.Wanted(service.id)) for service in Service.select()
        )


def figures_of(store: Store, service_id: int) -> queries.Figures:
    """All that is known of a service, added up."""
    with store.reading():
        return queries.figures(service_id, [0, 2**42])[0]


def state_of(store: Store, service_id: int) -> ServiceState:
    """What is known of a service now."""
    with store.reading():
        state: ServiceState = ServiceState.get_by_id(service_id)
        return state
