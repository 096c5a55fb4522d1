"""The schema's history: a numbered list, run inside one transaction.

Order matters; add new entries at the end and never change one that was released. `user_version`
of the database is the number of entries it has seen. Ids of things that others refer to are never
used again (AUTOINCREMENT), so that a late check result cannot land on another service.
"""

import uuid
from collections.abc import Callable
from pathlib import Path

import apsw

from uptimehunt import clock
from uptimehunt.errors import StartError
from uptimehunt.store import backup

APPLICATION_ID = 0x55504854
"""Marks the file as ours ("UPHT")."""

Migration = Callable[[apsw.Connection], None]

_FIRST_SCHEMA = """
CREATE TABLE meta (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE user (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    email TEXT NOT NULL,
    email_key TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL,
    role TEXT NOT NULL,
    timezone TEXT NOT NULL,
    theme TEXT NOT NULL,
    locale TEXT NOT NULL,
    disabled_at INTEGER,
    created_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX user_email_key ON user (email_key);
CREATE TABLE api_token (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    prefix TEXT NOT NULL,
    scope TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    last_used_at INTEGER
);
CREATE INDEX api_token_user_id ON api_token (user_id);
CREATE UNIQUE INDEX api_token_digest ON api_token (digest);
CREATE TABLE session (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER NOT NULL,
    ended_at INTEGER,
    user_agent TEXT NOT NULL,
    address TEXT NOT NULL
);
CREATE INDEX session_user_id ON session (user_id);
CREATE TABLE refresh_token (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    session_id INTEGER NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    parent_id INTEGER,
    digest TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    retired_at INTEGER
);
CREATE INDEX refresh_token_session_id ON refresh_token (session_id);
CREATE UNIQUE INDEX refresh_token_digest ON refresh_token (digest);
CREATE INDEX refresh_token_expires_at ON refresh_token (expires_at);
CREATE TABLE project (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    description TEXT NOT NULL,
    color TEXT NOT NULL,
    icon TEXT NOT NULL,
    position INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX project_user_id_name_key ON project (user_id, name_key);
CREATE TABLE service (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    project_id INTEGER REFERENCES project (id) ON DELETE SET NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    type TEXT NOT NULL,
    config TEXT NOT NULL,
    target TEXT NOT NULL,
    tags TEXT NOT NULL,
    interval_seconds INTEGER NOT NULL,
    retries INTEGER NOT NULL,
    retry_interval_seconds INTEGER NOT NULL,
    recoveries INTEGER NOT NULL,
    degraded_after_ms INTEGER,
    probe_ids TEXT NOT NULL,
    confirm_from TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);
CREATE INDEX service_user_id ON service (user_id);
CREATE INDEX service_project_id ON service (project_id);
CREATE TABLE service_state (
    service_id INTEGER NOT NULL PRIMARY KEY REFERENCES service (id) ON DELETE CASCADE,
    status TEXT NOT NULL,
    changed_at INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    failing_since INTEGER,
    successes INTEGER NOT NULL,
    succeeding_since INTEGER,
    outages INTEGER NOT NULL,
    outage_at INTEGER,
    flapping_since INTEGER,
    error TEXT,
    message TEXT NOT NULL,
    ledger INTEGER NOT NULL
);
CREATE TABLE last_check (
    service_id INTEGER NOT NULL PRIMARY KEY REFERENCES service (id) ON DELETE CASCADE,
    checked_at INTEGER NOT NULL,
    response_time_ms INTEGER
);
CREATE TABLE span (
    service_id INTEGER NOT NULL REFERENCES service (id) ON DELETE CASCADE,
    started_at INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    PRIMARY KEY (service_id, started_at)
) WITHOUT ROWID;
CREATE TABLE probe (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    hostname TEXT NOT NULL DEFAULT '',
    city TEXT NOT NULL DEFAULT '',
    country_code TEXT NOT NULL DEFAULT '',
    region TEXT NOT NULL DEFAULT '',
    isp TEXT NOT NULL DEFAULT '',
    latitude REAL,
    longitude REAL,
    version TEXT NOT NULL DEFAULT '',
    capabilities TEXT NOT NULL DEFAULT '[]',
    token_digest TEXT,
    previous_digest TEXT,
    previous_until INTEGER,
    seen_at INTEGER,
    created_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX probe_token_digest ON probe (token_digest);
CREATE TABLE probe_state (
    service_id INTEGER NOT NULL REFERENCES service (id) ON DELETE CASCADE,
    probe_id INTEGER NOT NULL REFERENCES probe (id) ON DELETE CASCADE,
    status TEXT NOT NULL,
    changed_at INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    failing_since INTEGER,
    successes INTEGER NOT NULL,
    succeeding_since INTEGER,
    checked_at INTEGER NOT NULL,
    response_time_ms INTEGER,
    error TEXT,
    message TEXT NOT NULL,
    details TEXT,
    PRIMARY KEY (service_id, probe_id)
) WITHOUT ROWID;
CREATE TABLE received_result (id TEXT NOT NULL PRIMARY KEY, received_at INTEGER NOT NULL)
    WITHOUT ROWID;
CREATE INDEX received_result_received_at ON received_result (received_at);
CREATE TABLE fault (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    error TEXT NOT NULL,
    message TEXT NOT NULL,
    used_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX fault_error_message ON fault (error, message);
CREATE TABLE landed_result (
    id INTEGER NOT NULL PRIMARY KEY,
    service_id INTEGER NOT NULL,
    probe_id INTEGER NOT NULL,
    checked_at INTEGER NOT NULL,
    response_time_ms INTEGER,
    status_code INTEGER,
    fault_id INTEGER
);
CREATE TABLE landed_details (id INTEGER NOT NULL PRIMARY KEY, details BLOB NOT NULL);
CREATE TABLE check_result (
    service_id INTEGER NOT NULL,
    checked_at INTEGER NOT NULL,
    probe_id INTEGER NOT NULL,
    response_time_ms INTEGER,
    status_code INTEGER,
    fault_id INTEGER,
    PRIMARY KEY (service_id, checked_at, probe_id)
) WITHOUT ROWID;
CREATE INDEX check_result_failures ON check_result (service_id, checked_at)
    WHERE fault_id IS NOT NULL;
CREATE TABLE check_details (
    service_id INTEGER NOT NULL,
    checked_at INTEGER NOT NULL,
    probe_id INTEGER NOT NULL,
    is_failure INTEGER NOT NULL,
    details BLOB NOT NULL,
    PRIMARY KEY (service_id, checked_at, probe_id)
) WITHOUT ROWID;
CREATE TABLE merge (
    id INTEGER NOT NULL PRIMARY KEY,
    fence INTEGER NOT NULL,
    upto INTEGER NOT NULL,
    results INTEGER NOT NULL
);
CREATE TABLE half_hour (
    service_id INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    probe_id INTEGER NOT NULL,
    checks INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    timed INTEGER NOT NULL,
    total_ms INTEGER NOT NULL,
    least_ms INTEGER,
    most_ms INTEGER,
    histogram BLOB,
    PRIMARY KEY (service_id, slot, probe_id)
) WITHOUT ROWID;
CREATE TABLE day (
    service_id INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    probe_id INTEGER NOT NULL,
    checks INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    timed INTEGER NOT NULL,
    total_ms INTEGER NOT NULL,
    least_ms INTEGER,
    most_ms INTEGER,
    histogram BLOB,
    PRIMARY KEY (service_id, slot, probe_id)
) WITHOUT ROWID;
CREATE TABLE transition (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    service_id INTEGER NOT NULL REFERENCES service (id) ON DELETE CASCADE,
    at INTEGER NOT NULL,
    previous TEXT NOT NULL,
    status TEXT NOT NULL,
    cause TEXT
);
CREATE INDEX transition_service_id_at ON transition (service_id, at);
CREATE TABLE incident (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    service_id INTEGER NOT NULL REFERENCES service (id) ON DELETE CASCADE,
    started_at INTEGER NOT NULL,
    resolved_at INTEGER,
    cause TEXT,
    message TEXT NOT NULL
);
CREATE INDEX incident_service_id_started_at ON incident (service_id, started_at);
CREATE INDEX incident_open ON incident (service_id) WHERE resolved_at IS NULL;
CREATE TABLE heartbeat (
    service_id INTEGER NOT NULL PRIMARY KEY REFERENCES service (id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    watched_since INTEGER NOT NULL,
    judged_id INTEGER NOT NULL,
    last_at INTEGER,
    started_at INTEGER
);
CREATE UNIQUE INDEX heartbeat_key ON heartbeat (key);
CREATE TABLE beat (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    service_id INTEGER NOT NULL REFERENCES service (id) ON DELETE CASCADE,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    exit_code INTEGER,
    duration_ms INTEGER,
    body TEXT NOT NULL,
    address TEXT NOT NULL
);
CREATE INDEX beat_service_id_id ON beat (service_id, id)
"""


