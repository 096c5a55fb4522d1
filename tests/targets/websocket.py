"""A real WebSocket server (the `websockets` package): each path is a behaviour.

| path | does |
| --- | --- |
| `/echo` | sends back each text |
| `/greet` | sends `hello`, in three fragments, with a ping before |
| `/headers` | sends back the request's headers as JSON |
| `/silent` | says nothing |
| `/binary` | sends bytes, then `hello` |
| `/goodbye` | closes with code 4000 |
| `/denied`, `/missing` | answers 403, 404 |
"""

import contextlib
import http
import json
import ssl
import threading
from collections.abc import Iterator
from typing import Any

from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve


@contextlib.contextmanager
def websocket_target(tls: ssl.SSLContext | None = None) -> Iterator[int]:
    stopping = threading.Event()

    def handle(connection: ServerConnection) -> None:
        request = connection.request
        assert request is not None
        match request.path.partition("?")[0]:
            case "/echo":
                for message in connection:
                    connection.send(message)
            case "/greet":
                connection.ping()
                connection.send(iter(["he", "ll", "o"]))
            case "/headers":
                connection.send(json.dumps(dict(request.headers.raw_items())))
            case "/binary":
                connection.send(b"\0hello")
                connection.send("hello")
            case "/goodbye":
                connection.close(4000)
                return
        stopping.wait(10)

    def refuse(connection: ServerConnection, request: Request) -> Response | None:
        refusals = {"/denied": http.HTTPStatus.FORBIDDEN, "/missing": http.HTTPStatus.NOT_FOUND}
        status = refusals.get(request.path)
        return None if status is None else connection.respond(status, "no\n")

    more: dict[str, Any] = {"ssl": tls, "process_request": refuse, "subprotocols": ["chat"]}
    with serve(handle, "127.0.0.1", 0, select_subprotocol=_choose, **more) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.socket.getsockname()[1]
        finally:
            stopping.set()
            server.shutdown()
            thread.join()


def _choose(_connection: ServerConnection, offered: Any) -> Any:
    return "chat" if "chat" in offered else None
