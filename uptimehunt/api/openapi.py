"""The OpenAPI 3.1 document, made from the table of routes and the declarations of operations."""

import inspect
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic.json_schema import JsonSchemaMode, models_json_schema

from uptimehunt import __version__
from uptimehunt.api.errors import CODES
from uptimehunt.api.operation import Access, Operation, Resource, declaration
from uptimehunt.errors import StartError

METHODS = ("get", "post", "put", "patch", "delete")

_REF = "#/components/schemas/{model}"
_PARTIAL = "Changes"
_SECURITY: dict[Access, list[dict[str, list[str]]]] = {
    Access.PUBLIC: [],
    Access.PROBER: [{"prober": []}],
}
_TAGS = dict.fromkeys(("/health", "/status", "/openapi.json"), "system")
_ARTICLES = {"a", "an", "the", "all", "of", "and"}
_PATH_FIELD = re.compile(r"\{(\w+)(?::\w+)?\}")

_ERROR = {
    "type": "object",
    "required": ["error", "timestamp", "path", "request_id"],
    "additionalProperties": False,
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "additionalProperties": False,
            "properties": {
                "code": {"type": "string", "examples": ["VALIDATION_ERROR"]},
                "message": {"type": "string"},
                "details": {
                    "type": "object",
                    "description": "Flat field name → messages.",
                    "additionalProperties": {"type": "array", "items": {"type": "string"}},
                },
            },
        },
        "timestamp": {"type": "string", "format": "date-time"},
        "path": {"type": "string"},
        "request_id": {"type": "string"},
    },
}

_HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-ID": {
        "description": "Names this request in the log; a usable one that was sent is taken over.",
        "schema": {"type": "string"},
    },
    "ETag": {
        "description": "Names this state; send it back as `If-None-Match`.",
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "Seconds to wait before the next try.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "X-API-Deprecation": {
        "description": "Since when it is said that this endpoint will go.",
        "schema": {"type": "string"},
    },
    "X-API-Sunset": {"description": "When it ends.", "schema": {"type": "string"}},
}
_LATER = {"429", "503"}
_IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "The ETag of an earlier answer: 304 when nothing has changed since.",
    "schema": {"type": "string"},
}

_PAGING = {
    "type": "object",
    "required": ["page", "limit", "total", "totalPages"],
    "additionalProperties": False,
    "properties": {
        name: {"type": "integer", "minimum": 0} for name in ("page", "limit", "total", "totalPages")
    },
}


@dataclass(frozen=True, slots=True)
class Route:
    """One line of the table of routes.

    Attributes:
        path: below `/api/v1`, with fields as Falcon writes them: `/services/{service_id:id}`.
        resource: its class.
        suffix: of the responders (`on_get_<suffix>`), or None.
    """

    path: str
    resource: type[Resource]
    suffix: str | None = None

    def responders(self) -> Iterator[tuple[str, Any]]:
        """(method in lower case, responder) of this route."""
        for method in METHODS:
            name = f"on_{method}_{self.suffix}" if self.suffix else f"on_{method}"
            responder = getattr(self.resource, name, None)
            if responder is not None:
                yield method, responder

    def operations(self) -> Iterator[tuple[str, Any, Operation]]:
        """(method, responder, declaration) of this route.

        Raises:
            StartError: a responder has no declaration, so nobody said who may call it.
        """
        for method, responder in self.responders():
            declared = declaration(responder)
            if declared is None:
                raise StartError(f"{method.upper()} {self.path} has no declared operation")
            yield method, responder, declared


def document(routes: Iterable[Route], base: str) -> dict[str, Any]:
    """The whole document.

    Args:
        routes: the table of routes.
        base: the path that all of them lie below, `/api/v1`.
    """
    routes = list(routes)
    references, schemas = _schemas(routes)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path = _PATH_FIELD.sub(r"{\1}", route.path)
        for method, responder, declared in route.operations():
            written = _operation(route, method, responder, declared, references)
            paths.setdefault(path, {})[method] = written
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "UptimeHunt API",
            "version": __version__,
            "description": "Uptime monitoring: services, their checks, and what became of them.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": base}],
        "paths": paths,
        "components": {
            "schemas": {**schemas, "Error": _ERROR, "Paging": _PAGING},
            "headers": _HEADERS,
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An access token, or a personal API token (`uh_…`).",
                },
                "prober": {"type": "apiKey", "in": "header", "name": "X-Auth"},
            },
        },
    }


_Key = tuple[Any, JsonSchemaMode]
"""A model, and whether it is read (`validation`) or written (`serialization`)."""


def _schemas(routes: list[Route]) -> tuple[dict[_Key, Any], dict[str, Any]]:
    """(reference of each model, components): bodies as they are read, answers as written."""
    wanted: dict[_Key, None] = {}
    partial: dict[Any, None] = {}
    for route in routes:
        for _, _, declared in route.operations():
            if declared.body is not None:
                wanted[declared.body, "validation"] = None
                if declared.is_partial:
                    partial[declared.body] = None
            for model in (declared.answer.shape, declared.answer.meta):
                if model is not None:
                    wanted[model, "serialization"] = None
    references, definitions = models_json_schema(list(wanted), ref_template=_REF)
    schemas = definitions.get("$defs", {})
    for model in partial:
        name = references[model, "validation"]["$ref"].rsplit("/", 1)[1]
        schemas[name + _PARTIAL] = _partial(schemas[name])
    return references, schemas


