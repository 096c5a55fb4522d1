"""The tables, as peewee models; `migrations.py` creates and changes them, and a test compares.

Change both together: the model here, one entry at the end of the list there.
"""

from typing import Any

import peewee

from uptimehunt.clock import DAY_MS
from uptimehunt.store.columns import JsonColumn, PackedJsonColumn

DATABASE = peewee.DatabaseProxy()
"""What the models are bound to; `database.Store` puts the open database behind it."""

LOCAL_PROBE = 1
"""The probe inside this very process."""


class _Table(peewee.Model):
    # Like each column named with `_id` below, peewee makes this; its types do not know.
    id: Any

    class Meta:
        database = DATABASE
        legacy_table_names = False


class Meta(_Table):
    """Facts about the database itself, such as its instance id."""

    name = peewee.TextField(primary_key=True)
    value = peewee.TextField()


class User(_Table):
    """An account. `email_key` is the address folded for comparison."""

    email = peewee.TextField()
    email_key = peewee.TextField(unique=True)
    password_hash = peewee.TextField()
    first_name = peewee.TextField(default="")
    last_name = peewee.TextField(default="")
    role = peewee.TextField()
    timezone = peewee.TextField(default="UTC")
    theme = peewee.TextField(default="auto")
    locale = peewee.TextField(default="en")
    disabled_at = peewee.BigIntegerField(null=True)
    created_at = peewee.BigIntegerField()


class ApiToken(_Table):
    """A personal token for scripts, by digest; `prefix` is what its owner knows it by."""

    user = peewee.ForeignKeyField(User, on_delete="CASCADE", backref="api_tokens")
    name = peewee.TextField()
    digest = peewee.TextField(unique=True)
    prefix = peewee.TextField()
    scope = peewee.TextField()
    created_at = peewee.BigIntegerField()
    expires_at = peewee.BigIntegerField(null=True)
    last_used_at = peewee.BigIntegerField(null=True)


class Session(_Table):
    """One sign-in of a user; ends by logout, by reuse of a retired token, or by age."""

    user = peewee.ForeignKeyField(User, on_delete="CASCADE", backref="sessions")
    created_at = peewee.BigIntegerField()
    expires_at = peewee.BigIntegerField()
    used_at = peewee.BigIntegerField()
    ended_at = peewee.BigIntegerField(null=True)
    user_agent = peewee.TextField(default="")
    address = peewee.TextField(default="")


class RefreshToken(_Table):
    """One refresh token of a session, by digest; `parent_id` is the one it was issued for."""

    session = peewee.ForeignKeyField(Session, on_delete="CASCADE", backref="tokens")
    parent_id = peewee.BigIntegerField(null=True)
    digest = peewee.TextField(unique=True)
    expires_at = peewee.BigIntegerField(index=True)
    retired_at = peewee.BigIntegerField(null=True)


class Project(_Table):
    """A named group of services. `name_key` is the name folded for comparison."""

    user = peewee.ForeignKeyField(User, on_delete="CASCADE", backref="projects", index=False)
    name = peewee.TextField()
    name_key = peewee.TextField()
    services: Any
    description = peewee.TextField(default="")
    color = peewee.TextField()
    icon = peewee.TextField(default="")
    position = peewee.IntegerField()
    created_at = peewee.BigIntegerField()
    updated_at = peewee.BigIntegerField()

    class Meta:
        indexes = ((("user", "name_key"), True),)


class Service(_Table):
    """The thing watched. `revision` grows with every change, so that a late result is known."""

    user = peewee.ForeignKeyField(User, on_delete="CASCADE", backref="services")
    project_id: Any
    project = peewee.ForeignKeyField(Project, null=True, on_delete="SET NULL", backref="services")
    name = peewee.TextField()
    description = peewee.TextField(default="")
    type = peewee.TextField()
    config = JsonColumn()
    target = peewee.TextField()
    tags = JsonColumn()
    interval_seconds = peewee.IntegerField()
    retries = peewee.IntegerField()
    retry_interval_seconds = peewee.IntegerField()
    recoveries = peewee.IntegerField(default=1)
    degraded_after_ms = peewee.IntegerField(null=True)
    probe_ids = JsonColumn(default=list)
    confirm_from = peewee.TextField(default="majority")
    enabled = peewee.BooleanField()
    revision = peewee.IntegerField(default=1)
    created_at = peewee.BigIntegerField()
    updated_at = peewee.BigIntegerField()


