"""The OpenAPI 3.1 document, made from the table of routes and the declarations of operations."""

import inspect
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic.json_schema import (
    GenerateJsonSchema,
    JsonSchemaMode,
    JsonSchemaValue,
    models_json_schema,
)

from uptimehunt import __version__
from uptimehunt.api import examples, spreadsheet
from uptimehunt.api.errors import CODES
from uptimehunt.api.operation import Access, Answer, Operation, Resource, declaration
from uptimehunt.domain.paging import DEFAULT_LIMIT
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
                "code": {"type": "string"},
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
    "examples": [
        {
            "error": {
                "code": "VALIDATION_ERROR",
                "message": "Validation failed",
                "details": {
                    "url": ["URL is required", "URL must be valid"],
                    "interval": ["Must be between 1 and 60"],
                },
            },
            "timestamp": "2024-01-01T00:00:00Z",
            "path": "/api/v1/services",
            "request_id": "550e8400-e29b-41d4-a716-446655440000",
        }
    ],
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
    "Vary": {
        "description": "That the answer depends on `Accept`.",
        "schema": {"type": "string"},
    },
    "Content-Disposition": {
        "description": "As CSV only: a name for the file.",
        "schema": {"type": "string"},
    },
    "X-Total-Count": {
        "description": "As CSV only: how many rows there are on all pages.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "Link": {
        "description": "As CSV only: the `first`, `prev`, `next` and `last` page (RFC 8288).",
        "schema": {"type": "string"},
    },
}
_LATER = {"429", "503"}
_IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "The ETag of an earlier answer: 304 when nothing has changed since.",
    "schema": {"type": "string"},
}

_ONLY_PAGE = {"page": 1, "limit": DEFAULT_LIMIT, "total": 1, "totalPages": 1}
_PAGING = {
    "type": "object",
    "required": list(_ONLY_PAGE),
    "additionalProperties": False,
    "properties": {
        name: {"type": "integer", "minimum": 0, "examples": [example]}
        for name, example in _ONLY_PAGE.items()
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
    known = _components(routes)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path = _PATH_FIELD.sub(r"{\1}", route.path)
        for method, responder, declared in route.operations():
            written = _operation(route, method, responder, declared, known)
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
            "schemas": known.schemas,
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


@dataclass(frozen=True, slots=True)
class _Components:
    """What the models of all operations have become: bodies as they are read, answers as written.

    Attributes:
        references: model → where its schema is.
        schemas: name → schema.
    """

    references: dict[_Key, JsonSchemaValue]
    schemas: dict[str, Any]

    def body(self, declared: Operation) -> dict[str, Any]:
        """The content of a request."""
        schema = self.references[declared.body, "validation"]
        if declared.is_partial:
            schema = {"$ref": schema["$ref"] + _PARTIAL}
        return _json(schema, examples.example(schema, self.schemas))

    def answer(self, answer: Answer) -> dict[str, Any]:
        """The content of a success."""
        schema = self.references[answer.shape, "serialization"]
        if not answer.is_bare:
            schema = self._enveloped(answer, schema)
        example = examples.example(schema, self.schemas)
        if answer.example:
            example = {**example, "data": {**example["data"], **answer.example}}
        if not answer.has_csv or answer.shape is None:
            return _json(schema, example)
        lines = spreadsheet.text(answer.shape, example["data"])
        as_csv = {"schema": {"type": "string"}, "example": lines}
        return {**_json(schema, example), spreadsheet.MEDIA_TYPE: as_csv}

    def _enveloped(self, answer: Answer, shape: JsonSchemaValue) -> JsonSchemaValue:
        properties: dict[str, Any] = {
            "data": {"type": "array", "items": shape} if answer.is_list else shape
        }
        if answer.is_paged:
            properties["meta"] = {"$ref": "#/components/schemas/Paging"}
        elif answer.meta is not None:
            properties["meta"] = self.references[answer.meta, "serialization"]
        return {
            "type": "object",
            "required": list(properties),
            "properties": properties,
            "additionalProperties": False,
        }


def _json(schema: JsonSchemaValue, example: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema, "example": example}}


class _AsDeclared(GenerateJsonSchema):
    """Leaves keys in the order of the declarations, since examples are made for people."""

    def sort(self, value: JsonSchemaValue, parent_key: str | None = None) -> JsonSchemaValue:
        return value


def _components(routes: list[Route]) -> _Components:
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
    references, definitions = models_json_schema(
        list(wanted), ref_template=_REF, schema_generator=_AsDeclared
    )
    schemas = dict(sorted(definitions.get("$defs", {}).items()))
    for model in partial:
        name = references[model, "validation"]["$ref"].rsplit("/", 1)[1]
        schemas[name + _PARTIAL] = _partial(schemas[name], schemas)
    return _Components(references, {**schemas, "Error": _ERROR, "Paging": _PAGING})


def _partial(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """The schema of a change: any of the fields, and none has a default."""
    return {
        **{key: value for key, value in schema.items() if key != "required"},
        "title": schema["title"] + _PARTIAL,
        "description": "Any of the fields; those left out stay as they are.",
        "properties": {
            name: {key: value for key, value in field.items() if key != "default"}
            for name, field in schema["properties"].items()
        },
        "examples": [examples.change(schema, schemas)],
    }


def _operation(
    route: Route, method: str, responder: Any, declared: Operation, known: _Components
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
        "responses": _responses(declared, known),
        "x-access": declared.access.value,
        "security": _SECURITY.get(declared.access, [{"bearer": []}]),
    }
    if declared.deprecated is not None:
        written["deprecated"] = True
    if declared.body is not None:
        written["requestBody"] = {
            "required": not declared.is_body_optional,
            "content": known.body(declared),
        }
    return written


def _operation_id(summary: str) -> str:
    """`Get the status of a service` → `get_status_service`: what generators name a method by."""
    words = re.findall(r"\w+", summary.lower())
    return "_".join(word for word in words if word not in _ARTICLES)


def _path_parameters(route: Route) -> Iterator[dict[str, Any]]:
    for name in _PATH_FIELD.findall(route.path):
        yield {"name": name, "in": "path", "required": True, "schema": _path_schema(name)}


def _path_schema(name: str) -> dict[str, Any]:
    if name == "signal":
        return {"type": "string", "pattern": "^(start|fail|[0-9]{1,3})$"}
    return {"type": "integer", "minimum": 1} if name.endswith("_id") else {"type": "string"}


def _query_parameters(declared: Operation) -> Iterator[dict[str, Any]]:
    if declared.csv_query is None:
        return
    schema = declared.csv_query.model_json_schema()
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


def _responses(declared: Operation, known: _Components) -> dict[str, Any]:
    answer = declared.answer
    success: dict[str, Any] = {"description": declared.summary}
    if answer.shape is not None:
        success["content"] = known.answer(answer)
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
    if declared.answer.has_csv and code == "200":
        yield from ("Vary", "Content-Disposition")
        if declared.answer.is_paged:
            yield from ("X-Total-Count", "Link")


def _error_statuses(declared: Operation) -> set[int]:
    """What every such operation can answer, besides what it says itself."""
    statuses = {400, 500, 503, *declared.errors}
    statuses.add(401)  # Also where anyone may call: an X-Auth token that does not fit.
    if declared.access not in {Access.PUBLIC, Access.PROBER}:
        statuses.add(403)
    if declared.body is not None:
        statuses |= {413, 415, 422}
    return statuses
