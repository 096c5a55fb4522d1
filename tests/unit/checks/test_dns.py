import pathlib
import socket
import time
from typing import Any

import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.targets import dns as targets
from tests.targets import tcp as tcp_targets
from tests.targets import tls
from uptimehunt.checks import Deadline, Outcome
from uptimehunt.checks import dns as dns_check
from uptimehunt.checks.dns_config import DnsConfig
from uptimehunt.checks.dns_transport import read_answer
from uptimehunt.domain.validation import findings


def config_of(**more: Any) -> DnsConfig:
    return DnsConfig.model_validate({"host": "example.test", "timeout": 1, **more})


def check(port: int, seconds: float | None = None, **more: Any) -> Outcome:
    config = config_of(server="127.0.0.1", port=port, **more)
    return dns_check.check(config, Deadline(seconds or config.timeout))


def check_system(
    port: int, servers: list[str], seconds: float | None = None, **more: Any
) -> Outcome:
    config = config_of(port=port, **more)
    return dns_check.check(config, Deadline(seconds or config.timeout), servers)


def test_an_answer_is_up_with_its_records_and_facts() -> None:
    with targets.dns_target() as server:
        outcome = check(server.port)

    details = outcome.details
    assert outcome.ok and outcome.error is None
    assert outcome.response_time_ms is not None and outcome.response_time_ms >= 1
    assert details["answers"] == ["192.0.2.1", "192.0.2.2"]
    assert (details["rcode"], details["ttl"], details["answer_count"]) == ("NOERROR", 300, 2)
    assert details["flags"] == ["QR", "RD", "RA"]
    assert details["server"] == f"127.0.0.1:{server.port}"
    assert (details["transport"], details["remote_ip"]) == ("udp", "127.0.0.1")
    assert list(details["timing"]) == list(dns_check.CHECK.timing_phases)
    assert 0 < details["timing"]["namelookup"] < details["timing"]["total"]


@pytest.mark.parametrize(
    ("host", "record_type", "expected"),
    [
        ("example.test", "A", "192.0.2.2"),
        ("EXAMPLE.test.", "A", " 192.0.2.2 "),
        ("www.example.test", "A", "192.0.2.1"),
        ("www.example.test", "CNAME", "Example.TEST"),
        ("example.test", "AAAA", "2001:0DB8:0::1"),
        ("example.test", "MX", "10 mail.example.test"),
        ("example.test", "NS", "NS1.example.test."),
        ("example.test", "TXT", "v=spf1 ip4:192.0.2.0/24; -all"),
        ("example.test", "TXT", '"v=spf1 ip4:192.0.2.0/24; -all"'),
        ("example.test", "TXT", "Case Matters"),
        ("example.test", "SOA", "ns1.example.test admin.example.test 1 2 3 4 5"),
        ("example.test", "CAA", '0 issue "ca.example"'),
        ("example.test", "HTTPS", "1 . alpn=h2"),
        ("example.test", "DNSKEY", "256 3 8 AwEAAQ=="),
        ("example.test", "DS", "1 8 2 " + "AB" * 32),
        ("_sip._tcp.example.test", "SRV", "1 2 5060 SIP.example.test"),
        ("_443._tcp.example.test", "TLSA", "3 1 1 " + "CD" * 32),
        ("naptr.example.test", "NAPTR", '1 1 "u" "E2U+sip" "!^.*$!sip:a@b!" .'),
        ("_dns.example.test", "SVCB", "1 ns1.example.test alpn=dot"),
        ("192.0.2.1", "PTR", "host.example.test"),
        ("2001:db8::1", "PTR", "host6.example.test"),
        ("1.2.0.192.in-addr.arpa", "PTR", "host.example.test"),
    ],
)
def test_each_record_type_is_compared_by_its_meaning(
    host: str, record_type: str, expected: str
) -> None:
    with targets.dns_target() as server:
        outcome = check(server.port, host=host, record_type=record_type, expected=[expected])

    assert outcome.ok, outcome.message


