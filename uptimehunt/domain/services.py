"""Services: what is watched, how it is described, and pausing.

`find` and `to_dict` read; `create`, `replace`, `set_enabled`, `change` and `delete` run inside
`Store.write`. Every change raises the revision, so that the result of a check that was in flight
at that moment is known to be stale and dropped.
"""

from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from uptimehunt import checks, clock
from uptimehunt.checks import CheckConfig, CheckType, Target
from uptimehunt.checks.base import refuse, secret_names, secrets_in_use
from uptimehunt.domain import (
    groups,
    heartbeats,
    incidents,
    ledger,
    projects,
    secret_values,
    status,
    text,
)
from uptimehunt.domain.validation import parse
from uptimehunt.errors import NotFoundError, ValidationError
from uptimehunt.store.models import (
    LOCAL_PROBE,
    LastCheck,
    Probe,
    ProbeState,
    Project,
    Service,
    ServiceState,
    Transition,
    User,
)

DEFAULT_INTERVAL_S = 180
MOST_TAGS = 20
NO_SUCH_PROJECT = "No such project"

EXAMPLE_CONFIG = {
    "url": "https://example.com",
    "method": "GET",
    "expected_status_code": 200,
    "timeout": 30,
}
"""For the documentation. Source: API overview, "Create a Service"."""


def _can_be_an_id(value: int | None) -> int | None:
    if value is not None and not 0 < value < 2**63:
        raise PydanticCustomError("project", NO_SUCH_PROJECT)
    return value


def _short_and_unique(value: list[str]) -> list[str]:
    if any(not 1 <= len(tag) <= 32 for tag in value):
        raise PydanticCustomError("tags", "Each tag must have 1 to 32 characters")
    return list(dict.fromkeys(value))


def _known_type(value: str) -> str:
    if value not in checks.REGISTRY:
        raise PydanticCustomError("type", f"Must be one of {', '.join(checks.REGISTRY)}")
    return value


