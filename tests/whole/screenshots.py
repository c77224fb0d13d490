"""The pictures of the page in `docs/`, made anew: `.venv/bin/python -m tests.whole.screenshots`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from catalog.embedded import EmbeddedServer, embedded_bindir
from catalog.migrations.apply import Runner
from catalog.migrations.arguments import DEFAULT_DIRECTORY, DEFAULT_SEED
from catalog.migrations.migration import load_migrations, load_seed
from catalog.migrations.session import Target
from catalog.settings import ROOT
from tests.serving import served
from tests.whole.test_page import CHROMIUM, FLAGS

PICTURES = {
    "page.png": ("/#/authors/2", {"width": 1100, "height": 520}, "light"),
    "page-dark.png": ("/#/?q=the", {"width": 1100, "height": 520}, "dark"),
    "page-phone.png": ("/#/authors/2", {"width": 390, "height": 780}, "light"),
}


def main() -> None:
    """Serve the sample data, and take the pictures."""
    with tempfile.TemporaryDirectory(prefix="catalog-tests-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        with EmbeddedServer(Path(folder) / "server", bindir=embedded_bindir()) as server:
            target = Target(server.conninfo, "the embedded server", "a folder")
            migrations = load_migrations(DEFAULT_DIRECTORY)
            with Runner(target, migrations, wait=60, tell=lambda _: None) as runner:
                runner.up()
                runner.run_seed(load_seed(DEFAULT_SEED))
            with served(server.conninfo) as client:
                take(str(client.base_url))


def take(base: str) -> None:
    """One picture after the other."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for name, (path, viewport, scheme) in PICTURES.items():
            page = browser.new_page(base_url=base, viewport=viewport, color_scheme=scheme)  # type: ignore[arg-type]
            page.goto(path)
            page.wait_for_load_state("networkidle")
            page.wait_for_timeout(500)
            page.screenshot(path=ROOT / "docs" / name)


if __name__ == "__main__":
    main()
