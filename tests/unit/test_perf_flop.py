"""Model FLOP against published counts and against a plain sum over the mask."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chipwise.catalogue import load_catalogue
from chipwise.perf.flop import (
    adapter_flop_per_token,
    forward_flop_per_token,
    mean_visible_keys,
    shape_flop_per_token,
    training_flop_per_token,
)

LLAMA_70B = {
    "layers": 80.0,
    "hidden": 8192.0,
    "ffn_hidden": 28672.0,
    "gated_mlp": 1.0,
    "heads": 64.0,
    "kv_heads": 8.0,
    "head_dim": 128.0,
    "vocab": 32000.0,
    "seq_len": 4096.0,
}


@settings(deadline=None)
@given(st.integers(1, 300), st.integers(1, 400))
def test_visible_keys_match_the_mask(seq_len: int, window: int) -> None:
    # The closed form integrates; the plain sum counts the diagonal too, half a key more.
    plain = sum(min(position, window) for position in range(1, seq_len + 1)) / seq_len
    assert mean_visible_keys(seq_len, window) == pytest.approx(plain, abs=0.51)


def test_training_costs_thrice_the_forward_pass() -> None:
    model = load_catalogue().model("llama-2-70b")
    assert training_flop_per_token(model, 4096) == pytest.approx(3 * forward_flop_per_token(model, 4096))


def test_printed_shape_and_catalogue_agree() -> None:
    model = load_catalogue().model("llama-2-70b")
    assert shape_flop_per_token(LLAMA_70B) == pytest.approx(training_flop_per_token(model, 4096), rel=1e-3)
    assert shape_flop_per_token(LLAMA_70B, adapter=True) == pytest.approx(adapter_flop_per_token(model, 4096), rel=1e-3)


def test_published_training_budget_of_llama_405b() -> None:
    # Llama 3 report: 3.8e25 FLOP for 15.6e12 tokens, about 6 FLOP per weight and token.
    model = load_catalogue().model("llama-3.1-405b")
    assert training_flop_per_token(model, 8192) * 15.6e12 == pytest.approx(3.8e25, rel=0.08)


def test_deepseek_v3_matches_the_vendor_count() -> None:
    # NVIDIA's tables imply 249.7 GFLOP per token at 4,096 tokens, causal, without extra prediction blocks.
    model = load_catalogue().model("deepseek-v3")
    assert training_flop_per_token(model, 4096) == pytest.approx(249.7e9, rel=0.02)


def test_adapter_tuning_saves_the_weight_gradient() -> None:
    model = load_catalogue().model("llama-2-70b")
    saved = training_flop_per_token(model, 4096) - adapter_flop_per_token(model, 4096)
    assert saved == pytest.approx(2 * model.params_matmul_active)


@pytest.mark.parametrize("missing", ["layers", "hidden", "heads", "vocab", "seq_len", "ffn_hidden"])
def test_a_shape_with_a_gap_has_no_count(missing: str) -> None:
    shape = {name: value for name, value in LLAMA_70B.items() if name != missing}
    assert shape_flop_per_token(shape) is None


def test_a_mixture_is_never_sized_as_dense() -> None:
    assert shape_flop_per_token({**LLAMA_70B, "n_experts": 64.0, "top_k": 8.0}) is None
