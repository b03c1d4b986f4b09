"""Typed tables: the dictionary says what a column is, and a bad cell is told with place, value and what is allowed."""

from __future__ import annotations

import csv
import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chipwise.catalogue.load import dictionary, shipped_text
from chipwise.core.errors import DataError
from chipwise.files.columns import convert, read_dictionary
from chipwise.files.tables import check_unique, read_table
from chipwise.files.units import UNITS, parse_number, parse_quantity, parse_unit

SMALL = """table,field,attribute,type,unit,default,bounds,required,meaning
t,id,id,text,,,,y,Key
t,mem_gb,mem_bytes,number,GB,,>0..1000,,Memory
t,n,n,integer,,1,1..8,,Count
t,kind,kind,choice,,,good|bad,,Kind
t,on,on,flag,,,y|n,,Switch
t,day,day,day,,,,,Day
t,when,when,date,,,,,Date
t,names,names,names,,,,,Names
"""
COLUMNS = read_dictionary(SMALL)["t"]


def read(text: str) -> list[dict[str, object]]:
    return read_table(text, COLUMNS, name="t.csv")


def test_cells_become_typed_values_in_si() -> None:
    (row,) = read("id,mem_gb,n,kind,on,day,when,names\na,96,4,good,y,2024-02-29,2024-Q1,x|y\n")
    assert row == {
        "id": "a",
        "mem_bytes": 96e9,
        "n": 4,
        "kind": "good",
        "on": True,
        "day": dt.date(2024, 2, 29),
        "when": "2024-Q1",
        "names": ("x", "y"),
    }


def test_a_blank_cell_is_the_default_or_nothing() -> None:
    (row,) = read("id,mem_gb,n,kind,on,day,when,names\na,,,,,,,\n")
    assert row["mem_bytes"] is None
    assert row["n"] == 1
    assert row["kind"] == ""
    assert row["names"] == ()
    assert read("id\na\n")[0]["n"] == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("id,mem_gb\na,0\n", "line 2 mem_gb: '0'.*above 0 up to 1000 .GB."),
        ("id,mem_gb\na,1001\n", "mem_gb"),
        ("id,mem_gb\na,nan\n", "mem_gb"),
        ("id,mem_gb\na,inf\n", "mem_gb"),
        ("id,mem_gb\na,1e999\n", "mem_gb"),
        ("id,mem_gb\na,1_0\n", "mem_gb"),
        ("id,mem_gb\na,-4\n", "mem_gb"),
        ("id,n\na,2.5\n", "whole number"),
        ("id,n\na,9\n", "from 1 up to 8"),
        ("id,kind\na,godo\n", "good . bad; nearest: good"),
        ("id,on\na,perhaps\n", "'perhaps'"),
        ("id,day\na,2023-02-29\n", "2023-02-29"),
        ("id,when\na,2023-13\n", "2023-13"),
        ("id,when\na,soon\n", "YYYY-Qn"),
        ("id,memgb\na,1\n", "nearest: mem_gb"),
        ("id,n,n\na,1,1\n", "repeated"),
        ("id,n\na\n", "1 cells under 2 headings"),
        ("n\n1\n", "columns missing: id"),
        ("id,n\n,1\n", "line 2 id: is blank"),
        ("", "empty"),
        ('id,n\n"a,1\n', "t.csv"),
    ],
)
def test_a_bad_table_is_told(text: str, told: str) -> None:
    with pytest.raises(DataError, match=told):
        read(text)


def test_a_cell_too_long_is_refused() -> None:
    with pytest.raises(DataError, match="characters"):
        read(f"id\n{'x' * 30_000}\n")


def test_keys_occur_once() -> None:
    check_unique(["a", "b"], name="t")
    with pytest.raises(DataError, match="'a' occurs twice"):
        check_unique(["a", "b", "a"], name="t")


def test_the_dictionary_describes_every_shipped_column() -> None:
    for table, columns in dictionary().items():
        name = "models/models.csv" if table == "models" else f"catalogue/{table}.csv"
        header = next(csv.reader(shipped_text(name).splitlines()))
        assert header == [column.field for column in columns]
        for column in columns:
            assert column.meaning
            assert column.allowed
            parse_unit(column.unit)


def test_a_bad_dictionary_is_told() -> None:
    with pytest.raises(DataError, match="no type"):
        read_dictionary(SMALL.replace("integer", "intger"))
    with pytest.raises(DataError, match="no unit"):
        read_dictionary(SMALL.replace(",GB,", ",gigabytes,"))


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("96 GB", "GB", 96.0),
        ("96GB", "GB", 96.0),
        ("96 GiB", "GB", 103.079215104),
        ("0.4 TB/s", "GB/s", 400.0),
        ("3.2 Tbit/s", "Gbit/s", 3200.0),
        ("400 Gbps", "GB/s", 50.0),
        ("1 PFLOPS", "TFLOPS", 1000.0),
        ("1.5 kW", "W", 1500.0),
        ("1,280 TOPS", "TOPS", 1280.0),
        (814, "mm2", 814.0),
        ("814 mm²", "mm2", 814.0),
    ],
)
def test_quantities(text: object, unit: str, value: float) -> None:
    assert parse_quantity(text, unit) == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "unit"),
    [("96", "parsec"), ("GB", "GB"), ("96 W", "GB"), ("96 GBB", "GB"), ("", "GB"), ("1e400 GB", "GB"), (True, "GB"),
     ("9 6 GB", "GB"), ("--4 GB", "GB"), ("1,2 GB", "GB"), ([96], "GB"), (None, "GB")],
)  # fmt: skip
def test_bad_quantities(text: object, unit: str) -> None:
    if unit == "parsec":
        assert parse_quantity(text, unit) == 96  # a bare number is in the unit asked for
    else:
        with pytest.raises(DataError):
            parse_quantity(text, unit)


@settings(deadline=None)
@given(st.floats(min_value=1e-6, max_value=1e12), st.sampled_from(sorted(UNITS.keys() - {""})))
def test_a_quantity_survives_its_unit(value: float, unit: str) -> None:
    assert parse_quantity(f"{value!r} {unit}", unit) == pytest.approx(value)
    same = [other for other in UNITS.values() if other.measures == UNITS[unit].measures and other.text]
    for other in same[:6]:
        there = parse_quantity(f"{value!r} {unit}", other.text)
        assert there * other.factor == pytest.approx(value * UNITS[unit].factor)


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_a_number_or_a_located_error(text: str) -> None:
    try:
        value = parse_number(text, place="here")
    except DataError as error:
        told = error.line()
    else:
        told = f"here {value}"
    assert told.startswith("here")


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_a_table_or_a_located_error(text: str) -> None:
    try:
        told = f"t.csv {read(text)}"
    except DataError as error:
        told = error.line()
    assert told.startswith("t.csv")


def test_convert_of_one_cell() -> None:
    memory = COLUMNS[1]
    assert convert("80", memory, place="x") == 80e9
    assert convert("", memory, place="x") is None
    with pytest.raises(DataError, match="x id: is blank"):
        convert("", COLUMNS[0], place="x")
