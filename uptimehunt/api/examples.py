"""Examples for the OpenAPI document, put together from what its schemas say of each field.

So no example is written twice, and a new model has one by itself; a field says `examples=[…]` only
where its own says more than what is taken without.
"""

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

_BY_FORMAT = {"date-time": "2024-01-01T00:00:00Z", "email": "user@example.com"}
_BY_TYPE = {"string": "text", "boolean": True, "null": None}


def example(schema: Schema, schemas: Schema) -> Any:
    """A value that fits a schema.

    What was said comes before what can be made up: an example, the only value, a default, the
    first of some values or kinds. An object has its required fields, and those others that have an
    example of their own; all of them when that leaves none.

    Args:
        schema: as pydantic writes them, JSON Schema 2020-12; without an example at some level, it
            must not lead back to itself.
        schemas: the components that its references name, by name.
    """
    schema = _followed(schema, schemas)
    if "examples" in schema:
        return schema["examples"][0]
    if "const" in schema:
        return schema["const"]
    if schema.get("default") is not None:
        return schema["default"]
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return example(_telling(schema["anyOf"]), schemas)
    return _of_type(schema, schemas)


def change(schema: Schema, schemas: Schema) -> dict[str, Any]:
    """A body that changes one field: the first that has an example and needs not be there.

    Args:
        schema: of the whole, an object.
        schemas: the components that its references name, by name.
    """
    fields, required = schema["properties"], schema.get("required", [])
    told = [name for name in fields if name not in required and "examples" in fields[name]]
    name = next(iter(told or fields))
    return {name: example(fields[name], schemas)}


def _followed(schema: Schema, schemas: Schema) -> Schema:
    """The schema that a reference names, with what stands beside the reference."""
    while "$ref" in schema:
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        schema = {**schemas[schema["$ref"].rsplit("/", 1)[1]], **beside}
    return schema


def _telling(kinds: list[Schema]) -> Schema:
    """The first of some kinds that is not null."""
    return next(kind for kind in kinds if kind.get("type") != "null")


def _of_type(schema: Schema, schemas: Schema) -> Any:
    kind = schema["type"]
    if kind == "object":
        return _object(schema, schemas)
    if kind == "array":
        return [example(schema["items"], schemas)]
    if kind in {"integer", "number"}:
        return schema.get("minimum", 1)
    return _BY_FORMAT.get(schema.get("format", ""), _BY_TYPE[kind])


def _object(schema: Schema, schemas: Schema) -> dict[str, Any]:
    fields, required = schema.get("properties", {}), schema.get("required", [])
    told = [name for name in fields if name in required or "examples" in fields[name]]
    return {name: example(fields[name], schemas) for name in told or fields}
