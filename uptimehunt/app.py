"""The WSGI application, built from its parts: the table of routes, and nothing that decides.

`create_app` reads no environment and starts nothing; tests call it with what they like.
"""

import functools
from pathlib import Path
from typing import Any

import falcon
from falcon.routing import BaseConverter

from uptimehunt.api import errors, openapi
from uptimehunt.api.auth import Login, Logout, Me, Refresh, Register
from uptimehunt.api.checks import Bulk, Checks, Trials
from uptimehunt.api.heartbeat import Heartbeats, KeysKeptBack
from uptimehunt.api.incidents import Incidents
from uptimehunt.api.metrics import Metrics
from uptimehunt.api.middleware import Everywhere
from uptimehunt.api.openapi import Route
from uptimehunt.api.operation import Resource
from uptimehunt.api.pages import Pages
from uptimehunt.api.parts import Parts
from uptimehunt.api.prober import ProberHeartbeat, ProberResults, ProberServices
from uptimehunt.api.probes import Probes
from uptimehunt.api.projects import Projects
from uptimehunt.api.service_types import ServiceTypes
from uptimehunt.api.services import Services
from uptimehunt.api.system import HealthCheck, OpenApiDocument, Status
from uptimehunt.api.users import OwnPassword, OwnProfile, OwnSessions, OwnTokens, Users

BASE = "/api/v1"

ROUTES = (
    Route("/auth/register", Register),
    Route("/auth/login", Login),
    Route("/auth/refresh", Refresh),
    Route("/auth/logout", Logout),
    Route("/auth/me", Me),
    Route("/projects", Projects),
    Route("/projects/reorder", Projects, "order"),
    Route("/projects/{project_id:id}", Projects, "one"),
    Route("/projects/{project_id:id}/services", Projects, "services"),
    Route("/services", Services),
    Route("/services/{service_id:id}", Services, "one"),
    Route("/services/bulk", Bulk),
    Route("/services/test", Trials),
    Route("/services/{service_id:id}/status", Services, "status"),
    Route("/services/{service_id:id}/check", Checks, "now"),
    Route("/services/{service_id:id}/checks", Checks),
    Route("/services/{service_id:id}/heartbeats", Heartbeats, "of_service"),
    Route("/services/{service_id:id}/metrics/uptime", Metrics, "uptime"),
    Route("/services/{service_id:id}/metrics/response-times", Metrics, "response_times"),
    Route("/services/{service_id:id}/metrics/sparkline", Metrics, "sparkline"),
    Route("/services/{service_id:id}/metrics/days", Metrics, "days"),
    Route("/services/{service_id:id}/metrics/timeline", Metrics, "timeline"),
    Route("/services/{service_id:id}/errors", Metrics, "errors"),
    Route("/services/{service_id:id}/incidents", Incidents, "of_service"),
    Route("/incidents", Incidents),
    Route("/incidents/{incident_id:id}", Incidents, "one"),
    Route("/heartbeat/{key}", Heartbeats),
    Route("/heartbeat/{key}/{signal}", Heartbeats, "signal"),
    Route("/service-types", ServiceTypes),
    Route("/service-types/{type_name}", ServiceTypes, "one"),
    Route("/service-types/{type_name}/schema", ServiceTypes, "schema"),
    Route("/probes", Probes),
    Route("/probes/map", Probes, "map"),
    Route("/probes/{probe_id:id}", Probes, "one"),
    Route("/probes/{probe_id:id}/token", Probes, "token"),
    Route("/prober/heartbeat", ProberHeartbeat),
    Route("/prober/services", ProberServices),
    Route("/prober/results", ProberResults),
    Route("/users/profile", OwnProfile),
    Route("/users/password", OwnPassword),
    Route("/users/tokens", OwnTokens),
    Route("/users/tokens/{token_id:id}", OwnTokens, "one"),
    Route("/users/sessions", OwnSessions),
    Route("/users/sessions/{session_id:id}", OwnSessions, "one"),
    Route("/users", Users),
    Route("/users/{user_id:id}", Users, "one"),
    Route("/health", HealthCheck),
    Route("/status", Status),
    Route("/openapi.json", OpenApiDocument),
)


class _Id(BaseConverter):
    """An id in a path, in its one spelling: no sign, no leading zero, within 64 bits."""

    def convert(self, value: str) -> int | None:
        if not (value.isascii() and value.isdigit()) or value[0] == "0" or len(value) > 19:
            return None
        number = int(value)
        return number if number < 2**63 else None


def create_app(parts: Parts, static_dir: Path) -> "falcon.App[Any, Any]":
    """The application.

    Args:
        parts: what the resources work with.
        static_dir: the folder of the dashboard.

    Raises:
        StartError: a responder is not declared as an operation, or the dashboard is missing.
    """
    middleware: list[Any] = [Everywhere(), KeysKeptBack()]
    app = falcon.App(middleware=middleware)
    app.router_options.converters["id"] = _Id
    app.resp_options.secure_cookies_by_default = False
    errors.install(app)
    resources: dict[type[Resource], Resource] = {}
    for route in ROUTES:
        for _ in route.operations():
            pass  # Refuses a responder that nobody declared.
        resource = resources.setdefault(route.resource, route.resource(parts))
        app.add_route(BASE + route.path, resource, suffix=route.suffix)
        if route.path.startswith("/heartbeat/"):
            app.add_route(route.path, resource, suffix=route.suffix)
    described = resources[OpenApiDocument]
    assert isinstance(described, OpenApiDocument)
    described.document = _document()
    pages = Pages(static_dir)
    app.add_route("/", pages)
    app.add_route("/docs", pages)
    app.add_route("/assets/{version}/{name:path}", pages, suffix="asset")
    app.add_sink(errors.not_found)
    return app


@functools.cache
def _document() -> dict[str, Any]:
    """What the routes say: the same for every application, and slow to write."""
    return openapi.document(ROUTES, BASE)
