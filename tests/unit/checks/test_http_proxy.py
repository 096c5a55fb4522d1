import pytest
from pydantic import ValidationError

from tests.targets import proxy, tcp, tls
from tests.targets.http import HttpTarget, http_target
from tests.targets.proxy import ProxyTarget
from tests.unit.checks.conftest import check, header, query
from uptimehunt.checks import net
from uptimehunt.checks.http_config import HttpConfig

LOGIN = ("bob", "s3cret-word")


def address(scheme: str, server: ProxyTarget, user: str = "") -> str:
    return f"{scheme}://{user}{'@' if user else ''}127.0.0.1:{server.port}"


def test_a_plain_request_goes_through_an_http_proxy(site: HttpTarget) -> None:
    with proxy.http_proxy() as server:
        outcome = check(f"{site.url}/redirect?to=/", proxy=address("http", server))

    assert outcome.ok, outcome
    assert server.asked == [f"GET {site.url}/redirect?to=/", f"GET {site.url}/"]
    assert outcome.details["proxy"] == f"127.0.0.1:{server.port}"


def test_a_secure_request_goes_through_a_tunnel_that_learns_nothing() -> None:
    headers = [header("X-Key", "canary", secret=True)]
    with tls.https_target() as site, proxy.http_proxy() as server:
        outcome = check(
            f"{site.url}/status/500",
            proxy=address("http", server),
            ca_pem=tls.ca_pem(),
            headers=headers,
        )

    assert server.asked == [f"CONNECT 127.0.0.1:{site.port}"]
    assert b"canary" not in server.heads[0]
    assert site.requests[0].headers["x-key"] == "canary"
    assert (outcome.error, outcome.status_code) == ("status_mismatch", 500)
    assert outcome.details["certificate"]["days_left"] > 0
    assert "X-From" not in str(outcome.details["response_headers"])


def test_a_socks_proxy_resolves_the_name_itself(site: HttpTarget) -> None:
    with proxy.socks_proxy() as server:
        outcome = check(f"http://localhost:{site.port}/", proxy=address("socks5", server))

    assert outcome.ok, outcome
    assert server.asked == [f"localhost:{site.port}"]


@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_a_proxy_may_want_a_login(site: HttpTarget, scheme: str) -> None:
    start = proxy.http_proxy if scheme == "http" else proxy.socks_proxy
    with start(LOGIN) as server:
        where = address(scheme, server, LOGIN[0])
        good = check(f"{site.url}/", proxy=where, proxy_password=LOGIN[1])
        bad = check(f"{site.url}/", proxy=where, proxy_password="wrong-canary")
        none = check(f"{site.url}/", proxy=address(scheme, server))

    assert good.ok, good
    expected = "authentication_failed" if scheme == "http" else "network_unreachable"
    assert (bad.error, none.error) == (expected, expected)
    assert "proxy" in bad.message and "canary" not in str(bad)
    assert "proxy-authorization" not in site.requests[-1].headers or scheme == "http"


def test_a_tunnel_that_is_refused_is_named() -> None:
    with tcp.closed_port() as port, proxy.http_proxy(LOGIN) as server:
        where = {"proxy": address("http", server, LOGIN[0])}
        gone = check(f"https://127.0.0.1:{port}/", **where, proxy_password=LOGIN[1])
        stranger = check(f"https://127.0.0.1:{port}/", **where, proxy_password="x")

    peer = f"proxy 127.0.0.1:{server.port}"
    assert gone.error == "network_unreachable"
    assert gone.message == f"The {peer} made no connection (answered 502)"
    assert stranger.error == "authentication_failed"
    assert stranger.message == f"The {peer} refused the login (answered 407)"


def test_a_proxy_that_is_down_is_named(site: HttpTarget) -> None:
    with tcp.closed_port() as port:
        for scheme in ("http", "socks5"):
            outcome = check(f"{site.url}/", proxy=f"{scheme}://127.0.0.1:{port}")
            assert outcome.error == "connection_refused"
            assert outcome.message == f"Connection refused by proxy 127.0.0.1:{port}"
    assert site.requests == []


@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_a_silent_proxy_ends_at_the_deadline(site: HttpTarget, scheme: str) -> None:
    with tcp.silent() as port:
        outcome = check(f"{site.url}/", proxy=f"{scheme}://127.0.0.1:{port}")

    assert outcome.error == "timeout"


