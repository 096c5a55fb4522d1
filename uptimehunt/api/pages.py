"""The dashboard and the API's documentation: all of `static/`, served from memory since the start.

From memory, because cleaners of temporary folders delete what an executable has unpacked, and
because a path then cannot lead anywhere else. All files but the pages lie below a folder named by
their common hash, so that an upgrade never mixes old and new modules and caches may keep them.
"""

import gzip
import hashlib
import mimetypes
import re
from dataclasses import dataclass
from pathlib import Path

import falcon

from uptimehunt.errors import NotFoundError, StartError

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'"
)
_PAGES = {"/": "index.html", "/docs": "docs.html"}
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_GZIP = re.compile(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))")
_FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    packed: bytes
    type: str
    etag: str


class Pages:
    """`/`, `/docs` and `/assets/<hash>/<path>`."""

    def __init__(self, folder: Path) -> None:
        """Load the dashboard.

        Raises:
            StartError: the program was packaged without it.
        """
        contents = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        if "index.html" not in contents:
            raise StartError(f"the dashboard's files are missing from {folder}")
        whole = hashlib.blake2b(digest_size=8)
        for name, content in contents.items():
            whole.update(f"{name} {len(content)} ".encode() + content)
        self._hash = whole.hexdigest()
        assets = f"assets/{self._hash}".encode()
        self._pages = {
            path: _file(name, contents.pop(name).replace(b"{{assets}}", assets))
            for path, name in _PAGES.items()
            if name in contents
        }
        self._assets = {name: _file(name, content) for name, content in contents.items()}

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """A page itself; asked for anew each time, so that an upgrade shows at once."""
        page = self._pages.get(req.path)
        if page is None:
            raise NotFoundError("Page")
        resp.set_header("Content-Security-Policy", _POLICY)
        resp.set_header("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
        _send(req, resp, page, "no-cache")

    def on_get_asset(
        self, req: falcon.Request, resp: falcon.Response, version: str, name: str
    ) -> None:
        """One of the pages' files."""
        file = self._assets.get(name) if version == self._hash else None
        if file is None:
            raise NotFoundError("Page")
        _send(req, resp, file, _FOR_EVER)

    on_head = on_get
    on_head_asset = on_get_asset


def _file(name: str, content: bytes) -> _File:
    suffix = Path(name).suffix
    media = _TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    if media.startswith("text/"):
        media += "; charset=utf-8"
    etag = f'"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'
    return _File(content, gzip.compress(content, 9, mtime=0), media, etag)


def _send(req: falcon.Request, resp: falcon.Response, file: _File, cache: str) -> None:
    resp.set_header("Cache-Control", cache)
    resp.set_header("ETag", file.etag)
    resp.set_header("Vary", "Accept-Encoding")
    if file.etag in (req.get_header("If-None-Match") or ""):
        resp.status = falcon.HTTP_304
        return
    resp.content_type = file.type
    if _GZIP.search(req.get_header("Accept-Encoding") or ""):
        resp.set_header("Content-Encoding", "gzip")
        resp.data = file.packed
    else:
        resp.data = file.content