@pytest.mark.parametrize(
    ("match", "expected", "message"),
    [
        ("any", ["192.0.2.9", "192.0.2.1"], None),
        ("any", ["192.0.2.9"], "None of the expected values is in the answer"),
        ("all", ["192.0.2.1"], None),
        ("all", ["192.0.2.1", "192.0.2.9"], "1 expected value is not in the answer"),
        ("all", ["192.0.2.8", "192.0.2.9"], "2 expected values are not in the answer"),
        ("exact", ["192.0.2.2", "192.0.2.1"], None),
        ("exact", ["192.0.2.1"], "More in the answer than expected: 1 too many"),
        ("exact", ["192.0.2.1", "192.0.2.9"], "1 expected value is not in the answer"),
    ],
)
def test_expected_values_are_matched_as_asked(
    match: str, expected: list[str], message: str | None
) -> None:
    with targets.dns_target() as server:
        outcome = check(server.port, match=match, expected=expected)

    assert outcome.ok == (message is None)
    if message is not None:
        assert (outcome.error, outcome.message) == ("assertion_failed", message)
        assert outcome.details["answers"] == ["192.0.2.1", "192.0.2.2"]
        assert outcome.response_time_ms is not None


def test_the_text_of_a_txt_record_keeps_its_case() -> None:
    with targets.dns_target() as server:
        outcome = check(server.port, record_type="TXT", expected=["case matters"])

    assert outcome.error == "assertion_failed"


def test_a_name_that_does_not_exist_is_a_failure_unless_that_is_expected() -> None:
    with targets.dns_target() as server:
        missing = check(server.port, host="missing.test")
        expected = check(server.port, host="missing.test", rcode="NXDOMAIN")
        unexpected = check(server.port, rcode="NXDOMAIN")

    assert missing.error == "assertion_failed"
    assert missing.message == "Answered NXDOMAIN, expected NOERROR"
    assert missing.details["rcode"] == "NXDOMAIN"
    assert expected.ok
    assert unexpected.message == "Answered NOERROR, expected NXDOMAIN"


def test_an_answer_without_records_is_a_failure() -> None:
    with targets.dns_target() as server:
        outcome = check(server.port, host="empty.example.test", record_type="MX")

    assert (outcome.error, outcome.message) == ("assertion_failed", "No MX record in the answer")


def test_an_alias_of_itself_is_a_protocol_error() -> None:
    with targets.dns_target() as server:
        outcome = check(server.port, host="loop.example.test")

    assert outcome.error == "protocol_error"


def test_dnssec_wants_an_answer_that_was_validated() -> None:
    with targets.dns_target(targets.validating) as server:
        validated = check(server.port, dnssec=True)
        server.behave = targets.honest
        unvalidated = check(server.port, dnssec=True)

    assert validated.ok and "AD" in validated.details["flags"]
    assert unvalidated.error == "assertion_failed"
    assert "DNSSEC" in unvalidated.message


def test_an_answer_too_long_for_udp_is_fetched_over_tcp() -> None:
    with targets.dns_target(targets.truncating) as server:
        outcome = check(server.port)

    assert outcome.ok
    assert server.asked == ["udp", "tcp"]
    assert outcome.details["transport"] == "tcp"
    assert 0 < outcome.details["timing"]["connect"] < outcome.details["timing"]["total"]


def test_over_tcp_it_asks_over_tcp() -> None:
    with targets.dns_target() as server:
        outcome = check(server.port, transport="tcp", expected=["192.0.2.1"])

    assert outcome.ok and server.asked == ["tcp"]


def test_forged_and_broken_datagrams_before_the_answer_change_nothing() -> None:
    with targets.dns_target(targets.forgeries_first) as server:
        outcome = check(server.port)

    assert outcome.ok and outcome.details["answers"] == ["192.0.2.1", "192.0.2.2"]


def test_nothing_but_forgeries_end_at_the_deadline() -> None:
    with targets.dns_target(targets.forgeries) as server:
        began = time.monotonic()
        outcome = check(server.port, seconds=0.4)

    assert time.monotonic() - began < 1
    assert outcome.error == "protocol_error"


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_server_that_says_nothing_is_a_timeout(transport: str) -> None:
    with targets.dns_target(targets.silent) as server:
        began = time.monotonic()
        outcome = check(server.port, seconds=0.4, transport=transport)

        assert time.monotonic() - began < 1
    assert (outcome.error, outcome.message) == ("timeout", "No answer within 1 s")
    assert outcome.response_time_ms is None


