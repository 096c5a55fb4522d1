import time

import pytest
from pydantic import TypeAdapter, ValidationError

from uptimehunt.checks import text

PATTERN = TypeAdapter(text.Pattern)


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a|aa)+$", "(.*a){20}", "(a*)*b", "^(([a-z])+.)+[A-Z]([a-z])+$"]
)
def test_a_pattern_takes_linear_time(pattern: str) -> None:
    PATTERN.validate_python(pattern)
    began = time.monotonic()

    text.matches(pattern, b"a" * 65_536 + b"!")

    assert time.monotonic() - began < 0.5


@pytest.mark.parametrize(
    "pattern", ["(", "[z-a]", r"(a)\1", "(?=a)", "(?<=a)b", "a{2000}", "((a{100}){100}){100}", "*"]
)
def test_a_pattern_that_cannot_work_is_refused(
    pattern: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValidationError):
        PATTERN.validate_python(pattern)

    assert capfd.readouterr() == ("", "")


def test_a_pattern_is_found_anywhere_in_any_bytes() -> None:
    assert text.matches("gr.n", "\0so grün".encode() + b"\xff")
    assert text.matches("(?i)HELLO$", b"say hello")
    assert not text.matches("^hello", b"say hello")


def test_an_excerpt_is_masked_before_it_is_cut() -> None:
    data = b"x" * 195 + b"correct-horse" + b"\xff" + b"y" * 10_000

    shown = text.excerpt(data, ["horse", "correct-horse", None, ""])

    assert shown == "x" * 195 + "*****"