class ServiceState(_Table):
    """What is known of a service now; only the judging of results and pausing change it.

    Written when something changed: what a check that went well like the one before leaves behind
    stands in `LastCheck`. `ledger` is the kind of the span that is open (see `domain/ledger.py`).
    """

    service_id: Any
    service = peewee.ForeignKeyField(Service, primary_key=True, on_delete="CASCADE")
    status = peewee.TextField()
    changed_at = peewee.BigIntegerField()
    failures = peewee.IntegerField(default=0)
    failing_since = peewee.BigIntegerField(null=True)
    successes = peewee.IntegerField(default=0)
    succeeding_since = peewee.BigIntegerField(null=True)
    outages = peewee.IntegerField(default=0)
    outage_at = peewee.BigIntegerField(null=True)
    flapping_since = peewee.BigIntegerField(null=True)
    error = peewee.TextField(null=True)
    message = peewee.TextField(default="")
    ledger = peewee.IntegerField()


class LastCheck(_Table):
    """When a service was last checked, and how long that took; may be some seconds behind."""

    service_id: Any
    service = peewee.ForeignKeyField(Service, primary_key=True, on_delete="CASCADE")
    checked_at = peewee.BigIntegerField()
    response_time_ms = peewee.IntegerField(null=True)


class Span(_Table):
    """The ledger: from `started_at` to the next span of its service, it was of this kind."""

    service_id: Any
    service = peewee.ForeignKeyField(Service, on_delete="CASCADE", index=False)
    started_at = peewee.BigIntegerField()
    kind = peewee.IntegerField()

    class Meta:
        primary_key = peewee.CompositeKey("service", "started_at")
        without_rowid = True


class Probe(_Table):
    """A place that runs checks; id 1 is this process.

    `token_digest` is null for this process; `previous_digest` is that of the token before the
    last rotation, good until `previous_until`.
    """

    name = peewee.TextField()
    hostname = peewee.TextField(default="")
    city = peewee.TextField(default="")
    country_code = peewee.TextField(default="")
    region = peewee.TextField(default="")
    isp = peewee.TextField(default="")
    latitude = peewee.FloatField(null=True)
    longitude = peewee.FloatField(null=True)
    version = peewee.TextField(default="")
    capabilities = JsonColumn(default=list)
    token_digest = peewee.TextField(null=True, unique=True)
    previous_digest = peewee.TextField(null=True)
    previous_until = peewee.BigIntegerField(null=True)
    seen_at = peewee.BigIntegerField(null=True)
    created_at = peewee.BigIntegerField()


class ReceivedResult(_Table):
    """The id of a result that a remote probe sent, so that the same one is not taken twice."""

    id = peewee.TextField(primary_key=True)
    received_at = peewee.BigIntegerField(index=True)

    class Meta:
        without_rowid = True


class ProbeState(_Table):
    """What one probe knows of one service now; the verdict is made of these."""

    service = peewee.ForeignKeyField(Service, on_delete="CASCADE", index=False)
    probe = peewee.ForeignKeyField(Probe, on_delete="CASCADE", index=False)
    service_id: Any
    probe_id: Any
    status = peewee.TextField()
    changed_at = peewee.BigIntegerField()
    failures = peewee.IntegerField()
    failing_since = peewee.BigIntegerField(null=True)
    successes = peewee.IntegerField()
    succeeding_since = peewee.BigIntegerField(null=True)
    checked_at = peewee.BigIntegerField()
    response_time_ms = peewee.IntegerField(null=True)
    error = peewee.TextField(null=True)
    message = peewee.TextField()
    details = JsonColumn(null=True)

    class Meta:
        primary_key = peewee.CompositeKey("service", "probe")
        without_rowid = True


class Fault(_Table):
    """Why checks failed, in words; each kept once, however often it happens."""

    error = peewee.TextField()
    message = peewee.TextField()
    used_at = peewee.BigIntegerField()

    class Meta:
        indexes = ((("error", "message"), True),)


class _Result(_Table):
    """One check that was made; a fault says that it failed, and why.

    Without references: results of what was deleted are cleared away later, in small slices.
    """

    service_id = peewee.BigIntegerField()
    probe_id = peewee.BigIntegerField()
    checked_at = peewee.BigIntegerField()
    response_time_ms = peewee.IntegerField(null=True)
    status_code = peewee.IntegerField(null=True)
    fault_id = peewee.BigIntegerField(null=True)


class LandedResult(_Result):
    """A result of the last half hour or so, in the order of coming in.

    Appending dirties one page a commit, not one a service; `merging.py` moves on what has landed.
    """


class LandedDetails(_Table):
    """The details of a landed result, by its id."""

    details = PackedJsonColumn()


class CheckResult(_Result):
    """A result at its place: those of one service lie together, in the order of time."""

    class Meta:
        primary_key = peewee.CompositeKey("service_id", "checked_at", "probe_id")
        without_rowid = True


