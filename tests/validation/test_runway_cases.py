"""All 96 rows of the shipped runway cases, and what is said of tables that cannot be used."""

import math

import pytest

from chipwise.core.errors import DataError
from chipwise.validation.runway import relative_error, validate_runway


def test_every_row_within_one_percent():
    result = validate_runway()
    rows = result["rows"]
    assert len({row["id"] for row in rows}) == 96
    assert {group: part["n"] for group, part in result["by"].items()} == {"T1": 36, "T2": 36, "T3": 32, "T4": 28}
    assert result["n_predicted"] == result["n"] == 132
    worst = max(rows, key=lambda row: abs(relative_error(row["measured"], row["predicted"])))
    assert abs(relative_error(worst["measured"], worst["predicted"])) <= 0.01, worst


def test_unbounded_rows_are_predicted_unbounded():
    pairs = [(row["measured"], row["predicted"]) for row in validate_runway()["rows"]]
    assert any(math.isinf(measured) for measured, _ in pairs)
    assert all(math.isinf(measured) == math.isinf(predicted) for measured, predicted in pairs)


def test_errors_are_never_hidden_by_zero_or_infinity():
    assert relative_error(0.0, 0.003) == 0.0
    assert relative_error(0.0, 0.5) == math.inf
    assert relative_error(math.inf, math.inf) == 0.0
    assert relative_error(math.inf, 12.0) == -1.0
    assert relative_error(2.0, math.inf) == math.inf
    assert relative_error(2.0, 1.0) == -0.5


HEADER = (
    "case_id,sense,attrition_per_year,chips_in_service,spares,repair_share,support_end_years,chips_needed,t4_years\n"
)


def test_a_file_of_ones_own_and_a_row_that_lacks_a_cell(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text(HEADER + "a,T4,0.5,100,0,0,,50,1\nb,T4,,100,0,0,,50,1\nc,T4,0.5,100,0,0,0.5,50,1\n")
    result = validate_runway(path)
    statuses = {row["id"]: row["status"] for row in result["rows"]}
    assert statuses == {"a": "ok", "b": "missing: attrition_per_year", "c": "ok"}
    assert (result["n"], result["n_predicted"]) == (3, 2)
    assert result["mape"] == pytest.approx(0.25)
    assert result["bias"] == pytest.approx(-0.25)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", "mine.csv"),
        ("a,b\n1,2\n", "columns missing: case_id, sense"),
        (HEADER, "holds no rows"),
        (HEADER + "a,T9,0.5,100,0,0,,50,1\n", "line 2 sense"),
        (HEADER + "a,T4,0.5,many,0,0,,50,1\n", "line 2 chips_in_service"),
        (HEADER + "a,T4,nan,100,0,0,,50,1\n", "line 2 attrition_per_year"),
        (HEADER + "a,T4,1.5,100,0,0,,50,1\n", "line 2 attrition_per_year"),
        (HEADER + "a,T4,0.5,-1,0,0,,50,1\n", "line 2 chips_in_service"),
    ],
)
def test_tables_that_cannot_be_used_say_where(tmp_path, text, where):
    path = tmp_path / "mine.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=where):
        validate_runway(path)


def test_a_file_that_is_no_text_or_not_there(tmp_path):
    path = tmp_path / "binary.csv"
    path.write_bytes(bytes(range(128, 256)))
    with pytest.raises(DataError, match="no CSV table"):
        validate_runway(path)
    with pytest.raises(DataError, match="cannot be read"):
        validate_runway(tmp_path / "absent.csv")
