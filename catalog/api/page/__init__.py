"""The page for people who open the service in a browser: static files, and a client of the API.

Nothing in them is rendered here. They need no build step, and nothing from elsewhere; what the
policy forbids (inline scripts and styles, other hosts) they do not do.
"""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse

from catalog.api.conditional import entity_tag
from catalog.api.page.preference import prefers_html
from catalog.api.problems import not_found
from catalog.api.responses import tagged

if TYPE_CHECKING:
    from typing import Any

    from starlette.requests import Request
    from starlette.responses import Response

GREETING = "Hello World! This is a book catalog."
PAGE = "index.html"

_MEDIA_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
}
_VARY = {"Vary": "Accept"}

FILES = {
    file.name: file.read_bytes()
    for file in resources.files(__name__).iterdir()
    if file.name.rpartition(".")[2] in _MEDIA_TYPES
}
_TAGS = {name: entity_tag(content) for name, content in FILES.items()}


async def page_or_greeting(request: Request[Any]) -> Response:
    """`GET /`: the page for a browser, the greeting for everybody else."""
    accept = ",".join(request.headers.getlist("accept"))
    if prefers_html(accept):
        return _file(request, PAGE, _VARY)
    return PlainTextResponse(GREETING, headers=_VARY)


async def file(request: Request[Any]) -> Response:
    """`GET /page/{name}`: what belongs to the page."""
    name = request.path_params["name"]
    if name not in FILES or name == PAGE:  # what the page names, it names from "/"
        return not_found(request)
    return _file(request, name, {})


def _file(request: Request[Any], name: str, headers: dict[str, str]) -> Response:
    media_type = _MEDIA_TYPES[name.rpartition(".")[2]]
    return tagged(request, FILES[name], media_type, _TAGS[name], {**_HEADERS, **headers})
