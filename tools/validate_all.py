"""Judge every model on measured cases and print the scores: ``make validate``.

Rules and runway are judged on the cases that ship. The measured tables of training and inference do not ship in the
wheel (their terms differ): name the folder that holds ``training/runs.csv`` and ``inference/measurements.csv`` as the
first argument or in ``CHIPWISE_FACTS``; without it they are left out, and said to be.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SHIPPED = ("rules", "runway")
MEASURED = {"training": "training/runs.csv", "inference": "inference/measurements.csv"}


def main(arguments: list[str]) -> int:
    """Run each validator; the exit status is the number that could not run."""
    facts = Path(arguments[0] if arguments else os.environ.get("CHIPWISE_FACTS", ""))
    jobs = [[kind] for kind in SHIPPED]
    for kind, table in MEASURED.items():
        if arguments or os.environ.get("CHIPWISE_FACTS"):
            jobs.append([kind, str(facts / table)])
        else:
            print(f"{kind}: left out, no folder of measured tables was named (CHIPWISE_FACTS)")
    failed = 0
    for job in jobs:
        print(f"== {job[0]}", flush=True)
        done = subprocess.run([sys.executable, "-m", "chipwise.cli.main", "validate", *job], check=False)
        failed += done.returncode not in (0, 1)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
