"""`bench/run`: measures this project beside what people would use instead.

Writes bench/RESULTS.md, its plots in bench/plots, and what both are made of, bench/results.json.
Needs Debian's packages `nodejs`, `npm`, `wrk` and `pgbouncer`; the peers are installed under
bench/.cache. Everything runs on loopback. A quick run takes under five minutes, a
whole one under forty; to set up takes one more, once.
"""

from __future__ import annotations

import argparse
import importlib
import os
import shutil
import signal
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime

from bench import machine, report, results
from bench.agreement import agreement
from bench.packages import SOURCES, installed
from bench.progress import say

PARTS = ("api", "growth", "runner", "faults")
NEEDED = {"git": "git", "node": "nodejs", "npm": "npm", "wrk": "wrk", "pgbouncer": "pgbouncer"}


def main() -> None:
    """Measure what is asked for, and write it down."""
    parser = argparse.ArgumentParser(
        prog="bench/run", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="less of everything")
    parser.add_argument("--only", choices=PARTS, help="one part; the others' results stay")
    options = parser.parse_args()
    os.environ["PATH"] += f"{os.pathsep}/usr/sbin"  # where Debian's pgbouncer is
    lacking = sorted(package for tool, package in NEEDED.items() if not shutil.which(tool))
    if lacking:
        sys.exit(f"bench/run needs more than is here: apt-get install {' '.join(lacking)}")
    if not options.only:  # what one part needs, it sets up itself
        for source in (*SOURCES, report.DRAWING):
            installed(source)
    facts = machine.facts()
    kept = {section.name: section for section in results.load(report.RECORD)}
    for name in [options.only] if options.only else PARTS:
        say(f"{name} begins")
        began = time.monotonic()
        section = importlib.import_module(f"bench.{name}.measure").measure(quick=options.quick)
        how = {
            "Run": "quick" if options.quick else "whole",
            "Day": f"{datetime.now(UTC):%Y-%m-%d}",
            "Minutes": f"{(time.monotonic() - began) / 60:.1f}",
        }
        section = replace(section, machine={**how, **facts})
        kept[name] = replace(section, agreement=agreement(section, kept.get(name)))
        # What took long is kept, should the next part fail.
        results.save([kept[part] for part in PARTS if part in kept], report.RECORD)
    report.write()
    say("")
    print(report.REPORT.read_text())


if __name__ == "__main__":
    # Ended in whatever way, it ends the servers that it started.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("bench/run was interrupted; what was found so far is in bench/results.json")