def _partial(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a change: any of the fields, and none has a default."""
    return {
        **{key: value for key, value in schema.items() if key != "required"},
        "title": schema["title"] + _PARTIAL,
        "description": "Any of the fields; those left out stay as they are.",
        "properties": {
            name: {key: value for key, value in field.items() if key != "default"}
            for name, field in schema["properties"].items()
        },
    }


def _operation(
    route: Route, method: str, responder: Any, declared: Operation, references: dict[_Key, Any]
) -> dict[str, Any]:
    written: dict[str, Any] = {
        "operationId": _operation_id(declared.summary),
        "summary": declared.summary,
        "description": inspect.getdoc(responder) or declared.summary,
        "tags": [_TAGS.get(route.path, route.path.split("/")[1])],
        "parameters": [
            *_path_parameters(route),
            *_query_parameters(declared),
            *([_IF_NONE_MATCH] if declared.has_etag else []),
        ],
        "responses": _responses(declared, references),
        "x-access": declared.access.value,
        "security": _SECURITY.get(declared.access, [{"bearer": []}]),
    }
    if declared.deprecated is not None:
        written["deprecated"] = True
    if declared.body is not None:
        schema: Any = references[declared.body, "validation"]
        if declared.is_partial:
            schema = {"$ref": schema["$ref"] + _PARTIAL}
        written["requestBody"] = {
            "required": not declared.is_body_optional,
            "content": {"application/json": {"schema": schema}},
        }
    return written


def _operation_id(summary: str) -> str:
    """`Get the status of a service` → `get_status_service`: what generators name a method by."""
    return "_".join(word for word in summary.lower().split() if word not in _ARTICLES)


def _path_parameters(route: Route) -> Iterator[dict[str, Any]]:
    for name in _PATH_FIELD.findall(route.path):
        is_id = name.endswith("_id")
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "integer", "minimum": 1} if is_id else {"type": "string"},
        }


def _query_parameters(declared: Operation) -> Iterator[dict[str, Any]]:
    if declared.query is None:
        return
    schema = declared.query.model_json_schema()
    for name, field in schema["properties"].items():
        field = _without_null({key: value for key, value in field.items() if key != "title"})
        described = {"description": field.pop("description")} if "description" in field else {}
        yield {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", []),
            **described,
            "schema": field,
        }


def _without_null(field: dict[str, Any]) -> dict[str, Any]:
    """A parameter's schema without the null that stands for its absence."""
    kinds = [kind for kind in field.get("anyOf", []) if kind != {"type": "null"}]
    if len(kinds) != 1:
        return field
    rest = {key: value for key, value in field.items() if key not in {"anyOf", "default"}}
    return {**kinds[0], **rest}


def _responses(declared: Operation, references: dict[_Key, Any]) -> dict[str, Any]:
    answer = declared.answer
    success: dict[str, Any] = {"description": declared.summary}
    if answer.shape is not None:
        shape = references[answer.shape, "serialization"]
        schema = shape if answer.is_bare else _enveloped(declared, shape, references)
        success["content"] = {"application/json": {"schema": schema}}
    responses = {str(answer.status): success}
    if declared.has_etag:
        responses["304"] = {"description": "The same as the ETag that was sent."}
    for status in sorted(_error_statuses(declared)):
        responses[str(status)] = {
            "description": CODES[status],
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
        }
    for code, response in responses.items():
        names = _header_names(declared, code)
        response["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    return responses


def _header_names(declared: Operation, code: str) -> Iterator[str]:
    """The headers of our own that answers of this status carry."""
    yield "X-Request-ID"
    if declared.has_etag and code in {"200", "304"}:
        yield "ETag"
    if code in _LATER:
        yield "Retry-After"
    if declared.deprecated is not None:
        yield from ("X-API-Deprecation", "X-API-Sunset")


def _enveloped(declared: Operation, shape: Any, references: dict[_Key, Any]) -> dict[str, Any]:
    answer = declared.answer
    properties: dict[str, Any] = {
        "data": {"type": "array", "items": shape} if answer.is_list else shape
    }
    if answer.is_paged:
        properties["meta"] = {"$ref": "#/components/schemas/Paging"}
    elif answer.meta is not None:
        properties["meta"] = references[answer.meta, "serialization"]
    return {
        "type": "object",
        "required": list(properties),
        "properties": properties,
        "additionalProperties": False,
    }


def _error_statuses(declared: Operation) -> set[int]:
    """What every such operation can answer, besides what it says itself."""
    statuses = {400, 500, 503, *declared.errors}
    statuses.add(401)  # Also where anyone may call: an X-Auth token that does not fit.
    if declared.access not in {Access.PUBLIC, Access.PROBER}:
        statuses.add(403)
    if declared.body is not None:
        statuses |= {413, 415, 422}
    return statuses
