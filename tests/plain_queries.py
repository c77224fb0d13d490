"""Whole lists by a query for each: what the shared and streamed ones are compared with."""

from __future__ import annotations

from psycopg import sql

from catalog.api.queries import _TIMES

_AUTHORS = """
    SELECT '[' || coalesce(string_agg(row_to_json(author)::text, ',' ORDER BY author.id), '') || ']'
      FROM (
               SELECT id, name, bio, {created_at}, {updated_at}
                 FROM "Authors"
           ) AS author
"""

_ITEMS_OF_AUTHORS = """
    SELECT row_to_json(author)::text
      FROM (
               SELECT id, name, bio, {created_at}, {updated_at}
                 FROM "Authors"
                ORDER BY id
           ) AS author
"""

_BOOKS_OF_AUTHOR = """
    SELECT '[' || coalesce(string_agg(row_to_json(book)::text, ',' ORDER BY book.id), '') || ']'
      FROM (
               SELECT id, title, "authorId", {created_at}, {updated_at}
                 FROM "Books"
                WHERE "authorId" = %s
           ) AS book
"""

AUTHORS: bytes = sql.SQL(_AUTHORS).format(**_TIMES).as_bytes()
"""One value: the array of all authors, by id."""

ITEMS_OF_AUTHORS: bytes = sql.SQL(_ITEMS_OF_AUTHORS).format(**_TIMES).as_bytes()
"""The same authors, each in a row of its own."""

BOOKS_OF_AUTHOR: bytes = sql.SQL(_BOOKS_OF_AUTHOR).format(**_TIMES).as_bytes()
"""One value: the array of one author's books, by id; the parameter is the author's id."""
