"""Results as Arrow and pandas tables, and as HTML in a notebook."""

from __future__ import annotations

import dataclasses
import json
import sys
from html.parser import HTMLParser

import pyarrow as pa
import pytest

import chipwise as cw
from chipwise.core.errors import InputError, UnknownName
from chipwise.core.json_text import dumps
from chipwise.core.tabular import arrow_table, table_of
from chipwise.planning.result import Plan
from chipwise.planning.runway_result import Runway
from chipwise.report.notebook import html_of

EVIL = "<script>alert('x')</script>&\"'"


@pytest.fixture(scope="module")
def planned() -> Plan:
    return cw.plan("small-startup-2023", draws=1000, with_sensitivity=False)


@pytest.fixture(scope="module")
def lasts() -> Runway:
    return cw.runway(cw.load_scenario("baidu-2023"), draws=1000)


def test_a_plan_has_six_tables_with_what_plan_json_says(planned: Plan) -> None:
    assert cw.table_names(planned) == ("lines", "branches", "verdicts", "yields", "facts", "sensitivity")
    lines = cw.to_arrow(planned)
    assert lines.num_rows == len(planned.now) + len(planned.periods)
    assert lines.column("cost_usd").to_pylist() == pytest.approx(
        [line.cost_usd for line in (*planned.now, *planned.periods)], rel=1e-9
    )
    assert lines.schema.field("when").type == pa.date32()
    assert cw.to_arrow(planned, "facts").num_rows == len(planned.facts)
    assert cw.to_arrow(planned, "sensitivity").num_rows == 0
    kept = json.loads(dumps(planned.to_dict()))
    for name in cw.table_names(planned):
        assert cw.to_arrow(kept, name).equals(cw.to_arrow(planned, name)), name


def test_a_runway_has_its_senses_drivers_and_inputs(lasts: Runway) -> None:
    rows = cw.to_arrow(lasts).to_pylist()
    assert [row["sense"] for row in rows] == ["programme", "flagship", "squeeze", "wear"]
    assert [row["years"] for row in rows] == pytest.approx([sense.years for sense in lasts.senses])
    assert [row["sense"] for row in rows if row["binding"]] == [lasts.binding]
    assert cw.to_arrow(lasts, "inputs").num_rows == len(lasts.inputs)
    assert cw.to_arrow(lasts, "drivers").num_rows == sum(len(sense.drivers) for sense in lasts.senses)


def test_the_catalogue_has_a_row_for_everything() -> None:
    catalogue = cw.load_catalogue()
    for name in ("chips", "systems", "prices", "supply", "models"):
        assert cw.to_arrow(catalogue, name).num_rows == len(getattr(catalogue, name)), name
    row = next(row for row in cw.to_arrow(catalogue).to_pylist() if row["id"] == "h20-96")
    assert (row["rates.bf16"], row["mem_bytes"], row["tpp"]) == (148e12, 96e9, 2368.0)


def test_frames_sort_and_plot_by_day(planned: Plan) -> None:
    frame = cw.to_pandas(planned)
    assert len(frame) == cw.to_arrow(planned).num_rows
    assert frame["when"].dtype.kind == "M"
    assert frame["cost_usd"].dtype.kind == "f"
    assert cw.to_pandas(planned, "sensitivity").empty


def test_what_is_not_there_is_told(planned: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownName, match=r"'line'.*allowed: lines . branches.*nearest: lines"):
        cw.to_arrow(planned, "line")
    with pytest.raises(InputError, match="a int has no tables"):
        cw.to_arrow(3)
    with pytest.raises(InputError, match="a int has no view"):
        html_of(3)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(InputError, match="pip install pandas"):
        cw.to_pandas(planned)
    assert cw.to_arrow(planned).num_rows


def test_an_empty_table_keeps_its_columns_and_kinds() -> None:
    table = arrow_table(table_of({"a": "text", "b": "number", "c": "date", "d": "flag"}, []))
    assert table.schema.types == [pa.string(), pa.float64(), pa.date32(), pa.bool_()]
    (row,) = arrow_table(
        table_of({"a": "text", "b": "number", "c": "date", "d": "flag"}, [{"b": "inf", "c": "2024-02-29", "x": 1}])
    ).to_pylist()
    assert row["b"] == float("inf")
    assert (row["a"], row["d"]) == (None, None)
    assert str(row["c"]) == "2024-02-29"


class Balanced(HTMLParser):
    """Fails on a tag that is closed without being open; `tags` holds every tag seen."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def checked(html: str) -> str:
    parser = Balanced()
    parser.feed(html)
    parser.close()
    assert parser.open == []
    assert parser.tags <= {"div", "p", "strong", "table", "thead", "tbody", "tr", "th", "td", "ul", "li"}
    return html


def test_every_result_shows_itself(planned: Plan, lasts: Runway) -> None:
    catalogue = cw.load_catalogue()
    verdict = cw.check("h20-96", to="CN", hq="CN", on="2024-02-01")
    assert "small-startup-2023" in checked(html_of(planned))
    assert "ends first" in checked(html_of(lasts))
    assert "no licence required" in checked(html_of(verdict))
    assert "Not legal advice" in html_of(verdict)
    assert f">{len(catalogue.chips)}<" in checked(catalogue._repr_html_())
    assert len(repr(catalogue)) < 200
    assert "5,120 (4,480 to 6,400)" in checked(catalogue.chip("ascend-910b")._repr_html_())
    assert "671.03" in checked(catalogue.model("deepseek-v3")._repr_html_())
    assert "8 x h20-96" in checked(catalogue.system("hgx-h20")._repr_html_())


def test_a_result_is_shown_by_its_own_class(planned: Plan, lasts: Runway) -> None:
    verdict = cw.check("h20-96", to="CN", hq="CN", on="2024-02-01")
    for result in (planned, lasts, verdict):
        assert result._repr_html_() == html_of(result)


def test_every_chip_model_and_system_shows_itself() -> None:
    catalogue = cw.load_catalogue()
    for item in (*catalogue.chips.values(), *catalogue.models.values(), *catalogue.systems.values()):
        checked(item._repr_html_())


def test_text_is_escaped(planned: Plan) -> None:
    catalogue = cw.load_catalogue()
    chip = dataclasses.replace(catalogue.chip("h20-96"), name=EVIL, sources=EVIL)
    line = dataclasses.replace(planned.now[0], chip=EVIL, workload=EVIL, outcome=EVIL)
    changed = dataclasses.replace(planned, now=(line,), warnings=(EVIL,))
    for html in (checked(html_of(chip)), checked(html_of(changed))):
        assert "&lt;script&gt;" in html
        assert "<script" not in html
