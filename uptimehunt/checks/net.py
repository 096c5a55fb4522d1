"""What all check types need of the network: host names, addresses, dialling, and words for errors.

The address policy lives here and nowhere else; every check asks `refused_address` about the
address it is about to dial, not about the name, so that no redirect, no DNS answer and no odd
spelling of a number gets around it.
"""

# Named here although unused: the codecs would be loaded at the first host name that needs them,
# from an executable that may have been replaced by then.
import encodings.idna
import encodings.punycode  # noqa: F401
import errno
import functools
import ipaddress
import os
import queue
import re
import socket
import ssl
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import certifi
import idna
import idna.uts46data

from uptimehunt import clock
from uptimehunt.checks.base import Deadline, ErrorKind, LocalTrouble

IpFamily = Literal["auto", "4", "6"]
Fault = tuple[ErrorKind, str]
"""Why a check failed, and the sentence that says so."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Cloud metadata services hand credentials to whoever asks from inside the machine.
_METADATA = (
    *("169.254.169.254", "fd00:ec2::254", "fd20:ce::254"),  # most clouds
    *("169.254.170.2", "169.254.170.23", "fd00:ec2::23"),  # containers at AWS
    *("100.100.100.200", "192.0.0.192"),  # Alibaba, Oracle
)
_REFUSED_NETWORKS = tuple(
    ipaddress.ip_network(network)
    for network in (*_METADATA, "0.0.0.0/8", "224.0.0.0/4", "255.255.255.255", "::", "ff00::/8")
)
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")  # RFC 4291, section 2.4
_IPV4_COMPATIBLE = ipaddress.IPv6Network("::/96")  # RFC 4291, section 2.5.5.1
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052, section 2.1
_LOOPBACK6 = ipaddress.IPv6Address("::1")
_CA_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # Red Hat, Fedora
    "/etc/pki/tls/certs/ca-bundle.crt",  # older Red Hat
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # Alpine
)
_chosen_bundle: str | None = None
_FAMILIES = {"auto": socket.AF_UNSPEC, "4": socket.AF_INET, "6": socket.AF_INET6}
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_LOCAL_LIMITS = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_LOCAL_LOOKUP_TROUBLE = {socket.EAI_AGAIN, socket.EAI_SYSTEM, socket.EAI_MEMORY}
X509_EXPIRED, X509_WRONG_HOST = 10, 62
"""Verification results as OpenSSL numbers them (X509_V_ERR_…)."""
_X509_FAULTS = {
    9: "Certificate is not valid yet",
    18: "Certificate is self-signed",
    19: "Certificate is signed by an unknown authority",
    20: "Certificate is signed by an unknown authority",
    21: "Certificate is signed by an unknown authority",
    23: "Certificate has been revoked",
    X509_WRONG_HOST: "Certificate is not valid for this host",
    64: "Certificate is not valid for this host",
    66: "Certificate has a key that is too weak",
    68: "Certificate has a signature that is too weak",
}


class RefusedAddressError(OSError):
    """The address, its only argument, is never probed; nothing was sent to it."""


class ConnectTimeoutError(TimeoutError):
    """The deadline passed before a connection stood."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A dialled TCP connection, or a UDP socket with one peer.

    Attributes:
        sock: connected; the caller sets its timeout, and closes it.
        remote_ip: the address that answered.
        namelookup_s: seconds from the start until the name was resolved.
        connect_s: seconds from the start until the connection stood.
    """

    sock: socket.socket
    remote_ip: str
    namelookup_s: float
    connect_s: float


def ascii_host(text: str) -> str:
    """A host name or address as it goes on the wire: lower case, IDNA, IPv6 without brackets.

    Raises:
        ValueError: not a host: empty, over 255 characters, blanks, control characters, a label
            that starts or ends with `-`.
    """
    if len(text) > 255:
        raise ValueError("too long for a host name")
    if ":" in text:
        return str(ipaddress.IPv6Address(text))
    host = text.lower() if text.isascii() else idna.encode(text, uts46=True).decode("ascii")
    labels = host.removesuffix(".").split(".")
    if len(host) > 255 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("not a host name")
    return host


def peer(host: str, port: int) -> str:
    """`host:port`, for messages and labels."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass(frozen=True, slots=True)
class _Policy:
    block_private: bool = False
    allowed: tuple[Network, ...] = ()


_policy = _Policy()


