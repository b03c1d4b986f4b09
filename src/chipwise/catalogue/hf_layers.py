"""Which layers a configuration has: full, window, linear, mixture; and the sizes of each kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chipwise.catalogue.hf_families import Family
from chipwise.catalogue.hf_fields import Fields
from chipwise.catalogue.shapes import AttentionGroup

_KINDS = {
    "full_attention": "full",
    "attention": "full",
    "sliding_attention": "window",
    "chunked_attention": "window",
    "linear_attention": "linear",
    "mamba": "linear",
    "mlp": "mlp",
    "moe": "moe",
}
_BLOCKS = {"M": "linear", "*": "full", "-": "mlp", "E": "moe"}
_MLA = frozenset({"deepseek_v2", "deepseek_v3", "deepseek_v32", "kimi_k2", "kimi_linear", "glm_moe_dsa", "minicpm3"})


def layer_kinds(fields: Fields, family: Family, layers: int) -> tuple[str, ...]:
    """One of ``full``, ``window``, ``linear``, ``mlp``, ``moe`` for each layer (or block)."""
    if family.window == "ssm":
        return ("linear",) * layers
    found = _listed_kinds(fields, layers)
    if found is None:
        found = [_ruled_kind(fields, family, index) for index in range(layers)]
    if len(found) != layers:
        raise fields.bad("layer_types", f"one entry for each of {layers} layers, not {len(found)}")
    return tuple(found)


def _listed_kinds(fields: Fields, layers: int) -> list[str] | None:
    """Kinds where the configuration lists them one by one."""
    types = fields.listed("layer_types") or fields.listed("layers_block_type")
    if types is not None:
        unknown = sorted({str(entry) for entry in types if entry not in _KINDS})
        if unknown:
            raise fields.bad("layer_types", " | ".join(_KINDS))
        return [_KINDS[entry] for entry in types]
    pattern = fields.content.get("hybrid_override_pattern")
    if pattern is not None:
        if not isinstance(pattern, str) or set(pattern) - set(_BLOCKS):
            raise fields.bad("hybrid_override_pattern", "the letters " + " ".join(_BLOCKS))
        return [_BLOCKS[letter] for letter in pattern]
    codes = fields.listed("attn_type_list")
    if codes is not None:
        return ["full" if code == 1 else "linear" for code in codes]
    full = fields.inner("linear_attn_config").listed("full_attn_layers")
    if full is not None:
        return ["full" if index + 1 in full else "linear" for index in range(layers)]
    every = fields.optional("full_attention_interval")
    if every is not None:
        return ["linear" if (index + 1) % every else "full" for index in range(layers)]
    return None


def _ruled_kind(fields: Fields, family: Family, index: int) -> str:
    """Kind where the type of the model fixes the pattern."""
    window = fields.optional("sliding_window", "attention_chunk_size")
    if window is None or family.window == "none":
        return "full"
    if family.window == "alternate":
        return "full" if index % 2 else "window"
    if family.window in {"pattern", "chunks"}:
        every = fields.optional("sliding_window_pattern", "_sliding_window_pattern") or family.pattern
        return "window" if (index + 1) % every else "full"
    if family.window == "qwen":
        first = fields.optional("max_window_layers", low=0) or 0
        return "window" if fields.flag("use_sliding_window", False, silent=True) and index >= first else "full"
    return "window"


def groups(fields: Fields, model_type: str, kinds: Sequence[str], hidden: int) -> dict[str, Any]:
    """Heads and softmax attention groups."""
    full, window = kinds.count("full"), kinds.count("window")
    out: dict[str, Any] = {"full_attn_layers": full, "window_attn_layers": window, "sliding_window": None}
    if not full and not window:
        return {**out, "attention": "ssm", "attention_groups": (), "heads": 0, "kv_heads": 0, "head_dim": 0}
    heads = fields.needed("num_attention_heads", "n_head", "n_heads")
    if model_type in _MLA:
        return {**out, **_mla_groups(fields, model_type, heads, full)}
    kv_heads = _kv_heads(fields, model_type, heads)
    width = fields.optional("head_dim", "attention_head_dim", "kv_channels")
    if width is None:
        if hidden % heads:
            raise fields.bad("num_attention_heads", f"a divisor of the width {hidden}, or give head_dim")
        width = hidden // heads
    made = []
    if full:
        made.append(_group("full", full, heads, kv_heads, width))
    if window:
        size = fields.needed("sliding_window", "attention_chunk_size")
        made.append(_group("window", window, heads, kv_heads, width, size))
        out["sliding_window"] = size
    kind = "mha" if kv_heads == heads else "mqa" if kv_heads == 1 else "gqa"
    if window:
        kind = "chunked" if "attention_chunk_size" in fields.content else "sliding"
    if "linear" in kinds:
        kind = "mamba-hybrid" if model_type == "nemotron_h" else "linear-hybrid"
    return {
        **out,
        "attention": kind,
        "attention_groups": tuple(made),
        "heads": heads,
        "kv_heads": kv_heads,
        "head_dim": width,
    }


def _group(kind: str, layers: int, heads: int, kv_heads: int, width: int, window: int | None = None) -> AttentionGroup:
    return AttentionGroup(
        kind=kind, layers=layers, heads=heads, kv_heads=kv_heads, head_dim=width, value_dim=width, window=window
    )


def _kv_heads(fields: Fields, model_type: str, heads: int) -> int:
    given = fields.optional("num_key_value_heads", "multi_query_group_num", "num_query_groups")
    if model_type == "falcon":
        if fields.flag("new_decoder_architecture", False):
            return fields.optional("num_kv_heads", "n_head_kv") or heads
        return 1 if fields.flag("multi_query", True) else heads
    if model_type == "gpt_bigcode":
        return 1 if fields.flag("multi_query", True) else heads
    if given is None:
        given = fields.inner("attn_config").optional("kv_n_heads")
    return heads if given is None else given


def _mla_groups(fields: Fields, model_type: str, heads: int, full: int) -> dict[str, Any]:
    nope, rope = fields.needed("qk_nope_head_dim"), fields.needed("qk_rope_head_dim")
    value = fields.needed("v_head_dim") if model_type != "minicpm3" else fields.optional("v_head_dim") or nope
    group = AttentionGroup(
        kind="mla",
        layers=full,
        heads=heads,
        kv_heads=heads,
        head_dim=nope + rope,
        value_dim=value,
        cache_dim=fields.needed("kv_lora_rank") + rope,
    )
    sparse = fields.optional("index_topk") is not None
    hybrid = model_type == "kimi_linear"
    return {
        "attention": "linear-hybrid" if hybrid else "mla-sparse" if sparse else "mla",
        "attention_groups": (group,),
        "heads": heads,
        "kv_heads": heads,
        "head_dim": nope + rope,
    }


def latent(fields: Fields, model_type: str) -> dict[str, Any]:
    """Ranks and widths of multi-head latent attention."""
    if model_type not in _MLA:
        return {}
    nope = fields.needed("qk_nope_head_dim")
    return {
        "mla_q_lora_rank": fields.optional("q_lora_rank"),
        "mla_kv_lora_rank": fields.needed("kv_lora_rank"),
        "mla_qk_nope_dim": nope,
        "mla_qk_rope_dim": fields.needed("qk_rope_head_dim"),
        "mla_v_dim": fields.optional("v_head_dim") or nope,
    }


def indexer(fields: Fields, model_type: str, layers: int) -> dict[str, Any]:
    """The sparse indexer; layers that share another layer's choice run none."""
    top = fields.optional("index_topk")
    if model_type not in _MLA or top is None:
        return {}
    types = fields.listed("indexer_types")
    return {
        "index_heads": fields.needed("index_n_heads"),
        "index_head_dim": fields.needed("index_head_dim"),
        "index_topk": top,
        "index_layers": layers if types is None else sum(entry == "full" for entry in types),
    }


