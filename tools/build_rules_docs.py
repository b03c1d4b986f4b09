"""Write ``docs/explain/a800-to-china.md`` from the commands it shows.

Usage: ``python tools/build_rules_docs.py [FILE]``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from chipwise.rules import check
from chipwise.rules.report import explained_lines, summary_lines

DAYS = (
    (
        "2023-10-22",
        "The day before",
        """The first text of the rule, of October 2022, asked for two things at once: enough compute **and** enough
bandwidth to other chips. The A800 is an A100 with that bandwidth cut from 600 to 400 GB/s (464 GB/s with its PCIe
lanes), so it stayed outside, and no letter to its maker was in force.""",
    ),
    (
        "2023-10-23",
        "A letter brings the new rule forward",
        """The October 2023 rule was published on 17 October and would take effect on 17 November. On 23 October the
government told the maker, by letter, that the coming requirement applied to its data-center parts at once. The list
itself had not changed: the class says that a letter decides, and no review policy was published.""",
    ),
    (
        "2023-11-17",
        "The new list entry",
        """The new text drops the bandwidth test. Compute alone, or compute together with density, is enough; both hold
for the A800. It is a data-center item in 3A090.a, so no exception is open and an application would normally be
refused.""",
    ),
    (
        "2026-11-24",
        "Three years later",
        """Compute and memory bandwidth are below the lines of the conditional review of January 2026, but that review
is for products sold in the United States on 15 January 2026. The A800 was made for China, so the older policy stands.
The newest source read is of 24 September 2026: look for later law before relying on this.""",
    ),
)
HEAD = """# The A800 and China, on four days

One chip, one destination, four answers. Each block is what
`chipwise check a800-80-sxm --to CN --hq CN --on DAY --explain` prints. TPP, the unit of the law, is operations per
second (in 10^12) times the bit length of the numbers, at its highest over all number formats. Not legal advice: every
answer holds only if all parties are screened, which chipwise does not do.

The picture of the whole time: `chipwise rules timeline a800-80-sxm --to CN --out a800.svg`.
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for day, title, text in DAYS:
        verdict = check("a800-80-sxm", to="CN", hq="CN", on=day)
        lines = "\n".join((*summary_lines(verdict), *explained_lines(verdict)))
        parts.append(f"## {day}: {title}\n\n{text}\n\n```text\n{lines}\nNot legal advice.\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/explain/a800-to-china.md")
    target.write_text(page(), encoding="utf-8")
