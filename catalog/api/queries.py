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

_AUTHOR = """
    SELECT coalesce(
               (
                   SELECT row_to_json(author)::text
                     FROM (
                              SELECT id, name, bio, {created_at}, {updated_at}
                                FROM "Authors"
                               WHERE id = %s
                          ) AS author
               ),
               ''
           )
"""

# One row more than the page has is fetched, to know whether there is more; `inside` leaves it out.
_PAGE = """
    SELECT '[' || coalesce(string_agg(entry.json, ',' ORDER BY entry.id) FILTER (WHERE inside), '')
               || ']' AS list,
           max(entry.id) FILTER (WHERE inside) AS last,
           count(*) FILTER (WHERE NOT inside) > 0 AS more
      FROM (
               SELECT item.id,
                      row_to_json(item)::text AS json,
                      row_number() OVER (ORDER BY item.id) <= %s AS inside
                 FROM ({rows}) AS item
           ) AS entry
"""

_LIST = """
    SELECT CASE WHEN page.more THEN page.last::text ELSE '' END || E'\n' || page.list
      FROM ({page}) AS page
"""

_FOUND = """
    SELECT CASE WHEN author.more OR book.more THEN concat(author.last, ',', book.last) ELSE '' END
           || E'\n{{"authors":' || author.list || ',"books":' || book.list || '}}'
      FROM ({authors}) AS author,
           ({books}) AS book
"""

_AUTHORS_AFTER = """
    SELECT id, name, bio, {created_at}, {updated_at}
      FROM "Authors"
     WHERE id > %s
     ORDER BY id
     LIMIT %s
"""

_BOOKS_AFTER = """
    SELECT id, title, "authorId", {created_at}, {updated_at}
      FROM "Books"
     WHERE "authorId" = %s AND id > %s
     ORDER BY id
     LIMIT %s
"""

# To the letter what the migrations 0005 and 0006 index. Postgres' parser takes for one word what
# these characters join (a host, a path, a tag, a number with its sign), and under the locale C
# takes all that is not ASCII for letters, quotation marks and dashes among them. With blanks in
# their place each part can be found. As escapes they are no error in any encoding.
_APART = r"""
    regexp_replace(
        {text},
        '[-+./:@<&_~\u00A0\u00A1\u00AB\u00B7\u00BB\u00BF\u2000-\u206F\u3000-\u303F]+', ' ', 'g'
    )
"""

# All words of a text, the last of which may go on. `plainto_tsquery` takes any text, and what it
# becomes as text is quoted, so that nothing in it is an operator; of no words it is '', and null
# here, which finds nothing.
_WANTED = "(nullif(plainto_tsquery('simple', {apart})::text, '') || ':*')::tsquery"

# OFFSET 0 keeps the planner from going through the ids instead, in order, until it has enough: with
# a rare word among a million rows that takes ten seconds, and this way a millisecond.
_ROWS_FOUND = """
    SELECT {columns}
      FROM (
               SELECT *
                 FROM {table}
                WHERE to_tsvector('simple', {apart}) @@ {wanted}
               OFFSET 0
           ) AS found
     WHERE id > %s
     ORDER BY id
     LIMIT %s
"""

_AUTHORS_COLUMNS = "id, name, bio, {created_at}, {updated_at}"

_BOOKS_COLUMNS = 'id, title, "authorId", {created_at}, {updated_at}'


def _page(rows: str) -> sql.Composed:
    return sql.SQL(_PAGE).format(rows=sql.SQL(rows).format(**_TIMES))


def _found(table: str, columns: str, searched: str) -> sql.Composed:
    apart = sql.SQL(_APART).format(text=sql.Identifier(searched))
    wanted = sql.SQL(_WANTED).format(apart=sql.SQL(_APART).format(text=sql.SQL("%s")))
    rows = sql.SQL(_ROWS_FOUND).format(
        columns=sql.SQL(columns).format(**_TIMES),
        table=sql.Identifier(table),
        apart=apart,
        wanted=wanted,
    )
    return sql.SQL(_PAGE).format(rows=rows)


READY = b"SELECT 1"
"""One value, which needs no table."""

