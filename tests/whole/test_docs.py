"""The documents in `docs/`: whatever they say to type does what they say it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.whole.documents import Document
from tests.whole.readers import CLONE_NAME, DOCS, NEEDS_BASH, TERMS, Terms, tried
from tests.whole.trees import copied_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catalog.embedded import EmbeddedServer
    from tests.whole.trees import Tree

DOCUMENTS = {path.name: Document.parse(path.read_text()) for path in sorted(DOCS.glob("*.md"))}


def terms(name: str) -> Terms:
    return TERMS.get(name, Terms())


WHOLE = [
    pytest.param(name, marks=[pytest.mark.slow] * terms(name).slow)
    for name in DOCUMENTS
    if not terms(name).sections_apart
]
SECTIONS = [
    pytest.param(name, section, id=f"{name}: {document.headings[section]}")
    for name, document in DOCUMENTS.items()
    for section in document.sections()
    if terms(name).sections_apart
]


@pytest.fixture(scope="session")
def reader() -> Iterator[Tree]:
    """A tree for all sections that begin anew: they leave it as it was."""
    with copied_tree(CLONE_NAME) as tree:
        yield tree


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_is_only_read_is_counted(name: str) -> None:
    assert DOCUMENTS[name].read_only == dict(terms(name).read_only)


@NEEDS_BASH
@pytest.mark.parametrize("name", WHOLE)
def test_a_document_says_what_happens(
    request: pytest.FixtureRequest, embedded_server: EmbeddedServer, name: str
) -> None:
    guide = request.getfixturevalue("guide") if terms(name).beside_guide else None

    with copied_tree(CLONE_NAME) as tree:
        for each in tried(
            DOCUMENTS[name], embedded_server, tree, guide=guide, roles=terms(name).roles
        ):
            assert each.agrees, each.says


@NEEDS_BASH
@pytest.mark.slow
@pytest.mark.parametrize(("name", "section"), SECTIONS)
def test_a_section_says_what_happens(
    embedded_server: EmbeddedServer, reader: Tree, name: str, section: int
) -> None:
    for each in tried(DOCUMENTS[name], embedded_server, reader, section=section):
        assert each.agrees, each.says
