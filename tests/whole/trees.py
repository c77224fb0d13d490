"""Copies of the working tree, in which commands run as a user would run them.

They have no `.env` and no `.catalog/`, and commands get a clean environment: what a developer has
configured is neither read nor touched.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catalog.settings import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

# What commands need. Named, not listed by git, which not every machine has.
_PARTS = ("bin", "catalog", "requirements", "sql", "pyproject.toml")
_LONGEST = 120  # seconds; a command that takes longer hangs


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """What it wrote to standard error."""
        return self.err.splitlines()


@dataclass(frozen=True)
class Tree:
    """A copy of the working tree."""

    path: Path
    home: Path
    """An empty home folder."""

    @property
    def data(self) -> Path:
        """The data of its embedded server."""
        elsewhere = self.path / ".catalog/elsewhere"
        base = Path(elsewhere.read_text()) if elsewhere.exists() else self.path / ".catalog"
        return base / "postgres/data"

    def environment(self, **variables: str) -> dict[str, str]:
        """All that a command knows of the machine, and these variables."""
        return {"PATH": os.environ["PATH"], "HOME": str(self.home), **variables}

    def run(self, command: str, *arguments: str | Path, **options: Any) -> Done:
        """Run a command of `bin/` to its end; `env` adds to the clean environment."""
        done = subprocess.run(**self._options(command, arguments, options), timeout=_LONGEST)
        assert "Traceback" not in done.stderr, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    def start(self, command: str, *arguments: str | Path, **options: Any) -> subprocess.Popen[str]:
        """Start a command of `bin/`."""
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return subprocess.Popen(**self._options(command, arguments, options))

    def _options(
        self, command: str, arguments: tuple[str | Path, ...], options: dict[str, Any]
    ) -> dict[str, Any]:
        if "input" not in options:
            options = {"stdin": subprocess.DEVNULL, **options}
        if "stdout" not in options:
            options = {"capture_output": True, **options}
        return {
            "cwd": self.home,
            **options,
            "args": [self.path / "bin" / command, *arguments],
            "text": True,
            "env": self.environment(**options.get("env", {})),
        }


@contextmanager
def copied_tree(name: str = "a tree") -> Iterator[Tree]:
    """Copy the working tree; afterwards it goes, with all that its server kept elsewhere."""
    # Not in pytest's own folder, which only its owner may enter: root's server is another user.
    base = Path(tempfile.mkdtemp(prefix="catalog-tree-"))
    try:
        base.chmod(0o755)
        path, home = base / name, base / "home"
        home.mkdir()
        path.mkdir()
        for part in _PARTS:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, path / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, path / part)
        (path / ".venv").symlink_to(ROOT / ".venv")
        yield Tree(path, home)
    finally:
        for elsewhere in base.glob("*/.catalog/elsewhere"):
            shutil.rmtree(elsewhere.read_text(), ignore_errors=True)
        shutil.rmtree(base, ignore_errors=True)
