"""Over TLS, on Debian's Postgres with a self-made certificate: require and verify-full."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.whole.servers import (
    PASSWORD,
    Address,
    make_certificate,
    new_database,
    password_server,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.whole.trees import Done, Tree

pytestmark = pytest.mark.slow

BINDIRS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
NAME = "db.catalog.test"


@pytest.fixture(scope="session")
def certificates() -> Iterator[Path]:
    """The server's certificate, and one of somebody else."""
    with tempfile.TemporaryDirectory(prefix="catalog-certificates-") as made:
        folder = Path(made)
        folder.chmod(0o755)
        make_certificate(folder, name=NAME, address="127.0.0.1")
        make_certificate(folder, name="somebody-else", address="127.0.0.2")
        yield folder


@pytest.fixture(scope="session")
def tls_server(certificates: Path) -> Iterator[Address]:
    """Debian's Postgres, which asks for a password and for TLS."""
    if not BINDIRS or not shutil.which("openssl"):
        pytest.skip("Debian's Postgres and openssl are needed: apt install postgresql openssl")
    with password_server(
        BINDIRS[-1],
        initdb_options=("--locale=C.UTF-8",),
        settings={"ssl": "on"},
        files={
            "ssl_cert_file": certificates / f"{NAME}.crt",
            "ssl_key_file": certificates / f"{NAME}.key",
        },
        rules="hostssl all all all scram-sha-256",
    ) as (_, address):
        yield address


@pytest.fixture
def address(tls_server: Address) -> Iterator[Address]:
    """An empty database there."""
    with new_database(tls_server.but(options="sslmode=require"), f"t_{uuid.uuid4().hex}") as made:
        yield made


def migrate(tree: Tree, address: Address, *arguments: str) -> Done:
    done = tree.run("migrate", *arguments, env={"DATABASE_URL": address.url})
    assert PASSWORD not in done.out + done.err
    return done


def trusting(certificates: Path, name: str = NAME) -> str:
    return f"sslmode=verify-full&sslrootcert={certificates / f'{name}.crt'}"


@pytest.mark.parametrize("mode", ["require", "require and channel binding", "verify-full"])
def test_the_whole_path_works(tree: Tree, address: Address, certificates: Path, mode: str) -> None:
    options = {
        "require": "sslmode=require",
        "require and channel binding": "sslmode=require&channel_binding=require",
        "verify-full": trusting(certificates) + "&channel_binding=require",
    }
    url = address.but(options=options[mode])
    count = len(list((tree.path / "sql/migrations").glob("*.up.sql")))

    for arguments, said in [
        (["up"], f"{count} migrations applied"),
        (["status"], f"{count} applied, nothing is pending"),
        (["down", "--all"], f"{count} migrations reverted"),
        (["up"], f"{count} migrations applied"),
    ]:
        done = migrate(tree, url, *arguments)
        assert (done.code, done.err) == (0, "")
        assert said in done.out
    seed = {"cwd": tree.path, "env": {"DATABASE_URL": url.url}}
    seeds = [tree.run("psql", "-Xf", "sql/seed.sql", **seed) for _ in range(2)]
    assert [each.code for each in seeds] == [0, 0], seeds
    assert "nothing to add" in migrate(tree, url, "seed").out
    with psycopg.connect(url.url) as connection:
        assert connection.info.pgconn.ssl_in_use
        both = 'SELECT (SELECT count(*) FROM "Authors"), (SELECT count(*) FROM "Books")'
        assert connection.execute(both).fetchall() == [(3, 8)]


def refused(tree: Tree, address: Address) -> str:
    """The one line that `up` fails with, at once."""
    done = migrate(tree, address, "up", "--wait", "30")
    assert (done.code, len(done.lines)) == (1, 1), done
    assert "waiting for" not in done.out
    return done.err.strip()


def test_a_certificate_of_somebody_else_is_one_line_at_once(
    tree: Tree, address: Address, certificates: Path
) -> None:
    said = refused(tree, address.but(options=trusting(certificates, "somebody-else")))

    assert "certificate verify failed" in said
    assert "; check sslmode and sslrootcert in DATABASE_URL in the environment" in said


def test_a_host_that_the_certificate_does_not_name_is_one_line_at_once(
    tree: Tree, address: Address, certificates: Path
) -> None:
    url = address.but(host="localhost", options=f"{trusting(certificates)}&hostaddr=127.0.0.1")

    said = refused(tree, url)

    assert f'server certificate for "{NAME}"' in said
    assert 'does not match host name "localhost"' in said


def test_no_root_certificate_is_one_line_at_once(tree: Tree, address: Address) -> None:
    said = refused(tree, address.but(options="sslmode=verify-full"))

    assert "root certificate file" in said
    assert "does not exist" in said


def test_the_systems_certificates_do_not_vouch_for_a_self_made_one(
    tree: Tree, address: Address
) -> None:
    said = refused(tree, address.but(options="sslmode=verify-full&sslrootcert=system"))

    assert "certificate verify failed" in said


def test_a_server_that_asks_for_tls_refuses_without_in_one_line(
    tree: Tree, address: Address
) -> None:
    said = refused(tree, address.but(options="sslmode=disable"))

    assert "no pg_hba.conf entry for host" in said
    assert "no encryption" in said
    assert "; check sslmode in DATABASE_URL in the environment" in said


def test_a_wrong_password_is_one_line_at_once(tree: Tree, address: Address) -> None:
    said = refused(tree, address.but(password="S3cr3t-wrong"))

    assert 'password authentication failed for user "owner"' in said
    assert "S3cr3t" not in said


def test_a_missing_database_is_one_line_at_once(tree: Tree, address: Address) -> None:
    said = refused(tree, address.but(dbname="nowhere"))

    assert 'database "nowhere" does not exist' in said


def test_psql_says_what_is_wrong_and_not_the_password(
    tree: Tree, address: Address, certificates: Path
) -> None:
    url = address.but(options=trusting(certificates, "somebody-else")).url

    done = tree.run("psql", "-Xwc", "SELECT 1", env={"DATABASE_URL": url})

    assert done.code == 2
    assert "certificate verify failed" in done.err
    assert PASSWORD not in done.err
