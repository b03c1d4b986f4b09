"""Fit the terms of the inference model to measured points, and judge them by leaving sources out.

    python tools/fit_inference.py FACTS

Writes ``src/chipwise/data/perf/infer/terms.csv`` (column ``value``) ``spread.csv`` and
``components.csv``. Every term has a prior at its
physical value (columns ``prior`` and ``log_sd``); a random effect for each source and metric takes what one harness
and one software version share, and is not used in a prediction. The same facts give the same bytes.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chipwise.catalogue import load_catalogue
from chipwise.perf.infer.audit import number
from chipwise.perf.infer.load import closed_loop, saturated, static_batch
from chipwise.perf.infer.predict import CaseParts, best_of, figures
from chipwise.perf.infer.reading import ServingCase, read_serving_case
from chipwise.perf.infer.screen import screen
from chipwise.perf.infer.step import PART_NAMES, Parts
from chipwise.perf.infer.terms import FIELDS, Terms, term_values, terms_table

DATA = Path(__file__).resolve().parents[1] / "src" / "chipwise" / "data" / "perf" / "infer"
METRICS = ("output_tps_per_chip", "tpot_mean_ms", "ttft_mean_ms")
METRIC_WEIGHT = {"output_tps_per_chip": 1.0, "tpot_mean_ms": 1.0, "ttft_mean_ms": 0.4}
NOISE = {"output_tps_per_chip": 0.10, "tpot_mean_ms": 0.10, "ttft_mean_ms": 0.25}
REGIME_NOISE = {"backlog": 2.5, "static": 1.5}
"""Noise over that of the other regimes: tails of unequal lengths, old engines."""

SOURCE_SD = {"output_tps_per_chip": 0.15, "tpot_mean_ms": 0.12, "ttft_mean_ms": 0.4}
COVERAGE = 0.92
"""Share of left-out figures that the 90 % intervals hold here: sources are few, and an unseen one is no easier."""

ENOUGH_GROUPS = 5
"""Groups that a level of evidence needs for a reach of its own."""


@dataclass(kw_only=True)
class Point:
    """One measured row with its case and the parts of its best layout."""

    case: ServingCase
    parts: CaseParts
    measured: dict[str, float]
    predicted: dict[str, float]


def read_points(facts: Path) -> tuple[list[Point], Counter[str], dict[str, str]]:
    """Cases that may be scored, why the others may not, and the audit."""
    with (facts / "inference" / "measurements.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    catalogue = load_catalogue()
    dropped, why, points = screen(rows, catalogue), Counter[str](), []
    for row in rows:
        measured = {metric: value for metric in METRICS if (value := number(row, metric)) is not None}
        if not measured:
            why["missing: a measured metric"] += 1
            continue
        if row["id"] in dropped:
            continue
        case = read_serving_case(row, catalogue)
        best = case if isinstance(case, str) else best_of(case)
        if isinstance(best, str) or isinstance(case, str):
            why[str(best)[:70]] += 1
            continue
        if case.rate_fault:
            measured.pop("output_tps_per_chip", None)
        predicted = figures(case, *best)
        points.append(Point(case=case, parts=_fixed(best), measured=measured, predicted=predicted))
    return points, why, dropped


def _fixed(best: Any) -> CaseParts:
    """Parts at one batch: the one a latency target left."""
    parts, load = best
    batch = np.asarray(parts.batch, dtype=float)
    if batch.ndim == 0:
        return parts
    rates = np.asarray(load.output_tokens)
    at = float(np.clip(load.in_flight, batch[0], batch[-1])) if rates.ndim == 0 else float(batch[-1])

    def pick(found: Parts) -> Parts:
        values = {name: np.broadcast_to(getattr(found, name), batch.shape) for name in PART_NAMES}
        return Parts(**{name: float(np.interp(at, batch, each)) for name, each in values.items()})

    return CaseParts(
        setup=parts.setup,
        decode=pick(parts.decode),
        prompt=pick(parts.prompt),
        lone=pick(parts.lone),
        wanted=at,
        batch=at,
        rate_scale=parts.rate_scale,
        names=parts.names,
    )


class Table:
    """Points of one closed form as arrays."""

    def __init__(self, points: Sequence[Point], names: Sequence[str]) -> None:
        place = {name: index for index, name in enumerate(names)}
        self.points = list(points)
        self.kind = {"closed": "closed", "static": "static"}.get(points[0].case.regime, "saturated")
        stacked = {
            which: Parts(
                **{
                    name: np.array([float(getattr(getattr(point.parts, which), name)) for point in points])
                    for name in PART_NAMES
                }
            )
            for which in ("decode", "prompt", "lone")
        }
        self.decode, self.prompt, self.lone = stacked["decode"], stacked["prompt"], stacked["lone"]
        self.index = {}
        for field in FIELDS:
            uses = np.zeros((len(points), len(names)))
            for row, point in enumerate(points):
                for name, power in point.parts.names[field]:
                    uses[row, place[name]] += power
            self.index[field] = uses
        self.batch = np.array([float(point.parts.batch) for point in points])
        self.wanted = np.array([float(point.parts.wanted) for point in points])
        self.output = np.array([point.case.output_tokens for point in points])
        self.layers = np.array([point.parts.setup.work.layers for point in points])
        self.data = np.array([float(point.parts.setup.layout.data) for point in points])
        self.equal = np.array([float(point.case.equal) for point in points])
        self.scale = np.array([point.parts.rate_scale for point in points])

    def logs(self, theta: np.ndarray) -> dict[str, np.ndarray]:
        """Logarithm of every metric."""
        terms = Terms(**{field: np.exp(uses @ theta) for field, uses in self.index.items()})
        shared: dict[str, Any] = {"output_tokens": self.output, "layers": self.layers}
        if self.kind == "static":
            load = static_batch(self.decode, self.prompt, self.lone, terms, batch=self.batch, **shared)
        elif self.kind == "closed":
            load = closed_loop(
                self.decode, self.prompt, self.lone, terms,
                wanted=self.wanted, most=self.batch, equal=self.equal, copies_of_attention=self.data, **shared,
            )  # fmt: skip
        else:
            load = saturated(
                self.decode, self.prompt, self.lone, terms,
                batch=self.batch, copies_of_attention=self.data, **shared,
            )  # fmt: skip
        return {
            "output_tps_per_chip": np.log(load.output_tokens_per_s * self.scale),
            "tpot_mean_ms": np.log(load.tpot_s * 1e3),
            "ttft_mean_ms": np.log(load.ttft_s * 1e3),
        }


class Problem:
    """Weighted residuals of all points, with priors and one effect per source and metric."""

    def __init__(self, points: Sequence[Point]) -> None:
        table = terms_table()
        self.names = sorted(table)
        self.prior = np.log([table[name].prior for name in self.names])
        self.sd = np.array([table[name].log_sd for name in self.names])
        kinds: dict[str, list[Point]] = defaultdict(list)
        for point in points:
            kinds[{"closed": "c", "static": "s"}.get(point.case.regime, "x")].append(point)
        self.tables = [Table(each, self.names) for each in kinds.values()]
        self.keep, self.truth, self.noise, self.effect = [], [], [], []
        effects: dict[tuple[str, str], int] = {}
        members = Counter(
            (p.case.source, p.case.chip.id, p.case.regime, m) for p in points for m in p.measured if m in p.predicted
        )
        for number_of, each in enumerate(self.tables):
            for metric in METRICS:
                for row, point in enumerate(each.points):
                    if metric not in point.measured or metric not in point.predicted or point.case.doubtful:
                        continue
                    if point.case.regime == "server" and metric != "output_tps_per_chip":
                        continue
                    count = members[point.case.source, point.case.chip.id, point.case.regime, metric]
                    self.keep.append((number_of, metric, row))
                    self.truth.append(np.log(point.measured[metric]))
                    weight = METRIC_WEIGHT[metric] * np.sqrt(min(count, 60.0) / count) * 0.35
                    self.noise.append(NOISE[metric] * REGIME_NOISE.get(point.case.regime, 1.0) / weight)
                    key = (point.case.source, metric)
                    self.effect.append(effects.setdefault(key, len(effects)))
        self.effect_sd = np.array([SOURCE_SD[metric] for _, metric in effects])
        self.truth_log = np.array(self.truth)
        self.noise_sd = np.array(self.noise)
        self.effect_of = np.array(self.effect)
        order = defaultdict(list)
        for position, (number_of, metric, row) in enumerate(self.keep):
            order[number_of, metric].append((position, row))
        self.order = {key: np.array(value) for key, value in order.items()}

    def predicted(self, theta: np.ndarray) -> np.ndarray:
        """Logarithm of every kept figure."""
        out = np.empty(len(self.keep))
        for number_of, each in enumerate(self.tables):
            found = each.logs(theta)
            for metric in METRICS:
                pairs = self.order.get((number_of, metric))
                if pairs is not None:
                    out[pairs[:, 0]] = found[metric][pairs[:, 1]]
        return out


def fit(points: Sequence[Point], rounds: int = 12, fixed: Mapping[str, float] | None = None) -> dict[str, float]:
    """Terms by robust Gauss-Newton: Student weights with four degrees of freedom, priors, one effect a source.

    `fixed` holds terms at values of their own: what the model is without them.
    """
    problem = Problem(points)
    for name, value in (fixed or {}).items():
        problem.prior[problem.names.index(name)], problem.sd[problem.names.index(name)] = np.log(value), 1e-4
    count, effects = len(problem.names), len(problem.effect_sd)
    theta, effect = problem.prior.copy(), np.zeros(effects)
    for _ in range(rounds):
        base = problem.predicted(theta)
        slope = np.empty((base.size, count))
        for column in range(count):
            moved = theta.copy()
            moved[column] += 1e-4
            slope[:, column] = (problem.predicted(moved) - base) / 1e-4
        rest = problem.truth_log - base - effect[problem.effect_of]
        scaled = rest / problem.noise_sd
        weight = 5.0 / (4.0 + scaled**2 * 4.0) / problem.noise_sd**2
        design = np.hstack([slope, np.eye(effects)[problem.effect_of]])
        normal = design.T @ (design * weight[:, None])
        right = design.T @ (weight * rest)
        normal[np.diag_indices(count + effects)] += np.concatenate([problem.sd**-2.0, problem.effect_sd**-2.0])
        right[:count] += (problem.prior - theta) / problem.sd**2
        right[count:] -= effect / problem.effect_sd**2
        step = np.linalg.solve(normal, right)
        theta = theta + np.clip(step[:count], -0.5, 0.5)
        effect = effect + step[count:]
    return dict(zip(problem.names, np.exp(theta).tolist(), strict=True))


def predict(points: Sequence[Point], values: dict[str, float]) -> list[dict[str, float]]:
    """Figures of every point under other terms, with its layout and batch solved anew."""
    found = []
    for point in points:
        best = best_of(point.case, values)
        found.append({} if isinstance(best, str) else figures(point.case, *best))
    return found


def rung_of(point: Point) -> str:
    """Evidence of a point."""
    return ("chip", "family", "sheet")[point.parts.setup.evidence]


def groups(points: Sequence[Point], predictions: Sequence[dict[str, float]]) -> dict[Any, np.ndarray]:
    """Logarithm of measured over predicted by source, chip, evidence, regime and metric."""
    found: dict[Any, list[float]] = defaultdict(list)
    for point, predicted in zip(points, predictions, strict=True):
        for metric, value in predicted.items():
            if metric in point.measured:
                key = (point.case.source, point.case.chip.id, rung_of(point), point.case.regime, metric)
                found[key].append(float(np.log(point.measured[metric] / value)))
    return {key: np.array(value) for key, value in found.items()}


def left_out(points: Sequence[Point]) -> list[dict[str, float]]:
    """Predictions of each source by the fit to all others."""
    found: list[dict[str, float]] = [{} for _ in points]
    for source in sorted({point.case.source for point in points}):
        values = fit([point for point in points if point.case.source != source])
        places = [place for place, point in enumerate(points) if point.case.source == source]
        for place, figure in zip(places, predict([points[place] for place in places], values), strict=True):
            found[place] = figure
    return found


RUNG_ORDER = ("chip", "family", "sheet")
REGIMES = ("closed", "static", "max_load", "backlog", "mlperf_offline", "server")
KIN = 3.0
"""Groups of other regimes, and of all evidence, that weigh as much as one's own."""