def restrict(block_private: bool, allowed: Iterable[Network]) -> None:
    """Set which addresses are probed, from now on and for every check.

    Args:
        block_private: probe addresses of the public internet only.
        allowed: networks to which `block_private` does not apply.
    """
    global _policy
    _policy = _Policy(block_private, tuple(allowed))
    refused_address.cache_clear()


@functools.lru_cache(maxsize=4096)
def refused_address(ip: str) -> bool:
    """Whether this address is never dialled, in whichever of its IPv6 forms it is written."""
    address = ipaddress.ip_address(ip)
    meant = _meant(address)
    if any(one in network for one in meant for network in _REFUSED_NETWORKS):
        return True
    if not _policy.block_private or _is_allowed(address):
        return False
    return not all(_is_public(one) or _is_allowed(one) for one in meant)


def _meant(address: Address) -> list[Address]:
    """Where packets to this address end up: the IPv4 addresses inside it, else itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    if address.ipv4_mapped:
        return [address.ipv4_mapped]
    if address.sixtofour:
        return [address.sixtofour]
    if address.teredo:
        return list(address.teredo)
    if address in _NAT64 or (address in _IPV4_COMPATIBLE and address != _LOOPBACK6):
        return [ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)]
    return [address]


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and address not in _GLOBAL_UNICAST:
        return False  # also what Python takes for global: site-local, reserved, not assigned
    return address.is_global


def _is_allowed(address: Address) -> bool:
    return any(address in network for network in _policy.allowed)


def trust(ca_file: Path) -> None:
    """Have every check trust the certificates of this file, in place of the system's."""
    global _chosen_bundle
    _chosen_bundle = str(ca_file)
    ca_bundle.cache_clear()


@functools.cache
def ca_bundle() -> str:
    """Path of the certificates to trust: those chosen, else the system's, else certifi's.

    Looked for when first needed and not taken from the environment: the executable runs on
    systems it was not built on.
    """
    if _chosen_bundle is not None:
        return _chosen_bundle
    for path in _CA_BUNDLES:
        if os.path.isfile(path):
            return path
    return _kept_open(certifi.where())


def _kept_open(path: str) -> str:
    """A path to a file that goes on to work after its deletion.

    The executable unpacks certifi's file into a temporary folder, which cleaners may empty.
    """
    kept = f"/proc/self/fd/{os.open(path, os.O_RDONLY)}"
    return kept if os.path.exists(kept) else path


def dial(host: str, port: int, deadline: Deadline, ip_family: IpFamily = "auto") -> Connection:
    """Connect to the first address of `host` that answers.

    Each address gets an equal share of what is left, so that a dead one leaves time for the next.

    Raises:
        ConnectTimeoutError: no address answered within the deadline.
        RefusedAddressError: the only addresses are such as are never probed.
        OSError: the name cannot be resolved (`socket.gaierror`), or why the first address failed.
    """
    started = clock.monotonic()
    found = addresses(host, port, deadline, ip_family)
    namelookup_s = clock.monotonic() - started
    failures: list[OSError] = []
    for position, (family, address) in enumerate(found):
        if refused_address(address[0]):
            failures.append(RefusedAddressError(address[0]))
            continue
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.settimeout(deadline.left() / (len(found) - position))
            sock.connect(address)
        except TimeoutError:
            sock.close()
            failures.append(ConnectTimeoutError(errno.ETIMEDOUT, "no answer to connect"))
        except OSError as error:
            sock.close()
            failures.append(error)
        else:
            return Connection(sock, address[0], namelookup_s, clock.monotonic() - started)
    raise failures[0]


def dial_datagram(
    host: str, port: int, deadline: Deadline, ip_family: IpFamily = "auto"
) -> Connection:
    """A UDP socket for the first address of `host` that there is a way to.

    SECURITY: being connected, it drops what comes from elsewhere, and a random port is left to
    guess for those who forge the sender.

    Raises:
        OSError: as `dial`.
    """
    started = clock.monotonic()
    found = addresses(host, port, deadline, ip_family)
    namelookup_s = clock.monotonic() - started
    failures: list[OSError] = []
    for family, address in found:
        if refused_address(address[0]):
            failures.append(RefusedAddressError(address[0]))
            continue
        sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            sock.connect(address)
        except OSError as error:
            sock.close()
            failures.append(error)
        else:
            return Connection(sock, address[0], namelookup_s, clock.monotonic() - started)
    raise failures[0]


