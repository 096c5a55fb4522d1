"""`/probes`: the places that checks are made from, and for an admin their upkeep."""

from typing import Any, Literal

import falcon
from pydantic import BaseModel, Field

from uptimehunt import __version__
from uptimehunt.api.operation import Access, Answer, PageQuery, Resource, Timestamp, operation
from uptimehunt.domain import probes
from uptimehunt.domain.paging import Page
from uptimehunt.domain.probes import ProbeInput, ProbeStatus


class Probe(BaseModel):
    """A place that checks are made from."""

    id: int = Field(examples=[2])
    name: str = Field(examples=["Frankfurt"])
    hostname: str = Field(examples=["fra-1"])
    city: str = Field(examples=["Frankfurt am Main"])
    country: str = Field(examples=["Germany"])
    country_code: str = Field(examples=["DE"])
    region: str = Field(examples=["Hesse"])
    isp: str = Field(examples=["Example Net"])
    latitude: float | None = Field(examples=[50.11])
    longitude: float | None = Field(examples=[8.68])
    status: ProbeStatus
    is_local: bool = Field(examples=[False])
    version: str = Field(examples=[__version__])
    last_seen_at: Timestamp | None
    service_count: int
    created_at: Timestamp


class NewProbe(Probe):
    """A probe with its token, which no other answer holds."""

    token: str = Field(examples=["q7Xw..."])


_UNHEARD_OF = {
    "hostname": "",
    "status": "pending",
    "version": "",
    "last_seen_at": None,
    "service_count": 0,
}
"""How a probe differs from others before its prober calls for the first time."""


class Point(BaseModel):
    """A GeoJSON point: longitude, latitude."""

    type: Literal["Point"]
    coordinates: list[float] = Field(examples=[[8.68, 50.11]])


class Feature(BaseModel):
    """A GeoJSON feature: where a probe is, and what it is."""

    type: Literal["Feature"]
    id: int = Field(examples=[2])
    geometry: Point
    properties: Probe


class ProbeMap(BaseModel):
    """A GeoJSON feature collection (RFC 7946)."""

    type: Literal["FeatureCollection"]
    features: list[Feature]


class Probes(Resource):
    """`/probes`, `/probes/map`, `/probes/{id}`, `/probes/{id}/token`."""

    @operation(
        "List all probe locations",
        access=Access.USER,
        query=PageQuery,
        answer=Answer(200, Probe, is_list=True, is_paged=True),
        has_etag=True,
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> Page:
        """The one inside this server has id 1."""
        return probes.page(req.context.query.paging)

    @operation(
        "Create a probe",
        access=Access.ADMIN,
        body=ProbeInput,
        answer=Answer(201, NewProbe, example=_UNHEARD_OF),
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """Its token is in this answer alone; the prober sends it as `X-Auth`."""
        return self.parts.store.write(probes.create, req.context.body)

    @operation(
        "Get geographic probe data",
        access=Access.USER,
        answer=Answer(200, ProbeMap),
        has_etag=True,
    )
    def on_get_map(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """The probes whose place is known, as GeoJSON."""
        return probes.places()

    @operation(
        "Get probe details",
        access=Access.USER,
        answer=Answer(200, Probe),
        errors=(404,),
        has_etag=True,
    )
    def on_get_one(
        self, req: falcon.Request, resp: falcon.Response, probe_id: int
    ) -> dict[str, Any]:
        """One probe."""
        return probes.to_dict(probes.find(probe_id))

    @operation(
        "Update a probe",
        access=Access.ADMIN,
        body=ProbeInput,
        answer=Answer(200, Probe),
        errors=(404,),
    )
    def on_put_one(
        self, req: falcon.Request, resp: falcon.Response, probe_id: int
    ) -> dict[str, Any]:
        """What is left out goes back to its default."""
        return self.parts.store.write(probes.replace, probe_id, req.context.body)

    @operation(
        "Change parts of a probe",
        access=Access.ADMIN,
        body=ProbeInput,
        is_partial=True,
        answer=Answer(200, Probe),
        errors=(404,),
    )
    def on_patch_one(
        self, req: falcon.Request, resp: falcon.Response, probe_id: int
    ) -> dict[str, Any]:
        """Only what is sent changes."""
        return self.parts.store.write(probes.change, probe_id, req.context.body)

    @operation("Delete a probe", access=Access.ADMIN, answer=Answer(204), errors=(404, 409))
    def on_delete_one(self, req: falcon.Request, resp: falcon.Response, probe_id: int) -> None:
        """Services that only it checked are checked by this server from now on."""
        for service_id in self.parts.store.write(probes.delete, probe_id):
            self.parts.engine.refresh(service_id)

    @operation(
        "Rotate the token of a probe",
        access=Access.ADMIN,
        answer=Answer(201, NewProbe),
        errors=(404, 409),
    )
    def on_post_token(
        self, req: falcon.Request, resp: falcon.Response, probe_id: int
    ) -> dict[str, Any]:
        """The old token works for a day more."""
        return self.parts.store.write(probes.rotate, probe_id)
