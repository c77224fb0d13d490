"""`docs/neon.md`: what it derives is derived, and its workflow does what it says."""

from __future__ import annotations

import re
import shlex
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from catalog.migrations.arguments import parser
from catalog.settings import ROOT, load_settings
from tests.whole.readers import NEEDS_BASH

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.whole.trees import Tree

DOCUMENT = (ROOT / "docs/neon.md").read_text()
WORKFLOW: dict[Any, Any] = yaml.safe_load(
    "".join(re.findall(r"^```yaml\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL))
)
JOBS: dict[str, Any] = WORKFLOW["jobs"]
SHELL = [
    *re.findall(r"^```sh\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL),
    *(step["run"] for job in JOBS.values() for step in job["steps"] if "run" in step),
]
OF_THIS_REPOSITORY = "github.event.pull_request.head.repo.full_name == github.repository"


def commands() -> Iterator[list[str]]:
    """Yield the arguments of each `bin/migrate` in it."""
    for script in [*SHELL, *re.findall(r"`(bin/migrate [^`]+)`", DOCUMENT)]:
        for line in script.replace("\\\n", " ").splitlines():
            if found := re.match(r" *(?:\w+=\S+ )*bin/migrate ([^>|]*)", line):
                yield shlex.split(found[1])


@pytest.mark.parametrize("arguments", [*commands()], ids=" ".join)
def test_each_command_is_one(arguments: list[str]) -> None:
    assert parser().parse_args(arguments).command == arguments[0]


def test_other_commands_are_there() -> None:
    for name in set(re.findall(r"\bbin/(\w+)", DOCUMENT)):
        assert (ROOT / "bin" / name).is_file()


@NEEDS_BASH
@pytest.mark.parametrize("script", SHELL)
def test_each_script_is_one(script: str) -> None:
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0


def test_the_direct_host_is_derived_as_the_table_says(tmp_path: Path) -> None:
    pooled, direct = re.findall(r"^\| (?:pooled|direct) \| `(\S+)`", DOCUMENT, re.MULTILINE)
    [line] = re.findall(r"^DATABASE_URL=(postgresql://\S+)$", DOCUMENT, re.MULTILINE)
    file = tmp_path / ".env"
    file.write_text(f"DATABASE_URL={line}\n")

    settings = load_settings(environ={}, dotenv_path=file)

    assert settings.database
    assert settings.database.parameters["host"] == pooled
    migrations = settings.migrations_database()
    assert migrations
    assert migrations.parameters["host"] == direct
    assert migrations.parameters["sslmode"] == "require"


# --- The workflow


def test_a_fork_gets_no_secret() -> None:
    for name, job in JOBS.items():
        if "secrets." in yaml.safe_dump(job):
            assert OF_THIS_REPOSITORY in job["if"], name
    assert [*WORKFLOW[True]] == ["pull_request"]  # "on" is true in YAML
    assert "secrets." not in yaml.safe_dump(WORKFLOW["env"])


def test_each_job_may_do_no_more_than_it_has_to() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert {name: job["permissions"] for name, job in JOBS.items() if "permissions" in job} == {
        "plan": {"contents": "read", "pull-requests": "write"}
    }


def test_no_value_of_a_pull_request_is_pasted_into_a_script() -> None:
    assert not [script for script in SHELL if "${{" in script]


def test_no_step_that_runs_the_repositorys_code_has_a_key() -> None:
    for job in JOBS.values():
        for step in job["steps"]:
            if re.search(r"^ *bin/", step.get("run", ""), re.MULTILINE):
                assert "secrets." not in yaml.safe_dump(step)
                assert "token" not in yaml.safe_dump(step)


def test_it_refers_to_steps_that_are_there() -> None:
    for job in JOBS.values():
        known: set[str] = set()
        for step in job["steps"]:
            assert {*re.findall(r"steps\.(\w+)\.", yaml.safe_dump(step))} <= known
            known |= {step["id"]} if "id" in step else set()


def run(step: str, tree: Tree, folder: Path, database: str) -> tuple[int, str]:
    """Run a step of `plan` as GitHub does."""
    [script] = [each["run"] for each in JOBS["plan"]["steps"] if each.get("name") == step]
    output = folder / f"{step}.output"
    output.touch()
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=tree.path,
        env=tree.environment(DATABASE_URL=database, GITHUB_OUTPUT=str(output)),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr + output.read_text()


@pytest.mark.slow
def test_its_steps_do_what_they_say(own_tree: Tree, database: str, tmp_path: Path) -> None:
    applied = own_tree.run("migrate", "up", "--to", "4", env={"DATABASE_URL": database})
    assert applied.code == 0

    code, said = run("Plan", own_tree, tmp_path, database)
    assert (code, said.splitlines()[-1]) == (0, "code=0")
    comment = (own_tree.path / "comment.md").read_text()
    assert comment.startswith("<!-- bin/migrate plan -->\n")
    assert "    0006_index_titles_for_search: safe while the application runs\n" in comment
    code, said = run("Apply", own_tree, tmp_path, database)
    assert (code, "2 migrations applied" in said) == (0, True)
    code, said = run("Verify", own_tree, tmp_path, database)
    assert (code, "ok: the schema is that of" in said) == (0, True)

    (own_tree.path / "sql/migrations/0007_drop.up.sql").write_text('DROP TABLE "Books";')
    code, said = run("Plan", own_tree, tmp_path, database)
    assert (code, said.splitlines()[-1]) == (0, "code=1")
    assert "fails the plan" in (own_tree.path / "comment.md").read_text()


@pytest.mark.slow
def test_its_check_is_sound(own_tree: Tree) -> None:
    *_, step = JOBS["check"]["steps"]

    done = own_tree.run("migrate", *step["run"].split()[1:], cwd=own_tree.path)

    assert (done.code, "all sound" in done.out) == (0, True)
