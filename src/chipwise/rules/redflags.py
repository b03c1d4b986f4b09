"""Requests that describe arranging a deal so that a requirement is avoided are declined, with the flag named."""

from __future__ import annotations

import functools
import re
from importlib import resources

from chipwise.core.errors import RedFlag
from chipwise.rules.rulebook import read_yaml


@functools.cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    text = resources.files("chipwise.data").joinpath("rules/red_flags.yaml").read_text(encoding="utf-8")
    flags = read_yaml(text, "red_flags.yaml")["flags"]
    return tuple((row["name"], re.compile("|".join(row["patterns"]), re.IGNORECASE | re.DOTALL)) for row in flags)


def red_flag(text: str) -> str:
    """Name of the red flag a text describes, or empty.

    Examples
    --------
    >>> red_flag("buy through a shell company in Singapore"), red_flag("training language models")
    ('shell buyer', '')
    """
    return next((name for name, pattern in _patterns() if pattern.search(text)), "")


def refuse_red_flags(*texts: str) -> None:
    """Decline a request whose words describe arranging round a requirement.

    Raises
    ------
    RedFlag
        Naming the flag.
    """
    for text in texts:
        flag = red_flag(text) if text else ""
        if flag:
            raise RedFlag(
                f"declined: the request shows the red flag {flag!r} (15 CFR Part 732, Supplement No. 3). chipwise does "
                "not help to arrange a deal so that a requirement is avoided; resolve the flag with counsel"
            )
