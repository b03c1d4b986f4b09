"""The share of peak a run reaches, by the conventions in use: one speed, several figures."""

from __future__ import annotations

from chipwise.perf.train.run import Problem, Run

CONVENTIONS = {
    "causal": "model FLOP, half of the attention scores (Megatron Bridge since 25.09, MaxText since July 2025)",
    "full": "model FLOP, all attention scores (PaLM, Korthikanti et al., llm-foundry, NeMo to 25.07)",
    "hardware": "all attention scores and what is computed again (HFU)",
}


def mfu_by_convention(run: Run, problem: Problem) -> dict[str, float]:
    """Share of the dense peak by convention.

    Notes
    -----
    A window of keys counts the same in all of them; the shares of two sources are comparable only within one.
    """
    causal, shape, layout = run.flop_per_token, problem.shape, run.layout
    core = 3.0 * float(shape.full_layers * shape.core_full) * problem.seq
    head = 6.0 * float(shape.hidden * shape.vocab * shape.heads_of_loss)
    forward = (causal + core - head) / 3.0
    again = float(layout.recompute) * forward
    if not layout.recompute and problem.stack.flash < 1:
        again = float(layout.recompute_core) * 2.0 * core / 3.0
    share = run.mfu.value / causal
    return {"causal": share * causal, "full": share * (causal + core), "hardware": share * (causal + core + again)}
