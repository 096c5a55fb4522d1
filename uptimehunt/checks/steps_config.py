"""The config of the `steps` service type: requests in order, and the variables between them.

The run itself is in `steps.py`. Each step becomes a config of the `http` type once its variables
are filled in, so that the two mean the same by the same words.
"""

import functools
import re
from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from uptimehunt.checks import patterns, templates
from uptimehunt.checks.assertions import check_path
from uptimehunt.checks.base import place, refuse
from uptimehunt.checks.expectations import Expectations
from uptimehunt.checks.http_fields import (
    BodyType,
    Method,
    PlainHeader,
    UrlText,
    is_json,
    optional,
    valid_body,
)
from uptimehunt.checks.json_paths import LONGEST_PATH
from uptimehunt.checks.url import Url, parse_url
from uptimehunt.checks.web_config import WebConfig

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")


def _valid_name(text: str) -> str:
    if not templates.NAME.fullmatch(text):
        raise PydanticCustomError("variable", "Must be letters, digits and underscores")
    return text


def _valid_label(text: str) -> str:
    if not text.isprintable() or not text.strip():
        raise PydanticCustomError("label", "Name must be one line of text")
    return text


def _valid_step_url(text: str) -> str:
    url = parse_url(text)
    if url.user or url.password:
        message = "User and password go into a header, from a secret variable"
        raise PydanticCustomError("url", message)
    return text


def _valid_place(value: str, info: ValidationInfo) -> str:
    match info.data.get("source"):
        case "json":
            check_path(value)
        case "header":
            if not _HEADER_NAME.fullmatch(value):
                raise PydanticCustomError("place", "Property must be the name of a header")
        case "body":
            _check_group(value)
    return value


def _check_group(pattern: str) -> None:
    try:
        groups = patterns.compiled(pattern).groups
    except ValueError:
        message = "Property must be a valid RE2 expression"
        raise PydanticCustomError("place", message) from None
    if groups < 1:
        raise PydanticCustomError("place", "Property needs a group, as in id=([0-9]+)")


class Variable(BaseModel):
    """A value that steps can use; a secret one is never shown again."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: Annotated[str, AfterValidator(_valid_name)] = Field(
        min_length=1, max_length=64, title="Name", description="Used as {{name}}."
    )
    value: str = Field(
        max_length=templates.LONGEST_VALUE, title="Value", description="Never shown in evidence."
    )
    # Has no default: forgotten, it would show what was meant to be hidden.
    secret: bool = Field(title="Secret", description="Hide the value once it is saved.")


class Extraction(BaseModel):
    """A value to take from an answer, for the steps that follow."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    variable: Annotated[str, AfterValidator(_valid_name)] = Field(
        min_length=1, max_length=64, title="Variable", description="Used as {{variable}}."
    )
    source: Literal["json", "header", "body"] = Field(
        title="Source", description="Where the value stands."
    )
    property: Annotated[str, AfterValidator(_valid_place)] = Field(
        min_length=1,
        max_length=LONGEST_PATH,
        title="Property",
        description="The JSONPath, the header's name, or an RE2 pattern whose first group it is.",
    )


class Step(Expectations):
    """One request, and what is expected of its answer."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: Annotated[str, AfterValidator(_valid_label)] = Field(
        min_length=1, max_length=64, title="Name", description="For messages, for example login."
    )
    url: Annotated[UrlText, AfterValidator(_valid_step_url)] = Field(
        min_length=1,
        max_length=4096,
        title="URL",
        description="Variables may stand in its path and query.",
        json_schema_extra={"format": "uri"},
    )
    method: Method = Field(default="GET", title="Method", description="Of the request.")
    headers: list[PlainHeader] = Field(
        default=[],
        max_length=64,
        title="Headers",
        description="Variables may stand in their values.",
    )
    body: Annotated[
        str | None,
        Field(
            max_length=65536,
            title="Body",
            description="Variables may stand in it, written as its type wants them.",
            json_schema_extra={"x-multiline": True},
        ),
        optional(valid_body),
    ] = None
    body_type: BodyType = Field(
        default="none", title="Body type", description="Names it in the Content-Type."
    )
    extract: list[Extraction] = Field(
        default=[],
        max_length=20,
        title="Extract",
        description="Values of the answer for the steps that follow.",
    )

    def texts(self) -> Iterator[tuple[str, str]]:
        """Field and text of all that variables may stand in."""
        yield "url", self.url
        for position, header in enumerate(self.headers):
            yield f"headers.{position}.value", header.value
        if self.body is not None:
            yield "body", self.body


class StepsConfig(WebConfig):
    """Which requests to make, in order."""

    steps: list[Step] = Field(
        min_length=1,
        max_length=20,
        title="Steps",
        description="Requests in order, all within the timeout; the first failure ends them.",
        json_schema_extra=place(1, "request"),
    )
    secrets: list[Variable] = Field(
        default=[],
        max_length=50,
        title="Variables",
        description="Values for the steps, used as {{name}}; passwords for example.",
        json_schema_extra=place(2, "auth"),
    )

    @model_validator(mode="after")
    def _check_variables(self) -> Self:
        details: dict[str, list[str]] = {}
        if self.http_version == "2" and any(
            step.url.lower().startswith("http:") for step in self.steps
        ):
            details["http_version"] = ["HTTP version 2 needs URLs with https://"]
        known: set[str] = set()
        for position, variable in enumerate(self.secrets):
            if variable.name in known:
                details[f"secrets.{position}.name"] = ["There is a variable of this name already"]
            known.add(variable.name)
        given = frozenset(known)
        for position, step in enumerate(self.steps):
            field = f"steps.{position}"
            for name, text in step.texts():
                unknown = [one for one in templates.names(text) if one not in known]
                if unknown:
                    details[f"{field}.{name}"] = [f"Unknown variable: {unknown[0]}"]
            if step.body_type == "json" and step.body is not None and not _can_be_json(step.body):
                details.setdefault(f"{field}.body", ["Body must be valid JSON"])
            for at, extraction in enumerate(step.extract):
                if extraction.variable in given:
                    message = "There is a variable of this name already"
                    details[f"{field}.extract.{at}.variable"] = [message]
                known.add(extraction.variable)
        if details:
            raise refuse(details)
        return self

    @functools.cached_property
    def first_url(self) -> Url:
        """Where the first step goes; its host has no variables, nor has that of any other."""
        return parse_url(self.steps[0].url)

    @property
    def secret_destinations(self) -> list[str]:
        """Whom secrets go to, besides the target."""
        used = {variable.name for variable in self.secrets if variable.secret}
        places = {
            parse_url(step.url).origin
            for step in self.steps
            if any(used.intersection(templates.names(text)) for _, text in step.texts())
        }
        return sorted(places | ({self.parsed_proxy.peer} if self.parsed_proxy else set()))


def _can_be_json(body: str) -> bool:
    """Whether a body is JSON once its variables are filled in, with digits for one."""
    known = dict.fromkeys(templates.names(body), "0")
    return is_json(templates.fill(body, known, templates.as_is))
