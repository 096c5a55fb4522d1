import contextlib
import errno
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.targets import tcp, tls
from tests.targets.http import HttpTarget, http_target
from uptimehunt.checks import REGISTRY, CheckType, Deadline, Outcome, net

Restrict = Callable[..., None]

# Too long for the DNS by two characters: the system says so without asking anybody.
UNRESOLVABLE = "a." * 125 + "abcde"


@pytest.mark.parametrize(
    ("text", "on_the_wire"),
    [
        ("Example.COM", "example.com"),
        ("example.com.", "example.com."),
        ("my_db-1", "my_db-1"),
        ("127.0.0.1", "127.0.0.1"),
        ("FE80::1", "fe80::1"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("日本語.example", "xn--wgv71a119e.example"),
    ],
)
def test_a_host_is_brought_into_the_form_that_goes_on_the_wire(text: str, on_the_wire: str) -> None:
    assert net.ascii_host(text) == on_the_wire


@pytest.mark.parametrize(
    "text",
    ["", ".", "a b", "a\tb", "a\x00b", "-a.example", "a-.example", "a..b", "a/b", "a%00b", "a@b",
     "[::1]", "::g", "1:2", "x" * 64, "a." * 128 + "a", "ü" * 300, "\ud800", "a\u3000b", "\u2028"],
)  # fmt: skip
def test_what_is_not_a_host_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        net.ascii_host(text)


@pytest.fixture
def restrict() -> Iterator[Restrict]:
    """Have private addresses refused, but for these networks; until the end of the test."""
    yield lambda *allowed: net.restrict(True, map(ipaddress.ip_network, allowed))
    net.restrict(False, ())


@pytest.fixture
def site() -> Iterator[HttpTarget]:
    """A web server at 127.0.0.1."""
    with http_target() as server:
        yield server


class Sink:
    """Listens at every address of the loopback, IPv6 too, and tells whether anybody came."""

    def __init__(self) -> None:
        self._listener = socket.create_server(
            ("::", 0), family=socket.AF_INET6, dualstack_ipv6=True
        )
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]

    def was_reached(self) -> bool:
        try:
            self._listener.accept()[0].close()
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def sink() -> Iterator[Sink]:
    with contextlib.closing(Sink()) as listener:
        yield listener


def check_http(url: str, **more: object) -> Outcome:
    kind = REGISTRY["http"]
    return kind.check(kind.config(url=url, timeout=1, **more), Deadline(1))


METADATA = ["169.254.169.254", "169.254.170.2", "100.100.100.200", "fd00:ec2::254"]
IN_IPV6_FORMS = [
    ("::ffff:7f00:1", "::ffff:808:808"),  # IPv4-mapped
    ("::7f00:1", "::808:808"),  # IPv4-compatible
    ("64:ff9b::7f00:1", "64:ff9b::808:808"),  # NAT64
    ("2002:7f00:1::", "2002:808:808::1"),  # 6to4
    ("2001:0:808:808::80ff:fffe", "2001:0:808:808::f7f7:f7f7"),  # Teredo, the client inverted
]


@pytest.mark.parametrize(
    "ip",
    ["169.254.169.254", "169.254.170.2", "100.100.100.200", "fd00:ec2::254", "0.0.0.0", "0.1.2.3",
     "224.0.0.1", "239.255.255.255", "255.255.255.255", "ff02::1", "::", "::ffff:169.254.169.254",
     "::ffff:0.0.0.0"],
)  # fmt: skip
def test_metadata_multicast_and_no_address_at_all_are_refused(ip: str) -> None:
    assert net.refused_address(ip)


@pytest.mark.parametrize(
    "ip", ["127.0.0.1", "10.0.0.1", "169.254.1.1", "192.168.1.1", "::1", "fe80::1%lo", "8.8.8.8"]
)
def test_private_and_public_addresses_are_not_refused(ip: str) -> None:
    assert not net.refused_address(ip)


