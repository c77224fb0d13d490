"""The scanner, by examples, and against Postgres' own lexer and parser over generated SQL."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pglast import split as split_by_postgres
from pglast.parser import ParseError, scan

from catalog.migrations.scanner import fingerprint, split, tokens


def texts(sql: str) -> list[str]:
    return [statement.text for statement in split(sql)]


def by_postgres(sql: str) -> list[str]:
    """What Postgres' parser makes of a text, where it takes it."""
    return [
        # Its statements end before the semicolon, and may have blanks and comments around them.
        _bare(sql[part])
        for part in split_by_postgres(sql, only_slices=True)
    ]


def _bare(statement: str) -> str:
    found = [token for token in scan(statement) if token.name not in ("SQL_COMMENT", "C_COMMENT")]
    return statement[found[0].start : found[-1].end + 1]


# --- Examples


EXAMPLES = [
    ("nothing", "", []),
    ("blanks and comments alone", " \n-- x;\n/* y; */\t", []),
    ("semicolons alone", ";;\n;", []),
    ("one without an end", "SELECT 1", ["SELECT 1"]),
    ("two", "SELECT 1; SELECT 2;", ["SELECT 1", "SELECT 2"]),
    ("comments around, not inside", "-- a\nSELECT 1 -- b\n;/* c */", ["SELECT 1"]),
    ("a comment inside", "SELECT /* ; */ 1;", ["SELECT /* ; */ 1"]),
    ("nested comments", "/* a /* ; */ ; */ SELECT 1;", ["SELECT 1"]),
    ("a comment that begins like an operator", "SELECT 1 /* /*/ */ */;", ["SELECT 1"]),
    ("a line comment in a block comment", "SELECT 1 /* -- */; SELECT 2", ["SELECT 1", "SELECT 2"]),
    ("a block comment in a line comment", "SELECT 1; -- /*\nSELECT 2", ["SELECT 1", "SELECT 2"]),
    ("a carriage return ends a comment", "-- x\rSELECT 1;", ["SELECT 1"]),
    ("minus signs that are no comment", "SELECT 1 - -1;", ["SELECT 1 - -1"]),
    ("an operator before a comment", "SELECT 1 +-- ;\n2;", ["SELECT 1 +-- ;\n2"]),
    ("a string", "SELECT ';';", ["SELECT ';'"]),
    ("a doubled quote", "SELECT 'it''s; ok';", ["SELECT 'it''s; ok'"]),
    ("a backslash in a plain string", r"SELECT '\'; SELECT 2;", [r"SELECT '\'", "SELECT 2"]),
    ("a backslash in an E string", r"SELECT E'\';', 1;", [r"SELECT E'\';', 1"]),
    ("an e string", r"SELECT e'\\'; SELECT 2;", [r"SELECT e'\\'", "SELECT 2"]),
    ("an E string goes on after a line end", "SELECT E'a'\n'\\';';", ["SELECT E'a'\n'\\';'"]),
    (
        "a plain string goes on plain",
        "SELECT 'a'\n'\\'; SELECT 2",
        ["SELECT 'a'\n'\\'", "SELECT 2"],
    ),
    ("a name that ends in e", "SELECT 1 AS e'\\';", ["SELECT 1 AS e'\\';"]),
    ("a word before a quote", "SELECT date'\\'; SELECT 2", ["SELECT date'\\'", "SELECT 2"]),
    ("a bit string", "SELECT B'10', X'ff';", ["SELECT B'10', X'ff'"]),
    ("a unicode string", r"SELECT U&'\0041;';", [r"SELECT U&'\0041;'"]),
    ("a national string", "SELECT N';';", ["SELECT N';'"]),
    ("a quoted name", 'SELECT 1 AS "a;""b";', ['SELECT 1 AS "a;""b"']),
    (
        "a quote in a quoted name",
        """SELECT 1 AS "'"; SELECT 2""",
        ["""SELECT 1 AS "'\"""", "SELECT 2"],
    ),
    ("dollar quotes", "SELECT $$;$$;", ["SELECT $$;$$"]),
    ("dollar quotes with a tag", "SELECT $a$ $b$ ; $$ $a$;", ["SELECT $a$ $b$ ; $$ $a$"]),
    ("a tag of other letters", "SELECT $größe$;$größe$;", ["SELECT $größe$;$größe$"]),
    ("a tag is case-sensitive", "SELECT $a$;$A$;$a$;", ["SELECT $a$;$A$;$a$"]),
    ("a dollar in a name", "SELECT a$b$; SELECT c$b$;", ["SELECT a$b$", "SELECT c$b$"]),
    ("a parameter", "SELECT $1; SELECT $2;", ["SELECT $1", "SELECT $2"]),
    ("a parameter before a quote", "SELECT $1$$;$$;", ["SELECT $1$$;$$"]),
    ("letters of other scripts", "SELECT 'ü;'; SELECT 日本;", ["SELECT 'ü;'", "SELECT 日本"]),
    ("a no-break space is a letter", "SELECT\u00a0;", ["SELECT\u00a0"]),
    (
        "a rule of several commands",
        "CREATE RULE r AS ON INSERT TO t DO (DELETE FROM a; DELETE FROM b); SELECT 1",
        ["CREATE RULE r AS ON INSERT TO t DO (DELETE FROM a; DELETE FROM b)", "SELECT 1"],
    ),
    (
        "a function body",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END; SELECT 3",
        [
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END",
            "SELECT 3",
        ],
    ),
    (
        "CASE in a function body",
        "CREATE OR REPLACE PROCEDURE p() BEGIN ATOMIC SELECT CASE WHEN a THEN 1 END; END; SELECT 3",
        [
            "CREATE OR REPLACE PROCEDURE p() BEGIN ATOMIC SELECT CASE WHEN a THEN 1 END; END",
            "SELECT 3",
        ],
    ),
    (
        "a function called begin.atomic",
        "CREATE FUNCTION begin.atomic() RETURNS int LANGUAGE sql AS '1'; SELECT 2",
        ["CREATE FUNCTION begin.atomic() RETURNS int LANGUAGE sql AS '1'", "SELECT 2"],
    ),
    (
        "schemas called begin and atomic",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET search_path = begin, atomic AS ''; S",
        ["CREATE FUNCTION f() RETURNS int LANGUAGE sql SET search_path = begin, atomic AS ''", "S"],
    ),
    (
        "names like keywords in a function body",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT t.case, 1 AS end FROM t; END; S",
        [
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT t.case, 1 AS end FROM t; END",
            "S",
        ],
    ),
    ("a transaction is no function body", "BEGIN; SELECT 1; END;", ["BEGIN", "SELECT 1", "END"]),
    ("an alias called atomic", "SELECT 1 AS atomic; SELECT 2", ["SELECT 1 AS atomic", "SELECT 2"]),
    ("an open quote takes the rest", "SELECT 1; SELECT 'x; y", ["SELECT 1", "SELECT 'x; y"]),
    ("an open dollar quote takes the rest", "SELECT $a$ ; $$", ["SELECT $a$ ; $$"]),
    ("an open comment takes the rest", "SELECT 1; /* x; y", ["SELECT 1", "/* x; y"]),
    ("too many closing parentheses", "SELECT 1); SELECT 2", ["SELECT 1)", "SELECT 2"]),
]


