"""What `bin/serve` writes about requests, and what it never writes."""

from __future__ import annotations

import re
import resource
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psycopg
import pytest
from psycopg import sql

from tests.whole.servers import PASSWORD, new_database
from tests.whole.test_serve import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.whole.servers import Address
    from tests.whole.test_serve import Service
    from tests.whole.trees import Tree

LINE = re.compile(
    r'[0-9-]{10} [0-9:,]{12} catalog\.access: (?P<id>\S+) 127\.0\.0\.1 "(?P<request>.*)"'
    r" (?P<status>\d+) (?P<size>\d+) B [0-9.]+ ms"
)

TERMINATE = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'catalog'
"""


@contextmanager
def logged(tree: Tree, conninfo: str) -> Iterator[tuple[Service, list[re.Match[str]]]]:
    """A service that logs requests, and the lines, when it has ended."""
    lines: list[re.Match[str]] = []
    with (
        tempfile.TemporaryFile("w+") as log,
        serving(tree, "--access-log", log=log, DATABASE_URL=conninfo) as service,
    ):
        yield service, lines
        service.stop()
        log.seek(0)
        for line in log.read().splitlines():
            match = LINE.fullmatch(line)
            assert match, line
            lines.append(match)


def test_each_request_has_a_line_and_an_id(tree: Tree, catalog_database: str) -> None:
    paths = ["/", "/authors", "/authors?limit=1", "/nothing", "/books/x?a=%22%0A", "/livez"]
    with logged(tree, catalog_database) as (service, lines):
        answers = [service.get(path) for path in paths]
        answers.append(httpx.head(f"{service.url}/authors"))

    ids = [answer.headers["x-request-id"] for answer in answers]
    assert len(set(ids)) == len(ids)
    assert [line["id"] for line in lines] == ids
    assert [line["request"] for line in lines] == [
        *(f"GET {path} HTTP/1.1" for path in paths),
        "HEAD /authors HTTP/1.1",
    ]
    assert [line["status"] for line in lines] == ["200", "200", "200", "404", "400", "200", "200"]
    for line, answer in zip(lines, answers, strict=True):
        assert int(line["size"]) == len(answer.content), line["request"]


@pytest.mark.parametrize(
    ("given", "is_taken"),
    [
        ("4bf92f3577b34da6a3ce929d0e0e4736", True),
        ("Root=1-67891233-abcdef012345678912345678", True),
        ("a" * 64, True),
        ("a" * 65, False),
        ("", False),
        ("two words", False),
        ('quo"te', False),
        ("{x}", False),
    ],
)
def test_the_clients_own_id_is_taken_if_it_is_sane(
    access_logged: Service, given: str, is_taken: bool
) -> None:
    answer = httpx.get(f"{access_logged.url}/nothing", headers={"X-Request-ID": given})

    found = answer.headers["x-request-id"]
    assert (found == given) == is_taken
    assert re.fullmatch("[!-~]{1,64}", found)
    assert answer.json()["requestId"] == found


def test_a_client_is_an_address_or_nothing(tree: Tree, catalog_database: str) -> None:
    given = {"2001:db8::7": "2001:db8::7", '1.1.1.1 "GET /': "-", "\x9b31m": "-"}
    with (
        tempfile.TemporaryFile("w+") as log,
        serving(tree, "--access-log", log=log, DATABASE_URL=catalog_database) as service,
    ):
        for host in given:
            forwarded = {b"X-Forwarded-For": host.encode("latin1")}
            assert httpx.get(f"{service.url}/livez", headers=forwarded).status_code == 200
        service.stop()
        log.seek(0)
        lines = log.read().splitlines()

    clients = [re.findall(r'catalog\.access: \S+ (.*) "GET /livez ', line) for line in lines]
    assert clients == [[client] for client in given.values()]


@pytest.fixture(scope="module")
def access_logged(tree: Tree) -> Iterator[Service]:
    """One whose database is away."""
    with (
        tempfile.TemporaryFile("w+") as log,
        serving(tree, "--access-log", log=log, DATABASE_URL="host=/nowhere") as service,
    ):
        yield service


def test_without_it_there_is_no_line_and_no_id(tree: Tree, catalog_database: str) -> None:
    with serving(tree, DATABASE_URL=catalog_database) as service:
        answers = [service.get("/authors"), service.get("/nothing")]
        assert service.stop() == ""

    for answer in answers:
        assert "x-request-id" not in answer.headers
    assert "requestId" not in answers[1].json()


def test_what_is_no_request_has_a_line_without_an_id(tree: Tree, catalog_database: str) -> None:
    with (
        tempfile.TemporaryFile("w+") as log,
        serving(tree, "--access-log", log=log, DATABASE_URL=catalog_database) as service,
    ):
        answer = httpx.get(f"{service.url}/{'x' * 65_000}", headers={"A": "x" * 600})
        service.stop()
        log.seek(0)
        [line] = log.read().splitlines()

    assert answer.status_code == 414
    assert line.endswith(f' catalog.access: - 127.0.0.1 "-" 414 {len(answer.content)} B')


def test_what_fails_is_logged_with_its_id(tree: Tree, catalog_database: str) -> None:
    with psycopg.connect(catalog_database) as connection:
        connection.execute('ALTER TABLE "Authors" RENAME name TO other')
    with (
        tempfile.TemporaryFile("w+") as log,
        serving(tree, "--access-log", log=log, DATABASE_URL=catalog_database) as service,
    ):
        answer = service.get("/authors")
        service.stop()
        log.seek(0)
        said = log.read()

    assert (answer.status_code, answer.json()["requestId"]) == (500, answer.headers["x-request-id"])
    assert f"catalog.access: {answer.headers['x-request-id']} " in said
    assert "UndefinedColumn" in said


@pytest.mark.slow
def test_no_answer_and_no_log_has_the_password(tree: Tree, guarded: Address) -> None:
    with new_database(guarded, "secretive") as address:
        assert tree.run("migrate", "up", env={"DATABASE_URL": address.url}).code == 0
        with (
            tempfile.TemporaryFile("w+") as log,
            serving(tree, "--access-log", log=log, DATABASE_URL=address.url) as service,
            psycopg.connect(address.url, autocommit=True) as connection,
        ):
            told = "\n".join(service.said)
            for trouble, paths in (
                ("SELECT", ("/authors", "/search?q=a", "/readyz", "/nothing")),
                ('ALTER TABLE "Authors" RENAME name TO other', ("/authors", "/search?q=a")),
                ('DROP TABLE "Books"', ("/books/1",)),
                ("ALTER ROLE owner PASSWORD 'another'", ()),
                (TERMINATE, ("/authors",)),
            ):
                connection.execute(trouble.encode())
                for path in paths:
                    answer = service.get(path)
                    told += f"\n{answer.status_code} {answer.headers} {answer.text}"
            restore = sql.SQL("ALTER ROLE owner PASSWORD {}").format(PASSWORD)
            connection.execute(restore)
            answers = told
            service.stop()
            log.seek(0)
            told += log.read()

    statuses = set(re.findall(r"\n(\d{3}) Headers", answers))
    print(f"looked for the password in {len(told):,} characters, of answers {sorted(statuses)}")
    assert {"200", "404", "500", "503"} <= statuses
    for part in (PASSWORD, "S3cr3t", "S3cr3t%2F"):
        assert part not in told
    for inside in ("psycopg", "SELECT", "127.0.0.1:", str(address.port), "owner"):
        assert inside not in answers.replace(service.url, "")


def test_it_takes_as_many_open_files_as_it_may(tree: Tree, catalog_database: str) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with serving(tree, DATABASE_URL=catalog_database) as service:
        limits = Path(f"/proc/{service.process.pid}/limits").read_text()

    [soft] = re.findall(r"Max open files +(\d+)", limits)
    most = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    print(f"open files: {soft}")
    assert int(soft) >= most
