"""The `http` service type: one HTTP(S) request, redirects followed, judged by status and content.

Here is the course of a check; its config is in `http_config.py`, the redirects in `http_run.py`,
the exchange in `curl.py`.
"""

from typing import Any

from uptimehunt.checks import curl, net, oauth2
from uptimehunt.checks.assertions import Failure
from uptimehunt.checks.base import CheckError, CheckType, Deadline, Outcome, Target, whole_ms
from uptimehunt.checks.evidence import evidence
from uptimehunt.checks.http_config import HttpConfig
from uptimehunt.checks.http_run import Run, follow

_UNAUTHORIZED = 401
_PROXY_LOGIN_REQUIRED = 407


def check(config: HttpConfig, deadline: Deadline) -> Outcome:
    """Request the URL, follow redirects, and judge the last answer.

    Returns:
        details as in the API contract, section 4: `remote_ip`, `http_status_code`,
        `http_version`, `timing` (seconds, cumulative over all redirects), `size_download`,
        `speed_download`, `redirects` (how many), and where they apply `certificate`, `truncated`,
        `token_time` (seconds that it took to fetch a token, which `timing` leaves out), `proxy`,
        `failed_assertions`, `warning` (`certificate_expiring`, `assertion_failed`); after a
        failure also `response_headers` and `body`.
    """
    run, grant = Run(deadline, config.timeout), config.grant
    token: oauth2.Token | None = None
    if grant is None:
        answer, redirects = follow(config, run)
    else:
        answer, redirects, token = _follow_with_token(config, grant, run)
    details = facts_of(config, answer)
    details["redirects"] = redirects
    if token is not None and token.fetched_s is not None:
        details["token_time"] = token.fetched_s
    fault = answer.fault
    response_time_ms = None
    if fault is None:
        response_time_ms = whole_ms(answer.timing["total"])
        fault, failed = judge(config, answer)
        if failed:
            warn(details, failed)
    if fault is None:
        return Outcome(True, response_time_ms, status_code=answer.status, details=details)
    kind, message = fault
    secrets = config.secret_values
    details |= evidence(answer, secrets if token is None else [*secrets, token.value])
    return Outcome(False, response_time_ms, kind, message, answer.status or None, details)


def _follow_with_token(
    config: HttpConfig, grant: oauth2.Grant, run: Run
) -> tuple[curl.Answer, int, oauth2.Token | None]:
    """The last answer, the redirects that led to it, and the token that was used.

    A kept token that is refused is replaced once.
    """
    token = None
    try:
        token = oauth2.token(grant, run.deadline, run.timeout_s)
        answer, redirects = follow(config, run, token.value)
        if answer.status == _UNAUTHORIZED and token.fetched_s is None:
            oauth2.forget(grant, token.value)
            token = oauth2.token(grant, run.deadline, run.timeout_s)
            answer, redirects = follow(config, run, token.value)
    except CheckError as error:
        return curl.failed((error.kind, error.message)), 0, token
    return answer, redirects, token


def facts_of(config: HttpConfig, answer: curl.Answer) -> dict[str, Any]:
    """What is told of an answer, whatever is thought of it."""
    facts = answer.facts
    facts["timing"] = answer.timing
    if answer.truncated:
        facts["truncated"] = True
    if config.parsed_proxy is not None:
        facts["proxy"] = config.parsed_proxy.peer
    certificate, warn_days = facts.get("certificate"), config.certificate_warn_days
    if answer.fault is None and certificate and warn_days and certificate["days_left"] < warn_days:
        facts["warning"] = "certificate_expiring"
    return facts


def judge(config: HttpConfig, answer: curl.Answer) -> tuple[net.Fault | None, list[Failure]]:
    """Why a complete answer is no success, and which assertions failed."""
    fault, failed = config.judge(answer)
    if fault is not None and fault[0] == "status_mismatch":
        if answer.status == _UNAUTHORIZED and config.auth_type not in ("none", "mtls"):
            return ("authentication_failed", "The login was refused (answered 401)"), failed
        if answer.status == _PROXY_LOGIN_REQUIRED and config.parsed_proxy is not None:
            message = f"The proxy {config.parsed_proxy.peer} refused the login (answered 407)"
            return ("authentication_failed", message), failed
    return fault, failed


def warn(details: dict[str, Any], failed: list[Failure]) -> None:
    """Tell of failed assertions; those that leave the service up are a warning."""
    details["failed_assertions"] = [failure.fact() for failure in failed]
    if not any(failure.is_down for failure in failed):
        details["warning"] = "assertion_failed"


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
    libraries=("jsonpath_rfc9535",),
)
