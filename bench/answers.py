"""Whether all give the same answers, which is looked into before anything is measured."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.contenders import Running

PATIENCE = 60  # seconds

_MICROSECONDS = re.compile(rb'(At":"[^".]+\.\d{3})\d*Z"')


def answer(one: Running, path: str) -> httpx.Response:
    """What it answers, which has to be a list that has something in it.

    Raises:
        httpx.HTTPError: It does not answer.
    """
    answer = httpx.get(one.url + path, timeout=PATIENCE)
    if not answer.is_success or answer.content == b"[]":
        sys.exit(f"{one.contender.title} answers {answer.status_code}: {answer.text[:2000]}")
    return answer


def comparable(one: Running, answer: httpx.Response) -> bytes:
    """The body, with times to the millisecond, as JavaScript writes them."""
    if one.contender.own_rendering:
        return _MICROSECONDS.sub(rb'\1Z"', answer.content)
    return answer.content


def compare(contenders: Sequence[Running], *paths: str) -> None:
    """End the run, unless all answer with the same bytes."""
    ours, *others = contenders
    for path in paths:
        expected = answer(ours, path)
        for other in others:
            found = answer(other, path)
            same = comparable(other, found) == expected.content
            if other.contender.is_limit:
                same = same and found.headers.keys() == expected.headers.keys()
            if not same:
                sys.exit(f"{other.contender.title} answers otherwise: {found.text[:2000]}")
