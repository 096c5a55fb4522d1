"""The HTTP server: waitress, made strict.

waitress leaves doors open that face the network. It takes requests whose end two readers can see
at different places (smuggling), reads some of them in quadratic time, lets a peer that sends or
takes a byte now and then hold a connection for ever (slowloris), and answers its own errors as
plain text. Each is closed by one small class: `framing` has those that read, `server` the others.
"""

from uptimehunt.web.server import (
    CONNECTIONS,
    CONNECTIONS_AN_ADDRESS,
    LOOK_EVERY_S,
    PATIENCE,
    THREADS,
    Patience,
    Server,
)

__all__ = [
    "CONNECTIONS",
    "CONNECTIONS_AN_ADDRESS",
    "LOOK_EVERY_S",
    "PATIENCE",
    "THREADS",
    "Patience",
    "Server",
]
