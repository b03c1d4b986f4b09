"""What runs of a user's own do to the error on the other rows of a source, drawn at random."""

from __future__ import annotations

import numpy as np

from chipwise.perf.train.own import MODEL_VARIANCE, RUN_VARIANCE, STACK_VARIANCE, OwnRun, correction
from fit_training import Rows
from training_scatter import thinned

DRAWS = 100
"""Draws of own runs from each source."""


def own_lines(rows: Rows, residual: np.ndarray, chosen: np.ndarray) -> list[str]:
    """What runs of the user, drawn at random, do to the error on the other rows of a source."""
    draw = np.random.default_rng(0)
    names = np.array([f"{c.model_id} {c.shape.layers:g} {c.shape.hidden:g}" for c in rows.cases])
    inside, models, sources = variances(rows, residual, chosen, names)
    lines = [
        f"Variance of log step time with the source left out: one run {inside:.3f}, one model of a source",
        f"{models:.3f}, one source {sources:.3f}; taken: {RUN_VARIANCE:g}, {MODEL_VARIANCE:g} and {STACK_VARIANCE:g}.",
        "",
    ]
    for count in (1, 2, 3, 5):
        before, after = [], []
        for name in dict.fromkeys(rows.groups[chosen]):
            at = np.flatnonzero((rows.groups == name) & chosen)
            if len(at) < count + 2:
                continue
            errors = [_one_draw(residual, names, at, draw.choice(at, count, replace=False)) for _ in range(DRAWS)]
            before.append(np.mean([error[0] for error in errors]))
            after.append(np.mean([error[1] for error in errors]))
        better = np.mean(np.array(after) <= np.array(before))
        cut = 1.0 - np.mean(after) / np.mean(before)
        lines.append(
            f"- {count} of its own: {np.mean(before):.1%} becomes {np.mean(after):.1%} ({cut:.0%} less) on the other "
            f"rows of {len(before)} sources; no worse in {better:.0%} of them."
        )
    return lines


def _one_draw(residual: np.ndarray, names: np.ndarray, at: np.ndarray, some: np.ndarray) -> tuple[float, float]:
    """Median error of the other rows before and after the correction."""
    rest = np.setdiff1d(at, some)
    ratio = np.clip(np.exp(residual[some]), 0.26, 3.9)
    runs = [OwnRun(model=names[i], measured_s=float(r), predicted_s=1.0) for i, r in zip(some, ratio, strict=True)]
    factors = {name: correction(runs, name).factor for name in set(names[rest])}
    plain = np.exp(-residual[rest])
    mended = plain * np.array([factors[name] for name in names[rest]])
    return float(np.median(np.abs(plain - 1.0))), float(np.median(np.abs(mended - 1.0)))


def variances(rows: Rows, residual: np.ndarray, chosen: np.ndarray, names: np.ndarray) -> tuple[float, float, float]:
    """Of one run, of one model of a source, of one source; from pairs of rows, sources weighing alike."""
    near, far, biases = [], [], []
    for name in dict.fromkeys(rows.groups[chosen]):
        at = np.flatnonzero((rows.groups == name) & chosen)
        if len(at) < 3:
            continue
        at = thinned(at)
        e = np.clip(residual[at], -1.4, 1.4)
        pairs = np.triu_indices(len(at), 1)
        half = ((e[:, None] - e[None, :]) ** 2 / 2.0)[pairs]
        same = (names[at][:, None] == names[at][None, :])[pairs]
        near += [half[same].mean()] if same.any() else []
        far += [half[~same].mean()] if (~same).any() else []
        biases.append(e.mean() ** 2)
    inside = float(np.mean(near))
    models = max(float(np.mean(far)) - inside, 0.0)
    return inside, models, max(float(np.mean(biases)) - models / 3.0 - inside / 10.0, 0.0)
