"""One HTTP exchange over libcurl: what to send in, what came back out, in our own words.

It knows nothing of expectations, redirects or config models (see `http.py`). libcurl holds the
deadline, so that neither a dripping server nor a silent name server can outlast it.
"""

# Named here although unused: `ssl` would load it with the first certificate, from an executable
# that may have been replaced by then.
import _strptime  # type: ignore[import-not-found]  # noqa: F401
import contextlib
import hashlib
import socket
import ssl
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import pycurl

from uptimehunt import __version__, clock
from uptimehunt.checks import net
from uptimehunt.checks.base import Deadline
from uptimehunt.checks.proxy import Proxy
from uptimehunt.checks.url import Url

LIBRARY = pycurl.version
"""The libraries at work, with their versions."""

PHASES = ("namelookup", "connect", "appconnect", "pretransfer", "starttransfer", "total")
"""Names of the timing phases, in order; seconds since the start, as libcurl defines them."""

_PHASE_INFOS = tuple((phase, getattr(pycurl, f"{phase.upper()}_TIME")) for phase in PHASES)
_HTTP_VERSIONS = {
    pycurl.CURL_HTTP_VERSION_1_0: "1.0",
    pycurl.CURL_HTTP_VERSION_1_1: "1.1",
    pycurl.CURL_HTTP_VERSION_2_0: "2",
    pycurl.CURL_HTTP_VERSION_3: "3",
}
_IP_RESOLVE = {
    "auto": pycurl.IPRESOLVE_WHATEVER,
    "4": pycurl.IPRESOLVE_V4,
    "6": pycurl.IPRESOLVE_V6,
}
_HTTP_VERSION_OPTIONS: dict[str, tuple[tuple[int, Any], ...]] = {
    "auto": (),
    "1.1": ((pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1),),
    "2": ((pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2TLS),),
    "2-direct": ((pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE),),
}
_PROXY_TYPES = {
    "http": pycurl.PROXYTYPE_HTTP,
    "socks5": pycurl.PROXYTYPE_SOCKS5_HOSTNAME,
}
_COMMON_OPTIONS: tuple[tuple[int, Any], ...] = (
    (pycurl.NOSIGNAL, 1),
    (pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
    (pycurl.PROXY, ""),
    (pycurl.USERAGENT, f"UptimeHunt/{__version__}"),
    # Every check is a look-up, a connection and a handshake of its own.
    (pycurl.FRESH_CONNECT, 1),
    (pycurl.FORBID_REUSE, 1),
    (pycurl.DNS_CACHE_TIMEOUT, 0),
)

# libcurl's numbers that pycurl has no names for.
_E_HTTP2_STREAM = 92
_E_PROXY = 97
_E_TOO_LARGE = 100
_BROKEN_HTTP = {
    pycurl.E_UNSUPPORTED_PROTOCOL: "The answer is not HTTP",
    pycurl.E_FTP_WEIRD_SERVER_REPLY: "The answer is not valid HTTP",
    pycurl.E_PARTIAL_FILE: "The answer ended too early",
    pycurl.E_HTTP2: "The answer is not valid HTTP/2",
    _E_HTTP2_STREAM: "The answer is not valid HTTP/2",
    _E_TOO_LARGE: "The headers of the answer are too large",
    pycurl.E_GOT_NOTHING: "The connection was closed without an answer",
}
_TLS_FAILED = (pycurl.E_SSL_CONNECT_ERROR, pycurl.E_SSL_CIPHER, pycurl.E_SSL_CERTPROBLEM)
_UNVERIFIED_HOST = (0, 1)  # a chain that OpenSSL accepts, with a name that libcurl does not

# Handles for reuse, the last used first, so that few of them are warm at any time. A handle that
# has verified a certificate keeps the parsed roots, which makes the next handshake six times
# cheaper but takes 1 MB: one a thread would be a gigabyte when a thousand threads are busy.
_idle: deque[pycurl.Curl] = deque()
_MOST_IDLE_WITH_ROOTS = 32


@dataclass(frozen=True, slots=True)
class Route:
    """How a request gets to where it goes, whatever it says.

    Attributes:
        ip_family: which addresses of the host to use.
        verify_tls: fail when the certificate does not pass.
        ca_pem: certificates to trust in place of the system's.
        http_version: `auto`, `1.1`, `2`, or `2-direct`: from the first byte on, in the clear, too.
        proxy: whom to ask for the connection.
        unix_socket: path of a socket to connect to, whatever the host.
    """

    ip_family: net.IpFamily = "auto"
    verify_tls: bool = True
    ca_pem: str | None = None
    http_version: str = "auto"
    proxy: Proxy | None = None
    unix_socket: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One request, ready for libcurl; made by `prepare`.

    Attributes:
        options: for libcurl.
        peer: `host:port` of the target, for messages.
        dialled: whom the connection goes to, for messages: the target or the proxy.
        is_tls: the target speaks TLS.
        max_body_bytes: how much of the answer is read.
        address: the target's, where a proxy dials it and it is written in the URL.
        looked_up: the host that is resolved here, and to which addresses.
    """

    options: tuple[tuple[int, Any], ...]
    peer: str
    dialled: str
    is_tls: bool
    max_body_bytes: int
    address: str | None = None
    looked_up: tuple[str, net.IpFamily] = ("", "auto")


@dataclass(slots=True)
class Answer:
    """What one exchange brought, complete or not.

    Attributes:
        fault: why there is no complete answer; None when there is one.
        status: HTTP status code, 0 when none arrived.
        timing: phase → seconds since the start of the exchange.
        facts: JSON-ready: remote_ip, http_status_code, http_version, size_download (bytes),
            speed_download (bytes a second), certificate; each only when known.
        location: where a redirect leads, absolute, as the server wants it; else empty.
        header_lines: as received, of all answers of the exchange, each with its line end.
        body: the first `max_body_bytes` of the body.
        truncated: the body was longer than that, and the rest was not read.
    """

    fault: net.Fault | None = None
    status: int = 0
    timing: dict[str, float] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    location: str = ""
    header_lines: list[bytes] = field(default_factory=list)
    body: bytes = b""
    truncated: bool = False

    def headers(self) -> list[tuple[str, str]]:
        """Names and values of the last answer's headers, in their order."""
        found: list[tuple[str, str]] = []
        for line in self.header_lines:
            if line.startswith(b"HTTP/"):  # another answer came first (100, 103, a challenge)
                found.clear()
            name, colon, value = line.decode("latin-1").partition(":")
            if colon:
                found.append((name, value.strip()))
        return found


def failed(fault: net.Fault) -> Answer:
    """An answer that never came."""
    return Answer(fault=fault, timing=dict.fromkeys(PHASES, 0.0))


class Session:
    """A handle that keeps cookies from one exchange to the next; for one run of a check.

    libcurl decides which cookies go where (RFC 6265), by host and path.
    """

    def __init__(self) -> None:
        self.handle = pycurl.Curl()

    def cookie_values(self) -> list[str]:
        """The values of all cookies so far: they are the target's secrets."""
        lines = self.handle.getinfo_raw(pycurl.INFO_COOKIELIST)
        return [line.decode("utf-8", "replace").rsplit("\t", 1)[-1] for line in lines]

    def close(self) -> None:
        """Forget everything."""
        self.handle.close()


def prepare(
    url: Url,
    route: Route,
    *,
    method: str,
    headers: list[bytes],
    body: bytes | None,
    max_body_bytes: int,
    digest_login: tuple[str, str] | None = None,
    client_identity: tuple[str, str] | None = None,
) -> Request:
    """Work out what libcurl has to be told; depends on nothing but its arguments.

    Args:
        url: where to.
        route: how to get there.
        method: of HTTP.
        headers: lines without their ends.
        body: None for none.
        max_body_bytes: how much of the answer to read.
        digest_login: user name and password for a digest challenge.
        client_identity: certificate and key, both PEM, for a server that asks for them.
    """
    options: list[tuple[int, Any]] = [
        *_COMMON_OPTIONS,
        (pycurl.URL, url.wire),
        (pycurl.HTTPHEADER, headers),
        (pycurl.IPRESOLVE, _IP_RESOLVE[route.ip_family]),
        *_HTTP_VERSION_OPTIONS[route.http_version],
    ]
    if method == "HEAD":
        options.append((pycurl.NOBODY, 1))
    else:
        if body is not None:
            options.append((pycurl.POSTFIELDS, body))
        options.append((pycurl.CUSTOMREQUEST, method))
    if digest_login is not None:
        user, password = digest_login
        options += [
            (pycurl.HTTPAUTH, pycurl.HTTPAUTH_DIGEST),
            (pycurl.USERNAME, user.encode()),
            (pycurl.PASSWORD, password.encode()),
        ]
    if url.scheme == "https":
        options += _tls_options(route, client_identity)
    peer = dialled = net.peer(url.host, url.port)
    address = None
    if route.proxy is not None:
        options += _proxy_options(route.proxy)
        dialled = f"proxy {route.proxy.peer}"
        address = _written_address(url.host)
    if route.unix_socket is not None:
        options.append((pycurl.UNIX_SOCKET_PATH, route.unix_socket))
        peer = dialled = route.unix_socket
    is_tls = url.scheme == "https"
    looked_up = (url if route.proxy is None else route.proxy).host, route.ip_family
    return Request(tuple(options), peer, dialled, is_tls, max_body_bytes, address, looked_up)


def _tls_options(route: Route, identity: tuple[str, str] | None) -> list[tuple[int, Any]]:
    options: list[tuple[int, Any]] = [
        (pycurl.SSL_SESSIONID_CACHE, 0),  # a resumed session would not show the certificate again
        (pycurl.OPT_CERTINFO, 1),
    ]
    if not route.verify_tls:
        options += [(pycurl.SSL_VERIFYPEER, 0), (pycurl.SSL_VERIFYHOST, 0)]
    elif route.ca_pem is not None:
        options.append((pycurl.CAINFO_BLOB, route.ca_pem.encode("ascii")))
    else:
        options.append((pycurl.CAINFO, net.ca_bundle()))
    if identity is not None:
        certificate, key = identity
        options += [
            (pycurl.SSLCERT_BLOB, certificate.encode()),
            (pycurl.SSLKEY_BLOB, key.encode()),
        ]
    return options


def _proxy_options(proxy: Proxy) -> list[tuple[int, Any]]:
    options: list[tuple[int, Any]] = [
        (pycurl.PROXY, net.peer(proxy.host, proxy.port)),
        (pycurl.PROXYTYPE, _PROXY_TYPES[proxy.kind]),
        (pycurl.NOPROXY, ""),  # else the environment may name hosts to be dialled directly
        (pycurl.HEADEROPT, pycurl.HEADER_SEPARATE),  # our headers are not for the proxy
    ]
    if proxy.user:
        options += [
            (pycurl.PROXYUSERNAME, proxy.user.encode()),
            (pycurl.PROXYPASSWORD, proxy.password.encode()),
        ]
    return options


def _written_address(host: str) -> str | None:
    """The address that a URL's host is, in whichever spelling; None for a name."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except OSError:
        return None
    return str(found[0][4][0])


def exchange(
    request: Request, deadline: Deadline, timeout_s: int, session: Session | None = None
) -> Answer:
    """Send one request and read its answer, all of it before the deadline.

    Args:
        request: what to send; redirects are not followed.
        deadline: when to give up.
        timeout_s: the whole check's seconds, for the sentence that says it was not enough.
        session: whose cookies to send, and to add to.
    """
    answer = Answer()
    chunks: list[bytes] = []
    refused: list[str] = []
    room = request.max_body_bytes

    def receive(chunk: bytes) -> int | None:
        nonlocal room
        room -= len(chunk)
        chunks.append(chunk)
        return None if room >= 0 else -1  # -1 ends the transfer

    def open_socket(_purpose: int, address: Any) -> int:
        # The address of a Unix socket is a path, and comes from nobody but its config.
        if address.family != socket.AF_UNIX and net.refused_address(address.addr[0]):
            refused.append(address.addr[0])
            return pycurl.SOCKET_BAD
        # A plain descriptor is libcurl's own from here on; a socket object would be duplicated.
        return socket.socket(address.family, address.socktype, address.protocol).detach()

    if request.address is not None and net.refused_address(request.address):
        refusal = net.RefusedAddressError(request.address)
        return failed(net.explain(refusal, request.peer, timeout_s))
    try:
        timeout_ms = max(1, int(deadline.left() * 1000))
    except TimeoutError as error:
        return failed(net.explain(error, request.peer, timeout_s))
    if session is not None:
        curl = session.handle
    else:
        try:
            curl = _idle.pop()
        except IndexError:
            curl = pycurl.Curl()
    try:
        setopt = curl.setopt
        for option, value in request.options:
            setopt(option, value)
        setopt(pycurl.TIMEOUT_MS, timeout_ms)
        setopt(pycurl.OPENSOCKETFUNCTION, open_socket)
        setopt(pycurl.HEADERFUNCTION, answer.header_lines.append)
        setopt(pycurl.WRITEFUNCTION, receive)
        if session is not None:
            setopt(pycurl.COOKIEFILE, "")  # keep cookies, and read none from anywhere
        code = pycurl.E_OK
        try:
            curl.perform()
        except pycurl.error as error:
            code = int(error.args[0])
        _read_facts(curl, request, answer)
        if code != pycurl.E_OK and room >= 0:  # below 0 it was `receive` that had enough
            if code == pycurl.E_PEER_FAILED_VERIFICATION:
                answer.fault = _certificate_fault(curl, answer.facts.get("certificate"))
            else:
                answer.fault = _fault(curl, code, refused, request, deadline, timeout_s)
    finally:
        curl.reset()  # nothing of this check may reach the next one, or stay in memory
        if session is None:
            _give_back(curl, request.is_tls and answer.timing.get("appconnect", 0) > 0)
    answer.body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
    if room < 0:
        answer.body = answer.body[: request.max_body_bytes]
        answer.truncated = True
    return answer


def _give_back(curl: pycurl.Curl, has_roots: bool) -> None:
    if has_roots and len(_idle) >= _MOST_IDLE_WITH_ROOTS:
        curl.close()
    else:
        _idle.append(curl)


def _read_facts(curl: pycurl.Curl, request: Request, answer: Answer) -> None:
    getinfo = curl.getinfo
    answer.status = getinfo(pycurl.RESPONSE_CODE)
    answer.timing = {phase: getinfo(info) for phase, info in _PHASE_INFOS}
    facts = answer.facts
    remote_ip = getinfo(pycurl.PRIMARY_IP)
    if remote_ip:
        facts["remote_ip"] = remote_ip
    if answer.status:
        facts["http_status_code"] = answer.status
        facts["http_version"] = _HTTP_VERSIONS.get(getinfo(pycurl.INFO_HTTP_VERSION), "")
        facts["size_download"] = getinfo(pycurl.SIZE_DOWNLOAD_T)
        facts["speed_download"] = getinfo(pycurl.SPEED_DOWNLOAD_T)
        if 300 <= answer.status < 400:
            location = curl.getinfo_raw(pycurl.REDIRECT_URL) or b""
            answer.location = location.decode("utf-8", "replace")
    if request.is_tls:
        chain = curl.getinfo_raw(pycurl.INFO_CERTINFO)
        if chain:
            # A field that cannot be read costs the facts, not the check.
            with contextlib.suppress(KeyError, ValueError):
                facts["certificate"] = _certificate(chain[0])


def _certificate(fields: tuple[tuple[bytes, bytes], ...]) -> dict[str, Any]:
    """The facts of one certificate, from libcurl's (name, value) pairs."""
    found = {name: value.decode("utf-8", "replace") for name, value in fields}
    expires_s = ssl.cert_time_to_seconds(found[b"Expire date"])
    der = ssl.PEM_cert_to_DER_cert(found[b"Cert"].strip())
    return {
        "subject": found[b"Subject"],
        "issuer": found[b"Issuer"],
        "not_after": clock.iso_seconds(expires_s * 1000),
        "days_left": (expires_s * 1000 - clock.now_ms()) // 86_400_000,
        "fingerprint_sha256": hashlib.sha256(der).hexdigest(),
    }


def _certificate_fault(curl: pycurl.Curl, certificate: dict[str, Any] | None) -> net.Fault:
    verify_code = curl.getinfo(pycurl.SSL_VERIFYRESULT)
    if verify_code in _UNVERIFIED_HOST:
        verify_code = net.X509_WRONG_HOST
    kind, message = net.certificate_fault(verify_code)
    if kind == "certificate_expired" and certificate:
        if certificate["days_left"] >= 0:
            return kind, "A certificate that vouches for this one has expired"
        return kind, f"Certificate expired on {certificate['not_after'][:10]}"
    return kind, message


def _fault(
    curl: pycurl.Curl,
    code: int,
    refused: list[str],
    request: Request,
    deadline: Deadline,
    timeout_s: int,
) -> net.Fault:
    """Why libcurl gave up, as a kind and a sentence of our own; its texts are never shown."""
    peer, dialled = request.peer, request.dialled
    if code == pycurl.E_OPERATION_TIMEDOUT:
        if curl.getinfo(pycurl.CONNECT_TIME):
            return net.explain(TimeoutError(), peer, timeout_s)
        if curl.getinfo(pycurl.NAMELOOKUP_TIME):
            return net.explain(net.ConnectTimeoutError(), dialled, timeout_s)
        return net.explain(socket.gaierror(socket.EAI_AGAIN, ""), dialled, timeout_s)
    if code in (pycurl.E_COULDNT_RESOLVE_HOST, pycurl.E_COULDNT_RESOLVE_PROXY):
        # libcurl does not say whether there is no such name, or nobody to ask.
        trouble = net.unresolved(request.looked_up[0], deadline, request.looked_up[1])
        return net.explain(trouble, dialled, timeout_s)
    if refused and code in (pycurl.E_COULDNT_CONNECT, _E_PROXY):
        return net.explain(net.RefusedAddressError(refused[0]), dialled, timeout_s)
    if dialled != peer and curl.getinfo(pycurl.CONNECT_TIME):
        tunnel_fault = _tunnel_fault(curl, code, dialled)
        if tunnel_fault is not None:
            return tunnel_fault
    if code == pycurl.E_COULDNT_CONNECT:
        return net.explain(OSError(curl.getinfo(pycurl.OS_ERRNO), ""), dialled, timeout_s)
    message = curl.errstr_raw()
    # The system's number is kept for failures to connect only; later ones differ in the text.
    if code == pycurl.E_SEND_ERROR or b"reset by peer" in message:
        return net.explain(ConnectionResetError(), peer, timeout_s)
    # In TLS 1.3 a server judges the client's certificate after the handshake (RFC 8446, 4.4.3).
    if request.is_tls and b"certificate required" in message:
        return "tls_error", f"{peer} asks for a client certificate"
    if request.is_tls and (code in _TLS_FAILED or b" alert " in message):
        return net.explain(ssl.SSLError(), peer, timeout_s)
    if code in (pycurl.E_SSL_CACERT_BADFILE, pycurl.E_OUT_OF_MEMORY, pycurl.E_FAILED_INIT):
        return "internal_error", "The check could not be set up on this machine"
    return "protocol_error", _BROKEN_HTTP.get(code, "The answer cannot be understood")


def _tunnel_fault(curl: pycurl.Curl, code: int, dialled: str) -> net.Fault | None:
    """Why the proxy made no connection, when that is what went wrong."""
    if code == _E_PROXY:
        return "network_unreachable", f"The {dialled} made no connection to the target"
    answered = curl.getinfo(pycurl.HTTP_CONNECTCODE)
    if not answered or 200 <= answered < 300:
        return None
    if answered == 407:
        return "authentication_failed", f"The {dialled} refused the login (answered 407)"
    return "network_unreachable", f"The {dialled} made no connection (answered {answered})"
