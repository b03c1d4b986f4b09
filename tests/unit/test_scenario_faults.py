"""Broken scenarios: one located message each, exit 2, no traceback, nothing half written."""

from importlib import resources

import pytest
from typer.testing import CliRunner

from chipwise.cli.scenario import app
from chipwise.core.errors import InputError
from chipwise.scenario import load_scenario

TEXT = (resources.files("chipwise") / "data" / "scenarios" / "baidu-2023.yaml").read_text()
OTHER_TEXTS = {
    name: (resources.files("chipwise") / "data" / "scenarios" / f"{name}.yaml").read_text()
    for name in ("01ai-2023-04", "01ai-2023", "giants-2023-08", "small-startup-2023", "buyer-2026", "giant-2022-07")
}
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


APRIL, YI, FOUR = "01ai-2023-04", "01ai-2023", "giants-2023-08"
SMALL, BUYER_2026, GIANT = "small-startup-2023", "buyer-2026", "giant-2022-07"
ELSEWHERE = [
    (
        "01ai-2023-04",
        "{date: 2023-11, heads: 100}",
        "{date: 2023-01, heads: 100}",
        "staff_path.value[1].date",
        "ascend",
    ),
    (
        "01ai-2023-04",
        "tenor_months: {value: 18, range: [6, 36], assume: bridge to the round}, ",
        "",
        "tenor_months",
        "",
    ),
    (
        "01ai-2023-04",
        "amount: {value: 50, range: [0, 150], unit: USD m",
        "xx: {value: 50, unit: USD m",
        "options[3]",
        "",
    ),
    (APRIL, "kind: cloud_credit", "kind: cloud_credits", "options[3].kind", "nearest: cloud_credit"),
    (APRIL, "cluster_for_first_model", "cluster_for_first_model: 1, stock", "f.yaml", "YAML"),
    (APRIL, "monthly_cap_servers", "monthly_cap: 3, monthly_cap_servers", "monthly_cap_servers", "both"),
    (APRIL, "item: hgx-h800", "item: h800-sxm", "market[1].monthly_cap_servers", "no server"),
    (
        "01ai-2023-04",
        "unit: USD, per_usd: {value: 1,",
        "unit: USD, per_usd: {value: 2,",
        "currency.per_usd",
        "allowed: 1",
    ),
    (
        "01ai-2023",
        "new: {rate: {value: 0.08, range: [0.06, 0.12], assume: startup lease}, ",
        "new: {",
        "loan.new",
        "rate",
    ),
    (YI, "alternatives: [l40,", "alternatives: [l41,", "stock[2].alternatives[0]", "nearest"),
    (YI, "alternatives: [l40,", "alternatives: [h100-nvl,", "stock[2].alternatives[0]", "has no gate"),
    (
        "01ai-2023",
        "unit: tokens per daily active user",
        "unit: per head",
        "per_active_user_per_day.unit",
        "daily active",
    ),
    (FOUR, "stock: []", "stock: [{chip: t4, count: 1}]", "stock", "held by its members"),
    (FOUR, "order_share: {value: 0.20", "order_share: {value: 0.21", "members", "order shares sum to 1.01"),
    (FOUR, "{id: bytedance", "{id: baidu", "members[1].id", "twice"),
    (
        "giants-2023-08",
        "{baidu: 0.3, bytedance",
        "{bidu: 0.3, bytedance",
        "member_shares.value.bidu",
        "not one of them",
    ),
    (FOUR, "default: ft", "default: times", "alternatives.order.default", "ft, article"),
    (
        "giants-2023-08",
        "proxy: gpt3-175b, per_member",
        "proxy: gpt3-175b, earliest: 2023, per_member",
        "earliest",
        "twice",
    ),
    (SMALL, "{model: qwen-14b, ", "{", "market[5].model", "missing key `model`"),
    (SMALL, "{model: qwen-14b, ", "{item: t4, model: qwen-14b, ", "market[5].item", "model instead"),
    (SMALL, "{item: l20, ", "{model: qwen-14b, item: l20, ", "market[0].model", "access: api"),
    (SMALL, "{item: l20, ", "{", "market[0].item", "missing key `item`"),
    (SMALL, "price_series: ", "price_serie: ", "market[5].price_serie", "nearest: price_series"),
    (
        "small-startup-2023",
        "{date: 2024-05-21, value: 0.5,",
        "{date: 2023-05-21, value: 0.5,",
        "series[1].date",
        "ascend",
    ),
    (SMALL, "RMB per million input", "RMB per dozen input", "price_series", "million input tokens"),
    (SMALL, "unit: USD per GPU-hour", "unit: kUSD per chip", "market[3].price.unit", "GPU-hour"),
    (
        "small-startup-2023",
        "deadline: 2024-06, flop",
        "deadline: 2024-06, per_member: true, flop",
        "per_member",
        "no members",
    ),
    (
        "small-startup-2023",
        "deadline: 2024-06, flop",
        "deadline: 2024-06, per_year: 2, flop",
        "training[0]",
        "flop_each",
    ),
    (SMALL, "flop: {value: 1.0e+22", "flop_all: {value: 1.0e+22", "training[1].flop_all", "flop"),
    (
        "small-startup-2023",
        "entity_list: {value: false",
        "entity_list: {value: maybe",
        "entity_list.value",
        "true or false",
    ),
    (
        "small-startup-2023",
        "military_end_use: {value: false, assume: invented firm}",
        "military_end_use: no",
        "military",
        "true",
    ),
    (BUYER_2026, "price: {value: 0.80", "cost: {value: 0.80", "power.sites[1].cost", "price"),
    (BUYER_2026, "power:\n", "power:\n  pue: 1.2\n", "power", "both `sites` and a single price"),
    (
        "giant-2022-07",
        "only_in_states: [top_barred_variant]",
        "only_in_states: [top_barred]",
        "only_in_states[0]",
        "nearest",
    ),
    (GIANT, "power: {price: {value: 0.085", "power: {prise: {value: 0.085", "power.prise", "nearest: price"),
]


@pytest.mark.parametrize(("name", "old", "new", "where", "message"), ELSEWHERE)
def test_located_elsewhere(name, old, new, where, message, tmp_path):
    path = tmp_path / "f.yaml"
    path.write_text(swap(old, new, OTHER_TEXTS[name]))
    with pytest.raises(InputError) as caught:
        load_scenario(path)
    assert where in caught.value.place, caught.value.line()
    assert message in caught.value.line()


def test_what_may_be_left_out(tmp_path):
    path = tmp_path / "f.yaml"
    text = OTHER_TEXTS["small-startup-2023"]
    start, end = text.index("  inference:\n"), text.index("market:")
    path.write_text(text[:start] + text[end:])
    scenario = load_scenario(path)
    assert scenario.demand.paths == ()
    assert scenario.demand.serving == ()
    assert scenario.demand.tpot_s is None


def test_unknown_headquarters_stay_unknown(tmp_path):
    path = tmp_path / "f.yaml"
    path.write_text(swap("headquarters: Beijing, CN", "headquarters: unknown"))
    assert load_scenario(path).party.headquarters_country is None


def test_tokens_to_serve_need_something_that_serves(tmp_path):
    path = tmp_path / "f.yaml"
    text = OTHER_TEXTS["small-startup-2023"]
    line = next(row for row in text.splitlines(keepends=True) if row.startswith("  serving:"))
    path.write_text(text.replace(line, ""))
    with pytest.raises(InputError, match="missing key `serving`"):
        load_scenario(path)


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
