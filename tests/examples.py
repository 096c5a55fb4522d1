"""Every documented operation, asked once of the real application: `python -m tests.examples`.

Prints what was asked and what was answered, in the order of the OpenAPI document; ends with 1 when
an operation was not asked, or did not succeed. Nothing of it outlives the call.
"""

import json
import sys
import tempfile
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from falcon import testing

from tests import builders
from tests.conftest import RecordingEngine
from tests.contract import BASE, METHODS, Client, Contract
from tests.targets.http import http_target
from uptimehunt import checks, clock
from uptimehunt.api import openapi
from uptimehunt.api.parts import Parts
from uptimehunt.app import ROUTES, create_app
from uptimehunt.domain.findings import Finding
from uptimehunt.domain.tokens import Tokens
from uptimehunt.paths import ROOT
from uptimehunt.store import database
from uptimehunt.store.database import Store
from uptimehunt.store.models import LOCAL_PROBE

LONGEST = 600
HEADERS = ("content-type", "etag", "cache-control")
EMAIL, PASSWORD, NEW = "alice@example.com", builders.PASSWORD, "another battery staple"

Call = tuple[str, str, Any]  # Method, path, body.
Calls = Iterable[Call]


def signing_in() -> Calls:
    credentials = {"email": EMAIL, "password": PASSWORD}
    yield "POST", "/auth/register", credentials | {"first_name": "Alice"}
    yield "POST", "/auth/login", credentials


def projects() -> Calls:
    yield "GET", "/auth/me", None
    for name in ("Shop", "Blog", "Old"):
        yield "POST", "/projects", {"name": name}
    yield "GET", "/projects", None
    yield "POST", "/projects/reorder", {"project_ids": [2, 1, 3]}
    yield "GET", "/projects/1", None
    yield "PUT", "/projects/1", {"name": "Shop", "color": "#10B981"}
    yield "PATCH", "/projects/1", {"description": "All that earns money"}
    yield "DELETE", "/projects/3", None


def services(url: str) -> Calls:
    config = {"url": url, "method": "GET", "expected_status_code": 200}
    body = {"name": "Website", "type": "http", "project_id": 1, "config": config, "interval": 5}
    yield "POST", "/services", body
    yield "POST", "/services", {"name": "Old", "type": "tcp", "config": {"host": "::1", "port": 1}}
    yield "GET", "/services", None
    yield "GET", "/services/1", None
    yield "PUT", "/services/1", body | {"tags": ["web"]}
    yield "PATCH", "/services/1", {"retries": 0}
    yield "GET", "/projects/1/services", None
    yield "POST", "/services/bulk", {"action": "tag", "service_ids": [1, 2], "tags": ["shop"]}
    yield "POST", "/services/test", {"type": "http", "config": {"url": url}}
    yield "POST", "/services/1/check", None


def metrics() -> Calls:
    yield "GET", "/services/1/status", None
    yield "GET", "/services/1/checks?status=success", None
    yield "GET", "/services/1/metrics/uptime?period=7d", None
    yield "GET", "/services/1/metrics/response-times?period=24h", None
    yield "GET", "/services/1/metrics/sparkline?points=12", None
    yield "GET", "/services/1/metrics/days?timezone=Europe/Berlin", None
    yield "GET", "/services/1/metrics/timeline?period=7d", None
    yield "GET", "/services/1/errors", None
    yield from (("GET", path, None) for path in ("/services/1/incidents", "/incidents"))
    yield "GET", "/incidents/1", None
    yield "DELETE", "/services/2", None
    yield from (("GET", f"/service-types{path}", None) for path in ("", "/http", "/http/schema"))


def heartbeats() -> Calls:
    config = {"cron": "0 3 * * *", "timezone": "Europe/Berlin", "grace_seconds": 1800}
    yield "POST", "/services", {"name": "Backup", "type": "heartbeat", "config": config}
    yield "GET", "/services/3/heartbeats", None


def beats(key: str) -> Calls:
    for signal in ("/start", ""):
        yield "GET", f"/heartbeat/{key}{signal}", None
        yield "POST", f"/heartbeat/{key}{signal}", None


def probes() -> Calls:
    place = {"country_code": "DE", "latitude": 50.11, "longitude": 8.68}
    yield "POST", "/probes", {"name": "Frankfurt"} | place
    yield "POST", "/probes", {"name": "Old"}
    yield "GET", "/probes", None
    yield "GET", "/probes/map", None
    yield "GET", "/probes/2", None
    yield "PUT", "/probes/2", {"name": "Frankfurt", "isp": "Example Net"} | place
    yield "PATCH", "/probes/2", {"city": "Frankfurt am Main"}
    yield "DELETE", "/probes/3", None
    yield "PATCH", "/services/1", {"probe_ids": [1, 2]}
    yield "POST", "/probes/2/token", None


