"""Counts what the suite tried: distinct points at which a store was crashed, rounds of power cuts, injected errors.

A test that tries nothing would pass, so each count has a bound that a whole run must reach.
"""

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

LONG = os.environ.get("DRYSTONE_LONG") == "1"

# What a whole run must reach: in CI, and with `cargo xtask test --long`.
BOUNDS = {
    "crash points": (300, 3000),
    "power cuts under load": (80, 2000),
    "failed system calls": (200, 400),
    "errors of a disk": (60, 400),
    "damaged bytes and files": (100, 1000),
}


@dataclass
class Tally:
    """One file for each worker, one line for each thing that was tried."""

    folder: Path

    def add(self, what, name):
        assert what in BOUNDS, what
        self.folder.mkdir(exist_ok=True)
        worker = os.environ.get("PYTEST_XDIST_WORKER", "alone")
        with (self.folder / worker).open("a") as file:
            file.write(f"{what}\t{name}\n")

    def distinct(self):
        """How many different names there are of each."""
        if not self.folder.is_dir():
            return Counter()
        lines = {line for file in self.folder.iterdir() for line in file.read_text().splitlines()}
        return Counter(line.split("\t")[0] for line in lines)

    def lines(self):
        return [f"tried: {count} {what}" for what, count in sorted(self.distinct().items())]

    def missing(self):
        found = self.distinct()
        bounds = {what: pair[LONG] for what, pair in BOUNDS.items()}
        return [
            f"{found[what]} {what}, but at least {bound} belong to a run" for what, bound in bounds.items() if found[what] < bound
        ]
