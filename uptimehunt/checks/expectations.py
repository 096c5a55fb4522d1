"""What an HTTP answer is expected to be, and whether it is."""

import functools

from pydantic import BaseModel, Field

from uptimehunt.checks import curl, net
from uptimehunt.checks.answer_view import View
from uptimehunt.checks.assertions import Assertion, Failure, failures
from uptimehunt.checks.base import place, whole_ms
from uptimehunt.checks.http_fields import Statuses, status_codes


class Expectations(BaseModel):
    """The fields that judge an answer, for configs that make a request."""

    expected_status_code: Statuses = Field(
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
    assertions: list[Assertion] = Field(
        default=[],
        max_length=20,
        title="Assertions",
        description="Further statements that must hold; response times are in milliseconds.",
        json_schema_extra=place(13, "expect"),
    )

    @functools.cached_property
    def accepted_statuses(self) -> frozenset[int]:
        """Every status code that counts as success."""
        return frozenset(code for item in self._statuses for code in status_codes(item))

    @property
    def expected_text(self) -> str:
        """The accepted status codes as a person would write them."""
        return ", ".join(str(item) for item in self._statuses)

    @property
    def _statuses(self) -> list[int | str]:
        expected = self.expected_status_code
        if expected is None:
            return ["200-299"]
        return list(expected) if isinstance(expected, list) else [expected]

    def judge(self, answer: curl.Answer) -> tuple[net.Fault | None, list[Failure]]:
        """What a complete answer lacks: why it is no success, and which assertions failed.

        A failed assertion is among the reasons only when its severity is down.
        """
        if answer.status not in self.accepted_statuses:
            return (
                "status_mismatch",
                f"Answered {answer.status}, expected {self.expected_text}",
            ), []
        body = answer.body
        if self.keyword is not None and self.keyword.encode() not in body:
            return ("assertion_failed", f"Keyword not found in the {_part(answer)}"), []
        if self.keyword_absent is not None and self.keyword_absent.encode() in body:
            return ("assertion_failed", f"Unwanted keyword found in the {_part(answer)}"), []
        if not self.assertions:
            return None, []
        failed = failures(self.assertions, view_of(answer))
        down = next((failure for failure in failed if failure.is_down), None)
        return None if down is None else ("assertion_failed", down.sentence), failed


def _part(answer: curl.Answer) -> str:
    return f"first {len(answer.body)} bytes of the answer" if answer.truncated else "answer"


def view_of(answer: curl.Answer) -> View:
    """A complete answer as assertions see it."""
    certificate = answer.facts.get("certificate")
    return View(
        status=answer.status,
        headers=answer.headers(),
        body=answer.body,
        is_whole=not answer.truncated,
        response_time_ms=whole_ms(answer.timing["total"]),
        certificate_days=None if certificate is None else certificate["days_left"],
        size=answer.facts.get("size_download", 0),
    )
