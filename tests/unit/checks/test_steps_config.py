from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uptimehunt.checks import steps, templates
from uptimehunt.checks.steps_config import StepsConfig
from uptimehunt.domain.validation import parse
from uptimehunt.errors import ValidationError

URL = "https://example.com/"
LOGIN = {"name": "login", "url": URL}
KEY = {"name": "key", "value": "s3cret", "secret": True}


def errors(**fields: Any) -> dict[str, list[str]]:
    with pytest.raises(ValidationError) as caught:
        parse(StepsConfig, {"steps": [LOGIN], "secrets": [KEY]} | fields)
    return caught.value.details or {}


def with_step(**fields: Any) -> dict[str, list[str]]:
    return errors(steps=[LOGIN, LOGIN | fields])


def extracting(**fields: Any) -> dict[str, list[str]]:
    one = {"variable": "id", "source": "json", "property": "$.id"} | fields
    return errors(steps=[LOGIN | {"extract": [one]}])


@pytest.mark.parametrize(
    "url",
    ["http://{{key}}/", "http://{{key}}.example/", "http://a.example:{{key}}/", "{{key}}://a/",
     "{{key}}", "http://a.example{{key}}/", "http://a b/{{key}}", "file:///{{key}}"],
)  # fmt: skip
def test_no_variable_is_a_part_of_where_a_step_goes(url: str) -> None:
    assert with_step(url=url) == {"steps.1.url": ["URL must be valid"]}


@pytest.mark.parametrize("url", ["http://bob:pw@a.example/", "http://bob@a.example/"])
def test_a_login_in_a_url_would_be_shown_and_is_refused(url: str) -> None:
    assert list(with_step(url=url)) == ["steps.1.url"]


@pytest.mark.parametrize(
    "text", ["{{nope}}", "{{ key }}", "{{key.x}}", "{{1+1}}", "{{}}", "{{KEY}}"]
)
def test_an_unknown_variable_is_refused_wherever_it_stands(text: str) -> None:
    name = text.strip("{}")
    header = {"name": "X", "value": f"a {text}"}

    if " " not in text:
        assert with_step(url=URL + text) == {"steps.1.url": [f"Unknown variable: {name}"]}
    assert with_step(body=text) == {"steps.1.body": [f"Unknown variable: {name}"]}
    assert with_step(headers=[header]) == {"steps.1.headers.0.value": [f"Unknown variable: {name}"]}


def test_a_variable_is_known_after_the_step_that_takes_it() -> None:
    taking = LOGIN | {"extract": [{"variable": "id", "source": "json", "property": "$.id"}]}
    using = LOGIN | {"url": f"{URL}{{{{id}}}}", "body": '{"a": {{id}}, "b": "{{key}}"}',
                     "body_type": "json"}  # fmt: skip

    assert parse(StepsConfig, {"steps": [taking, using], "secrets": [KEY]})
    assert set(errors(steps=[using, taking])) == {"steps.0.url", "steps.0.body"}
    assert set(errors(steps=[taking | {"url": using["url"]}])) == {"steps.0.url"}


