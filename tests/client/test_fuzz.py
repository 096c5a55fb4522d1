"""schemathesis over the whole document: whatever is sent, every answer is one that is documented.

In this process, so that no service that it makes up is ever checked. The number of requests is
bounded, however many operations there are, and their seed is fixed; `pytest -s` shows how many were
made. 503 is a failure like 500: all parts are there.
"""

import collections
import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests import builders
from tests.contract import BASE, Client
from uptimehunt.domain.tokens import Tokens
from uptimehunt.store.database import Store

SEED = 20_240_101
FEWEST = 3
"""Requests for each way of making them up for an operation, however small the budget is."""

Operation = APIOperation[Any, Any, Any, Any]
AnyCase = Case[Any]

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
LAST = ("delete", "logout", "password", "token")
"""What takes away what others need comes last."""


@dataclass
class Person:
    """Who calls.

    Attributes:
        budget: about as many requests are made.
        known: parameter of a path → what exists there; of others, 1 may.
        sign_in: answers a fresh access token, or None for nobody.
        x_auth: the token of a prober, sent where one is asked for.
    """

    name: str
    budget: int
    known: Mapping[str, Any]
    sign_in: Callable[[], str | None] = lambda: None
    x_auth: str | None = None
    statuses: collections.Counter[int] = field(default_factory=collections.Counter)
    faults: dict[str, str] = field(default_factory=dict)
    token: str | None = None

    def try_all(self, schema: BaseSchema) -> None:
        """Call every operation, and keep the first fault of each."""
        started_at = time.monotonic()
        self.token = self.sign_in()
        found = [each.ok() for each in schema.get_all_operations() if isinstance(each, Ok)]
        operations = sorted(found, key=_comes_late)
        strategies = [each for operation in operations for each in self._strategies(operation)]
        examples = max(FEWEST, self.budget // len(strategies))
        for strategy in strategies:
            self._try(strategy, examples)
        made = ", ".join(f"{count} × {status}" for status, count in sorted(self.statuses.items()))
        print(
            f"\n{self.name}: {self.statuses.total()} requests to {len(operations)} operations"
            f" in {time.monotonic() - started_at:.1f} s: {made}"
        )

    def _strategies(self, operation: Operation) -> Iterator[st.SearchStrategy[AnyCase]]:
        """Valid and broken requests; to what exists as well, where the path names something."""
        existing = {each.name: self.known.get(each.name, 1) for each in operation.path_parameters}
        for mode in GenerationMode:
            yield operation.as_strategy(mode)
            if existing and (operation.body or operation.query or mode == GenerationMode.POSITIVE):
                yield operation.as_strategy(mode, path_parameters=existing)

    def _try(self, strategy: st.SearchStrategy[AnyCase], examples: int) -> None:
        @seed(SEED)
        @settings(
            max_examples=examples,
            phases=[Phase.generate],
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(strategy)
        def call(case: AnyCase) -> None:
            self._call(case)

        # Nothing can be wrong where nothing, or any text, is taken.
        with contextlib.suppress(Unsatisfiable):
            call()

    def _call(self, case: AnyCase) -> None:
        secured = case.operation.definition.raw["security"]
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if secured == [{"prober": []}]:
            headers = {"X-Auth": self.x_auth} if self.x_auth else {}
        answer = case.call(headers=headers)
        self.statuses[answer.status_code] += 1
        if answer.status_code == 401 and self.token:
            self.token = self.sign_in()
        try:
            case.validate_response(answer, checks=CHECKS)
        except FailureGroup as ex:
            self.faults.setdefault(case.operation.label, str(ex))
        if secured and not headers and answer.status_code not in {401, 404, 405}:
            self.faults.setdefault(case.operation.label, f"{answer.status_code} for nobody")

    def told(self) -> str:
        """The faults, one paragraph each."""
        return "\n\n".join(f"{label}\n{fault}" for label, fault in self.faults.items())


def _comes_late(operation: Operation) -> int:
    return sum(word in f"{operation.method} {operation.path}".lower() for word in LAST)


@pytest.fixture
def schema(client: Client) -> BaseSchema:
    return schemathesis.openapi.from_wsgi(f"{BASE}/openapi.json", client.app)


MakePerson = Callable[[str, int], Person]
"""Name and budget → somebody with a service that has failed, in a project; the first is admin."""


@pytest.fixture
def person(store: Store, tokens: Tokens, client: Client) -> MakePerson:
    def make(name: str, budget: int) -> Person:
        user = builders.add_user(store, f"{name}@example.com")

        def sign_in() -> str:
            return builders.sign_in(store, tokens, user).access

        caller = Client(client.app, client.contract, sign_in())
        project = caller.add("/projects", {"name": "Web"})["id"]
        service = builders.add_service(store, user, project_id=project, retries=0)
        builders.record(store, [builders.finding(service, ok=False)])
        known = {"project_id": project, "service_id": service, "type_name": "http"}
        return Person(name, budget, {**known, "user_id": user.id}, sign_in)

    return make


@pytest.fixture
def as_alice(client: Client, alice: Person) -> Client:
    return Client(client.app, client.contract, alice.sign_in())


@pytest.fixture
def alice(person: MakePerson) -> Person:
    return person("Alice", 1200)


def test_an_admin_and_her_prober_get_documented_answers_only(
    schema: BaseSchema, alice: Person, as_alice: Client
) -> None:
    probe = as_alice.add("/probes", {"name": "Remote"})
    alice.known = {**alice.known, "probe_id": probe["id"]}
    alice.x_auth = probe["token"]

    alice.try_all(schema)

    assert not alice.faults, alice.told()
    assert alice.statuses.keys() >= {200, 201, 204, 400, 404, 422}


def test_another_user_gets_documented_answers_and_nothing_of_hers(
    schema: BaseSchema, alice: Person, as_alice: Client, person: MakePerson
) -> None:
    paths = ("/services", "/projects", "/auth/me")
    before = [as_alice.data(path) for path in paths]
    bob = person("Bob", 900)
    bob.known = {**bob.known, **alice.known}

    bob.try_all(schema)

    assert not bob.faults, bob.told()
    assert [as_alice.data(path) for path in paths] == before


def test_nobody_gets_documented_answers_and_only_what_is_public(
    schema: BaseSchema, alice: Person
) -> None:
    nobody = Person("Nobody", 400, alice.known)

    nobody.try_all(schema)

    assert not nobody.faults, nobody.told()
    assert nobody.statuses[401]
