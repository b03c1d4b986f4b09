"""Hugging Face configurations become shapes whose parameter counts agree with the catalogue."""

from __future__ import annotations

import json

import pytest

from chipwise.catalogue import load_catalogue
from chipwise.catalogue.derive import derive
from chipwise.catalogue.hf_config import parse_config, read_config
from chipwise.catalogue.hf_families import FAMILIES
from chipwise.core.errors import DataError

LLAMA_8B = {
    "model_type": "llama",
    "num_hidden_layers": 32,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}

CONFIGS: dict[str, dict[str, object]] = {
    "llama-3.1-8b": LLAMA_8B,
    "mistral-7b": {
        "model_type": "mistral",
        "num_hidden_layers": 32,
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "vocab_size": 32000,
        "sliding_window": 4096,
    },
    "gpt2-1.5b": {
        "model_type": "gpt2",
        "n_layer": 48,
        "n_embd": 1600,
        "n_head": 25,
        "n_positions": 1024,
        "vocab_size": 50257,
    },
    "bloom-176b": {"model_type": "bloom", "n_layer": 70, "hidden_size": 14336, "n_head": 112, "vocab_size": 250880},
    "opt-66b": {
        "model_type": "opt",
        "num_hidden_layers": 64,
        "hidden_size": 9216,
        "ffn_dim": 36864,
        "num_attention_heads": 72,
        "vocab_size": 50272,
        "max_position_embeddings": 2048,
    },
    "falcon-40b": {
        "model_type": "falcon",
        "num_hidden_layers": 60,
        "hidden_size": 8192,
        "num_attention_heads": 128,
        "num_kv_heads": 8,
        "new_decoder_architecture": True,
        "vocab_size": 65024,
        "bias": False,
    },
    "falcon-7b": {
        "model_type": "falcon",
        "num_hidden_layers": 32,
        "hidden_size": 4544,
        "num_attention_heads": 71,
        "multi_query": True,
        "parallel_attn": True,
        "vocab_size": 65024,
        "bias": False,
    },
    "qwen2.5-7b": {
        "model_type": "qwen2",
        "num_hidden_layers": 28,
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "vocab_size": 152064,
        "sliding_window": 131072,
        "use_sliding_window": False,
        "max_window_layers": 28,
        "tie_word_embeddings": False,
    },
    "qwen3-30b-a3b": {
        "model_type": "qwen3_moe",
        "num_hidden_layers": 48,
        "hidden_size": 2048,
        "intermediate_size": 6144,
        "moe_intermediate_size": 768,
        "num_experts": 128,
        "num_experts_per_tok": 8,
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
        "num_attention_heads": 32,
        "num_key_value_heads": 4,
        "head_dim": 128,
        "vocab_size": 151936,
        "tie_word_embeddings": False,
    },
    "gemma-2-9b": {
        "model_type": "gemma2",
        "num_hidden_layers": 42,
        "hidden_size": 3584,
        "intermediate_size": 14336,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
        "head_dim": 256,
        "sliding_window": 4096,
        "vocab_size": 256000,
    },
    "mixtral-8x7b": {
        "model_type": "mixtral",
        "num_hidden_layers": 32,
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_local_experts": 8,
        "num_experts_per_tok": 2,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "vocab_size": 32000,
        "sliding_window": None,
    },
    "deepseek-v3": {
        "model_type": "deepseek_v3",
        "num_hidden_layers": 61,
        "hidden_size": 7168,
        "intermediate_size": 18432,
        "moe_intermediate_size": 2048,
        "n_routed_experts": 256,
        "n_shared_experts": 1,
        "num_experts_per_tok": 8,
        "first_k_dense_replace": 3,
        "moe_layer_freq": 1,
        "num_attention_heads": 128,
        "num_key_value_heads": 128,
        "q_lora_rank": 1536,
        "kv_lora_rank": 512,
        "qk_nope_head_dim": 128,
        "qk_rope_head_dim": 64,
        "v_head_dim": 128,
        "vocab_size": 129280,
        "num_nextn_predict_layers": 1,
        "max_position_embeddings": 163840,
        "tie_word_embeddings": False,
    },
    "gpt-oss-120b": {
        "model_type": "gpt_oss",
        "num_hidden_layers": 36,
        "hidden_size": 2880,
        "intermediate_size": 2880,
        "num_local_experts": 128,
        "num_experts_per_tok": 4,
        "num_attention_heads": 64,
        "num_key_value_heads": 8,
        "head_dim": 64,
        "attention_bias": True,
        "sliding_window": 128,
        "layer_types": ["sliding_attention", "full_attention"] * 18,
        "vocab_size": 201088,
        "tie_word_embeddings": False,
    },
    "qwen3-next-80b-a3b": {
        "model_type": "qwen3_next",
        "num_hidden_layers": 48,
        "hidden_size": 2048,
        "intermediate_size": 5120,
        "full_attention_interval": 4,
        "num_attention_heads": 16,
        "num_key_value_heads": 2,
        "head_dim": 256,
        "linear_num_key_heads": 16,
        "linear_num_value_heads": 32,
        "linear_key_head_dim": 128,
        "linear_value_head_dim": 128,
        "linear_conv_kernel_dim": 4,
        "num_experts": 512,
        "num_experts_per_tok": 10,
        "moe_intermediate_size": 512,
        "shared_expert_intermediate_size": 512,
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
        "vocab_size": 151936,
        "tie_word_embeddings": False,
    },
    "llama-4-scout": {
        "model_type": "llama4",
        "text_config": {
            "model_type": "llama4_text",
            "num_hidden_layers": 48,
            "hidden_size": 5120,
            "intermediate_size": 8192,
            "intermediate_size_mlp": 16384,
            "num_local_experts": 16,
            "num_experts_per_tok": 1,
            "interleave_moe_layer_step": 1,
            "attention_chunk_size": 8192,
            "num_attention_heads": 40,
            "num_key_value_heads": 8,
            "head_dim": 128,
            "vocab_size": 202048,
        },
    },
    "nemotron-h-8b": {
        "model_type": "nemotron_h",
        "num_hidden_layers": 52,
        "hidden_size": 4096,
        "intermediate_size": 21504,
        "hybrid_override_pattern": "M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M-",
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "mamba_num_heads": 128,
        "mamba_head_dim": 64,
        "n_groups": 8,
        "ssm_state_size": 128,
        "conv_kernel": 4,
        "vocab_size": 131072,
        "tie_word_embeddings": False,
    },
    "falcon-mamba-7b": {
        "model_type": "falcon_mamba",
        "num_hidden_layers": 64,
        "hidden_size": 4096,
        "intermediate_size": 8192,
        "state_size": 16,
        "time_step_rank": 256,
        "conv_kernel": 4,
        "vocab_size": 65024,
        "tie_word_embeddings": False,
    },
}
MEASURED = ("params_total", "params_active", "kv_elems_per_token", "kv_elems_per_token_window", "attn_score_dim_full")