def test_a_query_that_gets_lost_is_sent_again() -> None:
    with targets.dns_target() as server:
        server.behave = lambda query, transport: (
            targets.honest(query, transport) if len(server.asked) > 1 else []
        )
        outcome = check(server.port, timeout=3)

    assert outcome.ok and server.asked == ["udp", "udp"]


@pytest.mark.parametrize("transport", ["udp", "tcp", "dot", "doh"])
def test_a_port_that_refuses_is_connection_refused(transport: str) -> None:
    with tcp_targets.closed_port() as port, socket.socket(type=socket.SOCK_DGRAM) as held:
        held.bind(("127.0.0.2", port))  # nobody else's answer on this port of 127.0.0.1
        outcome = check(port, transport=transport)

    assert outcome.error == "connection_refused"
    assert outcome.message == f"Connection refused by 127.0.0.1:{port}"


@pytest.mark.parametrize("answer", [b"", b"\x00\x04abcd", b"\xff\xffabc", b"HTTP/1.1 400\r\n\r\n"])
def test_garbage_over_tcp_is_a_protocol_error(answer: bytes) -> None:
    with targets.dns_target() as server:
        server.raw = answer
        outcome = check(server.port, transport="tcp")

    assert outcome.error == "protocol_error"
    assert "abc" not in outcome.message


def test_an_answer_over_tcp_to_another_question_is_a_protocol_error() -> None:
    with targets.dns_target(targets.forgeries) as server:
        server.behave = lambda query, transport: targets.forgeries(query, transport)[-2:]
        outcome = check(server.port, transport="tcp")

    assert outcome.error == "protocol_error"


def test_a_server_that_drips_ends_at_the_deadline() -> None:
    with tcp_targets.dripping(b"\xff") as port:
        began = time.monotonic()
        outcome = check(port, seconds=0.4, transport="tcp")

        assert time.monotonic() - began < 1
    assert outcome.error == "timeout"


def test_a_reset_is_a_reset() -> None:
    with tcp_targets.resetting() as port:
        outcome = check(port, transport="tcp")

    assert outcome.error == "connection_reset"


def test_dns_over_tls_is_up_with_the_certificate() -> None:
    with targets.dns_target(tls=tls.server_context("good")) as server:
        outcome = check(server.port, transport="dot", ca_pem=tls.ca_pem())

    assert outcome.ok and server.asked == ["tcp"]
    assert outcome.details["certificate"]["days_left"] > 0
    assert outcome.details["timing"]["appconnect"] > 0


def test_dns_over_https_is_up_with_the_certificate() -> None:
    with targets.dns_target(tls=tls.server_context("good"), doh=True) as server:
        server.path = "/resolve?x=1"
        outcome = check(server.port, transport="doh", path="/resolve?x=1", ca_pem=tls.ca_pem())

    assert outcome.ok and server.asked == ["doh"]
    assert outcome.details["certificate"]["days_left"] > 0
    assert list(outcome.details["timing"]) == list(dns_check.CHECK.timing_phases)


@pytest.mark.parametrize("doh", [False, True])
@pytest.mark.parametrize(
    ("kind", "error"),
    [("expired", "certificate_expired"), ("wrong_host", "certificate_invalid")],
)
def test_a_bad_certificate_is_told(kind: tls.Kind, error: str, doh: bool) -> None:
    with targets.dns_target(tls=tls.server_context(kind), doh=doh) as server:
        transport = "doh" if doh else "dot"
        bad = check(server.port, transport=transport, ca_pem=tls.ca_pem())
        unverified = check(server.port, transport=transport, verify_tls=False)

    assert bad.error == error and bad.details["certificate"]
    assert unverified.ok


