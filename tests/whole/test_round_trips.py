"""How many times a run has to go over the wire: counted by a proxy, after connecting."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.whole.proxy import Proxy
from tests.whole.terminals import on_terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.whole.projects import Project


@pytest.fixture
def proxy(database: str) -> Iterator[Proxy]:
    """The way to the empty database."""
    with Proxy(database) as proxy:
        yield proxy


@pytest.fixture
def project(project: Project, proxy: Proxy) -> Project:
    return replace(project, database=proxy.conninfo)


def write_tables(project: Project, count: int) -> None:
    for number in range(1, count + 1):
        name, table = f"{number:04}_create_t{number}", f"t{number}"
        project.write(
            {
                f"{name}.up.sql": f"CREATE TABLE {table} (id int);",
                f"{name}.down.sql": f"DROP TABLE {table};",
            }
        )


def count_trips(project: Project, proxy: Proxy, *command: str) -> tuple[int, int]:
    """How many trips a command makes, and over how many connections."""
    before, connections = len(proxy.trips), proxy.connections
    project.succeed(*command)
    return len(proxy.trips) - before, proxy.connections - connections


@pytest.mark.parametrize("command", ["status", "up"])
def test_with_nothing_to_do_one_connection_and_three_trips_are_enough(
    project: Project, proxy: Proxy, command: str
) -> None:
    write_tables(project, 4)
    project.succeed("up")
    before = len(proxy.trips)

    trips, connections = count_trips(project, proxy, command)

    assert connections == 1
    assert trips <= 3
    assert not [trip for trip in proxy.trips[before:] if "lock" in trip.text]


def test_status_of_an_empty_database_is_as_near(project: Project, proxy: Proxy) -> None:
    write_tables(project, 4)

    trips, connections = count_trips(project, proxy, "status")

    assert connections == 1
    assert trips <= 3


@pytest.mark.parametrize("count", [5, 50, 120])
def test_up_takes_a_trip_for_fifty_migrations_with_a_commit_each(
    project: Project, proxy: Proxy, count: int
) -> None:
    write_tables(project, count)

    trips, connections = count_trips(project, proxy, "up")

    assert trips <= -(-count // 50) + 5
    assert connections <= 2
    assert len(project.applied) == count
    # A row's xmin is the transaction that wrote it.
    [(transactions,)] = project.query("SELECT count(DISTINCT xmin::text) FROM schema_migrations")
    assert transactions == count


@pytest.mark.parametrize("count", [5, 50])
def test_down_takes_a_trip_for_fifty_migrations(project: Project, proxy: Proxy, count: int) -> None:
    write_tables(project, count)
    project.succeed("up")

    trips, connections = count_trips(project, proxy, "down", "--all")

    assert trips <= -(-count // 50) + 5
    assert connections <= 2
    assert project.tables == []


def test_on_a_terminal_up_takes_a_trip_for_each(project: Project, proxy: Proxy) -> None:
    write_tables(project, 20)

    before = len(proxy.trips)
    on_terminal(project, "up")

    assert len(proxy.trips) - before <= 20 + 5
    assert len(project.applied) == 20
