"""Ours held against the real thing: the guide's application, on Express with Sequelize."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import psycopg
import pytest

from tests.odd_values import OURS_ALONE, TEXTS, TIMES
from tests.serving import insert, served
from tests.whole.guides import GUIDE, database_variables, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from catalog.embedded import EmbeddedServer
    from tests.whole.trees import Tree

pytestmark = pytest.mark.slow

NEW_YEAR = "2026-01-01 00:00:00+00"


def test_the_first_two_migrations_make_what_sequelize_makes(
    guide: Path, tree: Tree, embedded_server: EmbeddedServer, database: str
) -> None:
    migrate_with_sequelize(guide, database)
    theirs = schema(embedded_server, database)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute('DROP TABLE "Books", "Authors", "SequelizeMeta"')

    done = tree.run("migrate", "up", "2", env={"DATABASE_URL": database})
    ours = schema(embedded_server, database)

    assert done.code == 0
    assert '"Books_authorId_fkey"' in theirs
    assert theirs == ours


def test_bodies_are_the_same_to_the_byte(guide: Path, catalog_database: str) -> None:
    known = {"createdAt": NEW_YEAR, "updatedAt": NEW_YEAR}
    texts = [{"name": text, "bio": text, **known} for text in TEXTS]
    times = [{"name": time, "createdAt": time, "updatedAt": NEW_YEAR} for time in TIMES]
    times += [{"name": time, "createdAt": NEW_YEAR, "updatedAt": time} for time in TIMES]
    titles = [{"title": text, "authorId": 1, **known} for text in TEXTS if text is not None]
    created = [{"title": time, "authorId": 2, **known, "createdAt": time} for time in TIMES]
    insert(catalog_database, "Authors", *texts, *times)
    insert(catalog_database, "Books", *titles, *created)

    with express(guide, catalog_database) as theirs, served(catalog_database) as ours:
        for path in ("/", "/authors", "/books/1", "/books/2", "/books/3", "/books/999999"):
            theirs_answer, ours_answer = theirs.get(path), ours.get(path)
            assert (theirs_answer.status_code, ours_answer.status_code) == (200, 200)
            assert theirs_answer.content == ours_answer.content
        authors = ours.get("/authors").content
        for body in [*TEXTS.values(), *TIMES.values()]:
            assert f":{body}".encode() in authors


@pytest.mark.parametrize("time", OURS_ALONE)
def test_what_javascript_reads_wrongly_is_right_here(
    guide: Path, catalog_database: str, time: str
) -> None:
    insert(catalog_database, "Authors", {"createdAt": time, "updatedAt": NEW_YEAR})

    with express(guide, catalog_database) as theirs, served(catalog_database) as ours:
        expected = f'"createdAt":{OURS_ALONE[time]}'.encode()
        assert expected in ours.get("/authors").content
        assert expected not in theirs.get("/authors").content


def test_sequelize_goes_on_writing_to_our_schema(guide: Path, catalog_database: str) -> None:
    books = [text for text in TEXTS if text is not None]

    with express(guide, catalog_database) as theirs, served(catalog_database) as ours:
        written = theirs.post("/authors", json={"name": "Ursula K. Le Guin", "books": books})

        assert (written.status_code, written.content) == (200, b"1")
        assert [book["title"] for book in ours.get("/books/1").json()] == books
        assert theirs.get("/books/1").content == ours.get("/books/1").content
        assert theirs.get("/authors").content == ours.get("/authors").content


def test_a_database_of_the_guide_is_adopted_with_its_rows(
    guide: Path, tree: Tree, database: str
) -> None:
    migrate_with_sequelize(guide, database)
    environment = {"DATABASE_URL": database}
    with express(guide, database) as theirs:
        for name, books in (("Ada", ["One", "Two"]), ("Grace", ["Three"])):
            assert theirs.post("/authors", json={"name": name, "books": books}).status_code == 200
        before = [theirs.get(path).content for path in ("/authors", "/books/1", "/books/2")]
    history = rows(database, 'SELECT name FROM "SequelizeMeta" ORDER BY name')

    adopted = tree.run("migrate", "adopt", env=environment)
    verified = tree.run("migrate", "verify", env=environment)
    brought_forward = tree.run("migrate", "up", env=environment)

    assert (adopted.code, adopted.err) == (0, "")
    assert "adopted at 0002_create_books: 2 migrations recorded as applied." in adopted.out
    assert (verified.code, verified.err) == (0, "")
    assert "ok: the schema is that of 0002_create_books" in verified.out
    assert (brought_forward.code, brought_forward.err) == (0, "")
    assert "ok: " in tree.run("migrate", "verify", env=environment).out
    assert rows(database, 'SELECT name FROM "SequelizeMeta" ORDER BY name') == history
    migrate_with_sequelize(guide, database)  # that tool goes on working, and has nothing to do
    with express(guide, database) as theirs, served(database) as ours:
        for path, body in zip(("/authors", "/books/1", "/books/2"), before, strict=True):
            assert theirs.get(path).content == body
            assert ours.get(path).content == body


def rows(conninfo: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        return connection.execute(query.encode()).fetchall()


def test_the_lock_leaves_the_registry_to_the_user() -> None:
    lock = json.loads((GUIDE / "package-lock.json").read_text())

    for package in list(lock["packages"].values())[1:]:
        assert "resolved" not in package
        assert package["integrity"].startswith("sha512-")


def migrate_with_sequelize(guide: Path, conninfo: str) -> None:
    command = ["node_modules/.bin/sequelize-cli", "db:migrate", "--config", "config.js"]
    run(command, guide, **database_variables(conninfo))


def schema(server: EmbeddedServer, conninfo: str) -> str:
    """What `pg_dump` says of a database's schema, the tables of the ledgers apart."""
    dump = run(
        [
            *(str(server.bindir / "pg_dump"), "--schema-only", "--dbname", conninfo),
            *("--exclude-table", '"SequelizeMeta"', "--exclude-table", "schema_migrations*"),
        ],
        server.home,
    )
    # The key of \restrict is another one each time.
    lines = [line for line in dump.splitlines() if not line.startswith(("\\restrict", "\\unre"))]
    return "\n".join(lines)


@contextmanager
def express(guide: Path, conninfo: str) -> Iterator[httpx.Client]:
    """A client of the guide's service on that database."""
    with subprocess.Popen(
        ["node", "server.js"],
        cwd=guide,
        env={**os.environ, **database_variables(conninfo)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        try:
            port = process.stdout.readline().strip()
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=40) as client:
                yield client
        finally:
            process.terminate()
