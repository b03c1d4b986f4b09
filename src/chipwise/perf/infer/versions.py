"""What the version of an engine changes: its host times, as far as its makers say."""

from __future__ import annotations

import re

from chipwise.core.errors import InputError
from chipwise.perf.tables import read_rows

_NUMBER = re.compile(r"^v?(\d+)(?:\.(\d+))?(?:\.(\d+))?")


def version_number(text: str) -> tuple[int, int, int]:
    """Major, minor and patch of a version.

    Raises
    ------
    InputError
        It does not begin with a number.

    Examples
    --------
    >>> version_number("v0.11.2rc1")
    (0, 11, 2)
    """
    found = _NUMBER.match(text.strip())
    if found is None:
        raise InputError(f"{text!r} is no version", place="engine_version", allowed="0.11.0, v1.0, …")
    major, minor, patch = (int(part or 0) for part in found.groups())
    return major, minor, patch


def host_factor(engine: str, version: str) -> tuple[float, str]:
    """Host times of a version over the fitted ones, and who says so; 1 where nothing is documented."""
    if not version:
        return 1.0, ""
    asked = version_number(version)
    best: tuple[float, str] = (1.0, "no overhead documented for this version")
    for row in read_rows("infer/versions.csv"):
        if row["engine"] == engine and version_number(row["from_version"]) <= asked:
            best = float(row["host"]), row["source"]
    return best
