"""A primary is lost under load, its standby is promoted, and libpq's parameters say where to go."""

from __future__ import annotations

import subprocess
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from catalog.embedded import EmbeddedServer, embedded_bindir
from catalog.settings import ROOT
from tests.database.test_api_outages import postmaster_of
from tests.load import fill, loading, service
from tests.whole.servers import free_port
from tests.whole.test_steady_kills import addresses
from tests.whole.test_steady_outages import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow


@contextmanager
def primary_and_standby() -> Iterator[tuple[EmbeddedServer, str]]:
    """Both run, on ports of their own.

    Yields the first, and a connection string that leads to whichever can be written to.
    """
    with tempfile.TemporaryDirectory(prefix="catalog-tests-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        ports = [free_port(), free_port()]
        primary, standby = (
            EmbeddedServer(
                Path(folder) / name,
                bindir=embedded_bindir(),
                settings={"listen_addresses": "127.0.0.1", "port": str(port), "fsync": "off"},
            )
            for name, port in zip(("primary", "standby"), ports, strict=True)
        )
        who = "user=postgres dbname=catalog"
        with primary:
            with psycopg.connect(f"host=127.0.0.1 port={ports[0]} {who}", autocommit=True) as found:
                for script in sorted((ROOT / "sql/migrations").glob("*.up.sql")):
                    found.execute(script.read_bytes())
                fill(found.info.dsn)
            copy(primary, ports[0], Path(folder) / "standby")
            with standby:
                both = f"host=127.0.0.1,127.0.0.1 port={ports[0]},{ports[1]}"
                yield primary, f"{both} {who} target_session_attrs=read-write"


def copy(primary: EmbeddedServer, port: int, home: Path) -> None:
    """Make a standby of it, as the user whose server it is."""
    owner = primary.data.stat()
    place = home / primary.data.parent.name
    place.mkdir(parents=True)
    as_owner = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
    if owner.st_uid != home.stat().st_uid:
        place.chmod(0o700)
        subprocess.run(["chown", f"{owner.st_uid}:{owner.st_gid}", place], check=True)
    else:
        as_owner = {}
    subprocess.run(
        [
            *(primary.bindir / "pg_basebackup", "-h", "127.0.0.1", "-p", str(port)),
            *("-U", "postgres", "-D", place / "data", "-R", "-X", "stream", "-c", "fast"),
        ],
        check=True,
        cwd="/",
        **as_owner,  # type: ignore[call-overload]
    )


@pytest.mark.parametrize("lost", ["stopped", "silent"])
def test_requests_succeed_again_soon_after_the_promotion(lost: str) -> None:
    with (
        primary_and_standby() as (primary, conninfo),
        service(conninfo) as url,
        loading(*addresses(url), clients=32) as load,
        ExitStack() as stack,
    ):
        time.sleep(2)
        stopped = time.monotonic()
        if lost == "stopped":
            primary.stop()
        else:
            stack.enter_context(frozen(postmaster_of(primary)))
            time.sleep(2)  # whoever promotes has to find out as well
        time.sleep(2)
        standby_port = conninfo.split("port=")[1].split()[0].split(",")[1]
        with psycopg.connect(
            f"host=127.0.0.1 port={standby_port} user=postgres dbname=postgres", autocommit=True
        ) as connection:
            connection.execute("SELECT pg_promote()")
        promoted = time.monotonic()
        time.sleep(7)
    print(
        f"\n{lost}, no primary for {promoted - stopped:.1f} s: {load};"
        f" the first answer {load.recovered(promoted):.2f} s after the promotion"
    )

    if lost == "stopped":
        assert load.failed == []
    assert load.recovered(promoted) < 5
    assert load.of_those_begun_after(promoted + 5).failed == []