@pytest.mark.parametrize(
    ("sql", "expected"), [pytest.param(*rest, id=name) for name, *rest in EXAMPLES]
)
def test_a_text_is_split_into_statements(sql: str, expected: list[str]) -> None:
    assert texts(sql) == expected


def test_a_statement_knows_where_it_starts() -> None:
    sql = "-- ü\n  SELECT 'é';\n\tSELECT 2"

    assert [sql[statement.start :][:6] for statement in split(sql)] == ["SELECT", "SELECT"]


def test_a_statement_knows_its_words() -> None:
    [statement] = split("start /* x */ Transaction isolation level \"Serializable\" 'x'")

    assert statement.words == ("START", "TRANSACTION", "ISOLATION", "LEVEL", "", "")
    assert statement.begins("START", "TRANSACTION")
    assert not statement.begins("START", "ISOLATION")


@pytest.mark.parametrize(
    "sql",
    ["SELECT 'x", 'SELECT "x', "SELECT E'x\\'", "SELECT $x$ y", "SELECT $$ y $x$", "/* /* */"],
)
def test_what_is_not_closed_is_known(sql: str) -> None:
    *_, last = tokens(sql)

    assert not last.closed
    assert last.start + len(last.text) == len(sql)


def test_a_long_text_takes_time_in_proportion() -> None:
    rows = ", ".join(f"({number}, 'it''s /* {number} */ ; $$')" for number in range(50_000))

    [statement] = split(f"VALUES {rows};")

    assert statement.tokens[-1].text == ")"


