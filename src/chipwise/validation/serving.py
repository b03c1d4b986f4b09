"""The simulator against real runs of an engine, replayed from their settings; nothing is fitted to them."""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from chipwise.core.errors import ChipwiseError, InputError, UnknownName
from chipwise.validation.score import ScoredRow, score

METRICS = ("tpot_mean_s", "ttft_p50_s", "ttft_p99_s", "latency_p50_s", "latency_p99_s")

SPREAD = {"tpot": 1.18, "ttft": 2.0, "latency": 1.22}
"""Assumed 90 % factor either way: three recorded runs are too few to derive one from residuals."""


def validate_serving(path: str | Path | None = None, *, without_own: bool = False) -> dict[str, Any]:
    """Replay recorded runs and judge every percentile.

    Parameters
    ----------
    path : path, optional
        ``runs.yaml`` that describes the runs, the folder that holds it beside their Parquet files, or one of those;
        the shipped runs by default.

    without_own : bool
        Judge as if nobody had timed kernels on the chips of the runs.

    Returns
    -------
    dict
        Scores overall, by run and by metric, and every row; metrics are in seconds.

    Raises
    ------
    InputError
        No such description.
    """
    if path is None:
        path = Path(str(importlib.resources.files("chipwise") / "data" / "measured" / "serving"))
    file = Path(path)
    only = file.name if file.suffix == ".parquet" else ""
    file = file / "runs.yaml" if file.is_dir() else file.parent / "runs.yaml" if only else file
    described = _described(file)
    from chipwise.catalogue import load_catalogue

    catalogue = load_catalogue()
    common = described.get("common") or {}
    rows: list[ScoredRow] = []
    wanted = [run for run in described["runs"] if only in ("", run.get("file"))]
    if not wanted:
        raise InputError(f"does not describe {only!r}", place=str(file), allowed="a run that it lists")
    for run in wanted:
        run = {**run, "without_own": without_own}
        rows += list(_judged({**common, **run}, file.parent, catalogue))
    return score(rows)


def _described(file: Path) -> dict[str, Any]:
    import yaml

    try:
        read = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"cannot be read: {error}", place=str(file), allowed="a YAML list `runs`") from None
    if not isinstance(read, dict) or not isinstance(read.get("runs"), list):
        raise InputError("has no list `runs`", place=str(file), allowed="runs: [{file, model, chip_id, …}]")
    return read


def _judged(run: Mapping[str, Any], folder: Path, catalogue: Any) -> Iterator[ScoredRow]:
    name = str(run.get("file", ""))
    measured = measured_times(folder / name)
    try:
        predicted, evidence = replayed(run, folder / name, catalogue)
        status = "ok"
    except ChipwiseError as error:
        predicted, evidence, status = {}, "", error.line()
    for metric in METRICS:
        value = predicted.get(metric)
        factor = SPREAD[metric.partition("_")[0]]
        yield ScoredRow(
            id=name,
            group=name.removesuffix(".parquet"),
            metric=metric,
            measured=measured[metric],
            predicted=value,
            low=None if value is None else value / factor,
            high=None if value is None else value * factor,
            evidence=evidence,
            status=status,
        )


def measured_times(file: Path) -> dict[str, float]:
    """What the recorded run took."""
    import numpy as np

    table = _table(file)
    columns = {name: np.asarray(table.column(name).to_numpy(), float) for name in table.column_names}
    return _metrics(columns["ttft_s"], columns["tpot_s"], columns["last_token_s"] - columns["arrival_s"])


def _table(file: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    try:
        return parquet.read_table(file)
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(f"cannot be read: {error}", place=str(file), allowed="a Parquet file of requests") from None


def _metrics(ttft: Any, tpot: Any, latency: Any) -> dict[str, float]:
    import numpy as np

    return {
        "tpot_mean_s": float(np.nanmean(tpot)),
        "ttft_p50_s": float(np.percentile(ttft, 50)),
        "ttft_p99_s": float(np.percentile(ttft, 99)),
        "latency_p50_s": float(np.percentile(latency, 50)),
        "latency_p99_s": float(np.percentile(latency, 99)),
    }


def replayed(run: Mapping[str, Any], file: Path, catalogue: Any) -> tuple[dict[str, float], str]:
    """Predicted times of one described run, and what they rest on."""
    from chipwise.serving import preset, read_trace, simulate, step_cost

    copies = int(run.get("dp") or 1)
    model = _model_of(str(run["model"]), catalogue)
    lanes = (
        copies if model.n_experts else 1
    )  # data-parallel ranks share the experts, with expert parallelism or without
    kv = run.get("kv") or {}
    cost = step_cost(
        str(run["chip_id"]),
        model,
        chips=int(run.get("tp") or 1),
        engine=str(run.get("engine") or "vllm"),
        memory_share=kv.get("gpu_memory_utilization"),
        pipeline=int(run.get("pp") or 1),
        expert_parallel=lanes,
        weight_precision=_weights(run),
        kv_precision="fp8" if str(run.get("kv_cache_dtype") or "auto").startswith("fp8") else "auto",
        without=(str(run["chip_id"]),) if run.get("without_own") else (),
        catalogue=catalogue,
    )
    replica = preset(
        str(run.get("engine") or "vllm"),
        max_batch=_times(run.get("max_num_seqs"), lanes),
        token_budget=_times(run.get("max_num_batched_tokens"), lanes),
        kv_tokens=_times(kv.get("kv_tokens"), lanes) or cost.kv_capacity_tokens,
        block_tokens=kv.get("block_size") or cost.block_tokens,
        prefix_cache=run.get("prefix_caching") is not False,
        look_ahead=(run.get("scheduler") or {}).get("async_scheduling"),
    )
    found = simulate(
        read_trace(file, keep_stamps=True), [(cost, replica)] * max(1, copies // lanes), router="least load"
    )
    room = "stated" if kv.get("kv_tokens") else "predicted"
    evidence = f"{cost.evidence}; cache of {replica.kv_tokens:,} tokens {room}; prompts share no prefix"
    return _metrics(found.ttft_s, found.tpot_s, found.latency_s), evidence


def _weights(run: Mapping[str, Any]) -> str:
    """Format of the weights a run states; the chip's usual one where it states none.

    Raises
    ------
    InputError
        A quantisation this model has no format for.
    """
    stated = str(run.get("quantisation") or run.get("quantization") or "none").casefold()
    kept = str(run.get("dtype") or "auto").casefold()
    if stated == "none":
        return {"bfloat16": "bf16", "bf16": "bf16", "float16": "fp16", "half": "fp16"}.get(kept, "auto")
    for name, found in (
        ("fp8", "fp8"),
        ("fp4", "fp4"),
        ("awq", "int4"),
        ("gptq", "int4"),
        ("int4", "int4"),
        ("int8", "int8"),
    ):
        if name in stated:
            return found
    raise InputError(f"quantisation {stated!r}", place="runs.yaml", allowed="none, fp8, fp4, int8, int4, awq or gptq")


def _model_of(name: str, catalogue: Any) -> Any:
    """The model of that name, with or without the owner a hub puts before it."""
    try:
        return catalogue.model(name)
    except UnknownName:
        return catalogue.model(name.rsplit("/", 1)[-1])


def _times(value: int | None, lanes: int) -> int | None:
    """A limit stated per rank, for all ranks that step together."""
    return None if value is None else value * lanes
