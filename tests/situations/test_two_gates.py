"""Availability line by line: verdict x US licence x Chinese import x chance of the offer x cap x lead time."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pytest

from chipwise.catalogue import Catalogue
from chipwise.planning.availability import deliveries, line_access, offered_lines
from chipwise.planning.pose import REVEAL_MONTHS
from chipwise.planning.tree import build_tree
from chipwise.scenario import Scenario, load_scenario
from chipwise.scenario.insert import chips_of
from chipwise.scenario.outlooks import Buyer, outlook_lines, ready_outlook, ready_outlooks
from chipwise.scenario.template import new_scenario

OUTLOOKS = [entry.id for entry in ready_outlooks()]
SEEN_FROM = {"before-the-rule": "giant-2022-07", "tightening": "baidu-2023", "h20-closed-reopened": "baidu-2023"}
SEEN_FROM |= {"licence-2026": "buyer-2026", "status-quo": "small-startup-2023", "relief": "01ai-2023"}
US, CN = {"case_by_case": 0.6, "closed": 0.05, "wider": 1.0}, {"import_discouraged": 0.3}
CN |= {"import_allowed_for_training": 0.5}


@pytest.fixture
def buyer(catalogue: Catalogue) -> Scenario:
    return load_scenario("buyer-2026", catalogue=catalogue)


def test_every_line_of_the_2026_buyer_is_the_product_of_its_gates(buyer: Scenario, catalogue: Catalogue) -> None:
    """The factors are read from the scenario file here, not from the product the reader has made of them."""
    tree = build_tree(buyer, reveal_months=REVEAL_MONTHS)
    lines, _ = offered_lines(buyer, buyer.as_of)
    access = line_access(buyer, tree, lines, catalogue, buyer.as_of)
    h200 = {"case_by_case": 0.4, "closed": 0.0, "wider": 0.7}
    h200_import = {"import_discouraged": 0.3, "import_allowed_for_training": 0.8}
    checked = 0
    for column, line in enumerate(lines):
        for node in tree.nodes:
            if line.access != "buy" or node.rule_node == "r":
                continue
            us, cn = node.state.split("+")
            home = catalogue.chip(line.chip_id or "").vendor_country == "CN"
            assert home or line.chip_id == "h200-sxm"
            gates = 1.0 if home else h200[us] * h200_import[cn]
            offer = 1.0 if line.import_gate_probability is None else line.import_gate_probability.value
            started = line.available_from is None or node.date >= line.available_from
            assert access.order_share[node.index, column] == pytest.approx(gates * offer * started)
            checked += 1
    assert checked > 100


def test_today_the_verdict_of_the_law_decides_whatever_the_outlook_says(buyer: Scenario, catalogue: Catalogue) -> None:
    """H200 needs a licence on the day: nothing may be ordered at the root though its state gives licences."""
    tree = build_tree(buyer, reveal_months=REVEAL_MONTHS)
    lines, _ = offered_lines(buyer, buyer.as_of)
    access = line_access(buyer, tree, lines, catalogue, buyer.as_of)
    column = next(index for index, line in enumerate(lines) if line.chip_id == "h200-sxm" and line.access == "buy")
    assert access.judged[column].outcome == "licence_required"
    assert access.order_share[0, column] == 0.0


def test_what_is_ordered_arrives_after_its_lead_time_and_only_through_the_gate_of_that_day(
    buyer: Scenario, catalogue: Catalogue
) -> None:
    tree = build_tree(buyer, reveal_months=REVEAL_MONTHS)
    lines, _ = offered_lines(buyer, buyer.as_of)
    access = line_access(buyer, tree, lines, catalogue, buyer.as_of)
    for entry in deliveries(tree, access):
        arrival, order, column, share = entry.node, entry.source, entry.line, entry.share
        lead = access.lead_months[column]
        assert tree.nodes[arrival].period - tree.nodes[order].period == lead
        gate = access.delivery_share[arrival, column] / access.order_share[order, column]
        assert share == pytest.approx(min(1.0, gate))
        if access.delivery_share[arrival, column] == 0.0:
            pytest.fail("a barred chip arrived")


@pytest.mark.parametrize(
    ("day", "chip", "us", "cn"),
    [
        ("2023-10-22", "a800-80-sxm", "free", "free"),
        ("2023-10-23", "a800-80-sxm", 0.05, "free"),
        ("2023-11-21", "h20-96", "free", "free"),
        ("2025-05-01", "h20-96", 0.05, "free"),
        ("2025-08-01", "h20-96", 0.05, 0.3),
        ("2025-09-01", "h20-96", 0.6, 0.3),
        ("2026-01-20", "h200-sxm", 0.4, 0.0),
        ("2026-11-23", "h200-sxm", 0.4, 0.3),
        ("2026-11-23", "b200-sxm", 0.02, "free"),
        ("2026-11-23", "ascend-910c", "free", "free"),
    ],
)
def test_the_status_quo_reads_both_gates_from_law_and_reports(
    day: str, chip: str, us: object, cn: object, catalogue: Catalogue
) -> None:
    """Both sides of 2023-10-23 (letter), 2025-04 (letters), 2025-08 (licences, guidance), 2026-01 (case by case)."""
    gates = _gates("status-quo", day, chip, catalogue)
    assert gates == {"us": us, "cn": cn}


def _gates(name: str, day: str, chip: str, catalogue: Catalogue) -> dict[str, object]:
    import yaml

    who = Buyer(to="CN", hq="CN", as_of=dt.date.fromisoformat(day), months=24)
    section = yaml.safe_load("\n".join(outlook_lines(ready_outlook(name), [chip], who, catalogue)))["rules_outlook"]
    found: dict[str, object] = {}
    for gate, states in section["gates"].items():
        said = states["today"]["map"][chip]
        found[gate] = said["licence"]["value"] if isinstance(said, dict) else 0.0 if said == "barred" else said
    return found


def test_a_line_may_name_the_state_of_one_gate_alone(tmp_path: Path, catalogue: Catalogue) -> None:
    """The cut-down chip is on sale only where the line leaves room, whatever the other gate says."""
    path = new_scenario("giant-2022-07", "mine", tmp_path / "mine.yaml", outlook="before-the-rule")
    scenario = load_scenario(path, catalogue=catalogue)
    later = dt.date(2024, 1, 1)
    tree = build_tree(scenario, reveal_months=REVEAL_MONTHS)
    lines, _ = offered_lines(scenario, later)
    access = line_access(scenario, tree, lines, catalogue, later)
    column = next(index for index, line in enumerate(lines) if line.only_in_states)
    assert lines[column].only_in_states == ("top_barred_variant",)
    open_in = {node.state for node in tree.nodes if access.order_share[node.index, column] > 0.0}
    assert open_in == {"top_barred_variant+today"}


def test_a_buyer_elsewhere_meets_no_chinese_gate(catalogue: Catalogue) -> None:
    who = Buyer(to="SG", hq="SG", as_of=dt.date(2026, 11, 23), months=12)
    text = "\n".join(outlook_lines(ready_outlook("status-quo"), ["h20-96", "h200-sxm"], who, catalogue))
    assert text.split("    cn:")[1].count("free") == 2


@pytest.mark.parametrize("name", OUTLOOKS)
def test_every_ready_outlook_makes_a_scenario_that_plans(name: str, tmp_path: Path, catalogue: Catalogue) -> None:
    path = new_scenario(SEEN_FROM[name], "mine", tmp_path / "mine.yaml", outlook=name)
    scenario = load_scenario(path, catalogue=catalogue)
    tree = build_tree(scenario, reveal_months=REVEAL_MONTHS)
    assert np.isclose(sum(leaf.probability for leaf in tree.leaves()), 1.0)
    for chip in chips_of(scenario):
        for state in scenario.outlook.states.values():
            assert 0.0 <= state.gates[chip].probability <= 1.0
    for node in scenario.outlook.root.walk():
        assert node.probability.source
    shut = scenario.outlook.states.get("shut+today")
    if shut is not None:
        assert shut.gates["l20"].probability == pytest.approx(0.05)
        assert shut.gates["ascend-910b"].kind == "free"
