"""The embedded server: shared, taken over after every kind of crash, private, and out of the way.

Its users are real processes: they start, are killed, and leave.
"""

from __future__ import annotations

import atexit
import functools
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from catalog.embedded import EmbeddedServer, embedded_bindir
from catalog.errors import EmbeddedServerError
from catalog.settings import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.whole.trees import Tree

# Enters the server, says how to reach it, and stays until its standard input ends.
USER = """
import sys
from pathlib import Path
from catalog.embedded import EmbeddedServer
with EmbeddedServer(Path(sys.argv[1]), bindir=Path(sys.argv[2]), settings={"fsync": "off"}) as it:
    print(it.conninfo, flush=True)
    sys.stdin.read()
"""

only_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root runs the server as somebody else"
)


@functools.cache
def programs() -> Path:
    """The folder of the programs: a copy, where the clone is in a folder closed to others."""
    bindir = embedded_bindir()
    if all(folder.stat().st_mode & stat.S_IXOTH for folder in bindir.parents):
        return bindir
    folder = Path(tempfile.mkdtemp(prefix="catalog-programs-"))
    folder.chmod(0o755)
    atexit.register(shutil.rmtree, folder)
    return copy_programs(folder)


def copy_programs(folder: Path) -> Path:
    """Copy the programs and their libraries, and return where the programs are."""
    bindir = embedded_bindir()
    package = bindir.parent.parent
    for part in (bindir.parent, package.with_name(f"{package.name}.libs")):
        if part.exists():
            target = folder / part.relative_to(package.parent)
            shutil.copytree(part, target, symlinks=True)
    return folder / bindir.relative_to(package.parent)


