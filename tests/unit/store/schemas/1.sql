BEGIN TRANSACTION;
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
INSERT INTO "api_token" VALUES(1,1,'Script','0000000000000000000000000000000000000000000000000000000000000000','uh_abc','read',1699999200000,NULL,NULL);
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
INSERT INTO "beat" VALUES(1,2,1795574355752,'success',NULL,NULL,'','');
CREATE TABLE check_details (
    service_id INTEGER NOT NULL,
    checked_at INTEGER NOT NULL,
    probe_id INTEGER NOT NULL,
    is_failure INTEGER NOT NULL,
    details BLOB NOT NULL,
    PRIMARY KEY (service_id, checked_at, probe_id)
) WITHOUT ROWID;
INSERT INTO "check_details" VALUES(1,1699999380000,1,0,X'0103BA4BC9CAB01600');
INSERT INTO "check_details" VALUES(1,1699999560000,1,0,X'0103BA0BE8FC5A00');
INSERT INTO "check_details" VALUES(1,1699999740000,1,1,X'0103BA0B988C6A01');
INSERT INTO "check_details" VALUES(1,1699999920000,1,1,X'0103BA0BE8AB5A00');
INSERT INTO "check_details" VALUES(1,1700000100000,1,0,X'0103BA4BC9CAB41600');
INSERT INTO "check_details" VALUES(1,1700000280000,1,0,X'0103BA4BC9CAAC1600');
INSERT INTO "check_details" VALUES(1,1700000460000,1,0,X'0103BA4BC9CABC1600');
INSERT INTO "check_details" VALUES(3,1699999200000,1,0,X'0103BA4BC9CAB01600');
INSERT INTO "check_details" VALUES(3,1699999200001,2,0,X'0103BA0BE8FC5A00');
CREATE TABLE check_result (
    service_id INTEGER NOT NULL,
    checked_at INTEGER NOT NULL,
    probe_id INTEGER NOT NULL,
    response_time_ms INTEGER,
    status_code INTEGER,
    fault_id INTEGER,
    PRIMARY KEY (service_id, checked_at, probe_id)
) WITHOUT ROWID;
INSERT INTO "check_result" VALUES(1,1699999200000,1,10,NULL,NULL);
INSERT INTO "check_result" VALUES(1,1699999380000,1,10,NULL,NULL);
INSERT INTO "check_result" VALUES(1,1699999560000,1,10,NULL,NULL);
INSERT INTO "check_result" VALUES(1,1699999740000,1,NULL,NULL,1);
INSERT INTO "check_result" VALUES(1,1699999920000,1,NULL,NULL,1);
INSERT INTO "check_result" VALUES(1,1700000100000,1,10,NULL,NULL);
INSERT INTO "check_result" VALUES(1,1700000280000,1,10,NULL,NULL);
INSERT INTO "check_result" VALUES(1,1700000460000,1,10,NULL,NULL);
INSERT INTO "check_result" VALUES(3,1699999200000,1,10,NULL,NULL);
INSERT INTO "check_result" VALUES(3,1699999200001,2,10,NULL,NULL);
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
INSERT INTO "day" VALUES(1,19675,1,8,2,6,60,10,10,X'1506');
INSERT INTO "day" VALUES(3,19675,1,1,0,1,10,10,10,X'14');
INSERT INTO "day" VALUES(3,19675,2,1,0,1,10,10,10,X'14');
CREATE TABLE fault (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    error TEXT NOT NULL,
    message TEXT NOT NULL,
    used_at INTEGER NOT NULL
);
INSERT INTO "fault" VALUES(1,'timeout','It failed: timeout',1795574355760);
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
INSERT INTO "half_hour" VALUES(1,944444,1,8,2,6,60,10,10,X'1506');
INSERT INTO "half_hour" VALUES(3,944444,1,1,0,1,10,10,10,X'14');
INSERT INTO "half_hour" VALUES(3,944444,2,1,0,1,10,10,10,X'14');
CREATE TABLE heartbeat (
    service_id INTEGER NOT NULL PRIMARY KEY REFERENCES service (id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    watched_since INTEGER NOT NULL,
    judged_id INTEGER NOT NULL,
    last_at INTEGER,
    started_at INTEGER
);
INSERT INTO "heartbeat" VALUES(2,'Sz2hZVShf46MRUVTa1yEFGmqU6wBLWy0',1795574355745,0,1795574355752,NULL);
CREATE TABLE incident (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    service_id INTEGER NOT NULL REFERENCES service (id) ON DELETE CASCADE,
    started_at INTEGER NOT NULL,
    resolved_at INTEGER,
    cause TEXT,
    message TEXT NOT NULL
);
INSERT INTO "incident" VALUES(1,1,1699999740000,1700000100000,'timeout','It failed: timeout');
CREATE TABLE landed_details (id INTEGER NOT NULL PRIMARY KEY, details BLOB NOT NULL);
INSERT INTO "landed_details" VALUES(1,X'0103BA4BC9CAB21600');
CREATE TABLE landed_result (
    id INTEGER NOT NULL PRIMARY KEY,
    service_id INTEGER NOT NULL,
    probe_id INTEGER NOT NULL,
    checked_at INTEGER NOT NULL,
    response_time_ms INTEGER,
    status_code INTEGER,
    fault_id INTEGER
);
INSERT INTO "landed_result" VALUES(1,1,1,1700000820000,10,NULL,NULL);
CREATE TABLE last_check (
    service_id INTEGER NOT NULL PRIMARY KEY REFERENCES service (id) ON DELETE CASCADE,
    checked_at INTEGER NOT NULL,
    response_time_ms INTEGER
);
INSERT INTO "last_check" VALUES(1,1700000820000,10);
INSERT INTO "last_check" VALUES(3,1699999200001,10);
CREATE TABLE merge (
    id INTEGER NOT NULL PRIMARY KEY,
    fence INTEGER NOT NULL,
    upto INTEGER NOT NULL,
    results INTEGER NOT NULL
);
INSERT INTO "merge" VALUES(1,0,0,10);
CREATE TABLE meta (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL);
INSERT INTO "meta" VALUES('instance','87bb356b-00df-4f10-a301-239c8ad26bfa');
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
INSERT INTO "probe" VALUES(1,'This server','','','','','',NULL,NULL,'','[]',NULL,NULL,NULL,NULL,1795574355686);
INSERT INTO "probe" VALUES(2,'Berlin','','','','','',NULL,NULL,'','[]','8f49ab5e0cd94ee18d0a84820f15551c4e11c0060e2cb2219fb9f4aebb2fbef9',NULL,NULL,NULL,1795574355748);
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
INSERT INTO "probe_state" VALUES(3,1,'operational',1699999200000,0,NULL,1,1699999200000,1699999200000,10,NULL,'','{"n":1}');
INSERT INTO "probe_state" VALUES(3,2,'operational',1699999200001,0,NULL,1,1699999200001,1699999200001,10,NULL,'','{"n":2}');
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
INSERT INTO "project" VALUES(1,1,'Shop','shop','','#3B82F6','',1,1699999200000,1699999200000);
CREATE TABLE received_result (id TEXT NOT NULL PRIMARY KEY, received_at INTEGER NOT NULL)
    WITHOUT ROWID;
INSERT INTO "received_result" VALUES('550e8400-e29b-41d4-a716-446655440000',1699999200000);
CREATE TABLE refresh_token (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    session_id INTEGER NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    parent_id INTEGER,
    digest TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    retired_at INTEGER
);
INSERT INTO "refresh_token" VALUES(1,1,NULL,'a73d14f643bad0e524f13e924e785c63af0fff0e863d65ed5b89af57430c2881',1796179155737,NULL);
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
INSERT INTO "service" VALUES(1,1,1,'Website','','tcp','{"host":"127.0.0.1","port":9}','127.0.0.1:9','["web"]',180,0,20,1,NULL,'[]','majority',1,1,1795574355740,1795574355740);
INSERT INTO "service" VALUES(2,1,NULL,'Backup','','heartbeat','{"period_seconds":3600,"schedule":"period"}','every 1 h','[]',180,0,20,1,NULL,'[]','majority',1,1,1795574355744,1795574355744);
INSERT INTO "service" VALUES(3,1,NULL,'Shared','','tcp','{"host":"127.0.0.1","port":9}','127.0.0.1:9','[]',180,1,20,1,NULL,'[1,2]','majority',1,1,1795574355749,1795574355749);
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
INSERT INTO "service_state" VALUES(1,'operational',1700000100000,0,NULL,1,1700000100000,1,1699999740000,NULL,NULL,'',1);
INSERT INTO "service_state" VALUES(2,'pending',1795574355744,0,NULL,0,NULL,0,NULL,NULL,NULL,'',0);
INSERT INTO "service_state" VALUES(3,'operational',1699999200000,0,NULL,0,1699999200000,0,NULL,NULL,NULL,'',1);
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
INSERT INTO "session" VALUES(1,1,1795574355736,1798166355736,1795574355736,NULL,'a test','127.0.0.1');
CREATE TABLE span (
    service_id INTEGER NOT NULL REFERENCES service (id) ON DELETE CASCADE,
    started_at INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    PRIMARY KEY (service_id, started_at)
) WITHOUT ROWID;
INSERT INTO "span" VALUES(1,1699999200000,1);
INSERT INTO "span" VALUES(1,1699999740000,3);
INSERT INTO "span" VALUES(1,1700000100000,1);
INSERT INTO "span" VALUES(2,1795574355744,0);
INSERT INTO "span" VALUES(3,1699999200000,1);
CREATE TABLE transition (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    service_id INTEGER NOT NULL REFERENCES service (id) ON DELETE CASCADE,
    at INTEGER NOT NULL,
    previous TEXT NOT NULL,
    status TEXT NOT NULL,
    cause TEXT
);
INSERT INTO "transition" VALUES(1,1,1699999200000,'pending','operational',NULL);
INSERT INTO "transition" VALUES(2,1,1699999740000,'operational','down','timeout');
INSERT INTO "transition" VALUES(3,1,1700000100000,'down','operational',NULL);
INSERT INTO "transition" VALUES(4,3,1699999200000,'pending','operational',NULL);
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
INSERT INTO "user" VALUES(1,'alice@example.com','alice@example.com','$argon2id$v=19$m=19456,t=2,p=1$F3X+rZoSXKuu6PYLJIsErQ$grmS15h3vY72e1Ql1EE77VvTORG4WIfo0SKksHGa4/0','','','admin','UTC','auto','en',NULL,1795574355734);
CREATE UNIQUE INDEX user_email_key ON user (email_key);
CREATE INDEX api_token_user_id ON api_token (user_id);
CREATE UNIQUE INDEX api_token_digest ON api_token (digest);
CREATE INDEX session_user_id ON session (user_id);
CREATE INDEX refresh_token_session_id ON refresh_token (session_id);
CREATE UNIQUE INDEX refresh_token_digest ON refresh_token (digest);
CREATE INDEX refresh_token_expires_at ON refresh_token (expires_at);
CREATE UNIQUE INDEX project_user_id_name_key ON project (user_id, name_key);
CREATE INDEX service_user_id ON service (user_id);
CREATE INDEX service_project_id ON service (project_id);
CREATE UNIQUE INDEX probe_token_digest ON probe (token_digest);
CREATE INDEX received_result_received_at ON received_result (received_at);
CREATE UNIQUE INDEX fault_error_message ON fault (error, message);
CREATE INDEX check_result_failures ON check_result (service_id, checked_at)
    WHERE fault_id IS NOT NULL;
CREATE INDEX transition_service_id_at ON transition (service_id, at);
CREATE INDEX incident_service_id_started_at ON incident (service_id, started_at);
CREATE INDEX incident_open ON incident (service_id) WHERE resolved_at IS NULL;
CREATE UNIQUE INDEX heartbeat_key ON heartbeat (key);
CREATE INDEX beat_service_id_id ON beat (service_id, id)
;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('probe',2);
INSERT INTO "sqlite_sequence" VALUES('user',1);
INSERT INTO "sqlite_sequence" VALUES('session',1);
INSERT INTO "sqlite_sequence" VALUES('refresh_token',1);
INSERT INTO "sqlite_sequence" VALUES('api_token',1);
INSERT INTO "sqlite_sequence" VALUES('project',1);
INSERT INTO "sqlite_sequence" VALUES('service',3);
INSERT INTO "sqlite_sequence" VALUES('beat',1);
INSERT INTO "sqlite_sequence" VALUES('transition',4);
INSERT INTO "sqlite_sequence" VALUES('incident',1);
INSERT INTO "sqlite_sequence" VALUES('fault',1);
COMMIT;
PRAGMA user_version = 1;
PRAGMA application_id = 1431324756;
