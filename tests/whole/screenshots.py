"""The pictures in `docs/`, made anew: `.venv/bin/python -m tests.whole.screenshots`."""

from __future__ import annotations

import html
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from catalog.embedded import EmbeddedServer, embedded_bindir
from catalog.migrations.apply import Runner
from catalog.migrations.arguments import DEFAULT_DIRECTORY, DEFAULT_SEED
from catalog.migrations.migration import load_migrations, load_seed
from catalog.migrations.session import Target
from catalog.settings import ROOT
from tests.serving import served
from tests.whole.projects import Project
from tests.whole.terminals import on_terminal
from tests.whole.test_page import CHROMIUM, FLAGS
from tests.whole.trees import copied_tree

PICTURES = {
    "page.png": ("/#/authors/2", {"width": 1100, "height": 520}, "light"),
    "page-dark.png": ("/#/?q=the", {"width": 1100, "height": 520}, "dark"),
    "page-phone.png": ("/#/authors/2", {"width": 390, "height": 780}, "light"),
}


COLUMNS = 96
COLOURS = {"31": "#ff9580", "32": "#8fd694", "33": "#ffd173"}
TERMINAL = """
    <body style="margin: 0; background: #1d1f21">
    <pre style="margin: 0; padding: 18px 22px; color: #e8e6e3;
                font: 15px/1.45 'DejaVu Sans Mono', monospace">{}</pre>
"""


def main() -> None:
    """Serve the sample data, plan a migration, and take the pictures."""
    with (
        tempfile.TemporaryDirectory(prefix="catalog-tests-", dir="/tmp") as folder,
        sync_playwright() as playwright,
    ):
        Path(folder).chmod(0o755)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        with EmbeddedServer(Path(folder) / "server", bindir=embedded_bindir()) as server:
            target = Target(server.conninfo, "the embedded server", "a folder")
            migrations = load_migrations(DEFAULT_DIRECTORY)
            with Runner(target, migrations, wait=60, tell=lambda _: None) as runner:
                runner.up()
                runner.run_seed(load_seed(DEFAULT_SEED))
            with served(server.conninfo) as client:
                take_page(browser, str(client.base_url))
            take_plan(browser, server.conninfo)


def take_page(browser: Browser, base: str) -> None:
    """The page, in several states."""
    for name, (path, viewport, scheme) in PICTURES.items():
        page = browser.new_page(base_url=base, viewport=viewport, color_scheme=scheme)  # type: ignore[arg-type]
        page.goto(path)
        page.wait_for_load_state("networkidle")
        page.wait_for_timeout(500)
        page.screenshot(path=ROOT / "docs" / name)


def take_plan(browser: Browser, conninfo: str) -> None:
    """A terminal on which `plan` meets a large table."""
    with copied_tree("catalog") as tree:
        project = Project(tree, conninfo, tree.path / "sql/migrations")
        project.query(
            """INSERT INTO "Books" (title, "authorId")
               SELECT 'Book ' || n, 1 FROM generate_series(1, 1200000) AS n"""
        )
        project.query('VACUUM ANALYZE "Books"')
        project.write(
            {
                "0007_index_titles.up.sql": 'CREATE INDEX "Books_title_idx" ON "Books" (title);\n',
                "0007_index_titles.down.sql": 'DROP INDEX "Books_title_idx";\n',
            }
        )
        project.migrate("plan")  # makes the scratch server, which tells so
        shown = on_terminal(project, "plan", columns=COLUMNS)
    _, _, plan = shown.text.replace("\r", "").partition(
        "\n\n"
    )  # what it is tried on, and what it does
    text = html.escape(f"$ bin/migrate plan\n{plan.rstrip()}")
    for code, colour in COLOURS.items():
        text = text.replace(f"\x1b[{code}m", f'<span style="color: {colour}">')
    text = text.replace("\x1b[0m", "</span>").replace("\x1b[m", "</span>")
    page = browser.new_page(viewport={"width": 980, "height": 100}, device_scale_factor=1.5)
    page.set_content(TERMINAL.format(text))
    page.screenshot(path=ROOT / "docs/plan.png", full_page=True)


if __name__ == "__main__":
    main()
