"""Copy the scenarios of a facts folder into the package, with the opt-in for home-made chips where it belongs.

Usage: python tools/build_scenarios.py FACTS_FOLDER

The files are taken as they stand, but for a few texts that a comma cuts and that are quoted here. Where a scenario
maps chips made in the buyer's own country to free and such purchases are known to have been made openly, the key
`accept_needs_counsel` is added at the end and noted at the head.
"""

from __future__ import annotations

import sys
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "src" / "chipwise" / "data" / "scenarios"

REASONS = {
    "baidu-2023": (
        "Baidu ordered 1600 Ascend 910B in August 2023 and had about 1000 by October, as was reported openly before "
        "the day of the decision; chips made in China are therefore planned with and marked for counsel",
        "Reuters 2023-11-07",
        False,
    ),
    "giants-2023-08": (
        "one member ordered Ascend 910B in this very month, as was reported openly afterwards; chips made in China "
        "are therefore planned with and marked for counsel",
        "Reuters 2023-11-07",
        True,
    ),
    "buyer-2026": (
        "ByteDance planned most of its chip budget in China for domestic vendors and Tencent announced domestic chips "
        "for the second half of 2026, both openly; chips made in China are therefore planned with and marked for "
        "counsel",
        "FT January 2025; China Daily Brief 2026-05-13",
        False,
    ),
}
CUT = (
    "order of magnitude from the Q3 2023 release, not re-verified",
    "west-east span, finance.md section 3",
    "token use of language models inside search and translation, no series",
)
"""Texts that stand unquoted between braces, where a comma cuts them; quoted here so that editors accept them."""

NOTE = "# Added to the facts: accept_needs_counsel, at the end.\n"


def shipped(name: str, text: str) -> str:
    """The file with its texts quoted and its addition, if it has one."""
    for cut in CUT:
        text = text.replace(f"assume: {cut}", f'assume: "{cut}"')
    if name not in REASONS:
        return text
    reason, source, ex_post = REASONS[name]
    first, rest = text.split("\n", 1)
    tail = ", ex_post: true" if ex_post else ""
    return f'{first}\n{NOTE}{rest.rstrip()}\naccept_needs_counsel: {{reason: "{reason}", src: "{source}"{tail}}}\n'


def main(facts: Path) -> None:
    """Write every scenario of the folder."""
    TARGET.mkdir(parents=True, exist_ok=True)
    for path in sorted((facts / "planning").glob("scenario-*.yaml")):
        name = path.stem.removeprefix("scenario-")
        (TARGET / f"{name}.yaml").write_text(shipped(name, path.read_text(encoding="utf-8")), encoding="utf-8")
        print(name)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
