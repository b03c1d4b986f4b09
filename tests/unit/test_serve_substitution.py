"""One chip in the place of another: physics, whole copies, reasons."""

import json
import math

import pytest
from typer.testing import CliRunner

from chipwise.catalogue import load_catalogue
from chipwise.cli.main import build_app
from chipwise.core.errors import Undetermined
from chipwise.perf import estimate_serving
from chipwise.perf.infer.substitution import substitutes

SOME = ("h20-96", "a800-80-sxm", "l20", "rtx-4090", "ascend-910b", "kunlun-p800")
WORK = {"tpot_s": 0.05, "ttft_s": 2.0}


def test_as_many_as_the_rates_say_in_whole_copies() -> None:
    found = {each.chip_id: each for each in substitutes("h100-sxm", "llama-3.1-70b", chips=100, among=SOME, **WORK)}
    base = estimate_serving("h100-sxm", "llama-3.1-70b", **WORK).output_tokens_per_s_per_chip
    assert base is not None
    h20 = found["h20-96"]
    own = estimate_serving("h20-96", "llama-3.1-70b", **WORK).output_tokens_per_s_per_chip
    assert own is not None
    assert h20.chips_for_one is not None
    assert h20.chips_for is not None
    assert h20.chips_for_one.value == pytest.approx(base.value / own.value)
    assert h20.chips_for % h20.chips_per_copy == 0
    assert h20.chips_for >= 100 * h20.chips_for_one.value - 1e-6
    assert h20.chips_for < 100 * h20.chips_for_one.value + h20.chips_per_copy
    assert h20.chips_for_one.low < h20.chips_for_one.value < h20.chips_for_one.high
    up = math.hypot(math.log(base.high / base.value), math.log(own.value / own.low))
    assert h20.chips_for_one.high == pytest.approx(h20.chips_for_one.value * math.exp(up))


def test_those_that_cannot_come_last_with_the_reason() -> None:
    found = substitutes("h100-sxm", "llama-3.1-70b", among=SOME, **WORK)
    values = [each.chips_for_one.value if each.chips_for_one else math.inf for each in found]
    assert values == sorted(values)
    reasons = {each.chip_id: each.why_not for each in found if each.chips_for_one is None}
    assert "bandwidth" in reasons["kunlun-p800"]
    assert all(reasons.values())


def test_a_better_sheet_replaces_more_and_the_interval_widens_with_less_evidence() -> None:
    found = {each.chip_id: each for each in substitutes("h100-sxm", "llama-3.1-8b", among=("h200-sxm", *SOME), **WORK)}
    widths = {}
    for name in ("h200-sxm", "ascend-910b"):
        ratio = found[name].chips_for_one
        assert ratio is not None
        widths[name] = ratio.high / ratio.low
    assert widths["ascend-910b"] > widths["h200-sxm"]
    h200 = found["h200-sxm"].chips_for_one
    assert h200 is not None
    assert h200.value < 1.0


def test_a_chip_that_cannot_do_the_work_replaces_nothing() -> None:
    with pytest.raises(Undetermined, match="cannot do the work itself"):
        substitutes("rtx-4090", "deepseek-v3", among=SOME)


def test_the_command() -> None:
    words = [
        "serve",
        "replace",
        "--model",
        "llama-3.1-8b",
        "--chip",
        "h100",
        "--chips",
        "10",
        "--by",
        "h20",
        "--by",
        "l20",
    ]
    shown = CliRunner().invoke(build_app(), words)
    assert shown.exit_code == 0
    assert "2 chips can do the work" in shown.output
    answer = json.loads(CliRunner().invoke(build_app(), [*words, "--json"]).output)
    assert len(answer["substitutes"]) == 2
    none = CliRunner().invoke(build_app(), [*words[:6], "--by", "kunlun-p800"])
    assert none.exit_code == 1
    assert "bandwidth" in none.output


def test_nothing_of_the_catalogue_is_left_out() -> None:
    catalogue = load_catalogue()
    found = substitutes("h100-sxm", "llama-3.1-8b", catalogue=catalogue)
    assert {each.chip_id for each in found} == set(catalogue.chips) - {"h100-sxm"}
    assert sum(each.chips_for_one is not None for each in found) > 40
