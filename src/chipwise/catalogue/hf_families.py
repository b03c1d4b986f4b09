"""What a `model_type` of a Hugging Face configuration leaves unsaid: norms, biases, gates, ties, layer patterns."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Conventions of one `model_type`; a configuration's own fields win over them.

    Parameters
    ----------
    tied : bool
        Head shares the table where the configuration is silent (the default of its class).
    qkv_bias, o_bias, mlp_bias : bool or str
        True, False, or the field that says so.
    o_follows : bool
        The output projection has a bias when the other projections have one by field.
    window : str
        Which layers slide: ``none``, ``all``, ``alternate``, ``pattern``, ``qwen``, ``chunks``; ``ssm``: none
        attends at all.
    pattern : int
        Every n-th layer is full where the configuration gives no pattern.
    positions_extra : int
        Rows of a learned position table beyond the context; -1 when positions are not learned.
    head_bias : bool
        The output head has a bias.
    """

    gated: bool = True
    tied: bool = False
    norm: str = "rmsnorm"
    norms_per_layer: int = 2
    qkv_bias: bool | str = "attention_bias"
    o_bias: bool | str = "attention_bias"
    mlp_bias: bool | str = "mlp_bias"
    qk_norm: str = "none"
    window: str = "none"
    pattern: int = 0
    position: str = "rope"
    positions_extra: int = -1
    special: str = ""
    head_bias: bool = False
    table_norm: bool = False
    inner_times_hidden: float = 0.0


_LLAMA = Family()
_QWEN2 = Family(qkv_bias=True, o_bias=False, mlp_bias=False, window="qwen")
_QWEN3 = Family(qk_norm="head", mlp_bias=False, window="qwen")
_GEMMA = Family(tied=True)
_OLD = Family(
    gated=False, tied=True, norm="layernorm", qkv_bias=True, o_bias=True, mlp_bias=True, inner_times_hidden=4.0
)
_NO_BIAS = Family(qkv_bias=False, o_bias=False, mlp_bias=False)
_HYBRID = replace(_QWEN3, special="attn_output_gate", qkv_bias="attention_bias")
_DEEPSEEK = replace(_LLAMA, mlp_bias=False)

