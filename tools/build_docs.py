"""Regenerate the pages that are written from the code and the data: ``python -m tools.build_docs``.

Everything else under ``docs/`` is prose. A test holds each generated page equal to what this writes.
"""

from __future__ import annotations

import subprocess
import sys

PAGES = (
    ("tools.build_catalogue", "--reference"),
    ("tools.build_scenario_reference",),
    ("tools.build_rules_docs",),
)


def main() -> int:
    """Run each generator; the exit status is the number that failed."""
    failed = 0
    for module, *arguments in PAGES:
        print(f"{module} {' '.join(arguments)}".rstrip(), flush=True)
        failed += subprocess.run([sys.executable, "-m", module, *arguments], check=False).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
