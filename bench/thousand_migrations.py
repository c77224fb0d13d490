"""A thousand small migrations: `bin/migrate up` beside `psql` running the same, in one run.

`psql` runs the same statements with a ledger insert and a commit each, in one session. Run it with
`.venv/bin/python bench/thousand_migrations.py [ROUNDS]`; only the ratio means something.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from catalog.embedded import EmbeddedServer, embedded_bindir  # noqa: E402

COUNT = 1000
UP = """-- Table {0}.

CREATE TABLE t{0} (
    id   integer PRIMARY KEY,
    name text NOT NULL
);
"""
DOWN = "DROP TABLE t{0};\n"
LEDGER = """
    CREATE TABLE ledger (
        name       text PRIMARY KEY,
        position   integer NOT NULL UNIQUE,
        applied_at timestamptz NOT NULL DEFAULT now(),
        checksum   text NOT NULL,
        up_sql     text NOT NULL,
        down_sql   text
    );
"""
RECORD = """
    INSERT INTO ledger (name, position, checksum, up_sql, down_sql)
    VALUES ('{0:04}_create_t{0}', {0}, repeat('x', 64), $up${1}$up$, $down${2}$down$);
"""


def write(folder: Path) -> Path:
    """The files for `bin/migrate`, and a script of the same for `psql`."""
    parts = [LEDGER]
    for number in range(1, COUNT + 1):
        up, down = UP.format(number), DOWN.format(number)
        (folder / f"{number:04}_create_t{number}.up.sql").write_text(up)
        (folder / f"{number:04}_create_t{number}.down.sql").write_text(down)
        parts.append(f"BEGIN;\n{up}{RECORD.format(number, up, down)}COMMIT;\n")
    script = folder / "all.psql"
    script.write_text("".join(parts))
    return script


def new_database(server: EmbeddedServer) -> str:
    """The conninfo of an empty database."""
    name = f"bench_{uuid.uuid4().hex[:8]}"
    maintenance = make_conninfo(server.conninfo, dbname="postgres")
    with psycopg.connect(maintenance, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return make_conninfo(server.conninfo, dbname=name)


def timed(command: list[str], **variables: str) -> float:
    """How many seconds a command takes."""
    began = time.perf_counter()
    environment = {"PATH": os.environ["PATH"], **variables}
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main(rounds: int) -> None:
    """Measure in turns, and print what each round gave."""
    with tempfile.TemporaryDirectory() as work, tempfile.TemporaryDirectory() as home:
        folder = Path(work)
        script = write(folder)
        bindir = embedded_bindir()
        Path(home).chmod(0o755)
        migrate = [str(ROOT / "bin/migrate"), "--dir", work, "up"]
        psql = [str(bindir / "psql"), "-Xq", "-v", "ON_ERROR_STOP=1", "-f", str(script)]
        ours, theirs = [], []
        with EmbeddedServer(Path(home), bindir=bindir) as server:
            for _ in range(rounds):
                ours.append(timed(migrate, DATABASE_URL=new_database(server)))
                theirs.append(timed([*psql, new_database(server)]))
                print(f"migrate {ours[-1]:.2f} s, psql {theirs[-1]:.2f} s")
        ratios = sorted(one / other for one, other in zip(ours, theirs, strict=True))
        print(f"ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
