import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from uptimehunt.checks import json_paths
from uptimehunt.checks.answer_view import View
from uptimehunt.checks.assertions import Assertion, failures

HEADERS = [("Server", "nginx"), ("X-Left", "12"), ("Via", "a"), ("via", "b"), ("X-Empty", "")]
DOCUMENT = {
    "status": "ok",
    "up": True,
    "none": None,
    "count": 3,
    "ratio": 0.5,
    "text": "5",
    "list": ["a", 2, None],
    "object": {"k": 1},
    "many": [{"x": 1, "n": "one"}, {"x": 2, "n": "two"}],
    "huge": 1e999,
}


def view(body: bytes | None = None, **fields: Any) -> View:
    whole = json.dumps(DOCUMENT).replace("Infinity", "1e999").encode() if body is None else body
    given: dict[str, Any] = {
        "status": 200,
        "headers": HEADERS,
        "body": whole,
        "is_whole": True,
        "response_time_ms": 120,
        "certificate_days": 30,
        "size": len(whole),
    }
    return View(**given | fields)


def assertion(*said: Any, **more: Any) -> Assertion:
    """`source [property] operator [value]`, as a person would say it."""
    source, *rest = said
    fields = {"source": source}
    if source in ("header", "json"):
        fields["property"] = rest.pop(0)
    fields["operator"] = rest.pop(0)
    if rest:
        fields["value"] = rest.pop(0)
    return Assertion.model_validate(fields | more)


TABLE: list[tuple[bool, tuple[Any, ...]]] = [
    (True, ("status_code", "equals", 200)), (True, ("status_code", "equals", "200")),
    (False, ("status_code", "equals", 201)), (True, ("status_code", "not_equals", 201)),
    (True, ("status_code", "in", [200, "204"])), (False, ("status_code", "in", [201])),
    (True, ("status_code", "lt", 300)), (False, ("status_code", "gt", 200)),
    (True, ("status_code", "gte", 200)), (True, ("status_code", "lte", "200.0")),
    (True, ("response_time", "lt", 121)), (False, ("response_time", "lt", 120)),
    (True, ("certificate_days", "gt", 14)), (True, ("certificate_days", "exists")),
    (False, ("certificate_days", "exists", False)), (True, ("size", "gt", 10)),
    (True, ("header", "server", "equals", "nginx")), (True, ("header", "SERVER", "exists")),
    (False, ("header", "Server", "exists", "false")), (False, ("header", "X-No", "exists")),
    (True, ("header", "X-No", "exists", False)), (True, ("header", "X-Empty", "exists", True)),
    (True, ("header", "X-No", "not_equals", "x")), (False, ("header", "X-No", "equals", "x")),
    (True, ("header", "X-No", "not_contains", "x")), (False, ("header", "X-No", "in", ["x"])),
    (False, ("header", "X-No", "lt", 5)), (True, ("header", "X-Left", "gt", 10)),
    (True, ("header", "X-Left", "equals", 12)), (False, ("header", "Server", "gt", 10)),
    (True, ("header", "Via", "equals", "a, b")), (True, ("header", "Server", "matches", "^ng")),
    (True, ("header", "Server", "contains", "gin")), (False, ("header", "X-No", "matches", ".*")),
    (True, ("body", "contains", '"ok"')), (False, ("body", "not_contains", '"ok"')),
    (True, ("body", "matches", r'"count":\s*\d')), (False, ("body", "matches", "^nothing$")),
    (True, ("body", "exists")), (False, ("body", "equals", "x")), (False, ("body", "gt", 5)),
    (True, ("json", "$.status", "equals", "ok")), (False, ("json", "$.status", "equals", "OK")),
    (True, ("json", "$.up", "equals", True)), (True, ("json", "$.up", "equals", "true")),
    (False, ("json", "$.up", "equals", 1)), (False, ("json", "$.up", "gt", 0)),
    (True, ("json", "$.none", "equals", "null")), (True, ("json", "$.none", "exists")),
    (False, ("json", "$.none", "equals", "None")), (False, ("json", "$.none", "equals", 0)),
    (True, ("json", "$.count", "equals", 3)), (True, ("json", "$.count", "equals", "3")),
    (True, ("json", "$.count", "equals", 3.0)), (False, ("json", "$.count", "equals", True)),
    (True, ("json", "$.count", "in", [1, 3])), (True, ("json", "$.count", "matches", "^3$")),
    (True, ("json", "$.ratio", "lt", 1)), (True, ("json", "$.text", "equals", 5)),
    (True, ("json", "$.list", "contains", "a")), (True, ("json", "$.list", "contains", 2)),
    (True, ("json", "$.list", "contains", "null")), (False, ("json", "$.list", "contains", "z")),
    (False, ("json", "$.list", "equals", "a")), (False, ("json", "$.list", "matches", "a")),
    (True, ("json", "$.object", "contains", "k")), (False, ("json", "$.object", "lt", 5)),
    (True, ("json", "$.many[*].x", "contains", 2)), (False, ("json", "$.many[*].x", "equals", 1)),
    (True, ("json", "$.many[?@.x>1].n", "equals", "two")), (True, ("json", "$..n", "exists")),
    (True, ("json", "$.list[-1]", "exists")), (False, ("json", "$.list[99999999999]", "exists")),
    (False, ("json", "$.missing", "exists")), (True, ("json", "$.missing", "exists", False)),
    (True, ("json", "$.missing", "not_equals", 1)), (True, ("json", "$.huge", "gt", 5)),
    (True, ("json", "$.many[?match(@.n, 'o.e')].x", "equals", 1)),
    (True, ("json", "$.many[?search(@.n, 'w')].x", "equals", 2)),
]  # fmt: skip


