"""How long a stock of chips lasts: four senses, each with its interval and what drives it, and the one that binds.

A reserve is a flow of useful work, not a pile that is used up, so a runway ends in four different ways: the research
programme outgrows the fleet, the next flagship no longer fits on the biggest cluster, inference squeezes training
out, or the chips wear out. One bare number is never given.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from chipwise.core.errors import InputError
from chipwise.core.units import DAYS_PER_YEAR
from chipwise.planning import runway_draws, runway_senses
from chipwise.planning.runway_inputs import ChipTable, runway_inputs
from chipwise.planning.runway_ranges import InputRange, RunwayInputs
from chipwise.planning.runway_result import Driver, Flip, Runway, RunwaySense, Variant
from chipwise.planning.runway_senses import SENSES
from chipwise.scenario.objects import Scenario

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["DRAWS", "Driver", "Flip", "Runway", "RunwaySense", "Variant", "runway", "runway_of_inputs"]

DRAWS = 200_000
MOST_DRAWS = 2_000_000


def runway(
    scenario: Scenario,
    *,
    draws: int = DRAWS,
    seed: int = 0,
    catalogue: ChipTable | None = None,
    known_on: dt.date | None = None,
    token_growth_per_year: float | None = None,
    serving_only: Collection[str] | None = None,
    serving_capacity_tokens_per_s: Mapping[str, float] | None = None,
) -> Runway:
    """How long the stock of a scenario lasts, in four senses.

    Parameters
    ----------
    scenario : Scenario
    draws : int
        Monte Carlo draws over the ranges, 1,000 to 2,000,000.
    seed : int
        The same seed gives the same answer.
    catalogue : ChipTable, optional
        The shipped catalogue when not given.
    known_on : datetime.date, optional
        Leave out figures that became public later; what needs them is undetermined.
    token_growth_per_year : float, optional
        Factor by which tokens grow, instead of the mean growth of the scenario's paths.
    serving_only : collection of str, optional
        Chip ids that serve only; by default those without a published bf16 rate.
    serving_capacity_tokens_per_s : mapping of str to float, optional
        Chip id → tokens a second and chip averaged over the day; adds the squeeze by serving yields as a variant.

    Returns
    -------
    Runway

    Raises
    ------
    InputError
        `draws` or `seed` out of range.
    UnknownName
        The catalogue does not know a chip of the stock.
    """
    if catalogue is None:
        from chipwise.catalogue import load_catalogue

        catalogue = load_catalogue()
    inputs = runway_inputs(
        scenario,
        catalogue,
        known_on=known_on,
        token_growth_per_year=token_growth_per_year,
        serving_only=serving_only,
    )
    return runway_of_inputs(inputs, draws=draws, seed=seed, serving_capacity_tokens_per_s=serving_capacity_tokens_per_s)


def runway_of_inputs(
    inputs: RunwayInputs,
    *,
    draws: int = DRAWS,
    seed: int = 0,
    serving_capacity_tokens_per_s: Mapping[str, float] | None = None,
) -> Runway:
    """The same from inputs that are at hand already; parameters as in `runway`."""
    if not 1_000 <= draws <= MOST_DRAWS:
        raise InputError(f"{draws} draws", place="draws", allowed=f"1,000 to {MOST_DRAWS:,}")
    if seed < 0:
        raise InputError(f"seed {seed}", place="seed", allowed="0 or more")
    centre = runway_senses.central_values(inputs)
    found = {name: float(years) for name, years in runway_senses.evaluate(inputs, centre).items()}
    central = {name: years for name, years in found.items() if not math.isnan(years)}
    values = runway_draws.draw_values(inputs, draws, seed)
    years = runway_senses.evaluate(inputs, values, central)
    ranks = runway_draws.rank_inputs(values) if years else {}
    senses = {
        name: _sense(inputs, name, central[name], years[name], ranks, draws)
        if name in central
        else RunwaySense(name=name, years=None, undetermined=_why(inputs, name))
        for name in SENSES
    }
    if senses["squeeze"].determined:
        variants = _variants(inputs, centre, values, serving_capacity_tokens_per_s)
        senses["squeeze"] = replace(senses["squeeze"], variants=variants)
    ending = [name for name in SENSES if math.isfinite(central.get(name, math.inf))]
    return Runway(
        scenario_id=inputs.scenario_id,
        as_of=inputs.as_of,
        draws=draws,
        seed=seed,
        **senses,
        binding=min(ending, key=lambda name: central[name]) if ending else None,
        binding_shares=runway_draws.binding_shares(years) if years else {},
        sensitive=_flips(inputs, centre),
        warnings=_warnings(inputs, tuple(senses.values())),
    )


def _why(inputs: RunwayInputs, name: str) -> str:
    reason = f"missing: {', '.join(runway_senses.missing(inputs, name))}"
    return f"{reason}; left out as not yet public: {', '.join(inputs.withheld)}" if inputs.withheld else reason


def _sense(
    inputs: RunwayInputs,
    name: str,
    central: float,
    years: NDArray[np.float64],
    ranks: Mapping[str, NDArray[np.float64]],
    draws: int,
) -> RunwaySense:
    import numpy as np

    used = runway_senses.ranges_used(inputs, name)
    spread = runway_draws.spread(np.array(np.broadcast_to(years, (draws,))), ranks, used)
    return RunwaySense(
        name=name,
        years=central,
        low=_known(spread.p05),
        high=_known(spread.p95),
        p10=_known(spread.p10),
        median=_known(spread.median),
        p90=_known(spread.p90),
        probability_at_least_one_year=_known(spread.at_least_one_year),
        probability_zero=spread.zero,
        ends_on=_end(inputs.as_of, central),
        inputs=used,
        drivers=tuple(Driver(input=e.name, label=e.label, rank_correlation=rho) for e, rho in spread.drivers),
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _end(as_of: dt.date, years: float) -> dt.date | None:
    if not math.isfinite(years):
        return None
    days = round(years * DAYS_PER_YEAR)
    return as_of + dt.timedelta(days=days) if days <= (dt.date.max - as_of).days else None


def _variants(
    inputs: RunwayInputs,
    centre: Mapping[str, NDArray[np.float64]],
    values: Mapping[str, NDArray[np.float64]],
    tokens_per_s: Mapping[str, float] | None,
) -> tuple[Variant, ...]:
    found: list[Variant] = []
    wanted = inputs.growth_per_year
    if wanted is not None and wanted.value != float(centre["token_growth_per_year"]):
        changed = {**centre, "token_growth_per_year": centre[wanted.name]}
        slower = float(runway_senses.evaluate(inputs, changed, ["squeeze"])["squeeze"])
        note = f"tokens growing {wanted.value:.3g}x a year, as the compute wanted does"
        found.append(Variant(name="tokens grow like compute", years=slower, low=None, high=None, note=note))
    if tokens_per_s is not None:
        by_yield, left_out = runway_senses.squeeze_by_yield(inputs, centre, tokens_per_s)
        drawn, _ = runway_senses.squeeze_by_yield(inputs, values, tokens_per_s)
        spread = runway_draws.spread(drawn.reshape(-1), {}, ())
        note = "capacity from the serving yield of each chip instead of FLOP at a utilisation"
        if left_out:
            note += f"; a lower bound, no yield for {', '.join(left_out)}"
        found.append(
            Variant(
                name="by serving yield",
                years=float(by_yield),
                low=_known(spread.p05),
                high=_known(spread.p95),
                note=note,
            )
        )
    return tuple(found)


def _flips(inputs: RunwayInputs, centre: Mapping[str, NDArray[np.float64]]) -> tuple[Flip, ...]:
    """Senses that swing from zero to over a year as the final-run share, the flagship size, or both move."""
    unsure = [entry for entry in inputs.ranges() if entry.name in {"final_run_share", inputs.flagship} and entry.drawn]
    found: list[Flip] = []
    for name in SENSES:
        for moved in [*([entry] for entry in unsure), *([unsure] if len(unsure) > 1 else [])]:
            years = _corner_years(inputs, centre, name, moved)
            if years and min(years) == 0.0 and max(years) > 1.0:
                labels = tuple(entry.label for entry in moved)
                found.append(Flip(sense=name, inputs=labels, shortest_years=min(years), longest_years=max(years)))
                break
    return tuple(found)


def _corner_years(
    inputs: RunwayInputs, centre: Mapping[str, NDArray[np.float64]], name: str, moved: list[InputRange]
) -> list[float]:
    import itertools

    import numpy as np

    out: list[float] = []
    for corner in itertools.product(*[(entry.low, entry.value, entry.high) for entry in moved]):
        values = {**centre, **{entry.name: np.asarray(v) for entry, v in zip(moved, corner, strict=True)}}
        out += [float(years) for years in runway_senses.evaluate(inputs, values, [name]).values()]
    return out


def _warnings(inputs: RunwayInputs, senses: tuple[RunwaySense, ...]) -> tuple[str, ...]:
    used = {entry.name: entry for sense in senses for entry in sense.inputs}
    out = [
        f"{sense.name} has ended already with central inputs, but where it has not, nobody can say when without "
        f"{', '.join(runway_senses.missing(inputs, sense.name))}"
        for sense in senses
        if sense.determined and runway_senses.missing(inputs, sense.name)
    ]
    out += [
        f"{entry.label} rests on evidence published after {inputs.as_of.isoformat()} ({entry.source})"
        for entry in used.values()
        if entry.ex_post
    ]
    if inputs.cluster_chips is None and "run_days" in used:
        out.append("largest cluster not stated: all chips of a type are taken to work as one")
    only = sorted({line.chip_id for line in inputs.fleet if not line.trains})
    if only:
        out.append(f"counted for serving only: {', '.join(only)}")
    return tuple(out)
