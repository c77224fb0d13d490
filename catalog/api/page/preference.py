"""Which of two answers a client would rather have, by its `Accept` (RFC 9110, 12.5.1)."""

from __future__ import annotations

import re

_RANGE = re.compile(r"\s*([^\s;,]+)\s*(?:;(.*))?", re.ASCII | re.DOTALL)
_QUALITY = re.compile(
    r"(?:^|;)\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*(?:;|$)", re.ASCII | re.I
)


def prefers_html(accept: str) -> bool:
    """Tell whether HTML is wanted more than plain text.

    Browsers name HTML. Who takes anything, as curl does, or says nothing, has no such wish.
    """
    weights = {}
    for entry in accept.split(","):
        if found := _RANGE.fullmatch(entry):
            quality = _QUALITY.search(found[2] or "")
            weights[found[1].lower()] = float(quality[1]) if quality else 1.0
    return _weight("text/html", weights) > _weight("text/plain", weights)


def _weight(media_type: str, weights: dict[str, float]) -> float:
    # The most specific range decides.
    for name in (media_type, "text/*", "*/*"):
        if name in weights:
            return weights[name]
    return 0.0