class User:
    """A process that uses the server in a folder."""

    def __init__(self, home: Path, **options: Any) -> None:
        command = [sys.executable, "-c", USER, str(home), str(programs())]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        options = {"args": command, "cwd": ROOT, "text": True, **pipes, **options}
        self.process = subprocess.Popen[str](**options)

    def conninfo(self) -> str:
        """How to reach the server, once it is there."""
        assert self.process.stdout
        line: str = self.process.stdout.readline().strip()
        if line:
            return line
        raise AssertionError(self.process.communicate()[1])

    def leave(self) -> None:
        _, said = self.process.communicate(timeout=60)
        assert (self.process.returncode, said) == (0, "")

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@contextmanager
def reachable_folder() -> Iterator[Path]:
    """A folder that every user of the machine can reach, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="catalog-embedded-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def new_home() -> Iterator[Path]:
    """The folder of a server that was never started."""
    with reachable_folder() as folder, clean(folder / "home") as home:
        yield home


@pytest.fixture(scope="module")
def pattern() -> Iterator[Path]:
    """The folder of a server that was started and stopped, to be copied: initdb takes long."""
    with reachable_folder() as folder:
        with server_in(folder / "home"):
            pass
        yield folder / "home"


@pytest.fixture
def home(pattern: Path) -> Iterator[Path]:
    """The folder of a server that was started and stopped."""
    with reachable_folder() as folder, clean(folder / "home") as home:
        # With owners and permissions, which shutil leaves behind.
        subprocess.run(["cp", "-pR", pattern, home], check=True)
        yield home


@contextmanager
def clean(home: Path) -> Iterator[Path]:
    """Stop the server afterwards, should the test have failed, and remove what is elsewhere."""
    try:
        yield home
    finally:
        if (home / "postgres/data/postmaster.pid").exists():
            server = EmbeddedServer(home, bindir=programs())
            with server:
                server.stop()
        if (home / "elsewhere").exists():
            shutil.rmtree((home / "elsewhere").read_text())


def server_in(home: Path, **options: Any) -> EmbeddedServer:
    return EmbeddedServer(home, **{"bindir": programs(), "settings": {"fsync": "off"}, **options})


def ask(conninfo: str, query: str) -> Any:
    with psycopg.connect(conninfo, autocommit=True, connect_timeout=5) as connection:
        cursor = connection.execute(query.encode())
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def postmaster(home: Path) -> int:
    return int((home / "postgres/data/postmaster.pid").read_text().split()[0])


def socket_folder(conninfo: str) -> Path:
    return Path(str(conninfo_to_dict(conninfo)["host"]))


def is_running(conninfo: str) -> bool:
    try:
        ask(conninfo, "SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


# --- Shared


def test_it_is_shared_and_stops_with_the_last_of_its_users(home: Path) -> None:
    first = User(home)
    conninfo = first.conninfo()
    second = User(home)

    assert second.conninfo() == conninfo
    first.leave()
    assert is_running(conninfo)
    second.leave()
    assert not is_running(conninfo)
    assert not socket_folder(conninfo).exists()
    assert not (home / "postgres/data/postmaster.pid").exists()


@pytest.mark.slow
def test_several_who_come_at_once_to_a_new_folder_get_one_server(new_home: Path) -> None:
    users = [User(new_home) for _ in range(4)]

    assert len({user.conninfo() for user in users}) == 1
    for user in users:
        user.leave()


def test_what_was_written_is_there_the_next_time(home: Path) -> None:
    with server_in(home) as server:
        ask(server.conninfo, "CREATE TABLE kept AS SELECT 42 AS answer")
        ask(server.conninfo, "CHECKPOINT")

    with server_in(home) as server:
        assert ask(server.conninfo, "SELECT answer FROM kept") == 42


# --- After crashes


def test_after_a_kill_of_its_user_the_next_one_takes_it_over(home: Path) -> None:
    killed = User(home)
    conninfo = killed.conninfo()
    pid = postmaster(home)
    killed.kill()
    assert is_running(conninfo)

    following = User(home)

    assert (following.conninfo(), postmaster(home)) == (conninfo, pid)
    following.leave()
    assert not is_running(conninfo)


@pytest.mark.slow
def test_after_a_kill_of_the_server_itself_it_starts_again_with_its_data(home: Path) -> None:
    first = User(home)
    conninfo = first.conninfo()
    ask(conninfo, "CREATE TABLE kept AS SELECT 42 AS answer")
    ask(conninfo, "CHECKPOINT")
    os.kill(postmaster(home), signal.SIGKILL)

    second = User(home)

    again = second.conninfo()
    assert ask(again, "SELECT answer FROM kept") == 42
    # The first one did not leave yet; when it does, the server stays for the second.
    first.leave()
    assert is_running(again)
    second.leave()
    assert not is_running(again)
    assert not socket_folder(conninfo).exists()


STALE = {
    "empty": "",
    "zeros": "\0\0\0\0",
    "garbled": "not a pid\n",
    # Of a process that is alive and no server, as after a restart of the machine.
    "alive": f"{os.getpid()}\n/data\n1\n5432\n/tmp/catalog-socket-gone\n\n1 2\nready   \n",
    "alive, without a socket": f"{os.getpid()}\n/data\n1\n5432\n\n\n1 2\nstarting\n",
    "alive, cut off": f"{os.getpid()}\n",
    "dead": "4194303\n/data\n1\n5432\n/tmp/catalog-socket-gone\n\n1 2\nready   \n",
}


@pytest.mark.slow
def test_a_pid_file_that_a_crash_left_does_not_block_the_next_start(home: Path) -> None:
    with server_in(home) as server:
        owner = server.data.stat()

    for kind, content in STALE.items():
        pid_file = server.data / "postmaster.pid"
        pid_file.write_text(content)
        os.chown(pid_file, owner.st_uid, owner.st_gid)
        began = time.monotonic()
        with server_in(home) as started:
            assert ask(started.conninfo, "SELECT 1") == 1, kind
        assert time.monotonic() - began < 10, kind


@pytest.mark.slow
def test_what_an_interrupted_initdb_left_is_made_anew(home: Path) -> None:
    with server_in(home):
        pass
    data = home / "postgres/data"
    unfinished = data.rename(home / "postgres/data.unfinished")
    (unfinished / "PG_VERSION").unlink()

    with server_in(home) as server:
        assert ask(server.conninfo, "SELECT 1") == 1
    assert not unfinished.exists()


# --- Places


@pytest.mark.slow
@pytest.mark.few(1)
@pytest.mark.parametrize(
    "name",
    [
        'it\'s a "quoted" größe-日本-\U0001f600',
        "$HOME `id` $(id) %s \\n;&*",
        "-D --help",
        "/".join(["long" * 12] * 8),
    ],
    ids=["letters", "shell", "dashes", "long"],
)
def test_it_works_in_any_folder(new_home: Path, name: str) -> None:
    place = new_home.parent / name / ".catalog"

    with clean(place), server_in(place) as server:
        assert ask(server.conninfo, "SELECT 1") == 1
        assert server.data.is_dir()
        assert str(server.data) in server.place


@pytest.mark.slow
def test_the_path_of_its_socket_is_short(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = home.parent / ("x" * 120)
    long.mkdir()
    monkeypatch.setenv("TMPDIR", str(long))

    with server_in(home) as server:
        [socket] = socket_folder(server.conninfo).glob(".s.PGSQL.*[0-9]")
        assert len(os.fsencode(socket)) < 104


@pytest.mark.slow
@only_root
def test_root_in_a_folder_closed_to_others_gets_a_place_of_its_own(new_home: Path) -> None:
    closed = new_home.parent / "closed"
    closed.mkdir(mode=0o700)
    before = modes(closed)
    accounts = Path("/etc/passwd").read_text()

    with clean(closed / "clone/.catalog") as place:
        (closed / "clone").mkdir(mode=0o755)
        with server_in(place) as server:
            elsewhere = Path((place / "elsewhere").read_text())
            assert elsewhere.parent == Path("/var/tmp")
            assert str(elsewhere) in server.place
            assert ask(server.conninfo, "SELECT 1") == 1
            ask(server.conninfo, "CREATE TABLE kept AS SELECT 42 AS answer")
            copied = server.bindir.stat().st_ctime_ns
        # Nobody else can look inside.
        assert not stat.S_IMODE(elsewhere.stat().st_mode) & 0o007
        assert stat.S_IMODE((elsewhere / "postgres").stat().st_mode) == 0o700

        with server_in(place) as again:
            assert ask(again.conninfo, "SELECT answer FROM kept") == 42
            assert again.bindir.stat().st_ctime_ns == copied
        assert modes(closed) == before
        assert Path("/etc/passwd").read_text() == accounts


def modes(folder: Path) -> dict[Path, tuple[int, int, int]]:
    """Permissions and owner of a folder and of all above it, and of the programs'."""
    folders = {folder, *folder.parents, *embedded_bindir().parents, embedded_bindir(), Path.home()}
    found = {each: each.stat() for each in folders}
    return {each: (of.st_mode, of.st_uid, of.st_gid) for each, of in found.items()}


