"""Shipped scenarios become the objects their files describe."""

import datetime as dt
import hashlib
from importlib import resources
from pathlib import Path

import pytest

from chipwise.core.errors import InputError, ScenarioError
from chipwise.scenario import load_scenario, shipped_scenarios
from chipwise.scenario.mutate import quantities

ALL = ("01ai-2023", "01ai-2023-04", "baidu-2023", "buyer-2026", "giant-2022-07", "giants-2023-08", "small-startup-2023")


def line(scenario, item, access="buy"):
    return next(entry for entry in scenario.market if entry.item_id == item and entry.access == access)


def test_seven_are_shipped():
    assert shipped_scenarios() == ALL


@pytest.mark.parametrize("name", ALL)
def test_loads_and_is_whole(name):
    scenario = load_scenario(name)
    assert scenario.id == name
    assert scenario.party.headquarters_country == "CN"
    content = (resources.files("chipwise") / "data" / "scenarios" / f"{name}.yaml").read_bytes()
    assert scenario.sha256 == hashlib.sha256(content).hexdigest()
    used = {entry.chip_id for entry in (*scenario.stock, *scenario.market) if entry.chip_id}
    for state in scenario.outlook.states.values():
        assert used <= set(state.gates)
    for node in scenario.outlook.root.walk():
        assert node.state in scenario.outlook.states
        assert not node.children or sum(child.probability.value for child in node.children) == pytest.approx(1)
        assert all(child.start > node.start for child in node.children)
    for quantity in quantities(scenario):
        assert quantity.low <= quantity.value <= quantity.high, quantity.id
        assert quantity.source
        assert quantity.id.startswith(f"scenario/{name}#")


def test_baidu():
    baidu = load_scenario("baidu-2023")
    assert baidu.title == "Baidu as of 2023-11-21"
    assert baidu.as_of == dt.date(2023, 11, 21)
    assert baidu.horizon.residual_by_age_years[3] == 0.30
    assert baidu.finance.cash_usd.value == pytest.approx(200e9 / 7.2)
    assert baidu.finance.cash_usd.source.endswith("not re-verified")
    assert baidu.finance.burn_usd_per_month is None
    assert baidu.finance.capex_ceiling_usd_per_year.high == pytest.approx(14e9 / 7.2)
    (loan,) = baidu.finance.loans
    assert (loan.rate_per_year.value, loan.tenor_months.value, loan.loan_to_value) == (0.035, 36, None)
    h800 = next(entry for entry in baidu.stock if entry.chip_id == "h800-sxm")
    assert (h800.chips.low, h800.chips.value, h800.chips.high, h800.bought) == (5e3, 2e4, 3e4, dt.date(2023, 8, 31))
    assert line(baidu, "ascend-910b").price_usd_per_chip.status == "estimated"
    h20 = line(baidu, "h20-96")
    assert h20.available_from == dt.date(2024, 4, 1)
    assert h20.ex_post
    assert h20.price_usd_per_chip.ex_post
    server = line(baidu, "hgx-h800")
    assert (server.chip_id, server.chips_per_unit, server.price_unit) == ("h800-sxm", 8, "per eight-chip server")
    assert server.price_usd_per_chip.value == 290e3 / 8
    assert server.available_until == dt.date(2023, 10, 23)
    central = next(path for path in baidu.demand.paths if path.name == "central")
    assert central.probability == 0.5
    assert [tokens.value for _, tokens in central.points] == pytest.approx([0.08e12, 0.18e12, 0.4e12, 1.5e12])
    assert baidu.demand.tpot_s.value == pytest.approx(0.06)
    assert baidu.demand.serving[0].active_params.value == 1e10
    flagship, _, refreshes = baidu.demand.training
    assert (flagship.earliest, flagship.deadline) == (dt.date(2024, 1, 1), dt.date(2024, 6, 30))
    assert (refreshes.per_year, refreshes.flop.value) == (4, 1.25e24)
    assert baidu.demand.final_run_share.ex_post
    assert baidu.power.usd_per_kwh.value == pytest.approx(0.6 / 7.2)
    gates = baidu.outlook.states["h20_class_closed"].gates
    assert gates["h20-96"].kind == "licence"
    assert gates["h20-96"].probability == 0.05
    assert gates["h800-sxm"].kind == "barred"
    assert baidu.outlook.root.children[1].children[1].id == "r.1.1"
    assert "Ascend 910B" in baidu.accept_needs_counsel


def test_only_where_history_says_so_is_counsel_accepted():
    accepted = [name for name in ALL if load_scenario(name).accept_needs_counsel]
    assert accepted == ["baidu-2023", "buyer-2026", "giants-2023-08"]


def test_burn_combines_low_with_low():
    burn = load_scenario("small-startup-2023").finance.burn_usd_per_month
    assert burn.value == pytest.approx((40 * 90e3 + 0.5e6 - 0.5e6) / 12)
    assert burn.low == pytest.approx((15 * 50e3 + 0.1e6 - 3e6) / 12)
    assert burn.high == pytest.approx((80 * 150e3 + 3e6 - 0) / 12)


def test_staff_path_gives_burn_through_time():
    finance = load_scenario("01ai-2023-04").finance
    assert finance.burn_usd_per_month.value == pytest.approx(20 * 150e3 / 12 + 0.7e6 + 2e6 / 12)
    days = [day for day, _ in finance.burn_path_usd_per_month]
    assert days == [dt.date(2023, 4, 15), dt.date(2023, 11, 1), dt.date(2024, 12, 1)]
    assert finance.burn_path_usd_per_month[1][1].value == pytest.approx(100 * 150e3 / 12 + 0.7e6 + 2e6 / 12)


