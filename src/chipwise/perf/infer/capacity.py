"""Cache room as the engines compute it.

- vLLM: ``share * memory - weights - activation peak - context`` (``gpu_memory_utilization`` 0.9).
- TensorRT-LLM: ``share * (memory - weights - activation peak - context)`` (``free_gpu_memory_fraction`` 0.9).
- SGLang: ``share * memory - weights`` (``mem_fraction_static``); activations live in the rest.
- MindIE: ``share * (memory - weights - logits - idle use)`` (``npuMemSize`` -1; share 0.8).
- llama.cpp: everything is allocated at start: ``memory - weights - compute buffers - context``; a slot owns its part of
  the context whether it is used or not.

Captured graphs live in what the share leaves; where that is too little they take from the caches.

References
----------
vLLM documentation (engine arguments), TensorRT-LLM documentation (KV cache), SGLang documentation (hyperparameters),
MindIE documentation (ScheduleParam, ModelDeployParam), llama.cpp server documentation.
"""

from __future__ import annotations

from typing import Any

from chipwise.perf.infer.setup import Setup, cache_bytes_per_chip, weight_bytes_per_chip
from chipwise.perf.infer.terms import engine_constant
from chipwise.perf.machine import engine_memory_bytes
from chipwise.perf.tables import constant

LOGIT_BYTES = 4.0
"""Logits are kept in fp32."""


def driver_memory_bytes(setup: Setup) -> float:
    """What the driver reports for one chip, byte.

    Raises
    ------
    Undetermined
        The size of the memory is not published.
    """
    return engine_memory_bytes(setup.chip) / constant("memory_share")


def activation_peak_bytes(setup: Setup) -> float:
    """Largest intermediate of a full chunk on one chip: hidden states, widest inner layer, and logits of a batch."""
    work = setup.work
    tokens = engine_constant(setup.engine, "chunk_tokens")
    inner = max(3.0 * work.narrow / setup.layout.tensor, 2.0 * work.hidden)
    return tokens * (4.0 * work.hidden + inner) * 2.0 + _logit_bytes(setup)


def _logit_bytes(setup: Setup) -> float:
    rows = engine_constant(setup.engine, "logit_rows")
    return rows * setup.work.vocab / setup.layout.tensor * LOGIT_BYTES


def cache_room_per_chip(setup: Setup, memory_share: float | None = None) -> float:
    """Bytes for caches on one chip; negative where the weights do not fit. `memory_share` overrides the engine's."""
    memory, weights = driver_memory_bytes(setup), weight_bytes_per_chip(setup)
    share = engine_constant(setup.engine, "memory_share") if memory_share is None else memory_share
    context = engine_constant(setup.engine, "context_bytes")
    peak = activation_peak_bytes(setup)
    if setup.engine == "sglang":
        room = share * memory - weights
    elif setup.engine == "tensorrt-llm":
        room = share * (memory - weights - peak - context)
    elif setup.engine == "mindie":
        room = share * (memory - weights - _logit_bytes(setup) - context)
    else:
        room = share * memory - weights - peak - context
    graphs = engine_constant(setup.engine, "graph_bytes")
    return min(room, memory - weights - peak - context - graphs)


def cache_tokens(setup: Setup, context: float, memory_share: float | None = None) -> float:
    """Tokens of all requests of one copy whose cache fits, in requests of `context` tokens, in whole blocks."""
    room = cache_room_per_chip(setup, memory_share)
    each = float(cache_bytes_per_chip(setup, context)) / context
    if room <= 0 or each <= 0:
        return 0.0 if room <= 0 else float("inf")
    block = engine_constant(setup.engine, "block_tokens")
    per_copy = room / each // block * block
    return per_copy * setup.layout.data


def most_requests(setup: Setup, input_tokens: float, output_tokens: float) -> float:
    """Requests of one copy that run together; 0 where not one fits at its full length.

    vLLM and SGLang hold what a request has so far, half its output on average; TensorRT-LLM reserves all of it, so
    that no request is ever evicted.
    """
    room, layout = cache_room_per_chip(setup), setup.layout
    if room <= 0 or room < float(cache_bytes_per_chip(setup, input_tokens + output_tokens)):
        return 0.0
    kept = input_tokens + output_tokens * engine_constant(setup.engine, "reserved_output")
    each: Any = cache_bytes_per_chip(setup, kept)
    return max(1.0, room / float(each)) * layout.data if each > 0 else 1e6
