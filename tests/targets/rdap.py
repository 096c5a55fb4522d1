"""An RDAP server with a few registrations, and IANA's list of servers, over HTTP.

| path | answers |
| --- | --- |
| `/dns.json` | `server.list`, by default with this server for `test` |
| `/rdap/domain/<name>` | `server.registrations[name]`, else 404 |
| `/moved/<rest>` | a redirect to `/rdap/<rest>` |
| `/loop/…` | a redirect to itself |
| `/to/<url>/…` | a redirect to that (percent-encoded) URL |
"""

import contextlib
import datetime
import http.server
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from tests.targets import LoopbackServer, running


def registration(name: str, expires: str | None, **more: Any) -> dict[str, Any]:
    """A domain object as registries send it (RFC 9083, section 5.3)."""
    events = [{"eventAction": "registration", "eventDate": "1999-05-01T00:00:00Z"}]
    if expires is not None:
        events.append({"eventAction": "expiration", "eventDate": expires})
    return {
        "objectClassName": "domain",
        "rdapConformance": ["rdap_level_0"],
        "ldhName": name.upper(),
        "status": ["active", "client transfer prohibited"],
        "events": events,
        "entities": [
            {"objectClassName": "entity", "roles": ["abuse"]},
            {
                "objectClassName": "entity",
                "roles": ["registrar"],
                "vcardArray": [
                    "vcard",
                    [["version", {}, "text", "4.0"], ["fn", {}, "text", "Example Registrar"]],
                ],
            },
        ],
        **more,
    }


def in_days(days: float) -> str:
    """An instant so many days from now."""
    instant = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


class RdapTarget(LoopbackServer):
    """The running server.

    Attributes:
        registrations: what is answered by name: an object, or bytes as they are.
        list: what `/dns.json` answers.
        status: in place of 200, for every path.
        paths: what was asked for so far.
    """

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.url = f"http://127.0.0.1:{self.port}"
        self.registrations: dict[str, Any] = {}
        self.list: Any = {
            "version": "1.0",
            "services": [
                [["other"], ["http://127.0.0.1:1/"]],
                [["test", "XN--P1AI"], [f"{self.url}/rdap/"]],
                [["deep.test"], [f"{self.url}/moved"]],
            ],
        }
        self.status = 200
        self.paths: list[str] = []


class _Handler(http.server.BaseHTTPRequestHandler):
    server: RdapTarget

    def do_GET(self) -> None:
        self.server.paths.append(self.path)
        first, _, rest = self.path.removeprefix("/").partition("/")
        if first == "moved":
            self.redirect(f"/rdap/{rest}")
        elif first == "loop":
            self.redirect(self.path)
        elif first == "to":
            self.redirect(unquote(rest.partition("/")[0]))
        elif first == "dns.json":
            self.answer(self.server.status, self.server.list)
        else:
            found = self.server.registrations.get(rest.removeprefix("domain/"))
            status = self.server.status if found is not None else 404
            self.answer(status, found if found is not None else {"errorCode": 404})

    def redirect(self, to: str) -> None:
        self.send_response(302)
        self.send_header("Location", to)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def answer(self, status: int, content: Any) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/rdap+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextlib.contextmanager
def rdap_target() -> Iterator[RdapTarget]:
    server = RdapTarget()
    with running(server):
        yield server