def test_borrowing_of_the_new_firm():
    finance = load_scenario("01ai-2023-04").finance
    assert [loan.max_usd.value for loan in finance.loans] == [60e6]
    assert [part.name for part in finance.equity] == ["equity_now", "equity_after_model"]
    assert finance.equity[1].condition
    assert [part.amount_usd.value for part in finance.cloud_credits] == [50e6]


def test_the_new_loan_counts_not_the_one_repaid():
    firm = load_scenario("01ai-2023")
    assert [loan.rate_per_year.value for loan in firm.finance.loans] == [0.08]
    assert firm.demand.training[0].done
    assert firm.stock[2].alternatives == ("l40", "l40s", "rtx-4090", "a800-80-pcie")


def test_api_prices():
    api = load_scenario("small-startup-2023").market[5]
    assert (api.access, api.api_model, api.item_id) == ("api", "qwen-14b", None)
    assert [day for day, _ in api.api_usd_per_token] == [dt.date(2023, 11, 1), dt.date(2024, 5, 21)]
    assert api.api_usd_per_token[0][1].value == pytest.approx(20 / 7.15 / 1e6)
    assert api.api_usd_per_token[1][1].ex_post


def test_servers_a_month_become_chips():
    cap = line(load_scenario("01ai-2023-04"), "hgx-h800").monthly_cap_chips
    assert (cap.low, cap.value, cap.high) == (40, 200, 480)


def test_two_gates_multiply():
    buyer = load_scenario("buyer-2026")
    assert buyer.outlook.root.state == "case_by_case+import_discouraged"
    both = buyer.outlook.states["case_by_case+import_discouraged"].gates
    assert both["h200-sxm"].probability == pytest.approx(0.4 * 0.3)
    assert both["b200-sxm"].kind == "barred"
    assert both["ascend-910c"].kind == "free"
    wider = buyer.outlook.states["wider+import_allowed_for_training"]
    assert wider.gates["h20-96"].kind == "licence"
    assert wider.gates["h20-96"].probability == pytest.approx(0.5)
    assert wider.use_limit == "training only"


def test_power_of_the_first_site():
    power = load_scenario("buyer-2026").power
    assert [site.name for site in power.sites] == ["west-hub", "east-coast"]
    assert power.usd_per_kwh.value == pytest.approx(0.56 / 7)
    assert power.usd_per_kwh_domestic.value == pytest.approx(0.40 / 7)


def test_group_is_one_buyer():
    group = load_scenario("giants-2023-08")
    assert group.party.members == ("baidu", "bytedance", "tencent", "alibaba")
    a100 = next(entry for entry in group.stock if entry.chip_id == "a100-80-sxm")
    assert (a100.chips.low, a100.chips.value, a100.chips.high) == (20e3, 47e3, 95e3)
    assert group.finance.cash_usd.value == pytest.approx(205e9)
    assert sum(member.order_share.value for member in group.members) == pytest.approx(1)
    assert sum(member.token_share for member in group.members) == pytest.approx(1)
    flagships = [job for job in group.demand.training if job.name.startswith("flagship per member 2024")]
    assert len(flagships) == 4
    assert group.demand.training[-1].per_year == 24


def test_readings_change_the_price_and_nothing_delivered():
    ft, article = load_scenario("giants-2023-08"), load_scenario("giants-2023-08", reading="article")
    assert (ft.reading, ft.readings) == ("ft", ("ft", "article"))
    assert line(ft, "a800-80-sxm").price_usd_per_chip.value == pytest.approx(18e3)
    price = line(article, "a800-80-sxm").price_usd_per_chip
    assert (price.value, price.bound) == (40e3, "upper")
    assert article.id == "giants-2023-08@article"
    assert load_scenario("giants-2023-08@article") == article
    assert [entry.chips.value for entry in ft.stock] == [entry.chips.value for entry in article.stock]
    assert line(ft, "a800-80-sxm").monthly_cap_chips.value == line(article, "a800-80-sxm").monthly_cap_chips.value
    assert load_scenario("giants-2023-08@ft") == ft
    with pytest.raises(ScenarioError, match="no reading"):
        load_scenario("giants-2023-08", reading="times")
    with pytest.raises(ScenarioError, match="no reading"):
        load_scenario("baidu-2023@ft")


def test_unknown_id_offers_the_nearest():
    with pytest.raises(InputError) as caught:
        load_scenario("bidu-2023")
    assert caught.value.nearest[0] == "baidu-2023"


def test_a_path_and_its_id_read_the_same(tmp_path):
    content = (resources.files("chipwise") / "data" / "scenarios" / "baidu-2023.yaml").read_bytes()
    path = tmp_path / "copy.yaml"
    path.write_bytes(content)
    assert load_scenario(path) == load_scenario(str(path)) == load_scenario("baidu-2023")


def test_prose_cut_by_an_unquoted_comma_is_put_together(tmp_path):
    text = (resources.files("chipwise") / "data" / "scenarios" / "baidu-2023.yaml").read_text()
    cut = text.replace('"west-east span, finance.md section 3"', "west-east span, finance.md section 3")
    assert cut != text
    path = Path(tmp_path / "cut.yaml")
    path.write_text(cut)
    assert load_scenario(path).power.usd_per_kwh.source == "west-east span, finance.md section 3"
