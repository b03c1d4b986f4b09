"""What each chip gives each workload in this scenario: FLOP/s of training, tokens/s of serving, watts.

The physics comes from `chipwise.perf`; the level of training utilisation is the scenario's own (a buyer knows its
stack), spread over chips by the ratio of their measured utilisations. Tokens are input plus output.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from chipwise.catalogue import Catalogue
from chipwise.core.errors import Undetermined
from chipwise.core.fact import Estimate
from chipwise.perf import ServingYield, day_load_factor, estimate_serving, estimate_training
from chipwise.scenario.objects import Scenario, ServingWorkload

SERVER_POWER_FACTOR = 1.5
"""Server power over chip power where no server is listed: 1.4 to 1.6 (planning facts, finance.md section 3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipYield:
    """What one chip of one type gives.

    Parameters
    ----------
    training_flop_per_s : Estimate or None
        Useful FLOP/s while training, availability included; None when the chip cannot train or it is undetermined.
    serving_tokens_per_s : dict of str to Estimate
        Day-average tokens/s by workload name; absent when it cannot serve it.
    power_w : float or None
        Wall power of one chip with its share of the server, before PUE.
    missing : dict of str to str
        Workload (or ``training``) → why there is no yield.
    """

    chip_id: str
    peak_flop_per_s: float | None
    training_flop_per_s: Estimate | None
    serving_tokens_per_s: dict[str, Estimate]
    power_w: float | None
    missing: dict[str, str]


def _power_w(chip_id: str, catalogue: Catalogue) -> float | None:
    server = catalogue.server_of(chip_id)
    if server is not None and server.node_power_w:
        return server.node_power_w / server.chips
    tdp = catalogue.chip(chip_id).tdp_w
    return None if tdp is None else tdp * SERVER_POWER_FACTOR


def _training_proxy(scenario: Scenario) -> str | None:
    jobs = [job for job in scenario.demand.training if not job.done]
    return max(jobs, key=lambda job: job.flop.value).proxy if jobs else None


def _reference_chip(scenario: Scenario, raw: dict[str, Estimate], peaks: dict[str, float]) -> str | None:
    """The chip the scenario's MFU speaks of: the strongest type held, whatever its number; else the strongest on offer.

    It must not turn on counts: more of a weaker chip would else change what the stronger one yields.
    """
    held = {item.chip_id for item in scenario.stock if item.chip_id in raw}
    return max(sorted(held or raw), key=lambda chip: peaks[chip], default=None)


def _utilisation_ratio(own: Estimate, reference: Estimate) -> float:
    """Measured utilisation of a chip over that of the reference; 1 where either was never measured."""
    if "data sheet only" in (own.evidence, reference.evidence):
        return 1.0
    return own.value / reference.value


def _training_yields(
    chips: Iterable[str], scenario: Scenario, catalogue: Catalogue
) -> tuple[dict[str, Estimate], dict[str, float], dict[str, str]]:
    proxy = _training_proxy(scenario)
    raw: dict[str, Estimate] = {}
    peaks: dict[str, float] = {}
    missing: dict[str, str] = {}
    for chip_id in chips:
        if proxy is None:
            missing[chip_id] = "nothing to train in this scenario"
            continue
        if chip_id in scenario_serving_only(scenario, catalogue):
            missing[chip_id] = "no bf16 rate is published for it, so it is planned for serving only"
            continue
        try:
            found = estimate_training(chip_id, proxy, catalogue=catalogue)
        except Undetermined as error:
            missing[chip_id] = error.line()
            continue
        raw[chip_id] = found.mfu
        peaks[chip_id] = found.peak_flop_per_s
    return raw, peaks, missing


def scenario_serving_only(scenario: Scenario, catalogue: Catalogue) -> frozenset[str]:
    """Chips held or on the market that are planned for serving only: those without a published bf16 rate."""
    named = {item.chip_id for item in scenario.stock} | {line.chip_id for line in scenario.market if line.chip_id}
    return frozenset(chip for chip in named if chip and "bf16" not in catalogue.chip(chip).rates)


def _serving(chip_id: str, proxy: str, scenario: Scenario, catalogue: Catalogue, weight_precision: str) -> ServingYield:
    demand = scenario.demand
    return estimate_serving(
        chip_id,
        proxy,
        tpot_s=None if demand.tpot_s is None else demand.tpot_s.value,
        ttft_s=None if demand.ttft_s is None else demand.ttft_s.value,
        weight_precision=weight_precision,
        catalogue=catalogue,
    )


def _serving_yield(
    chip_id: str, workload: ServingWorkload, scenario: Scenario, catalogue: Catalogue, load: Estimate
) -> Estimate | str:
    try:
        found = _serving(chip_id, workload.proxy, scenario, catalogue, "auto")
        if not found.feasible and "int8" in catalogue.chip(chip_id).rates:
            smaller = _serving(chip_id, workload.proxy, scenario, catalogue, "int8")
            found = smaller if smaller.feasible else found
    except Undetermined as error:
        return error.line()
    if not found.feasible or found.tokens_per_s_per_chip is None:
        return found.why_not
    size = catalogue.model(workload.proxy).params_active / workload.active_params.value
    use = scenario.fleet_use.availability
    full = found.tokens_per_s_per_chip
    return Estimate(
        value=full.value * size * load.value * use.value,
        low=full.low * size * load.low * use.low,
        high=full.high * size * load.high * use.high,
        unit="tokens/s",
        method=(
            f"{full.method}; {found.weight_precision} weights; scaled from {workload.proxy} "
            f"to {workload.active_params.value:.3g} active parameters, "
            "times mean load over peak load of the day, times availability"
        ),
        evidence=full.evidence,
        breakdown={
            "full_load_tokens_per_s": full.value,
            "proxy_over_own_active_params": size,
            "mean_over_peak_load": load.value,
            "availability": use.value,
        },
        facts=(*full.facts, *load.facts, workload.active_params.id, use.id),
    )


def chip_yields(chips: Iterable[str], scenario: Scenario, catalogue: Catalogue) -> dict[str, ChipYield]:
    """Yields of every chip named, for the workloads of `scenario`."""
    names = sorted(set(chips))
    raw, peaks, missing = _training_yields(names, scenario, catalogue)
    reference = _reference_chip(scenario, raw, peaks)
    load = day_load_factor()
    use = scenario.fleet_use
    out: dict[str, ChipYield] = {}
    for chip_id in names:
        gaps = {"training": missing[chip_id]} if chip_id in missing else {}
        training = None
        if chip_id in raw and reference is not None:
            ratio = _utilisation_ratio(raw[chip_id], raw[reference])
            spread_low = raw[chip_id].low / raw[chip_id].value
            spread_high = raw[chip_id].high / raw[chip_id].value
            own_level = chip_id == reference
            peak = peaks[chip_id] * ratio
            training = Estimate(
                value=peak * use.mfu.value * use.availability.value,
                low=peak * use.mfu.low * use.availability.low * (1.0 if own_level else min(1.0, spread_low)),
                high=peak * use.mfu.high * use.availability.high * (1.0 if own_level else max(1.0, spread_high)),
                unit="FLOP/s",
                method=(
                    "dense peak x the scenario's MFU x availability, "
                    f"times the ratio of measured utilisation to {reference}"
                ),
                evidence=raw[chip_id].evidence,
                breakdown={
                    "peak_flop_per_s": peaks[chip_id],
                    "utilisation_ratio": ratio,
                    "mfu": use.mfu.value,
                    "availability": use.availability.value,
                },
                facts=(use.mfu.id, use.availability.id, *raw[chip_id].facts),
            )
        serving: dict[str, Estimate] = {}
        for workload in scenario.demand.serving:
            answer = _serving_yield(chip_id, workload, scenario, catalogue, load)
            if isinstance(answer, str):
                gaps[workload.name] = answer
            else:
                serving[workload.name] = answer
        out[chip_id] = ChipYield(
            chip_id=chip_id,
            peak_flop_per_s=peaks.get(chip_id),
            training_flop_per_s=training,
            serving_tokens_per_s=serving,
            power_w=_power_w(chip_id, catalogue),
            missing=gaps,
        )
    return out
