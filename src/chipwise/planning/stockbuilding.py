"""Stock-building before a closure, in closed form: when a unit in stock pays, and how much stock is best.

One chip, two periods: it costs `now_usd` today and `later_usd` while the door is open; with probability `closure` the
door shuts and a missing unit is worth `missing_usd`; a unit too many is resold for `resale_usd`. Then the best stock Q
satisfies ``F(Q) = (p v + (1-p) c2 - c) / (p v + (1-p) c2 - s)`` for demand with distribution F, and stock pays at all
where ``p > (c - c2) / (v - c2)``. The classical newsvendor at p = 1 (Arrow, Harris and Marschak 1951).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from chipwise.core.errors import InputError
from chipwise.planning.inputs import PlanInputs
from chipwise.planning.model_frame import residual_share


@dataclass(frozen=True, slots=True, kw_only=True)
class StockCase:
    """One chip that can be had now and may be closed off later; money in USD."""

    now_usd: float
    later_usd: float
    missing_usd: float
    resale_usd: float
    closure: float


def break_even_closure(case: StockCase) -> float:
    """Probability of closure above which a unit in stock pays; 0 where buying later is no cheaper.

    Raises
    ------
    InputError
        When a missing unit is worth no more than buying it later, so that nothing is ever missed.

    Examples
    --------
    >>> round(break_even_closure(StockCase(now_usd=20, later_usd=18, missing_usd=32, resale_usd=10, closure=0.22)), 3)
    0.143
    """
    if case.missing_usd <= case.later_usd:
        raise InputError(
            f"a missing chip is worth USD {case.missing_usd:g}, no more than USD {case.later_usd:g} for one later",
            allowed="a value of a missing chip above the later price",
        )
    return min(1.0, max(0.0, (case.now_usd - case.later_usd) / (case.missing_usd - case.later_usd)))


def best_fractile(case: StockCase) -> float:
    """Share of the distribution of demand that the best stock covers, 0 to 1.

    Examples
    --------
    >>> round(best_fractile(StockCase(now_usd=20, later_usd=18, missing_usd=32, resale_usd=10, closure=0.22)), 4)
    0.0975
    """
    gain = case.closure * case.missing_usd + (1.0 - case.closure) * case.later_usd
    return min(1.0, max(0.0, (gain - case.now_usd) / (gain - case.resale_usd)))


def _closure_at_first_split(inputs: PlanInputs, chip_id: str) -> float:
    """Probability that the first change of the rules bars the chip; 0 where no change does."""
    outlook = inputs.scenario.outlook
    return sum(
        child.probability.value
        for child in outlook.root.children
        if outlook.states[child.state].gates[chip_id].kind == "barred"
    )


def stock_cases(inputs: PlanInputs) -> Iterator[tuple[str, StockCase]]:
    """Chips that may be bought today and that the first change of rules may bar, where a missing chip has a value.

    The later price is today's: no offer of a later day is assumed. Resale is the residual at the middle of the horizon.
    """
    worth = inputs.scenario.value_of_missing_chip_usd
    if worth is None:
        return
    age = inputs.tree.months / 24.0
    share = residual_share(age, dict(inputs.scenario.horizon.residual_by_age_years))
    for column in inputs.buy_lines:
        line = inputs.lines[column]
        price = line.price_usd_per_chip
        if line.chip_id is None or price is None or inputs.order_cap[0, column] <= 0.0:
            continue
        closure = _closure_at_first_split(inputs, line.chip_id)
        if closure > 0.0 and price.value < worth.value:
            yield (
                line.chip_id,
                StockCase(
                    now_usd=price.value,
                    later_usd=price.value,
                    missing_usd=worth.value,
                    resale_usd=share * price.value,
                    closure=closure,
                ),
            )


def stock_sentences(inputs: PlanInputs) -> tuple[str, ...]:
    """One sentence per chip: break-even probability of a closure, the outlook's, and the share of demand to cover."""
    return tuple(
        f"Stock of {chip} pays where the chance of a closure exceeds {break_even_closure(case):.1%}; the outlook gives "
        f"{case.closure:.0%} at the first change of rules, and the best stock covers {best_fractile(case):.0%} of the "
        "demand that might come (closed form, one chip, two periods)."
        for chip, case in stock_cases(inputs)
    )