def _first(connection: apsw.Connection) -> None:
    for statement in _FIRST_SCHEMA.split(";"):
        connection.execute(statement)
    connection.execute("INSERT INTO meta VALUES ('instance', ?)", (str(uuid.uuid4()),))
    connection.execute(
        "INSERT INTO probe (id, name, created_at) VALUES (1, 'This server', ?)", (clock.now_ms(),)
    )
    connection.execute("INSERT INTO merge VALUES (1, 0, 0, 0)")


MIGRATIONS: tuple[Migration, ...] = (_first,)


def refuse_foreign(
    connection: apsw.Connection, migrations: tuple[Migration, ...] = MIGRATIONS
) -> None:
    """Refuse a database that is not ours, or not ours yet. Reads only.

    Raises:
        StartError: the file is another program's, or was made by a newer UptimeHunt.
    """
    name, version = connection.filename, int(connection.pragma("user_version"))
    if int(connection.pragma("application_id")) != APPLICATION_ID:
        raise StartError(f"{name} is the database of another program")
    if version > len(migrations):
        raise StartError(
            f"{name} was made by a newer UptimeHunt (schema {version}, this program knows"
            f" {len(migrations)}); run that version, or restore a backup"
        )


def migrate(
    connection: apsw.Connection, backups: Path, migrations: tuple[Migration, ...] = MIGRATIONS
) -> None:
    """Bring the schema up to date; a database that holds data is backed up first.

    Either all missing entries are applied, or none.

    Raises:
        StartError: the file is another program's, or was made by a newer UptimeHunt; it is left
            as it was.
    """
    version, newest = int(connection.pragma("user_version")), len(migrations)
    if version or connection.execute("SELECT 1 FROM sqlite_master").fetchone():
        refuse_foreign(connection, migrations)
    if version == newest:
        return
    if version > 0:
        backup.snapshot(connection, backups / f"before-schema-{newest}.db")
    # Rebuilding a table needs foreign keys off, which is possible only outside a transaction.
    connection.pragma("foreign_keys", False)
    connection.execute("BEGIN IMMEDIATE")
    try:
        for migration in migrations[version:]:
            migration(connection)
        if broken := connection.execute("PRAGMA foreign_key_check").fetchone():
            raise StartError(f"the database cannot be upgraded: broken reference in {broken[0]}")
        connection.pragma("application_id", APPLICATION_ID)
        connection.pragma("user_version", newest)
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
    connection.pragma("foreign_keys", True)
