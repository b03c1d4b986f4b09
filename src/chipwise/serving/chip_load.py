"""What one chip of a type carries of a named load within its targets: what planning takes as a serving yield."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from chipwise.core.fact import Estimate
from chipwise.perf.machine import weight_precision_of
from chipwise.serving.best_replica import best_replica, precisions
from chipwise.serving.capacity import Target
from chipwise.serving.readers import read_trace
from chipwise.serving.trace import Trace

if TYPE_CHECKING:
    from chipwise.catalogue.objects import Chip


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipLoad:
    """What a chip carries at the peak, within the targets.

    Parameters
    ----------
    requests_per_s_per_chip : Estimate or None
        Mean rate of a stationary stream with the trace's lengths and bursts; None where the chip cannot do it.
    tokens_per_s_per_chip : Estimate or None
        Input and output tokens of those requests.
    why_not : str
        Why there is none.
    max_batch, token_budget : int
        Limits of one replica, which takes `chips_per_replica` chips.
    """

    chip_id: str
    model_id: str
    trace_name: str
    weight_precision: str
    target: Target
    requests_per_s_per_chip: Estimate | None = None
    tokens_per_s_per_chip: Estimate | None = None
    output_tokens_per_s_per_chip: Estimate | None = None
    why_not: str = ""
    chips_per_replica: int = 0
    max_batch: int = 0
    token_budget: int = 0

    @property
    def feasible(self) -> bool:
        """Whether the chip serves the model within the targets."""
        return self.requests_per_s_per_chip is not None

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        rates = {
            name: None if (found := getattr(self, name)) is None else found.to_dict()
            for name in ("requests_per_s_per_chip", "tokens_per_s_per_chip", "output_tokens_per_s_per_chip")
        }
        return {
            "chip": self.chip_id,
            "model": self.model_id,
            "trace": self.trace_name,
            "weight_precision": self.weight_precision,
            **{f"slo_{name}": value for name, value in asdict(self.target).items()},
            "feasible": self.feasible,
            **rates,
            "why_not": self.why_not,
            "chips_per_replica": self.chips_per_replica,
            "max_batch": self.max_batch,
            "token_budget": self.token_budget,
        }


def carried_by_chip(
    chip: str | Chip,
    model: Any,
    *,
    slo_ttft_s: float,
    slo_tpot_s: float,
    trace: str | Trace = "azure",
    share: float = 0.99,
    engine: str = "vllm",
    weight_precision: str = "auto",
    catalogue: Any = None,
) -> ChipLoad:
    """Requests/s and tokens/s one chip carries with `share` of the requests within both targets.

    Parameters
    ----------
    chip, model : str, or objects of the catalogue
    slo_ttft_s, slo_tpot_s : float
        Targets for the time to the first token and per output token, s.
    trace : str or Trace
        Whose lengths and bursts; a name `read_trace` knows.
    weight_precision : str
        ``auto`` takes the chip's usual one, and 8-bit integers where only those meet the targets.

    Returns
    -------
    ChipLoad
        At the peak: multiply by `chipwise.perf.day_load_factor` for a day's mean. The interval is that of served
        throughput under latency targets on sources the physics was not fitted to.

    Raises
    ------
    Undetermined
        A needed figure of the chip is not published.

    Notes
    -----
    The replica, its group of chips and its token budget are the best in simulation (`best_replica`).
    """
    if catalogue is None:
        from chipwise.catalogue import load_catalogue

        catalogue = load_catalogue()
    found_chip = catalogue.chip(chip) if isinstance(chip, str) else chip
    found_model = catalogue.model(model) if isinstance(model, str) else model
    workload = read_trace(trace) if isinstance(trace, str) else trace
    target = Target(ttft_s=slo_ttft_s, tpot_s=slo_tpot_s, share=share)
    why = ""
    for precision in precisions(found_chip, weight_precision):
        named = weight_precision_of(found_chip, found_model, precision)
        answer = _carried(found_chip, found_model, workload, target, engine, precision, named, catalogue)
        if answer.feasible:
            return answer
        why = why or answer.why_not
    return ChipLoad(
        chip_id=found_chip.id,
        model_id=found_model.id,
        trace_name=workload.name,
        weight_precision=weight_precision_of(found_chip, found_model, weight_precision),
        target=target,
        why_not=why,
    )


def _carried(
    chip: Chip, model: Any, trace: Trace, target: Target, engine: str, precision: str, named: str, catalogue: Any
) -> ChipLoad:
    from chipwise.perf.infer.predict import interval
    from chipwise.perf.operators import EVIDENCE

    about: dict[str, Any] = {
        "chip_id": chip.id,
        "model_id": model.id,
        "trace_name": trace.name,
        "weight_precision": named,
        "target": target,
    }
    best = best_replica(chip, model, trace, target, engine=engine, weight_precision=precision, catalogue=catalogue)
    if isinstance(best, str):
        return ChipLoad(**about, why_not=best)
    cost, replica = best.part
    each = best.rate_per_s / cost.chips
    low, high = interval(EVIDENCE.index(cost.evidence), chip, "server", "output_tps_per_chip", each)
    requests = Estimate(
        value=each,
        low=low,
        high=high,
        unit="requests/s",
        method=(
            f"simulated: most requests/s of {trace.name} with {target.share:.0%} within TTFT {target.ttft_s * 1e3:g} "
            f"ms and TPOT {target.tpot_s * 1e3:g} ms, {engine}; interval of served throughput on sources left out"
        ),
        evidence=cost.evidence,
        breakdown={"closed_form_requests_per_s_per_chip": best.closed_form_per_s / cost.chips},
        facts=cost.facts,
    )
    inputs, outputs = float(trace.input_tokens.mean()), float(trace.output_tokens.mean())
    return ChipLoad(
        **about,
        requests_per_s_per_chip=requests,
        tokens_per_s_per_chip=requests.scaled(inputs + outputs, "tokens/s"),
        output_tokens_per_s_per_chip=requests.scaled(outputs, "tokens/s"),
        chips_per_replica=cost.chips,
        max_batch=replica.max_batch,
        token_budget=replica.token_budget,
    )