def explain(error: OSError, peer: str, timeout_s: int) -> Fault:
    """The kind and the sentence for what went wrong on the way to `peer` (`host:port`)."""
    match error:
        case RefusedAddressError():
            return "network_unreachable", f"Address {error} is never probed"
        case socket.gaierror():
            if error.errno in _LOCAL_LOOKUP_TROUBLE:
                return "dns_error", LocalTrouble(f"No name server answered for {peer}")
            return "dns_error", f"The name of {peer} cannot be resolved"
        case ssl.SSLCertVerificationError():
            return certificate_fault(error.verify_code)
        case ssl.SSLEOFError():
            return "tls_error", f"{peer} closed the connection during the TLS handshake"
        case ssl.SSLError():
            return "tls_error", f"TLS handshake with {peer} failed"
        case ConnectionRefusedError():
            return "connection_refused", f"Connection refused by {peer}"
        case ConnectionError():
            return "connection_reset", f"Connection reset by {peer}"
        case ConnectTimeoutError():
            return "connect_timeout", f"No connection to {peer} within {timeout_s} s"
    if error.errno == errno.ETIMEDOUT:  # the kernel gave up before we did
        return "connect_timeout", f"No connection to {peer}: the system gave up waiting"
    if isinstance(error, TimeoutError):
        return "timeout", f"No answer within {timeout_s} s"
    if error.errno in _LOCAL_LIMITS:
        return "internal_error", LocalTrouble(
            "This machine has no sockets or memory left for the check"
        )
    if error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        return "network_unreachable", LocalTrouble(f"No route to {peer}")
    reason = errno.errorcode.get(error.errno or 0, "unknown reason")
    if error.errno in (errno.ENETDOWN, errno.EADDRNOTAVAIL):
        return "network_unreachable", LocalTrouble(f"{peer} cannot be reached ({reason})")
    return "network_unreachable", f"{peer} cannot be reached ({reason})"


def certificate_fault(verify_code: int) -> Fault:
    """The kind and the sentence for an X.509 verification result, numbered as in OpenSSL."""
    if verify_code == X509_EXPIRED:
        return "certificate_expired", "Certificate has expired"
    return "certificate_invalid", _X509_FAULTS.get(verify_code, "Certificate cannot be verified")


def unresolved(host: str, deadline: Deadline, ip_family: IpFamily = "auto") -> socket.gaierror:
    """Why a library that says no more than that it cannot resolve a name could not: asks again.

    A name that is found now was not lacking before: no name server answered.
    """
    try:
        addresses(host, 0, deadline, ip_family)
    except socket.gaierror as error:
        return error
    except TimeoutError:
        pass
    return socket.gaierror(socket.EAI_AGAIN, "no answer the first time")


MOST_STUCK_LOOKUPS = 64
"""With so many look-ups left behind without an answer, no further one is begun."""

_stuck_lookups: deque[threading.Thread] = deque()


def _is_resolver_stuck() -> bool:
    for _ in range(len(_stuck_lookups)):
        try:
            thread = _stuck_lookups.popleft()
        except IndexError:  # taken by another thread
            break
        if thread.is_alive():
            _stuck_lookups.append(thread)
    return len(_stuck_lookups) >= MOST_STUCK_LOOKUPS


def addresses(
    host: str, port: int, deadline: Deadline, ip_family: IpFamily = "auto"
) -> list[tuple[socket.AddressFamily, tuple[str, int]]]:
    """Addresses of `host`, in the order to try them, within the deadline.

    Raises:
        socket.gaierror: it has none, or no name server says so in time.
    """
    family = _FAMILIES[ip_family]

    def look_up(flags: int = 0) -> list[tuple[socket.AddressFamily, tuple[str, int]]]:
        found = socket.getaddrinfo(host.encode("ascii"), port, family, socket.SOCK_STREAM, 0, flags)
        return [(entry[0], entry[4]) for entry in found]  # type: ignore[misc]

    try:
        return look_up(socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass
    # getaddrinfo cannot be cancelled and blocks for 10 s and more when the name server is silent;
    # it waits in a thread of its own, which is left behind when the deadline passes.
    answers: queue.SimpleQueue[list[tuple[socket.AddressFamily, tuple[str, int]]] | OSError]
    answers = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(look_up())
        except OSError as error:
            answers.put(error)

    if _is_resolver_stuck():
        raise socket.gaierror(socket.EAI_AGAIN, "too many look-ups have no answer")
    thread = threading.Thread(target=ask, name="name-lookup", daemon=True)
    thread.start()
    try:
        answer = answers.get(timeout=deadline.left())
    except queue.Empty:
        _stuck_lookups.append(thread)
        answer = socket.gaierror(socket.EAI_AGAIN, "no answer in time")
    if isinstance(answer, OSError):
        raise answer
    return answer
