"""Prompts and decoding sequences in one attention kernel."""

import dataclasses
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from chipwise.catalogue import load_catalogue
from chipwise.cli.main import build_app
from chipwise.core.errors import InputError
from chipwise.perf.operators import attention_decode, attention_mixed, attention_prefill, operator_profile
from chipwise.perf.operators.objects import FAMILY, GENERIC, OWN

CATALOGUE = load_catalogue()
PRO = operator_profile(CATALOGUE.chip("rtx-pro-6000-server"))


def test_many_long_decodes_in_the_fused_kernel_cost_more_than_two_kernels() -> None:
    """Measured under vLLM 0.19: 512 new tokens beside 128 sequences of 8192 take three times the sum or more."""
    both = attention_mixed(PRO, 1, 512, 128, 8192, 32, 8, 128)
    apart = attention_mixed(PRO, 1, 512, 128, 8192, 32, 8, 128, kernel="separate")
    assert 2.0 < both.time_s / apart.time_s < 4.5
    assert both.low_s < 8.68e-3 < both.high_s


def test_one_short_decode_beside_a_long_prompt_is_nearly_free() -> None:
    alone = attention_prefill(PRO, 1, 2048, 32, 8, 128).time_s
    assert attention_mixed(PRO, 1, 2048, 1, 16, 32, 8, 128).time_s < 1.1 * alone


def test_separate_kernels_are_the_sum_and_the_fused_one_never_below_either() -> None:
    context = 2.0 ** np.arange(4, 17)
    prefill = attention_prefill(PRO, 2, 256, 32, 8, 128, context=1024.0)
    decode = attention_decode(PRO, 16, context, 32, 8, 128)
    apart = attention_mixed(PRO, 2, 256, 16, context, 32, 8, 128, prompt_context=1024.0, kernel="separate")
    both = attention_mixed(PRO, 2, 256, 16, context, 32, 8, 128, prompt_context=1024.0)
    assert apart.time_s == pytest.approx(prefill.time_s + decode.time_s)
    assert apart.flop == pytest.approx(both.flop)
    assert (both.time_s >= np.maximum(prefill.time_s, decode.time_s)).all()
    one = attention_mixed(PRO, 2, 256, 16, float(context[5]), 32, 8, 128, prompt_context=1024.0)
    assert one.time_s == pytest.approx(both.time_s[5])


def test_evidence_and_interval_go_down_the_ladder() -> None:
    widths, evidence = [], []
    for name in ("rtx-pro-6000-server", "l40s", "h100-sxm"):
        cost = attention_mixed(operator_profile(CATALOGUE.chip(name)), 1, 512, 64, 4096, 32, 8, 128)
        widths.append(cost.high_s / cost.time_s)
        evidence.append(cost.evidence)
    assert evidence == [OWN, FAMILY, GENERIC]
    assert widths == sorted(widths)


def test_where_no_such_kernel_was_timed_the_interval_reaches_down_to_two_kernels() -> None:
    h100 = operator_profile(CATALOGUE.chip("h100-sxm"))
    both = attention_mixed(h100, 1, 512, 128, 8192, 32, 8, 128)
    decode = attention_decode(h100, 128, 8192, 32, 8, 128)
    assert both.low_s <= decode.time_s
    own = attention_mixed(PRO, 1, 512, 128, 8192, 32, 8, 128)
    assert own.low_s > attention_decode(PRO, 128, 8192, 32, 8, 128).time_s


def test_a_small_cache_makes_heads_read_again() -> None:
    chip = CATALOGUE.chip("rtx-pro-6000-server")
    small = operator_profile(dataclasses.replace(chip, llc_bytes=1e6))
    args = (1, 16, 128, 1024, 32, 8, 128)
    assert attention_mixed(small, *args).time_s > 1.2 * attention_mixed(PRO, *args).time_s


def test_a_way_to_mix_that_is_none_is_refused_and_so_is_a_ladder_without_rungs() -> None:
    with pytest.raises(InputError, match="way to mix"):
        attention_mixed(PRO, 1, 512, 64, 4096, 32, 8, 128, kernel="both")
    bare = operator_profile(CATALOGUE.chip("h100-sxm"), without=("rtx-4090", "rtx-pro-6000-server"))
    with pytest.raises(InputError, match="no chip is left"):
        attention_mixed(bare, 1, 512, 64, 4096, 32, 8, 128)


def run(*words: str) -> dict[str, object]:
    result = CliRunner().invoke(build_app(), ["perf", "ops", *words, "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout)["points"][0])


def test_the_command_line_mixes_and_names_the_chips_measured() -> None:
    words = ("--chip", "rtx-pro-6000-server", "--op", "attention-mixed", "--sequences", "128", "--context", "8192")
    fused, apart = run(*words), run(*words, "--mixing", "separate")
    assert float(str(fused["time_s"])) > float(str(apart["time_s"]))
    assert "rtx-pro-6000-server" in str(fused["tables"])


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("--op", "norm", "--routing", "natural"), "--routing"),
        (("--op", "kv-copy", "--dtype", "fp8"), "--dtype"),
        (("--op", "mla-decode", "--dtype", "fp8"), "--dtype"),
        (("--op", "gemm", "--kv-dtype", "fp8"), "--kv-dtype"),
        (("--op", "gemm", "--mixing", "separate"), "--mixing"),
    ],
)
def test_an_option_an_operator_does_not_have_is_refused(words: tuple[str, ...], option: str) -> None:
    with pytest.raises(InputError) as caught:
        CliRunner().invoke(build_app(), ["perf", "ops", "--chip", "h100-sxm", *words], catch_exceptions=False)
    assert option in str(caught.value)


@pytest.mark.parametrize(
    ("words", "ratio"),
    [
        (("--op", "norm", "--dtype", "fp8"), 0.5),
        (("--op", "norm", "--element-bytes", "4"), 2.0),
        (("--op", "quantise", "--to-bytes", "0.5"), 2.5 / 3.0),
        (("--op", "optimizer", "--bytes-per-parameter", "14"), 0.5),
    ],
)
def test_bytes_follow_the_width_of_elements(words: tuple[str, ...], ratio: float) -> None:
    plain = run("--chip", "h100-sxm", *words[:2])
    found = run("--chip", "h100-sxm", *words)
    assert float(str(found["bytes"])) == pytest.approx(ratio * float(str(plain["bytes"])))


def test_linear_attention_takes_a_precision_and_a_state_width() -> None:
    plain = run("--chip", "h100-sxm", "--op", "linear-prefill")
    narrow = run("--chip", "h100-sxm", "--op", "linear-prefill", "--dtype", "fp8")
    assert float(str(narrow["bytes"])) < float(str(plain["bytes"]))
    assert float(str(narrow["time_s"])) < float(str(plain["time_s"]))
    state = run("--chip", "h100-sxm", "--op", "linear-decode", "--state-bytes", "2")
    assert float(str(state["bytes"])) < float(str(run("--chip", "h100-sxm", "--op", "linear-decode")["bytes"]))
    with pytest.raises(InputError, match="linear attention"):
        CliRunner().invoke(
            build_app(),
            ["perf", "ops", "--chip", "h100-sxm", "--op", "linear-decode", "--dtype", "int4_wo"],
            catch_exceptions=False,
        )