@pytest.mark.slow
def test_no_folder_that_was_there_before_is_changed(new_home: Path) -> None:
    before = modes(new_home.parent)

    with server_in(new_home):
        pass

    assert modes(new_home.parent) == before


@pytest.mark.slow
@only_root
def test_a_strict_umask_of_root_does_not_keep_the_server_out(new_home: Path) -> None:
    user = User(new_home, umask=0o077)

    assert is_running(user.conninfo())
    user.leave()
    assert not (new_home / "elsewhere").exists()


# --- Private


@pytest.mark.slow
def test_its_data_is_for_its_owner_alone(new_home: Path) -> None:
    with server_in(new_home) as server:
        for folder in (new_home / "postgres", server.data, socket_folder(server.conninfo)):
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700, folder


def test_it_listens_on_no_network(home: Path) -> None:
    with server_in(home) as server:
        assert ask(server.conninfo, "SHOW listen_addresses") == ""


@pytest.mark.slow
@only_root
def test_for_root_it_runs_as_a_user_that_is_there_already(home: Path) -> None:
    with server_in(home) as server:
        owner = Path(f"/proc/{postmaster(home)}").stat().st_uid
        assert pwd.getpwuid(owner).pw_name in ("postgres", "nobody")
        assert server.data.stat().st_uid == owner


