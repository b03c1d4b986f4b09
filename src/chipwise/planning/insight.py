"""Why the plan says what it says: sentences computed from the solved plan and its re-solves, never written by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chipwise.planning.lines import PlanReading
from chipwise.planning.result import Sensitivity

SMALL_CHIPS = 0.5


def _bought_now(reading: PlanReading) -> float:
    return float(reading.order[0, reading.inputs.buy_lines].sum())


def _insurance(reading: PlanReading, moved: Sequence[Sensitivity]) -> Iterator[str]:
    """Whether today's purchase rests on one path of demand."""
    now = _bought_now(reading)
    certain = [entry for entry in moved if entry.label.startswith("demand follows the ")]
    if now < SMALL_CHIPS or not certain:
        return
    needless = [_path(entry.label) for entry in certain if entry.chips_bought_now < SMALL_CHIPS]
    needed = [entry for entry in certain if entry.chips_bought_now >= SMALL_CHIPS]
    if not needless:
        yield "Today's purchase is needed whichever path demand follows."
    elif needed:
        chance = sum(entry.central for entry in needed)
        paths = _either([_path(entry.label) for entry in needed])
        yield (
            f"Today's purchase is insurance: were demand known to follow the {_either(needless)} path, nothing would "
            f"be bought today; it is made for the {paths} path ({chance:.0%})."
        )


def _path(label: str) -> str:
    return label.removeprefix("demand follows the ").removesuffix(" path for certain")


def _either(names: Sequence[str]) -> str:
    return " or ".join(names)


def _idle(reading: PlanReading) -> Iterator[str]:
    """Chips held that get no work in the first month."""
    data = reading.inputs
    busy = (reading.train[0] + reading.final[0]).sum(axis=1)
    for operation, share in reading.operations_of(0):
        busy = busy + share * reading.serve[operation].sum(axis=1)
    idle = {
        chip: round(held - float(busy[index]))
        for index, (chip, held) in enumerate(zip(data.chips, data.held[0], strict=True))
        if round(held - float(busy[index])) >= max(1.0, 0.01 * held)
    }
    if idle:
        listed = ", ".join(f"{count:,} {chip}" for chip, count in sorted(idle.items(), key=lambda entry: -entry[1]))
        yield f"Held chips this plan leaves free in the first month: {listed}."


def _moved_to(entry: Sensitivity) -> str:
    """``monthly cap of l20 at 5000 chips``; a path of demand for certain has no number to tell."""
    if entry.label.startswith("demand follows the "):
        return f"demand known to follow the {_path(entry.label)} path"
    return f"{entry.label} at {entry.value:.4g} {entry.unit}".rstrip()


def _swings(reading: PlanReading, moved: Sequence[Sensitivity]) -> Iterator[str]:
    """The number whose range moves today's purchase most, and the one that moves missed work most."""
    now = _bought_now(reading)
    if moved:
        most = max(moved, key=lambda entry: abs(entry.chips_bought_now - now))
        if abs(most.chips_bought_now - now) >= SMALL_CHIPS:
            yield (
                f"Of all numbers moved one at a time, {_moved_to(most)} changes today's purchase most: "
                f"from {now:,.0f} to {most.chips_bought_now:,.0f} chips."
            )
        worst = max(moved, key=lambda entry: entry.missed_share)
        if worst.missed_share > 0.01:
            yield (
                f"Missed work is worst with {_moved_to(worst)}: {worst.missed_share:.0%} of tokens or training "
                "compute, whichever is more."
            )


def insights(reading: PlanReading, moved: Sequence[Sensitivity]) -> tuple[str, ...]:
    """Sentences that say what today's decision rests on; empty where nothing can be said."""
    return (*_insurance(reading, moved), *_idle(reading), *_swings(reading, moved))
