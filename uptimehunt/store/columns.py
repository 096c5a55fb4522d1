"""Column types that peewee does not bring.

Instants are plain integer columns in milliseconds since the epoch, named `…_at`; see `clock`.
"""

import json
import zlib
from typing import Any

import peewee


class JsonColumn(peewee.TextField):
    """A JSON value, kept as compact text; what comes out is equal to what went in."""

    def db_value(self, value: Any) -> str | None:
        """The text to store."""
        return None if value is None else json.dumps(value, separators=(",", ":"))

    def python_value(self, value: str | None) -> Any:
        """The value that was stored."""
        return None if value is None else json.loads(value)


_COMMON = (
    b'"packets_sent":3,"packets_received":3,"packet_loss":0.0,"rtt_min":"rtt_avg":"rtt_max":'
    b'"response_headers":[["content-type","text/html; charset=utf-8"],["date","],["server",'
    b'"cache-control","content-length","certificate":{"subject":"issuer":"not_after":"2026-'
    b'T00:00:00Z","days_left":"fingerprint_sha256":"},"body":"<!doctype html><html><head><title>'
    b'"truncated":false,"remote_ip":"192.168.1.10","remote_port":443,"http_status_code":200,'
    b'"http_version":"1.1","timing":{"namelookup":0.000"connect":0.000"appconnect":0.000'
    b'"pretransfer":0.000"starttransfer":0.00"total":0.0},"size_download":'
    b',"speed_download":"redirects":0}'
)
"""What details are made of, the most common last: short texts shrink little without."""


class PackedJsonColumn(peewee.BlobField):
    """A JSON value, compressed: for many small ones that are alike, and seldom read.

    The first byte says how it was packed.
    """

    def db_value(self, value: Any) -> bytes | None:
        """The bytes to store."""
        if value is None:
            return None
        packer = zlib.compressobj(6, wbits=-15, zdict=_COMMON)
        text = json.dumps(value, separators=(",", ":")).encode()
        return b"\x01" + packer.compress(text) + packer.flush()

    def python_value(self, value: Any) -> Any:
        """The value that was stored.

        Raises:
            ValueError: the bytes were packed in a way that this program does not know.
        """
        if value is None:
            return None
        kept = bytes(value)
        if kept[:1] != b"\x01":
            raise ValueError(f"details packed in an unknown way ({kept[:1].hex()})")
        unpacker = zlib.decompressobj(wbits=-15, zdict=_COMMON)
        return json.loads(unpacker.decompress(kept[1:]))
