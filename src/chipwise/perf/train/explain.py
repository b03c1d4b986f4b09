"""A named layout against the best: what forbids it, or what it costs."""

from __future__ import annotations

from chipwise.core.errors import InputError
from chipwise.core.names import nearest_names
from chipwise.perf.train.objects import Layout
from chipwise.perf.train.run import Problem, Run, run_of

NAMES = ("tp", "pp", "vpp", "cp", "ep", "zero", "mbs", "recompute", "sp")
"""Fields a user may name; data ranks and accumulation follow."""


def layout_from_text(text: str, problem: Problem) -> Layout:
    """Read ``tp=8,pp=8,mbs=1``; what is not named is 1, optimizer sharded, nothing recomputed.

    Raises
    ------
    InputError
        An unknown field, or no number.
    """
    fields: dict[str, float] = {}
    for part in text.split(","):
        name, _, value = part.strip().partition("=")
        if name not in NAMES:
            raise InputError(
                f"{name!r} is no field of a layout", place="layout", allowed=", ".join(NAMES),
                nearest=nearest_names(name, NAMES),
            )  # fmt: skip
        try:
            fields[name] = float(value)
        except ValueError:
            raise InputError(f"{value!r} is no number", place=f"layout {name}", allowed="a number") from None
        if not (0.0 <= fields[name] < 1e6) or (name not in ("zero", "recompute", "sp") and fields[name] < 1):
            raise InputError(f"{value} is out of range", place=f"layout {name}", allowed="1 or more")
    tp, pp, cp = (fields.get(name, 1.0) for name in ("tp", "pp", "cp"))
    dp = max(problem.chips // int(tp * pp * cp), 1)
    fields.setdefault("sp", 1.0 if tp > 1 else 0.0)
    fields.setdefault("zero", 1.0)
    accum = max(problem.batch / (dp * fields.get("mbs", 1.0)), 1.0)
    return Layout(
        seq=float(problem.seq), dp=float(dp), shard=dp * cp, accum=accum, gradient_bytes=2.0, fine=1.0, **fields
    )


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
