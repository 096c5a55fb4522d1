"""A conversation over TCP, with TLS where asked, under the one deadline of its check.

`converse` is the frame of every check that talks: it connects, lets the type's own function talk,
hangs up, and makes an outcome of whatever happened. A type's function only knows its protocol: it
reads and writes, returns when all is well, and raises `CheckError` for an answer that is not as
expected.
"""

import contextlib
import errno
import functools
import ssl
from collections.abc import Callable
from typing import Any

from uptimehunt import clock
from uptimehunt.checks import certificates, net
from uptimehunt.checks.base import CheckError, Deadline, Outcome, whole_ms
from uptimehunt.checks.peer import PeerConfig, TrustConfig

PHASES = ("namelookup", "connect", "appconnect", "total")
"""Names of the timing phases, in order; seconds since the start. `appconnect` is 0 without TLS;
`total` is when the last of the answer came."""

Inspect = Callable[[ssl.SSLSocket], dict[str, Any]]
"""Reads more facts off a TLS connection than every check shows."""

LONGEST_LINE = 8192
_AT_ONCE = 16_384


class _SeenError(Exception):
    """The certificate was seen, which was all that was wanted."""


class Stream:
    """An open connection; every wait on it ends with the deadline.

    Attributes:
        deadline: the check's.
        details: the check's; a type adds what it learns.
    """

    def __init__(
        self,
        connection: net.Connection,
        deadline: Deadline,
        details: dict[str, Any],
        *,
        only_look: bool = False,
        inspect: Inspect | None = None,
    ) -> None:
        self.deadline = deadline
        self.details = details
        self._started = clock.monotonic() - connection.connect_s
        self._sock = connection.sock
        self._only_look = only_look
        self._inspect = inspect
        self._unread = b""
        details["remote_ip"] = connection.remote_ip
        details["timing"] = {
            "namelookup": round(connection.namelookup_s, 6),
            "connect": round(connection.connect_s, 6),
            "appconnect": 0.0,
            "total": round(connection.connect_s, 6),
        }

    @property
    def local_ip(self) -> str:
        """Our own address on this connection, without the zone that some IPv6 addresses have."""
        return str(self._sock.getsockname()[0]).partition("%")[0]

    def secure(self, config: TrustConfig) -> None:
        """Shake hands for TLS; from here on everything is encrypted.

        SECURITY: what was received before the handshake is dropped, so that nobody on the way
        can slip in an answer in the clear that is later taken for an encrypted one.

        Raises:
            OSError: it failed (`ssl.SSLCertVerificationError` for the certificate).
        """
        self._unread = b""
        if self._only_look:
            context = _lenient_context()
        else:
            context = _context(config.verify_tls, config.ca_pem)
        # Names of hosts may end in a dot, names in certificates and handshakes do not.
        name = (config.server_name or config.host).removesuffix(".")
        # The handshake as a whole obeys the timeout, not each of its reads.
        self._sock.settimeout(self.deadline.left())
        secured = context.wrap_socket(self._sock, server_hostname=name)
        self._sock = secured
        if secured.version() is None:  # the peer had hung up, so Python left out the handshake
            raise ConnectionResetError(errno.ECONNRESET, "closed before the handshake")
        self._stamp("appconnect", "total")
        certificate = secured.getpeercert(binary_form=True)
        if certificate:
            facts = certificates.facts(certificate)
            self.details["certificate"] = facts
            if certificates.expires_within(facts, config.warn_within_days):
                self.details["warning"] = "certificate_expiring"
        if self._inspect is not None:
            self.details |= self._inspect(secured)
        if self._only_look:
            raise _SeenError

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self._sock.settimeout(self.deadline.left())
        self._sock.sendall(data)

    def take_leave(self, data: bytes) -> None:
        """Send last words; the check is over, whether they arrive or not."""
        with contextlib.suppress(OSError):
            self.send(data)

    def read(self, most: int = _AT_ONCE) -> bytes:
        """What is there, at least one byte; empty at the end of the stream."""
        if self._unread:
            data, self._unread = self._unread[:most], self._unread[most:]
            return data
        self._sock.settimeout(self.deadline.left())
        data = self._sock.recv(most)
        self._stamp("total")
        return data

    def read_exactly(self, count: int) -> bytes:
        """So many bytes; never ask for more than a bound of your own.

        Raises:
            CheckError: the stream ended before.
        """
        chunks = []
        while count > 0:
            chunk = self.read(min(count, _AT_ONCE))
            if not chunk:
                raise CheckError("protocol_error", "The connection was closed in mid-answer")
            chunks.append(chunk)
            count -= len(chunk)
        return b"".join(chunks)

    def read_line(self) -> bytes:
        """A line without its end.

        Raises:
            CheckError: the stream ended before, or the line has no end.
        """
        line = b""
        while b"\n" not in line:
            if len(line) > LONGEST_LINE:
                raise CheckError("protocol_error", "The answer has a line without an end")
            chunk = self.read()
            if not chunk:
                raise CheckError("protocol_error", "The connection was closed without an answer")
            line += chunk
        line, _, rest = line.partition(b"\n")
        self._unread = rest + self._unread
        return line.removesuffix(b"\r")

    def _stamp(self, *phases: str) -> None:
        now = round(clock.monotonic() - self._started, 6)
        self.details["timing"] |= dict.fromkeys(phases, now)

    def close(self) -> None:
        """Hang up, without ceremony."""
        self._sock.close()


