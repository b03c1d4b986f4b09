"""The four senses on numbers: which inputs each needs, and years from floats or from draws alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from chipwise.planning.runway_ranges import InputRange, RunwayInputs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

SENSES = ("programme", "flagship", "squeeze", "wear")
"""T1 to T4, in this order everywhere."""

_NEEDS = {
    "programme": (
        "training_share",
        "availability",
        "mfu",
        "attrition_per_year",
        "final_run_share",
        "growth_per_year",
    ),
    "flagship": ("availability", "mfu", "growth_per_year"),
    "squeeze": (
        "training_share",
        "serving_utilisation",
        "attrition_per_year",
        "tokens_per_day",
        "token_growth_per_year",
    ),
    "wear": ("attrition_per_year",),
}
_RATES = ("growth_per_year", "token_growth_per_year", "attrition_per_year")
_PLACES = {
    "training_share": "fleet_use.training_share",
    "availability": "fleet_use.availability",
    "mfu": "fleet_use.mfu",
    "attrition_per_year": "fleet_use.attrition_per_year",
    "serving_utilisation": "fleet_use.serving_utilisation",
    "final_run_share": "demand.final_run_share_of_research_compute",
    "growth_per_year": "demand.growth_per_year",
    "tokens_per_day": "demand.inference.paths",
    "token_growth_per_year": "growth of demand.inference.paths",
}


def missing(inputs: RunwayInputs, sense: str) -> tuple[str, ...]:
    """What the scenario lacks for `sense`, by its place in the file."""
    gaps = [_PLACES[name] for name in _NEEDS[sense] if getattr(inputs, name) is None]
    held = [line for line in inputs.fleet if line.chips.high > 0.0]
    if not held:
        gaps.append("stock (no chips are listed)")
    counted = held if sense == "squeeze" else [line for line in held if line.trains]
    gaps += [f"16-bit peak of {line.chip_id}" for line in counted if line.peak_flops is None]
    if sense in {"programme", "flagship"} and not inputs.flagship:
        gaps.append("demand.training (no run is left to do)")
    elif sense == "programme" and not any(run.runs_per_year > 0.0 for run in inputs.runs):
        gaps.append("demand.training (no run falls due within twelve months)")
    if sense == "flagship" and inputs.owners > 1:
        gaps.append(f"stock of one owner ({inputs.owners} are listed together)")
    if sense == "squeeze" and not inputs.serving:
        gaps.append("demand.inference.serving")
    return tuple(gaps)


def _open(inputs: RunwayInputs, sense: str) -> bool:
    """Whether `sense` can be evaluated: all that is missing, if anything, is a rate of change."""
    rates = {_PLACES[name] for name in _RATES} if sense != "wear" else set()
    return not set(missing(inputs, sense)) - rates


def ranges_used(inputs: RunwayInputs, sense: str) -> tuple[InputRange, ...]:
    """The inputs that enter `sense`."""
    names = set(_NEEDS[sense])
    lines = [line for line in inputs.fleet if line.trains or sense == "squeeze"]
    names |= {line.chips.name for line in lines} if sense != "wear" else set()
    names |= {line.peak_flops.name for line in lines if line.peak_flops is not None} if sense != "wear" else set()
    if sense == "programme":
        names |= {run.flop.name for run in inputs.runs}
    elif sense == "flagship":
        names |= {inputs.flagship, "run_days", "largest_cluster_chips"}
    elif sense == "squeeze":
        names |= {entry.name for line in inputs.serving for entry in (line.active_params, line.token_share)}
    elif inputs.spares > 0.0:
        names |= {"need_share", "largest_cluster_chips", *(line.chips.name for line in lines)}
    else:
        names |= {"need_share"}
    return tuple(entry for entry in inputs.ranges() if entry.name in names)


def central_values(inputs: RunwayInputs) -> dict[str, Array]:
    """Central value of every input."""
    import numpy as np

    return {entry.name: np.asarray(entry.value) for entry in inputs.ranges()}


def evaluate(inputs: RunwayInputs, values: Mapping[str, Array], senses: Iterable[str] = SENSES) -> dict[str, Array]:
    """Years of each determined sense on the given values, floats or draws alike.

    Parameters
    ----------
    inputs : RunwayInputs
        Which inputs there are and how they join.
    values : mapping of str to array
        Name of an input → its value or its draws.

    Returns
    -------
    dict of str to ndarray
        Sense → years; senses with a missing input are left out. Where only a rate of change is missing, the years
        are NaN, but 0 where the runway has ended already.
    """
    import math

    import numpy as np

    unknown = {name: np.asarray(math.nan) for name in _RATES}
    full = {**unknown, **values}
    steps = {"programme": _programme, "flagship": _flagship, "squeeze": _squeeze, "wear": _wear}
    return {sense: steps[sense](inputs, full) for sense in senses if _open(inputs, sense)}


def squeeze_by_yield(
    inputs: RunwayInputs, values: Mapping[str, Array], tokens_per_s: Mapping[str, float]
) -> tuple[Array, tuple[str, ...]]:
    """T3 with capacity in tokens: what each chip serves, instead of FLOP at a utilisation.

    Parameters
    ----------
    tokens_per_s : mapping of str to float
        Chip id → tokens (in and out) a second and chip, averaged over the day.

    Returns
    -------
    years : ndarray
    left_out : tuple of str
        Chips held for which no yield was given; they count as nothing, so the years are then a lower bound.
    """
    import numpy as np

    from chipwise.core.units import SECONDS_PER_DAY
    from chipwise.planning._runway_kernels import squeeze_years

    main, only, left_out = np.asarray(0.0), np.asarray(0.0), []
    for line in inputs.fleet:
        if line.chip_id not in tokens_per_s:
            left_out.append(line.chip_id)
            continue
        served = values[line.chips.name] * tokens_per_s[line.chip_id] * SECONDS_PER_DAY
        main, only = (main + served, only) if line.trains else (main, only + served)
    capacity = (1.0 - values["training_share"]) * main + only
    years = squeeze_years(
        values["tokens_per_day"], capacity, values["token_growth_per_year"], values["attrition_per_year"]
    )
    return years, tuple(left_out)


def _fleet_flops(inputs: RunwayInputs, values: Mapping[str, Array], *, trains: bool) -> Array:
    import numpy as np

    total = np.asarray(0.0)
    for line in inputs.fleet:
        if line.trains == trains and line.peak_flops is not None:
            total = total + values[line.chips.name] * values[line.peak_flops.name]
    return total


def _largest_cluster(inputs: RunwayInputs, values: Mapping[str, Array]) -> tuple[Array, Array]:
    """Strongest cluster of one type: peak FLOP/s and chips; training types first, serving types if there are none."""
    import numpy as np

    training = any(line.trains for line in inputs.fleet)
    held: dict[str, tuple[Array, Array]] = {}
    for line in inputs.fleet:
        if line.peak_flops is None or line.trains != training:
            continue
        before = held[line.chip_id][0] if line.chip_id in held else np.asarray(0.0)
        held[line.chip_id] = (before + values[line.chips.name], values[line.peak_flops.name])
    best_flops, best_chips = np.asarray(0.0), np.asarray(0.0)
    for counted, peak in held.values():
        chips = counted if inputs.cluster_chips is None else np.minimum(counted, values[inputs.cluster_chips.name])
        stronger = chips * peak > best_flops
        best_flops, best_chips = np.where(stronger, chips * peak, best_flops), np.where(stronger, chips, best_chips)
    return best_flops, best_chips


def _programme(inputs: RunwayInputs, values: Mapping[str, Array]) -> Array:
    from chipwise.planning._runway_kernels import annual_supply_flop, programme_years

    fleet = _fleet_flops(inputs, values, trains=True)
    supply = annual_supply_flop(fleet, values["mfu"], values["availability"], values["training_share"])
    demand = sum(run.runs_per_year * values[run.flop.name] for run in inputs.runs) / values["final_run_share"]
    return programme_years(supply, demand, values["growth_per_year"], values["attrition_per_year"])


def _flagship(inputs: RunwayInputs, values: Mapping[str, Array]) -> Array:
    import numpy as np

    from chipwise.planning._runway_kernels import flagship_years, largest_run_flop

    if not any(line.trains for line in inputs.fleet):
        return np.asarray(0.0)
    cluster, _ = _largest_cluster(inputs, values)
    largest = largest_run_flop(cluster, values["mfu"], values["availability"], values["run_days"])
    return flagship_years(largest, values[inputs.flagship], values["growth_per_year"])


def _squeeze(inputs: RunwayInputs, values: Mapping[str, Array]) -> Array:
    from chipwise.planning._runway_kernels import serving_need_flops, squeeze_years

    shares = sum(values[line.token_share.name] for line in inputs.serving)
    weighted = sum(values[line.token_share.name] * values[line.active_params.name] for line in inputs.serving)
    need = serving_need_flops(weighted / shares, values["tokens_per_day"], values["serving_utilisation"])
    capacity = (1.0 - values["training_share"]) * _fleet_flops(inputs, values, trains=True)
    capacity = capacity + _fleet_flops(inputs, values, trains=False)
    return squeeze_years(need, capacity, values["token_growth_per_year"], values["attrition_per_year"])


def _wear(inputs: RunwayInputs, values: Mapping[str, Array]) -> Array:
    import math

    from chipwise.planning._runway_kernels import wear_years

    _, chips = _largest_cluster(inputs, values)
    end = math.inf if inputs.support_end_years is None else inputs.support_end_years
    needed = values["need_share"] * chips
    return wear_years(chips, inputs.spares, needed, values["attrition_per_year"], inputs.repair_share, end)
