"""The page in a real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from playwright.sync_api import expect, sync_playwright

from catalog.settings import ROOT
from tests.database.test_api_outages import own_server
from tests.serving import insert, served
from tests.whole.npm import installed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

CHROMIUM = "/usr/bin/chromium"
# Whatever it would do in the background needs a network.
FLAGS = [
    *("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
    *(["--no-sandbox"] if os.getuid() == 0 else []),
]
WIDE = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 780}
MARKUP = "<img src=x onerror=alert(1)> & Sons"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)


@pytest.fixture
def catalog(catalog_database: str) -> str:
    """The guide's authors and books, and a hundred authors more."""
    with psycopg.connect(catalog_database, autocommit=True) as connection:
        seed = (ROOT / "sql/seed.sql").read_text()
        connection.execute(seed.replace("\\set ON_ERROR_STOP on", "").encode())
    insert(catalog_database, "Authors", *({"name": f"Author {number}"} for number in range(100)))
    insert(catalog_database, "Authors", {"id": 1000, "name": MARKUP, "bio": MARKUP})
    insert(catalog_database, "Books", {"title": MARKUP, "authorId": 1000})
    return catalog_database


@contextmanager
def opened(browser: Browser, conninfo: str, path: str = "/", **options: Any) -> Iterator[Page]:
    """The page, with the promise that it asks no other host and that nothing in it fails."""
    with served(conninfo) as client:
        base = str(client.base_url).rstrip("/")
        context = browser.new_context(
            base_url=base, viewport=options.pop("viewport", WIDE), **options
        )
        page = context.new_page()
        faults: list[str] = []
        asked: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if is_fault(said.text) else None)
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path)
        yield page
        context.close()
    assert faults == []
    assert [url for url in asked if not url.startswith(base)] == []


def is_fault(said: str) -> bool:
    # That an answer was not 200 is logged by the browser itself.
    return "Failed to load resource" not in said


def authors(page: Page) -> list[str]:
    return page.locator("#browse li .title").all_text_contents()


def choose(page: Page, name: str) -> None:
    page.get_by_role("link", name=name).click()


# --- What there is to see


def test_it_opens_with_the_authors_and_what_they_are_known_for(
    browser: Browser, catalog: str
) -> None:
    with opened(browser, catalog) as page:
        expect(page.get_by_role("heading", name="Authors")).to_be_visible()
        expect(page.get_by_text("The creator of Middle-earth")).to_be_visible()
        assert authors(page)[:3] == ["J.K. Rowling", "J.R.R. Tolkien", "George R.R. Martin"]
        expect(page.get_by_text("Choose an author")).to_be_visible()


def test_choosing_an_author_shows_the_books(browser: Browser, catalog: str) -> None:
    with opened(browser, catalog) as page:
        choose(page, "J.R.R. Tolkien")

        expect(page.locator("#detail h2")).to_have_text("J.R.R. Tolkien")
        assert page.locator("#detail li").all_text_contents() == [
            *("The Hobbit", "The Fellowship of the Ring"),
            *("The Two Towers", "The Return of the King"),
        ]
        expect(page).to_have_title("J.R.R. Tolkien – Book catalog")
        expect(page.locator("#browse a[aria-current]")).to_contain_text("J.R.R. Tolkien")


def test_a_link_to_an_author_and_back_and_forward_work(browser: Browser, catalog: str) -> None:
    name = "#detail h2"
    with opened(browser, catalog, "/#/authors/2") as page:
        expect(page.locator(name)).to_have_text("J.R.R. Tolkien")
        choose(page, "J.K. Rowling")
        expect(page.locator(name)).to_have_text("J.K. Rowling")
        page.go_back()
        expect(page.locator(name)).to_have_text("J.R.R. Tolkien")
        page.go_forward()
        expect(page.locator(name)).to_have_text("J.K. Rowling")
        page.get_by_role("link", name="Book catalog").click()
        expect(page.get_by_text("Choose an author")).to_be_visible()
        expect(page).to_have_title("Book catalog")