CheckResult.add_index(
    CheckResult.service_id,
    CheckResult.checked_at,
    name="check_result_failures",
    where=CheckResult.fault_id.is_null(False),
)


class CheckDetails(_Table):
    """The details of a result: of failures, and of the newest few successes of a service."""

    service_id = peewee.BigIntegerField()
    checked_at = peewee.BigIntegerField()
    probe_id = peewee.BigIntegerField()
    is_failure = peewee.BooleanField()
    details = PackedJsonColumn()

    class Meta:
        primary_key = peewee.CompositeKey("service_id", "checked_at", "probe_id")
        without_rowid = True


class Merge(_Table):
    """The one row that says how far the merge of landed results has come.

    A landed result is merged when its id is at most `fence` and its service at most `upto`.
    `results` is how many merged ones are kept.
    """

    fence = peewee.BigIntegerField()
    upto = peewee.BigIntegerField()
    results = peewee.BigIntegerField()


SLOT_MS = 1_800_000
"""Half an hour: 48 of them draw a day, and nearly all time zones are off by whole ones."""


class _Figures(_Table):
    """The merged results of one service and probe in one slot, added up.

    `slot` counts from the epoch. `timed` of the checks were successes with a response time, and
    took `total_ms` together; `histogram` has their times (see `histogram.py`).
    """

    service_id = peewee.BigIntegerField()
    slot = peewee.IntegerField()
    probe_id = peewee.BigIntegerField()
    checks = peewee.IntegerField()
    failures = peewee.IntegerField()
    timed = peewee.IntegerField()
    total_ms = peewee.BigIntegerField()
    least_ms = peewee.IntegerField(null=True)
    most_ms = peewee.IntegerField(null=True)
    histogram = peewee.BlobField(null=True)


class HalfHour(_Figures):
    """Figures of half an hour."""

    SPAN_MS = SLOT_MS

    class Meta:
        primary_key = peewee.CompositeKey("service_id", "slot", "probe_id")
        without_rowid = True


class Day(_Figures):
    """Figures of a day in UTC."""

    SPAN_MS = DAY_MS

    class Meta:
        primary_key = peewee.CompositeKey("service_id", "slot", "probe_id")
        without_rowid = True


class Transition(_Table):
    """A change of a service's status."""

    service = peewee.ForeignKeyField(Service, on_delete="CASCADE", index=False)
    at = peewee.BigIntegerField()
    previous = peewee.TextField()
    status = peewee.TextField()
    cause = peewee.TextField(null=True)

    class Meta:
        indexes = ((("service", "at"), False),)


class Incident(_Table):
    """An unbroken period of `down`, dated back to its first failure."""

    service_id: Any
    service = peewee.ForeignKeyField(Service, on_delete="CASCADE", backref="incidents", index=False)
    started_at = peewee.BigIntegerField()
    resolved_at = peewee.BigIntegerField(null=True)
    cause = peewee.TextField(null=True)
    message = peewee.TextField(default="")

    class Meta:
        indexes = ((("service", "started_at"), False),)


Incident.add_index(Incident.service, name="incident_open", where=Incident.resolved_at.is_null())


class Heartbeat(_Table):
    """What a service of type `heartbeat` is called by, and what is known of the calls.

    `last_at` is when the latest one that ended a run was received, `started_at` the first start
    after it; those up to `judged_id` are of no interest any more, such as what came in a pause.
    """

    service_id: Any
    service = peewee.ForeignKeyField(Service, primary_key=True, on_delete="CASCADE")
    key = peewee.TextField(unique=True)
    watched_since = peewee.BigIntegerField()
    judged_id = peewee.BigIntegerField(default=0)
    last_at = peewee.BigIntegerField(null=True)
    started_at = peewee.BigIntegerField(null=True)


class Beat(_Table):
    """One heartbeat that was received; the latest few of each service are kept."""

    service_id: Any
    service = peewee.ForeignKeyField(Service, on_delete="CASCADE", index=False)
    at = peewee.BigIntegerField()
    kind = peewee.TextField()
    exit_code = peewee.IntegerField(null=True)
    duration_ms = peewee.BigIntegerField(null=True)
    body = peewee.TextField()
    address = peewee.TextField()

    class Meta:
        indexes = ((("service", "id"), False),)


TABLES: tuple[type[_Table], ...] = (
    Meta,
    User,
    ApiToken,
    Session,
    RefreshToken,
    Project,
    Service,
    ServiceState,
    LastCheck,
    Span,
    Probe,
    ProbeState,
    ReceivedResult,
    Fault,
    LandedResult,
    LandedDetails,
    CheckResult,
    CheckDetails,
    Merge,
    HalfHour,
    Day,
    Transition,
    Incident,
    Heartbeat,
    Beat,
)
