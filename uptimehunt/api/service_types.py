"""`/service-types`: what can be watched, and with which config. Public."""

from typing import Any

import falcon
from pydantic import BaseModel, ConfigDict, RootModel

from uptimehunt import checks
from uptimehunt.api.operation import Access, Answer, Resource, operation
from uptimehunt.checks import CheckType
from uptimehunt.errors import NotFoundError

_CACHE = "public, max-age=3600"


def _summary(kind: CheckType[Any]) -> dict[str, Any]:
    return {
        "type": kind.type,
        "name": kind.name,
        "description": kind.description,
        "category": kind.category,
        "icon": kind.icon,
    }


def _details(kind: CheckType[Any]) -> dict[str, Any]:
    defaults = {
        name: field.get_default(call_default_factory=True)
        for name, field in kind.config.model_fields.items()
        if not field.is_required()
    }
    return {
        **_summary(kind),
        "defaults": defaults,
        "timing_phases": list(kind.timing_phases),
    }


def _schema(kind: CheckType[Any]) -> dict[str, Any]:
    schema = kind.config.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


class ServiceType(BaseModel):
    """A way to watch something."""

    model_config = ConfigDict(json_schema_extra={"examples": [_summary(checks.REGISTRY["http"])]})

    type: str
    name: str
    description: str
    category: str
    icon: str


class ServiceTypeDetails(ServiceType):
    """A way to watch something, with what its config is when nothing is said."""

    model_config = ConfigDict(json_schema_extra={"examples": [_details(checks.REGISTRY["http"])]})

    defaults: dict[str, Any]
    timing_phases: list[str]


class ConfigSchema(RootModel[dict[str, Any]]):
    """A JSON Schema (2020-12)."""

    model_config = ConfigDict(json_schema_extra={"examples": [_schema(checks.REGISTRY["ssh"])]})


def _find(type_name: str) -> CheckType[Any]:
    kind = checks.REGISTRY.get(type_name)
    if kind is None:
        raise NotFoundError("Service type")
    return kind


class ServiceTypes(Resource):
    """`/service-types`, `/service-types/{type}`, `/service-types/{type}/schema`."""

    @operation(
        "List available service types",
        access=Access.PUBLIC,
        answer=Answer(200, ServiceType, is_list=True),
        has_etag=True,
        cache=_CACHE,
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> list[dict[str, Any]]:
        """In the order of their names."""
        return [_summary(kind) for kind in checks.REGISTRY.values()]

    @operation(
        "Get a service type",
        access=Access.PUBLIC,
        answer=Answer(200, ServiceTypeDetails),
        errors=(404,),
        has_etag=True,
        cache=_CACHE,
    )
    def on_get_one(
        self, req: falcon.Request, resp: falcon.Response, type_name: str
    ) -> dict[str, Any]:
        """With the defaults of its config and the phases that its checks time."""
        return _details(_find(type_name))

    @operation(
        "Get the configuration schema of a service type",
        access=Access.PUBLIC,
        answer=Answer(200, ConfigSchema),
        errors=(404,),
        has_etag=True,
        cache=_CACHE,
    )
    def on_get_schema(
        self, req: falcon.Request, resp: falcon.Response, type_name: str
    ) -> dict[str, Any]:
        """Good enough to draw a form from."""
        return _schema(_find(type_name))
