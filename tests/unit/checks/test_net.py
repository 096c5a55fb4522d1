import errno
import socket
import ssl
import threading
import time

import pytest

from tests.targets import tcp, tls
from uptimehunt.checks import Deadline, net

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
