"""Every shape of the models table recomputes from its own columns."""

from __future__ import annotations

import re

import pytest

from chipwise.catalogue import load_catalogue
from chipwise.catalogue.derive import derive
from chipwise.catalogue.describe_models import decode_flop_per_token, describe_model, model_fact
from chipwise.catalogue.parameters import linear_parameters, parameter_count
from chipwise.catalogue.shapes import ModelShape, groups_text, parse_groups, parse_sizes
from chipwise.core.errors import DataError, Undetermined, UnknownName

SHAPED = [model for model in load_catalogue().models.values() if model.has_shape]
EXTRA_NOT_MULTIPLIED = {"gemma-4-e2b", "gemma-4-e4b", "ernie-4.5-vl-424b-a47b", "ernie-4.5-vl-28b-a3b"}
"""Rows whose extra weights (per-layer tables, picture experts) are no work for a text token."""


def test_the_table_has_the_shapes_it_claims() -> None:
    assert len(SHAPED) == 305
    assert len(load_catalogue().models) - len(SHAPED) == 4


@pytest.mark.parametrize("model", SHAPED, ids=lambda model: model.id)
def test_parameters_recompute_from_the_columns(model) -> None:
    assert parameter_count(model.shape) == pytest.approx(model.params_total, rel=1e-3)


def test_published_sizes_agree_within_one_percent_or_say_why() -> None:
    rows = [model for model in SHAPED if model.params_published is not None]
    far = [model for model in rows if abs(model.params_total / model.params_published - 1) > 0.01]
    assert len(rows) == 283
    assert len(far) < 0.15 * len(rows)
    why = re.compile("rounded|nominal|label|encoder|second time|on top|add about|includes the MTP")
    assert [model.id for model in far if not why.search(model.notes)] == []


@pytest.mark.parametrize("model", SHAPED, ids=lambda model: model.id)
def test_cache_and_work_recompute_from_the_columns(model) -> None:
    derived = derive(model.shape)
    for name in (
        "kv_elems_per_token",
        "kv_elems_per_token_window",
        "index_elems_per_token",
        "state_elems_per_sequence",
        "attn_score_dim_full",
        "attn_score_dim_window",
        "params_embedding_table",
    ):
        assert getattr(derived, name) == pytest.approx(getattr(model, name), rel=1e-3, abs=1), name
    if model.id not in EXTRA_NOT_MULTIPLIED:
        assert derived.params_active == pytest.approx(model.params_active, rel=2e-3)
        assert derived.params_matmul_active == pytest.approx(model.params_matmul_active, rel=2e-3)
        assert derived.params_attn == pytest.approx(model.params_attn, rel=2e-3)


def test_active_never_exceeds_all() -> None:
    for model in SHAPED:
        assert 0 < model.params_matmul_active <= model.params_total
        assert model.params_active <= model.params_total * (1 + 1e-9)
        assert (model.shape.n_experts is None) == (model.kind == "dense")


def test_groups_round_trip() -> None:
    for model in SHAPED:
        assert parse_groups(groups_text(model.shape.attention_groups)) == model.shape.attention_groups


@pytest.mark.parametrize("text", ["full", "full:n=0,H=1,K=1,d=64", "win:n=2,H=1,K=1,d=64", "odd:n=1,d=2", "full:n=x"])
def test_a_bad_group_is_refused(text: str) -> None:
    with pytest.raises(DataError):
        parse_groups(text, place="here")


def test_sizes() -> None:
    assert parse_sizes("heads=2, conv=4") == (("heads", 2), ("conv", 4))
    with pytest.raises(DataError, match="conv=four"):
        parse_sizes("conv=four")


def test_an_unknown_layer_is_undetermined_not_zero() -> None:
    shape = ModelShape(
        layers=2,
        hidden=8,
        ffn_hidden=8,
        gated_mlp=True,
        heads=1,
        kv_heads=1,
        head_dim=8,
        vocab=10,
        tied_embeddings=True,
        attention="linear-hybrid",
        attention_groups=(),
        linear_kind="hyena",
        linear_layers=1,
    )
    with pytest.raises(Undetermined, match="hyena"):
        linear_parameters(shape)


def test_figures_of_a_model() -> None:
    model = load_catalogue().model("llama-3.1-405b")
    fact = model_fact(model, "params_total")
    assert fact.id == "models/llama-3.1-405b#params_total"
    assert "computed from the shape" in fact.source
    with pytest.raises(UnknownName):
        model_fact(model, "parms")
    training_flop = 3 * 2 * model.params_matmul_active * model.train_tokens
    assert training_flop == pytest.approx(3.8e25, rel=0.02)
    record = describe_model(model)
    assert record["kv_bytes_per_token"]["16 bit"] == 2 * 126 * 2 * 8 * 128


def test_work_grows_with_context_and_saturates_in_sparse_attention() -> None:
    for name in ("llama-2-70b", "deepseek-v3.2", "gpt-oss-120b"):
        model = load_catalogue().model(name)
        work = [decode_flop_per_token(model, context) for context in (0, 100, 2048, 100_000)]
        assert work == sorted(work)
        assert work[0] == 2 * model.params_matmul_active
    sparse = load_catalogue().model("deepseek-v3.2")
    assert decode_flop_per_token(sparse, 2048) == decode_flop_per_token(sparse, 200_000)
