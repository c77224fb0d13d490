"""The application of the Sequelize guide, installed for tests that hold ours against it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

GUIDE = Path(__file__).parent / "sequelize"


def database_variables(conninfo: str) -> dict[str, str]:
    """What its `config.js` reads."""
    named = conninfo_to_dict(conninfo)
    return {
        "DB_HOST": str(named["host"]),
        "DB_USER": str(named["user"]),
        "DB_NAME": str(named["dbname"]),
    }


def run(command: list[str], folder: Path, **variables: str) -> str:
    """Run a command that has to succeed, and return what it prints."""
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout
