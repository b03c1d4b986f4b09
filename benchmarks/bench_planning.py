"""Speed of the planner: building and solving problems of three sizes, and building beside linopy in the same run.

CPU seconds of one thread; gaps are to the proven bound. The twin is the second formulation of the tests, on a problem
small enough for it.
"""

from __future__ import annotations

import functools
import time
import warnings
from collections.abc import Callable
from typing import Any

from chipwise.planning.inputs import PlanInputs
from chipwise.planning.model import build_model
from chipwise.planning.solve import relaxed_bound, solve_plan
from tests.support.planning_case import random_inputs

SIZES: dict[str, dict[str, Any]] = {
    "24 months x 12 chips x 4 leaves": {"months": 24, "chips": 12, "splits": (8, 16), "scale": 10.0},
    "36 x 12 x 4 with adoption": {"months": 36, "chips": 12, "splits": (8, 16), "ports": True, "scale": 10.0},
    "60 x 40 x 8, whole servers": {"months": 60, "chips": 40, "splits": (6, 18, 36), "scale": 10.0},
}


def _cpu(action: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    result = action()
    return time.process_time() - start, result


def measure(inputs: PlanInputs) -> dict[str, float]:
    """CPU seconds to build and to solve, and what came out."""
    build_s, model = _cpu(lambda: build_model(inputs))
    solve_s, solved = _cpu(lambda: solve_plan(model))
    servers = float((solved.values[model.blocks.order] / 8.0).sum())
    return {
        "columns": model.programme.cost.size,
        "rows": model.programme.row_lower.size,
        "build_s": build_s,
        "solve_s": solve_s,
        "gap": solved.gap,
        "servers": servers,
    }


def against_linopy() -> dict[str, float]:
    """Building and solving one small problem here and in labelled algebra, in the same process."""
    from tests.reference.plan_linopy import relaxed_objective

    inputs = random_inputs(months=12, chips=4, splits=(6,), seed=3, single=False)
    ours_s, model = _cpu(lambda: build_model(inputs))
    solve_s, _ = _cpu(lambda: solve_plan(model, whole_servers=False))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs_s, objective = _cpu(lambda: relaxed_objective(inputs))
    return {
        "ours_build_s": ours_s,
        "ours_solve_s": solve_s,
        "linopy_build_and_solve_s": theirs_s,
        "ratio": theirs_s / (ours_s + solve_s),
        "relative_difference": abs(relaxed_bound(model) - objective) / abs(objective),
    }


def resolve_after_one_change() -> dict[str, dict[str, float]]:
    """CPU seconds to solve each shipped scenario again after one probability has changed, anew, and rolled."""
    from chipwise.catalogue import load_catalogue
    from chipwise.planning.pose import pose, pose_again, rolled_plan
    from chipwise.scenario import load_scenario
    from chipwise.scenario.load import shipped_scenarios
    from chipwise.scenario.mutate import with_branch_probability

    catalogue = load_catalogue()
    found = {}
    for name in shipped_scenarios():
        scenario = load_scenario(name, catalogue=catalogue)
        posed = pose(scenario, catalogue, scenario.as_of, whole_servers=True)
        first = next(node for node in scenario.outlook.root.walk() if node.children).children[0]
        changed = with_branch_probability(scenario, first.probability.id, 0.9 * first.probability.value)
        again_s, again = _cpu(functools.partial(pose_again, posed, changed))
        anew_s, anew = _cpu(functools.partial(pose, changed, catalogue, scenario.as_of, whole_servers=True))
        rolled_s, _ = _cpu(functools.partial(rolled_plan, posed, 12))
        found[name] = {
            "again_s": again_s,
            "anew_s": anew_s,
            "difference": abs(again.solved.objective - anew.solved.objective) / abs(anew.solved.objective),
            "gap": again.solved.gap,
            "rolled_s": rolled_s,
        }
    return found


def main() -> None:
    """Print every measurement."""
    for single in (False, True):
        kind = "a final run on one chip type" if single else "runs spread over chip types"
        print(f"{kind}:")
        for name, size in SIZES.items():
            found = measure(random_inputs(seed=1, single=single, **size))
            print(
                f"  {name:<34} {found['columns']:>7,.0f} columns, build {found['build_s']:.3f} s, "
                f"solve {found['solve_s']:.2f} s, gap {found['gap']:.3%}, {found['servers']:,.0f} servers bought"
            )
    beside = against_linopy()
    print(
        f"12 x 4 x 2 beside linopy in one run: {beside['ours_build_s'] + beside['ours_solve_s']:.4f} s against "
        f"{beside['linopy_build_and_solve_s']:.2f} s, ratio {beside['ratio']:.0f}; optima differ by "
        f"{beside['relative_difference']:.1e}"
    )
    for name, found in resolve_after_one_change().items():
        print(
            f"{name:<20} after one probability has changed: {found['again_s']:.2f} CPU s (anew {found['anew_s']:.2f}, "
            f"objectives differ by {found['difference']:.0e}), gap {found['gap']:.3%}; rolled {found['rolled_s']:.2f} s"
        )


if __name__ == "__main__":
    main()
