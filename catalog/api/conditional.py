"""Conditional requests (RFC 9110, 13): a client that has an answer already is told so.

Tags come from the bytes, so nothing has to be remembered: the database is asked as ever, and what
is spared is the way to the client.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_SIZE = 15  # bytes, of which base64 makes 20 characters without padding

# The quoted part is what weak comparison compares; a W/ before it says nothing that matters here.
_TAG = re.compile(rb'"[!#-~\x80-\xff]*"')


def entity_tag(body: bytes, link: str = "") -> str:
    """A strong tag for these bytes, and for the link to the next page that goes with them.

    Without the link in it, the last page would stay the last one for a client that has it, when
    further rows are there.
    """
    digest = blake2b(body, digest_size=_SIZE)
    digest.update(link.encode())
    return f'"{urlsafe_b64encode(digest.digest()).decode()}"'


def is_unchanged(headers: Iterable[tuple[bytes, bytes]], tag: str = "") -> bool:
    """Tell whether `If-None-Match` names that tag: in one field or several, weakly, or as `*`.

    Data without a tag is named by `*` alone. What is no tag in there matches nothing, and is no
    error. Names are in lower case, as ASGI has them.
    """
    for name, value in headers:
        if name == b"if-none-match" and (
            value.strip() == b"*" or tag.encode() in _TAG.findall(value)
        ):
            return True
    return False
