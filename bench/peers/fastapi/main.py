"""The same service on FastAPI and asyncpg, as their documentation recommends.

That is: response models, which Pydantic turns into JSON; a pool of the usual size, opened by the
lifespan; and statements that asyncpg prepares by itself.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import asyncpg
from fastapi import FastAPI, Request
from pydantic import BaseModel


class Author(BaseModel):
    """An author, as in the list."""

    id: int
    name: str | None
    bio: str | None
    createdAt: datetime  # noqa: N815
    updatedAt: datetime  # noqa: N815


class Book(BaseModel):
    """A book, as in the list."""

    id: int
    title: str
    authorId: int  # noqa: N815
    createdAt: datetime  # noqa: N815
    updatedAt: datetime  # noqa: N815


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Hold the pool; PGHOST, PGUSER and PGDATABASE say where."""
    async with asyncpg.create_pool() as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/authors", response_model=list[Author])
async def authors(request: Request) -> Any:
    """All authors, by id."""
    rows = await request.app.state.pool.fetch(
        'SELECT id, name, bio, "createdAt", "updatedAt" FROM "Authors" ORDER BY id'
    )
    return [dict(row) for row in rows]


@app.get("/books/{author_id}", response_model=list[Book])
async def books(author_id: int, request: Request) -> Any:
    """An author's books, by id."""
    rows = await request.app.state.pool.fetch(
        'SELECT id, title, "authorId", "createdAt", "updatedAt" FROM "Books"'
        ' WHERE "authorId" = $1 ORDER BY id',
        author_id,
    )
    return [dict(row) for row in rows]


if __name__ == "__main__":
    import uvicorn

    uvicorn.run(app, port=int(os.environ["PORT"]), log_level="warning", access_log=False)