@pytest.mark.parametrize(
    "ip",
    ["127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.1.1", "100.64.0.1",
     "198.18.0.1", "203.0.113.1", "240.0.0.1", "::1", "fe80::1%lo", "fc00::1", "fd12::1",
     "fec0::1", "64:ff9b:1::1", "2001:db8::1", "4000::1", *METADATA],
)  # fmt: skip
def test_every_address_that_is_not_public_can_be_refused(ip: str, restrict: Restrict) -> None:
    restrict()

    assert net.refused_address(ip)


@pytest.mark.parametrize("ip", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "2a00:1450::1"])
def test_public_addresses_are_probed_when_private_ones_are_refused(
    ip: str, restrict: Restrict
) -> None:
    restrict()

    assert not net.refused_address(ip)


@pytest.mark.parametrize(("private", "public"), IN_IPV6_FORMS)
def test_an_address_inside_an_ipv6_address_is_what_is_judged(
    private: str, public: str, restrict: Restrict
) -> None:
    restrict()

    assert net.refused_address(private)
    assert not net.refused_address(public)


def test_a_network_that_is_allowed_is_probed_in_each_of_its_forms(restrict: Restrict) -> None:
    restrict("127.0.0.0/8", "fd00::/8")

    assert [ip for ip in ("127.0.0.1", "fd12::1") if net.refused_address(ip)] == []
    assert [private for private, _ in IN_IPV6_FORMS if net.refused_address(private)] == []
    assert net.refused_address("10.0.0.1")


@pytest.mark.parametrize("restricted", [False, True])
@pytest.mark.parametrize(
    "ip", [*METADATA, "64:ff9b::a9fe:a9fe", "::ffff:a9fe:a9fe", "2002:a9fe:a9fe::", "0.0.0.0", "::"]
)
def test_nothing_opens_metadata_addresses(ip: str, restricted: bool, restrict: Restrict) -> None:
    if restricted:
        restrict("0.0.0.0/0", "::/0")

    assert net.refused_address(ip)


@pytest.mark.parametrize(
    "spelling",
    ["127.0.0.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "127.0.0.1.", "localhost",
     "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "user:pass@127.0.0.1", "0", "0.0.0.0", "[::]",
     "[::1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[::7f00:1]", "example.com@127.0.0.1"],
)  # fmt: skip
def test_no_spelling_of_loopback_is_dialled_when_private_addresses_are_refused(
    spelling: str, sink: Sink, restrict: Restrict
) -> None:
    restrict()

    outcome = check_http(f"http://{spelling}:{sink.port}/")

    assert not sink.was_reached()
    assert outcome.error == "network_unreachable"
    assert outcome.message.endswith(" is never probed")
    assert "remote_ip" not in outcome.details


@pytest.mark.parametrize("spelling", ["2130706433", "0x7f000001", "127.1", "user:pass@127.0.0.1"])
def test_the_same_spellings_are_probed_where_loopback_is_allowed(
    spelling: str, site: HttpTarget, restrict: Restrict
) -> None:
    restrict("127.0.0.0/8")

    assert check_http(f"http://{spelling}:{site.port}/").ok


