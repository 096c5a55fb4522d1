"""What an HTTP answer has to be like, said in single statements: `json $.status equals "ok"`.

An assertion is refused when it is saved if it could never hold; judged, it only ever holds or
fails, whatever the target sent. Nothing here touches the network.
"""

import json
import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo
from pydantic.json_schema import WithJsonSchema
from pydantic_core import PydanticCustomError

from uptimehunt.checks import json_paths, patterns
from uptimehunt.checks.answer_view import View

Source = Literal[
    "status_code", "header", "body", "json", "response_time", "certificate_days", "size"
]
Operator = Literal[
    "equals",
    "not_equals",
    "contains",
    "not_contains",
    "matches",
    "exists",
    "lt",
    "lte",
    "gt",
    "gte",
    "in",
]
Scalar = str | int | float | bool

_WITH_PROPERTY = ("header", "json")
_NUMBERS = ("status_code", "response_time", "certificate_days", "size")
_ORDER = ("lt", "lte", "gt", "gte")
_IN_TEXT = ("contains", "not_contains", "matches")
_NUMBER = re.compile(r"[+-]?\d{1,18}(\.\d{1,18})?([eE][+-]?\d{1,2})?", re.ASCII)
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
_LONGEST_TEXT = 1024
_LONGEST_SENTENCE = 160
_MOST_VALUES = 100
_MISSING = object()
_MANY = ["string", "number", "boolean", "array", "null"]


@dataclass(frozen=True, slots=True)
class Failure:
    """An assertion that does not hold.

    Attributes:
        sentence: which one, and why where that is not plain; nothing of the target's text.
        is_down: whether the service is down for it, or degraded.
        actual: what was found, where it is a number.
    """

    sentence: str
    is_down: bool
    actual: int | float | None = None

    def fact(self) -> dict[str, Any]:
        """It, JSON-ready."""
        shown = {"message": self.sentence, "severity": "down" if self.is_down else "degraded"}
        return shown if self.actual is None else {**shown, "actual": self.actual}


# --- what can be said --------------------------------------------------------------------------


def _bad(field: str, message: str) -> PydanticCustomError:
    return PydanticCustomError(f"assertion_{field}", message)


def _valid_property(value: str | None, info: ValidationInfo) -> str | None:
    source = info.data.get("source")
    if source not in _WITH_PROPERTY:
        if value is not None and source is not None:
            raise _bad("property", "Property is for header and json only")
    elif value is None:
        raise _bad("property", "Property is required")
    elif source == "header":
        if not _HEADER_NAME.fullmatch(value):
            raise _bad("property", "Property must be the name of a header")
    else:
        check_path(value)
    return value


def check_path(path: str) -> None:
    """Refuse a path that cannot be searched for; for validators.

    Raises:
        PydanticCustomError: it is no JSONPath, or one that could take too long.
    """
    try:
        json_paths.check_path(path)
    except ValueError:
        raise _bad("property", "Property must be a JSONPath, with plain paths in filters") from None


def _valid_operator(operator: Operator, info: ValidationInfo) -> Operator:
    source = info.data.get("source")
    if source in _NUMBERS and operator in _IN_TEXT:
        raise _bad("operator", "Operator is for texts, and this is a number")
    if operator == "exists" and source in _NUMBERS and source != "certificate_days":
        raise _bad("operator", "Operator is for what may be missing")
    return operator


def _valid_value(value: Any, info: ValidationInfo) -> Any:
    operator, source = info.data.get("operator"), info.data.get("source")
    if operator is None or source is None:
        return value
    if operator == "exists":
        if value not in (None, True, False, "true", "false"):
            raise _bad("value", "Value must be true or false, or left out")
    elif value is None or value == "":
        raise _bad("value", "Value is required")
    elif operator == "in":
        _check_list(value, source)
    elif operator == "matches":
        _check_pattern(value)
    else:
        _check_scalar(value, must_be_number=operator in _ORDER or source in _NUMBERS)
    return value


def _check_list(value: Any, source: str) -> None:
    if not isinstance(value, list) or not 1 <= len(value) <= _MOST_VALUES:
        raise _bad("value", f'Value must be a list of 1 to {_MOST_VALUES}, as ["a", "b"]')
    for one in value:
        _check_scalar(one, must_be_number=source in _NUMBERS)


def _check_pattern(value: Any) -> None:
    if not isinstance(value, str):
        raise _bad("value", "Value must be a pattern")
    if len(value) > patterns.LONGEST:
        raise _bad("value", f"Must be at most {patterns.LONGEST} characters")
    try:
        patterns.compiled(value)
    except ValueError:
        raise _bad("value", "Value must be a valid RE2 expression") from None


def _check_scalar(value: Any, *, must_be_number: bool) -> None:
    if must_be_number:
        if _number(value) is None:
            raise _bad("value", "Value must be a number")
    elif not isinstance(value, Scalar):
        raise _bad("value", "Value must be a text, a number, or true or false")
    elif isinstance(value, str):
        _check_text(value)


