"""From pydantic's findings to the words of the API.

One table maps kinds of findings to our wording; `{label}` is the field's title, so that a config
without `url` reads "URL is required". Every finding is reported at once, under the field's flat
name: `url`, not `config.url`; an item of a list is `headers.0.name`.
"""

import itertools
from collections.abc import Mapping
from typing import Any, TypeVar

import pydantic
from pydantic_core import ErrorDetails

from uptimehunt.checks.base import DETAILS
from uptimehunt.errors import ValidationError

M = TypeVar("M", bound=pydantic.BaseModel)

_WORDS = {
    "missing": "{label} is required",
    "extra_forbidden": "Unknown field",
    "string_type": "{label} must be a string",
    "int_type": "{label} must be a whole number",
    "int_from_float": "{label} must be a whole number",
    "int_parsing": "{label} must be a whole number",
    "int_parsing_size": "{label} is too large",
    "float_type": "{label} must be a number",
    "bool_type": "{label} must be true or false",
    "list_type": "{label} must be a list",
    "dict_type": "{label} must be an object",
    "model_type": "{label} must be an object",
    "model_attributes_type": "{label} must be an object",
    "literal_error": "Must be one of {expected}",
    "string_too_short": "Must be at least {min_length} characters",
    "string_too_long": "Must be at most {max_length} characters",
    "too_short": "Must have at least {min_length} items",
    "too_long": "Must have at most {max_length} items",
    "greater_than_equal": "Must be at least {ge}",
    "less_than_equal": "Must be at most {le}",
    "string_pattern_mismatch": "{label} must be valid",
}


def parse(model: type[M], data: Any) -> M:
    """Build a model from untrusted data.

    Raises:
        ValidationError: with every finding, by flat field name.
    """
    try:
        return model.model_validate(data)
    except pydantic.ValidationError as ex:
        raise ValidationError(findings(model, ex)) from None


def findings(model: type[pydantic.BaseModel], ex: pydantic.ValidationError) -> dict[str, list[str]]:
    """All findings of a validation: flat field name → messages."""
    details: dict[str, list[str]] = {}
    for error in ex.errors(include_url=False):
        if error["type"] == DETAILS:
            found: Mapping[str, list[str]] = error["ctx"]["details"]
        else:
            found = {_flat_name(error["loc"]): [_message(model, error)]}
        for name, messages in found.items():
            known = details.setdefault(name, [])
            known += [message for message in messages if message not in known]
    return details


def _flat_name(location: tuple[int | str, ...]) -> str:
    """`("headers", 0, "name")` → `headers.0.name`.

    pydantic also names the member of a union that it tried (`int`, `list[union[…]]`); a caller
    knows no such thing, so only names of fields and positions in lists are kept.
    """
    kept = [str(location[0])] if location else ["body"]
    for before, part in itertools.pairwise(location):
        if isinstance(part, int) or isinstance(before, int):
            kept.append(str(part))
    return ".".join(kept)


def _message(model: type[pydantic.BaseModel], error: ErrorDetails) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind in {"greater_than_equal", "less_than_equal"}:
        both = _range(model, error["loc"])
        if both is not None:
            return f"Must be between {both[0]} and {both[1]}"
    label = _label(model, error["loc"])
    if kind == "string_too_short" and context["min_length"] == 1:
        kind = "missing"
    if kind in _WORDS:
        return _WORDS[kind].format(label=label, **context)
    message = error["msg"]
    return message[:1].upper() + message[1:]


def _field(
    model: type[pydantic.BaseModel], location: tuple[int | str, ...]
) -> pydantic.fields.FieldInfo | None:
    name = next((part for part in reversed(location) if isinstance(part, str)), "")
    return model.model_fields.get(name)


def _label(model: type[pydantic.BaseModel], location: tuple[int | str, ...]) -> str:
    field = _field(model, location)
    if field is not None and field.title:
        return field.title
    name = next((part for part in reversed(location) if isinstance(part, str)), "body")
    return name.replace("_", " ").capitalize()


def _range(
    model: type[pydantic.BaseModel], location: tuple[int | str, ...]
) -> tuple[object, object] | None:
    field = _field(model, location)
    if field is None:
        return None
    low = high = None
    for rule in field.metadata:
        low, high = getattr(rule, "ge", low), getattr(rule, "le", high)
    return None if low is None or high is None else (low, high)