def test_typing_searches_authors_and_titles(browser: Browser, catalog: str) -> None:
    with opened(browser, catalog) as page:
        box = page.get_by_role("searchbox", name="Search authors and titles")
        box.press_sequentially("tolk")
        expect(page.locator("#browse li")).to_have_count(1)
        box.fill("the two")
        expect(page.locator("#browse li")).to_have_count(1)
        expect(page.locator("#browse li")).to_have_text("The Two Towersby J.R.R. Tolkien")
        expect(page.get_by_role("status")).to_have_text("1 found.")
        choose(page, "The Two Towers")
        expect(page.locator("#detail h2")).to_have_text("J.R.R. Tolkien")
        expect(page.locator("#browse li")).to_have_count(1)
        page.go_back()
        page.go_back()
        expect(page.locator("#browse li")).to_have_count(50)
        expect(box).to_have_value("")


def test_a_search_is_a_link_too_and_may_find_nothing(browser: Browser, catalog: str) -> None:
    with opened(browser, catalog, "/#/?q=the%20hob%25%26%3C") as page:
        expect(page.get_by_role("searchbox")).to_have_value("the hob%&<")
        expect(page.locator("#browse li")).to_have_text("The Hobbitby J.R.R. Tolkien")
        page.get_by_role("searchbox").fill("nobody of that name")
        expect(page.locator("#browse").get_by_text("Nothing found")).to_be_visible()


def test_the_rest_of_a_long_list_comes_on_demand(browser: Browser, catalog: str) -> None:
    with opened(browser, catalog) as page:
        more = page.get_by_role("button", name="More authors")
        more.click()
        expect(page.locator("#browse li")).to_have_count(100)
        expect(page.locator("#browse li a").nth(50)).to_be_focused()
        more.click()
        expect(page.locator("#browse li")).to_have_count(104)
        expect(more).to_be_hidden()


def test_the_rest_of_what_a_search_found_comes_on_demand(browser: Browser, catalog: str) -> None:
    with opened(browser, catalog, "/#/?q=author") as page:
        expect(page.locator("#browse li")).to_have_count(20)
        page.get_by_role("button", name="More of them").click()
        expect(page.locator("#browse li")).to_have_count(40)


def test_a_rest_that_is_gone_by_now_is_no_error(browser: Browser, catalog: str) -> None:
    with opened(browser, catalog) as page:
        more = page.get_by_role("button", name="More authors")
        expect(more).to_be_visible()
        page.route("**/authors?limit=50&after=*", lambda route: route.fulfill(json=[]))
        more.click()
        expect(page.get_by_role("status")).to_have_text("0 more.")
        expect(more).to_be_hidden()


def test_a_rest_that_is_not_waited_for_is_no_error(browser: Browser, catalog: str) -> None:
    with opened(browser, catalog) as page:
        more = page.get_by_role("button", name="More authors")
        expect(more).to_be_visible()
        page.route("**/authors?limit=50&after=*", lambda _: None)
        with page.expect_request("**/authors?limit=50&after=*"):
            more.click()
        page.get_by_role("searchbox").fill("tolk")
        expect(page.locator("#browse li")).to_have_count(1)


