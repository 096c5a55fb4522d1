"""What every test may ask for. Nothing here happens unless it is asked for.

People: Alice has the first account and is admin, Bob is a member, Vera may only look, Nobody has no
token; the Prober has a token of its own kind.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, Protocol

import hypothesis.configuration
import pytest

from tests import builders
from tests.contract import BASE, Client, Contract
from uptimehunt.api import openapi
from uptimehunt.api.parts import Parts
from uptimehunt.app import ROUTES, create_app
from uptimehunt.checks import CheckConfig, CheckType, Deadline, Outcome
from uptimehunt.domain.results import Verdict
from uptimehunt.domain.tokens import Tokens
from uptimehunt.paths import ROOT
from uptimehunt.store import database
from uptimehunt.store.database import Store
from uptimehunt.store.models import User

hypothesis.configuration.set_hypothesis_home_dir(ROOT / "build" / "hypothesis")
# Busy machines are slow; that is no fault of what is tested.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


class WaitUntil(Protocol):
    """See `wait_until`."""

    def __call__(self, predicate: Callable[[], Any], timeout: float = 5) -> Any:
        """The first truthy value of a condition."""


class RecordingEngine:
    """Stands in for the engine: remembers what it was told of, checks nothing."""

    def __init__(self) -> None:
        self.refreshed: list[int] = []
        self.due: dict[int, int] = {}
        self.hurried: list[int] = []
        self.lateness: list[float] = []
        self.verdicts: list[Verdict] = []

    def check_now(self, service_id: int) -> bool:
        self.hurried.append(service_id)
        return service_id in self.due

    def try_once(self, kind: CheckType[Any], config: CheckConfig) -> Outcome:
        return kind.check(config, Deadline(config.timeout))

    def checks_per_minute(self) -> float:
        return float(len(self.due))

    def lateness_ms(self) -> list[float]:
        return self.lateness

    def counts(self) -> tuple[int, int]:
        return 0, 0

    def refresh(self, service_id: int) -> None:
        self.refreshed.append(service_id)

    def judged(self, verdict: Verdict) -> None:
        self.verdicts.append(verdict)

    def next_check_at(self, service_id: int) -> int | None:
        return self.due.get(service_id)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep what was logged as UTF-8: pytest-xdist ends the whole run at half a character."""
    report = yield
    report.sections = [
        (title, text.encode(errors="backslashreplace").decode()) for title, text in report.sections
    ]
    return report


@pytest.fixture
def wait_until() -> WaitUntil:
    """Wait for a condition; fails when it does not come true in time."""

    def wait(predicate: Callable[[], Any], timeout: float = 5) -> Any:
        end = time.monotonic() + timeout
        while not (value := predicate()):
            assert time.monotonic() < end, f"nothing after {timeout} s: {predicate}"
            time.sleep(0.005)
        return value

    return wait


@pytest.fixture(scope="session")
def new_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a new database is: a copy is there in half the time that making one takes."""
    folder = tmp_path_factory.mktemp("new")
    Store(folder / "uptimehunt.db", folder / "backups").close()
    return folder / "uptimehunt.db"


@pytest.fixture
def memory_path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in memory where there can be one: for what asks nothing of a real disk."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path_factory.mktemp("memory")
        return
    with tempfile.TemporaryDirectory(dir=memory) as made:
        yield Path(made)


@pytest.fixture
def store(tmp_path: Path, new_database: Path) -> Iterator[Store]:
    """A database of its own, migrated."""
    shutil.copy(new_database, tmp_path)
    opened = Store(tmp_path / "uptimehunt.db", tmp_path / "backups")
    yield opened
    opened.close()


@pytest.fixture
def tokens(store: Store) -> Tokens:
    """What signs the tokens of that database's instance."""
    with store.reading():
        return Tokens(builders.SECRET, database.instance_id())


@pytest.fixture
def engine() -> RecordingEngine:
    """The engine as the API sees it."""
    return RecordingEngine()


@pytest.fixture
def health() -> dict[str, bool]:
    """Part → whether it is well; a test may change it."""
    return {"database": True, "scheduler": True, "recorder": True}


@pytest.fixture(scope="session")
def contract() -> Contract:
    """The OpenAPI document."""
    return Contract(openapi.document(ROUTES, BASE))


@pytest.fixture
def static(tmp_path: Path) -> Path:
    """A very small dashboard."""
    folder = tmp_path / "static"
    (folder / "icons").mkdir(parents=True)
    (folder / "index.html").write_text('<script src="{{assets}}/app.js"></script>')
    (folder / "app.js").write_text("export {};\n" * 50)
    (folder / "icons" / "icon.svg").write_text("<svg/>")
    return folder


MakeClient = Callable[..., Client]


@pytest.fixture
def make_client(
    store: Store,
    tokens: Tokens,
    engine: RecordingEngine,
    health: dict[str, bool],
    static: Path,
    contract: Contract,
) -> MakeClient:
    """Makes the application with a setting of `registration`."""

    def make(registration: str = "open") -> Client:
        parts = Parts(store, tokens, engine, registration, lambda: health, "falconframework.org")
        return Client(create_app(parts, static), contract)

    return make


@pytest.fixture
def client(make_client: MakeClient) -> Client:
    """The application without accounts, where anybody may register."""
    return make_client()


@pytest.fixture
def alice(store: Store) -> User:
    """The first account."""
    return builders.add_user(store, "alice@example.com")


@pytest.fixture
def as_alice(client: Client, store: Store, tokens: Tokens, alice: User) -> Client:
    """The API as the first account sees it, who is admin."""
    return Client(client.app, client.contract, builders.sign_in(store, tokens, alice).access)


@pytest.fixture
def as_bob(as_alice: Client, store: Store, tokens: Tokens) -> Client:
    """The API as another user sees it."""
    bob = builders.add_user(store, "bob@example.com")
    return Client(as_alice.app, as_alice.contract, builders.sign_in(store, tokens, bob).access)


@pytest.fixture
def as_vera(as_alice: Client, store: Store, tokens: Tokens) -> Client:
    """The API as one sees it who may only look."""
    vera = builders.add_user(store, "vera@example.com", "viewer")
    return Client(as_alice.app, as_alice.contract, builders.sign_in(store, tokens, vera).access)


@pytest.fixture
def remote(store: Store) -> tuple[int, str]:
    """The id and the token of a remote probe."""
    return builders.add_probe(store, name="Frankfurt")


@pytest.fixture
def as_prober(as_alice: Client, remote: tuple[int, str]) -> Client:
    """The API as that probe sees it."""
    return Client(as_alice.app, as_alice.contract, prober_token=remote[1])


@pytest.fixture
def as_nobody(as_alice: Client) -> Client:
    """The API without a token, on an instance that has an account."""
    return Client(as_alice.app, as_alice.contract)
