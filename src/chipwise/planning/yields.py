"""What each chip gives each workload in this scenario: FLOP/s of training by run, tokens/s of serving, watts.

The physics comes from `chipwise.perf`. The level of training utilisation is the scenario's own (a buyer knows its
stack); the training model's best layout on a cluster of the run's size says how far each chip stands above or below
the one that level speaks of, run by run, and whether the run fits at all. Tokens are input plus output.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from chipwise.catalogue import Catalogue
from chipwise.core.fact import Estimate
from chipwise.core.units import SECONDS_PER_DAY
from chipwise.files.content_cache import Answer, ContentCache
from chipwise.perf import day_load_factor
from chipwise.perf.tables import constant
from chipwise.planning.yield_answers import Service, estimate_of, serving_answer, training_answer
from chipwise.planning.yield_cache import yield_cache
from chipwise.scenario.objects import Quantity, Scenario, ServingWorkload, TrainingJob

SERVER_POWER_FACTOR = 1.5
"""Server power over chip power where no server is listed: 1.4 to 1.6 (planning facts, finance.md section 3)."""
LEAST_CLUSTER = 64
UNMEASURED = "data sheet only"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingFit:
    """What the training model itself says of one run on one chip, beside the level the scenario states.

    Parameters
    ----------
    chips : int
        Size of the run for which the layout was searched.
    layout : str
        The best layout found; empty where a figure of the chip or the model's shape is not published.
    mfu : Estimate
        The model's own share of peak.
    fits : bool
        Whether any layout fits the memory of that many chips.
    """

    chips: int
    layout: str
    mfu: Estimate
    fits: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipYield:
    """What one chip of one type gives.

    Parameters
    ----------
    training : dict of str to Estimate
        Useful FLOP/s by training job, availability included; absent where the chip cannot train it.
    serving : dict of str to Estimate
        Day-average tokens/s by workload name; absent when it cannot serve it.
    fits : dict of str to TrainingFit
        What the training model says, by job.
    power_w : float or None
        Wall power of one chip with its share of the server, before PUE.
    missing : dict of str to str
        Workload (``training``, ``train: <job>`` or the name of a serving class) → why there is no yield.
    """

    chip_id: str
    peak_flop_per_s: float | None
    training: dict[str, Estimate]
    serving: dict[str, Estimate]
    power_w: float | None
    missing: dict[str, str]
    fits: dict[str, TrainingFit] = field(default_factory=dict)


def serving_only(scenario: Scenario, catalogue: Catalogue) -> frozenset[str]:
    """Chips held or on the market that are planned for serving only: those without a published bf16 rate."""
    named = {item.chip_id for item in scenario.stock} | {line.chip_id for line in scenario.market if line.chip_id}
    return frozenset(chip for chip in named if chip and "bf16" not in catalogue.chip(chip).rates)


def times(parts: Iterable[Estimate | Quantity | tuple[float, float, float]]) -> tuple[float, float, float]:
    """Product of independent positive factors: half-widths add in squares on a logarithmic scale.

    Examples
    --------
    >>> [round(end, 3) for end in times([(2.0, 1.0, 4.0), (1.0, 1.0, 1.0)])]
    [2.0, 1.0, 4.0]
    >>> [round(end, 3) for end in times([(2.0, 1.0, 4.0), (3.0, 1.5, 6.0)])]
    [6.0, 2.251, 15.991]
    """
    value, down, up = 1.0, 0.0, 0.0
    for part in parts:
        middle, low, high = part if isinstance(part, tuple) else (part.value, part.low, part.high)
        value *= middle
        down = math.hypot(down, math.log(middle / low)) if low > 0.0 else math.inf
        up = math.hypot(up, math.log(high / middle))
    return value, value * math.exp(-down), value * math.exp(up)


def cluster_size(job: TrainingJob, peak_flop_per_s: float, scenario: Scenario) -> int:
    """Chips of the run that the layout is searched for: what the job's window needs at the scenario's level.

    A power of two, at least 64 and no more than the largest cluster stated. It turns on the job and the chip's peak,
    not on how many are held, so that holding more never makes another chip slower.
    """
    use = scenario.fleet_use
    start = max(scenario.as_of, job.earliest or scenario.as_of)
    days = scenario.horizon.months * 30.4 if job.per_year is None else 365.0 / job.per_year
    if job.deadline is not None and job.per_year is None:
        days = max(30.0, (job.deadline - start).days)
    needed = job.flop.value / (peak_flop_per_s * use.mfu.value * use.availability.value * days * SECONDS_PER_DAY)
    size = 2 ** max(0, math.ceil(math.log2(max(needed, 1.0))))
    most = math.inf if use.largest_cluster_chips is None else use.largest_cluster_chips.value
    while size > LEAST_CLUSTER and size > most:
        size //= 2
    return int(max(size, LEAST_CLUSTER))


def _power_w(chip_id: str, catalogue: Catalogue) -> float | None:
    server = catalogue.server_of(chip_id)
    if server is not None and server.node_power_w:
        return server.node_power_w / server.chips
    tdp = catalogue.chip(chip_id).tdp_w
    return None if tdp is None else tdp * SERVER_POWER_FACTOR


def _peak(chip_id: str, catalogue: Catalogue) -> float | None:
    rates = catalogue.chip(chip_id).rates
    return rates.get("bf16")


def _reference(scenario: Scenario, able: Mapping[str, Answer]) -> str | None:
    """The chip the scenario's MFU speaks of: the strongest type held, whatever its number; else the strongest on offer.

    It must not turn on counts: more of a weaker chip would else change what the stronger one yields.
    """
    held = {item.chip_id for item in scenario.stock if item.chip_id in able}
    return max(sorted(held or able), key=lambda chip: able[chip]["peak_flop_per_s"], default=None)


def _ratio(own: Estimate, reference: Estimate) -> float:
    """Utilisation of a chip over that of the reference; one never measured is not credited with more than 1."""
    ratio = own.value / reference.value
    return min(1.0, ratio) if own.evidence == UNMEASURED else ratio


def _training_yield(chip_id: str, reference: str, answers: Mapping[str, Answer], scenario: Scenario) -> Estimate:
    use = scenario.fleet_use
    answer = answers[chip_id]
    own, level = estimate_of(answer["mfu"]), estimate_of(answers[reference]["mfu"])
    ratio = 1.0 if chip_id == reference else _ratio(own, level)
    spread = (1.0, 1.0, 1.0) if chip_id == reference else (1.0, own.low / own.value, own.high / own.value)
    value, low, high = times((use.mfu, use.availability, spread))
    peak = answer["peak_flop_per_s"]
    size = f"a run on {answer['chips']:,} chips" + (f" ({answer['layout']})" if answer["layout"] else "")
    method = f"dense {answer['precision']} peak x the scenario's MFU x availability; {size}"
    if chip_id != reference:
        method += f"; times its modelled utilisation over that of {reference}"
    return Estimate(
        value=peak * ratio * value,
        low=peak * ratio * low,
        high=peak * ratio * high,
        unit="FLOP/s",
        method=method,
        evidence=own.evidence,
        breakdown={
            "peak_flop_per_s": peak,
            "utilisation_ratio": ratio,
            "mfu": use.mfu.value,
            "availability": use.availability.value,
            "modelled_mfu": own.value,
            "modelled_mfu_low": own.low,
            "modelled_mfu_high": own.high,
            "cluster_chips": float(answer["chips"]),
        },
        facts=(use.mfu.id, use.availability.id, *own.facts),
    )


def _training(
    chips: Iterable[str], job: TrainingJob, scenario: Scenario, catalogue: Catalogue, cache: ContentCache
) -> tuple[dict[str, Estimate], dict[str, TrainingFit], dict[str, str]]:
    """One job on every chip: yield, what the training model says, and why a chip has no yield."""
    answers: dict[str, Answer] = {}
    fits: dict[str, TrainingFit] = {}
    missing: dict[str, str] = {}
    for chip_id in chips:
        peak = _peak(chip_id, catalogue)
        if peak is None:
            continue
        answer = training_answer(chip_id, job.proxy, cluster_size(job, peak, scenario), catalogue, cache)
        if "undetermined" in answer:
            missing[chip_id] = answer["undetermined"]
            continue
        fits[chip_id] = TrainingFit(
            chips=answer["chips"], layout=answer["layout"], mfu=estimate_of(answer["mfu"]), fits=answer["fits"]
        )
        if answer["fits"]:
            answers[chip_id] = answer
        else:
            missing[chip_id] = f"{job.proxy} does not fit {answer['chips']:,} of them under any layout"
    reference = _reference(scenario, answers)
    found = {} if reference is None else {c: _training_yield(c, reference, answers, scenario) for c in answers}
    return found, fits, missing


def request_tokens(scenario: Scenario) -> tuple[float, float] | None:
    """Input and output tokens of a mean request: the default request's total, split as the scenario's ratio says."""
    ratio = scenario.demand.input_output_ratio
    if ratio is None:
        return None
    total = constant("request_input_tokens") + constant("request_output_tokens")
    return total * ratio.value / (1.0 + ratio.value), total / (1.0 + ratio.value)


def _serving(
    chip_id: str,
    workload: ServingWorkload,
    scenario: Scenario,
    catalogue: Catalogue,
    load: Estimate,
    cache: ContentCache,
) -> Estimate | str:
    demand, use = scenario.demand, scenario.fleet_use
    service = Service(
        tpot_s=None if demand.tpot_s is None else demand.tpot_s.value,
        ttft_s=None if demand.ttft_s is None else demand.ttft_s.value,
        request=request_tokens(scenario),
    )
    answer = serving_answer(chip_id, workload.proxy, service, catalogue, cache)
    if "undetermined" in answer:
        return str(answer["undetermined"])
    full, closed = estimate_of(answer["tokens_per_s"]), answer["full_load_tokens_per_s"]
    active = workload.active_params
    size = catalogue.model(workload.proxy).params_active / active.value
    ranged = (size, size * active.value / active.high, size * active.value / active.low)
    value, low, high = times((full, ranged, load, use.availability))
    ratio = () if demand.input_output_ratio is None else (demand.input_output_ratio.id,)
    return Estimate(
        value=value,
        low=low,
        high=high,
        unit="tokens/s",
        method=(
            f"{full.method}; {answer['weight_precision']} weights on {answer['chips_per_replica']} chip(s), batch up "
            f"to {answer['batch']:,}; scaled from {workload.proxy} to {active.value:.3g} active parameters, times mean "
            "load over peak load of the day, times availability; errors taken as independent"
        ),
        evidence=full.evidence,
        breakdown={
            "peak_tokens_per_s": full.value,
            **({} if closed is None else {"full_load_tokens_per_s": closed}),
            "proxy_over_own_active_params": size,
            "mean_over_peak_load": load.value,
            "availability": use.availability.value,
        },
        facts=(*full.facts, *load.facts, active.id, use.availability.id, *ratio),
    )


def chip_yields(chips: Iterable[str], scenario: Scenario, catalogue: Catalogue) -> dict[str, ChipYield]:
    """Yields of every chip named, for the workloads of `scenario`; kept on disk between runs."""
    names = sorted(set(chips))
    cache = yield_cache(catalogue)
    load = day_load_factor()
    gaps: dict[str, dict[str, str]] = {chip: {} for chip in names}
    training: dict[str, dict[str, Estimate]] = {chip: {} for chip in names}
    fits: dict[str, dict[str, TrainingFit]] = {chip: {} for chip in names}
    jobs = [job for job in scenario.demand.training if not job.done]
    for chip in names:
        if jobs and _peak(chip, catalogue) is None:
            gaps[chip]["training"] = _no_rate(chip, catalogue)
    for job in jobs:
        found, fit, missing = _training(names, job, scenario, catalogue, cache)
        for chip in names:
            if chip in found:
                training[chip][job.name] = found[chip]
            if chip in fit:
                fits[chip][job.name] = fit[chip]
            if chip in missing:
                gaps[chip][f"train: {job.name}"] = missing[chip]
    out: dict[str, ChipYield] = {}
    for chip in names:
        serving: dict[str, Estimate] = {}
        for workload in scenario.demand.serving:
            answer = _serving(chip, workload, scenario, catalogue, load, cache)
            if isinstance(answer, str):
                gaps[chip][workload.name] = answer
            else:
                serving[workload.name] = answer
        out[chip] = ChipYield(
            chip_id=chip,
            peak_flop_per_s=_peak(chip, catalogue),
            training=training[chip],
            serving=serving,
            power_w=_power_w(chip, catalogue),
            missing=gaps[chip],
            fits=fits[chip],
        )
    return out


def _no_rate(chip_id: str, catalogue: Catalogue) -> str:
    """Why a chip without a bf16 rate does not train, naming the rates it has."""
    others = ", ".join(sorted(catalogue.chip(chip_id).rates)) or "none at all"
    return f"no bf16 rate is published for it (published: {others}), so it is planned for serving only"


def level_warnings(scenario: Scenario, yields: Mapping[str, ChipYield]) -> Iterator[str]:
    """Where the scenario's MFU lies outside what the training model finds for the chip it speaks of, run by run."""
    stated = scenario.fleet_use.mfu
    told: dict[tuple[str, str, int], list[str]] = {}
    for job in scenario.demand.training:
        held = [item.chip_id for item in scenario.stock if job.name in yields[item.chip_id].training]
        able = held or [chip for chip, found in yields.items() if job.name in found.training]
        if job.done or not able:
            continue
        chip = max(sorted(able), key=lambda name: yields[name].peak_flop_per_s or 0.0)
        fit = yields[chip].fits[job.name]
        if not fit.mfu.low <= stated.value <= fit.mfu.high:
            told.setdefault((chip, job.proxy, fit.chips), []).append(job.name)
    for (chip, proxy, chips), names in told.items():
        mfu = yields[chip].fits[names[0]].mfu
        side = "above" if stated.value > mfu.high else "below"
        yield (
            f"{', '.join(names)}: the scenario's MFU of {stated.value:.0%} lies {side} what the training model finds "
            f"for {proxy} on {chips:,} {chip}, {mfu.value:.0%} ({mfu.low:.0%} to {mfu.high:.0%}); at the model's "
            f"figure a run needs {stated.value / mfu.value:.1f} times the chips planned"
        )