def converse(
    config: PeerConfig,
    deadline: Deadline,
    talk: Callable[[Stream], net.Fault | None],
    *,
    inspect: Inspect | None = None,
) -> Outcome:
    """Connect, talk, hang up.

    Args:
        config: whom to talk to.
        deadline: when to give up.
        talk: the protocol; returns the fault it found, or None when all is as expected. It may
            be called a second time, to look at a certificate that did not pass.
        inspect: called after each TLS handshake, what it returns is added to the details. With
            it, a handshake that failed for another reason than the certificate is looked at, too.

    Returns:
        details: `remote_ip`, `timing` (`PHASES`), `certificate` when one was seen, `warning`
        (`certificate_expiring`), and what `inspect` and `talk` add.
    """
    details: dict[str, Any] = {}
    try:
        fault = _talk(config, deadline, talk, details, inspect)
    except CheckError as error:
        fault = error.kind, error.message
    except OSError as error:
        fault = net.explain(error, config.peer, config.timeout)
        is_about_certificate = isinstance(error, ssl.SSLCertVerificationError)
        if is_about_certificate or (inspect and isinstance(error, ssl.SSLError)):
            _look(config, deadline, talk, details, inspect)
        if fault[0] == "certificate_expired" and "certificate" in details:
            fault = fault[0], certificates.expired_message(details["certificate"])
    if fault is not None:
        return Outcome(False, None, *fault, details=details)
    return Outcome(True, whole_ms(details["timing"]["total"]), details=details)


def _talk(
    config: PeerConfig,
    deadline: Deadline,
    talk: Callable[[Stream], net.Fault | None],
    details: dict[str, Any],
    inspect: Inspect | None,
    *,
    only_look: bool = False,
) -> net.Fault | None:
    connection = net.dial(config.host, config.port, deadline, config.ip_family)
    stream = Stream(connection, deadline, details, only_look=only_look, inspect=inspect)
    try:
        return talk(stream)
    finally:
        stream.close()


def _look(
    config: PeerConfig,
    deadline: Deadline,
    talk: Callable[[Stream], net.Fault | None],
    details: dict[str, Any],
    inspect: Inspect | None,
) -> None:
    """Fetch the facts of a TLS session that did not pass: OpenSSL shows only those that did."""
    seen: dict[str, Any] = {}
    # The first connection failed for a reason that is told; this one must not add another.
    with contextlib.suppress(_SeenError, CheckError, OSError):
        _talk(config, deadline, talk, seen, inspect, only_look=True)
    for name, value in seen.items():
        if name != "warning":
            details.setdefault(name, value)


@functools.lru_cache(maxsize=64)
def _context(verify: bool, ca_pem: str | None) -> ssl.SSLContext:
    """The TLS settings; kept, because reading all roots takes 10 ms."""
    if ca_pem is None:
        context = ssl.create_default_context(cafile=net.ca_bundle())
    else:
        context = ssl.create_default_context(cadata=ca_pem)
    if not verify:
        _accept_any(context)
    return context


@functools.cache
def _lenient_context() -> ssl.SSLContext:
    """For looking at what no check would accept: any certificate, any version, any cipher."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _accept_any(context)
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def _accept_any(context: ssl.SSLContext) -> None:
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
