"""Takes the README's path from a fresh clone, as newcomers to different machines would.

Needs root, because it also becomes an ordinary user. Whatever it starts, it ends.
"""
# It speaks to whoever reads the log of CI, and finds git on the PATH.
# ruff: noqa: T201, S607

from __future__ import annotations

import contextlib
import http.client
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
# No Postgres among them. git is for the newcomer; bin/ does not need it.
TOOLS = ("sh", "git", "cmp", "dirname")
# Every machine has these as well; of the commands only the tests need them.
TEST_TOOLS = ("cp", "env")
FIRST_START = 300  # seconds, since packages may come over a slow line
LATER_START = 2
STOP = 30


class Failure(Exception):
    """Something on the path is not as the README says."""


@dataclass
class Newcomer:
    """Someone with a clone, an empty home and few tools."""

    name: str
    place: Path
    tools: Path
    account: pwd.struct_passwd | None = None
    port: int = field(default_factory=lambda: free_port())

    @property
    def clone(self) -> Path:
        """The folder that `git clone` made."""
        return self.place / "catalog"

    def arrive(self, mode: int) -> None:
        """Clone into a folder of their own."""
        home = self.place / "home"
        home.mkdir(parents=True)
        subprocess.run(["git", "clone", "--quiet", ROOT, self.clone], check=True)
        if self.account:
            # Cloned by root: git hands nothing of root's repository to other users.
            for path in [self.place, *self.place.rglob("*")]:
                os.chown(path, self.account.pw_uid, self.account.pw_gid, follow_symlinks=False)
        self.place.chmod(mode)

    def options(self) -> dict[str, Any]:
        """Return what makes a subprocess theirs."""
        kept = {
            name: value
            for name, value in os.environ.items()
            # How this machine reaches its package index.
            if name.startswith("PIP_") or name.lower().endswith("_proxy")
        }
        own = {"PATH": str(self.tools), "HOME": str(self.place / "home"), "PORT": str(self.port)}
        options: dict[str, Any] = {"env": kept | own, "cwd": self.place / "home"}
        if self.account:
            ids = {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": []}
            options |= ids
        return options

    @contextlib.contextmanager
    def serving(self, within: float) -> Iterator[subprocess.Popen[bytes]]:
        """Run `bin/serve`, ready to answer."""
        started = time.monotonic()
        process = subprocess.Popen([self.clone / "bin/serve"], **self.options())
        try:
            while not self.answers():
                if process.poll() is not None:
                    raise Failure(f"bin/serve ended with {process.returncode}")
                if time.monotonic() - started > within:
                    raise Failure(f"bin/serve does not answer within {within} s")
                time.sleep(0.02)
            print(f"--- answers after {time.monotonic() - started:.2f} s", flush=True)
            yield process
        finally:
            process.kill()
            process.wait()

    def answers(self) -> bool:
        """Tell whether there is an answer; that something listens may be long before."""
        try:
            self.get("/", patience=1)
        except OSError:
            return False
        return True

    def get(self, path: str, patience: float = 10) -> str:
        """Return the body of an answer that must be a 200."""
        with contextlib.closing(
            http.client.HTTPConnection("127.0.0.1", self.port, timeout=patience)
        ) as connection:
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read().decode()
        if answer.status != http.HTTPStatus.OK:
            raise Failure(f"GET {path} answers {answer.status}: {body}")
        return body

    def running(self) -> dict[int, str]:
        """Return the processes that have to do with the clone, or with its server's data."""
        folders = [str(self.place)]
        with contextlib.suppress(FileNotFoundError):
            folders.append((self.clone / ".catalog/elsewhere").read_text())
        found = {}
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                traces = f"{command} {(process / 'exe').readlink()} {(process / 'cwd').readlink()}"
                if any(folder in traces for folder in folders):
                    found[int(process.name)] = command
        found.pop(os.getpid(), None)
        return found

    def leave(self) -> None:
        """Remove what the embedded server keeps outside the clone, and end what is left."""
        for pid in self.running():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree((self.clone / ".catalog/elsewhere").read_text())


def main() -> int:
    """Send each of the newcomers along, and return the exit status."""
    nobody = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory(prefix="catalog-readme-") as folder:
        work = Path(folder)
        work.chmod(0o755)
        tools = collect_tools(work / "tools")
        newcomers = [
            (Newcomer("root", work / "root", tools), 0o755),
            (Newcomer("root, in a folder closed to others", work / "closed", tools), 0o700),
            (Newcomer("an ordinary user", work / "ordinary", tools, nobody), 0o755),
        ]
        for newcomer, mode in newcomers:
            print(f"\n--- as {newcomer.name}", flush=True)
            newcomer.arrive(mode)
            try:
                walk(newcomer)
                expect(newcomer.place.stat().st_mode & 0o777, mode, "the folder's permissions")
                if newcomer.account:
                    test(newcomer)
            except Failure as failure:
                print(f"--- FAILED as {newcomer.name}: {failure}", flush=True)
                return 1
            finally:
                newcomer.leave()
    return 0


def collect_tools(folder: Path) -> Path:
    """Make a folder, for use as PATH, of the few tools that a newcomer has."""
    folder.mkdir()
    link_tools(folder, TOOLS)
    (folder / "python3").symlink_to("/usr/bin/python3")
    return folder


def walk(newcomer: Newcomer) -> None:
    """Serve, look, stop; again; and once more after a crash."""
    with newcomer.serving(within=FIRST_START) as process:
        seen = look(newcomer)
        stop(newcomer, process, signal.SIGINT)
    with newcomer.serving(within=LATER_START) as process:
        expect(look(newcomer), seen, "what a second start serves")
        process.kill()
        process.wait()
    # The embedded server is still there, and is taken over.
    with newcomer.serving(within=LATER_START) as process:
        expect(look(newcomer), seen, "what a start after kill -9 serves")
        stop(newcomer, process, signal.SIGTERM)


def look(newcomer: Newcomer) -> list[str]:
    """Return everything served, after checking it against the sample data."""
    expect(newcomer.get("/"), "Hello World! This is a book catalog.", "GET /")
    authors = json.loads(newcomer.get("/authors"))
    names = [(author["id"], author["name"]) for author in authors]
    expect(names, [(1, "J.K. Rowling"), (2, "J.R.R. Tolkien"), (3, "George R.R. Martin")], "names")
    books = json.loads(newcomer.get("/books/1"))
    titles = [
        (1, "Harry Potter and the Philosopher's Stone"),
        (2, "Harry Potter and the Chamber of Secrets"),
    ]
    expect([(book["id"], book["title"]) for book in books], titles, "GET /books/1")
    return [newcomer.get(path) for path in ("/authors", "/books/1", "/books/2", "/books/3")]


def stop(newcomer: Newcomer, process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Ask bin/serve to end, which must take everything with it."""
    process.send_signal(number)
    try:
        expect(process.wait(STOP), 0, f"the exit status after {number.name}")
    except subprocess.TimeoutExpired:
        raise Failure(f"{number.name} does not end bin/serve within {STOP} s") from None
    expect(newcomer.running(), {}, f"what runs after {number.name}")


def link_tools(folder: Path, names: tuple[str, ...]) -> None:
    """Put tools of this machine into a folder for use as PATH."""
    for name in names:
        found = shutil.which(name)
        if not found:
            raise Failure(f"no {name} on the PATH")
        (folder / name).symlink_to(found)


def test(newcomer: Newcomer) -> None:
    """Take the README's second command."""
    link_tools(newcomer.tools, TEST_TOOLS)
    done = subprocess.run([newcomer.clone / "bin/test"], check=False, **newcomer.options())
    expect(done.returncode, 0, "the exit status of bin/test")
    expect(newcomer.running(), {}, "what runs after bin/test")


def expect(found: object, wanted: object, what: str) -> None:
    """Fail unless the two are equal."""
    if found != wanted:
        raise Failure(f"{what}: {found!r}, and not {wanted!r}")


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


if __name__ == "__main__":
    sys.exit(main())
