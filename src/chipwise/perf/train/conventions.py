"""What a source's words mean: framework, attention kernel, recomputation, network. Rules, never single rows."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping

from chipwise.catalogue.objects import Chip
from chipwise.perf.training_rows import number

TUNED = (
    "nemo",
    "megatron-core",
    "megatron-lm",
    "megatron bridge",
    "maxtext",
    "modellink",
    "mindspeed",
    "habana",
    "neuron",
    "pax",
)
"""Frameworks that a chip's vendor tunes for it."""


OWN_FORKS = ("habana", "intel", "mindspeed", "rocm", "primus")
"""Marks of a framework's fork by a chip's vendor.

Such forks ship a fused attention core that is on by default: Intel's training scripts for Gaudi pass
``--use-fused-sdpa``, 1 unless set otherwise (HabanaAI/Megatron-LM, ``examples/llama/pretrain_llama.sh``); the kernel
came with Intel Gaudi software 1.10 (release notes of 2023-08-09).
"""


def gradient_width(row: Mapping[str, str], sharded: bool, modern: bool) -> float:
    """Bytes of a gradient: 4 in Megatron stacks that are old or not tuned by the vendor, else 2."""
    framework = (row.get("framework") or "see notes").casefold()
    megatron = "mega" in framework or "see notes" in framework
    return 4.0 if megatron and not sharded and not (modern and community_stack(row) < 1.0) else 2.0


def bucket_weights(row: Mapping[str, str]) -> float:
    """Weights of one collective of a sharded optimizer; 0 for Megatron, whose buckets grow with the ranks."""
    framework = (row.get("framework") or "").casefold()
    grows = any(name in framework for name in ("megatron", "nemo", "mindspeed")) and "deepspeed" not in framework
    return 0.0 if grows or (row.get("source_kind") or "") == "MLPerf" else 4e7


def tensor_overlap(row: Mapping[str, str], chip: Chip) -> float:
    """As usual on the chip (-1) in compiled stacks, NVIDIA's recipes and MLPerf; elsewhere backward traffic runs behind
    the weight gradients (3)."""
    framework = (row.get("framework") or "").casefold()
    pieces = "nemo" in framework or "megatron bridge" in framework or (row.get("source_kind") or "") == "MLPerf"
    return -1.0 if pieces or chip.vendor in ("Google", "AWS") else 3.0


def held_share(schedule: str) -> float:
    """Activations a schedule holds relative to 1F1B."""
    name = schedule.casefold()
    return 0.5 if "v-half" in name else 0.34 if "v-min" in name else 1.0


def recompute_of(row: Mapping[str, str]) -> tuple[float | None, float]:
    """Share of layers done again (None where not stated), and whether only the core is."""
    text = (row.get("recompute") or "").casefold()
    if not text:
        return None, 0.0
    if text.startswith("none"):
        return 0.0, 0.0
    if text.startswith("selective"):
        return (0.0, 1.0) if "attention core" in text or "sequence parallel" in text else (0.5, 1.0)
    layers = number(row, "layers")
    some = re.search(r"num-layers (\d+)", text)
    if some and layers:
        stage = layers / flag(row, "pp", 1.0)
        return min(1.0, float(some.group(1)) / stage), 0.0
    if text.startswith("full"):
        return 1.0, 0.0
    return (0.5 if text.startswith("minimal") else None), 0.0


def stated_network(row: Mapping[str, str]) -> float | None:
    """Byte/s of one chip, one direction, from the words of the source; None where they do not say."""
    text = row.get("interconnect_inter") or ""
    chips = number(row, "chips_per_node")
    several = re.match(r"\s*(\d+)x[^0-9]*?(?:[A-Za-z-]+-?\d* )*(?:HDR |NDR |EDR )?(?:IB )?(?:NDR |HDR )?(\d+) ?G", text)
    if "per NPU" in text or "per GPU" in text:
        one = re.search(r"(\d+) ?Gb", text)
        return float(one.group(1)) / 8.0 * 1e9 if one else None
    if "per card" in text and several:
        return float(several.group(1)) * float(several.group(2)) / 8.0 * 1e9
    if several and chips and "per node" in text:
        return float(several.group(1)) * float(several.group(2)) / 8.0 * 1e9 / chips
    whole = re.match(r"\s*(\d+) Gbps", text)
    if whole and chips:
        return float(whole.group(1)) / 8.0 * 1e9 / chips
    return None


def community_stack(row: Mapping[str, str]) -> float:
    """1 for a stack that the vendor of the chip has not tuned, told by framework and kind of source."""
    kind = (row.get("source_kind") or "").casefold()
    if kind == "mlperf":
        return 0.0
    framework = (row.get("framework") or "").casefold()
    tuned = any(name in framework for name in TUNED) and "deepspeed" not in framework.split("/")[0]
    if "benchmark" in kind:
        return 1.0
    return 0.0 if tuned or "vendor" in kind else 1.0


def flash_of(row: Mapping[str, str], chip: Chip, on: dt.date | None) -> float:
    """Generation of the attention kernel.

    None before 2022-09, nor in Megatron-DeepSpeed unless it is the chip vendor's own fork; the first to 2023-07; the
    third on Hopper and Blackwell from 2024-03; the second else.
    """
    stated = number(row, "flash_attention")
    if stated == 0:
        return 0.0
    framework = (row.get("framework") or "").casefold()
    forked = "deepspeed" in framework and not any(name in framework for name in OWN_FORKS)
    if stated is None and (forked or (on is not None and on < dt.date(2022, 9, 1))):
        return 0.0
    if on is not None and on < dt.date(2023, 7, 1):
        return 1.0
    newer = chip.vendor == "NVIDIA" and (chip.architecture.startswith(("Hopper", "Blackwell")))
    return 3.0 if newer and (on is None or on >= dt.date(2024, 3, 1)) else 2.0


def whole_graphs(row: Mapping[str, str], chip: Chip, on: dt.date | None) -> bool:
    """Vendor recipes on Blackwell capture the whole iteration from the middle of 2026."""
    late = on is not None and on >= dt.date(2026, 5, 1)
    return late and chip.architecture.startswith("Blackwell") and community_stack(row) == 0.0


def flag(row: Mapping[str, str], column: str, otherwise: float) -> float:
    """The cell as a number, or `otherwise`."""
    value = number(row, column)
    return otherwise if value is None else value
