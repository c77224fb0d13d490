"""What counts as the same on servers of different versions, and what does not."""

from __future__ import annotations

import pytest

from catalog.migrations.foresight.differences import Difference, compare
from catalog.migrations.foresight.fingerprint import Fingerprint


def fingerprint(major: int, kind: str, name: str, **facts: str) -> Fingerprint:
    named = {fact.replace("_", " "): value for fact, value in facts.items()}
    return Fingerprint(major * 10000 + 3, "postgres", {(kind, name): named})


def view(major: int, definition: str) -> Fingerprint:
    return fingerprint(major, "view", "public.v", definition=definition)


OLD_AND_NEW = [
    ("SELECT t.a FROM public.t;", "SELECT a FROM public.t;"),
    ("SELECT x.a, x.b AS c FROM public.t x;", "SELECT a,\n b AS c\n FROM public.t x;"),
    ('SELECT "T".a, "T"."B" FROM "T";', 'SELECT a, "B" FROM "T";'),
    ("SELECT t.t FROM public.t;", "SELECT t FROM public.t;"),
    ("SELECT t.a FROM public.t ORDER BY t.b;", "SELECT a FROM public.t ORDER BY t.b;"),
    ("SELECT t.*::public.t AS t FROM public.t;", "SELECT t.*::public.t AS t FROM public.t;"),
    (
        "SELECT t.a FROM public.t WHERE EXISTS (SELECT 1 FROM s WHERE s.b = t.a);",
        "SELECT a FROM public.t WHERE EXISTS (SELECT 1 FROM s WHERE s.b = t.a);",
    ),
    ("SELECT t.a[1:t.b], 1.5 FROM public.t;", "SELECT a[1:b], 1.5 FROM public.t;"),
    ("SELECT (t.pair).x, app.f(t.a) FROM public.t;", "SELECT (pair).x, app.f(a) FROM public.t;"),
    ("SELECT t.json_value FROM public.t;", 'SELECT "json_value" FROM public.t;'),
]


@pytest.mark.parametrize(("old", "new"), OLD_AND_NEW)
@pytest.mark.parametrize("major", [16, 17, 18])
def test_a_view_is_the_same_with_and_without_its_tables_name(
    old: str, new: str, major: int
) -> None:
    assert compare(view(15, old), view(major, new)) == []
    assert compare(view(major, new), view(15, old)) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("SELECT t.a FROM public.t;", "SELECT b FROM public.t;"),
        ("SELECT t.a FROM public.t;", "SELECT a FROM public.u;"),
        ("SELECT t.a FROM public.t;", "SELECT a FROM public.t WHERE a > 1;"),
        ("SELECT t.a FROM public.t WHERE t.a > 1;", "SELECT a FROM public.t;"),
        ("SELECT t.a, u.b FROM public.t, public.u;", "SELECT a, b FROM public.t, public.u;"),
        ("SELECT a FROM public.t;", "SELECT t.a FROM public.t;"),
        ("SELECT app.f(1) FROM public.t;", "SELECT f(1) FROM public.t;"),
        ("SELECT 'a'::app.mood FROM public.t;", "SELECT 'a'::mood FROM public.t;"),
        ('SELECT t.a COLLATE app."C" FROM t;', 'SELECT a COLLATE "C" FROM t;'),
        ("SELECT 't.a' FROM public.t;", "SELECT 'a' FROM public.t;"),
        ('SELECT t."A" FROM public.t;', "SELECT a FROM public.t;"),
        ("SELECT '\"a\"' FROM public.t;", "SELECT 'a' FROM public.t;"),
        ("", "SELECT a FROM public.t;"),
    ],
)
def test_another_view_is_not(old: str, new: str) -> None:
    [difference] = compare(view(15, old), view(18, new))
    assert difference.changed == [("definition", old, new)]
    assert len(compare(view(18, new), view(15, old))) == 1


@pytest.mark.parametrize(("old", "new"), [pair for pair in OLD_AND_NEW if pair[0] != pair[1]])
@pytest.mark.parametrize("major", [15, 18])
def test_within_a_version_the_text_counts(old: str, new: str, major: int) -> None:
    assert len(compare(view(major, old), view(major, new))) == 1


@pytest.mark.parametrize("majors", [(16, 18), (18, 16)])
def test_only_versions_before_16_name_the_table(majors: tuple[int, int]) -> None:
    old, new = "SELECT t.a FROM public.t;", "SELECT a FROM public.t;"

    assert len(compare(view(majors[0], old), view(majors[1], new))) == 1