def linear(fields: Fields, model_type: str, kinds: Sequence[str], hidden: int) -> dict[str, Any]:
    """Sizes of the linear layers."""
    count = kinds.count("linear")
    if not count:
        return {}
    if model_type in {"mamba", "falcon_mamba"}:
        expand = fields.optional("expand") or 2
        inner = fields.optional("intermediate_size") or expand * hidden
        rank = fields.content.get("time_step_rank")
        sizes = {
            "inner": inner,
            "state": fields.needed("state_size"),
            "dt_rank": rank if isinstance(rank, int) else -(-hidden // 16),
            "conv": fields.needed("conv_kernel"),
        }
        kind = "mamba1"
    elif model_type == "nemotron_h":
        sizes = {
            "heads": fields.needed("mamba_num_heads"),
            "head_dim": fields.needed("mamba_head_dim"),
            "groups": fields.needed("n_groups"),
            "state": fields.needed("ssm_state_size"),
            "conv": fields.needed("conv_kernel"),
        }
        kind = "mamba2"
    elif model_type == "kimi_linear":
        inner_fields = fields.inner("linear_attn_config")
        sizes = {
            "heads": inner_fields.needed("num_heads"),
            "head_dim": inner_fields.needed("head_dim"),
            "conv": inner_fields.needed("short_conv_kernel_size"),
        }
        kind = "kimi-delta"
    elif "linear_num_value_heads" in fields.content:
        sizes = {
            "k_heads": fields.needed("linear_num_key_heads"),
            "v_heads": fields.needed("linear_num_value_heads"),
            "k_dim": fields.needed("linear_key_head_dim"),
            "v_dim": fields.needed("linear_value_head_dim"),
            "conv": fields.needed("linear_conv_kernel_dim"),
        }
        kind = "gated-deltanet"
    else:
        sizes = {"heads": fields.needed("num_attention_heads"), "head_dim": fields.needed("head_dim")}
        kind = "lightning"
    return {"linear_kind": kind, "linear_layers": count, "linear_detail": tuple(sizes.items())}


def experts(fields: Fields, model_type: str, layers: int, kinds: Sequence[str]) -> dict[str, Any]:
    """Experts, and how many layers are mixtures and dense MLPs.

    Where one block is one thing (`kinds` says ``mlp`` or ``moe``) the blocks are counted.
    """
    if model_type in {"mamba", "falcon_mamba"}:
        return {"dense_mlp_layers": 0}
    inner = fields.inner("ffn_config") if model_type == "dbrx" else fields
    names = ("n_routed_experts", "num_local_experts", "num_experts", "moe_num_experts")
    one_each = "mlp" in kinds or "moe" in kinds
    if all(inner.content.get(name) in (None, 0) for name in names):
        return {"dense_mlp_layers": kinds.count("mlp") if one_each else layers}
    count = inner.needed(*names)
    width = inner.needed("moe_intermediate_size", "ffn_hidden_size", "intermediate_size")
    dense = _dense_before(fields, layers)
    every = fields.optional("decoder_sparse_step", "moe_layer_freq", "interleave_moe_layer_step") or 1
    listed = fields.listed("moe_layers") if model_type == "llama4" else None
    skipped = {entry for entry in fields.listed("mlp_only_layers") or [] if isinstance(entry, int)}
    sparse = [index for index in range(dense, layers) if (index + 1) % every == 0 and index not in skipped]
    mixtures = len(listed) if listed else len(sparse)
    if one_each:
        mixtures, dense = kinds.count("moe"), 0
    shared = fields.optional("n_shared_experts", "num_shared_experts", "moe_num_shared_experts", low=0) or 0
    shared_width = fields.optional("shared_expert_intermediate_size", "moe_shared_expert_intermediate_size", low=0)
    if model_type == "llama4":
        shared, shared_width = 1, width
    if shared_width is None:
        shared_width = shared * width
    return {
        "n_experts": count,
        "top_k": inner.needed("num_experts_per_tok", "moe_top_k", "moe_k", "num_experts_per_token", "top_k"),
        "n_shared_experts": shared or (1 if shared_width else 0),
        "expert_ffn_hidden": width,
        "shared_ffn_hidden": shared_width,
        "expert_latent_dim": fields.optional("moe_latent_size"),
        "first_dense_layers": dense,
        "moe_layers": mixtures,
        "dense_mlp_layers": kinds.count("mlp") if one_each else layers - mixtures,
    }


def _dense_before(fields: Fields, layers: int) -> int:
    first = fields.optional("first_k_dense_replace", "moe_layer_start_index", low=0) or 0
    if first > layers:
        raise fields.bad("first_k_dense_replace", f"at most the {layers} layers")
    return first