TAIL = 1.645
"""Standard deviations to the end of a 90 % interval of a normal distribution."""

STEP_DOWN = 1.05
"""An interval is at least this much wider than on the next better evidence."""

LEAST_SPREAD = 0.10
"""No interval is narrower than this, in logarithms either way."""


def components(found: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Squared offset and scatter of every group, in logarithms.

    The scatter is what a normal distribution with the group's 90 % range of deviations would have; a group of one or
    two has none of its own (nan).
    """
    offset = np.array([np.median(each) for each in found])
    scatter = [
        np.quantile(np.abs(each - middle), 0.9) / TAIL if each.size > 2 else np.nan
        for each, middle in zip(found, offset, strict=True)
    ]
    return offset**2, np.array(scatter) ** 2


def variance(found: dict[Any, np.ndarray], rung: str, regime: str, metric: str) -> tuple[float, int]:
    """Variance of a new group's figures, between groups and within, and the groups of this rung and regime.

    Each component is drawn to that of all regimes on the rung, and that to all rungs: `KIN` groups of either weigh as
    much as one's own.
    """
    total, own = 0.0, 0
    for part in (0, 1):
        level = None
        for chosen in (
            [v for k, v in found.items() if k[4] == metric],
            [v for k, v in found.items() if k[4] == metric and k[2] == rung],
            [v for k, v in found.items() if k[4] == metric and k[2] == rung and k[3] == regime],
        ):
            values = components(chosen)[part] if chosen else np.empty(0)
            values = values[np.isfinite(values)]
            own = len(chosen)
            mean = float(values.mean()) if values.size else 0.0
            level = mean if level is None else (values.size * mean + KIN * level) / (values.size + KIN)
        total += level or 0.0
    return total, own


def reach(found: dict[Any, np.ndarray], widths: dict[tuple[str, str], float]) -> float:
    """Standard deviations that hold `COVERAGE` of what was left out, every group weighing as the root of its rows."""
    scaled, weights = [], []
    for key, logs in found.items():
        scaled.append(np.abs(logs) / widths[key[2], key[3]])
        weights.append(np.full(logs.size, logs.size**-0.5))
    values, weight = np.concatenate(scaled), np.concatenate(weights)
    order = np.argsort(values)
    share = (np.cumsum(weight[order]) - 0.5 * weight[order]) / weight.sum()
    return float(np.interp(COVERAGE, share, values[order]))


def half_widths(found: dict[Any, np.ndarray]) -> dict[tuple[str, str, str], tuple[float, int]]:
    """Half of the 90 % interval in logarithms, and the groups behind it; always wider than on better evidence."""
    result = {}
    for metric in METRICS:
        here = {key: logs for key, logs in found.items() if key[4] == metric}
        counts, widths = {}, {}
        for rung in RUNG_ORDER:
            for regime in REGIMES:
                spread, counts[rung, regime] = variance(found, rung, regime, metric)
                widths[rung, regime] = spread**0.5
        for regime in REGIMES:
            before = LEAST_SPREAD / STEP_DOWN
            for rung in RUNG_ORDER:
                level = {key: logs for key, logs in here.items() if key[2] == rung}
                factor = reach(level if len(level) >= ENOUGH_GROUPS else here, widths)
                before = max(STEP_DOWN * before, factor * widths[rung, regime])
                result[rung, regime, metric] = before, counts[rung, regime]
    return result


def spread_rows(found: dict[Any, np.ndarray]) -> list[list[Any]]:
    """Rows of ``spread.csv`` from left-out errors."""
    return [
        [*key, f"{np.exp(-half):.3f}", f"{np.exp(half):.3f}", count]
        for key, (half, count) in half_widths(found).items()
    ]


def component_rows(found: dict[Any, np.ndarray]) -> list[list[Any]]:
    """Rows of ``components.csv``: variance of chips, of regimes of a chip, and of figures, by evidence and kind.

    Offsets of groups are told from scatter within them; between chips and regimes they are halved, since few chips were
    measured in several. Lower rungs are at least as wide.
    """
    rows = []
    for kind, metrics in (("speed", METRICS[:2]), ("start", METRICS[2:])):
        offset, within = 0.0, 0.0
        for rung in RUNG_ORDER:
            here = [v for k, v in found.items() if k[2] == rung and k[4] in metrics]
            if here:
                offset = max(offset, float(np.mean([min(np.median(v) ** 2, 1.0) for v in here])))
                scatter = [float(np.var(v, ddof=1)) for v in here if v.size > 2]
                within = max(within, float(np.median(scatter))) if scatter else within
            rows.append([rung, kind, f"{offset / 2.0:.4f}", f"{offset / 2.0:.4f}", f"{within:.4f}", len(here)])
    return rows


def main() -> None:
    """Fit and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("facts", type=Path)
    args = parser.parse_args()
    points, _, _ = read_points(args.facts)
    values = fit(points)
    outside = groups(points, left_out(points))
    spread = spread_rows(outside)
    old = list(terms_table().values())
    with (DATA / "terms.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["id", "value", "prior", "log_sd", "unit", "source", "note"])
        for term in old:
            numbers = (f"{values[term.id]:.4g}", f"{term.prior:g}", f"{term.log_sd:g}")
            writer.writerow([term.id, *numbers, term.unit, term.source, term.note])
    with (DATA / "spread.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["rung", "regime", "metric", "low", "high", "groups"])
        writer.writerows(spread)
    with (DATA / "components.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["rung", "kind", "chip", "regime", "within", "groups"])
        writer.writerows(component_rows(outside))
    print(f"terms.csv: {len(old)} terms from {len(points)} points; before: {len(term_values())}")


if __name__ == "__main__":
    main()
