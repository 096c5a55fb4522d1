"""A real gRPC server with the health service, and servers that answer with frames of HTTP/2."""

import contextlib
import socket
import socketserver
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from typing import Any

import grpc
import h2.config
import h2.connection
import h2.events
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from tests.targets import LoopbackServer, program, running

TOKEN = "correct-horse"


class _Guard(grpc.ServerInterceptor):
    """Turns down calls whose metadata ask for it."""

    def intercept_service(self, continuation: Any, details: Any) -> Any:
        metadata = dict(details.invocation_metadata)
        if metadata.get("x-wanted", TOKEN) == TOKEN:
            return continuation(details)

        def refuse(_request: Any, context: Any) -> Any:
            code = getattr(grpc.StatusCode, metadata["x-wanted"])
            context.abort(code, f"no: {metadata.get('x-token')} grün")

        return grpc.unary_unary_rpc_method_handler(refuse)


@contextlib.contextmanager
def grpc_target(*, secured: bool = False, with_health: bool = True) -> Iterator[int]:
    server = grpc.server(futures.ThreadPoolExecutor(4), interceptors=[_Guard()])
    if with_health:
        servicer = health.HealthServicer()
        statuses = health_pb2.HealthCheckResponse
        servicer.set("", statuses.SERVING)
        servicer.set("shop.Cart", statuses.SERVING)
        servicer.set("shop.Till", statuses.NOT_SERVING)
        servicer.set("shop.Odd", statuses.UNKNOWN)
        servicer.set("x" * 200, statuses.SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    if secured:
        certificate, key = program.certificate_pems()
        credentials = grpc.ssl_server_credentials([(key, certificate)])
        port = server.add_secure_port("127.0.0.1:0", credentials)
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()


Headers = Sequence[tuple[str, str]]


@contextlib.contextmanager
def answering(
    headers: Headers, body: bytes | None = None, trailers: Headers | None = None
) -> Iterator[int]:
    """Answers each request over HTTP/2 with these; without trailers the body never ends."""

    def answer(connection: h2.connection.H2Connection, stream: int) -> None:
        is_all = body is None and trailers is None
        connection.send_headers(stream, headers, end_stream=is_all)
        if body is not None:
            connection.send_data(stream, body)
        if trailers is not None:
            connection.send_headers(stream, trailers, end_stream=True)

    with _serving(answer) as port:
        yield port


@contextlib.contextmanager
def _serving(answer: Callable[[h2.connection.H2Connection, int], None]) -> Iterator[int]:
    class Handler(socketserver.BaseRequestHandler):
        request: socket.socket

        def handle(self) -> None:
            configuration = h2.config.H2Configuration(client_side=False)
            connection = h2.connection.H2Connection(configuration)
            connection.initiate_connection()
            self.request.sendall(connection.data_to_send())
            while data := self.request.recv(65536):
                for event in connection.receive_data(data):
                    if isinstance(event, h2.events.StreamEnded):
                        answer(connection, event.stream_id)
                self.request.sendall(connection.data_to_send())

    server = LoopbackServer(Handler)
    with running(server):
        yield server.port
