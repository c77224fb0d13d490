"""Whatever clients send: no mistake of theirs is answered as one of ours, or not at all."""

from __future__ import annotations

import json
import socket
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.http import LARGEST_HEAD
from tests.odd_values import TEXTS
from tests.serving import catalog_of, insert

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from catalog.embedded import EmbeddedServer

STATUSES = Counter[int]()

often = settings(
    max_examples=200, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


@pytest.fixture(scope="module")
def service(embedded_server: EmbeddedServer, catalog_template: str) -> Iterator[httpx.Client]:
    """A service whose authors have odd names."""
    with catalog_of(embedded_server, catalog_template) as (conninfo, client):
        insert(conninfo, "Authors", *({"name": text, "bio": text} for text in TEXTS))
        insert(conninfo, "Books", *({"title": text, "authorId": 1} for text in TEXTS if text))
        yield client
    told = ", ".join(f"{count:,} × {status}" for status, count in sorted(STATUSES.items()))
    print(f"mistakes of clients: sent {STATUSES.total():,}: {told}")


# --- What HTTP lets through, in the shape of the service's own addresses

texts = st.one_of(
    st.text(),
    st.integers().map(str),
    st.sampled_from(["", "0", "-0", "1", "2147483648", "-9223372036854775809", "9" * 5000]),
    st.sampled_from(["1,2", ",", "-1,", "%", "%00", "\0", "'", '"', "\\", "*", "..", "&", ":*"]),
    st.text(alphabet="ab '\"\\()&|!<->:*\0\n\t%,.-_/?#é\u0130\ufeff\u200d", max_size=30),
)
escaped = texts.map(lambda text: quote(text.encode(errors="surrogatepass"), safe=""))
raw_escapes = st.lists(st.integers(0, 255)).map(
    lambda found: "".join(f"%{byte:02X}" for byte in found)
)
parts = st.one_of(escaped, raw_escapes)
paths = st.one_of(
    st.sampled_from(["/", "/authors", "/search", "/books/1", "/authors/1", "/readyz", "/livez"]),
    st.builds("/{}/{}".format, st.sampled_from(["books", "authors", "search"]), parts),
    parts.map("/{}".format),
)
names = st.one_of(st.sampled_from(["q", "limit", "after", "Q", "limit[]", ""]), parts)
queries = st.lists(st.tuples(names, parts), max_size=4).map(
    lambda pairs: "&".join(f"{name}={value}" for name, value in pairs)
)
methods = st.sampled_from(["GET", "GET", "GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE"])


@often
@given(method=methods, path=paths, query=queries)
def test_no_address_is_our_mistake(
    service: httpx.Client, method: str, path: str, query: str
) -> None:
    status, head, body = ask(service, f"{method} {path}?{query} HTTP/1.1".encode(), [])

    assert_in_order(method, status, head, body)


searches = st.lists(texts, max_size=4).map(" ".join)


@often
@given(text=searches, limit=st.integers(1, 100), author=st.integers(), book=st.integers())
def test_any_text_can_be_searched_for(
    service: httpx.Client, text: str, limit: int, author: int, book: int
) -> None:
    q = quote(text.encode(errors="surrogatepass"), safe="")
    line = f"GET /search?q={q}&limit={limit}&after={author},{book} HTTP/1.1"

    status, _, body = ask(service, line.encode(), [])

    if len(line) > LARGEST_HEAD - 1000:
        assert status in (200, 414)
        return
    assert status == 200
    assert set(json.loads(body)) == {"authors", "books"}


values = st.one_of(
    st.binary(max_size=200).map(lambda value: bytes(set(value) - set(b"\r\n\0"))),
    st.sampled_from([b"*", b'W/"x"', b'"', b'"a", "b"', b"bytes=0-", b"close", b"chunked", b""]),
    st.sampled_from([b"-1", b"0", b"99999999999999999999", b"100-continue", b"h2c", b"x" * 70_000]),
)
headers = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *(b"If-None-Match", b"If-Match", b"Range", b"Accept", b"Accept-Encoding"),
                *(b"Connection", b"Transfer-Encoding", b"Content-Length", b"Expect", b"Upgrade"),
                *(b"Host", b"X-Request-ID", b"X-Forwarded-For", b"Cookie", b"Authorization"),
            ]
        ),
        values,
    ),
    max_size=6,
)


@often
@given(sent=headers)
def test_no_header_is_our_mistake(service: httpx.Client, sent: list[tuple[bytes, bytes]]) -> None:
    status, head, body = ask(service, b"GET /authors HTTP/1.1", sent)

    assert_in_order("GET", status, head, body)


@often
@given(
    line=st.one_of(
        st.binary(max_size=300),
        st.builds(b"GET %b HTTP/1.1".__mod__, st.binary(min_size=1, max_size=100)),
        st.builds(b"%b /authors HTTP/1.1".__mod__, st.binary(max_size=20)),
        st.builds(b"GET /authors%b".__mod__, st.binary(max_size=20)),
    )
)
def test_no_line_is_our_mistake(service: httpx.Client, line: bytes) -> None:
    status, head, body = ask(service, line, [])

    if status:  # what is only blank lines is no request, and gets no answer
        assert_in_order("", status, head, body)


def ask(
    service: httpx.Client, line: bytes, sent: list[tuple[bytes, bytes]]
) -> tuple[int, bytes, bytes]:
    """The status, the head and the body of the last answer on a connection of its own."""
    lines = [line, b"Host: x", *(name + b": " + value for name, value in sent)]
    request = b"\r\n".join([*lines, b"Connection: close", b"", b""])
    port = service.base_url.port or 0
    with closing(socket.create_connection(("127.0.0.1", port), timeout=30)) as client:
        client.sendall(request)
        if not line.strip():
            client.shutdown(socket.SHUT_WR)
        answers = b"".join(iter(lambda: client.recv(65536), b""))
    if not answers:
        return 0, b"", b""
    head, _, body = answers[answers.rindex(b"HTTP/1.1 ") :].partition(b"\r\n\r\n")
    status = int(head[9:12])
    STATUSES[status] += 1
    return status, head, body


def assert_in_order(method: str, status: int, head: bytes, body: bytes) -> None:
    assert 200 <= status < 500
    assert b"x-content-type-options: nosniff" in head
    if status >= 400 and method != "HEAD":
        assert json.loads(body)["status"] == status
