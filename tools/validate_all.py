"""Judge every model on measured cases and print the scores: ``make validate``."""

from __future__ import annotations

import subprocess
import sys

KINDS = ("rules", "runway", "training", "inference", "serving")


def main() -> int:
    """Run each validator on its shipped cases; the exit status is the number that could not run."""
    failed = 0
    for kind in KINDS:
        print(f"== {kind}", flush=True)
        done = subprocess.run([sys.executable, "-m", "chipwise.cli.main", "validate", kind], check=False)
        failed += done.returncode not in (0, 1)
    return failed


if __name__ == "__main__":
    sys.exit(main())