@pytest.mark.parametrize("doh", [False, True])
def test_a_certificate_that_expires_soon_is_a_warning(doh: bool) -> None:
    with targets.dns_target(tls=tls.server_context("expiring"), doh=doh) as server:
        outcome = check(server.port, transport="doh" if doh else "dot", ca_pem=tls.ca_pem())

    assert outcome.ok and outcome.details["warning"] == "certificate_expiring"


def test_dns_over_https_from_something_else_is_a_failure() -> None:
    def empty(_query: dns.message.Message, _transport: str) -> targets.Answers:
        return [b"hello"]

    def endless(_query: dns.message.Message, _transport: str) -> targets.Answers:
        return [b"x" * 2**20]

    with targets.dns_target(tls=tls.server_context("good"), doh=True) as server:
        missing = check(server.port, transport="doh", path="/no", ca_pem=tls.ca_pem())
        server.behave = empty
        garbage = check(server.port, transport="doh", ca_pem=tls.ca_pem())
        server.behave = endless
        large = check(server.port, transport="doh", ca_pem=tls.ca_pem())

    assert (missing.error, missing.message) == ("status_mismatch", "Answered 404, expected 200")
    assert garbage.error == large.error == "protocol_error"


def test_without_a_server_the_systems_are_asked_in_turn() -> None:
    with targets.dns_target() as server:
        outcome = check_system(server.port, ["127.0.0.2", "127.0.0.1"])

    assert outcome.ok and outcome.details["server"] == f"127.0.0.1:{server.port}"


def test_a_silent_server_of_the_system_leaves_time_for_the_next() -> None:
    with targets.dns_target(targets.silent) as server:
        server.behave = lambda query, transport: (
            targets.honest(query, transport) if len(server.asked) > 1 else []
        )
        outcome = check_system(server.port, ["127.0.0.1", "127.0.0.1"])

    assert outcome.ok


@pytest.mark.parametrize(
    "behave", [targets.silent, targets.coded(dns.rcode.SERVFAIL), targets.coded(dns.rcode.REFUSED)]
)
def test_system_servers_that_cannot_answer_are_a_dns_error(behave: targets.Behaviour) -> None:
    with targets.dns_target(behave) as server:
        outcome = check_system(server.port, ["127.0.0.1"] * 3, seconds=1.5)

    assert len(server.asked) >= 3
    assert outcome.error == "dns_error" and outcome.is_local
    assert outcome.message == "No name server of this system could answer for example.test"


def test_system_servers_that_refuse_are_a_dns_error() -> None:
    with tcp_targets.closed_port() as port:
        outcome = check_system(port, ["127.0.0.2"])

    assert outcome.error == "dns_error"


def test_nxdomain_from_the_system_is_about_the_name() -> None:
    with targets.dns_target() as server:
        outcome = check_system(server.port, ["127.0.0.1"], host="missing.test")

    assert outcome.error == "assertion_failed"


def test_a_failing_server_may_be_what_is_expected() -> None:
    with targets.dns_target(targets.coded(dns.rcode.SERVFAIL)) as server:
        outcome = check_system(server.port, ["127.0.0.1", "127.0.0.1"], rcode="SERVFAIL")

    assert outcome.ok and len(server.asked) == 1


