"""Why work stands where it stands: computed from reduced costs, and true when tried."""

from __future__ import annotations

import pytest

from chipwise.catalogue import Catalogue
from chipwise.planning.lines import PlanReading
from chipwise.planning.lp import Solver
from chipwise.planning.pose import pose
from chipwise.planning.reasons import _reduced_costs, placement_reasons
from chipwise.scenario import Scenario


@pytest.fixture(scope="module")
def reading(baidu: Scenario, catalogue: Catalogue) -> PlanReading:
    posed = pose(baidu, catalogue, baidu.as_of, whole_servers=True)
    return PlanReading(posed.model, posed.solved, catalogue)


def test_the_strong_chip_in_serving_is_explained_chip_by_chip(reading: PlanReading) -> None:
    told = placement_reasons(reading)
    flagship = next(line for line in told if line.startswith("flagship is served on"))
    assert "h800-sxm, the strongest chip held" in flagship
    assert "kunlun-r200 cannot" in flagship
    assert "a800-80-sxm could" in flagship
    assert "a month each" in flagship
    training = next(line for line in told if line.startswith("Training stands first on"))
    assert "20,000 h800-sxm train in the first month" in training


def test_forcing_one_weaker_chip_costs_what_its_reduced_cost_says(reading: PlanReading) -> None:
    """A twin by brute force: put one A800 on the flagship class in the first month and solve again."""
    reduced = _reduced_costs(reading)
    assert reduced is not None
    blocks, values, data = reading.model.blocks, reading.values, reading.inputs
    chip, work = data.chips.index("a800-80-sxm"), data.workloads.index("flagship")
    operations = [op for op in data.tree.operations if op.node == 0]
    columns_moved = blocks.serve[[op.index for op in operations], chip, work]

    def solved(least: float) -> float:
        solver = Solver(reading.model.programme)
        for columns in (blocks.order, blocks.sign, blocks.adopt, blocks.keep):
            solver.bound_columns(columns, values[columns], values[columns])
        idle = blocks.final[values[blocks.final] <= 1e-9]
        solver.bound_columns(idle, 0.0, 0.0)
        solver.bound_columns(columns_moved, least, 1e9)
        found = solver.solve()
        assert found.status == "optimal"
        return found.objective

    expected = float(reduced[columns_moved].sum())
    assert expected > 0.0
    assert solved(1.0) - solved(0.0) == pytest.approx(expected, rel=0.05)


def test_nothing_is_told_where_no_chip_is_held(catalogue: Catalogue) -> None:
    from chipwise.scenario import load_scenario

    bare = load_scenario("01ai-2023-04", catalogue=catalogue)
    posed = pose(bare, catalogue, bare.as_of, whole_servers=False)
    assert placement_reasons(PlanReading(posed.model, posed.solved, catalogue)) == ()