@pytest.mark.parametrize("text", ["'" + "\n" * 50_000, "'x'" + "\n" * 50_000, "E'" + "\\" * 50_001])
def test_an_open_quote_in_a_long_text_is_found_soon(text: str) -> None:
    # Patterns that try every way to fail would take until tomorrow.
    assert len(split(text)) == 1


# --- Against Postgres itself


BLANKS = st.sampled_from([" ", "\n", "\t ", " -- ; '\n", "/* ; */", " /* a /* $$ */ ' */ ", "\r\n"])
INNER = st.text(st.sampled_from(list("ab;'\"$\\-/*é日\U0001f600 \n(){}0")), max_size=12)


def plain_string(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def escape_string(text: str) -> str:
    return "E'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def dollar_string(text: str, tag: str) -> str:
    quote = f"${tag}$"
    # A dollar before the end would belong to the closing quote.
    return f"{quote}{text.replace(quote, '').rstrip('$')} {quote}"


LITERALS = st.one_of(
    INNER.map(plain_string),
    INNER.map(escape_string),
    st.builds(dollar_string, INNER, st.sampled_from(["", "a", "Tag_1", "größe"])),
    st.sampled_from(["1", "1.5e3", "B'01'", "NULL", "-  1", "(1)", "CASE WHEN true THEN 1 END"]),
    st.builds("{}\n{}".format, INNER.map(plain_string), INNER.map(plain_string)),
)
NAMES = st.one_of(
    st.sampled_from(["a", "b$c", "größe", "日本", "end_", "atomic", "E", "_x"]),
    INNER.map(lambda text: '"x' + text.replace('"', '""') + '"'),
)


@st.composite
def queries(draw: st.DrawFn) -> str:
    def gap() -> str:
        return draw(BLANKS)

    literal = draw(LITERALS)
    return draw(
        st.sampled_from(
            [
                f"SELECT{gap()}{literal}",
                f"SELECT {literal}{gap()}AS{gap()}{draw(NAMES)}",
                f"INSERT{gap()}INTO {draw(NAMES)} VALUES{gap()}({literal}{gap()},{gap()}2)",
                f"DELETE FROM{gap()}{draw(NAMES)}",
                f"UPDATE {draw(NAMES)}{gap()}SET a ={gap()}{literal}",
            ]
        )
    )


@st.composite
def statements(draw: st.DrawFn) -> str:
    def gap() -> str:
        return draw(BLANKS)

    def several() -> str:
        return "".join(f"{query}{gap()};{gap()}" for query in draw(st.lists(queries(), max_size=3)))

    return draw(
        st.one_of(
            queries(),
            st.sampled_from(["BEGIN", "COMMIT", "END", "begin work", "DO $$ BEGIN; END; $$"]),
            st.builds(
                lambda body, name: (
                    f"CREATE{gap()}RULE {name} AS ON INSERT TO t DO{gap()}({body}SELECT 1)"
                ),
                st.builds(several),
                NAMES,
            ),
            st.builds(
                lambda body, head, name: (
                    f"{head} {name}() BEGIN{gap()}ATOMIC{gap()}{body}{gap()}END"
                ),
                st.builds(several),
                st.sampled_from(
                    ["CREATE FUNCTION", "create procedure", "CREATE\nOR REPLACE /*;*/ FUNCTION"]
                ),
                NAMES,
            ),
        )
    )


@st.composite
def scripts(draw: st.DrawFn) -> str:
    parts = draw(st.lists(statements(), max_size=5))
    text = "".join(f"{draw(BLANKS)}{part}{draw(BLANKS)};" for part in parts)
    return text + draw(BLANKS)


@settings(max_examples=300, deadline=None)
@given(scripts())
def test_a_script_is_split_as_postgres_parses_it(sql: str) -> None:
    try:
        expected = by_postgres(sql)
    except ParseError:
        assume(False)  # a continued string after a comment, for one
        raise

    assert texts(sql) == expected


SOUP = st.lists(
    st.sampled_from(
        [*"'\"$;()\\ \nEeUuNnXxBb&ab1._-/*+<@é日\t\r\v", "$$", "$a$", "/*", "*/", "--", "''", "\\'"]
    ),
    max_size=40,
).map("".join)


@settings(max_examples=1000, deadline=None)
@given(SOUP)
def test_any_text_is_cut_where_postgres_lexer_cuts_it(sql: str) -> None:
    try:
        found = scan(sql)
    except ParseError:
        assume(False)
        raise
    # What matters: where strings, quoted names and comments begin and end, and which semicolons
    # and parentheses are outside of them.
    assert [token.start for token in tokens(sql) if token.text in (";", "(", ")")] == [
        token.start for token in found if token.name in ("ASCII_59", "ASCII_40", "ASCII_41")
    ]
    assert all(token.closed for token in tokens(sql))


@settings(max_examples=1000, deadline=None)
@given(SOUP)
def test_a_text_that_postgres_lexer_finds_open_is_open_for_us(sql: str) -> None:
    try:
        scan(sql)
    except ParseError as exc:
        assume("unterminated" in str(exc))
        assert not all(token.closed for token in tokens(sql))


# --- The fingerprint


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT 1;", "-- why\n  SELECT\n\t1 /* one */ ;\n\n"),
        ("SELECT 1+1", "SELECT 1 + 1"),
        ("SELECT 'a' , 'b'", "SELECT 'a','b' -- c"),
        ("SELECT a--b\n", "SELECT a"),
    ],
)
def test_comments_and_blanks_do_not_change_the_fingerprint(one: str, other: str) -> None:
    assert fingerprint(one) == fingerprint(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT 1", "SELECT 2"),
        ("SELECT 'a b'", "SELECT 'a  b'"),
        ("SELECT 'a'", "SELECT 'A'"),
        ("SELECT '-- a'", "SELECT '-- b'"),
        ("SELECT '/* a */'", "SELECT ''"),
        ("SELECT $$ a $$", "SELECT $$ a  $$"),
        ("SELECT $$-- a\n$$", "SELECT $$\n$$"),
        ('SELECT "a b"', 'SELECT "a  b"'),
        ("SELECT ab", "SELECT a b"),
        ("SELECT 1 - - 1", "SELECT 1 -- 1"),
        ("SELECT 1", "SELECT 1;"),
        ("SELECT 'a' 'b'", "SELECT 'a''b'"),
        ("SELECT 1; SELECT 2", "SELECT 2; SELECT 1"),
        ("SELECT a < @ b", "SELECT a <@ b"),
    ],
)
def test_anything_else_changes_it(one: str, other: str) -> None:
    assert fingerprint(one) != fingerprint(other)


@given(scripts())
@settings(max_examples=100, deadline=None)
def test_a_comment_between_tokens_never_changes_the_fingerprint(sql: str) -> None:
    parts = list(tokens(sql))
    assume(all(token.closed for token in parts))
    commented = "\n-- a comment; '\n/* $$ /* */ */\n".join(token.text for token in parts)
    apart = "\n".join(token.text for token in parts)

    assert fingerprint(commented) == fingerprint(apart)
