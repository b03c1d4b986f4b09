"""Broken scenarios: one located message each, exit 2, no traceback, nothing half written."""

from importlib import resources

import pytest
from typer.testing import CliRunner

from chipwise.cli.scenario import app
from chipwise.core.errors import InputError
from chipwise.scenario import load_scenario

TEXT = (resources.files("chipwise") / "data" / "scenarios" / "baidu-2023.yaml").read_text()
BUYER = (resources.files("chipwise") / "data" / "scenarios" / "buyer-2026.yaml").read_text()


def swap(old, new, text=TEXT):
    assert text.count(old) >= 1, old
    return text.replace(old, new, 1)


def line_of(part, text=TEXT):
    return text[: text.index(part)].count("\n") + 1


MFU = next(line for line in TEXT.splitlines(keepends=True) if line.startswith("  mfu:"))
TEN = {
    "missing key": (swap(MFU, ""), "fleet_use.mfu", "missing key `mfu`", line_of("fleet_use:")),
    "wrong type": (
        swap("count: {value: 10000, range", "count: {value: many, range"),
        "stock[0].count.value",
        "expected a number, given 'many'",
        line_of("chip: a100-80-sxm"),
    ),
    "unknown chip": (
        swap("{chip: h800-sxm", "{chip: h800-smx"),
        "stock[2].chip",
        "nearest: h800-sxm",
        line_of("chip: h800-sxm"),
    ),
    "negative count": (
        swap("count: {value: 1600, range: [1000, 1600]", "count: {value: -1600"),
        "stock[3].count.value",
        "-1600 is out of bounds; allowed: 0 or more",
        line_of("chip: ascend-910b"),
    ),
    "probabilities": (
        swap("p: {value: 0.55", "p: {value: 0.56"),
        "rules_outlook.root.next.branches",
        "probabilities sum to 1.01",
        line_of("root: {date"),
    ),
    "nan": (
        swap("availability: {value: 0.9", "availability: {value: .nan"),
        "fleet_use.availability.value",
        "'.nan' is not a number",
        line_of("availability: {value"),
    ),
    "unit missing": (
        swap("range: [180, 220], unit: RMB bn", "range: [180, 220]"),
        "finance.cash_and_investments",
        "a sum of money without unit",
        line_of("cash_and_investments"),
    ),
    "duplicate key": (
        swap("question:", "as_of: 2023-11-22\nquestion:"),
        "as_of",
        "'as_of' is given twice",
        line_of("question:"),
    ),
    "binary": ("\x00\x01\x02", "", "not a text file", 1),
    "empty": ("", "", "the file is empty", None),
}


@pytest.mark.parametrize("name", TEN)
def test_ten_broken_scenarios(name, tmp_path):
    text, where, message, line = TEN[name]
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    result = CliRunner().invoke(app, ["validate", str(path)])
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit)
    (said,) = result.stderr.splitlines()
    place = f"{path}:{line}" if line else str(path)
    assert said.startswith(f"chipwise: {place} {where}" if where else f"chipwise: {place}")
    assert message in said
    assert "Traceback" not in result.output
    assert [entry.name for entry in tmp_path.iterdir()] == ["broken.yaml"]


@pytest.mark.parametrize("name", TEN)
def test_nothing_is_written_from_a_broken_template(name, tmp_path):
    source, target = tmp_path / "broken.yaml", tmp_path / "out" / "new.yaml"
    source.write_text(TEN[name][0])
    target.parent.mkdir()
    result = CliRunner().invoke(app, ["new", "--from", str(source), "--id", "mine", "--out", str(target)])
    assert isinstance(result.exception, InputError)
    assert list(target.parent.iterdir()) == []


