"""Hostile folders and files: a located error, soon, in bounded memory; never a traceback, never a hang."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from chipwise.catalogue import load_catalogue
from chipwise.catalogue.tables import CATALOGUE_TABLES
from chipwise.core.errors import InputError
from chipwise.core.tabular import arrow_table
from chipwise.files.row_streams import MAX_ROWS

SECONDS = 20
HEAD = "obs_id,item_id,date,place,kind,basis,usd_per_chip,note\n"
MOST_BYTES = 200_000_000


def told(folder: Path) -> str:
    """The one-line error that reading the folder gives."""
    started = time.process_time()
    with pytest.raises(InputError) as caught:
        load_catalogue(overlays=[folder])
    assert time.process_time() - started < SECONDS
    line = caught.value.line()
    assert len(line) < 2000
    assert "\n" not in line
    return line


def test_rows_come_from_csv_yaml_and_parquet_alike(tmp_path: Path) -> None:
    fields = {"vendor": "Acme", "vendor_country": "DE", "market": "workstation", "bf16_tflops": 100.0, "mem_gb": 48.0}
    texts = {"csv": "id," + ",".join(fields) + "\nmine," + ",".join(map(str, fields.values())) + "\n"}
    texts["yaml"] = "mine:\n" + "".join(f"  {key}: {value}\n" for key, value in fields.items())
    chips = []
    for ending in ("csv", "yaml", "parquet"):
        folder = tmp_path / ending
        folder.mkdir()
        if ending == "parquet":
            pq.write_table(pa.Table.from_pylist([{"id": "mine", **fields}]), folder / "chips.parquet")
        else:
            (folder / f"chips.{ending}").write_text(texts[ending], encoding="utf-8")
        chips.append(load_catalogue(overlays=[folder]).chip("mine"))
    assert {(chip.rates["bf16"], chip.mem_bytes, chip.vendor) for chip in chips} == {(100e12, 48e9, "Acme")}


def test_the_catalogue_written_out_and_read_back_is_the_same(tmp_path: Path) -> None:
    shipped = load_catalogue()
    for name, build in CATALOGUE_TABLES.items():
        pq.write_table(arrow_table(build(shipped)), tmp_path / f"{name}.parquet")
    again = load_catalogue(overlays=[tmp_path])
    for name, build in CATALOGUE_TABLES.items():
        dropped = [column for column in ("origin", "sources") if column in build(shipped).columns]
        first, second = (arrow_table(build(each)).drop_columns(dropped) for each in (shipped, again))
        assert first.equals(second), name
    assert all(not chip.overridden for chip in again.chips.values())
    assert again.chip("ascend-910b").rate_ranges == shipped.chip("ascend-910b").rate_ranges


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"id": "x", "mem_gb": "much"}], r"chips.parquet:1 mem_gb: 'much'"),
        ([{"id": "x", "mem_bytes": -5.0}], r"chips.parquet:1 mem_bytes: '-5.0' .*above 0"),
        ([{"id": "h20-96", "mem_gb": 96.0, "mem_bytes": 96e9}], "mem_bytes is given twice"),
        ([{"id": "x", "memry_gb": 96.0}], r"'memry_gb' is no column .*nearest: mem_gb"),
        ([{"mem_gb": 96.0}], "lacks 'id'"),
        ([{"id": None, "mem_gb": 96.0}], "chips.parquet:1 id: is blank"),
        ([{"id": "h20-96"}, {"id": "h20-96"}], "chips.parquet:2: 'h20-96' is given twice, first on line 1"),
        ([{"id": "h20-96", "mem_gb": {"a": 1}}], "dict cannot stand here"),
    ],
)
def test_a_bad_parquet_row_is_told_with_its_place(tmp_path: Path, rows: list[dict[str, object]], message: str) -> None:
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "chips.parquet")
    with pytest.raises(InputError, match=message):
        load_catalogue(overlays=[tmp_path])


def test_a_parquet_file_that_unfolds_or_lies_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "chips.parquet"
    pq.write_table(pa.table({"id": ["x"] * (MAX_ROWS + 1)}), path)
    assert "at most 50,000 rows" in told(tmp_path)
    pq.write_table(pa.table({"id": [str(i) for i in range(40_000)], "notes": ["a" * 1000] * 40_000}), path,
                   use_dictionary=False)  # fmt: skip
    assert path.stat().st_size < 5_000_000
    assert "bytes unpacked" in told(tmp_path)
    whole = path.read_bytes()
    for cut in (0, 3, 8, len(whole) // 2, len(whole) - 3):
        path.write_bytes(whole[:cut])
        assert "chips.parquet: cannot be read as Parquet" in told(tmp_path)


def _special(tmp_path: Path, ending: str) -> dict[str, Callable[[Path], object]]:
    return {
        "folder": lambda path: path.mkdir(),
        "device": lambda path: path.symlink_to("/dev/zero"),
        "pipe": os.mkfifo,
        "loop": lambda path: path.symlink_to(path.name),
        "nowhere": lambda path: path.symlink_to("none"),
    }


@pytest.mark.parametrize("ending", ["csv", "yaml", "parquet"])
@pytest.mark.parametrize("kind", ["folder", "device", "pipe", "loop", "nowhere"])
def test_what_is_no_file_is_not_read(tmp_path: Path, ending: str, kind: str) -> None:
    _special(tmp_path, ending)[kind](tmp_path / f"chips.{ending}")
    assert f"chips.{ending}: " in told(tmp_path)


@pytest.mark.parametrize("name", ["none", "../none", "a" * 5000, "x\x00y", "file", "file/below"])
def test_what_is_no_folder_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    assert "no such folder" in told(tmp_path / name)


def test_a_table_with_nearly_the_right_name_is_told(tmp_path: Path) -> None:
    (tmp_path / "chips.yaml").write_text("h20-96: {tdp: 1 W}\n", encoding="utf-8")
    (tmp_path / "notes.yaml").write_text("- anything\n", encoding="utf-8")
    assert load_catalogue(overlays=[tmp_path]).chip("h20-96").tdp_w == 1
    (tmp_path / "model.yaml").write_text("x: {}\n", encoding="utf-8")
    assert "no table is called 'model'; nearest: models" in told(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"\xff\xfe\x00\x01", "cannot be read as CSV"),
        (HEAD.encode() + b"a,h20-96,2024,China,list,per chip,\xe4\xb8,x\n", "cannot be read as CSV"),
        (HEAD.encode() + b"a,h20-96,2024,China,list,per chip," + b"9" * 10_000 + b",x\n", "prices.csv:2 usd_per_chip"),
        (HEAD.encode() + b"a,h20-96,2024,China,list,per chip,1e400,x\n", "prices.csv:2 usd_per_chip: '1e400'"),
        (HEAD.encode() + b'a,h20-96,2024,China,list,per chip,1,"' + b"x\n" * 300_000, "a row of more than"),
        (HEAD.encode() + b"a,h20-96,2024,China,list,per chip,1," + b"x" * 300_000, "a row of more than"),
        (HEAD.encode() + b",".join([b"a"] * 40_000) + b"\n", "40000 cells under 8 headings"),
        (HEAD.encode() + b"a,h20-96,2024,China,list,per chip,1,x\n" * 2, "'a' is given twice, first on line 2"),
        (HEAD.encode() + b"../../etc,h20-96,2024,China,list,per chip,1,x\n", "'../../etc' is no id"),
        (b"", "the table is empty"),
    ],
)
def test_a_hostile_csv_is_told(tmp_path: Path, text: bytes, message: str) -> None:
    (tmp_path / "prices.csv").write_bytes(text)
    line = told(tmp_path)
    assert message in line
    assert "prices.csv" in line


@pytest.mark.parametrize(
    "value", ["1e400", "9" * 10_000, "-" + "9" * 10_000, ".inf", ".nan", "0x10", "1_000", "1e400 GB", "1e999999999 GB"]
)
def test_a_hostile_number_is_told(tmp_path: Path, value: str) -> None:
    (tmp_path / "chips.yaml").write_text(f"h20-96:\n  mem_gb: {value}\n", encoding="utf-8")
    line = told(tmp_path)
    assert "chips.yaml:2 h20-96.mem_gb" in line


@pytest.mark.parametrize("config", ["../none.json", "/dev/zero", "config.json", "x\x00y", ""])
def test_a_model_with_a_hostile_configuration_is_told(tmp_path: Path, config: str) -> None:
    text = "mine:\n  vendor: Acme\n  config: " + repr(config).replace("'", '"').replace("\\x00", "\\0") + "\n"
    (tmp_path / "models.yaml").write_text(text, encoding="utf-8")
    assert told(tmp_path)


def test_a_dense_model_needs_only_its_dimensions(tmp_path: Path) -> None:
    shape = {"layers": 32, "hidden": 4096, "ffn_hidden": 14336, "gated_mlp": "yes", "heads": 32, "kv_heads": 8}
    shape |= {"head_dim": 128, "vocab": 128256, "tied_embeddings": "no"}
    text = "mine:\n  vendor: Acme\n" + "".join(f"  {key}: {value}\n" for key, value in shape.items())
    (tmp_path / "models.yaml").write_text(text, encoding="utf-8")
    mine, shipped = load_catalogue(overlays=[tmp_path]).model("mine"), load_catalogue().model("llama-3.1-8b")
    for name in ("params_total", "params_matmul_active", "kv_elems_per_token", "attn_score_dim_full"):
        assert getattr(mine, name) == pytest.approx(getattr(shipped, name)), name
    for line, message in (
        ("  head_dim: 128\n", "the shape lacks head_dim"),
        ("  gated_mlp: yes\n", "gated_mlp: is blank"),
    ):
        (tmp_path / "models.yaml").write_text(text.replace(line, ""), encoding="utf-8")
        assert message in told(tmp_path)
    for more, message in (
        ("  sliding_window: 4096\n", "attention_groups is blank"),
        ("  n_experts: 8\n  top_k: 2\n", "moe_layers or dense_mlp_layers is blank"),
        (
            '  attention_groups: "full:n=30,H=32,K=8,d=128"\n  dense_mlp_layers: 32\n',
            "speak of 30 layers, `layers` of 32",
        ),
    ):
        (tmp_path / "models.yaml").write_text(text + more, encoding="utf-8")
        assert message in told(tmp_path)
    (tmp_path / "models.yaml").write_text("llama-2-7b:\n  layers: 40\n", encoding="utf-8")
    assert "speak of 32 layers, `layers` of 40" in told(tmp_path)


PROBE = """
import sys, time
from pathlib import Path
from chipwise.catalogue import load_catalogue
from chipwise.core.errors import InputError
load_catalogue()
started = time.perf_counter()
try:
    made = load_catalogue(overlays=[Path(sys.argv[1])])
    print(len(made.prices))
