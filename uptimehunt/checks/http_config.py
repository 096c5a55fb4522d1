"""The config of the `http` service type, and what can be worked out from it once for all checks.

The check itself is in `http.py`.
"""

import functools
import re
from collections.abc import Sequence
from typing import Annotated, Literal
from urllib.parse import unquote

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from uptimehunt.checks import curl
from uptimehunt.checks.base import CheckConfig, place
from uptimehunt.checks.peer import CaPem
from uptimehunt.checks.url import Url, parse_url

SENSITIVE_NAME = re.compile(
    "authorization|cookie|token|secret|api-?key|password|session|signature|x-auth", re.IGNORECASE
)
"""Names of headers whose values are never shown."""

# What may follow a redirect to another origin: headers that describe the request, nothing that
# could identify the caller. A list of what to keep, because secrets go by any name.
_TRAVELS = frozenset(("accept", "accept-language", "cache-control", "content-type", "user-agent"))
_SET_BY_US = frozenset(("content-length", "transfer-encoding"))
_ALWAYS_WITH_BODY = frozenset(("POST", "PUT", "PATCH"))
_SHORTEST_SECRET = 4  # hiding shorter ones would make the evidence unreadable, and hide nothing

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_STATUS_RANGE = re.compile(r"([1-5])xx|([1-5]\d\d)-([1-5]\d\d)", re.IGNORECASE)


def _valid_url(text: str) -> str:
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


def _valid_body(text: str) -> str:
    if len(text.encode()) > 65536:
        raise PydanticCustomError("body", "Body must be at most 64 KiB")
    return text


def _status_codes(item: object) -> Sequence[int]:
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
    if not 1 <= len(items) <= 20 or not all(_status_codes(item) for item in items):
        raise PydanticCustomError(
            "expected_status_code",
            "Expected status must be a code (200), a range (200-299) or a class (2xx), or a list",
        )
    return value


StatusCode = Annotated[int, Field(ge=100, le=599)]
StatusRange = Annotated[str, Field(pattern=r"^([1-5]\d\d-[1-5]\d\d|[1-5][xX][xX])$")]
StatusList = Annotated[list[StatusCode | StatusRange], Field(min_length=1, max_length=20)]


