"""Mistakes of authors: a statement that fails, an applied file that is edited, or gone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bench.faults.history import table
from bench.faults.processes import numberless
from bench.faults.trial import Outcome, Scenario

if TYPE_CHECKING:
    from bench.faults.ground import Case, Ground
    from bench.tools import Action, Tool

STAYS = "what came before it in its file stays"
RECORDED = "it is recorded as applied"
KEPT = "the file before it stays applied"
MENDED = "mended, `up` succeeds and all is right"
BY_UP = "`up` notices"
BY_STATUS = "`status` notices"
REFUSED = "refused"
REVERTED = "reverted by what was kept"
ANOTHER = "another one reverted instead, exit 0"
NOTHING = "nothing done, exit 0"


def _half_applied(ground: Ground, tool: Tool, _: int) -> Outcome:
    first = table(1, "people")
    mended = table(2, "rooms", "CREATE TABLE app.stays (room integer);\n")
    failing = replace(mended, up="".join([mended.up, "INSERT INTO app.nowhere VALUES (1);\n"]))
    mended = replace(mended, down="DROP TABLE app.stays;\n" + mended.down)
    with ground.case(tool) as case:
        case.write([first, failing])
        failed = case.run("up")
        if failed.ok:
            raise RuntimeError(f"{tool.title} did not fail:\n{failed.output}")
        half = case.picture
        recorded = tool.recorded(case.direct, [first, failing])
        case.write([first, mended])
        again = case.run("up")
        is_right = again.ok and case.picture == ground.wanted([first, mended])
        return Outcome(
            {
                STAYS: (int("rooms" in half.rows), 1),
                RECORDED: (int(failing.name in recorded), 1),
                KEPT: (int("people" in half.rows and first.name in recorded), 1),
                MENDED: (int(is_right), 1),
            }
        ).but_said(*([] if is_right else [f"mended, `up` says: {again.complaint}"]))


def _edited(ground: Ground, tool: Tool, _: int) -> Outcome:
    first, second = table(1, "people"), table(2, "rooms")
    edited = table(1, "people", "CREATE TABLE app.stays (room integer);\n")
    counts: dict[str, tuple[int, int]] = {}
    with ground.case(tool) as case:
        case.prepare([first, second])
        before = {action: _answer(case, action) for action in _answering(case)}
        case.write([edited, second])
        for action, answer in before.items():
            noticed = _answer(case, action) != answer
            counts[BY_UP if action == "up" else BY_STATUS] = (int(noticed), 1)
    return Outcome(counts)


def _answering(case: Case) -> list[Action]:
    return [action for action in ("up", "status") if case.can(action)]


def _answer(case: Case, action: Action) -> tuple[int | None, str]:
    ended = case.run(action)
    return ended.code, numberless(ended.output)


def _missing(ground: Ground, tool: Tool, _: int) -> Outcome:
    migrations = [table(1, "people"), table(2, "rooms"), table(3, "stays")]
    with ground.case(tool) as case:
        case.prepare(migrations)
        for file in tool.files_of(case.folder, migrations[-1]):
            file.unlink()
        ended = case.run("down")
        left = list(case.picture.rows)
    outcomes = {
        REFUSED: left == ["people", "rooms", "stays"] and not ended.ok,
        REVERTED: left == ["people", "rooms"] and ended.ok,
        ANOTHER: "stays" in left and len(left) < len(migrations) and ended.ok,
        NOTHING: left == ["people", "rooms", "stays"] and ended.ok,
    }
    if sum(outcomes.values()) != 1:
        raise RuntimeError(f"{tool.title} left {left}, {ended.code}\n{ended.output}")
    counts = {heading: (int(happened), 1) for heading, happened in outcomes.items()}
    return Outcome(counts).but_said(*([] if ended.ok else [f"`down` says: {ended.complaint}"]))


def mistakes(*, quick: bool) -> list[Scenario]:
    """All three."""
    times = 1 if quick else 3
    return [
        Scenario(
            "half-applied",
            "The last statement of a file fails",
            "Of two pending files the second makes a table, and then a statement of it fails; then"
            " the file is mended, and `up` is run again.",
            [STAYS, RECORDED, KEPT, MENDED],
            times,
            _half_applied,
        ),
        Scenario(
            "edited",
            "An applied file is edited",
            "A statement is added to the first of two applied files: is the exit code or the output"
            " of the next `up` and `status` (of Alembic: `current`) another than before, numbers"
            " left aside?",
            [BY_UP, BY_STATUS],
            times,
            _edited,
        ),
        Scenario(
            "missing",
            "The newest applied file is gone, and is to be reverted",
            "Of three applied files the newest is deleted; then one migration is reverted.",
            [REFUSED, REVERTED, ANOTHER, NOTHING],
            times,
            _missing,
        ),
    ]
