"""`chipwise train estimate` and `chipwise serve estimate`."""

import json

import pytest
from typer.testing import CliRunner

from chipwise.cli import serve, train
from chipwise.core.errors import InputError, Undetermined

RUN = ["estimate", "--model", "llama-2-7b", "--chip", "a800-80-sxm"]


def test_training_days_are_tokens_over_speed_and_goodput() -> None:
    result = CliRunner().invoke(train.app, [*RUN, "--chips", "32", "--tokens", "2e12", "--json"])
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    running = 2e12 / (32 * found["tokens_per_s_per_chip"]["value"] * 86400)
    assert found["days"]["value"] == pytest.approx(running / found["schedule"]["goodput"])
    assert found["days"]["low"] < found["days"]["value"] < found["days"]["high"]


def test_training_table_shows_interval_evidence_and_sources() -> None:
    result = CliRunner().invoke(train.app, [*RUN, "--chips", "32", "--tokens", "2e12", "--explain"])
    assert result.exit_code == 0
    for text in ("90 % interval", "days, failures included", "part of the step", "fragmentation", "evidence:", "#bf16"):
        assert text in result.stdout


def test_serving_json_has_the_contract() -> None:
    result = CliRunner().invoke(serve.app, [*RUN, "--tpot-ms", "60", "--ttft-ms", "2000", "--json"])
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["feasible"]
    assert found["tpot_s"]["value"] <= 0.06
    assert {"low", "high", "evidence", "facts"} <= set(found["output_tokens_per_s_per_chip"])


def test_what_cannot_be_served_exits_1_and_says_why() -> None:
    result = CliRunner().invoke(serve.app, ["estimate", "--model", "llama-2-70b", "--chip", "kunlun-r200"])
    assert result.exit_code == 1
    assert "do not fit" in result.stdout


def test_serving_table_and_sources() -> None:
    result = CliRunner().invoke(serve.app, [*RUN, "--isl", "500", "--osl", "100", "--explain"])
    assert result.exit_code == 0
    for text in ("time to first token", "replica:", "operators/", "evidence:"):
        assert text in result.stdout


def test_errors_pass_through_with_their_exit_status() -> None:
    result = CliRunner().invoke(train.app, ["estimate", "--model", "llama-2-7b", "--chip", "mi308x"])
    assert isinstance(result.exception, Undetermined)
    result = CliRunner().invoke(train.app, [*RUN, "--tokens", "-1"])
    assert isinstance(result.exception, InputError)
