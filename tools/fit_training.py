"""Fit the free terms of the training model on measured runs and write data/perf/train/terms.csv.

Usage: python tools/fit_training.py FACTS_DIR

Residuals are errors of log speed. A source shares one bias (12 %), its rows scatter by 12 %; no source counts for more
than four rows. Outliers weigh less (Student t). Every term has a prior in logarithms around a
physical value.
"""

from __future__ import annotations

import csv
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from chipwise.catalogue import load_catalogue
from chipwise.perf.train.cases import Case, read_run, scorable
from chipwise.perf.train.devices import family_of
from chipwise.perf.train.objects import Device, Layout, Shape, Stack, stacked, taken
from chipwise.perf.train.predict import question_of
from chipwise.perf.train.resolve import resolve
from chipwise.perf.train.step import step_time
from chipwise.perf.train.terms import Terms

GROUP_BIAS, ROW_NOISE, ROWS_THAT_COUNT, FREEDOM = 0.12, 0.12, 4.0, 4.0
FAMILY_PRIOR, FAMILY_WIDTH, CHIP_WIDTH = 0.0, 0.25, 0.06
REFERENCE_FAMILY = "NVIDIA/hbm"
SPARSE_GROUP, SPARSE_STEP = 300, 4

# term: (prior, width of the prior in logarithms, source of the prior)
PRIORS: dict[str, tuple[float, float, str]] = {
    "gemm16": (0.82, 0.10, "sustained training against the best tabled kernel"),
    "gemm8": (1.15, 0.15, "inference tables understate training fp8"),
    "gemm4": (1.05, 0.2, "nvfp4 tables; part of the products stay at 8 or 16 bits"),
    "anchor": (0.5, 0.5, "how far the tables of a chip carry over to training"),
    "ridge": (0.8, 0.5, "operands through the memory bus at 0.8 of its rate"),
    "area": (0.25, 0.4, "half a wave of the largest tiles lost on average; smaller tiles save half of it"),
    "watts": (0.15, 0.7, "sustained clocks under a power limit"),
    "expert": (1.27, 0.12, "grouped against plain products"),
    "flash": (0.42, 0.25, "FlashAttention-2, Dao 2023: 0.5-0.7 forward, less backward"),
    "flash_step": (1.15, 0.10, "FlashAttention 1 to 3"),
    "flash_length": (900.0, 0.6, "efficiency rises with length"),
    "head_width": (0.3, 0.6, "heads of 64 against 128"),
    "plain_core": (0.6, 0.2, "batched products, their operands counted as passes"),
    "plain_passes": (
        16.0,
        0.3,
        "scores written once and read or rewritten 5.5 times forward, 9.5 backward: mask and softmax, dropout",
    ),
    "elementwise": (1.0, 0.3, "fused kernels at 0.85 of the bandwidth"),
    "cast": (0.6, 0.4, "three reads or writes per input of a narrow product"),
    "accumulate": (1.0, 0.3, "32-bit gradients read and written"),
    "permute": (1.0, 0.5, "dispatch and combine"),
    "host_op_s": (30e-6, 0.4, "eager framework operations"),
    "routed_ops": (40.0, 0.4, "router, permutation and experts in eager frameworks"),
    "graphs": (0.33, 0.4, "whole-step graphs"),
    "compiled": (0.05, 0.3, "compiled steps"),
    "gap_s": (2e-6, 0.4, "between kernels"),
    "sync_s": (150e-6, 0.6, "the host waits for token counts"),
    "scan": (1.0, 0.5, "passes of a state-space scan"),
    "moe_year": (1.2, 0.15, "published gains of one recipe between releases"),
    "exposed_tp": (0.55, 0.25, "share of alpha-beta time"),
    "exposed_cp": (0.46, 0.3, "share of alpha-beta time"),
    "exposed_ep": (0.5, 0.3, "share of alpha-beta time"),
    "exposed_pp": (0.45, 0.3, "share of alpha-beta time"),
    "exposed_dp": (0.5, 0.3, "share of what fits behind the last backward pass"),
    "exposed_fsdp": (0.16, 0.4, "slow-down of arithmetic while traffic runs"),
    "link": (1.0, 0.15, "training against the tabled collectives of the chip"),
    "network": (0.8, 0.2, "nccl-tests against the data sheet"),
    "latency_s": (9e-6, 0.4, "nccl tables, a pair; a quarter more per doubling"),
    "hop_s": (14e-6, 0.4, "NCCL tuning tables, ring over the network"),
    "imbalance": (0.75, 0.2, "felt share of the slowest stage"),
    "optimizer": (1.0, 0.3, "28 bytes a weight"),
    "step_s": (8e-3, 0.5, "norms, logging, data"),
    "straggler": (0.007, 0.4, "share per doubling"),
    "youth": (0.13, 0.5, "libraries of a new architecture"),
    "community": (1.15, 0.07, "community code runs 15 to 25 % below tuned on one chip, date and model alike"),
    "natural": (1.12, 0.0001, "published pairs of forced and natural routing"),
    "power": (0.45, 0.0001, "clock against power limit"),
}