except InputError as error:
    print(error.line())
print(time.perf_counter() - started)
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(peak.split()[1]) * 1024)
"""


def probe(folder: Path) -> tuple[str, float, float]:
    """What reading the folder says in a process of its own, its seconds and its largest memory, byte."""
    done = subprocess.run([sys.executable, "-c", PROBE, str(folder)], capture_output=True, text=True, check=True)
    line, seconds, size = done.stdout.strip().splitlines()
    return line, float(seconds), float(size)


def price_rows(first: int, count: int) -> str:
    return "".join(
        f"p{i},h20-96,2024-05,China,list,per chip,{10_000 + i % 977},seen\n" for i in range(first, first + count)
    )


def test_a_table_of_many_rows_is_read_in_bounded_memory(tmp_path: Path) -> None:
    (tmp_path / "prices.csv").write_text(HEAD + price_rows(0, 20_000), encoding="utf-8")
    line, seconds, size = probe(tmp_path)
    assert seconds < SECONDS
    assert int(line) == 20_000 + len(load_catalogue().prices)
    assert size < MOST_BYTES


@pytest.mark.slow
@pytest.mark.parametrize("what", ["good", "bad at the end of what is read", "one line", "an open quote"])
def test_a_table_of_a_gigabyte_is_answered_in_bounded_memory(tmp_path: Path, what: str) -> None:
    path = tmp_path / "prices.csv"
    block = price_rows(0, 1)
    with path.open("w", encoding="utf-8") as stream:
        stream.write(HEAD)
        if what == "one line":
            stream.write(block.rstrip("\n"))
        elif what == "an open quote":
            stream.write(block.replace("seen", '"seen'))
        rows = MAX_ROWS - 100 if what.startswith("bad") else MAX_ROWS + 1_000
        stream.write(price_rows(1, rows) if what.startswith(("good", "bad")) else "")
        stream.write("x,none,2024,China,list,per chip,many,x\n" if what.startswith("bad") else "")
        filler = ("y" * 99 + ("" if what == "one line" else "\n")) * 10_000
        while stream.tell() < 1_000_000_000:
            stream.write(filler)
    line, seconds, size = probe(tmp_path)
    expected = {"good": "more than 50,000 rows", "bad": "usd_per_chip: 'many'", "one": "a row of", "an": "a row of"}
    assert expected[what.split()[0]] in line
    assert "prices.csv:" in line
    assert seconds < 60
    assert size < MOST_BYTES