def test_what_is_there_stays_while_the_rest_waits_for_the_database(
    browser: Browser, catalog: str
) -> None:
    insert(catalog, "Books", *({"title": "Tale", "authorId": 1 + n // 20} for n in range(30)))
    with opened(browser, catalog, "/#/?q=tale") as page:
        expect(page.locator("#browse li")).to_have_count(20)
        away = {"Retry-After": "1"}
        page.route("**/authors/2", lambda route: route.fulfill(status=503, headers=away), times=1)
        page.get_by_role("button", name="More of them").click()
        expect(page.locator("#browse li")).to_have_count(30)


def test_what_is_in_the_catalog_is_text_and_never_markup(browser: Browser, catalog: str) -> None:
    with opened(browser, catalog, "/#/authors/1000") as page:
        expect(page.locator("#detail h2")).to_have_text(MARKUP)
        expect(page.locator("#detail .bio")).to_have_text(MARKUP)
        expect(page.locator("#detail li")).to_have_text(MARKUP)
        expect(page.locator("img")).to_have_count(0)


# --- What is not there, or not yet


def test_an_empty_catalog_says_so(browser: Browser, catalog_database: str) -> None:
    with opened(browser, catalog_database) as page:
        expect(page.get_by_text("The catalog is empty")).to_be_visible()


def test_an_author_who_is_not_there_is_told(browser: Browser, catalog: str) -> None:
    with opened(browser, catalog, "/#/authors/99999") as page:
        expect(page.locator("#detail")).to_contain_text("There is no author with this id.")
        expect(page).to_have_title("Book catalog")


def test_an_address_that_means_nothing_is_the_whole_list(browser: Browser, catalog: str) -> None:
    with opened(browser, catalog, "/#nothing") as page:
        expect(page.locator("#browse li")).to_have_count(50)


def test_a_database_that_sleeps_is_waited_for(browser: Browser) -> None:
    with own_server() as server:
        insert(server.conninfo, "Authors", {"name": "Early Bird"})
        with opened(browser, server.conninfo) as page:
            expect(page.get_by_text("Early Bird")).to_be_visible()
            server.stop()
            page.reload()
            expect(page.locator(".waking")).to_be_visible(timeout=15_000)
            expect(page.get_by_role("status")).to_have_text("The database is waking up.")
            server.start()
            expect(page.get_by_text("Early Bird")).to_be_visible(timeout=15_000)


def test_a_service_that_is_gone_is_told_and_can_be_tried_again(
    browser: Browser, catalog: str
) -> None:
    with opened(browser, catalog) as page:
        expect(page.locator("#browse li")).to_have_count(50)
        page.context.set_offline(True)
        choose(page, "J.R.R. Tolkien")
        expect(page.locator("#detail")).to_contain_text("The service cannot be reached.")
        page.context.set_offline(False)
        page.get_by_role("button", name="Try again").click()
        expect(page.locator("#detail h2")).to_have_text("J.R.R. Tolkien")


# --- For everybody


def test_it_can_be_used_by_keyboard_alone(browser: Browser, catalog: str) -> None:
    with opened(browser, catalog) as page:
        expect(page.locator("#browse li")).to_have_count(50)
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Book catalog")).to_be_focused()
        page.keyboard.press("Tab")
        expect(page.get_by_role("searchbox")).to_be_focused()
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.locator("#detail h2")).to_have_text("J.R.R. Tolkien")
        expect(page.locator("#detail h2")).to_be_focused()
        page.go_back()
        expect(page.get_by_role("link", name="J.R.R. Tolkien")).to_be_focused()


def test_a_phone_shows_one_part_at_a_time_and_nothing_too_wide(
    browser: Browser, catalog: str
) -> None:
    with opened(browser, catalog, viewport=PHONE, has_touch=True) as page:
        link = page.get_by_role("link", name="Author 40")
        link.scroll_into_view_if_needed()
        down = page.evaluate("scrollY")
        link.tap()
        expect(page.locator("#detail h2")).to_have_text("Author 40")
        expect(page.locator("#browse")).to_be_hidden()
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        page.get_by_role("link", name="Back to the list").tap()
        expect(link).to_be_visible()
        expect(page.locator("#detail")).to_be_hidden()
        assert abs(page.evaluate("scrollY") - down) < 5


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
def test_an_accessibility_audit_finds_nothing(
    browser: Browser,
    catalog: str,
    tmp_path_factory: pytest.TempPathFactory,
    scheme: str,
    viewport: dict[str, int],
) -> None:
    folder = installed(Path(__file__).parent / "axe", tmp_path_factory)
    axe = (folder / "node_modules/axe-core/axe.min.js").read_text()
    insert(catalog, "Books", *({"title": f"Book {n}", "authorId": 1} for n in range(60)))
    states: dict[str, Callable[[Page], object]] = {
        "/": lambda page: expect(page.locator("#browse li")).to_have_count(50),
        "/#/authors/1": lambda page: expect(page.locator("#detail li")).to_have_count(62),
        "/#/?q=the": lambda page: expect(page.locator("#browse li")).to_have_count(6),
        "/#/?q=zzzz": lambda page: expect(page.get_by_text("Nothing found").first).to_be_visible(),
        "/#/authors/9999": lambda page: expect(page.get_by_text("no author").first).to_be_visible(),
    }
    with opened(
        browser, catalog, viewport=viewport, color_scheme=scheme, reduced_motion="reduce"
    ) as page:
        for path, is_there in states.items():
            page.goto("about:blank")
            page.goto(path)
            is_there(page)
            page.evaluate(axe)
            found = page.evaluate("axe.run()")
            told = [f"{one['id']}: {one['nodes'][0]['html']}" for one in found["violations"]]
            assert told == [], path
            assert len(found["passes"]) > 15