@pytest.mark.parametrize("hops", [1, 3])
def test_a_redirect_is_judged_like_any_address(
    hops: int, site: HttpTarget, sink: Sink, restrict: Restrict
) -> None:
    restrict("127.0.0.1/32")

    outcome = check_http(f"{site.url}/redirect?n={hops}&to=http://127.0.0.2:{sink.port}/")

    assert site.count("/redirect") == hops
    assert not sink.was_reached()
    assert (outcome.error, outcome.message) == (
        "network_unreachable",
        "Address 127.0.0.2 is never probed",
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0177.0.0.1", "127.1"])
def test_dialling_obeys_the_same_policy(host: str, sink: Sink, restrict: Restrict) -> None:
    restrict()

    with pytest.raises(net.RefusedAddressError):
        net.dial(host, sink.port, Deadline(1))

    assert not sink.was_reached()
    restrict("127.0.0.0/8", "::1/128")
    net.dial(host, sink.port, Deadline(1)).sock.close()
    assert sink.was_reached()


# Passive types send nothing; docker dials a Unix socket, and domain the registries of this world.
TYPES = [kind for kind in REGISTRY.values() if kind.type not in ("docker", "domain")]
TYPES = [kind for kind in TYPES if kind.judge is None]


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.type)
def test_every_type_obeys_the_same_policy(
    kind: CheckType[Any], sink: Sink, restrict: Restrict
) -> None:
    fields = kind.config.model_fields
    address = f"127.0.0.1:{sink.port}"
    known = {
        "host": "example.com" if kind.type == "dns" else "127.0.0.1",
        "ip": "127.0.0.1",
        "server": "127.0.0.1",
        "port": sink.port,
        "url": f"{'ws' if kind.type == 'websocket' else 'http'}://{address}/",
        "steps": [{"name": "a", "url": f"http://{address}/"}],
    }
    restrict()

    config = kind.config.model_validate(
        {name: known[name] for name in fields if name in known} | {"timeout": 1}
    )
    outcome = kind.check(config, Deadline(1))

    assert outcome.error == "network_unreachable"
    assert outcome.message.endswith("Address 127.0.0.1 is never probed")
    assert not sink.was_reached()


def test_the_trusted_certificates_are_found_without_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent")
    net.ca_bundle.cache_clear()

    context = ssl.create_default_context(cafile=net.ca_bundle())

    assert len(context.get_ca_certs()) > 50


def test_dialling_tells_who_answered_and_how_long_it_took() -> None:
    with tcp.accepting() as port:
        connection = net.dial("127.0.0.1", port, Deadline(5))

        with connection.sock as sock:
            assert connection.remote_ip == "127.0.0.1"
            assert sock.getpeername() == ("127.0.0.1", port)
            assert 0 < connection.namelookup_s < connection.connect_s < 5


def test_a_name_is_dialled_like_an_address() -> None:
    with tcp.accepting() as port:
        connection = net.dial("localhost", port, Deadline(5), "4")

        connection.sock.close()
        assert connection.remote_ip == "127.0.0.1"


def test_a_refused_address_is_not_dialled() -> None:
    with pytest.raises(net.RefusedAddressError) as caught:
        net.dial("169.254.169.254", 80, Deadline(5))

    assert net.explain(caught.value, "169.254.169.254:80", 5) == (
        "network_unreachable",
        "Address 169.254.169.254 is never probed",
    )


def test_an_address_of_the_wrong_family_is_a_dns_error() -> None:
    with pytest.raises(socket.gaierror) as caught:
        net.dial("127.0.0.1", 80, Deadline(5), "6")

    assert net.explain(caught.value, "127.0.0.1:80", 5)[0] == "dns_error"


def test_a_name_that_does_not_exist_is_a_dns_error() -> None:
    with pytest.raises(socket.gaierror) as caught:
        net.dial(UNRESOLVABLE, 80, Deadline(5))

    assert net.explain(caught.value, f"{UNRESOLVABLE}:80", 5)[0] == "dns_error"


def test_dialling_a_dead_port_ends_at_the_deadline() -> None:
    with tcp.blackhole() as port:
        began = time.monotonic()

        with pytest.raises(net.ConnectTimeoutError):
            net.dial("127.0.0.1", port, Deadline(0.3))

        assert 0.29 < time.monotonic() - began < 0.5


def test_a_deadline_that_has_passed_dials_nothing() -> None:
    with tcp.accepting() as port, pytest.raises(TimeoutError):
        net.dial("127.0.0.1", port, Deadline(0))


