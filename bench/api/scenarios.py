"""What is asked, of which database, and how many times as fast as others we are to be."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.contenders import OTHERS, OURS
from tests import plain_queries

AUTHORS = 10_000
"""… whose books are asked for."""

PGBENCH = "pgbench"
"""The limit of the database itself, beside the contenders."""


@dataclass(frozen=True)
class Reads:
    """What is asked for, and what there is."""

    name: str
    title: str
    path: str
    ids: int
    """How many there are to choose from at random, behind the path; 0 for the path alone."""
    rows: int
    """… in an answer."""
    database: str
    limit: str
    """The contender that is ours, with less to do."""
    script: str
    """The same for pgbench."""


def _script(statement: bytes) -> str:
    # A colon before a word is a variable to pgbench, also in the format of a time.
    text = statement.decode().replace("HH24:MI:SS", 'HH24":"MI":"SS').replace("%s", ":id")
    return f"\\set id random(1, {AUTHORS})\n{text};\n"


READS = (
    Reads(
        "authors",
        "`/authors`, 3 rows",
        "/authors",
        ids=0,
        rows=3,
        database="sample",
        limit="constant",
        script=_script(plain_queries.AUTHORS),
    ),
    Reads(
        "thousand",
        "`/authors`, 1,000 rows",
        "/authors",
        ids=0,
        rows=1_000,
        database="thousand",
        limit="constant",
        script=_script(plain_queries.AUTHORS),
    ),
    Reads(
        "books",
        f"random `/books/{{id}}` of {AUTHORS:,} authors",
        "/books/",
        ids=AUTHORS,
        rows=3,
        database="many",
        limit="alone",
        script=_script(plain_queries.BOOKS_OF_AUTHOR),
    ),
)


@dataclass(frozen=True)
class Scenario:
    """What is asked for, by how many at once, and how far the database is away."""

    reads: Reads
    connections: int
    is_far: bool
    targets: dict[str, float] = field(default_factory=dict)
    """How many times as fast as these we are to be."""

    @property
    def title(self) -> str:
        """What it is, in words."""
        far = ", database 20 ms away" if self.is_far else ""
        s = "" if self.connections == 1 else "s"
        return f"{self.reads.title}, {self.connections} connection{s}{far}"

    def contenders(self, *, quick: bool) -> list[str]:
        """Who takes part, ours first; in short, whom the targets name."""
        if quick:
            return [OURS, *self.targets]
        # A constant body is as constant from far away.
        is_same = self.is_far and self.reads.limit == "constant"
        return [OURS, *OTHERS, *([] if is_same else [self.reads.limit])]

    @property
    def seconds(self) -> int:
        """… that a round takes: more where it takes some until everybody had an answer."""
        return 2 if self.connections > 100 and (self.is_far or self.reads.rows > 100) else 1

    def rounds(self, *, quick: bool) -> int:
        """How many are enough; where latency decides, it is the same each time."""
        if quick:
            return 2 if self.is_far else 5
        return 6 if self.targets else 5


_TARGETS: dict[tuple[str, int, bool], dict[str, float]] = {
    ("authors", 32, False): {"express": 6, "fastify": 1, "fastapi": 2.5, "constant": 0.5},
    ("books", 32, False): {"express": 5, "fastify": 1.2, "fastapi": 2.5},
    ("books", 256, True): {"express": 25, "fastify": 20, "fastapi": 1},
}

SCENARIOS = [
    Scenario(reads, connections, is_far, _TARGETS.get((reads.name, connections, is_far), {}))
    for reads in READS
    for is_far in (False, True)
    for connections in (1, 32, 256)
]
