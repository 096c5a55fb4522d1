"""`/prober/…`: what a remote prober calls, with its token in `X-Auth`."""

from dataclasses import replace
from typing import Any, Literal

import falcon
from pydantic import BaseModel, Field

from uptimehunt.api.operation import Access, Answer, Resource, operation
from uptimehunt.api.probes import Probe
from uptimehunt.domain import assignments, probes, remote_results, results
from uptimehunt.domain.probes import Heartbeat
from uptimehunt.domain.remote_results import ResultBatch
from uptimehunt.domain.services import EXAMPLE_CONFIG


class ProbeSettings(Probe):
    """The probe, and how often it is to report."""

    heartbeat_seconds: int = Field(examples=[probes.HEARTBEAT_S])


class RemoteAssignment(BaseModel):
    """A service to check; its config holds secrets."""

    id: int
    revision: int
    type: str = Field(examples=["http"])
    config: dict[str, Any] = Field(examples=[EXAMPLE_CONFIG])
    interval_seconds: int = Field(examples=[300])
    retries: int
    retry_interval_seconds: int = Field(examples=[20])
    recoveries: int


class Rejection(BaseModel):
    """A result that was not taken, and why."""

    id: str
    reason: Literal["not_assigned", "stale", "in_the_future"]


class Receipt(BaseModel):
    """What became of a batch of results."""

    accepted: int
    duplicates: int = Field(examples=[0])
    rejected: list[Rejection] = Field(examples=[[]])


class ProberHeartbeat(Resource):
    """`/prober/heartbeat`."""

    @operation(
        "Report that a prober lives",
        access=Access.PROBER,
        body=Heartbeat,
        answer=Answer(200, ProbeSettings),
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """Three missed ones make the probe offline."""
        return self.parts.store.write(probes.heard_from, req.context.probe.id, req.context.body)


class ProberServices(Resource):
    """`/prober/services`."""

    @operation(
        "List the services assigned to a prober",
        access=Access.PROBER,
        answer=Answer(200, RemoteAssignment, is_list=True),
        has_etag=True,
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> list[dict[str, Any]]:
        """With all that it needs to check them; 304 while nothing has changed."""
        return assignments.elsewhere(req.context.probe.id)


class ProberResults(Resource):
    """`/prober/results`."""

    @operation(
        "Deliver results of checks",
        access=Access.PROBER,
        body=ResultBatch,
        answer=Answer(200, Receipt),
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """Each result once, however often its id is sent."""
        receipt, verdicts = self.parts.store.write(
            remote_results.receive, req.context.probe.id, req.context.body
        )
        for verdict in verdicts:
            results.tell(verdict)
            # A failure is tried again where it was seen; only what it means for others is told.
            self.parts.engine.judged(replace(verdict, retry_in=None))
        return receipt