def test_a_proxy_that_talks_nonsense_is_a_failure(site: HttpTarget) -> None:
    with tcp.replying(b"\x00\x01nonsense\r\n\r\n") as port:
        plain = check(f"{site.url}/", proxy=f"http://127.0.0.1:{port}")
    with tcp.dripping(b"\xff") as port:
        socks = check(f"{site.url}/", proxy=f"socks5://127.0.0.1:{port}")

    assert plain.error == "protocol_error"
    assert not socks.ok and socks.error in ("network_unreachable", "timeout")


@pytest.mark.parametrize("proxied", ["http://169.254.169.254:80", "socks5://[fd00:ec2::254]:1080"])
def test_the_address_policy_holds_for_the_proxy(site: HttpTarget, proxied: str) -> None:
    outcome = check(f"{site.url}/", proxy=proxied)

    assert outcome.error == "network_unreachable"
    assert outcome.message.endswith("is never probed")


@pytest.mark.parametrize("host", ["169.254.169.254", "2852039166", "[::ffff:169.254.169.254]"])
def test_a_proxy_is_not_asked_for_an_address_that_is_never_probed(
    site: HttpTarget, host: str
) -> None:
    with proxy.http_proxy() as server, proxy.socks_proxy() as socks:
        for where in (address("http", server), address("socks5", socks)):
            outcome = check(f"http://{host}/", proxy=where)
            strayed = check(f"{site.url}/location?{query(f'http://{host}/')}", proxy=where)
            assert outcome.message.endswith("is never probed")
            assert strayed.message.endswith("is never probed")

    assert len(server.asked) == len(socks.asked) == 1


def test_hosts_that_the_environment_exempts_are_proxied_all_the_same(
    site: HttpTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with proxy.http_proxy() as server:
        assert check(f"{site.url}/", proxy=address("http", server)).ok

    assert len(server.asked) == 1


def test_nothing_of_a_proxy_reaches_the_next_check(site: HttpTarget) -> None:
    with proxy.http_proxy(LOGIN) as server:
        check(f"{site.url}/", proxy=address("http", server, "bob"), proxy_password=LOGIN[1])
        outcome = check(f"{site.url}/echo")

    assert outcome.ok and len(server.asked) == 1
    assert "proxy-authorization" not in site.requests[-1].headers
    assert "proxy" not in outcome.details


@pytest.mark.parametrize(
    "where",
    ["proxy.lan:3128", "https://proxy.lan:3128", "http://proxy.lan", "socks4://proxy.lan:1080",
     "http://proxy.lan:3128/path", "http://proxy.lan:3128?x", "http://:3128", "http://a b:1",
     "http://bob:pw@proxy.lan:3128", "http://bob:@proxy.lan:3128", "http://proxy.lan:0",
     "http://b%0aob@proxy.lan:3128", "http://-x.lan:3128", "socks5h://proxy.lan:1", "", "x" * 1025],
)  # fmt: skip
def test_a_proxy_that_cannot_be_used_is_refused(where: str) -> None:
    with pytest.raises(ValidationError) as caught:
        HttpConfig(url="http://example.com/", proxy=where)

    assert [error["loc"] for error in caught.value.errors()] == [("proxy",)]
    assert "pw" not in str(caught.value.errors()[0]["msg"])


def test_a_password_needs_a_user_but_may_be_left_over() -> None:
    with pytest.raises(ValidationError, match="findings"):
        HttpConfig(url="http://example.com/", proxy="http://p.lan:1", proxy_password="x")

    assert HttpConfig(url="http://example.com/", proxy_password="x").parsed_proxy is None


def test_the_proxy_is_one_of_those_who_get_secrets() -> None:
    config = HttpConfig(url="http://example.com/", proxy="socks5://bob@[::1]:1080")

    assert config.secret_destinations == [net.peer("::1", 1080)]


def test_a_proxy_may_be_as_slow_as_the_check_allows() -> None:
    with http_target() as site, proxy.http_proxy() as server:
        outcome = check(f"{site.url}/slow?s=0.2", proxy=address("http", server))

    assert outcome.ok and outcome.response_time_ms is not None and outcome.response_time_ms >= 200