@pytest.mark.parametrize(("holds", "said"), TABLE)
def test_an_assertion_holds_or_fails(holds: bool, said: tuple[Any, ...]) -> None:
    assert (failures([assertion(*said)], view()) == []) is holds


def test_without_a_certificate_its_days_are_missing() -> None:
    plain = view(certificate_days=None)

    assert failures([assertion("certificate_days", "exists", False)], plain) == []
    assert failures([assertion("certificate_days", "gt", 14)], plain) != []


def test_a_failure_names_the_assertion_and_not_what_the_target_said() -> None:
    found = failures(
        [
            assertion("header", "Server", "equals", "Caddy"),
            assertion("status_code", "equals", 200),
            assertion("json", "$.count", "gt", 5, severity="degraded"),
            assertion("body", "contains", "x" * 500),
        ],
        view(),
    )

    assert [failure.sentence for failure in found[:2]] == [
        'Assertion 1 failed: header Server equals "Caddy"',
        "Assertion 3 failed: json $.count gt 5",
    ]
    assert [failure.is_down for failure in found] == [True, False, True]
    assert [failure.actual for failure in found] == [None, 3, None]
    assert len(found[2].sentence) < 200
    assert "nginx" not in str(found)
    assert found[1].fact() == {
        "message": "Assertion 3 failed: json $.count gt 5", "severity": "degraded", "actual": 3,
    }  # fmt: skip


def test_no_infinite_number_is_told() -> None:
    found = failures([assertion("json", "$.huge", "lt", 5)], view())

    assert found[0].actual is None


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "not JSON"), (b"\xff\xfe", "not JSON"), (b"NaN", "not JSON"), (b"{", "not JSON"),
        (b"1" * 5000, "not JSON"), (b"[" * 100_000, "nested too deeply"),
        (b"[" + b"1," * 600_000 + b"1]", "too large to be read"),
    ],
)  # fmt: skip
def test_a_body_that_is_no_json_fails_every_json_assertion(body: bytes, why: str) -> None:
    said = [
        assertion("json", "$.a", "exists"),
        assertion("json", "$.a", "exists", False),
        assertion("json", "$.a", "not_equals", 1),
    ]

    found = failures(said, view(body))

    assert len(found) == 3 and all(why in failure.sentence for failure in found)


def test_json_that_was_cut_off_is_not_read() -> None:
    found = failures([assertion("json", "$.status", "exists")], view(is_whole=False))

    assert "too long" in found[0].sentence


DEEP = [b'{"a":' * 900 + b"1" + b"}" * 900, b"[" * 900 + b"]" * 900]
WIDE = [
    json.dumps({str(number): number for number in range(100_000)}).encode(),
    json.dumps([{"x": number} for number in range(20_000)]).encode(),
    b"[" + b"0," * 100_000 + b"0]",
]
PATHS = [
    "$", "$[-1]", "$[99999999999]", "$..x", "$..*", "$..*..*..*", "$[*][*]", "$[?@.x==1]",
    "$..[?@.x==1 || @.y!=2]", "$[::-1]", "$[?match(@.x, '(a+)+$')]", "$[?length(@)>3]",
    "$[?@==$[0]]", "$['x','x','x']", "$[*,*][*,*][*,*][*,*][*,*][*,*][*,*][*,*][*,*][*,*][*,*]",
    "$[?" + "||".join(["@.a==1"] * 100) + "]",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_no_path_takes_long_or_raises_on_any_document(path: str) -> None:
    said = [assertion("json", path, "equals", "x"), assertion("json", path, "contains", 1)]
    for body in [b"null", b"[]", b'"x"', b"{}", b"\xff", b"5", *DEEP, *WIDE]:
        began = time.process_time()
        failures(said, view(body))
        assert time.process_time() - began < 3, body[:20]


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a|aa)+$", "(.*a){20}", "^(([a-z])+.)+[A-Z]([a-z])+$"]
)
def test_patterns_take_linear_time(pattern: str) -> None:
    began = time.process_time()
    failures([assertion("body", "matches", pattern)], view(b"a" * 1_000_000 + b"!"))

    assert time.process_time() - began < 2