def test_a_name_is_given_once() -> None:
    message = ["There is a variable of this name already"]

    assert errors(secrets=[KEY, KEY]) == {"secrets.1.name": message}
    assert extracting(variable="key") == {"steps.0.extract.0.variable": message}


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"name": ""}, "name"), ({"name": "two\nlines"}, "name"), ({"name": " "}, "name"),
        ({"name": "x" * 65}, "name"), ({"url": "x"}, "url"), ({"method": "TRACE"}, "method"),
        ({"headers": [{"name": "a b", "value": "x"}]}, "headers.0.name"),
        ({"headers": [{"name": "X", "value": "a\nb"}]}, "headers.0.value"),
        ({"headers": [{"name": "X", "value": "a", "secret": True}]}, "headers.0.secret"),
        ({"body": "x" * 65537}, "body"), ({"body": "{", "body_type": "json"}, "body"),
        ({"body_type": "yaml"}, "body_type"), ({"keyword": ""}, "keyword"),
        ({"expected_status_code": 99}, "expected_status_code"),
        ({"assertions": [{"source": "body", "operator": "lt"}]}, "assertions.0.value"),
        ({"more": 1}, "more"), ({"auth_type": "basic"}, "auth_type"),
    ],
)  # fmt: skip
def test_a_bad_field_of_a_step_is_named(fields: dict[str, Any], named: str) -> None:
    assert list(with_step(**fields)) == [f"steps.1.{named}"]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"variable": "1x"}, "variable"), ({"variable": "a-b"}, "variable"),
        ({"variable": ""}, "variable"), ({"source": "cookie"}, "source"),
        ({"property": "$["}, "property"), ({"property": ""}, "property"),
        ({"property": "$[?@..x]"}, "property"),
        ({"source": "header", "property": "a b"}, "property"),
        ({"source": "body", "property": "no group"}, "property"),
        ({"source": "body", "property": "(?:x)"}, "property"),
        ({"source": "body", "property": "(x"}, "property"),
        ({"source": "body", "property": r"(x)\1"}, "property"),
    ],
)  # fmt: skip
def test_a_bad_extraction_is_named(fields: dict[str, Any], named: str) -> None:
    assert list(extracting(**fields)) == [f"steps.0.extract.0.{named}"]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"steps": []}, "steps"), ({"steps": [LOGIN] * 21}, "steps"), ({"steps": None}, "steps"),
        ({"secrets": [{"name": "x", "value": "y"}]}, "secrets.0.secret"),
        ({"secrets": [KEY | {"name": "a b"}]}, "secrets.0.name"),
        ({"secrets": [KEY | {"value": "x" * 4097}]}, "secrets.0.value"),
        ({"secrets": [KEY | {"value": 5}]}, "secrets.0.value"),
        ({"proxy": "x"}, "proxy"), ({"url": URL}, "url"), ({"timeout": 0}, "timeout"),
        ({"steps": [{"name": "a", "url": "http://a/"}], "http_version": "2"}, "http_version"),
    ],
)  # fmt: skip
def test_a_bad_field_is_named(fields: dict[str, Any], named: str) -> None:
    assert list(errors(**fields)) == [named]


def test_a_form_can_be_drawn_from_the_schema_alone() -> None:
    schema = steps.CHECK.config.model_json_schema()
    fields: dict[str, Any] = schema["properties"]

    for name, field in fields.items():
        assert field["title"] and field["description"], name
        assert isinstance(field["x-order"], int) and field["x-group"], name
    orders = [field["x-order"] for field in fields.values()]
    assert len(set(orders)) == len(orders)
    for model in schema["$defs"].values():
        assert all(one["title"] and one["description"] for one in model["properties"].values())


def test_it_is_known_whom_secrets_go_to() -> None:
    config = StepsConfig.model_validate(
        {
            "steps": [
                LOGIN,
                LOGIN | {"url": "https://a.example/?k={{key}}"},
                LOGIN | {"url": "https://b.example:8443/", "body": "{{key}}"},
                LOGIN | {"url": "https://c.example/", "body": "{{plain}}"},
            ],
            "secrets": [KEY, {"name": "plain", "value": "x", "secret": False}],
            "proxy": "http://proxy.lan:3128",
        }
    )

    assert config.secret_destinations == [
        "https://a.example", "https://b.example:8443", "proxy.lan:3128",
    ]  # fmt: skip


@given(st.text("{}ab_ \\", max_size=30), st.text(max_size=20))
def test_filling_in_is_done_once_and_only_for_what_is_known(text: str, value: str) -> None:
    filled = templates.fill(text, {"a": value}, templates.as_is)

    assert filled == value.join(text.split("{{a}}"))
    assert templates.fill(text, {}, templates.as_is) == text
