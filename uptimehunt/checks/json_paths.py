"""JSON of a target, and JSONPath (RFC 9535) in it: bounded in size, depth and work.

What a path may cost is bounded twice: queries inside a filter lead to one value at the most, and
all searches in a document together may look at so many values. Without that, `$..[?@..a]` on a long
list would keep a processor busy for hours.
"""

import functools
import json
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from uptimehunt.checks import patterns

if TYPE_CHECKING:
    from jsonpath_rfc9535 import JSONPathEnvironment, JSONPathQuery
    from jsonpath_rfc9535.filter_expressions import Expression, FunctionExtension

LONGEST_PATH = 1000
LARGEST_DOCUMENT = 1_048_576
"""In bytes; 1 MiB of empty objects is 30 MB of Python's."""

_MOST_STEPS = 250_000
_INSTRUCTIONS_A_STEP = 100  # of a pattern, in the time that a value takes
_FRAMES = {"match": r"\A(?:%s)\z", "search": "%s"}

_searching = threading.local()  # `budget` of the search that runs in this thread


class UnreadableError(ValueError):
    """The answer is no JSON that can be searched; the message says why, in our own words."""


def parse(body: bytes) -> Any:
    """Read a document.

    Raises:
        UnreadableError: it is no JSON, too large, or nested too deeply.
    """
    if len(body) > LARGEST_DOCUMENT:
        raise UnreadableError("the answer is too large to be read as JSON")
    try:
        return json.loads(body.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except RecursionError:
        raise UnreadableError("the JSON of the answer is nested too deeply") from None
    except ValueError:  # also no UTF-8, and numbers of thousands of digits
        raise UnreadableError("the answer is not JSON") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def check_path(path: str) -> None:
    """Check that a path can be used.

    Raises:
        ValueError: it is no JSONPath, or one that could take too long.
    """
    _compiled(path)


class Budget:
    """How many values may still be looked at in a document."""

    def __init__(self) -> None:
        self._left = _MOST_STEPS

    def spend(self, steps: int) -> None:
        """Look at so many values.

        Raises:
            UnreadableError: they are too many.
        """
        self._left -= steps
        if self._left < 0:
            raise UnreadableError("the JSON of the answer is too large for this path")


def find(path: str, document: Any, budget: Budget) -> list[Any]:
    """The values that a path leads to, in order.

    Args:
        path: as `check_path` takes it.
        document: as `parse` gives it.
        budget: shared by all searches in the document.

    Raises:
        UnreadableError: the search was given up.
    """
    from jsonpath_rfc9535.exceptions import JSONPathError

    query = _compiled(path)
    nodes: Iterable[Any] = [_node_type()(document, document, budget)]
    _searching.budget = budget
    try:
        for segment in query.segments:
            nodes = segment.resolve(nodes)
        return [node.value for node in nodes]
    except (JSONPathError, RecursionError):
        raise UnreadableError("the JSON of the answer is nested too deeply") from None


@functools.lru_cache(maxsize=256)
def _compiled(path: str) -> "JSONPathQuery":
    from jsonpath_rfc9535.exceptions import JSONPathError

    try:
        query = _environment().compile(path)
        for segment in query.segments:
            segment.selectors = tuple(map(_bounded, segment.selectors))
    except (JSONPathError, RecursionError, UnicodeError) as error:
        raise ValueError("not a JSONPath") from error
    return query


# Loaded when the first path is used: with what it needs, the library takes 3 MB.
@functools.cache
def _environment() -> "JSONPathEnvironment":
    import jsonpath_rfc9535
    from jsonpath_rfc9535.function_extensions import ExpressionType, FilterFunction

    class Matches(FilterFunction):
        """`match` and `search` on RE2: the library's own run on an engine that can backtrack."""

        return_type = ExpressionType.LOGICAL

        def __init__(self, frame: str) -> None:
            self._frame = frame

        @property
        def arg_types(self) -> list[ExpressionType]:
            return [ExpressionType.VALUE, ExpressionType.VALUE]

        def __call__(self, value: object, pattern: object) -> bool:
            if not isinstance(value, str) or not isinstance(pattern, str):
                return False
            data = value.encode("utf-8", "replace")
            framed = self._frame % pattern
            instructions = patterns.cost(framed, len(data))
            _searching.budget.spend(instructions // _INSTRUCTIONS_A_STEP)
            return patterns.compiled(framed).search(data) is not None

    class Environment(jsonpath_rfc9535.JSONPathEnvironment):
        def setup_function_extensions(self) -> None:
            super().setup_function_extensions()
            for name, frame in _FRAMES.items():
                self.function_extensions[name] = Matches(frame)

    return Environment()


# --- the bounds --------------------------------------------------------------------------------


@functools.cache
def _node_type() -> type[Any]:
    from jsonpath_rfc9535.node import JSONPathNode

    class CountedNode(JSONPathNode):
        """A value on the way; each one made costs a step of the search's budget."""

        __slots__ = ("budget",)

        def __init__(self, value: object, root: Any, budget: Budget) -> None:
            super().__init__(value=value, location=(), parent=None, root=root)
            self.budget = budget

        def new_child(self, value: object, key: Any, parent: Any) -> "CountedNode":
            self.budget.spend(1)
            return CountedNode(value, self.root, self.budget)

    return CountedNode


def _bounded(selector: Any) -> Any:
    """A selector that pays for the values it looks at; only filters look without selecting.

    Raises:
        ValueError: a query in a filter can lead to more than one value.
    """
    from jsonpath_rfc9535.selectors import FilterSelector

    if not isinstance(selector, FilterSelector):
        return selector
    cost = _cost(selector.expression)

    class PaidFilter(FilterSelector):
        __slots__ = ()

        def resolve(self, node: Any) -> Iterable[Any]:
            if isinstance(node.value, dict | list):
                node.budget.spend(len(node.value) * cost)
            return super().resolve(node)

    return PaidFilter(env=selector.env, token=selector.token, expression=selector.expression)


def _cost(expression: "Expression") -> int:
    """How many parts of an expression are worked out for each value."""
    from jsonpath_rfc9535.filter_expressions import FilterQuery, FunctionExtension

    if isinstance(expression, FilterQuery):
        if not expression.query.singular_query():
            raise ValueError("a query in a filter can lead to more than one value")
        return 1 + len(expression.query.segments)
    if isinstance(expression, FunctionExtension):
        _check_pattern(expression)
    parts = [getattr(expression, name, None) for name in ("left", "right", "expression")]
    parts += getattr(expression, "args", ())
    return 1 + sum(_cost(part) for part in parts if part is not None)


def _check_pattern(function: "FunctionExtension") -> None:
    """Refuse a pattern that is none, or that the document would bring along.

    Raises:
        ValueError: it is.
    """
    from jsonpath_rfc9535.filter_expressions import StringLiteral

    if function.name in _FRAMES:
        pattern = function.args[1]
        if not isinstance(pattern, StringLiteral):
            raise ValueError("a pattern must be written out")
        patterns.compiled(_FRAMES[function.name] % pattern.value)
