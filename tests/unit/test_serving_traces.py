"""Traces: shipped, read, made, scaled, composed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from chipwise.core.errors import InputError, UnknownName
from chipwise.serving import generate, read_trace, summary
from chipwise.serving.clients import client_mixture
from chipwise.serving.generate import merged, patient, resampled, scaled, sessions, spliced


def test_the_shipped_traces_have_their_published_statistics() -> None:
    azure = summary(read_trace("azure"))
    assert azure["requests"] == 19366
    assert azure["input_mean"] == pytest.approx(1154.7, abs=0.05)
    assert azure["output_p99"] == 601
    assert azure["interarrival_cv"] == pytest.approx(1.094, abs=0.001)
    mooncake = read_trace("mooncake")
    assert 0.2 < summary(mooncake)["infinite_cache_prefix_hit"] < 0.5
    assert len(np.unique(mooncake.arrival_s)) > 0.99 * len(mooncake)
    assert len(read_trace("sharegpt")) == 300


def test_columns_of_others_are_known_or_named(tmp_path: Path) -> None:
    azure = tmp_path / "azure.csv"
    azure.write_text(
        "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.68,374,44\n2023-11-16 18:15:50.99,396,109\n"
    )
    found = read_trace(azure)
    assert found.arrival_s.tolist() == pytest.approx([0.0, 4.31])
    own = tmp_path / "own.csv"
    own.write_text("t,prompt,answer\n3,10,5\n1,20,6\n2,30,0\n")
    names = {"arrival_s": "t", "input_tokens": "prompt", "output_tokens": "answer"}
    assert read_trace(own, columns=names).input_tokens.tolist() == [20, 10]
    with pytest.raises(InputError, match="prompt"):
        read_trace(own)
    lines = tmp_path / "mooncake.jsonl"
    lines.write_text('{"timestamp": 3000, "input_length": 600, "output_length": 5, "hash_ids": [7, 8]}\n')
    assert read_trace(lines).prefix_ids.tolist() == [0, 1]
    with pytest.raises(UnknownName, match="azure"):
        read_trace("azur")


def test_streams_have_their_rate_and_burstiness() -> None:
    for form, cv in (("poisson:5:100:10:20000", 1.0), ("gamma:5:3:100:10:20000", 3.0)):
        found = summary(generate(form, seed=1))
        assert found["mean_rate_per_s"] == pytest.approx(5.0, rel=0.1)
        assert found["interarrival_cv"] == pytest.approx(cv, rel=0.1)
    day = generate("diurnal:2:3:100:10:24", seed=1)
    hourly = np.histogram(day.arrival_s, 24, range=(0, 86_400))[0] / 3600
    assert hourly.mean() == pytest.approx(2.0, rel=0.05)
    assert hourly.max() / hourly.mean() == pytest.approx(3.0, rel=0.12)
    with pytest.raises(InputError, match="poisson:RATE"):
        generate("poisson:5")


def test_the_same_seed_gives_the_same_load() -> None:
    one, two, other = (generate("gamma:5:2:100:10:50", seed=seed) for seed in (1, 1, 2))
    assert (one.arrival_s == two.arrival_s).all()
    assert (one.arrival_s != other.arrival_s).any()


def test_scaling_splicing_merging_keep_every_request() -> None:
    trace = generate("poisson:5:100:10:500", seed=1)
    assert scaled(trace, 2.0).duration_s == pytest.approx(trace.duration_s / 2)
    assert len(spliced(trace, trace, gap_s=5.0)) == len(merged(trace, trace)) == 1000
    assert (np.diff(merged(trace, trace).arrival_s) >= 0).all()
    leaving = resampled(patient(trace, 2.0, seed=1), 3)
    assert leaving.cancel_s is not None
    assert (leaving.cancel_s >= leaving.arrival_s).all()
    fresh = resampled(trace, 3)
    assert len(fresh) == pytest.approx(500, abs=90)
    assert set(np.unique(fresh.input_tokens)) == {100}


def test_a_mixture_of_clients_is_burstier_than_chance() -> None:
    found = summary(client_mixture("m-large", 10.0, 1800.0, seed=1))
    assert found["mean_rate_per_s"] == pytest.approx(10.0, rel=0.4)
    assert found["index_of_dispersion_10s"] > 2.0
    with pytest.raises(UnknownName, match="m-large"):
        client_mixture("m-larg", 1.0, 600.0)


def test_a_turn_repeats_what_was_said() -> None:
    talk = sessions(1.0, 50, turns=3.0, think_s=10.0, question_tokens=200, answer_tokens=50, seed=2)
    assert summary(talk)["infinite_cache_prefix_hit"] > 0.3
    assert talk.input_tokens.max() > 200
