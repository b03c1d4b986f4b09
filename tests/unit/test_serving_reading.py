"""Trace files as people have them: odd columns, units, gaps in the data; each fault is one located message."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from chipwise.core.errors import InputError
from chipwise.serving import read_trace
from chipwise.serving.trace import write_trace
from chipwise.serving.workload import load_workload


def csv(tmp_path: Path, text: str, name: str = "own.csv") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("head", "first_gap_s"),
    [
        ("arrival_s,input_tokens,output_tokens", 1000.0),
        (" Arrival_S , Input Tokens,OUTPUT-TOKENS", 1000.0),
        ("arrival_time_ns,input_toks,output_toks", 1e-6),
        ("timestamp_ms,prompt_len,output_len", 1.0),
        ("Timestamp,Request tokens,Response tokens", 1000.0),
        ("arrived_at,num_prefill_tokens,num_decode_tokens", 1000.0),
        ("time,prompt_tokens,completion_tokens", 1000.0),
    ],
)
def test_columns_are_known_whatever_their_dress(tmp_path: Path, head: str, first_gap_s: float) -> None:
    found = read_trace(csv(tmp_path, f"{head}\n5000,10,4\n3000,20,5\n4000,30,6\n"))
    assert found.input_tokens.tolist() == [20, 30, 10]
    assert np.diff(found.arrival_s)[0] == pytest.approx(first_gap_s)


def test_dates_with_seven_digits_and_a_stated_unit(tmp_path: Path) -> None:
    azure = csv(
        tmp_path,
        "TIMESTAMP,ContextTokens,GeneratedTokens\n"
        "2023-11-16 18:15:46.6805900,374,44\n2023-11-16 18:15:50.9951690,396,109\n",
    )
    assert read_trace(azure).arrival_s[1] == pytest.approx(4.3145790, abs=1e-6)
    own = csv(tmp_path, "timestamp,input_tokens,output_tokens\n0,1,1\n2000,1,1\n", "unit.csv")
    assert read_trace(own).arrival_s[1] == 2000.0
    assert read_trace(own, time_unit="ms").arrival_s[1] == 2.0


def test_json_lists_packed_files_and_text_ids(tmp_path: Path) -> None:
    rows = [{"arrival_s": k, "input_tokens": 1100, "output_tokens": 2, "hash_ids": ["a", f"b{k}"]} for k in range(3)]
    listed = tmp_path / "list.json"
    listed.write_text(json.dumps(rows))
    found = read_trace(listed)
    assert found.prefix_ids is not None
    assert found.prefix_ids.tolist() == [0, 1, 0, 2, 0, 3]
    packed = tmp_path / "own.csv.gz"
    packed.write_bytes(gzip.compress(b"arrival_s,input_tokens,output_tokens\n0,5,5\n1,6,6\n"))
    assert len(read_trace(packed)) == 2


def test_failed_requests_are_left_out_and_counted(tmp_path: Path) -> None:
    found = read_trace(csv(tmp_path, "t_s,isl,osl\n0,10,5\n1,10,0\n2,0,5\n3,9,1\n"))
    assert len(found) == 2
    assert found.notes == ("2 of 4 requests without tokens left out",)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("arrival_s,input_tokens,output_tokens\n", "holds no request"),
        ("", "cannot be read"),
        ("a,b\n1,2\n", "no column 'input_tokens'"),
        ("arrival_s,input_tokens,output_tokens\n0,10,-1\n", "row 1 has -1 in 'output_tokens'"),
        ("arrival_s,input_tokens,output_tokens\n0,10,1\n1,,1\n", "row 2 has None in 'input_tokens'"),
        ("arrival_s,input_tokens,output_tokens\n0,10.5,1\n", "row 1 has 10.5"),
        ("arrival_s,input_tokens,output_tokens\n0,ten,1\n", "column 'input_tokens' holds no numbers"),
        ("arrival_s,input_tokens,output_tokens\n0,99999999999,1\n", "row 1 has 99999999999"),
        ("arrival_s,input_tokens,output_tokens\nsoon,10,1\n", "column 'arrival_s' is no time"),
        ("arrival_s,input_tokens,output_tokens\n0,10,1\n,10,1\n", "row 2 has no time in 'arrival_s'"),
        ("arrival_s,input_tokens,output_tokens\n0,10,0\n", "no request has input and output tokens"),
        ("input_tokens,output_tokens\n10,1\n", "no column 'arrival_s'"),
        ("arrival_s,isl,ISL,output_tokens\n0,1,2,3\n", "could each be input_tokens"),
        ("arrival_s,input_tokens,output_tokens,hash_ids\n0,10,1,7\n", "holds no lists"),
    ],
)
def test_a_fault_is_one_located_message(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as raised:
        read_trace(csv(tmp_path, text))
    assert "own.csv" in raised.value.line()
    assert "\n" not in raised.value.line()


def test_no_file_of_another_kind_gets_through(tmp_path: Path) -> None:
    for name, content in (("a.parquet", b"PAR1 no"), ("b.json", b"[1, 2]"), ("c.json", b"{"), ("d.jsonl", b"\xff\xfe")):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(InputError, match="cannot be read"):
            read_trace(path)
    with pytest.raises(InputError, match="inptu"):
        read_trace(csv(tmp_path, "t,a,b\n1,2,3\n"), columns={"inptu_tokens": "a"})
    with pytest.raises(InputError, match="time-unit"):
        read_trace(csv(tmp_path, "t,a,b\n1,2,3\n"), time_unit="h")


def test_lengths_without_arrivals_take_a_rate(tmp_path: Path) -> None:
    lengths = csv(tmp_path, "input_tokens,output_tokens\n" + "100,10\n" * 5000)
    found = read_trace(lengths, rate_per_s=4.0, seed=1)
    assert len(found) / found.duration_s == pytest.approx(4.0, rel=0.05)
    assert "drawn, Poisson at 4/s" in found.notes[0]
    with pytest.raises(InputError, match="records arrivals"):
        read_trace(csv(tmp_path, "arrival_s,input_tokens,output_tokens\n0,1,1\n", "two.csv"), rate_per_s=1.0)


def test_conversations_send_all_earlier_text_again(tmp_path: Path) -> None:
    talk = [
        {
            "id": "a",
            "conversations": [
                {"from": who, "value": "x" * n} for who, n in (("human", 40), ("gpt", 80), ("human", 8), ("gpt", 4))
            ],
        },
        {"id": "b", "conversations": []},
    ]
    path = tmp_path / "sharegpt.json"
    path.write_text(json.dumps(talk))
    with pytest.raises(InputError, match="characters-per-token"):
        read_trace(path, rate_per_s=1.0)
    found = read_trace(path, rate_per_s=1.0, characters_per_token=4.0)
    assert found.input_tokens.tolist() == [10, 32]
    assert found.output_tokens.tolist() == [20, 1]


def test_coarse_stamps_are_spread_and_said(tmp_path: Path) -> None:
    rows = "".join(f"{3 * (k // 10)},100,10\n" for k in range(200))
    path = csv(tmp_path, "arrival_s,input_tokens,output_tokens\n" + rows)
    found = read_trace(path, seed=1)
    assert len(np.unique(found.arrival_s)) == 200
    assert "200 arrivals at 20 time stamps about 3 s apart" in found.notes[0]
    assert (np.histogram(found.arrival_s + 1e-9, np.arange(0, 61, 3))[0] >= 8).all()
    assert len(np.unique(read_trace(path, keep_stamps=True).arrival_s)) == 20
    fine = csv(tmp_path, "arrival_s,input_tokens,output_tokens\n" + "0,5,5\n0.1,5,5\n0.1,5,5\n" * 9, "fine.csv")
    assert not read_trace(fine).notes


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    for text in ("mooncake", "poisson:5:100:20:50"):
        trace = load_workload(text)
        write_trace(trace, tmp_path / "t.parquet")
        again = read_trace(tmp_path / "t.parquet")
        assert again.arrival_s == pytest.approx(trace.arrival_s - trace.arrival_s[0])
        assert (again.output_tokens == trace.output_tokens).all()
        if trace.prefix_ids is not None:
            assert again.prefix_ids is not None
            assert len(again.prefix_ids) == len(trace.prefix_ids)


def test_clients_that_leave_and_priorities_are_read(tmp_path: Path) -> None:
    table = {
        "arrival_s": [10.0, 11.0],
        "input_tokens": [5, 5],
        "output_tokens": [5, 5],
        "cancel_s": [12.5, None],
        "priority": [1, 0],
    }
    parquet.write_table(pa.table(table), tmp_path / "t.parquet")
    found = read_trace(tmp_path / "t.parquet")
    assert found.cancel_s is not None
    assert found.cancel_s.tolist() == [2.5, np.inf]
    assert found.priority is not None
    assert found.priority.tolist() == [1, 0]


def test_workloads_are_joined_and_keep_what_they_carry() -> None:
    both = load_workload("poisson:2:600:20:50 + sessions:0.2:20:3:10:512:100 then poisson:5:100:10:40")
    assert len(both) > 90
    assert both.prefix_ids is not None
    with pytest.raises(InputError, match="one size of block"):
        load_workload("mooncake + sessions:0.2:20:3:10:512:100")
    assert load_workload("poisson:5:1:1:300~azure", seed=2).input_tokens.std() > 0
    twice = load_workload("azure", copies=2.0)
    assert len(twice) == 2 * len(load_workload("azure"))
    assert twice.duration_s == pytest.approx(load_workload("azure").duration_s, rel=0.01)
    for text in ("servegen", "servegen:m-large", "sessions:1", "poisson:5:100"):
        with pytest.raises(InputError):
            load_workload(text)