@pytest.mark.parametrize("model_id", CONFIGS)
def test_a_configuration_gives_the_shape_of_the_catalogue(model_id: str) -> None:
    model = load_catalogue().model(model_id)
    derived = derive(parse_config(CONFIGS[model_id]).shape)
    for name in MEASURED:
        if model_id == "mistral-7b" and name != "params_total" and "params" not in name:
            continue  # the row lists the later release without a window
        assert getattr(derived, name) == pytest.approx(getattr(model, name), rel=1e-3), name


def test_every_kind_of_attention_is_covered() -> None:
    kinds = {parse_config(content).shape.attention for content in CONFIGS.values()}
    assert kinds >= {"mha", "mqa", "gqa", "mla", "sliding", "linear-hybrid", "mamba-hybrid", "ssm", "chunked"}


def test_sparse_attention_runs_an_indexer() -> None:
    sparse = {"model_type": "deepseek_v32", "index_topk": 2048, "index_n_heads": 64, "index_head_dim": 128}
    shape = parse_config({**CONFIGS["deepseek-v3"], **sparse}).shape
    row = load_catalogue().model("deepseek-v3.2")
    assert derive(shape).params_total == pytest.approx(row.params_total, rel=1e-3)
    assert derive(shape).index_elems_per_token == row.index_elems_per_token


def test_unknown_type_lists_the_fields_found() -> None:
    with pytest.raises(DataError, match=r"fields found: .*hidden_size.*vocab_size"):
        parse_config({**LLAMA_8B, "model_type": "hyperllama"})


@pytest.mark.parametrize("field", ["num_hidden_layers", "hidden_size", "intermediate_size", "vocab_size"])
def test_a_missing_dimension_names_its_field(field: str) -> None:
    content = {key: value for key, value in LLAMA_8B.items() if key != field}
    with pytest.raises(DataError, match=field):
        parse_config(content)


@pytest.mark.parametrize("value", [0, -3, 2.5, "many", True, 10**12, [1]])
def test_a_bad_dimension_is_refused(value: object) -> None:
    with pytest.raises(DataError, match="num_hidden_layers"):
        parse_config({**LLAMA_8B, "num_hidden_layers": value})


def test_unknown_layer_type_is_refused() -> None:
    with pytest.raises(DataError, match="layer_types"):
        parse_config({**LLAMA_8B, "layer_types": ["quantum_attention"] * 32})
    with pytest.raises(DataError, match="layer_types"):
        parse_config({**LLAMA_8B, "layer_types": ["full_attention"] * 31})


def test_defaults_of_the_class_are_told() -> None:
    content = {key: value for key, value in LLAMA_8B.items() if key != "tie_word_embeddings"}
    assert "tie_word_embeddings = false" in parse_config(content).defaults_taken


def test_reading_a_file(tmp_path) -> None:
    path = tmp_path / "my-model" / "config.json"
    path.parent.mkdir()
    path.write_text(json.dumps(LLAMA_8B), encoding="utf-8")
    for target in (path, path.parent):
        assert read_config(target).name == "my-model"
    path.write_text("{broken", encoding="utf-8")
    with pytest.raises(DataError, match="not JSON"):
        read_config(path)
    with pytest.raises(DataError, match="no such file"):
        read_config(tmp_path / "none.json")
    path.write_text("[" * 200_000, encoding="utf-8")
    with pytest.raises(DataError, match="not JSON"):
        read_config(path)
    path.write_text("[]", encoding="utf-8")
    with pytest.raises(DataError, match="no JSON object"):
        read_config(path)


@pytest.mark.parametrize("model_type", FAMILIES)
def test_every_known_type_gives_a_shape_or_a_located_error(model_type: str) -> None:
    content = {**LLAMA_8B, "model_type": model_type}
    needs_more = {"deepseek_v2", "deepseek_v3", "deepseek_v32", "kimi_k2", "kimi_linear", "glm_moe_dsa", "minicpm3"}
    if model_type in needs_more or "mamba" in model_type:
        with pytest.raises(DataError, match=r"qk_nope_head_dim|state_size"):
            parse_config(content)
    else:
        assert derive(parse_config(content).shape).params_total > 5e9