@pytest.mark.parametrize(
    ("kind", "error_kind", "message"),
    [
        ("expired", "certificate_expired", "Certificate has expired"),
        ("not_yet_valid", "certificate_invalid", "Certificate is not valid yet"),
        ("wrong_host", "certificate_invalid", "Certificate is not valid for this host"),
        ("self_signed", "certificate_invalid", "Certificate is self-signed"),
    ],
)
def test_each_fault_of_a_certificate_has_its_sentence(
    kind: tls.Kind, error_kind: str, message: str
) -> None:
    context = ssl.create_default_context(cadata=tls.ca_pem())

    with tls.https_target(kind) as server, pytest.raises(ssl.SSLError) as caught:
        sock = socket.create_connection(("127.0.0.1", server.port))
        with sock, context.wrap_socket(sock, server_hostname="127.0.0.1"):
            pass

    assert net.explain(caught.value, "127.0.0.1:443", 5) == (error_kind, message)


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        ("ECONNREFUSED", "connection_refused"),
        ("ECONNRESET", "connection_reset"),
        ("EPIPE", "connection_reset"),
        ("ENETUNREACH", "network_unreachable"),
        ("EHOSTUNREACH", "network_unreachable"),
        ("EACCES", "network_unreachable"),
        ("ETIMEDOUT", "connect_timeout"),
        ("EMFILE", "internal_error"),
    ],
)
def test_every_error_of_the_system_has_a_kind_and_a_sentence(number: str, kind: str) -> None:
    found, message = net.explain(OSError(getattr(errno, number), "library text"), "db.lan:1", 5)

    assert found == kind
    assert message and "library text" not in message


def test_a_name_lookup_leaves_no_thread_behind() -> None:
    before = threading.active_count()

    with tcp.closed_port() as port, pytest.raises(ConnectionRefusedError):
        net.dial("localhost", port, Deadline(5), "4")

    assert not [thread for thread in threading.enumerate() if thread.name == "name-lookup"]
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("error", "is_local"),
    [
        (socket.gaierror(socket.EAI_AGAIN, ""), True),
        (socket.gaierror(socket.EAI_SYSTEM, ""), True),
        (socket.gaierror(socket.EAI_NONAME, ""), False),
        (OSError(errno.ENETUNREACH, ""), True),
        (OSError(errno.EHOSTUNREACH, ""), True),
        (OSError(errno.ENETDOWN, ""), True),
        (OSError(errno.EMFILE, ""), True),
        (OSError(errno.ENOBUFS, ""), True),
        (ConnectionRefusedError(errno.ECONNREFUSED, ""), False),
        (ConnectionResetError(errno.ECONNRESET, ""), False),
        (net.ConnectTimeoutError(), False),
        (TimeoutError(), False),
        (net.RefusedAddressError("169.254.169.254"), False),
        (ssl.SSLError(), False),
    ],
)
def test_what_may_be_our_own_trouble_is_told_apart(error: OSError, is_local: bool) -> None:
    outcome = Outcome(False, None, *net.explain(error, "db.lan:1", 5))

    assert outcome.is_local == is_local


def test_why_a_name_could_not_be_resolved_is_found_out_by_asking_again() -> None:
    assert net.unresolved(UNRESOLVABLE, Deadline(1)).errno == socket.EAI_NONAME
    assert net.unresolved("localhost", Deadline(1)).errno == socket.EAI_AGAIN
    assert net.unresolved("127.0.0.1", Deadline(1), "6").errno != socket.EAI_AGAIN


def test_with_too_many_lookups_stuck_no_further_one_is_begun() -> None:
    answered = threading.Event()
    hung = [
        threading.Thread(target=answered.wait, args=(10,)) for _ in range(net.MOST_STUCK_LOOKUPS)
    ]
    for thread in hung:
        thread.start()
    net._stuck_lookups.extend(hung)  # There is no silent name server to hang at.
    threads = threading.active_count()

    with pytest.raises(socket.gaierror) as caught, tcp.accepting() as port:
        net.dial("localhost", port, Deadline(1))
    with tcp.accepting() as port:
        net.dial("127.0.0.1", port, Deadline(1)).sock.close()

    assert caught.value.errno == socket.EAI_AGAIN
    assert threading.active_count() <= threads
    answered.set()
    for thread in hung:
        thread.join()
    with tcp.accepting() as port:
        net.dial("localhost", port, Deadline(1), "4").sock.close()
    assert len(net._stuck_lookups) == 0