OTHERS = [
    ("schema: planning-scenario/0.2", "schema: planning-scenario/9", "schema", "not known"),
    ("as_of: 2023-11-21", "as_of: 2023-11", "as_of", "no whole date"),
    ("as_of: 2023-11-21", "as_of: 0223-11-21", "as_of", "out of bounds"),
    ("  months: 24", "  months: 25", "horizon.end", "25 months after"),
    ("  months: 24", "  months: 24.5", "horizon.months", "whole number"),
    ("fleet_use:", "fleet_uze:", "fleet_uze", "nearest: fleet_use"),
    ("  mfu: {", "  mfu2: {", "fleet_use", "nearest: mfu"),
    ("training_share: {value: 0.35", "training_share: {value: 1.35", "fleet_use.training_share", "0.6]"),
    ("training_share: {value: 0.35, range: [0.2, 0.6]", "training_share: {value: 35", "value", "0 to 1"),
    ("range: [0.30, 0.47]", "range: [0.47, 0.30]", "fleet_use.mfu.range", "upside down"),
    ("range: [0.30, 0.47]", "range: [0.30]", "fleet_use.mfu.range", "at least 2"),
    ('src: "upper bound ERNIE 4.5 report', 'note: "upper bound ERNIE 4.5 report', "fleet_use.mfu", "neither `src`"),
    ("mfu: {value: 0.38", "mfu: {value: null", "fleet_use.mfu.value", "not published"),
    (
        "range: [180, 220], unit: RMB bn",
        "range: [180, 220], unit: EUR bn",
        "finance.cash_and_investments.unit",
        "no rate for EUR",
    ),
    ("range: [180, 220], unit: RMB bn", "range: [180, 220], unit: yuan", "finance.cash_and_investments.unit", "RMB bn"),
    ("unit: kUSD per chip, src", "unit: USD m, src", "market[0].price.unit", "kUSD per chip"),
    ("unit: trillion tokens per day", "unit: tokens", "demand.inference.unit", "billion tokens per day"),
    ("headquarters: Beijing, CN", "headquarters: Beijing", "party.headquarters", "ISO 3166"),
    ("proxy: gpt3-175b", "proxy: gpt3-175", "demand.training[0].proxy", "nearest: gpt3-175b"),
    ("item: ascend-910b,", "item: ascend-911b,", "market[0].item", "nearest: ascend-910b"),
    ("item: l20, access: buy", "item: l20, access: steal", "market[2].access", "buy"),
    ("item: l20, access: buy", "item: h100-nvl, access: buy", "market[2].item", "has no gate in state"),
    ("item: l20, access: buy, place: CN", "item: l20, access: buy, place: China", "market[2].place", "ISO"),
    ("until: 2023-10-23", "from: 2024-01, until: 2023-10-23", "market[4].until", "until before from"),
    ("earliest: 2024-01, deadline: 2024-06", "earliest: 2024-07, deadline: 2024-06", "deadline", "before earliest"),
    ("bought: 2023-08}", "bought: 2024-08}", "stock[3].bought", "after as_of"),
    ("{low: 0.25, central: 0.5, high: 0.25}", "{low: 0.3, central: 0.5, high: 0.25}", "path_probabilities", "1.05"),
    ("{low: 0.25, central: 0.5, high: 0.25}", "{low: 0.5, high: 0.5}", "path_probabilities", "missing key `central`"),
    ("{date: 2024-05, value: 0.06}", "{date: 2023-05, value: 0.06}", "paths.low[1].date", "do not ascend"),
    ("{date: 2024-05, value: 0.06}", "{date: 2024-05, value: 0}", "paths.low[1].value", "greater than 0"),
    ("token_share: {value: 0.8", "token_share: {value: 0.7", "demand.serving", "token shares sum to 0.9"),
    ("state: h20_class_open, next", "state: h20_class_opened, next", "branches[0].state", "nearest: h20_class_open"),
    ("next: {date: 2024-10", "next: {date: 2022-10", "root.next.date", "do not ascend"),
    ("small: [a10, t4]", "small: [a10, t5]", "rules_outlook.classes.small[1]", "nearest"),
    ("small: [a10, t4]", "small: [a10, a30]", "rules_outlook.classes.small[1]", "already in class 'mid'"),
    ("gaming_top: barred", "gamingtop: barred", "states.h20_class_closed.map", "nearest: gaming_top"),
    ("gaming_top: barred, ", "", "states.h20_class_closed.map", "class `gaming_top` is not mapped"),
    ("gaming_top: barred", "gaming_top: perhaps", "map.gaming_top", "{licence: probability}"),
    ("gaming_top: barred", "gaming_top: {licence: 1.5}", "map.gaming_top.licence", "0 to 1"),
    ("gaming_top: barred", "gaming_top: {word: free, licence: 1}", "map.gaming_top.word", "unknown key"),
    ("reason: ", "reazon: ", "accept_needs_counsel", "reason"),
    ("stock:\n", "stock: 5\nstock2:\n", "stock", "expected a list"),
]


