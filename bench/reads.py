"""How much faster reads are that travel together: random `/books/{id}`, each way, in turns.

    python -m bench.reads [--seconds 5] [--rounds 5]

One process serves both ways: `/books/{id}` as the service does, `/alone/books/{id}` with a query
for each request. Needs `wrk` (Debian's package) and the embedded Postgres. Speeds mean nothing on
a machine that is not idle; the ratios of rounds that lie side by side do.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psycopg
import uvicorn
from starlette.responses import Response
from starlette.routing import Route

from catalog.api import queries
from catalog.api.app import create_app
from catalog.embedded import EmbeddedServer, embedded_bindir
from catalog.settings import ROOT
from tests.whole.proxy import Proxy
from tests.whole.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request

    from catalog.api.endpoints import State

AUTHORS = 10_000

_ROWS = (
    """INSERT INTO "Authors" (name) SELECT 'Author ' || n FROM generate_series(1, %s) AS n""",
    """INSERT INTO "Books" (title, "authorId")
       SELECT 'Book', author FROM generate_series(1, %s) AS author, generate_series(1, 3)""",
)
_RANDOM_IDS = """
    request = function()
        return wrk.format("GET", wrk.path .. math.random(%d))
    end
"""


def main() -> None:
    """Measure, and print a line for each distance."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)  # in a process of its own
    options = parser.parse_args()
    if options.serve:
        conninfo, port = options.serve
        serve(conninfo, int(port))
        return
    with library() as conninfo:
        compare("local, 32 connections", conninfo, 32, options)
        with Proxy(conninfo, delay=0.02) as proxy:
            compare("20 ms away, 256 connections", proxy.conninfo, 256, options)


def compare(what: str, conninfo: str, connections: int, options: argparse.Namespace) -> None:
    """Load both ways in turns, and print the median of the rounds' ratios."""
    with served(conninfo) as url:
        rates: dict[str, list[float]] = {"/books/": [], "/alone/books/": []}
        for _ in range(options.rounds):
            for path, found in rates.items():
                found.append(load(url + path, connections, options.seconds))
    together, alone = rates.values()
    ratio = statistics.median(a / b for a, b in zip(together, alone, strict=True))
    both = f"{statistics.median(together):.0f} against {statistics.median(alone):.0f} a second"
    print(f"{what}: {ratio:.2f} times ({both})", flush=True)


def load(url: str, connections: int, seconds: int) -> float:
    """Requests a second that were answered well."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_RANDOM_IDS % AUTHORS)
        script.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "-s", script.name, url]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        sys.exit(said)
    [rate] = re.findall(r"Requests/sec: +([0-9.]+)", said)
    return float(rate)


@contextmanager
def library() -> Iterator[str]:
    """A server with ten thousand authors, three books each."""
    with tempfile.TemporaryDirectory(prefix="catalog-bench-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        with EmbeddedServer(Path(folder) / "server", bindir=embedded_bindir()) as server:
            with psycopg.connect(server.conninfo, autocommit=True) as connection:
                for script in sorted((ROOT / "sql/migrations").glob("*.up.sql")):
                    connection.execute(script.read_bytes())
                for statement in _ROWS:
                    connection.execute(statement.encode(), [AUTHORS])
                connection.execute("VACUUM ANALYZE")
            yield server.conninfo


@contextmanager
def served(conninfo: str) -> Iterator[str]:
    """The service, in a process of its own."""
    port = free_port()
    command = [sys.executable, "-m", "bench.reads", "--serve", conninfo, str(port)]
    process = subprocess.Popen(command)
    url = f"http://127.0.0.1:{port}"
    try:
        while True:
            try:
                httpx.get(f"{url}/books/1", timeout=10).raise_for_status()
                httpx.get(f"{url}/alone/books/1", timeout=10).raise_for_status()
                break
            except httpx.ConnectError:
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait()


def serve(conninfo: str, port: int) -> None:
    """Both ways in one process."""

    async def alone(request: Request[State]) -> Response:
        author_id = int(request.path_params["author_id"])
        body = await request.state["reader"].read(queries.BOOKS_OF_AUTHOR, [author_id])
        return Response(body, media_type="application/json")

    app = create_app(conninfo)
    app.router.routes.append(Route("/alone/books/{author_id}", alone))
    uvicorn.run(app, port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
