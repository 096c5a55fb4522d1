"""From pydantic's findings to the words of the API."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, field_validator

from uptimehunt.checks.base import refuse
from uptimehunt.domain.validation import parse
from uptimehunt.errors import ValidationError


class Item(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = Field(title="Name", min_length=1)
    size: int | None = Field(default=None, ge=2)


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    url: str = Field(title="URL")
    items: list[Item] = []
    code: int | list[int | str] | None = Field(default=None, title="Code")


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = Field(title="Name", min_length=2, max_length=4)
    interval: int = Field(default=3, ge=1, le=60, title="Interval")
    mode: Literal["a", "b"] = "a"
    share: float = 0.5
    is_on: bool = True
    long_word: Annotated[str, Field(pattern="^x+$")] = "x"
    config: dict[str, Any] = {}

    @field_validator("config")
    @classmethod
    def _fits(cls, value: dict[str, Any]) -> dict[str, Any]:
        try:
            parse(Inner, value)
        except ValidationError as ex:
            raise refuse(ex.details) from None
        return value


def details(**fields: Any) -> dict[str, list[str]]:
    """What a refusal says of each field."""
    given: dict[str, Any] = {"name": "abc", "config": {"url": "x"}}
    with pytest.raises(ValidationError) as refused:
        parse(Outer, given | fields)
    assert refused.value.code == "VALIDATION_ERROR"
    return refused.value.details


def test_what_is_right_is_built() -> None:
    built = parse(Outer, {"name": "abc", "config": {"url": "x"}, "interval": 5})

    assert (built.interval, built.mode) == (5, "a")


def test_every_finding_is_reported_at_once_under_its_flat_name() -> None:
    with pytest.raises(ValidationError) as refused:
        parse(Outer, {"interval": 0, "config": {"items": [{"name": "a"}, {}], "x": 1}})

    assert refused.value.details == {
        "name": ["Name is required"],
        "interval": ["Must be between 1 and 60"],
        "url": ["URL is required"],
        "items.1.name": ["Name is required"],
        "x": ["Unknown field"],
    }


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", "a", "Must be at least 2 characters"),
        ("name", "abcde", "Must be at most 4 characters"),
        ("name", 5, "Name must be a string"),
        ("interval", 61, "Must be between 1 and 60"),
        ("interval", 1.5, "Interval must be a whole number"),
        ("interval", True, "Interval must be a whole number"),
        ("mode", "c", "Must be one of 'a' or 'b'"),
        ("share", "1", "Share must be a number"),
        ("is_on", 1, "Is on must be true or false"),
        ("long_word", "y", "Long word must be valid"),
        ("config", [], "Config must be an object"),
        ("colour", 1, "Unknown field"),
    ],
)
def test_each_finding_has_our_words(field: str, value: Any, message: str) -> None:
    assert details(**{field: value}) == {field: [message]}


def test_a_lower_bound_alone_is_said_so() -> None:
    found = details(config={"url": "x", "items": [{"name": "a", "size": 1}]})

    assert found == {"items.0.size": ["Must be at least 2"]}


def test_the_members_of_a_union_are_not_named() -> None:
    found = details(config={"url": "x", "code": {"a": 1}})

    assert list(found) == ["code"]


@pytest.mark.parametrize("value", [None, [], "x", 5])
def test_what_is_no_object_is_said_so(value: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        parse(Outer, value)

    assert refused.value.details == {"body": ["Body must be an object"]}
