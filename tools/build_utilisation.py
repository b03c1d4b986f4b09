"""Build the tables of `chipwise.perf` from the folder of facts.

    python tools/build_utilisation.py FACTS

Writes ``src/chipwise/data/perf/``: ``utilisation.csv``, ``utilisation_spread.csv`` and ``utilisation_sources.csv`` from
``FACTS/training/runs.csv``. The same facts give the same bytes. ``constants.csv`` beside them is written by hand, each
number with its source.
"""

from __future__ import annotations

import argparse
import csv
import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from chipwise.perf.peaks import family_key
from chipwise.perf.tables import constant
from chipwise.perf.training_rows import TrainingCase, read_case, why_not_taught
from chipwise.perf.utilisation import (
    RUNGS,
    GroupMedian,
    central,
    collect,
    kin_of,
    place_on_ladder,
    straggler_factor,
)

DATA = Path(__file__).resolve().parents[1] / "src" / "chipwise" / "data" / "perf"
COVERAGE = 0.90
TRAINING_SOURCE = "public training runs: utilisation_sources.csv has source and address of each group"
METHOD = {
    "chip": "median over source groups of the group's median, this chip",
    "family": "median over source groups of the group's median, same architecture and kind of memory",
    "vendor": "median over source groups of the group's median, same vendor",
    "generic": "median over vendors of the median over their source groups",
}