def test_name_servers_are_read_from_the_systems_file(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text(
        "# nameserver 192.0.2.9\nsearch lan\nnameserver 192.0.2.1\nnameserver\n"
        "nameserver fe80::1%eth0\nnameserver x_!\n nameserver 2001:DB8::1 # home\n"
        "nameserver 192.0.2.4\nnameserver 192.0.2.5\n"
    )

    assert dns_check.nameservers(file) == ["192.0.2.1", "fe80::1%eth0", "2001:db8::1"]
    assert dns_check.nameservers(tmp_path / "none") == ["127.0.0.1"]


def test_a_metadata_address_is_never_asked() -> None:
    for transport in ("udp", "tcp", "dot", "doh"):
        config = config_of(server="169.254.169.254", transport=transport)
        outcome = dns_check.check(config, Deadline(1))

        assert outcome.error == "network_unreachable"
        assert "is never probed" in outcome.message


def test_a_server_without_an_address_of_the_wanted_family_is_a_dns_error() -> None:
    outcome = check(53, ip_family="6")

    assert outcome.error == "dns_error"


def test_many_and_long_answers_are_shown_in_part() -> None:
    def many(query: dns.message.Message, _transport: str) -> targets.Answers:
        answer = dns.message.make_response(query)
        long = f'{"x" * 250}" "{"y" * 250}" "{"z" * 250}'
        texts = [f'"{number:03}{long}"' for number in range(60)]
        name = query.question[0].name
        answer.answer.append(dns.rrset.from_text(name, 60, "IN", "TXT", *texts))
        return [answer.to_wire(max_size=65535)]

    with targets.dns_target(many) as server:
        outcome = check(server.port, record_type="TXT", transport="tcp")

    assert outcome.ok and outcome.details["answer_count"] == 60
    assert len(outcome.details["answers"]) == 20
    assert all(len(answer) <= 512 for answer in outcome.details["answers"])


@given(st.binary(max_size=600))
def test_no_bytes_can_break_the_reading_of_an_answer(tail: bytes) -> None:
    query = dns.message.make_query("example.test", "A", id=1)
    head = query.to_wire()[:2]

    assert read_answer(query, tail) is None
    read_answer(query, head + b"\x81\x80" + tail)
    read_answer(query, head + b"\x81\x80\x00\x01\x00\x05\x00\x01\x00\x01" + tail)
    read_answer(query, head + b"\x81\x80" + query.to_wire()[4:] + tail)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("host", ""), ("host", "a b"), ("host", "-x"), ("host", "192.0.2.1"), ("host", "::1"),
        ("host", ".".join(["x" * 63] * 4)[:254]), ("host", "--help"), ("host", "$(id)"),
        ("record_type", "ANY"), ("record_type", "a"), ("server", ""), ("server", "a b"),
        ("port", 0), ("port", 65536), ("port", "53"), ("transport", "quic"),
        ("server", None), ("server", "fe80::1%eth0"), ("path", "dns-query"), ("path", "/a b"),
        ("path", ""), ("path", "/#x"),
        ("expected", ["x"]), ("expected", [""]), ("expected", "192.0.2.1"),
        ("expected", ["192.0.2.1", "\n"]), ("expected", ["192.0.2.1"] * 51),
        ("match", "none"), ("rcode", "nxdomain"), ("rcode", 3), ("dnssec", 1),
        ("verify_tls", "yes"), ("ca_pem", "no"), ("server_name", "a/b"), ("unknown", 1),
    ],
)  # fmt: skip
def test_a_bad_field_is_named(field: str, value: object) -> None:
    good = {"host": "example.test", "server": "192.0.2.53", "transport": "doh"}

    with pytest.raises(ValidationError) as caught:
        DnsConfig.model_validate({**good, field: value})

    named = {name.partition(".")[0] for name in findings(DnsConfig, caught.value)}
    assert named == {field}


def test_an_address_with_a_zone_has_no_reverse_name() -> None:
    with pytest.raises(ValidationError) as caught:
        config_of(host="fe80::1%eth0", record_type="PTR")

    assert list(findings(DnsConfig, caught.value)) == ["host"]


def test_everything_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(ValidationError) as caught:
        config_of(host="192.0.2.1", transport="doh", path="x", expected=["y"])

    assert set(findings(DnsConfig, caught.value)) == {"host", "server", "path", "expected"}


def test_expected_values_come_only_with_an_answer() -> None:
    with pytest.raises(ValidationError) as caught:
        config_of(rcode="NXDOMAIN", expected=["192.0.2.1"])

    assert list(findings(DnsConfig, caught.value)) == ["expected"]


def test_the_target_says_what_is_asked_of_whom() -> None:
    plain = dns_check.CHECK.target(config_of(record_type="MX"))
    at_server = dns_check.CHECK.target(config_of(server="::1", transport="dot"))

    assert (plain.host, plain.port, plain.label) == ("example.test", 53, "example.test MX")
    assert (at_server.host, at_server.port) == ("::1", 853)
    assert at_server.label == "example.test A at [::1]:853"