def _check_text(value: str) -> None:
    if len(value) > _LONGEST_TEXT:
        raise _bad("value", f"Must be at most {_LONGEST_TEXT} characters")
    try:
        value.encode()
    except UnicodeError:
        raise _bad("value", "Value must be valid text") from None


class Assertion(BaseModel):
    """One statement about an answer."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    source: Source = Field(title="Source", description="What it is about.")
    property: Annotated[str | None, AfterValidator(_valid_property)] = Field(
        default=None,
        max_length=json_paths.LONGEST_PATH,
        validate_default=True,
        title="Property",
        description="The header's name, or the JSONPath, for example $.status.",
    )
    operator: Annotated[Operator, AfterValidator(_valid_operator)] = Field(
        title="Operator", description="How it is compared; matches takes an RE2 pattern."
    )
    value: Annotated[
        Any,
        AfterValidator(_valid_value),
        WithJsonSchema({"type": _MANY, "items": {"type": ["string", "number", "boolean"]}}),
    ] = Field(
        default=None,
        validate_default=True,
        title="Value",
        description='What it is compared with; for in a list, as ["a", "b"].',
    )
    severity: Literal["down", "degraded"] = Field(
        default="down", title="Severity", description="What the service is when it fails."
    )

    def __str__(self) -> str:
        parts = [self.source, self.property or "", self.operator.replace("_", " ")]
        if self.value is not None:
            parts.append(json.dumps(self.value, ensure_ascii=False))
        sentence = " ".join(filter(None, parts))
        if len(sentence) <= _LONGEST_SENTENCE:
            return sentence
        return sentence[: _LONGEST_SENTENCE - 1] + "…"


# --- whether it holds --------------------------------------------------------------------------


def failures(assertions: list[Assertion], view: View) -> list[Failure]:
    """The assertions that do not hold, in their order."""
    return [
        failure
        for position, assertion in enumerate(assertions, start=1)
        if (failure := _failure(position, assertion, view)) is not None
    ]


def _failure(position: int, assertion: Assertion, view: View) -> Failure | None:
    why, actual = "", None
    try:
        actual = _actual(assertion, view)
        if _holds(assertion, actual, view):
            return None
    except json_paths.UnreadableError as error:
        why = f": {error}"
    return Failure(
        sentence=f"Assertion {position} failed: {assertion}{why}",
        is_down=assertion.severity == "down",
        actual=actual if _is_plain_number(actual) else None,
    )


def _is_plain_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < 1e15  # what every reader of JSON can hold, and no infinity


def _actual(assertion: Assertion, view: View) -> Any:
    name = assertion.property or ""
    match assertion.source:
        case "status_code":
            return view.status
        case "response_time":
            return view.response_time_ms
        case "size":
            return view.size
        case "certificate_days":
            return _MISSING if view.certificate_days is None else view.certificate_days
        case "header":
            value = view.header(name)
            return _MISSING if value is None else value
        case "body":
            return view.text
        case "json":
            found = view.values(name)
            return found[0] if len(found) == 1 else found or _MISSING


def _holds(assertion: Assertion, actual: Any, view: View) -> bool:
    operator, wanted = assertion.operator, assertion.value
    if operator == "exists":
        is_there = actual not in (_MISSING, "") if assertion.source == "body" else True
        return (is_there and actual is not _MISSING) is (wanted in (None, True, "true"))
    if operator == "matches":
        said = None if actual is _MISSING else _text(actual)
        return said is not None and view.search(wanted, said.encode("utf-8", "replace")) is not None
    if operator in ("not_equals", "not_contains"):
        return not _compare(operator.removeprefix("not_"), actual, wanted)
    return _compare(operator, actual, wanted)


def _compare(operator: str, actual: Any, wanted: Any) -> bool:
    if actual is _MISSING:
        return False
    match operator:
        case "equals":
            return _same(actual, wanted)
        case "contains":
            return _contains(actual, wanted)
        case "in":
            return any(_same(actual, one) for one in wanted)
    left, right = _number(actual), _number(wanted)
    if left is None or right is None:
        return False
    return {"lt": left < right, "lte": left <= right, "gt": left > right, "gte": left >= right}[
        operator
    ]


def _same(actual: Any, wanted: Scalar) -> bool:
    """Whether two values are one; a number and the text of it are, so are true and "true"."""
    if isinstance(actual, str) and isinstance(wanted, str):
        return actual == wanted
    if isinstance(actual, bool) or isinstance(wanted, bool) or actual is None:
        return _text(actual) == _text(wanted)
    number = _number(actual)
    return number is not None and number == _number(wanted)


def _contains(actual: Any, wanted: Scalar) -> bool:
    """Whether a text has that part, a list that element, or an object that key."""
    if isinstance(actual, list):
        return any(_same(one, wanted) for one in actual)
    part = _text(wanted) or ""
    return part in actual if isinstance(actual, str | dict) else False


def _text(value: Any) -> str | None:
    """A scalar as text, as JSON writes it; None for lists and objects."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool | int | float):
        try:
            return json.dumps(value)
        except ValueError:  # an integer of thousands of digits
            return None
    return None


def _number(value: Any) -> int | float | None:
    """A number, or the text of one, as a number."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return float(value)
    return None