@dataclasses.dataclass
class Rows:
    """All cases as arrays."""

    cases: list[Case]
    shape: Shape
    layout: Layout
    device: Device
    stack: Stack
    fits: np.ndarray
    groups: np.ndarray
    log_speed: np.ndarray
    families: np.ndarray
    chips: np.ndarray
    full: np.ndarray

    def part(self, index: np.ndarray) -> Rows:
        return Rows(
            cases=[self.cases[i] for i in index],
            shape=taken(self.shape, index),
            layout=taken(self.layout, index),
            device=taken(self.device, index),
            stack=taken(self.stack, index),
            fits=self.fits[index],
            groups=self.groups[index],
            log_speed=self.log_speed[index],
            families=self.families[index],
            chips=self.chips[index],
            full=self.full[index],
        )


def load_rows(facts: Path) -> list[dict[str, str]]:
    with (facts / "training" / "runs.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def load_cases(rows: Sequence[dict[str, str]], terms: Terms) -> list[Case]:
    catalogue = load_catalogue()
    out = []
    for row in rows:
        case = read_run(row, catalogue, terms)
        if not isinstance(case, str) and not scorable(case, row):
            out.append(case)
    return out


def arrays(cases: list[Case], terms: Terms) -> Rows:
    found = resolve([question_of(case) for case in cases], terms)
    scale = np.array([case.row_chips for case in cases])
    return Rows(
        cases=cases,
        shape=stacked([case.shape for case in cases]),
        layout=stacked([layout for layout, _ in found]),
        device=stacked([case.device for case in cases]),
        stack=stacked([case.stack for case in cases]),
        fits=np.array([fits for _, fits in found]),
        groups=np.array([case.group for case in cases]),
        log_speed=np.log([case.speed or 1.0 for case in cases]) + np.log(scale),
        families=np.array([family_of(case.chip) for case in cases]),
        chips=np.array([case.chip.id for case in cases]),
        full=np.array([case.known.full for case in cases]),
    )


def predicted(rows: Rows, terms: Terms) -> np.ndarray:
    """Log of tokens/s of the whole run."""
    reach = np.array([terms.reach(family, chip) for family, chip in zip(rows.families, rows.chips, strict=True)])
    device = dataclasses.replace(rows.device, reach=reach)
    seconds = step_time(rows.shape, rows.layout, device, rows.stack, terms).time_s
    return np.log(rows.layout.mbs * rows.layout.accum * rows.layout.dp * rows.layout.seq / seconds)


def bias_width(count: int) -> float:
    """Standard deviation of the mean error of a source of so many rows."""
    return float(np.sqrt(GROUP_BIAS**2 + ROW_NOISE**2 / min(count, ROWS_THAT_COUNT)))


class Problem:
    """Least squares in logarithms of the terms."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.families = [name for name in sorted(set(rows.families)) if name != REFERENCE_FAMILY]
        self.chips = sorted(set(rows.chips))
        self.names = (
            [f"{name}" for name in PRIORS] + [f"family:{n}" for n in self.families] + [f"chip:{n}" for n in self.chips]
        )
        self.prior = np.array(
            [np.log(PRIORS[n][0]) for n in PRIORS] + [FAMILY_PRIOR] * len(self.families) + [0.0] * len(self.chips)
        )
        self.width = np.array(
            [PRIORS[n][1] for n in PRIORS] + [FAMILY_WIDTH] * len(self.families) + [CHIP_WIDTH] * len(self.chips)
        )
        order = {}
        for place, name in enumerate(rows.groups):
            order.setdefault(name, []).append(place)
        self.members = [np.array(places) for places in order.values()]

    def terms(self, x: np.ndarray) -> Terms:
        values = dict(zip(self.names, np.exp(x), strict=True))
        family = {n: values[f"family:{n}"] for n in self.families}
        chip = {n: values[f"chip:{n}"] for n in self.chips}
        return Terms(**{n: values[n] for n in PRIORS}, family=family, chip=chip)

    def residuals(self, x: np.ndarray) -> np.ndarray:
        return predicted(self.rows, self.terms(x)) - self.rows.log_speed

    def whiten(self, matrix: np.ndarray, weights: np.ndarray, trusts: np.ndarray) -> np.ndarray:
        """Rows of a source share a bias: its mean counts once, differences inside by their own noise."""
        out = np.empty_like(matrix)
        for places, trust in zip(self.members, trusts, strict=True):
            count = len(places)
            w = weights[places][:, None] if matrix.ndim == 2 else weights[places]
            part = matrix[places]
            mean = (w * part).sum(axis=0) / w.sum()
            shrink = min(1.0, ROWS_THAT_COUNT / count) ** 0.5
            inside = shrink * np.sqrt(w) * (part - mean) / ROW_NOISE
            inside += trust**0.5 * mean / bias_width(count) / count**0.5
            out[places] = inside
        return out

    def solve(self, x: np.ndarray | None = None, steps: int = 12, active: np.ndarray | None = None) -> np.ndarray:
        x = self.prior.copy() if x is None else x.copy()
        columns = np.arange(len(x)) if active is None else active
        damping = 1e-2
        r = self.residuals(x)
        for _ in range(steps):
            weights, trusts = self.weights(r), self.trusts(r)
            jacobian = np.empty((len(r), len(columns)))
            for place, column in enumerate(columns):
                moved = x.copy()
                moved[column] += 1e-3
                jacobian[:, place] = (self.residuals(moved) - r) / 1e-3
            a, b = self.whiten(jacobian, weights, trusts), self.whiten(r, weights, trusts)
            normal = a.T @ a + np.diag(1.0 / self.width[columns] ** 2)
            gradient = a.T @ b + (x - self.prior)[columns] / self.width[columns] ** 2
            for _ in range(6):
                step = np.linalg.solve(normal + damping * np.diag(np.diag(normal)), gradient)
                trial = x.copy()
                trial[columns] -= np.clip(step, -0.5, 0.5)
                r_trial = self.residuals(trial)
                if self.cost(trial, r_trial) < self.cost(x, r):
                    damping = max(damping / 4.0, 1e-4)
                    break
                damping *= 6.0
            else:
                break
            gain = self.cost(x, r) - self.cost(trial, r_trial)
            x, r = trial, r_trial
            if gain < 0.02:
                break
        return x

    def weights(self, r: np.ndarray) -> np.ndarray:
        out = np.empty_like(r)
        for places in self.members:
            centred = (r[places] - np.median(r[places])) / ROW_NOISE
            out[places] = (FREEDOM + 1.0) / (FREEDOM + centred**2)
        return np.maximum(out, 0.02)

    def trusts(self, r: np.ndarray) -> np.ndarray:
        """Weight of the bias of each source: an outlying stack weighs less."""
        biases = np.array([np.median(r[places]) / bias_width(len(places)) for places in self.members])
        return (FREEDOM + 1.0) / (FREEDOM + biases**2)

    def cost(self, x: np.ndarray, r: np.ndarray) -> float:
        """Negative log-likelihood, doubled: Student t within sources and between them, and the priors."""
        total = (((x - self.prior) / self.width) ** 2).sum()
        for places in self.members:
            middle = np.median(r[places])
            inside = (FREEDOM + 1.0) * np.log1p(((r[places] - middle) / ROW_NOISE) ** 2 / FREEDOM).sum()
            total += min(1.0, ROWS_THAT_COUNT / len(places)) * inside
            total += (FREEDOM + 1.0) * np.log1p((middle / bias_width(len(places))) ** 2 / FREEDOM)
        return float(total)


def sparse(rows: Rows) -> np.ndarray:
    """Every fourth row of very large sources."""
    keep = []
    for name in dict.fromkeys(rows.groups):
        places = np.flatnonzero(rows.groups == name)
        keep.append(places[::SPARSE_STEP] if len(places) > SPARSE_GROUP else places)
    return np.sort(np.concatenate(keep))


def group_medians(rows: Rows, r: np.ndarray, chosen: np.ndarray | None = None) -> dict[str, tuple[float, float, int]]:
    out = {}
    for name in dict.fromkeys(rows.groups):
        places = np.flatnonzero((rows.groups == name) & (True if chosen is None else chosen))
        if len(places):
            step = np.exp(-r[places]) - 1.0
            out[str(name)] = (float(np.median(np.abs(step))), float(np.median(step)), len(places))
    return out


MEANINGS: dict[str, tuple[str, str]] = {
    "gemm16": ("", "16-bit products in training against the best tabled kernel"),
    "gemm8": ("", "8-bit products in training against the best tabled kernel"),
    "gemm4": ("", "4-bit products in training against the best tabled kernel"),
    "anchor": ("", "exponent with which the tabled reach of a chip carries over"),
    "ridge": ("", "operand traffic of a product, in units of the data-sheet bandwidth"),
    "area": ("", "share of a wave of tiles lost per product"),
    "watts": ("", "exponent of board power per 16-bit FLOP/s"),
    "expert": ("", "grouped expert products against plain ones at the start of 2025"),
    "flash": ("", "fused attention, second generation: share of the 16-bit peak at great length"),
    "flash_step": ("", "gain of one generation of attention kernels"),
    "flash_length": ("token", "length at which fused attention reaches half of that"),
    "head_width": ("", "exponent of head width below 128"),
    "plain_core": ("", "attention without a fused kernel: share of the 16-bit peak"),
    "plain_passes": ("", "passes over the score matrix without a fused kernel"),
    "elementwise": ("", "memory passes between products against fully fused kernels"),
    "cast": ("", "share of the nominal three passes per narrow input"),
    "accumulate": (
        "",
        "share of 8 bytes a weight and micro-batch for 32-bit gradients, before what hides behind their products",
    ),
    "permute": ("", "dispatch and combine against six passes over routed activations"),
    "host_op_s": ("s", "host time of one framework operation"),
    "routed_ops": ("", "framework operations of one layer of experts, forward"),
    "graphs": ("", "host time left with whole-step graphs"),
    "compiled": ("", "host time left where the step is compiled"),
    "gap_s": ("s", "device idle between operations"),
    "sync_s": ("s", "stall of one layer of experts and pass while token counts are read, at the start of 2025"),
    "scan": ("", "memory passes of a state-space scan"),
    "moe_year": ("", "yearly gain of what experts cost beyond plain products, for two years"),
    "exposed_tp": ("", "exposed share of tensor traffic"),
    "exposed_cp": ("", "exposed share of context traffic"),
    "exposed_ep": ("", "exposed share of expert traffic"),
    "exposed_pp": ("", "exposed share of sends between stages"),
    "exposed_dp": ("", "exposed share of data traffic that fits behind one micro-batch"),
    "exposed_fsdp": ("", "share of sharded traffic that slows the arithmetic it hides behind"),
    "link": ("", "scale-up bandwidth in training against the tabled collectives of the chip"),
    "network": ("", "reached share of scale-out bandwidth"),
    "latency_s": ("s", "latency of a small collective of two"),
    "hop_s": ("s", "latency of a ring per hop between nodes"),
    "imbalance": ("", "felt share of what the slowest stage has more"),
    "optimizer": ("", "optimizer pass against 28 bytes a weight"),
    "step_s": ("s", "fixed cost of a step"),
    "straggler": ("", "slow-down per doubling of devices that reduce together"),
    "youth": ("", "slow-down at the release of an architecture, decaying over a year"),
    "community": ("", "slow-down of a stack nobody tuned for the chip"),
    "natural": ("", "slow-down of experts under natural routing; not fitted"),
    "power": ("", "exponent of compute with the power limit; not fitted"),
}


def write_terms(problem: Problem, x: np.ndarray, rows: Rows) -> None:
    """The fitted terms and the sources that taught them, as shipped."""
    folder = Path(__file__).parents[1] / "src" / "chipwise" / "data" / "perf" / "train"
    with (folder / "terms.csv").open("w", encoding="utf-8", newline="") as stream:
        out = csv.writer(stream, lineterminator="\n")
        out.writerow(["term", "value", "unit", "prior", "prior_width", "meaning", "source_of_prior"])
        for name, value, prior, width in zip(problem.names, x, problem.prior, problem.width, strict=True):
            kind, _, which = name.partition(":")
            unit, meaning = MEANINGS.get(kind, ("", f"compute reached by {which} relative to the general law"))
            source = PRIORS[kind][2] if kind in PRIORS else f"fitted; neutral prior for each {kind}"
            out.writerow([name, f"{np.exp(value):.4g}", unit, f"{np.exp(prior):.4g}", width, meaning, source])
    with (folder / "sources.csv").open("w", encoding="utf-8", newline="") as stream:
        out = csv.writer(stream, lineterminator="\n")
        out.writerow(["source_group", "rows", "chips"])
        for name in sorted(set(rows.groups)):
            places = rows.groups == name
            out.writerow([name, int(places.sum()), " ".join(sorted(set(rows.chips[places])))])


def fitted(facts: Path) -> tuple[Rows, Problem, np.ndarray]:
    """Rows, problem and solution: open layouts are chosen with the priors, then once more with the fitted terms."""
    cases = load_cases(load_rows(facts), Terms())
    problem = Problem((rows := arrays(cases, Terms())).part(sparse(rows)))
    rows = arrays(cases, problem.terms(x := problem.solve()))
    problem = Problem(rows.part(sparse(rows)))
    return rows, problem, problem.solve(x)


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    rows, problem, x = fitted(Path(sys.argv[1]))
    write_terms(problem, x, rows)
    residual = predicted(rows, problem.terms(x)) - rows.log_speed
    found = group_medians(rows, residual)
    print(
        f"{len(found)} sources, mean of their median errors {np.mean([m for m, _, _ in found.values()]):.1%} in the fit"
    )


if __name__ == "__main__":
    main()
