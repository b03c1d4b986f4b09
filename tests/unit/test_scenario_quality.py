"""Where a smaller model is good enough: read with located errors, laid over a scenario, and cheaper."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chipwise.catalogue import Catalogue
from chipwise.core.errors import InputError
from chipwise.planning import plan
from chipwise.scenario import Scenario
from chipwise.scenario.quality import SCHEMA, with_quality

SERVING = {"workload": "flagship", "model": "llama-2-13b", "share": 0.6, "range": [0.4, 0.8], "src": "claim of 2023-11"}
TRAINING = {"run": "ERNIE-5-class", "model": "llama-2-70b", "flop": 1e25, "assume": "as good on the tasks that pay"}


@pytest.fixture
def write(tmp_path: Path):
    def written(**content: Any) -> Path:
        path = tmp_path / "quality.json"
        path.write_text(json.dumps({"schema": SCHEMA, **content}), encoding="utf-8")
        return path

    return written


def test_a_class_of_tokens_is_split_and_its_tokens_stay(write: Any, baidu: Scenario, catalogue: Catalogue) -> None:
    found = with_quality(baidu, write(serving=[SERVING]), catalogue)
    shares = {entry.name: entry.token_share.value for entry in found.demand.serving}
    assert shares == pytest.approx({"small models": 0.8, "flagship": 0.08, "flagship, by llama-2-13b": 0.12})
    smaller = found.demand.serving[-1]
    assert smaller.active_params.value == pytest.approx(catalogue.model("llama-2-13b").params_active)
    assert smaller.token_share.source == "claim of 2023-11"
    assert any("60% of the tokens of flagship" in line for line in found.warnings)
    assert found.sha256 != baidu.sha256


def test_a_whole_class_moves_and_a_run_shrinks(write: Any, baidu: Scenario, catalogue: Catalogue) -> None:
    all_of_it = {**SERVING, "share": 1.0, "range": [0.5, 1.0]}
    found = with_quality(baidu, write(serving=[all_of_it], training=[TRAINING]), catalogue)
    assert "flagship" not in {entry.name for entry in found.demand.serving}
    job = next(job for job in found.demand.training if job.name == "ERNIE-5-class")
    assert (job.proxy, job.flop.value, job.flop.status) == ("llama-2-70b", 1e25, "assumed")


def test_a_smaller_model_never_costs_more_and_its_share_is_a_fact(
    write: Any, baidu: Scenario, catalogue: Catalogue
) -> None:
    def solved(scenario: Scenario):
        return plan(scenario, draws=1000, with_sensitivity=False, catalogue=catalogue)

    smaller = solved(with_quality(baidu, write(serving=[SERVING], training=[TRAINING]), catalogue))
    assert smaller.objective_usd < solved(baidu).objective_usd
    assert any(fact.source == "claim of 2023-11" for fact in smaller.facts)
    assert any(line.workload == "serve: flagship, by llama-2-13b" for line in (*smaller.now, *smaller.periods))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({}, "says nothing"),
        ({"serving": [{**SERVING, "workload": "flagshop"}]}, "flagship"),
        ({"serving": [{**SERVING, "model": "llama-2-13"}]}, "serving[0].model"),
        ({"serving": [{**SERVING, "model": "llama-3-405b"}]}, "serving[0].model"),
        ({"serving": [{**SERVING, "share": 1.2}]}, "serving[0].share"),
        ({"serving": [{**SERVING, "range": [0.7, 0.8]}]}, "outside its range"),
        ({"serving": [{**SERVING, "range": 0.7}]}, "no range"),
        ({"serving": [SERVING, SERVING]}, "sum to more than 1"),
        ({"serving": [{key: value for key, value in SERVING.items() if key != "src"}]}, "neither `src` nor `assume`"),
        ({"serving": [{**SERVING, "shar": 1}]}, "unknown key 'shar'"),
        ({"serving": [{"workload": "flagship", "src": "x"}]}, "missing key"),
        ({"serving": {"a": 1}}, "expected a list"),
        ({"serving": ["a"]}, "expected a mapping"),
        ({"serveing": []}, "serving"),
        ({"schema": "chipwise-quality/9"}, "schema"),
        ({"training": [{**TRAINING, "run": "ERNIE-6"}]}, "ERNIE-5-class"),
        ({"training": [{**TRAINING, "flop": 9e25}]}, "out of bounds"),
        ({"training": [{**TRAINING, "flop": True}]}, "out of bounds"),
    ],
)
def test_a_fault_is_told_with_its_place(
    write: Any, baidu: Scenario, catalogue: Catalogue, content: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError) as error:
        with_quality(baidu, write(**content), catalogue)
    assert said in error.value.line()
    assert "quality.json" in error.value.line()


def test_a_missing_file_is_one_line(baidu: Scenario, catalogue: Catalogue, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="quality"):
        with_quality(baidu, tmp_path / "quality.json", catalogue)
