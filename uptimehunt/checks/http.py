"""The `http` service type: one HTTP(S) request, redirects followed, judged by status and content.

Here is the course of a check; its config is in `http_config.py`, the exchange in `curl.py`.
"""

from typing import Any

from uptimehunt.checks import curl, net
from uptimehunt.checks.base import CheckType, Deadline, Outcome, Target, whole_ms
from uptimehunt.checks.http_config import SENSITIVE_NAME, HttpConfig
from uptimehunt.checks.url import parse_url

_MASK = "********"
_EXCERPT_BYTES = 2048
_LONGEST_SECRET = 8192
_MOST_HEADERS_SHOWN = 64
_LONGEST_HEADER_SHOWN = 1024
_REDIRECTS = frozenset((301, 302, 303, 307, 308))


def check(config: HttpConfig, deadline: Deadline) -> Outcome:
    """Request the URL, follow redirects, and judge the last answer.

    Returns:
        details as in the API contract, section 4: `remote_ip`, `http_status_code`,
        `http_version`, `timing` (seconds, cumulative over all redirects), `size_download`,
        `speed_download`, `redirects` (how many), and where they apply `certificate`, `truncated`,
        `warning` (`certificate_expiring`); after a failure also `response_headers` and `body`.
    """
    answer, redirects = _follow(config, deadline)
    fault = answer.fault
    details = answer.facts
    details["timing"] = answer.timing
    details["redirects"] = redirects
    if answer.truncated:
        details["truncated"] = True
    response_time_ms = None
    if fault is None:
        response_time_ms = whole_ms(answer.timing["total"])
        certificate, warn_days = details.get("certificate"), config.certificate_warn_days
        if certificate and warn_days and certificate["days_left"] < warn_days:
            details["warning"] = "certificate_expiring"
        fault = _judge(config, answer)
    if fault is None:
        return Outcome(True, response_time_ms, status_code=answer.status, details=details)
    kind, message = fault
    details.update(_evidence(config, answer))
    return Outcome(False, response_time_ms, kind, message, answer.status or None, details)


def _follow(config: HttpConfig, deadline: Deadline) -> tuple[curl.Answer, int]:
    """The last answer, and how many redirects led to it."""
    request = config.first_request
    method, with_body, redirects = config.method, True, 0
    spent: dict[str, float] = {}
    while True:
        answer = curl.exchange(request, deadline, config.timeout)
        if spent:
            answer.timing = {
                phase: round(spent[phase] + seconds, 6) for phase, seconds in answer.timing.items()
            }
        if (
            answer.fault is not None
            or answer.status not in _REDIRECTS
            or not answer.location
            or not config.follow_redirects
        ):
            return answer, redirects
        if redirects == config.max_redirects:
            answer.fault = "too_many_redirects", f"Redirected more than {redirects} times"
            return answer, redirects
        try:
            url = parse_url(answer.location)
        except ValueError:
            answer.fault = "protocol_error", "Redirected to something that is no http or https URL"
            return answer, redirects
        # As browsers do: 303 always turns into GET, 301 and 302 turn a POST into one.
        if (answer.status == 303 and method != "HEAD") or (
            answer.status in (301, 302) and method == "POST"
        ):
            method, with_body = "GET", False
        spent = answer.timing
        redirects += 1
        request = config.request_to(url, method, with_body=with_body)


def _judge(config: HttpConfig, answer: curl.Answer) -> net.Fault | None:
    """What the answer lacks of what the config expects; None when nothing."""
    if answer.status not in config.accepted_statuses:
        return "status_mismatch", f"Answered {answer.status}, expected {config.expected_text}"
    part = f"first {config.max_body_bytes} bytes of the answer" if answer.truncated else "answer"
    if config.keyword is not None and config.keyword.encode() not in answer.body:
        return "assertion_failed", f"Keyword not found in the {part}"
    if config.keyword_absent is not None and config.keyword_absent.encode() in answer.body:
        return "assertion_failed", f"Unwanted keyword found in the {part}"
    return None


def _evidence(config: HttpConfig, answer: curl.Answer) -> dict[str, Any]:
    """Headers and the start of the body, for people, with our secrets and the target's masked."""
    if not answer.status:
        return {}
    secrets = config.secret_values

    def mask(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, _MASK)
        return text

    headers: list[dict[str, str]] = []
    for line in answer.header_lines:
        if line.startswith(b"HTTP/"):  # an interim answer came first (100, 103)
            headers.clear()
        name, colon, value = line.decode("latin-1").partition(":")
        if colon and len(headers) < _MOST_HEADERS_SHOWN:
            shown = _MASK if SENSITIVE_NAME.search(name) else mask(value.strip())
            headers.append({"name": name[:256], "value": shown[:_LONGEST_HEADER_SHOWN]})
    # Masked before it is cut, so that no half of a secret is left at the end.
    start = answer.body[: _EXCERPT_BYTES + _LONGEST_SECRET].decode("utf-8", "replace")
    return {"response_headers": headers, "body": mask(start)[:_EXCERPT_BYTES]}


def _target(config: HttpConfig) -> Target:
    url = config.parsed_url
    return Target(host=url.host, port=url.port, label=url.label)


CHECK = CheckType(
    type="http",
    name="HTTP(S)",
    description="Requests a URL and judges status, content and certificate of the answer.",
    category="web",
    icon="globe",
    config=HttpConfig,
    check=check,
    target=_target,
    timing_phases=curl.PHASES,
)