def test_a_pattern_that_could_take_too_long_is_not_searched_for() -> None:
    slow = "((a?){30}){30}b"
    document = json.dumps([{"s": "a" * 1000}] * 900).encode()
    said = [assertion("json", f"$[?search(@.s, '{slow}')]", "exists")]

    began = time.process_time()
    found = failures([assertion("body", "matches", slow)], view(b"a" * 1_000_000))
    filtered = failures(said, view(document))

    assert time.process_time() - began < 2
    assert found[0].sentence.endswith("the answer is too long for so large a pattern")
    assert filtered[0].sentence.endswith("too large for this path")
    assert failures([assertion("body", "matches", slow)], view(b"a" * 1000 + b"b")) == []


def test_all_assertions_share_what_may_be_spent() -> None:
    body = json.dumps(list(range(50_000))).encode()
    found = failures([assertion("json", "$..*", "contains", 1)] * 20, view(body))

    assert len(found) == 15


BAD: list[tuple[str, dict[str, Any]]] = [
    ("source", {"source": "colour", "operator": "exists"}),
    ("operator", {"source": "body", "operator": "like", "value": "x"}),
    ("operator", {"source": "status_code", "operator": "matches", "value": "2.."}),
    ("operator", {"source": "size", "operator": "exists"}),
    ("property", {"source": "header", "operator": "exists"}),
    ("property", {"source": "header", "property": "a b", "operator": "exists"}),
    ("property", {"source": "json", "operator": "exists"}),
    ("property", {"source": "body", "property": "x", "operator": "exists"}),
    ("property", {"source": "json", "property": "x" * 1001, "operator": "exists"}),
    ("severity", {"source": "body", "operator": "exists", "severity": "broken"}),
    ("more", {"source": "body", "operator": "exists", "more": 1}),
    *(
        ("property", {"source": "json", "property": path, "operator": "exists"})
        for path in ("", "x", "$.", "$[", "$..", "$[?@..x]", "$[?@[*]]", "$[?count(@.*)>1]", "$\0",
                     "$[9007199254740992]",
                     "$[?@[?@.x]]", "$[?nope(@.x)]", "$[?$..x]",
                     "$[?match(@.x, @.y)]", "$[?search(@.x, '(a')]", r"$[?match(@.x, '(a)\\1')]")
    ),
    *(
        ("value", {"source": source, "operator": operator, "value": value})
        for source, operator, value in (
            ("status_code", "equals", None), ("status_code", "equals", "abc"),
            ("status_code", "equals", True), ("status_code", "lt", []), ("body", "lt", "abc"),
            ("body", "lt", "nan"), ("body", "lt", "1_000"), ("body", "equals", ""),
            ("body", "equals", {}), ("body", "equals", ["x"]), ("body", "equals", "x" * 1025),
            ("body", "equals", "\ud800"), ("body", "in", "x"), ("body", "in", []),
            ("body", "in", [[]]), ("body", "in", ["x"] * 101), ("size", "in", ["x"]),
            ("body", "matches", 5), ("body", "matches", "(a"), ("body", "matches", r"(a)\1"),
            ("body", "matches", "(?<=a)b"), ("body", "matches", "x" * 1001),
            ("body", "matches", "\ud800"), ("body", "matches", "(x{1000}){1000}"),
            ("body", "exists", "maybe"), ("body", "exists", 5), ("body", "exists", []),
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize(("field", "fields"), BAD)
def test_an_assertion_that_could_never_hold_is_refused(field: str, fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(list[Assertion]).validate_python([fields])

    assert {error["loc"][:2] for error in caught.value.errors()} == {(0, field)}


def test_refusing_takes_no_time() -> None:
    for pattern in ("(a+)+$" * 160, "(((a*)*)*)*", ".*" * 500, "x{1000}"):
        began = time.process_time()
        TypeAdapter(Assertion).validate_python(
            {"source": "body", "operator": "matches", "value": pattern}
        )
        assert time.process_time() - began < 0.1


# --- whatever a target sends -------------------------------------------------------------------

SAID = [assertion(*said) for _holds, said in TABLE] + [
    assertion("json", path, operator, value)
    for path in ("$..x", "$[-1]", "$..*", "$[?@.x<2]", "$[?@.x==@.y]", "$[?match(@.x,'x.')]", "$")
    for operator, value in (("equals", "x"), ("contains", 1), ("in", [1, "x", True]), ("lt", 5))
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["x", "y", "status", "list"]), inner, max_size=4)
    ),
    max_leaves=20,
)
BODIES = st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode())


@settings(max_examples=200)
@given(BODIES, st.lists(st.tuples(st.text(max_size=9), st.text(max_size=9)), max_size=3))
def test_no_answer_makes_an_assertion_raise(body: bytes, headers: list[tuple[str, str]]) -> None:
    for failure in failures(SAID, view(body, headers=headers)):
        json.dumps(failure.fact(), allow_nan=False)


@settings(max_examples=200)
@given(st.text("$.[]*?@x'()!&|=<>-:, 01", max_size=30))
def test_no_path_makes_checking_it_raise_anything_else(path: str) -> None:
    try:
        json_paths.check_path("$" + path)
    except ValueError:
        return
    for body in (b'{"x": [1, {"x": 0}]}', b"[[0, 1], [1]]"):
        failures([assertion("json", "$" + path, "equals", 1)], view(body))