def prober() -> Calls:
    said = {"version": "0.1.0", "hostname": "fra-1", "capabilities": ["http"]}
    yield "POST", "/prober/heartbeat", said
    yield "GET", "/prober/services", None
    made = {"id": str(uuid.uuid4()), "timestamp": clock.iso_millis(clock.now_ms())}
    result = made | {"service_id": 1, "status": "success", "response_time": 42}
    yield "POST", "/prober/results", {"results": [result]}


def people() -> Calls:
    yield "GET", "/users/profile", None
    yield "PUT", "/users/profile", {"email": EMAIL, "timezone": "Europe/Berlin"}
    yield "PATCH", "/users/profile", {"theme": "dark"}
    yield "POST", "/users/tokens", {"name": "Backup script", "scope": "read"}
    yield "GET", "/users/tokens", None
    yield "DELETE", "/users/tokens/1", None
    yield "GET", "/users/sessions", None
    yield "DELETE", "/users/sessions/2", None
    yield "POST", "/users/password", {"current_password": PASSWORD, "new_password": NEW}
    yield "POST", "/users", {"email": "bob@example.com", "password": PASSWORD, "role": "viewer"}
    yield "GET", "/users", None
    yield "GET", "/users/2", None
    yield "PATCH", "/users/2", {"role": "member"}
    yield "DELETE", "/users/2", None
    yield from (("GET", path, None) for path in ("/health", "/status", "/openapi.json"))


class Record:
    """What was asked, and answered; the first success of each operation counts."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.found: dict[tuple[str, int], tuple[Call, testing.Result]] = {}

    def ask(self, client: Client, calls: Calls) -> list[Any]:
        """Make calls in turn; the data of their answers."""
        told = []
        for call in calls:
            answer = client.call(*call, host="localhost")  # As a new instance is set up.
            item = self.contract.described(BASE + call[1].partition("?")[0])
            if answer.status_code < 300:
                self.found.setdefault((call[0].lower(), id(item)), (call, answer))
            told.append(answer.json.get("data") if answer.content else None)
        return told

    def show(self) -> list[str]:
        """Print all of it; answers the operations that are missing."""
        missing = []
        for path, item in self.contract.document["paths"].items():
            for method in (method for method in METHODS if method in item):
                if (method, id(item)) not in self.found:
                    missing.append(f"{method.upper()} {path}")
                    continue
                call, answer = self.found[method, id(item)]
                print(f"\n### {item[method]['summary']}\n{method.upper()} {BASE}{call[1]}")
                if call[2] is not None:
                    print(json.dumps(call[2], ensure_ascii=False))
                print(f"→ {answer.status}")
                for name in sorted(set(HEADERS) & answer.headers.keys()):
                    print(f"  {name}: {answer.headers[name]}")
                print(answer.text[:LONGEST] + ("…" if len(answer.text) > LONGEST else ""))
        return missing


def ask_everything(folder: Path, url: str) -> list[str]:
    """Ask, and print; answers the operations that were not asked with success."""
    record, engine = Record(Contract(openapi.document(ROUTES, BASE))), RecordingEngine()
    store = Store(folder / "uptimehunt.db", folder / "backups")
    try:
        with store.reading():
            tokens = Tokens(builders.SECRET, database.instance_id())
        app = create_app(Parts(store, tokens, engine, "first", dict), ROOT / "static")
        nobody = Client(app, record.contract)
        alice, other = record.ask(nobody, signing_in())
        as_alice = Client(app, record.contract, alice["access"])
        engine.due[1] = clock.now_ms() + 60_000
        record.ask(as_alice, projects())
        record.ask(as_alice, services(url))
        kind = checks.REGISTRY["http"]
        for expected in (200, 201):
            outcome = engine.try_once(kind, kind.config(url=url, expected_status_code=expected))
            builders.record(store, [Finding(1, 3, LOCAL_PROBE, clock.now_ms(), outcome)])
        record.ask(as_alice, metrics())
        key = record.ask(as_alice, heartbeats())[0]["heartbeat_key"]
        record.ask(nobody, beats(key))
        token = record.ask(as_alice, probes())[-1]["token"]
        record.ask(Client(app, record.contract, prober_token=token), prober())
        record.ask(nobody, [("POST", "/auth/refresh", {"refresh": other["refresh"]})])
        record.ask(as_alice, people())
        record.ask(nobody, [("POST", "/auth/logout", {"refresh": alice["refresh"]})])
    finally:
        store.close()
    return record.show()


def main() -> int:
    with tempfile.TemporaryDirectory() as folder, http_target() as target:
        missing = ask_everything(Path(folder), target.url + "/")
    print(*missing, sep="\n", end="", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
