"""Speed of the rules engine: single decisions after load, and the array path on one core."""

from __future__ import annotations

import datetime as dt
import time
from typing import Any


def measure_single(repeats: int = 3_000) -> dict[str, float]:
    """Median time of one decision and of one `check` by name, in microseconds."""
    from chipwise.rules import check, load_rulebook
    from chipwise.rules.decide import decide

    book = load_rulebook()
    questions = [
        ("a800-80-sxm", "CN", "CN", "2023-11-17"),
        ("h20-96", "CN", "CN", "2025-06-01"),
        ("l20", "SG", "unknown", "2024-06-01"),
        ("rtx-6000-ada", "CN", "unknown", "2024-06-01"),
    ]
    cases = [check(item, to=to, hq=hq, on=on).case for item, to, hq, on in questions]
    decided, checked = [], []
    for _ in range(repeats):
        for case, (item, to, hq, on) in zip(cases, questions, strict=True):
            start = time.perf_counter()
            decide(case, book)
            middle = time.perf_counter()
            check(item, to=to, hq=hq, on=on)
            decided.append(middle - start)
            checked.append(time.perf_counter() - middle)
    middle_of = len(decided) // 2
    return {
        "decide_us": sorted(decided)[middle_of] * 1e6,
        "check_us": sorted(checked)[middle_of] * 1e6,
        "decide_p99_us": sorted(decided)[int(len(decided) * 0.99)] * 1e6,
    }


def measure_sweep() -> dict[str, float]:
    """Full decisions a second over every chip, three buyers in every country, and 230 weeks."""
    from chipwise.catalogue import load_catalogue
    from chipwise.rules import load_rulebook
    from chipwise.rules.items import case_for
    from chipwise.rules.vector import Party, sweep

    book, catalogue = load_rulebook(), load_catalogue()
    first = dt.date(2022, 8, 1)
    items = [case_for(chip, on=first, to="US", hq="US", rulebook=book, catalogue=catalogue) for chip in catalogue.chips]
    codes = [row["code"] for row in book.tables["country_groups"]["rows"]]
    parties = [Party(to=code, hq=hq) for code in codes for hq in (code, "CN", "unknown")]
    days = [first + dt.timedelta(days=7 * week) for week in range(230)]
    for day in days:
        book.law(day)
    start = time.process_time()
    found = sweep(items, parties, days, book)
    seconds = time.process_time() - start
    return {"decisions": float(found.outcome.size), "seconds": seconds, "per_s": found.outcome.size / seconds}


def run() -> dict[str, Any]:
    """Every figure, by name."""
    return {"rules_single": measure_single(), "rules_sweep": measure_sweep()}


if __name__ == "__main__":
    for name, figures in run().items():
        print(name, {key: round(value, 2) for key, value in figures.items()})
