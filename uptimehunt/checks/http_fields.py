"""Types of fields that configs of HTTP requests share: URLs, headers, bodies, status codes."""

import json
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)
from pydantic_core import PydanticCustomError

from uptimehunt.checks.url import parse_url

SENSITIVE_NAME = re.compile(
    "authorization|cookie|token|secret|api-?key|password|session|signature|x-auth", re.IGNORECASE
)
"""Names of headers whose values are never shown."""

Method = Literal["GET", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"]
BodyType = Literal["none", "json", "xml", "form", "text"]

CONTENT_TYPES: dict[BodyType, str] = {
    "json": "application/json",
    "xml": "application/xml",
    "form": "application/x-www-form-urlencoded",
    "text": "text/plain; charset=utf-8",
}
"""What a body type says of itself; `none` says nothing."""

LARGEST_BODY = 65536
_SET_BY_US = frozenset(("content-length", "transfer-encoding"))
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_STATUS_RANGE = re.compile(r"([1-5])xx|([1-5]\d\d)-([1-5]\d\d)", re.IGNORECASE)


def valid_url(text: str) -> str:
    """Refuse what is no http or https URL; for validators."""
    try:
        parse_url(text)
    except ValueError:
        raise PydanticCustomError("url", "URL must be valid") from None
    return text


def _valid_header_name(text: str) -> str:
    if not _HEADER_NAME.fullmatch(text):
        raise PydanticCustomError("header_name", "Header name must be letters, digits and hyphens")
    if text.lower() in _SET_BY_US:
        raise PydanticCustomError("header_name", "Header is set by the check itself")
    return text


def _valid_header_value(text: str) -> str:
    if not _HEADER_VALUE.fullmatch(text):
        raise PydanticCustomError("header_value", "Header value must be Latin-1 text on one line")
    return text


def optional(validate: Callable[[str], str]) -> AfterValidator:
    """A rule of a text that may be left out; stands behind the `Field`, whose limits go first."""
    return AfterValidator(lambda text: None if text is None else validate(text))


def valid_body(text: str) -> str:
    """Refuse a body that is too large; for validators."""
    if len(text.encode()) > LARGEST_BODY:
        raise PydanticCustomError("body", "Body must be at most 64 KiB")
    return text


def is_json(text: str) -> bool:
    """Whether a text is one JSON value."""
    try:
        json.loads(text, parse_constant=_refuse_constant)
    except (RecursionError, ValueError):
        return False
    return True


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def status_codes(item: object) -> Sequence[int]:
    """The codes that one entry stands for: 204, "200-299" or "2xx"; none for anything else."""
    if isinstance(item, int) and not isinstance(item, bool) and 100 <= item <= 599:
        return (item,)
    match = _STATUS_RANGE.fullmatch(item) if isinstance(item, str) else None
    if match is None:
        return ()
    if match[1]:
        return range(int(match[1]) * 100, int(match[1]) * 100 + 100)
    return range(int(match[2]), int(match[3]) + 1)


def _valid_statuses(value: object) -> object:
    items = value if isinstance(value, list) else [200 if value is None else value]
    if not 1 <= len(items) <= 20 or not all(status_codes(item) for item in items):
        raise PydanticCustomError(
            "expected_status_code",
            "Expected status must be a code (200), a range (200-299) or a class (2xx), or a list",
        )
    return value


_Code = Annotated[int, Field(ge=100, le=599)]
_Range = Annotated[str, Field(pattern=r"^([1-5]\d\d-[1-5]\d\d|[1-5][xX][xX])$")]
_Codes = Annotated[list[_Code | _Range], Field(min_length=1, max_length=20)]

Statuses = Annotated[_Code | _Codes | None, BeforeValidator(_valid_statuses)]
UrlText = Annotated[str, AfterValidator(valid_url)]
HeaderName = Annotated[str, AfterValidator(_valid_header_name)]
HeaderValue = Annotated[str, AfterValidator(_valid_header_value)]


class PlainHeader(BaseModel):
    """One request header."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, title="Header")

    name: HeaderName = Field(
        min_length=1, max_length=256, title="Name", description="For example Accept."
    )
    value: HeaderValue = Field(max_length=4096, title="Value", description="Sent as it is.")

    @property
    def line(self) -> bytes:
        """The header as libcurl wants it; `name;` is its way to write an empty value."""
        value = self.value.strip()
        return (f"{self.name}: {value}" if value else f"{self.name};").encode("latin-1")


class Header(PlainHeader):
    """One request header; a secret one is never shown again and never leaves its origin."""

    secret: bool = Field(
        default=False,
        title="Secret",
        description="Hide the value once it is saved; so are those whose name says enough.",
    )

    @model_validator(mode="before")
    @classmethod
    def _hide_what_is_secret_anyway(cls, data: Any) -> Any:
        if isinstance(data, dict) and SENSITIVE_NAME.search(str(data.get("name"))):
            return {**data, "secret": True}
        return data
