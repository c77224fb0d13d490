"""Every SQL statement of the API. Postgres builds the JSON, and its bytes go out untouched.

The bodies are byte for byte what Express with Sequelize sends for the same rows: keys in this
order, no blanks (hence `string_agg` over `row_to_json`: `json_agg` adds some), and times as
JavaScript's `Date.prototype.toISOString` writes them.
"""

from __future__ import annotations

from psycopg import sql

# Milliseconds are cut off, not rounded. JavaScript writes years outside 0 to 9999 with a sign and
# six digits, and counts 1 BC as the year 0. What its dates cannot hold becomes null: infinity, and
# all that comes after 275760-09-13 00:00.
_TIME = """
    CASE
        WHEN {column} >= '0001-01-01 00:00:00+00' AND {column} < '10000-01-01 00:00:00+00'
            THEN to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
        WHEN isfinite({column}) AND {column} < '275760-09-13 00:00:00.001+00'
            THEN CASE extract(year FROM {column} AT TIME ZONE 'UTC')
                     WHEN -1 THEN '0000'
                     ELSE to_char(
                              extract(year FROM {column} AT TIME ZONE 'UTC')
                                  + CASE WHEN {column} < '0001-01-01 00:00:00+00' THEN 1 ELSE 0 END,
                              'FMSG000000'
                          )
                 END
                 || to_char({column} AT TIME ZONE 'UTC', '-MM-DD"T"HH24:MI:SS.MS"Z"')
    END AS {column}
"""

_TIMES = {
    "created_at": sql.SQL(_TIME).format(column=sql.Identifier("createdAt")),
    "updated_at": sql.SQL(_TIME).format(column=sql.Identifier("updatedAt")),
}

_AUTHORS = """
    SELECT '[' || coalesce(string_agg(row_to_json(author)::text, ',' ORDER BY author.id), '') || ']'
      FROM (
               SELECT id, name, bio, {created_at}, {updated_at}
                 FROM "Authors"
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

BOOKS_OF_AUTHOR: bytes = sql.SQL(_BOOKS_OF_AUTHOR).format(**_TIMES).as_bytes()
"""One value: the array of one author's books, by id; the parameter is the author's id."""
