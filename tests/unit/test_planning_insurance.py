"""Stock against a closure in the plan itself: none below the break-even chance, some above; and re-solves."""

from __future__ import annotations

import pytest

from chipwise.catalogue import Catalogue
from chipwise.core.errors import ScenarioError
from chipwise.planning.insurance import closing_branches, stock_built, with_closure
from chipwise.planning.pose import Posed, pose, pose_again
from chipwise.scenario import Scenario, load_scenario
from chipwise.scenario.mutate import with_settings

BRANCH = "rules_outlook.root.next.branches[2].p"


@pytest.fixture(scope="module")
def giant(catalogue: Catalogue) -> Scenario:
    return load_scenario("giant-2022-07", catalogue=catalogue)


@pytest.fixture(scope="module")
def posed(giant: Scenario, catalogue: Catalogue) -> Posed:
    return pose(giant, catalogue, giant.as_of, whole_servers=True)


def _chips(posed: Posed, chance: float) -> float:
    ids = {child.id for child in closing_branches(posed)}
    again = pose_again(posed, with_closure(posed.inputs.scenario, ids, chance), whole_servers=True)
    assert again is not None
    found = stock_built(again, find_break_even=False)
    assert found is not None
    return sum(found.chips.values())


def test_stock_is_built_above_the_break_even_chance_and_not_below(posed: Posed) -> None:
    found = stock_built(posed)
    assert found is not None
    assert found.break_even is not None
    assert 0.0 < found.break_even < 1.0
    below = [_chips(posed, found.break_even * share) for share in (0.25, 0.6, 0.98)]
    above = [_chips(posed, found.break_even + (1.0 - found.break_even) * share) for share in (0.02, 0.4, 0.9)]
    assert below == [0.0, 0.0, 0.0]
    assert all(chips >= 1.0 for chips in above)


def test_a_likelier_closure_never_lowers_the_stock(posed: Posed) -> None:
    chips = [_chips(posed, chance) for chance in (0.1, 0.3, 0.5, 0.7, 0.9)]
    assert chips == sorted(chips)


def test_the_plan_says_how_many_chips_and_what_the_insurance_costs(giant: Scenario, catalogue: Catalogue) -> None:
    likely = with_settings(giant, {BRANCH: 0.5})
    found = stock_built(pose(likely, catalogue, giant.as_of, whole_servers=True))
    assert found is not None
    assert found.break_even is not None
    assert sum(found.chips.values()) > 100.0
    assert 0.0 < found.premium_usd < found.cover_usd
    assert found.closure * found.cover_usd >= (1.0 - found.closure) * found.premium_usd
    for chip, count in found.chips.items():
        assert f"{count:,.0f} {chip}" in found.sentence()
    assert f"{found.premium_usd / 1e6:,.1f} m" in found.sentence()


def test_solved_again_after_one_probability_is_the_same_as_solved_anew(
    giant: Scenario, posed: Posed, catalogue: Catalogue
) -> None:
    changed = with_settings(giant, {BRANCH: 0.35})
    quick = pose_again(posed, changed)
    anew = pose(changed, catalogue, giant.as_of, whole_servers=True)
    assert quick is not None
    assert quick.solved.objective == pytest.approx(anew.solved.objective, rel=1e-9)
    assert quick.solved.bound == pytest.approx(anew.solved.bound, rel=1e-9)
    assert (quick.model.programme.cost == anew.model.programme.cost).all()


def test_siblings_share_the_rest_in_their_proportions(giant: Scenario) -> None:
    before = [child.probability.value for child in giant.outlook.root.children]
    after = [child.probability.value for child in with_settings(giant, {BRANCH: 0.5}).outlook.root.children]
    assert sum(after) == pytest.approx(1.0)
    assert after[2] == 0.5
    assert after[0] / after[1] == pytest.approx(before[0] / before[1])


def test_a_demand_path_may_be_made_likelier(giant: Scenario) -> None:
    changed = with_settings(giant, {"demand.inference.path_probabilities.high": 0.5})
    chances = {path.name: path.probability for path in changed.demand.paths}
    assert chances == {"low": pytest.approx(0.25), "central": pytest.approx(0.25), "high": 0.5}


@pytest.mark.parametrize("value", [-0.1, 1.2])
def test_what_is_no_probability_is_refused(giant: Scenario, value: float) -> None:
    with pytest.raises(ScenarioError, match="no probability"):
        with_settings(giant, {BRANCH: value})
