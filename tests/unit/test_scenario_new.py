"""A scenario from answers: each checked at once, the result read and planned like any other."""

from __future__ import annotations

import datetime as dt
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import chipwise as cw
from chipwise.cli.main import build_app
from chipwise.core.errors import ChipwiseError, InputError
from chipwise.scenario.new import answers_from, flow, read_answers, scenario_text, write_new
from chipwise.scenario.questions import FREE, QUESTIONS, answered, nothing_known, open_offers

ANSWERS = {
    "name": "Example: Lab, Inc",
    "hq": "cn",
    "as_of": "2023-11-25",
    "months": "12",
    "cash": "15 USD m",
    "stock": "A800 32; RTX 4090 64",
    "train": "llama-2-7b 2e11 2024-06",
    "serve": "llama-2-7b 0.2e9 1e9",
    "market": "l20 5000 64 3; ascend-910b 39000 16 6",
    "close": "0.3 2024-06",
}


def run(*arguments: str) -> str:
    result = CliRunner().invoke(build_app(), ["scenario", "new", *arguments], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result.stdout


def test_answers_make_a_scenario_that_plans(tmp_path: Path) -> None:
    target = tmp_path / "mine.yaml"
    options = [part for key, text in ANSWERS.items() for part in (f"--{key.replace('_', '-')}", text)]
    assert "chipwise plan" in run("--out", str(target), *options)
    scenario = cw.load_scenario(target)
    assert (scenario.id, scenario.as_of, scenario.horizon.months) == ("mine", dt.date(2023, 11, 25), 12)
    assert {item.chip_id: item.chips.value for item in scenario.stock} == {"a800-80-sxm": 32, "rtx-4090": 64}
    assert scenario.finance.cash_usd is not None
    assert scenario.finance.cash_usd.value == 15e6
    assert [node.probability.value for node in scenario.outlook.root.walk()] == [1.0, 0.3, 0.7]
    plan = cw.plan(scenario, draws=1000, with_sensitivity=False)
    assert plan.status in ("optimal", "work deferred")
    taken = [fact for fact in plan.facts if "as in small-startup-2023" in fact.source]
    assert len(taken) > 5
    assert all(fact.status == "assumed" for fact in taken)


def test_an_answers_file_says_the_same_as_flags(tmp_path: Path) -> None:
    lists = {key: [part.strip() for part in ANSWERS[key].split(";")] for key in ("stock", "market")}
    lines = [f"{key}: {flow(lists.get(key, text))}" for key, text in ANSWERS.items()]
    (tmp_path / "answers.yaml").write_text("\n".join(lines), encoding="utf-8")
    run("--out", str(tmp_path / "one.yaml"), "--answers", str(tmp_path / "answers.yaml"))
    known = answers_from(ANSWERS, cw.load_catalogue())
    assert (tmp_path / "one.yaml").read_text(encoding="utf-8") == scenario_text(known, "one")


def test_nothing_but_what_must_be_answered(tmp_path: Path) -> None:
    few = {key: ANSWERS[key] for key in ("name", "hq", "as_of", "months", "cash", "serve")}
    text = scenario_text(answers_from(few, cw.load_catalogue()), "few")
    assert "stock: []" in text
    assert "market: []" in text
    with pytest.raises(InputError, match="no answer to name, hq, as_of, months, cash"):
        answers_from({}, cw.load_catalogue())
    with pytest.raises(InputError, match="something to serve, or something to train"):
        answers_from({**few, "serve": ""}, cw.load_catalogue())


@pytest.mark.parametrize(
    ("key", "text", "message"),
    [
        ("name", "a\nb", "1 to 80 characters"),
        ("name", "", "name: is blank"),
        ("hq", "China", "'China' is no country code.*nearest: CN"),
        ("as_of", "2023-13-01", "YYYY-MM-DD"),
        ("as_of", "1999-01-01", "2022"),
        ("months", "0", "a whole number from 1 to 240"),
        ("months", "1" * 10_000, "too large|whole number"),
        ("cash", "15", "a unit of US dollars: USD m, USD bn, kUSD"),
        ("cash", "15 RMB m", "a unit of US dollars"),
        ("cash", "1e400 USD m", "too large|from 0"),
        ("cash", "-1 USD m", "a unit of US dollars"),
        ("stock", "h9000 32", "no chip or system is called 'h9000'"),
        ("stock", "a800-80-sxm many", r"stock\[0\]: 'many' is not a number"),
        ("stock", "a800-80-sxm -4", r"stock\[0\]: '-4' is no answer; allowed: a number from 0"),
        ("train", "llama-2-7x 1e12", "no model is called 'llama-2-7x'; nearest: llama-2-7b"),
        ("train", "llama-2-7b 1e12 2023-10", "a month after 2023-11-25"),
        ("serve", "llama-2-7b 1e9", "TOKENS_A_DAY_NOW"),
        (
            "market",
            "h100-sxm 30000 64 3",
            r"h100-sxm is not free .*licence_required \(presumption_of_denial\); allowed: .*l20",
        ),
        ("market", "l20 cheap 64 3", r"market\[0\]: 'cheap' is not a number"),
        ("market", "kunlun-p800 ? 64 3", "a price in USD"),
        ("close", "0.3 2030-01", "before 2024-11"),
        ("close", "1.3 2024-06", "a number from 0 to 1"),
    ],
)
def test_a_bad_answer_is_told_at_once(key: str, text: str, message: str) -> None:
    catalogue = cw.load_catalogue()
    with pytest.raises(InputError, match=message) as caught:
        answers_from({**ANSWERS, key: text}, catalogue)
    assert len(caught.value.line().splitlines()) == 1


def test_what_is_offered_is_open_to_the_buyer_and_on_sale() -> None:
    known = nothing_known(cw.load_catalogue())
    for question in QUESTIONS[:5]:
        known = answered(question, ANSWERS[question.key], known)
    offers = {found.chip.id: found for found in open_offers(known)}
    assert "l20" in offers or "t4" in offers
    assert not {"h100-sxm", "a800-80-sxm", "h20-96", "b200-sxm"} & set(offers)
    assert offers["ascend-910b"].outcome == "needs_counsel"
    for found in offers.values():
        assert found.outcome in FREE or found.chip.vendor_country == "CN"
        assert found.price_usd is None or found.price_source.startswith("prices/")


def test_files_and_options_that_do_not_fit_are_told(tmp_path: Path) -> None:
    path = tmp_path / "answers.yaml"
    for text, message in (
        ("cahs: 3\n", "answers.yaml:1 cahs: 'cahs' is no question; nearest: cash"),
        ("- a\n", "no mapping"),
        ("name: {a: 1}\n", "answers.yaml:1 name: cannot stand here"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match=message):
            read_answers(path)
    out = tmp_path / "out.yaml"
    with pytest.raises(InputError, match="both a template and answers"):
        run("--out", str(out), "--from", "baidu-2023", "--hq", "CN")
    with pytest.raises(InputError, match="no answer to name"):
        run("--out", str(out), "--hq", "CN")
    with pytest.raises(InputError, match="no shipped scenario is called 'none'"):
        run("--out", str(out), "--like", "none", *(f"--{k.replace('_', '-')}={v}" for k, v in ANSWERS.items()))
    assert not out.exists()
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(InputError, match="exists"):
        write_new("x", tmp_path / "pipe.yaml", overwrite=True)
    assert (tmp_path / "pipe.yaml").is_fifo()
    out.write_text("precious", encoding="utf-8")
    with pytest.raises(InputError, match="exists"):
        run("--out", str(out), "--hq", "CN")


def test_any_answers_give_a_scenario_or_an_input_error() -> None:
    chance = random.Random(20231125)
    odd = [
        "",
        "x",
        "-1",
        "1e400",
        "9" * 5000,
        "l20",
        "CN",
        "2024-02-30",
        "a b c d",
        ";;;",
        "\u2028",
        "{a: b}",
        "l20 1 1 1",
    ]
    catalogue = cw.load_catalogue()
    outcomes, longest = {True: 0, False: 0}, 0
    for _ in range(150):
        given = dict(ANSWERS)
        for key in chance.sample(list(given), chance.choice([1, 1, 2])):
            text = given[key]
            cut = chance.randrange(len(text))
            given[key] = chance.choice([chance.choice(odd), text[:cut] + chance.choice(odd) + text[cut:], text + " 1"])
        try:
            scenario_text(answers_from(given, catalogue), "any")
        except InputError as error:
            outcomes[False] += 1
            longest = max(longest, len(error.line()))
        except ChipwiseError as error:
            pytest.fail(f"{given}: {type(error).__name__}: {error}")
        else:
            outcomes[True] += 1
    assert min(outcomes.values()) > 3
    assert longest < 6000


def test_on_a_terminal_it_asks_until_the_answer_fits(tmp_path: Path) -> None:
    typed = {**ANSWERS, "hq": "China\ncn", "market": "h100-sxm 1 1 1\nl20 5000 64 3"}
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    os.write(ours, ("\n".join(typed.values()) + "\n").encode())
    command = [sys.executable, "-m", "chipwise.cli.main", "scenario", "new", "--out", str(tmp_path / "mine.yaml")]
    done = subprocess.run(command, stdin=theirs, capture_output=True, text=True, timeout=60, check=False)
    os.close(ours)
    os.close(theirs)
    assert done.returncode == 0, done.stderr
    assert "'China' is no country code" in done.stderr
    assert "h100-sxm is not free" in done.stderr
    assert "without a licence" in done.stdout
    assert [line.chip_id for line in cw.load_scenario(tmp_path / "mine.yaml").market] == ["l20"]


@pytest.mark.parametrize(
    ("hq", "as_of"), [("CN", "2022-11-01"), ("US", "2025-01-15"), ("DE", "2026-06-01"), ("SA", "2024-03-01")]
)
def test_other_buyers_and_days_work(hq: str, as_of: str) -> None:
    given = {**ANSWERS, "hq": hq, "as_of": as_of, "stock": "", "train": "llama-2-7b 2e11", "market": "t4 1000 8 1"}
    given["close"] = ""
    assert "today" in scenario_text(answers_from(given, cw.load_catalogue()), "any")


def test_a_ready_outlook_takes_the_place_of_the_templates_own(tmp_path: Path) -> None:
    out = tmp_path / "mine.yaml"
    run("--from", "baidu-2023", "--outlook", "tightening", "--out", str(out))
    content = out.read_text(encoding="utf-8")
    assert content.count("\nrules_outlook:") == 1
    assert "accept_needs_counsel:" in content
    assert set(cw.load_scenario(out).outlook.states) == {"today+today", "letters+today", "shut+today"}


def test_answers_take_an_outlook_and_a_spread_of_demand(tmp_path: Path) -> None:
    given = {key: text for key, text in ANSWERS.items() if key != "close"}
    options = [part for key, text in given.items() for part in (f"--{key.replace('_', '-')}", text)]
    run("--out", str(tmp_path / "mine.yaml"), "--outlook", "tightening", "--demand", "three-paths", *options)
    scenario = cw.load_scenario(tmp_path / "mine.yaml")
    ends = {path.name: path.points[-1][1].value for path in scenario.demand.paths}
    assert ends["high"] == pytest.approx(3.0 * ends["central"])
    assert [path.probability for path in scenario.demand.paths] == [0.25, 0.5, 0.25]
    assert scenario.outlook.states["letters+today"].gates["ascend-910b"].kind == "free"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--from", "baidu-2023", "--outlook", "tightenning"), "tightening"),
        (("--from", "buyer-2026", "--outlook", "tightening"), "is not seen from 2026-11-23"),
        (("--from", "baidu-2023", "--demand", "boom"), "a template has its own paths of demand"),
        (("--outlook", "relief", "--close", "0.3 2024-06"), "both a chance of closing and an outlook"),
        (("--name", "x", "--hq", "cn", "--demand", "bom"), "no answer to"),
    ],
)
def test_an_outlook_that_does_not_fit_is_one_line_and_no_file(tmp_path: Path, args: tuple[str, ...], said: str) -> None:
    out = tmp_path / "mine.yaml"
    with pytest.raises(InputError) as error:
        run(*args, "--out", str(out))
    assert said in error.value.line()
    assert not out.exists()


def test_outlooks_are_listed_for_a_day() -> None:
    shown = (
        CliRunner().invoke(build_app(), ["scenario", "outlooks", "--on", "2026-11-23"], standalone_mode=False).stdout
    )
    assert "licence-2026" in shown
    assert "tightening" not in shown
    assert "three-paths" in shown