FAMILIES: dict[str, Family] = {
    "llama": _LLAMA,
    "mistral": replace(_NO_BIAS, window="all"),
    "ministral": replace(_NO_BIAS, window="all"),
    "mistral3": _NO_BIAS,
    "mixtral": replace(_NO_BIAS, window="all"),
    "granite": _LLAMA,
    "smollm3": replace(_LLAMA, tied=True),
    "seed_oss": replace(_LLAMA, o_bias="attention_out_bias"),
    "exaone": replace(_NO_BIAS, inner_times_hidden=4.0),
    "internlm": replace(_LLAMA, qkv_bias="bias", o_bias="bias", mlp_bias=False),
    "internlm2": replace(_LLAMA, qkv_bias="bias", o_bias="bias", mlp_bias=False),
    "baichuan": _NO_BIAS,
    "aquila": _NO_BIAS,
    "Yi": _NO_BIAS,
    "orion": replace(_NO_BIAS, norm="layernorm"),
    "chatglm": replace(_NO_BIAS, qkv_bias="add_qkv_bias", position="rope (50%)"),
    "glm": replace(_LLAMA, o_bias=False, mlp_bias=False),
    "glm4": replace(_LLAMA, o_bias=False, mlp_bias=False, norms_per_layer=4),
    "glm4_moe": replace(_LLAMA, o_bias=False, mlp_bias=False),
    "stablelm": replace(_NO_BIAS, norm="layernorm", qkv_bias="use_qkv_bias"),
    "qwen2": _QWEN2,
    "qwen2_moe": replace(_QWEN2, special="shared_expert_gate"),
    "qwen2_vl": _QWEN2,
    "qwen2_5_vl": _QWEN2,
    "qwen3": _QWEN3,
    "qwen3_moe": _QWEN3,
    "qwen3_next": replace(_HYBRID, special="attn_output_gate; shared_expert_gate"),
    "qwen3_5": _HYBRID,
    "qwen3_5_moe": replace(_HYBRID, special="attn_output_gate; shared_expert_gate"),
    "gemma": _GEMMA,
    "gemma2": replace(_GEMMA, norms_per_layer=4, window="alternate"),
    "gemma3": replace(_GEMMA, norms_per_layer=4, qk_norm="head", window="pattern", pattern=6),
    "phi": replace(_OLD, tied=False, norms_per_layer=1, head_bias=True, position="rope (partial)"),
    "phi3": replace(_NO_BIAS, window="all"),
    "phimoe": replace(_LLAMA, norm="layernorm", head_bias=True, window="all"),
    "gpt2": replace(_OLD, position="learned absolute", positions_extra=0),
    "gpt_bigcode": replace(_OLD, position="learned absolute", positions_extra=0),
    "opt": replace(_OLD, position="learned absolute", positions_extra=2),
    "bloom": replace(_OLD, position="alibi", table_norm=True),
    "gpt_neox": replace(_OLD, tied=False, qkv_bias=True, o_bias=True, position="rope (partial)"),
    "gptj": replace(_OLD, tied=False, qkv_bias=False, o_bias=False, norms_per_layer=1, head_bias=True),
    "falcon": replace(_OLD, qkv_bias="bias", o_bias="bias", mlp_bias="bias", position="rope"),
    "mpt": replace(_OLD, qkv_bias=False, o_bias=False, mlp_bias=False, norm="layernorm without bias", position="alibi"),
    "starcoder2": replace(
        _OLD, qkv_bias="use_bias", o_bias="use_bias", mlp_bias="use_bias", window="all", position="rope"
    ),
    "nemotron": replace(_LLAMA, gated=False, norm="layernorm", position="rope (partial)"),
    "cohere": Family(tied=True, norm="layernorm without bias", norms_per_layer=1, mlp_bias=False),
    "cohere2": Family(
        tied=True, norm="layernorm without bias", norms_per_layer=1, mlp_bias=False, window="pattern", pattern=4
    ),
    "olmo2": replace(_LLAMA, qk_norm="full", mlp_bias=False),
    "olmoe": replace(_LLAMA, qk_norm="full", mlp_bias=False),
    "dbrx": replace(_NO_BIAS, norm="layernorm without bias"),
    "gpt_oss": replace(_LLAMA, window="alternate", special="attn_sinks; expert_bias", mlp_bias=False),
    "llama4": replace(_LLAMA, window="chunks", pattern=4, mlp_bias=False),
    "ernie4_5": replace(_LLAMA, qkv_bias="use_bias", o_bias="use_bias", mlp_bias="use_bias", tied=True),
    "ernie4_5_moe": replace(_LLAMA, qkv_bias="use_bias", o_bias="use_bias", mlp_bias="use_bias", tied=True),
    "minimax": _NO_BIAS,
    "minimax_text_01": _NO_BIAS,
    "minimax_m1": _NO_BIAS,
    "minimax_m2": replace(_NO_BIAS, qk_norm="full"),
    "deepseek": _DEEPSEEK,
    "deepseek_v2": _DEEPSEEK,
    "deepseek_v3": _DEEPSEEK,
    "deepseek_v32": _DEEPSEEK,
    "kimi_k2": _DEEPSEEK,
    "kimi_linear": _DEEPSEEK,
    "glm_moe_dsa": _DEEPSEEK,
    "minicpm3": replace(_DEEPSEEK, tied=True),
    "nemotron_h": replace(_LLAMA, gated=False, norms_per_layer=1, position="none (attention without rope)"),
    "mamba": replace(_NO_BIAS, tied=True, norms_per_layer=1, position="none", window="ssm"),
    "falcon_mamba": replace(_NO_BIAS, tied=True, norms_per_layer=1, position="none", window="ssm"),
}
"""Known values of `model_type`; suffixes such as ``_text`` are taken off before the look-up."""