def read(path: Path) -> list[dict[str, str]]:
    """Rows of one CSV file."""
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def write(name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write one table and say how many rows it has."""
    with (DATA / name).open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"{name}: {len(rows)} rows")


def sound_cases(facts: Path, catalogue: Any) -> list[TrainingCase]:
    """Measured runs that may teach."""
    cases = []
    for row in read(facts / "training" / "runs.csv"):
        case = read_case(row, catalogue)
        if isinstance(case, TrainingCase) and not why_not_taught(case, row):
            cases.append(case)
    return cases


def normal_utilisation(case: TrainingCase) -> float:
    """Utilisation with the straggler share of the run's size taken out."""
    assert case.utilisation is not None
    return case.utilisation * straggler_factor(case.chips or 1.0)


def group_medians(cases: Iterable[TrainingCase]) -> list[GroupMedian]:
    """One entry per source group, chip and class."""
    found: dict[tuple[str, str, str], list[TrainingCase]] = defaultdict(list)
    for case in cases:
        found[case.source_group, case.chip.id, case.utilisation_class].append(case)
    return [
        GroupMedian(
            source_group=group,
            chip_id=chip_id,
            family=family_key(members[0].chip),
            vendor=members[0].chip.vendor,
            utilisation_class=name,
            values=tuple(normal_utilisation(case) for case in members),
        )
        for (group, chip_id, name), members in sorted(found.items(), key=lambda item: item[0])
    ]


def utilisation_rows(groups: Sequence[GroupMedian]) -> list[dict[str, Any]]:
    """The shipped table of utilisations."""
    order = {rung: index for index, rung in enumerate(RUNGS)}
    rows = []
    for (rung, key, name), medians in sorted(collect(groups).items(), key=lambda i: (order[i[0][0]], i[0][1:])):
        rows.append(
            {
                "rung": rung,
                "key": key,
                "class": name,
                "value": f"{central(medians, by_vendor=rung == 'generic'):.4f}",
                "n_groups": len(medians),
                "groups": ";".join(f"{label}={value:.4f}" for label, value in sorted(medians.items())),
                "method": METHOD[rung],
                "source": TRAINING_SOURCE,
            }
        )
    return rows


def covering_factor(errors: Mapping[str, Sequence[float]]) -> float:
    """Factor either way that holds 90 % of the errors, each group of them weighing the same."""
    weighted = sorted((abs(error), 1.0 / len(values)) for values in errors.values() for error in values)
    target = COVERAGE * len(errors)
    reached = 0.0
    for size, weight in weighted:
        reached += weight
        if reached >= target - 1e-9:
            return math.exp(size)
    return math.exp(weighted[-1][0])


def spread_errors(
    cases: Sequence[TrainingCase], groups: Sequence[GroupMedian]
) -> dict[tuple[str, str], dict[str, list[float]]]:
    """Logarithmic errors of rows predicted from other groups, by rung, kind of model and source group."""
    entries = collect(groups)
    errors: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for case in cases:
        kind = case.utilisation_class.rsplit(" ", 1)[1]
        actual = normal_utilisation(case)
        for rung in RUNGS:
            if rung == "single source":
                peers = [
                    g for g in groups if (g.chip_id, g.utilisation_class) == (case.chip.id, case.utilisation_class)
                ]
                for peer in peers:
                    if peer.source_group != case.source_group:
                        error = math.log(actual / statistics.median(peer.values))
                        errors[rung, kind][f"{case.source_group} from {peer.source_group}"].append(error)
                continue
            found = place_on_ladder(
                entries, kin_of(case.chip), case.utilisation_class, without=case.source_group, rungs=(rung,)
            )
            if found:
                value = central(found[2], by_vendor=rung == "generic")
                errors[rung, kind][case.source_group].append(math.log(actual / value))
    return errors


def spread_rows(cases: Sequence[TrainingCase], groups: Sequence[GroupMedian]) -> list[dict[str, Any]]:
    """90 % factor by rung and kind; a lower rung is never narrower than the one above, moe never than dense.

    Rungs without a measured relative take at least the factor found with whole families left out.
    """
    errors = spread_errors(cases, groups)
    unseen = constant("unseen_family_factor")
    rows: list[dict[str, Any]] = []
    for kind in ("dense", "moe"):
        own = {rung: covering_factor(errors[rung, kind]) for rung in RUNGS if errors.get((rung, kind))}
        floor = 1.0
        for index, rung in enumerate(RUNGS):
            nearest = next(own[name] for name in (*RUNGS[index:], *reversed(RUNGS[:index])) if name in own)
            floor = max(floor, nearest, unseen if rung in ("vendor", "generic") else 1.0)
            found = errors.get((rung, kind), {})
            rows.append(
                {
                    "rung": rung,
                    "kind": kind,
                    "factor": f"{floor:.4f}",
                    "own_factor": f"{own[rung]:.4f}" if rung in own else "",
                    "n_groups": len(found),
                    "n_rows": sum(len(values) for values in found.values()),
                    "method": "90 % of left-out errors, groups weighted equally; never narrower than the rung above",
                    "source": TRAINING_SOURCE,
                }
            )
    return rows


def _first(texts: Sequence[str], most: int = 3) -> str:
    """The first few texts, and how many more there are."""
    more = f" | and {len(texts) - most} more" if len(texts) > most else ""
    return " | ".join(texts[:most]) + more


def source_rows(facts: Path, groups: Sequence[GroupMedian]) -> list[dict[str, Any]]:
    """Source and address of every group that teaches."""
    taught = {group.source_group for group in groups}
    named: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for row in read(facts / "training" / "runs.csv"):
        if row["source_group"] in taught:
            named[row["source_group"]]["source"].add(row["source"])
            named[row["source_group"]]["address"].add(row["source_url"])
    return [
        {"source_group": name, **{field: _first(sorted(values)) for field, values in sorted(fields.items())}}
        for name, fields in sorted(named.items())
    ]


def build(facts: Path) -> None:
    """Write every table that is computed."""
    from chipwise.catalogue import load_catalogue

    catalogue = load_catalogue()
    cases = sound_cases(facts, catalogue)
    groups = group_medians(cases)
    write("utilisation.csv", utilisation_rows(groups))
    write("utilisation_spread.csv", spread_rows(cases, groups))
    write("utilisation_sources.csv", source_rows(facts, groups))


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("facts", type=Path, help="folder of facts")
    build(parser.parse_args().facts)


if __name__ == "__main__":
    main()
