"""Read the measured kernels as tables: work coordinates, FLOP, bytes and times of one operator on one chip."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chipwise.catalogue import load_catalogue
from chipwise.perf.operators import coordinates
from chipwise.perf.operators.grids import GRIDS
from chipwise.perf.operators.ladder import OPERATORS, peak_of
from chipwise.perf.operators.law import gemm_work
from chipwise.perf.operators.precision import BLOCK_SCALED, PRECISIONS
from tools.operator_columns import groups, read_columns
from tools.operator_layers import SERVING_SIM, SHAPES, sample_tokens, simulator_layers, vidur_layers

Array = NDArray[np.float64]

AICONFIGURATOR = "AIConfigurator kernel timings, Copyright NVIDIA"
LEAST_ROWS = 150
ATTENTION_NAMES = {"bfloat16": "bf16", "fp8": "fp8"}
ROUTINGS = {"balanced": "balanced", "power_law_1.2": "natural"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One operator of one chip at one precision.

    Parameters
    ----------
    fold_key : (n,) float64
        Equal for rows that must be held out together: a weight shape, a head layout, a model.
    points : three (n,) float64
        Work coordinates.
    best_s, median_s : (n,) float64
    """

    operator: str
    precision: str
    variant: str
    chip: str
    points: tuple[Array, Array, Array]
    flop: Array
    bytes: Array
    best_s: Array
    median_s: Array
    runs: Array
    fold_key: Array
    peak: float
    bandwidth: float
    source: str
    licence: str

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Operator, precision, variant, chip."""
        return self.operator, self.precision, self.variant, self.chip

    @property
    def floor_s(self) -> Array:
        """Data-sheet bound of each row."""
        return np.maximum(self.flop / self.peak, self.bytes / self.bandwidth)


def _measured(operator, precision, variant, chip, rows, columns, points, flop, moved, fold) -> Measured | None:  # type: ignore[no-untyped-def]
    found = load_catalogue().chip(chip)
    peak = peak_of(found, OPERATORS[operator].peak(precision), borrow=True)
    if peak is None or not found.mem_bytes_per_s:
        return None
    return Measured(
        operator=operator,
        precision=precision,
        variant=variant,
        chip=found.id,
        points=points,
        flop=flop,
        bytes=moved,
        best_s=columns["best_ms"][rows] * 1e-3,
        median_s=columns["median_ms"][rows] * 1e-3,
        runs=columns["n_runs"][rows],
        fold_key=fold,
        peak=peak,
        bandwidth=found.mem_bytes_per_s,
        source=AICONFIGURATOR,
        licence="Apache-2.0",
    )


def gemm_tables(folder: Path) -> Iterator[Measured]:
    """Matrix products; block-scaled formats from one block upward."""
    columns = read_columns(folder / "operators" / "gemm.parquet")
    names = {row.table: name for name, row in PRECISIONS.items() if row.table}
    for (chip, dtype), rows in groups(columns, ("chip", "gemm_dtype")):
        name = names.get(dtype)
        if name is None:
            continue
        smallest = BLOCK_SCALED.get(name, 1.0)
        keep = (columns["m"][rows] >= 1) & (np.minimum(columns["n"][rows], columns["k"][rows]) >= smallest)
        rows = rows[keep]
        m, n, k = (columns[axis][rows] for axis in ("m", "n", "k"))
        flop, moved = gemm_work(m, n, k, PRECISIONS[name].widths)
        found = _measured("gemm", name, "", chip, rows, columns, (m, n, k), flop, moved, n * 1e6 + k)
        if found is not None and len(rows) >= LEAST_ROWS:
            yield found


def layer_tables(folder: Path, known: Collection[str]) -> Iterator[Measured]:
    """Matrix products timed as layers of models, for chips not in `known`."""
    for layers in (vidur_layers(folder), *simulator_layers(folder)):
        for (chip,), rows in groups(layers, ("chip",)):
            found = load_catalogue().chip(chip)
            if found.id in known:
                continue
            rows = rows[sample_tokens(layers["m"][rows])]
            m, n, k = (layers[axis][rows] for axis in ("m", "n", "k"))
            flop, moved = gemm_work(m, n, k, PRECISIONS["bf16"].widths)
            table = _measured("gemm", "bf16", "", chip, rows, layers, (m, n, k), flop, moved, n * 1e6 + k)
            if table is not None and len(rows) >= LEAST_ROWS:
                source = str(layers["source"][rows[0]])
                yield dataclasses.replace(table, source=source, licence="MIT")


def attention_tables(folder: Path, phase: str) -> Iterator[Measured]:
    """Attention of one phase, with and without a window."""
    columns = read_columns(folder / "operators" / f"attention_{phase}.parquet")
    columns["windowed"] = np.where(columns["window_size"] > 0, "window", "full")
    fields = ("chip", "attn_dtype", "kv_cache_dtype", "head_dim", "windowed")
    for (chip, arithmetic, cache, width, windowed), rows in groups(columns, fields):
        if len(rows) < LEAST_ROWS:
            continue
        first, second = ATTENTION_NAMES[arithmetic], ATTENTION_NAMES[cache]
        precision = first if first == second else f"{first}/{second}"
        if phase == "decode":
            precision = second
        batch, heads, caches = (columns[name][rows] for name in ("batch_size", "num_heads", "num_key_value_heads"))
        dim = float(width)
        window = np.where(columns["window_size"][rows] > 0, columns["window_size"][rows], 1e9)
        if phase == "prefill":
            work = coordinates.prefill_coordinates(
                batch, columns["isl"][rows], heads, caches, 0.0 * batch, window, 1.0, dim, dim, second
            )
        else:
            context = columns["isl"][rows] + columns["step"][rows]
            work = coordinates.decode_coordinates(batch, context, heads, caches, window, 1.0, dim, dim, second)
        operator = phase if windowed == "full" else f"{phase}_window"
        found = _measured(operator, precision, str(int(dim)), chip, rows, columns, work[:3], *work[3:], heads)
        if found is not None:
            yield found


def simulator_attention(folder: Path) -> Iterator[Measured]:
    """Attention of LLMServingSim's second edition: pure prefill and pure decode batches of dense models."""
    columns = read_columns(folder / "operators" / "llmservingsim_vllm019_layers.parquet")
    columns["best_ms"] = columns["median_ms"] = columns["time_us"] * 1e-3
    columns["n_runs"] = np.ones(len(columns["time_us"]))
    split = np.where(columns["tp_dir"] == "tp2", 2.0, 1.0)
    known = np.isin(columns["model"], list(SHAPES))
    heads, caches = (
        np.array([SHAPES.get(model, (1.0,) * 5)[place] for model in columns["model"]]) / split for place in (2, 3)
    )
    new, before, count, context = (columns[name] for name in ("prefill_chunk", "kv_prefill", "n_decode", "kv_decode"))
    pure = known & (columns["table"] == "attention")
    for phase in ("prefill", "decode"):
        picked = pure & ((new > 0) & (count == 0) if phase == "prefill" else (new == 0) & (count > 0) & (context > 0))
        chips = np.unique(columns["chip"][picked])
        for chip in chips:
            rows = np.flatnonzero(picked & (columns["chip"] == chip))
            h, c = heads[rows], caches[rows]
            if phase == "prefill":
                one = np.ones(len(rows))
                work = coordinates.prefill_coordinates(
                    one, new[rows], h, c, before[rows], coordinates.UNBOUNDED, 1.0, 128.0, 128.0, "bf16"
                )
            else:
                work = coordinates.decode_coordinates(
                    count[rows], context[rows], h, c, coordinates.UNBOUNDED, 1.0, 128.0, 128.0, "bf16"
                )
            table = _measured(phase, "bf16", "128", str(chip), rows, columns, work[:3], *work[3:], h)
            if table is not None:
                yield dataclasses.replace(table, source=SERVING_SIM, licence="MIT")


