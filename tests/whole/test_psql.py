"""`bin/psql`: psql on the configured database, with psql's arguments and exit status."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.whole.servers import PASSWORD, Address

if TYPE_CHECKING:
    from tests.whole.trees import Done, Tree

# Prints its arguments, a line, and its environment.
FAKE_PSQL = """#!/bin/sh
for argument; do echo "argument: $argument"; done
exec env
"""


def tools(folder: Path, *names: str) -> str:
    """A PATH with nothing but what bin/ needs, and these."""
    folder.mkdir()
    for name in ("sh", "cmp", "dirname", "env", *names):
        found = shutil.which(name)
        assert found, name
        (folder / name).symlink_to(found)
    return str(folder)


@pytest.fixture
def no_psql(tmp_path: Path) -> str:
    """A PATH without psql: the embedded one is used."""
    return tools(tmp_path / "tools")


@pytest.fixture
def fake_psql(tmp_path: Path) -> str:
    """A PATH with a psql that only says how it was called."""
    path = tools(tmp_path / "tools with a fake")
    program = Path(path) / "psql"
    program.write_text(FAKE_PSQL)
    program.chmod(0o755)
    return path


def arguments(done: Done) -> list[str]:
    return [
        line.removeprefix("argument: ")
        for line in done.out.splitlines()
        if line.startswith("argument: ")
    ]


def variables(done: Done) -> dict[str, str]:
    return dict(line.split("=", 1) for line in done.out.splitlines() if line.startswith("PG"))


# --- Which database, which psql


def test_the_embedded_server_is_the_default_and_stops_afterwards(tree: Tree, no_psql: str) -> None:
    done = tree.run(
        "psql", "-AtXc", "SELECT current_database(), current_user", env={"PATH": no_psql}
    )

    assert (done.code, done.out, done.err) == (0, "catalog|postgres\n", "")
    assert tree.data.exists()
    assert not (tree.data / "postmaster.pid").exists()


def test_the_machines_own_psql_goes_before_the_embedded_one(tree: Tree, fake_psql: str) -> None:
    done = tree.run("psql", "-c", "SELECT 1", env={"PATH": fake_psql})

    assert (done.code, arguments(done)) == (0, ["-c", "SELECT 1"])
    assert variables(done)["PGDATABASE"] == "catalog"
    assert variables(done)["PGUSER"] == "postgres"
    assert variables(done)["PGHOST"].startswith("/")


def test_variables_for_other_servers_do_not_lead_away_from_the_embedded_one(
    tree: Tree, no_psql: str
) -> None:
    hostile = {"PGHOST": "x.invalid", "PGPORT": "1", "PGSSLMODE": "require", "PGSERVICE": "x"}

    done = tree.run("psql", "-AtXc", "SELECT 1", env={"PATH": no_psql, **hostile})

    assert (done.code, done.out, done.err) == (0, "1\n", "")


@pytest.mark.slow
def test_a_database_url_leads_to_its_database(tree: Tree, no_psql: str, guarded: Address) -> None:
    done = tree.run(
        "psql",
        "-AtXc",
        "SELECT current_database(), current_user",
        env={"PATH": no_psql, "DATABASE_URL": guarded.url},
    )

    assert (done.code, done.out, done.err) == (0, "catalog|owner\n", "")


def test_an_entry_in_dotenv_does_so_too(own_tree: Tree, no_psql: str, guarded: Address) -> None:
    (own_tree.path / ".env").write_text(f"DATABASE_URL={guarded.but(password=PASSWORD).url}\n")

    done = own_tree.run("psql", "-AtXc", "SELECT current_user", env={"PATH": no_psql})

    assert (done.code, done.out, done.err) == (0, "owner\n", "")


@pytest.mark.parametrize("spelling", ["{}", "{}/", "{}/../bin"])
def test_bin_itself_on_the_path_is_not_taken_for_psql(
    tree: Tree, database: str, tmp_path: Path, spelling: str
) -> None:
    path = f"{spelling.format(tree.path / 'bin')}:{tools(tmp_path / 'tools')}"

    done = tree.run("psql", "-AtXc", "SELECT 1", env={"PATH": path, "DATABASE_URL": database})

    assert (done.code, done.out, done.err) == (0, "1\n", "")


def test_a_link_to_bin_on_the_path_is_not_taken_for_psql_either(
    tree: Tree, database: str, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(tree.path / "bin")
    path = f"{tmp_path / 'link'}:{tools(tmp_path / 'tools')}"

    done = tree.run("psql", "-AtXc", "SELECT 1", env={"PATH": path, "DATABASE_URL": database})

    assert (done.code, done.out, done.err) == (0, "1\n", "")


# --- Arguments, input, exit status


def test_arguments_pass_through_as_they_are(tree: Tree, database: str, fake_psql: str) -> None:
    given = ["-v", "x=a b", "", "*", "--", "$HOME", "it's", "--help"]

    done = tree.run("psql", *given, env={"PATH": fake_psql, "DATABASE_URL": database})

    assert arguments(done) == given


def test_statements_are_read_from_standard_input(tree: Tree, database: str, no_psql: str) -> None:
    done = tree.run(
        *("psql", "-AtXq", "-v", "name=é x"),
        input="SELECT :'name';\n",
        env={"PATH": no_psql, "DATABASE_URL": database},
    )

    assert (done.code, done.out) == (0, "é x\n")


@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("given", "status"),
    [
        (["-c", "SELECT 1"], 0),
        (["-c", "SELECT 1/0"], 1),
        (["-v", "ON_ERROR_STOP=1", "-f", "broken.sql"], 3),
        (["-f", "nowhere.sql"], 1),
        (["--no-such-option"], 1),
        (["-d", "nowhere"], 2),
    ],
    ids=str,
)
def test_the_exit_status_is_psqls(
    tree: Tree, database: str, no_psql: str, tmp_path: Path, given: list[str], status: int
) -> None:
    (tmp_path / "broken.sql").write_text("SELECT 1/0;\n")

    done = tree.run(
        "psql", "-X", *given, cwd=tmp_path, env={"PATH": no_psql, "DATABASE_URL": database}
    )

    assert done.code == status


def test_the_exit_status_is_psqls_on_the_embedded_server_too(tree: Tree, no_psql: str) -> None:
    assert tree.run("psql", "-XqAtc", "SELECT 1/0", env={"PATH": no_psql}).code == 1


@pytest.mark.parametrize("own", [False, True], ids=["embedded psql", "the machine's psql"])
def test_the_seed_adds_its_rows_once(
    tree: Tree, catalog_database: str, tmp_path: Path, own: bool
) -> None:
    if own and not shutil.which("psql"):
        pytest.skip("there is no psql on this machine")
    path = tools(tmp_path / "tools", *(["psql"] if own else []))
    options = {"cwd": tree.path, "env": {"PATH": path, "DATABASE_URL": catalog_database}}

    first = tree.run("psql", "-Xf", "sql/seed.sql", **options)
    again = tree.run("psql", "-Xf", "sql/seed.sql", **options)

    assert (first.code, again.code) == (0, 0)
    with psycopg.connect(catalog_database) as connection:
        rows = connection.execute(
            "SELECT array_agg(DISTINCT author.id), array_agg(book.id ORDER BY book.id)"
            ' FROM "Authors" AS author JOIN "Books" AS book ON book."authorId" = author.id'
        ).fetchall()
    assert rows == [([1, 2, 3], [1, 2, 3, 4, 5, 6, 7, 8])]


def test_several_seeds_at_once_add_the_rows_once(
    tree: Tree, catalog_database: str, no_psql: str
) -> None:
    options = {"cwd": tree.path, "env": {"PATH": no_psql, "DATABASE_URL": catalog_database}}

    several = [tree.start("psql", "-Xf", "sql/seed.sql", **options) for _ in range(4)]
    outputs = [process.communicate(timeout=60) for process in several]

    assert [process.returncode for process in several] == [0] * 4, outputs
    with psycopg.connect(catalog_database) as connection:
        count = 'SELECT (SELECT count(*) FROM "Authors"), (SELECT count(*) FROM "Books")'
        assert connection.execute(count).fetchall() == [(3, 8)]


# --- What others on the machine can read


def test_the_password_is_never_on_a_command_line(
    tree: Tree, guarded: Address, fake_psql: str
) -> None:
    url = guarded.but(options="application_name=x&keepalives_idle=30").url

    done = tree.run("psql", "-c", "SELECT 1", env={"PATH": fake_psql, "DATABASE_URL": url})

    assert not any(
        secret in argument for argument in arguments(done) for secret in (PASSWORD, "S3cr3t")
    )
    assert arguments(done)[-2:] == ["-c", "SELECT 1"]
    assert any("keepalives_idle=30" in argument for argument in arguments(done))
    found = variables(done)
    assert (found["PGPASSWORD"], found["PGUSER"], found["PGDATABASE"]) == (
        PASSWORD,
        "owner",
        "catalog",
    )
    assert (found["PGHOST"], found["PGPORT"]) == ("127.0.0.1", str(guarded.port))
    assert found["PGAPPNAME"] == "x"


# --- TLS, which the embedded psql does not have


@pytest.mark.parametrize(
    "options",
    ["sslmode=require", "sslmode=verify-full&sslrootcert=system", "channel_binding=require"],
)
def test_tls_without_a_psql_that_has_it_is_one_line(tree: Tree, no_psql: str, options: str) -> None:
    url = f"postgresql://u:S3cr3t@x.invalid/db?{options}"

    refused = tree.run("psql", "-c", "SELECT 1", env={"PATH": no_psql, "DATABASE_URL": url})

    assert (refused.code, refused.out, len(refused.lines)) == (1, "", 1)
    assert refused.err.startswith("DATABASE_URL in the environment asks for TLS, which the")
    assert "install psql" in refused.err
    assert "bin/migrate seed" in refused.err


def test_a_variable_may_ask_for_tls_as_well(tree: Tree, no_psql: str) -> None:
    env = {"PATH": no_psql, "DATABASE_URL": "postgresql://u:S3cr3t@x.invalid/db"}

    refused = tree.run("psql", env={**env, "PGSSLMODE": "require"})

    assert (refused.code, len(refused.lines)) == (1, 1)


def test_tls_with_the_machines_psql_is_left_to_it(tree: Tree, fake_psql: str) -> None:
    url = "postgresql://u:S3cr3t@x.invalid/db?sslmode=require&channel_binding=require"

    done = tree.run("psql", env={"PATH": fake_psql, "DATABASE_URL": url})

    assert done.code == 0
    assert variables(done)["PGSSLMODE"] == "require"
    assert variables(done)["PGCHANNELBINDING"] == "require"


# --- What cannot be used


def test_a_malformed_url_is_one_line(tree: Tree, no_psql: str) -> None:
    env = {"PATH": no_psql, "DATABASE_URL": "postgresql://u:S3cr3t@x@h/db"}

    refused = tree.run("psql", "-c", "SELECT 1", env=env)

    assert (refused.code, refused.out, len(refused.lines)) == (1, "", 1)
    assert "S3cr3t" not in refused.err


@pytest.mark.slow
def test_a_wrong_password_is_told_by_psql_and_not_shown(
    tree: Tree, no_psql: str, guarded: Address
) -> None:
    env = {"PATH": no_psql, "DATABASE_URL": guarded.but(password="S3cr3t-wrong").url}

    failed = tree.run("psql", "-Xw", "-c", "SELECT 1", env=env)

    assert failed.code == 2
    assert "password authentication failed" in failed.err
    assert "S3cr3t" not in failed.err


def test_nothing_of_the_developers_environment_is_needed(tree: Tree, database: str) -> None:
    # Not even a HOME: as in a unit of systemd, or in cron.
    env = {"HOME": "/nonexistent", "DATABASE_URL": database, "PATH": os.defpath}

    assert tree.run("psql", "-AtXc", "SELECT 1", env=env).out == "1\n"
