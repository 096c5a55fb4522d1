"""The `steps` service type: HTTP requests in order, with variables taken from earlier answers.

Its config is in `steps_config.py`, the requests themselves are those of the `http` type.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from uptimehunt.checks import curl, http, templates
from uptimehunt.checks.answer_view import View
from uptimehunt.checks.assertions import Failure
from uptimehunt.checks.base import CheckError, CheckType, Deadline, Outcome, Target, whole_ms
from uptimehunt.checks.evidence import evidence
from uptimehunt.checks.expectations import view_of
from uptimehunt.checks.http_config import HttpConfig
from uptimehunt.checks.http_run import Run, follow
from uptimehunt.checks.json_paths import UnreadableError
from uptimehunt.checks.steps_config import Extraction, Step, StepsConfig

# What a step has from the config as a whole.
_SHARED = tuple(name for name in HttpConfig.model_fields if name in StepsConfig.model_fields)
_SHORTEST_HIDDEN = 8  # of values from answers: identifiers are shorter, tokens are not


@dataclass(slots=True)
class _Course:
    """How far a check has come.

    Attributes:
        session: the cookies so far.
        values: the variables so far.
        details: the outcome's.
        status: the last answer's status code.
        failed: the assertions that did not hold, of all steps.
    """

    session: curl.Session
    values: dict[str, str]
    details: dict[str, Any] = field(default_factory=dict)
    status: int | None = None
    failed: list[Failure] = field(default_factory=list)

    def hidden(self, config: StepsConfig) -> list[str]:
        """What must not appear in evidence: what was given, and what looks like a token."""
        given = {variable.name: variable.value for variable in config.secrets}
        taken = [
            value
            for name, value in self.values.items()
            if name not in given and len(value) >= _SHORTEST_HIDDEN
        ]
        secrets = [*given.values(), *taken, *self.session.cookie_values()]
        return [*secrets, config.proxy_password or ""]


def check(config: StepsConfig, deadline: Deadline) -> Outcome:
    """Make the requests in order, up to the first that fails.

    Returns:
        details: `steps` (`name`, `status_code`, `response_time` in ms of each that was made),
        `timing` and `redirects` added up over all of them, and of the last one the facts that
        the `http` type tells, but for the `certificate`: that is the one to expire first.
    """
    session = curl.Session()
    course = _Course(session, {variable.name: variable.value for variable in config.secrets})
    course.details = {"steps": [], "timing": dict.fromkeys(curl.PHASES, 0.0), "redirects": 0}
    try:
        for number, step in enumerate(config.steps, start=1):
            try:
                _take(config, step, course, deadline)
            except CheckError as error:
                message = f"Step {number} ({step.name}): {error.message}"
                return Outcome(False, None, error.kind, message, course.status, course.details)
    finally:
        session.close()
    response_time_ms = whole_ms(course.details["timing"]["total"])
    return Outcome(True, response_time_ms, status_code=course.status, details=course.details)


def _take(config: StepsConfig, step: Step, course: _Course, deadline: Deadline) -> None:
    """Make one request, judge its answer, and take values from it.

    Raises:
        CheckError: it failed.
    """
    request = _filled_in(config, step, course.values)
    has_values = step.body is not None and bool(templates.names(step.body))
    run = Run(deadline, config.timeout, course.session, is_body_secret=has_values)
    answer, redirects = follow(request, run)
    _add_facts(request, step, course, answer, redirects)
    fault = answer.fault
    if fault is None:
        fault, failed = http.judge(request, answer)
        course.failed += failed
    if course.failed:
        http.warn(course.details, course.failed)
    try:
        if fault is not None:
            raise CheckError(*fault)
        view = view_of(answer)
        for extraction in step.extract:
            course.values[extraction.variable] = _taken(extraction, view)
    except CheckError:
        course.details |= evidence(answer, course.hidden(config))
        raise


def _filled_in(config: StepsConfig, step: Step, values: dict[str, str]) -> HttpConfig:
    """The step as a config of the `http` type.

    Raises:
        CheckError: with these values there is none.
    """
    body = step.body
    if body is not None:
        body = templates.fill(body, values, templates.IN_BODY[step.body_type])
    wanted = {
        "url": templates.fill(step.url, values, templates.in_url),
        "method": step.method,
        # A header with a variable does not follow to another origin, whatever its name.
        "headers": [
            {
                "name": header.name,
                "value": templates.fill(header.value, values, templates.as_is),
                "secret": bool(templates.names(header.value)),
            }
            for header in step.headers
        ],
        "body": body,
        "body_type": step.body_type,
        "expected_status_code": step.expected_status_code,
        "keyword": step.keyword,
        "keyword_absent": step.keyword_absent,
        "assertions": step.assertions,
        **{name: getattr(config, name) for name in _SHARED},
    }
    try:
        return HttpConfig.model_validate(wanted)
    except ValidationError as error:
        names = {str(finding["loc"][0]) for finding in error.errors() if finding["loc"]}
        what = {"url": "URL", "headers": "header"}.get(min(names, default=""), "body")
        message = f"With the values of the variables there is no valid {what}"
        raise CheckError("assertion_failed", message) from None


def _add_facts(
    request: HttpConfig, step: Step, course: _Course, answer: curl.Answer, redirects: int
) -> None:
    """Add what is told of an answer to what is told of those before."""
    course.status = answer.status or None
    facts, details = http.facts_of(request, answer), course.details
    spent, seconds = details["timing"], answer.timing
    seen = [one["certificate"] for one in (details, facts) if "certificate" in one]
    details.pop("truncated", None)
    details |= facts
    details["timing"] = {phase: round(spent[phase] + seconds[phase], 6) for phase in seconds}
    details["redirects"] += redirects
    if seen:
        details["certificate"] = min(seen, key=lambda certificate: int(certificate["days_left"]))
    details["steps"].append(
        {
            "name": step.name,
            "status_code": course.status,
            "response_time": whole_ms(seconds["total"]) if answer.fault is None else None,
        }
    )


def _taken(extraction: Extraction, view: View) -> str:
    """The value that an answer holds.

    Raises:
        CheckError: none, or one that is too long or no text.
    """
    name = extraction.variable
    try:
        value = _found(extraction, view)
    except UnreadableError as error:
        message = f"Variable {name} cannot be taken: {error}"
        raise CheckError("assertion_failed", message) from None
    if value is None:
        raise CheckError("assertion_failed", f"Variable {name} not found in the answer")
    if len(value) > templates.LONGEST_VALUE:
        message = f"Variable {name} is longer than {templates.LONGEST_VALUE} characters"
        raise CheckError("assertion_failed", message)
    return value


def _found(extraction: Extraction, view: View) -> str | None:
    match extraction.source:
        case "header":
            return view.header(extraction.property)
        case "body":
            match = view.search(extraction.property, view.body)
            group = None if match is None else match.group(1)
            return None if group is None else str(group, "utf-8", "replace")
        case "json":
            return _as_text(next(iter(view.values(extraction.property)), None))


def _as_text(value: Any) -> str | None:
    """A text, a number or a truth value as text; None for anything else."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()  # halves of surrogate pairs cannot be sent
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    return None


def _target(config: StepsConfig) -> Target:
    url = config.first_url
    return Target(host=url.host, port=url.port, label=url.label)


CHECK = CheckType(
    type="steps",
    name="HTTP steps",
    description="Makes requests in order, with values of one answer in the next request.",
    category="web",
    icon="globe",
    config=StepsConfig,
    check=check,
    target=_target,
    timing_phases=curl.PHASES,
)