def test_only_views_are_forgiven_the_tables_name() -> None:
    old = fingerprint(15, "rule", "public.t.r", definition="SELECT t.a FROM public.t;")
    new = fingerprint(18, "rule", "public.t.r", definition="SELECT a FROM public.t;")

    assert len(compare(old, new)) == 1


def test_quotes_that_only_a_version_asks_for_are_no_difference() -> None:
    old = fingerprint(
        15, "column", "public.t.json_value", part_of="public.t", default="(json_table + 1)"
    )
    new = fingerprint(
        18, "column", 'public.t."json_value"', part_of="public.t", default='("json_table" + 1)'
    )

    assert compare(old, new) == compare(new, old) == []


def test_parts_of_what_is_gone_are_known_by_names_without_quotes() -> None:
    table = fingerprint(18, "table", 'public."json_value"', owner="postgres").objects
    part = fingerprint(18, "column", 'public."json_value".a', part_of='public."json_value"').objects

    differences = compare(
        Fingerprint(180004, "postgres", {**table, **part}), Fingerprint(150002, "postgres", {})
    )

    assert [(each.kind, each.name) for each in differences] == [("table", "public.json_value")]


@pytest.mark.parametrize(
    ("kind", "fact", "old", "new"),
    [
        ("column", "default", """'"a"'::text""", "'a'::text"),
        ("column", "default", "'a  b'::text", "'a b'::text"),
        ("table", "comment", "a  b", "a b"),
        ("table", "comment", '"a" b', "a b"),
        ("function", "body", "SELECT 1 -- one", "SELECT 1"),
        ("column", "type", '"T"', "t"),
    ],
)
def test_other_texts_are_compared_as_they_are(kind: str, fact: str, old: str, new: str) -> None:
    left = fingerprint(16, kind, "public.x", **{fact: old})
    right = fingerprint(18, kind, "public.x", **{fact: new})

    [difference] = compare(left, right)

    assert difference.changed == [(fact, old, new)]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"grants to a": "SELECT"}, {"grants to a": "MAINTAIN, SELECT"}),
        ({}, {"grants to a": "MAINTAIN WITH GRANT OPTION"}),
        (
            {"grants to OWNER": "INSERT, SELECT"},
            {"grants to OWNER": "INSERT, MAINTAIN, SELECT"},
        ),
    ],
)
def test_maintain_is_no_difference_where_one_side_does_not_know_it(
    old: dict[str, str], new: dict[str, str]
) -> None:
    assert compare(fingerprint(16, "table", "t", **old), fingerprint(17, "table", "t", **new)) == []
    assert compare(fingerprint(18, "table", "t", **new), fingerprint(15, "table", "t", **old)) == []
    for major in (17, 18):
        same = fingerprint(17, "table", "t", **old), fingerprint(major, "table", "t", **new)
        assert len(compare(*same)) == 1


def test_another_privilege_is_a_difference_all_the_same() -> None:
    old = fingerprint(16, "table", "t", **{"grants to a": "SELECT", "grants to b": "SELECT"})
    new = fingerprint(18, "table", "t", **{"grants to a": "MAINTAIN, UPDATE"})

    [difference] = compare(old, new)

    assert difference.changed == [
        ("grants to a", "SELECT", "UPDATE"),
        ("grants to b", "SELECT", None),
    ]


def test_the_comment_of_an_extension_is_its_versions() -> None:
    old = fingerprint(16, "extension", "e", schema="public", comment="old words")
    new = fingerprint(18, "extension", "e", schema="public", comment="new words")
    newer = fingerprint(18, "extension", "e", schema="app", comment="newer words")

    assert compare(old, new) == []
    assert [each.changed for each in compare(old, newer)] == [[("schema", "public", "app")]]
    assert len(compare(new, fingerprint(18, "extension", "e", schema="public"))) == 1


def test_differences_come_by_name_a_whole_before_its_parts() -> None:
    before = Fingerprint(180004, "postgres", {})
    after = Fingerprint(
        180004,
        "postgres",
        {
            ("trigger", "public.b.t"): {},
            ("table", "public.b"): {},
            ("view", "public.a"): {},
            ("column", "public.b.c"): {},
        },
    )

    assert [each.name for each in compare(before, after)] == [
        "public.a",
        "public.b",
        "public.b.c",
        "public.b.t",
    ]


def test_what_is_on_one_side_only_has_another_order_of_nothing() -> None:
    difference = Difference("table", "public.t", None, {"column order": "a"})

    assert difference.changed == [("column order", None, "a")]
    assert not difference.order_only
