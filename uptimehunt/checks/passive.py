"""The config that passive types share: those that are judged by what is known already."""

from typing import Literal

from pydantic import Field

from uptimehunt.checks.base import CheckConfig, place


class PassiveConfig(CheckConfig):
    """What a type has no use for that touches no network; the form leaves it out."""

    timeout: int = Field(
        default=30,
        ge=1,
        le=120,
        title="Timeout",
        description="Without effect: nothing is waited for.",
        json_schema_extra=place(90, "advanced", readOnly=True),
    )
    ip_family: Literal["auto", "4", "6"] = Field(
        default="auto",
        title="IP version",
        description="Without effect: nothing is connected to.",
        json_schema_extra=place(91, "advanced", readOnly=True),
    )
