"""Proxies: HTTP with CONNECT, and SOCKS 5 (RFC 1928), each with a login where asked."""

import base64
import contextlib
import select
import socket
import socketserver
from collections.abc import Iterator
from typing import Any

from tests.targets import LoopbackServer, running


class ProxyTarget(LoopbackServer):
    """The running proxy.

    Attributes:
        login: user and password that it wants, if any.
        asked: what it was asked for, in order: `METHOD target` or `host:port`.
        heads: what HTTP clients said, up to the empty line.
    """

    def __init__(self, handler: Any, login: tuple[str, str] | None) -> None:
        super().__init__(handler)
        self.login = login
        self.asked: list[str] = []
        self.heads: list[bytes] = []


class _Handler(socketserver.BaseRequestHandler):
    server: ProxyTarget
    request: socket.socket

    def pump(self, there: socket.socket) -> None:
        """Carry bytes both ways until one side hangs up."""
        ends = {self.request: there, there: self.request}
        while not self.server.stopping.is_set():
            for end in select.select(list(ends), [], [], 0.05)[0]:
                data = end.recv(65536)
                if not data:
                    return
                ends[end].sendall(data)


class _HttpHandler(_Handler):
    def handle(self) -> None:
        head = b""
        while b"\r\n\r\n" not in head and (more := self.request.recv(65536)):
            head += more
        self.server.heads.append(head)
        method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
        self.server.asked.append(f"{method} {target}")
        if self.server.login is not None:
            pair = base64.b64encode(":".join(self.server.login).encode())
            if b"Proxy-Authorization: Basic " + pair not in head:
                self.request.sendall(
                    b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                )
                return
        if method == "CONNECT":
            host, _, port = target.rpartition(":")
            try:
                there = socket.create_connection((host, int(port)))
            except OSError:
                self.request.sendall(b"HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n")
                return
            self.request.sendall(b"HTTP/1.1 200 Connected\r\nX-From: proxy\r\n\r\n")
        else:
            netloc, _, path = target.removeprefix("http://").partition("/")
            host, _, port = netloc.partition(":")
            there = socket.create_connection((host, int(port)))
            there.sendall(head.replace(target.encode(), b"/" + path.encode(), 1))
        with there:
            self.pump(there)


class _SocksHandler(_Handler):
    def handle(self) -> None:
        count = self.request.recv(2)[1]
        methods = self.request.recv(count)
        if self.server.login is None:
            self.request.sendall(b"\x05\x00")
        elif b"\x02" not in methods:
            self.request.sendall(b"\x05\xff")
            return
        else:
            self.request.sendall(b"\x05\x02")  # RFC 1929
            said = self.request.recv(600)
            user, password = self.server.login
            pair = bytes([len(user)]) + user.encode() + bytes([len(password)]) + password.encode()
            if said[1:] != pair:
                self.request.sendall(b"\x01\x01")
                return
            self.request.sendall(b"\x01\x00")
        _version, _command, _reserved, kind = self.request.recv(4)
        if kind == 1:
            host = socket.inet_ntoa(self.request.recv(4))
        else:
            host = self.request.recv(self.request.recv(1)[0]).decode()
        port = int.from_bytes(self.request.recv(2), "big")
        self.server.asked.append(f"{host}:{port}")
        try:
            there = socket.create_connection((host, port))
        except OSError:
            self.request.sendall(b"\x05\x05\x00\x01" + bytes(6))
            return
        self.request.sendall(b"\x05\x00\x00\x01" + bytes(6))
        with there:
            self.pump(there)


@contextlib.contextmanager
def http_proxy(login: tuple[str, str] | None = None) -> Iterator[ProxyTarget]:
    server = ProxyTarget(_HttpHandler, login)
    with running(server):
        yield server


@contextlib.contextmanager
def socks_proxy(login: tuple[str, str] | None = None) -> Iterator[ProxyTarget]:
    server = ProxyTarget(_SocksHandler, login)
    with running(server):
        yield server
