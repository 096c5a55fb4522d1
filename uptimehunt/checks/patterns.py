"""Patterns on RE2, which never backtracks, and what a search with one can cost.

Linear time is not yet short: a pattern that RE2 cannot hold as a table is followed instruction by
instruction, and some thousand instructions on a megabyte take half a minute. So the size of the
compiled pattern counts, too.
"""

import functools
from typing import Any

import re2

LONGEST = 1000
"""Characters of a pattern."""


@functools.lru_cache(maxsize=256)
def compiled(pattern: str) -> Any:
    """The pattern, for bytes that are read as UTF-8.

    Raises:
        ValueError: it is none that RE2 takes, or too long.
    """
    if len(pattern) > LONGEST:
        raise ValueError("a pattern this long is not taken")
    options = re2.Options()
    options.log_errors = False  # to standard error, else
    try:
        return re2.compile(pattern.encode(), options)
    except re2.error as error:
        raise ValueError("not an RE2 expression") from error


def cost(pattern: str, length: int) -> int:
    """The most instructions that a search in so many bytes takes, at 10 to 20 ns each."""
    return int(compiled(pattern).programsize) * length