def latent_tables(folder: Path, phase: str) -> Iterator[Measured]:
    """Latent attention of one phase."""
    columns = read_columns(folder / "operators" / f"mla_{phase}.parquet")
    for (chip, cache), rows in groups(columns, ("chip", "kv_cache_dtype")):
        second = ATTENTION_NAMES[cache]
        batch, heads = columns["batch_size"][rows], columns["num_heads"][rows]
        if phase == "prefill":
            work = coordinates.latent_prefill_coordinates(batch, columns["isl"][rows], heads, 0.0 * batch, second)
        else:
            context = columns["isl"][rows] + columns["step"][rows]
            work = coordinates.latent_decode_coordinates(batch, context, heads, second)
        found = _measured(f"mla_{phase}", second, "", chip, rows, columns, work[:3], *work[3:], heads)
        if found is not None:
            yield found


def expert_tables(folder: Path) -> Iterator[Measured]:
    """Mixtures of experts, by routing."""
    columns = read_columns(folder / "operators" / "moe.parquet")
    names = {row.moe_table: name for name, row in PRECISIONS.items() if row.moe_table}
    for (chip, dtype, routing), rows in groups(columns, ("chip", "moe_dtype", "distribution")):
        name = names.get(dtype)
        if name is None or len(rows) < LEAST_ROWS:
            continue
        tokens, hidden, width, chosen, count, tensor, parallel = (
            columns[field][rows]
            for field in (
                "num_tokens",
                "hidden_size",
                "inter_size",
                "topk",
                "num_experts",
                "moe_tp_size",
                "moe_ep_size",
            )
        )
        work = coordinates.moe_coordinates(
            tokens, hidden, width, chosen, count, tensor, parallel, PRECISIONS[name].widths, ROUTINGS[routing]
        )
        fold = hidden * 1e9 + width * 1e4 + chosen * 1e3 + count
        found = _measured("moe", name, ROUTINGS[routing], chip, rows, columns, work[:3], *work[3:], fold)
        if found is not None:
            yield found


def all_tables(folder: Path) -> Iterator[Measured]:
    """Every table, in a fixed order."""
    matrix = list(gemm_tables(folder))
    yield from matrix
    yield from layer_tables(folder, {table.chip for table in matrix})
    for phase in ("prefill", "decode"):
        yield from attention_tables(folder, phase)
        yield from latent_tables(folder, phase)
    yield from expert_tables(folder)


def grid_of(table: Measured):  # type: ignore[no-untyped-def]
    """Grid of a table."""
    return GRIDS[OPERATORS[table.operator].grid]
