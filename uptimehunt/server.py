"""The running server: the only place that knows every thread, and the order of start and stop.

start   socket → data folder → database → recorder → prober → scheduler → requests
stop    requests → scheduler → prober → recorder (writes what it holds) → database → folder
"""

import contextlib
import gc
import logging
import os
import shutil
import signal
import socket
import types
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from uptimehunt import __version__, checks, clock
from uptimehunt.api.parts import Parts
from uptimehunt.app import create_app
from uptimehunt.checks import net
from uptimehunt.domain import assignments
from uptimehunt.domain.assignments import Assignment
from uptimehunt.domain.retention import Keeping
from uptimehunt.domain.system import Storage
from uptimehunt.domain.tokens import Tokens
from uptimehunt.engine.prober import Prober
from uptimehunt.engine.recorder import Recorder
from uptimehunt.engine.scheduler import Scheduler
from uptimehunt.engine.upkeep import Upkeep
from uptimehunt.errors import StartError
from uptimehunt.logs import about
from uptimehunt.paths import is_frozen, static_dir
from uptimehunt.settings import Settings
from uptimehunt.store import database, mounts, nightly
from uptimehunt.store.database import Store
from uptimehunt.store.datadir import DataDir
from uptimehunt.store.models import LOCAL_PROBE
from uptimehunt.store.reserve import Reserve
from uptimehunt.web import Server

log = logging.getLogger(__name__)

PULSE_TOO_OLD_S = 5.0
"""Without a pulse for this long, checks are not being made."""


def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT; everything acknowledged is on disk when it returns.

    Raises:
        StartError: it cannot start; nothing was changed.
        StorageError: the disk has failed for so long that it was given up.
    """
    with _signals(), contextlib.ExitStack() as stop:
        listener = _listen(settings.host, settings.port)
        stop.callback(listener.close)
        folder = DataDir(settings.data_dir)
        stop.callback(folder.close)
        reserve = Reserve(folder.path)
        reserve.give_back_before_opening()
        folder.refuse_lost_database(database.examine(folder.database, folder.backups))
        folder.take_over()
        mounts.warn_of_network(folder.path)
        store = Store(folder.database, folder.backups, reserve, lost=_end)
        stop.callback(store.close)
        with store.reading():
            instance = database.instance_id()
        folder.tie(instance)
        secret = settings.secret_key or folder.secret_key()

        if is_frozen():
            checks.load_libraries()
        if settings.ca_file is not None:
            net.trust(settings.ca_file)
        net.restrict(settings.block_private, settings.allow_cidrs or ())

        recorder = Recorder(store.write, lambda verdict: prober.judged(verdict))
        prober = Prober(_Database(store), recorder.put, LOCAL_PROBE)
        recorder.start()
        stop.callback(recorder.stop)
        prober.load()
        stop.callback(prober.stop)
        scheduler = Scheduler(prober.disturb)
        scheduler.pulse(prober.pulse)
        keeping = Keeping(settings.results_days, settings.figures_days, settings.max_disk)
        upkeep = Upkeep(store, keeping)
        upkeep.note_awake()
        scheduler.every(60, "note that we are awake", upkeep.note_awake)
        scheduler.every(60, "merge results", upkeep.merge)
        scheduler.every(3600, "expire results", upkeep.expire)
        scheduler.every(3600, "forget sessions", upkeep.forget)
        copies = nightly.Nightly(folder.database, folder.backups, settings.nightly_backups)
        scheduler.every(60, "back up", copies.run)
        scheduler.start()
        stop.callback(scheduler.stop)
        stop.callback(upkeep.stop)
        stop.callback(copies.stop)

        def health() -> dict[str, bool]:
            return {
                "database": store.is_well(),
                "scheduler": prober.pulse_age_s() < PULSE_TOO_OLD_S,
                "recorder": recorder.is_well(),
            }

        def storage() -> Storage:
            backups = nightly.state(folder.backups, settings.nightly_backups, clock.now_ms())
            return Storage(keeping, shutil.disk_usage(folder.path).free, backups)

        app = create_app(
            Parts(
                store,
                Tokens(secret, instance),
                prober,
                settings.registration,
                health,
                urlsplit(settings.public_url or "").hostname,
                storage,
            ),
            static_dir(),
        )
        web = Server(app, listener, settings.trusted_proxy)
        stop.callback(web.close)
        gc.collect()
        gc.freeze()  # What lives as long as the program need not be looked at again.
        log.info(
            "server.started",
            extra=about(
                url=_url(listener),
                version=__version__,
                sqlite=database.sqlite_version(),
                data_dir=settings.data_dir,
            ),
        )
        web.run()
    log.info("server.stopped")


class _Database:
    """Assignments from our own database."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def all_enabled(self) -> list[Assignment]:
        with self._store.reading():
            return assignments.all_enabled()

    def of_service(self, service_id: int) -> Assignment | None:
        with self._store.reading():
            return assignments.of_service(service_id)

    def told(self, assignment: Assignment, mark: Mapping[str, Any] | None, awake_since: int) -> Any:
        with self._store.reading():
            return assignments.told(assignment, mark, awake_since)


def _end() -> None:
    """End in order, from any thread; what ends the program says so when the store is closed."""
    os.kill(os.getpid(), signal.SIGTERM)


def _listen(host: str, port: int) -> socket.socket:
    """A socket bound to the address, before anything else is touched.

    Raises:
        StartError: the address is in use, not ours, or no address.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(512)
    except OSError as ex:
        raise StartError(f"cannot listen on {host} port {port}: {ex.strerror}") from ex
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """Turn SIGTERM and SIGINT into an orderly end, once.

    The second of two signals at Ctrl-C (the terminal's, and the one that the executable's outer
    process passes on) would break into the stopping; so the first one switches both off.
    """

    def stop(number: int, frame: types.FrameType | None) -> None:
        for each in (signal.SIGTERM, signal.SIGINT):
            # Not SIG_IGN: a signal on its way at this moment would end in a traceback.
            signal.signal(each, lambda number, frame: None)
        raise SystemExit(0)

    before = {each: signal.signal(each, stop) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