def _fits_type(value: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
    kind = checks.REGISTRY.get(info.data.get("type", ""))
    if kind is None:
        return value
    secrets = secret_names(kind.config)
    value = secret_values.unflagged(value, secrets)
    if not secret_values.kept_names(value, {}):
        try:
            parse(kind.config, value)
        except ValidationError as ex:
            # A secret that is left out may be one that stays; `_usable` knows.
            if not ex.details.keys() <= secrets - value.keys():
                raise refuse(ex.details) from None
    return value


TypeName = Annotated[
    str,
    AfterValidator(_known_type),
    WithJsonSchema({"type": "string", "enum": list(checks.REGISTRY), "examples": ["http"]}),
]
Config = Annotated[dict[str, Any], AfterValidator(_fits_type)]
"""By the schema of `type`, which must be a field that stands before."""

ProjectId = Annotated[int | None, AfterValidator(_can_be_an_id)]
TagList = Annotated[list[text.Name], AfterValidator(_short_and_unique)]


class ServiceInput(BaseModel):
    """What a caller says of a service. `type` stands before `config`, which needs it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: text.Name = Field(
        title="Name", min_length=1, max_length=128, examples=["Production Website"]
    )
    type: TypeName = Field(title="Type", max_length=32, examples=["http"])
    config: Config = Field(
        title="Config",
        description="By the schema of the type: `GET /service-types/{type}/schema`.",
        examples=[EXAMPLE_CONFIG],
    )
    description: text.Lines = Field(default="", title="Description", max_length=500)
    project_id: ProjectId = Field(default=None, title="Project", examples=[1])
    interval: int | None = Field(
        default=None,
        ge=1,
        le=60,
        title="Interval",
        description="Whole minutes between checks; 3 when neither this nor the seconds are given.",
        examples=[5],
    )
    interval_seconds: int | None = Field(
        default=None,
        ge=5,
        le=86_400,
        title="Interval in seconds",
        description="In place of `interval`, for finer or longer ones.",
    )
    enabled: bool = Field(default=True, title="Enabled")
    tags: TagList = Field(default_factory=list, title="Tags", max_length=MOST_TAGS)
    retries: int = Field(
        default=1, ge=0, le=10, title="Retries", description="More failures before it is down."
    )
    retry_interval_seconds: int = Field(
        default=20, ge=1, le=3600, title="Retry interval", description="Seconds between retries."
    )
    recoveries: int = Field(
        default=1,
        ge=1,
        le=10,
        title="Recoveries",
        description="Successes in a row before an outage is over.",
    )
    probe_ids: list[int] = Field(
        default_factory=list,
        title="Probes",
        max_length=100,
        description="Which probes check it; none means this server.",
    )
    confirm_from: status.Quorum = Field(
        default="majority",
        title="Confirm from",
        description="How many of its probes must see it down before it is down.",
    )
    degraded_after_ms: int | None = Field(
        default=None,
        ge=1,
        le=120_000,
        title="Degraded after",
        description="Milliseconds; a slower answer is degraded.",
    )

    @model_validator(mode="after")
    def _one_interval(self) -> "ServiceInput":
        if self.interval is not None and self.interval_seconds is not None:
            raise refuse({"interval": ["Give either interval or interval_seconds, not both"]})
        return self

    @property
    def seconds(self) -> int:
        """The interval in seconds, whichever way it was given."""
        if self.interval is not None:
            return self.interval * 60
        return DEFAULT_INTERVAL_S if self.interval_seconds is None else self.interval_seconds


def find(user: User, service_id: int) -> Service:
    """A service of this user. Reads.

    Raises:
        NotFoundError: there is none, or it is another user's.
    """
    service: Service | None = Service.get_or_none(Service.id == service_id, Service.user == user)
    if service is None:
        raise NotFoundError("Service")
    return service


def create(user: User, wanted: ServiceInput) -> dict[str, Any]:
    """Add a service."""
    now = clock.now_ms()
    service = Service.create(
        user=user, **_columns(user, wanted, None), created_at=now, updated_at=now
    )
    begins_as = status.PENDING if wanted.enabled else status.PAUSED
    kind = ledger.kind_of(begins_as)
    ServiceState.create(service=service, status=begins_as, changed_at=now, ledger=kind)
    ledger.begin(service.id, now, kind)
    if service.type == heartbeats.TYPE:
        heartbeats.begin(service.id)
    return to_dict(service)


def replace(user: User, service_id: int, wanted: ServiceInput) -> dict[str, Any]:
    """Give a service new values; what was left out goes back to its default.

    Raises:
        ValidationError: `type` is another than it was.
    """
    service = find(user, service_id)
    if wanted.type != service.type:
        raise ValidationError({"type": [f"Cannot change, it is {service.type}"]})
    was_enabled, config_before = service.enabled, service.config
    for column, value in _columns(user, wanted, service).items():
        setattr(service, column, value)
    _save(service, was_enabled)
    if service.type == heartbeats.TYPE and service.config != config_before:
        heartbeats.restart(service.id)
    return to_dict(service)


def set_enabled(service: Service, to: bool) -> None:
    """Pause a service, or have it checked again; nothing happens when it is so already."""
    was_enabled = service.enabled
    if was_enabled != to:
        service.enabled = to
        _save(service, was_enabled)


def _save(service: Service, was_enabled: bool) -> None:
    """Save a changed service: results of checks in flight are stale from here on."""
    now = clock.now_ms()
    ledger.settle(service.id, now)
    service.revision += 1
    service.updated_at = now
    service.save()
    if service.enabled != was_enabled:
        _set_status(service, status.PENDING if service.enabled else status.PAUSED)
        if service.enabled and service.type == heartbeats.TYPE:
            heartbeats.restart(service.id)


def change(user: User, service_id: int, sent: dict[str, Any]) -> dict[str, Any]:
    """Change only what was sent; a `config` that was sent is laid over the present one."""
    service = find(user, service_id)
    present: dict[str, Any] = {
        name: getattr(service, name)
        for name in ServiceInput.model_fields
        if name not in {"interval", "project_id", "config"}
    }
    present["project_id"] = service.project_id
    # Hidden, so that what is not sent is kept by the same rules as when it is sent back.
    secrets = _secrets(service)
    present["config"] = secret_values.unflagged(
        secret_values.hide(service.config, secrets), secrets
    )
    wanted = present | sent
    if "interval" in sent and "interval_seconds" not in sent:
        del wanted["interval_seconds"]
    if isinstance(sent.get("config"), dict):
        wanted["config"] = present["config"] | sent["config"]
    return replace(user, service_id, parse(ServiceInput, wanted))


def trial_config(
    user: User, type_name: str, config: dict[str, Any], service_id: int | None
) -> CheckConfig:
    """A config to be tried: secrets that it leaves out are those of a service. Reads.

    Raises:
        ValidationError: it is not usable, or of a type that makes no checks.
    """
    if _is_passive(type_name):
        raise ValidationError({"type": ["There is nothing to try: this type makes no checks"]})
    service = None if service_id is None else find(user, service_id)
    same_type = service is not None and service.type == type_name
    return _usable(type_name, config, kept=service.config if service and same_type else {})


def delete(user: User, service_id: int) -> None:
    """Delete a service with all that is known of it."""
    find(user, service_id).delete_instance()


def _columns(user: User, wanted: ServiceInput, present: Service | None) -> dict[str, Any]:
    """The columns of what is wanted; `present` is the service whose secrets may stay."""
    kept: dict[str, Any] = {} if present is None else present.config
    unknown = _unknown_references(user, wanted)
    if unknown:
        raise ValidationError(unknown)
    kind = checks.REGISTRY[wanted.type]
    config = _usable(wanted.type, wanted.config, kept)
    if kind.members is not None:
        own_id = None if present is None else present.id
        groups.refuse_unusable(user, kind.members(config), own_id, kept.get("service_ids", []))
    return {
        "project": wanted.project_id,
        "name": wanted.name,
        "description": wanted.description,
        "type": wanted.type,
        "config": _as_sent(config, wanted.config),
        "target": kind.target(config).label,
        "tags": wanted.tags,
        "interval_seconds": wanted.seconds,
        # What is judged is known for sure; nothing would be gained by looking again.
        "retries": wanted.retries if kind.judge is None else 0,
        "retry_interval_seconds": wanted.retry_interval_seconds,
        "recoveries": wanted.recoveries,
        "degraded_after_ms": wanted.degraded_after_ms,
        "probe_ids": list(dict.fromkeys(wanted.probe_ids)),
        "confirm_from": wanted.confirm_from,
        "enabled": wanted.enabled,
    }


def _unknown_references(user: User, wanted: ServiceInput) -> dict[str, list[str]]:
    """What is referred to but is not there, or is another's; by field."""
    details: dict[str, list[str]] = {}
    if wanted.project_id is not None:
        try:
            projects.find(user, wanted.project_id)
        except NotFoundError:
            details["project_id"] = [NO_SUCH_PROJECT]
    there = {probe.id for probe in Probe.select(Probe.id)}
    unknown = [str(probe_id) for probe_id in wanted.probe_ids if probe_id not in there]
    if unknown:
        details["probe_ids"] = [f"No such probe: {', '.join(dict.fromkeys(unknown))}"]
    elif _is_passive(wanted.type) and set(wanted.probe_ids) - {LOCAL_PROBE}:
        details["probe_ids"] = ["This type is judged by this server only"]
    return details


def _is_passive(type_name: str) -> bool:
    kind: CheckType[Any] | None = checks.REGISTRY.get(type_name)
    return kind is not None and kind.judge is not None


def _usable(type_name: str, config: dict[str, Any], kept: dict[str, Any]) -> CheckConfig:
    """The config with the secrets filled in that it leaves out."""
    kind = checks.REGISTRY[type_name]
    secrets = secrets_in_use(kind.config, config)
    usable: CheckConfig = parse(kind.config, secret_values.restore(config, kept, secrets))
    staying = secret_values.kept_names(config, kept, secrets) if kept else []
    if staying:
        # SECURITY: whoever may edit a service must not get its secrets sent to their own host.
        old = parse(kind.config, kept)
        before, after = kind.target(old), kind.target(usable)
        further = set(usable.secret_destinations) - set(old.secret_destinations)
        if further or _destination(before) != _destination(after):
            again = ["Enter secret values again for another host"]
            raise ValidationError(dict.fromkeys(staying, again))
    return usable


def _destination(target: Target) -> tuple[str, int, str]:
    """Whom a secret goes to, and whether in the clear."""
    return target.host, target.port, target.label.partition("//")[0]


def _as_sent(config: CheckConfig, sent: dict[str, Any]) -> dict[str, Any]:
    """What was sent, in its order and as it was understood; defaults are left out.

    Secrets that stay come last; one that was cleared is gone.
    """
    understood = config.model_dump(exclude_unset=True)
    secrets = secret_names(type(config))
    return {
        key: understood[key]
        for key in dict.fromkeys([*sent, *understood])
        if not (key in secrets and understood[key] is None)
    }


def _set_status(service: Service, to: status.Status) -> None:
    """Apply a person's word: paused now, or waiting for the first result again.

    An open incident ends with a pause: from here on nobody knows.
    """
    now = clock.now_ms()
    state = ServiceState.get_by_id(service.id)
    Transition.create(service=service, at=now, previous=state.status, status=to, cause="user")
    incidents.resolve(service.id, now)
    ProbeState.delete().where(ProbeState.service == service).execute()
    kind = ledger.kind_of(to)
    ledger.mark(service.id, kind, now, now)
    ServiceState.update(
        status=to,
        changed_at=now,
        failures=0,
        failing_since=None,
        successes=0,
        succeeding_since=None,
        outages=0,
        outage_at=None,
        flapping_since=None,
        error=None,
        message="",
        ledger=kind,
    ).where(ServiceState.service == service).execute()


def _secrets(service: Service) -> frozenset[str]:
    """The secret fields of its type; of a type that is not known any more, every field."""
    kind = checks.REGISTRY.get(service.type)
    return frozenset(service.config) if kind is None else secret_names(kind.config)


# --- how a service is shown --------------------------------------------------------------------


def to_dict(service: Service) -> dict[str, Any]:
    """A service as the API shows it. Reads."""
    return to_dicts([service])[0]


def to_dicts(services: list[Service]) -> list[dict[str, Any]]:
    """Services as the API shows them, in a few queries whatever their number."""
    states = {
        state.service_id: state
        for state in ServiceState.select().where(
            ServiceState.service.in_([service.id for service in services])
        )
    }
    checked = {
        last.service_id: last
        for last in LastCheck.select().where(
            LastCheck.service.in_([service.id for service in services])
        )
    }
    project_ids = {service.project_id for service in services} - {None}
    projects_by_id = {
        project.id: project for project in Project.select().where(Project.id.in_(project_ids))
    }
    beating = [service.id for service in services if service.type == heartbeats.TYPE]
    keys = heartbeats.keys(beating) if beating else {}
    members = groups.shown_members(services)
    shown = [
        _shape(
            service,
            states[service.id],
            checked.get(service.id),
            projects_by_id.get(service.project_id),
        )
        for service in services
    ]
    for service in shown:
        service["heartbeat_key"] = keys.get(service["id"])
        if service["id"] in members:
            service["config"] = service["config"] | {"service_ids": members[service["id"]]}
    return shown


def _shape(
    service: Service, state: ServiceState, last: LastCheck | None, project: Project | None
) -> dict[str, Any]:
    minutes, rest = divmod(service.interval_seconds, 60)
    return {
        "id": service.id,
        "name": service.name,
        "description": service.description,
        "type": service.type,
        "status": state.status,
        "enabled": service.enabled,
        "interval": minutes if rest == 0 and 1 <= minutes <= 60 else None,
        "interval_seconds": service.interval_seconds,
        "project_id": service.project_id,
        "project": None
        if project is None
        else {
            "id": project.id,
            "name": project.name,
            "color": project.color,
            "icon": project.icon,
        },
        "tags": service.tags,
        "target": service.target,
        "config": secret_values.hide(service.config, _secrets(service)),
        "retries": service.retries,
        "retry_interval_seconds": service.retry_interval_seconds,
        "recoveries": service.recoveries,
        "degraded_after_ms": service.degraded_after_ms,
        "probe_ids": service.probe_ids,
        "confirm_from": service.confirm_from,
        "response_time": None if last is None else last.response_time_ms,
        "last_check_at": None if last is None else clock.iso_seconds(last.checked_at),
        "status_changed_at": clock.iso_seconds(state.changed_at),
        "created_at": clock.iso_seconds(service.created_at),
        "updated_at": clock.iso_seconds(service.updated_at),
    }