LIMITS = b"""
    SELECT set_config('transaction_read_only', 'on', true),
           set_config('statement_timeout', %s, true)
"""
"""Until the end of the transaction, nothing can be written, and no statement runs on after so many
milliseconds."""

AUTHOR: bytes = sql.SQL(_AUTHOR).format(**_TIMES).as_bytes()
"""One value: the object of one author, or nothing; the parameter is the author's id."""

PAGE_OF_AUTHORS: bytes = sql.SQL(_LIST).format(page=_page(_AUTHORS_AFTER)).as_bytes()
"""One value: a line with the last id of the page if there is more, and the array of the page.

Parameters are the size of the page, the id after which it begins, and the size plus 1.
"""

PAGE_OF_BOOKS: bytes = sql.SQL(_LIST).format(page=_page(_BOOKS_AFTER)).as_bytes()
"""The same for one author's books: the size, the author's id, the id before, the size plus 1."""

SEARCH: bytes = (
    sql.SQL(_FOUND)
    .format(
        authors=_found("Authors", _AUTHORS_COLUMNS, "name"),
        books=_found("Books", _BOOKS_COLUMNS, "title"),
    )
    .as_bytes()
)
"""One value: a line with the last ids of both if there is more of one, and the authors and books.

They come by id, not by rank: that keeps pages stable, and no search has to rank all that a common
word finds. Parameters, for authors and then for books: the size, the text, the id before, the size
plus 1.
"""

# Many lists in one statement, in two parts. First come the lists that are short enough to be held,
# each as a whole; of one that is longer no more is read than shows it. Then come the longer ones,
# item by item in the order of an index, so that the first is there at once: to a limit that it
# cannot tell, the planner plans for the first rows, and does not sort. No parallel worker can read
# a CTE, so that the parts come in this order, and the items in theirs.
_LISTS = """
    WITH list AS MATERIALIZED (
             SELECT wanted.place, wanted.id, whole.body
               FROM {wanted} AS wanted
              CROSS JOIN LATERAL (
                        SELECT CASE WHEN joined.count <= 1000
                                     AND octet_length(joined.items) <= 262142
                                    THEN '[' || joined.items || ']'
                               END AS body
                          FROM (
                                   SELECT count(*),
                                          coalesce(string_agg(item.json, ',' ORDER BY item.id), '')
                                              AS items
                                     FROM (
                                              SELECT row.id, row_to_json(row)::text AS json
                                                FROM ({rows} LIMIT (SELECT 1001)) AS row
                                          ) AS item
                               ) AS joined
                    ) AS whole
         )
    SELECT place, body
      FROM list
     UNION ALL
    SELECT wanted.place, row_to_json(row)::text
      FROM list AS wanted
     CROSS JOIN LATERAL ({rows} LIMIT (SELECT NULL::bigint)) AS row
     WHERE wanted.body IS NULL
"""

_ALL_AUTHORS = """
    SELECT id, name, bio, {created_at}, {updated_at}
      FROM "Authors"
     ORDER BY id
"""

_THE_ONE_LIST = "(SELECT 1 AS place, NULL::integer AS id)"

_BOOKS_OF_WANTED = """
    SELECT id, title, "authorId", {created_at}, {updated_at}
      FROM "Books"
     WHERE "authorId" = wanted.id
     ORDER BY id
"""

_WANTED_AUTHORS = "(SELECT place, id FROM unnest(%s::integer[]) WITH ORDINALITY AS a (id, place))"

LISTS_OF_AUTHORS: bytes = (
    sql.SQL(_LISTS)
    .format(wanted=sql.SQL(_THE_ONE_LIST), rows=sql.SQL(_ALL_AUTHORS).format(**_TIMES))
    .as_bytes()
)
"""The array of all authors, by id, in the form that `catalog.api.lists` reads."""

LISTS_OF_BOOKS: bytes = (
    sql.SQL(_LISTS)
    .format(wanted=sql.SQL(_WANTED_AUTHORS), rows=sql.SQL(_BOOKS_OF_WANTED).format(**_TIMES))
    .as_bytes()
)
"""For each author the array of their books, by id, in the form that `catalog.api.lists` reads; the
parameter is the array of the authors' ids, as text: '{8,3}'."""