@pytest.mark.parametrize(("old", "new", "where", "message"), OTHERS)
def test_located(old, new, where, message, tmp_path):
    path = tmp_path / "f.yaml"
    path.write_text(swap(old, new))
    with pytest.raises(InputError) as caught:
        load_scenario(path)
    said = caught.value.line()
    assert where in caught.value.place, said
    assert message in said
    assert said.startswith(f"{path}:")
    assert "\n" not in said


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("state: {us: case_by_case, cn: import_discouraged}, next", "state: {us: case_by_case}, next", "root.state"),
        ("state: {us: case_by_case, cn: import_discouraged}, next", "state: case_by_case, next", "root.state"),
        ("p: {value: 0.45, ", "p: {value: 0.44, ", "branches"),
        ("    cn:\n", "    cn2:\n", "state"),
    ],
)
def test_located_with_two_gates(old, new, where, tmp_path):
    path = tmp_path / "f.yaml"
    path.write_text(swap(old, new, BUYER))
    with pytest.raises(InputError) as caught:
        load_scenario(path)
    assert where in caught.value.place


def test_the_first_of_several_faults_is_told_and_the_rest_counted(tmp_path):
    path = tmp_path / "f.yaml"
    path.write_text(swap("  name: Baidu\n", "", swap("pue: {value: 1.25", "pue: {value: x")))
    with pytest.raises(InputError) as caught:
        load_scenario(path)
    assert "party.name" in caught.value.place
    assert "and 1 more fault)" in caught.value.message


def test_missing_key_says_what_it_means(tmp_path):
    path = tmp_path / "f.yaml"
    path.write_text(TEN["missing key"][0])
    with pytest.raises(InputError, match="share of peak FLOP/s that training reaches"):
        load_scenario(path)


def test_plain_numbers_and_forms_of_numbers(tmp_path):
    path = tmp_path / "f.yaml"
    flop = "{value: 1.0e+25, range: [3.0e+24, 2.1e+25], assume: see runway.md section 2}"
    path.write_text(swap(flop, "1e25", swap(MFU, "  mfu: 0.4\n")))
    scenario = load_scenario(path)
    assert scenario.fleet_use.mfu.value == scenario.fleet_use.mfu.low == 0.4
    assert scenario.fleet_use.mfu.status == "assumed"
    assert scenario.demand.training[0].flop.value == 1e25


def test_an_id_in_the_map_beats_its_class(tmp_path):
    path = tmp_path / "f.yaml"
    path.write_text(swap("h20_class: {licence: 0.05}", "h20_class: {licence: 0.05}, l20: free"))
    gates = load_scenario(path).outlook.states["h20_class_closed"].gates
    assert gates["l20"].kind == "free"
    assert gates["l2"].probability == 0.05


def test_a_type_not_published_needs_no_gate(tmp_path):
    path = tmp_path / "f.yaml"
    path.write_text(swap("{item: l20, access: buy", "{item: null, access: buy"))
    line = load_scenario(path).market[2]
    assert (line.item_id, line.chip_id) == (None, None)
