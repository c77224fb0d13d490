"""What was found, as `bench/RESULTS.md`."""

from __future__ import annotations

from catalog.settings import ROOT

RECORD = ROOT / "bench/results.json"
