"""A named layout against the best: what forbids it, or what it costs."""

from __future__ import annotations

from chipwise.perf.train.asked import layout_of_text
from chipwise.perf.train.objects import Layout
from chipwise.perf.train.run import Problem, Run, run_of


def layout_from_text(text: str, problem: Problem) -> Layout:
    """A layout for a problem, in the text of `chipwise.perf.train.asked.layout_of_text`."""
    return layout_of_text(text, seq=problem.seq, chips=problem.chips, batch=problem.batch, adapter=problem.adapter)


def why_not(problem: Problem, layout: Layout, best: Run | None) -> tuple[Run | None, list[str]]:
    """The run of a layout, None where it is impossible, and the reasons against it.

    Returns
    -------
    run, reasons
        No reason where the layout is as good as the best.
    """
    reasons = _indivisible(problem, layout)
    if reasons:
        return None, reasons
    run = run_of(problem, layout, blank=False)
    if not run.fits:
        over = run.memory.total - run.room_bytes
        parts = {
            name: float(getattr(run.memory, name)) for name in ("weights", "gradients", "optimizer", "activations")
        }
        largest = max(parts, key=lambda name: parts[name])
        reasons.append(
            f"needs {run.memory.total / 1e9:.1f} GB a chip, {over / 1e9:.1f} GB more than there is; "
            f"{largest} take {parts[largest] / 1e9:.1f} GB"
        )
    if best is not None:
        slower = run.step_s.value / best.step_s.value * best.tokens_per_step / run.tokens_per_step
        if slower > 1.005:
            grown = {name: run.step_s.breakdown[name] - best.step_s.breakdown[name] for name in run.step_s.breakdown}
            worst = sorted(grown, key=lambda name: -grown[name])[:2]
            where = " and ".join(f"{name} +{grown[name]:.2f} s" for name in worst if grown[name] > 0)
            reasons.append(f"{slower - 1:.1%} slower a token than the best" + (f": {where}" if where else ""))
    return run, reasons


def _indivisible(problem: Problem, layout: Layout) -> list[str]:
    heads, layers, chips = float(problem.shape.heads), float(problem.shape.layers), problem.chips
    out = []
    ways = layout.tp * layout.pp * layout.cp
    if chips % ways:
        out.append(f"tp x pp x cp = {ways:g} does not divide {chips:,} chips")
    if heads % layout.tp:
        out.append(f"tp {layout.tp:g} does not divide {heads:g} heads")
    if layout.pp * layout.vpp > layers:
        out.append(f"pp x chunks = {layout.pp * layout.vpp:g} is more than {layers:g} layers")
    if layout.ep > 1 and (not problem.shape.experts or problem.shape.experts % layout.ep):
        out.append(f"ep {layout.ep:g} does not divide {problem.shape.experts:g} experts")
    if layout.dp * layout.mbs > problem.batch:
        out.append(f"{layout.dp:g} data ranks x micro-batch {layout.mbs:g} is more than the batch of {problem.batch:,}")
    return out
