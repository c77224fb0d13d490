"""`bench/run`: measures this project beside what people would use instead."""

from __future__ import annotations

import argparse
import importlib

from bench import report, results
from bench.progress import say

PARTS = ("api", "growth", "runner", "faults")


def main() -> None:
    """Measure what is asked for, and write it down."""
    parser = argparse.ArgumentParser(prog="bench/run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything, in five minutes")
    parser.add_argument("--only", choices=PARTS, help="one part; the others' results stay")
    options = parser.parse_args()
    kept = {section.name: section for section in results.load(report.RECORD)}
    for name in [options.only] if options.only else PARTS:
        say(name)
        kept[name] = importlib.import_module(f"bench.{name}").measure(quick=options.quick)
        results.save([kept[part] for part in PARTS if part in kept], report.RECORD)


if __name__ == "__main__":
    main()
