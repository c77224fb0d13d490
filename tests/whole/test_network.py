"""A network that swallows packets without closing anything, between two hosts of the test's own."""

from __future__ import annotations

import os
import subprocess
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from catalog.embedded import embedded_bindir
from tests.whole.projects import wait_for
from tests.whole.servers import password_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.whole.projects import Project

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can make hosts of its own"),
]

NOTICED_WITHIN = 50  # seconds; the probes give up after 25, and the clocks of two hosts add up
SLEEPING = (
    "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(2)%' AND pid <> pg_backend_pid()"
)


@dataclass(frozen=True)
class Host:
    """A machine of its own, one cable away from this one."""

    name: str
    cable: str
    address: str
    """Of this machine, at its end of the cable."""

    def start(self, project: Project, *arguments: str) -> subprocess.Popen[str]:
        """Run `bin/migrate` over there."""
        command = [str(project.tree.path / "bin/migrate"), "--dir", str(project.folder), *arguments]
        return subprocess.Popen(
            ["ip", "netns", "exec", self.name, *command],
            cwd=project.folder,
            env=project.tree.environment(DATABASE_URL=project.database),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @contextmanager
    def unplugged(self) -> Iterator[None]:
        """No packet arrives at either end; the far one does not even see that."""
        ip("link", "set", self.cable, "down")
        try:
            yield
        finally:
            ip("link", "set", self.cable, "up")

    @contextmanager
    def switched_off(self) -> Iterator[None]:
        """The same, and it is this end that does not see it: packets go out and are lost."""
        ip("-n", self.name, "link", "set", "cable", "down")
        try:
            yield
        finally:
            ip("-n", self.name, "link", "set", "cable", "up")


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@pytest.fixture
def host() -> Iterator[Host]:
    number = uuid.uuid4().int
    name, cable = f"catalog-{number % 10**8}", f"cat{number % 10**8}a"
    network = f"10.213.{number % 250}"
    ip("netns", "add", name)
    try:
        ip("link", "add", cable, "type", "veth", "peer", "name", "cable", "netns", name)
        ip("addr", "add", f"{network}.1/30", "dev", cable)
        ip("link", "set", cable, "up")
        ip("-n", name, "addr", "add", f"{network}.2/30", "dev", "cable")
        ip("-n", name, "link", "set", "cable", "up")
        yield Host(name, cable, f"{network}.1")
    finally:
        ip("netns", "delete", name)


@pytest.fixture
def project(project: Project, host: Host) -> Iterator[Project]:
    """On a server that listens at this machine's end of the cable."""
    with password_server(
        embedded_bindir(),
        initdb_options=["--locale=C"],
        settings={"listen_addresses": f"127.0.0.1,{host.address}"},
    ) as (_, address):
        yield replace(project, database=address.but(host=host.address).url)


@pytest.fixture
def near(project: Project, host: Host) -> Project:
    """The same without the cable."""
    return replace(project, database=project.database.replace(host.address, "127.0.0.1"))


def write(project: Project) -> None:
    project.write(
        {
            "0001_sleep.up.sql": "SELECT pg_sleep(2);\nCREATE TABLE a (id int);",
            "0002_more.up.sql": "CREATE TABLE b (id int);",
        }
    )


def test_a_run_notices_that_its_network_is_gone_and_goes_on_when_it_is_back(
    project: Project, near: Project, host: Host
) -> None:
    write(project)
    runner = host.start(project, "up", "--wait", "120")
    wait_for(near, SLEEPING)

    with host.unplugged():
        assert line_with(runner, "waiting for") < NOTICED_WITHIN

    out, err = runner.communicate(timeout=60)
    assert (runner.returncode, err) == (0, "")
    assert "2 migrations applied" in out
    assert near.applied == ["0001_sleep", "0002_more"]


def test_the_lock_of_a_machine_that_vanished_is_free_soon(
    project: Project, near: Project, host: Host
) -> None:
    write(project)
    runner = host.start(project, "up")
    wait_for(near, SLEEPING)

    with host.switched_off():
        runner.kill()
        runner.communicate()
        began = time.monotonic()
        next_run = near.migrate("up", "--wait", str(NOTICED_WITHIN))

    assert next_run.code == 0, next_run
    assert time.monotonic() - began > 5  # else nothing was in its way
    assert near.applied == ["0001_sleep", "0002_more"]


def line_with(runner: subprocess.Popen[Any], words: str) -> float:
    """How many seconds until the run says so."""
    began = time.monotonic()
    assert runner.stdout
    for line in runner.stdout:
        if words in line:
            return time.monotonic() - began
    raise AssertionError(runner.stderr and runner.stderr.read())
