"""`chipwise perf ops`."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from typer.testing import CliRunner

from chipwise.cli.main import build_app
from chipwise.cli.perf import numbers
from chipwise.core.errors import InputError, Undetermined, UnknownName

RUN = CliRunner()


def run(*words: str) -> str:
    result = RUN.invoke(build_app(), ["perf", "ops", *words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_defaults_answer_at_once_and_say_so() -> None:
    text = run("--chip", "H20")
    assert "(default)" in text
    assert "measured on its family" in text


def test_json_has_every_combination_in_si_units() -> None:
    found = json.loads(run("--chip", "h100-sxm", "--m", "1..64", "--n", "4096,8192", "--k", "4096", "--json"))
    assert len(found["points"]) == 14
    point = found["points"][0]
    assert point["flop"] == 2 * 4096 * 4096
    assert point["low_s"] <= point["time_s"] <= point["high_s"]
    assert point["bound"] in ("compute", "memory", "launch")
    assert 0 < point["share_of_bandwidth"] <= 1


@pytest.mark.parametrize(
    "words",
    [
        ("--op", "attention-prefill", "--tokens", "128..8192", "--window", "1024"),
        ("--op", "attention-decode", "--context", "1024..65536", "--kv-dtype", "fp8"),
        ("--op", "attention-mixed", "--sequences", "1..64"),
        ("--op", "linear-prefill"),
        ("--op", "linear-decode", "--dtype", "fp8"),
        ("--op", "activation-plain"),
        ("--op", "mla-prefill"),
        ("--op", "mla-decode", "--sequences", "1,128"),
        ("--op", "moe", "--tokens", "1..4096", "--routing", "natural"),
        ("--op", "logits"),
        ("--op", "norm"),
        ("--op", "rotary"),
        ("--op", "activation"),
        ("--op", "add"),
        ("--op", "embedding"),
        ("--op", "loss"),
        ("--op", "optimizer"),
        ("--op", "kv-copy"),
        ("--op", "quantise"),
        ("--op", "dequantise"),
    ],
)
def test_every_operator_answers(words: tuple[str, ...]) -> None:
    for point in json.loads(run("--chip", "h200-sxm", "--json", *words))["points"]:
        assert point["time_s"] > 0
        assert point["evidence"]


def test_a_shape_beyond_the_grid_is_marked() -> None:
    assert "beyond the measured grid" in run("--chip", "h100-sxm", "--m", "1000000")


def test_the_picture_is_a_drawing_with_every_point(tmp_path: Path) -> None:
    path = tmp_path / "roof.svg"
    run("--chip", "l40s", "--m", "1..4096", "--svg", str(path))
    root = ET.parse(path).getroot()
    circles = root.findall(".//{http://www.w3.org/2000/svg}g/{http://www.w3.org/2000/svg}circle")
    assert len(circles) == 13


def test_a_data_sheet_of_ones_own_answers(tmp_path: Path) -> None:
    (tmp_path / "chips.yaml").write_text(
        "my-chip:\n  name: My chip\n  vendor: Mine\n  vendor_country: US\n  architecture: New\n  market: datacenter\n"
        "  bf16: 500 TFLOPS\n  mem_bw: 2 TB/s\n  mem: 64 GB\n  mem_type: HBM3\n  source: own data sheet\n",
        encoding="utf-8",
    )
    assert "data sheet only" in run("--chip", "my-chip", "--catalog", str(tmp_path))


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("--chip", "h1000"), UnknownName),
        (("--chip", "h100-sxm", "--op", "gem"), InputError),
        (("--chip", "h100-sxm", "--m", "many"), InputError),
        (("--chip", "h100-sxm", "--m", "0"), InputError),
        (("--chip", "h100-sxm", "--heads", "8"), InputError),
        (("--chip", "h100-sxm", "--m", "1..1e9", "--n", "1..1e9", "--k", "1..1e9"), InputError),
        (("--chip", "a100-80-sxm", "--dtype", "fp8"), Undetermined),
        (("--chip", "h100-sxm", "--op", "attention-decode", "--kv-dtype", "fp3"), InputError),
        (("--chip", "h100-sxm", "--op", "moe", "--routing", "odd"), InputError),
    ],
)
def test_errors_are_one_line_with_a_status(words: tuple[str, ...], error: type[Exception]) -> None:
    with pytest.raises(error):
        RUN.invoke(build_app(), ["perf", "ops", *words], catch_exceptions=False)


def test_lists_of_sizes() -> None:
    assert numbers("1..8,20", "--m") == [1, 2, 4, 8, 20]
    with pytest.raises(InputError, match="rising"):
        numbers("8..1", "--m")


def test_the_list_of_operators() -> None:
    assert "attention-decode" in run("--chip", "any", "--op", "list")
    assert json.loads(run("--chip", "any", "--op", "list", "--json"))["gemm"]["defaults"]["m"] == 4096


def test_the_list_of_operators_needs_no_chip_and_anything_else_does() -> None:
    assert "attention-mixed" in RUN.invoke(build_app(), ["perf", "ops", "--op", "list"], catch_exceptions=False).stdout
    with pytest.raises(InputError, match="no chip"):
        RUN.invoke(build_app(), ["perf", "ops"], catch_exceptions=False)
