"""Things done in a process that is killed while it does them, at a chosen step or moment.

`python -m tests.killed` is a process with everything loaded that forks one for each thing to be
done, so that each starts at once. A step is what Python does to files (opening, linking, renaming,
removing); a moment may lie anywhere, within SQLite too.
"""

import contextlib
import itertools
import json
import os
import select
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw

from tests import builders
from tests.builders import T0
from tests.process import ROOT
from uptimehunt import backup_cli, cli
from uptimehunt.domain import results
from uptimehunt.domain.findings import Finding
from uptimehunt.domain.retention import Keeping
from uptimehunt.engine.upkeep import Upkeep
from uptimehunt.store import migrations, models
from uptimehunt.store.database import Store

STEPS = {"open", "os.link", "os.rename", "os.remove"}

# --- what is done -------------------------------------------------------------------------------


def command(*words: str) -> None:
    """Run the program, of which `backup_cli` must be loaded already."""
    assert backup_cli
    assert cli.main(words) == 0


def crash(folder: str, mark: str) -> None:
    """Write to a database, and end without closing it: all that was written is in its log."""
    store = Store(Path(folder) / "uptimehunt.db", Path(folder) / "backups")
    store.write(models.DATABASE.execute_sql, "REPLACE INTO meta VALUES ('mark', ?)", (mark,))
    os._exit(0)


def add_column(connection: apsw.Connection) -> None:
    connection.execute("ALTER TABLE meta ADD COLUMN length INTEGER")
    connection.execute("UPDATE meta SET length = length(value)")


def rebuild(connection: apsw.Connection) -> None:
    connection.execute("CREATE TABLE copied (name PRIMARY KEY, value, length) WITHOUT ROWID")
    connection.execute("INSERT INTO copied SELECT name, value || value, length FROM meta")
    connection.execute("DROP TABLE meta")
    connection.execute("ALTER TABLE copied RENAME TO meta")


ADDED = (add_column, rebuild)


def migrate(file: str, backups: str) -> None:
    """Upgrade a database by two steps that touch every row of it."""
    with contextlib.closing(apsw.Connection(file)) as connection:
        connection.pragma("journal_mode", "wal")
        migrations.migrate(connection, Path(backups), (*migrations.MIGRATIONS, *ADDED))


SERVICES = 20
BATCH = 40


def record(folder: str, noted: str) -> None:
    """Record results for ever, and merge them for ever; note how many are acknowledged."""
    store = Store(Path(folder) / "uptimehunt.db", Path(folder) / "backups")
    upkeep = Upkeep(store, Keeping())
    threading.Thread(target=_merge_for_ever, args=(upkeep,), daemon=True).start()
    with open(noted, "r+b", buffering=0) as file:
        for count in itertools.count(int(file.read() or 0), BATCH):
            os.pwrite(file.fileno(), b"%020d" % count, 0)
            store.write(results.record, [_finding(count + at) for at in range(BATCH)])


def _merge_for_ever(upkeep: Upkeep) -> None:
    while True:
        upkeep.merge_now()


def _finding(number: int) -> Finding:
    return builders.finding(
        number % SERVICES + 1,
        T0 + number * 1000,
        ok=number % 7 > 0,
        took=number % 500 + 1,
        seen=number,
    )


# --- how it is killed ---------------------------------------------------------------------------


class Killer:
    """Has things done and kills them."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def run(
        self,
        what: Callable[..., None],
        *arguments: str,
        at_step: int | None = None,
        after_s: float | None = None,
    ) -> bool:
        """Do something, or the part that comes before a step or moment; whether it got done."""
        wanted = {"what": what.__name__, "args": arguments, "step": at_step, "after": after_s}
        assert self._process.stdin is not None and self._process.stdout is not None
        print(json.dumps(wanted), file=self._process.stdin, flush=True)
        ended = self._process.stdout.readline().strip()
        assert ended in {"done", "killed"}, f"{arguments}: {ended}"
        return ended == "done"


@contextlib.contextmanager
def killer(errors: Path) -> Iterator[Killer]:
    """One with a process of its own; what goes wrong there is written to a file."""
    environ = {name: text for name, text in os.environ.items() if "UPTIMEHUNT" not in name}
    with (
        open(errors, "w") as output,
        subprocess.Popen(
            [sys.executable, "-m", "tests.killed"],
            cwd=ROOT,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
        ) as process,
    ):
        yield Killer(process)
        assert process.stdin is not None
        process.stdin.close()


def _serve() -> None:
    for line in sys.stdin:
        wanted = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _do(wanted)
        if wanted["after"] is not None:
            watch = os.pidfd_open(pid)
            select.select([watch], [], [], wanted["after"])
            os.close(watch)
            os.kill(pid, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        print({0: "done", -signal.SIGKILL: "killed"}.get(status, status), flush=True)


def _do(wanted: dict[str, Any]) -> None:
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    try:
        if wanted["step"] is not None:
            _die_at(wanted["step"])
        globals()[wanted["what"]](*wanted["args"])
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _die_at(step: int) -> None:
    left = step

    def count(event: str, _: object) -> None:
        nonlocal left
        if event in STEPS:
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1

    sys.addaudithook(count)


if __name__ == "__main__":
    _serve()