class Header(BaseModel):
    """One request header; a secret one is never shown again and never leaves its origin."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: Annotated[str, AfterValidator(_valid_header_name)] = Field(
        min_length=1, max_length=256, title="Name", description="For example Accept."
    )
    value: Annotated[str, AfterValidator(_valid_header_value)] = Field(
        max_length=4096, title="Value", description="Sent as it is."
    )
    secret: bool = Field(
        default=False, title="Secret", description="Hide the value once it is saved."
    )

    @property
    def line(self) -> bytes:
        """The header as libcurl wants it; `name;` is its way to write an empty value."""
        value = self.value.strip()
        return (f"{self.name}: {value}" if value else f"{self.name};").encode("latin-1")


class HttpConfig(CheckConfig):
    """What to request, and what to expect of the answer."""

    url: Annotated[str, AfterValidator(_valid_url)] = Field(
        min_length=1,
        max_length=4096,
        title="URL",
        description="Address to request, starting with http:// or https://.",
        json_schema_extra=place(1, "request", format="uri"),
    )
    method: Literal["GET", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"] = Field(
        default="GET",
        title="Method",
        description="HEAD asks for no content, so it cannot be searched for a keyword.",
        json_schema_extra=place(2, "request"),
    )
    headers: list[Header] = Field(
        default=[],
        max_length=64,
        title="Headers",
        description="Sent with the request; most of them do not follow to another host.",
        json_schema_extra=place(3, "request"),
    )
    body: Annotated[str, AfterValidator(_valid_body)] | None = Field(
        default=None,
        max_length=65536,
        title="Body",
        description="Sent as UTF-8; name its type in a Content-Type header.",
        json_schema_extra=place(4, "request", **{"x-multiline": True}),
    )
    expected_status_code: Annotated[
        StatusCode | StatusList | None, BeforeValidator(_valid_statuses)
    ] = Field(
        default=None,
        title="Expected status",
        description='A code, or a list of codes, ranges ("200-299") and classes ("2xx"); '
        "200-299 when left out.",
        json_schema_extra=place(10, "expect"),
    )
    keyword: str | None = Field(
        default=None,
        min_length=1,
        max_length=1024,
        title="Keyword",
        description="Text that the answer must contain, exactly as written.",
        json_schema_extra=place(11, "expect"),
    )
    keyword_absent: str | None = Field(
        default=None,
        min_length=1,
        max_length=1024,
        title="Unwanted keyword",
        description="Text that the answer must not contain, exactly as written.",
        json_schema_extra=place(12, "expect"),
    )
    verify_tls: bool = Field(
        default=True,
        title="Verify certificate",
        description="Fail when the certificate is expired, of another host or not trusted.",
        json_schema_extra=place(20, "tls"),
    )
    ca_pem: CaPem | None = Field(
        default=None,
        max_length=65536,
        title="CA certificates",
        description="PEM; trusted for this service instead of the system's.",
        json_schema_extra=place(21, "tls", **{"x-multiline": True}),
    )
    certificate_warn_days: int = Field(
        default=14,
        ge=0,
        le=365,
        title="Certificate warning",
        description="Warn when the certificate expires within this many days; 0 for never.",
        json_schema_extra=place(22, "tls"),
    )
    follow_redirects: bool = Field(
        default=True,
        title="Follow redirects",
        description="Judge the page that a redirect leads to, not the redirect.",
        json_schema_extra=place(30, "advanced"),
    )
    max_redirects: int = Field(
        default=5,
        ge=0,
        le=20,
        title="Most redirects",
        description="More of them one after the other are a failure.",
        json_schema_extra=place(31, "advanced"),
    )
    max_body_bytes: int = Field(
        default=1048576,
        ge=1,
        le=10485760,
        title="Most bytes to read",
        description="What comes after is neither read nor searched.",
        json_schema_extra=place(32, "advanced"),
    )

    @functools.cached_property
    def parsed_url(self) -> Url:
        """The URL in parts."""
        return parse_url(self.url)

    @functools.cached_property
    def accepted_statuses(self) -> frozenset[int]:
        """Every status code that counts as success."""
        return frozenset(code for item in self._statuses for code in _status_codes(item))

    @property
    def expected_text(self) -> str:
        """The accepted status codes as a person would write them."""
        return ", ".join(str(item) for item in self._statuses)

    @functools.cached_property
    def first_request(self) -> curl.Request:
        """What every check starts with."""
        return self.request_to(self.parsed_url, self.method, with_body=True)

    @property
    def secret_values(self) -> list[str]:
        """What must not appear in the evidence of a failure, longest first."""
        url = self.parsed_url
        secrets = {url.password, unquote(url.password), *url.basic_credentials.split()}
        for header in self.headers:
            if header.secret or SENSITIVE_NAME.search(header.name):
                secrets |= {header.value, *header.value.split()}
        long_enough = (secret for secret in secrets if len(secret) >= _SHORTEST_SECRET)
        return sorted(long_enough, key=len, reverse=True)

    def request_to(self, url: Url, method: str, *, with_body: bool) -> curl.Request:
        """The request to send to `url`, the first one or where a redirect led.

        Another origin than the configured one gets neither credentials nor any header that could
        hold some.
        """
        body = self.body.encode() if self.body is not None and with_body else None
        if body is None and method in _ALWAYS_WITH_BODY:
            body = b""
        headers = {"accept-encoding": b"Accept-Encoding: identity"}
        if body is not None:
            headers["content-type"] = b"Content-Type:"  # else libcurl says it is a form
        is_home = url.origin == self.parsed_url.origin
        if is_home and self.parsed_url.basic_credentials:
            line = f"Authorization: {self.parsed_url.basic_credentials}"
            headers["authorization"] = line.encode("ascii")
        own: list[bytes] = []
        for header in self.headers:
            name = header.name.lower()
            travels = is_home or (name in _TRAVELS and not header.secret)
            if travels and (body is not None or name != "content-type"):
                headers.pop(name, None)
                own.append(header.line)
        return curl.prepare(
            url,
            method=method,
            headers=[*headers.values(), *own],
            body=body,
            verify_tls=self.verify_tls,
            ca_pem=self.ca_pem,
            ip_family=self.ip_family,
            max_body_bytes=self.max_body_bytes,
        )

    @property
    def _statuses(self) -> list[int | str]:
        expected = self.expected_status_code
        if expected is None:
            return ["200-299"]
        return list(expected) if isinstance(expected, list) else [expected]