@only_root
@pytest.mark.slow
def test_an_ordinary_user_runs_it_as_himself(new_home: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    as_nobody: dict[str, Any] = {
        "user": nobody.pw_uid,
        "group": nobody.pw_gid,
        "extra_groups": [],
        "cwd": "/",
    }
    # What is needed, where everybody can read it: the clone may lie in root's home.
    library = new_home.parent / "library"
    shutil.copytree(ROOT / "catalog", library / "catalog")
    [packages] = (ROOT / ".venv").glob("lib/python*/site-packages")
    for name in ("psycopg", "psycopg_binary*", "dotenv", "typing_extensions.py"):
        for found in packages.glob(name):
            copy = shutil.copytree if found.is_dir() else shutil.copy2
            copy(found, library / found.name)
    bindir = copy_programs(library)
    new_home.mkdir()
    os.chown(new_home, nobody.pw_uid, nobody.pw_gid)
    environment = {"PATH": os.defpath, "PYTHONPATH": str(library)}
    python = a_python_for(environment, **as_nobody)

    user = User(
        new_home,
        args=[python, "-c", USER, str(new_home), str(bindir)],
        env=environment,
        **as_nobody,
    )

    conninfo = user.conninfo()
    assert is_running(conninfo)
    assert Path(f"/proc/{postmaster(new_home)}").stat().st_uid == nobody.pw_uid
    assert (new_home / "postgres").stat().st_uid == nobody.pw_uid
    user.leave()
    assert not is_running(conninfo)


def a_python_for(environment: dict[str, str], **options: Any) -> str:
    """A Python that another user can run, and that the copied packages fit."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    candidates = [sys.executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}"]
    for python in candidates:
        try:
            subprocess.run(
                [python, "-c", "import psycopg"],
                env=environment,
                check=True,
                capture_output=True,
                **options,
            )
        except (OSError, subprocess.CalledProcessError):
            continue
        return python
    pytest.skip(f"no {version} that user nobody can run")


# --- Undisturbed


@pytest.mark.slow
def test_variables_of_postgres_do_not_disturb_the_commands(tree: Tree) -> None:
    hostile = {
        "PGDATA": "/nowhere",
        "PGPORT": "1",
        "PGHOST": "x.invalid",
        "PGHOSTADDR": "127.0.0.1",
        "PGUSER": "nobody-known",
        "PGDATABASE": "nowhere",
        "PGPASSWORD": "S3cr3t",
        "PGSSLMODE": "verify-full",
        "PGCHANNELBINDING": "require",
        "PGOPTIONS": "-c search_path=nowhere",
        "PGSERVICE": "nowhere",
        "PGTARGETSESSIONATTRS": "read-only",
        "LC_ALL": "xx_XX",
        "LANG": "xx_XX",
    }

    done = tree.run("migrate", "status", env=hostile)

    assert (done.code, done.err) == (0, "")
    assert "the embedded Postgres (data in " in done.out


# --- What it cannot work with


def test_data_of_another_version_is_one_clear_error(home: Path) -> None:
    with server_in(home) as server:
        version = server.data / "PG_VERSION"
    version.write_text("16\n")

    with pytest.raises(EmbeddedServerError, match="was made by Postgres 16, and this is 18"):
        server_in(home).__enter__()

    version.write_text("18\n")


@pytest.mark.slow
def test_a_server_that_does_not_start_is_one_clear_error(home: Path) -> None:
    with pytest.raises(EmbeddedServerError) as refused:
        server_in(home, settings={"shared_buffers": "nonsense"}).__enter__()

    assert "pg_ctl of the embedded Postgres failed" in str(refused.value)
    assert f"see {home / 'postgres/log'}" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_in_the_place_of_its_folder_is_one_clear_error(new_home: Path) -> None:
    new_home.touch()

    with pytest.raises(EmbeddedServerError, match=f"cannot use {new_home}: "):
        server_in(new_home).__enter__()
