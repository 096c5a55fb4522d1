"""One HTTP request with the redirects that it leads to; shared by types that make requests."""

from dataclasses import dataclass

from uptimehunt.checks import curl
from uptimehunt.checks.base import Deadline
from uptimehunt.checks.http_config import HttpConfig
from uptimehunt.checks.url import parse_url

_REDIRECTS = frozenset((301, 302, 303, 307, 308))


@dataclass(slots=True)
class Run:
    """What a run of requests needs besides a config.

    Attributes:
        deadline: when to give up.
        timeout_s: the whole check's seconds, for the sentence that says it was not enough.
        session: whose cookies to send, and to add to.
        is_body_secret: the body does not follow a redirect to another origin.
    """

    deadline: Deadline
    timeout_s: int
    session: curl.Session | None = None
    is_body_secret: bool = False


def follow(config: HttpConfig, run: Run, token: str = "") -> tuple[curl.Answer, int]:
    """The last answer, and how many redirects led to it.

    Args:
        config: what to request, and how far to follow.
        run: within what.
        token: a bearer token in place of the config's credentials.
    """
    method, with_body, redirects = config.method, True, 0
    request = config.first_request
    if token:
        request = config.request_to(config.parsed_url, method, with_body=True, token=token)
    spent: dict[str, float] = {}
    while True:
        answer = curl.exchange(request, run.deadline, run.timeout_s, run.session)
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
        if with_body and run.is_body_secret and url.origin != config.parsed_url.origin:
            message = "Redirected to another host, which does not get the secrets of the body"
            answer.fault = "protocol_error", message
            return answer, redirects
        spent = answer.timing
        redirects += 1
        request = config.request_to(url, method, with_body=with_body, token=token)
