"""chipwise: plan AI compute when chips are scarce and controlled.

>>> import chipwise as cw
>>> cw.check("h20-96", to="CN", hq="CN", on="2024-02-01").outcome
'NLR'

Names load on first use, so that importing the package costs nothing. Not legal advice.
"""

from __future__ import annotations

import importlib
from typing import Any

from chipwise._version import __version__

_HOMES = {
    "Catalogue": "chipwise.catalogue",
    "load_catalogue": "chipwise.catalogue",
    "Chip": "chipwise.catalogue.objects",
    "Model": "chipwise.catalogue.objects",
    "System": "chipwise.catalogue.objects",
    "Verdict": "chipwise.rules",
    "check": "chipwise.rules",
    "estimate_serving": "chipwise.perf",
    "estimate_training": "chipwise.perf",
    "Scenario": "chipwise.scenario",
    "load_scenario": "chipwise.scenario",
    "Plan": "chipwise.planning",
    "plan": "chipwise.planning",
    "runway": "chipwise.planning",
    "write_report": "chipwise.report",
    "table_names": "chipwise.report.tables",
    "to_arrow": "chipwise.report.tables",
    "to_pandas": "chipwise.report.tables",
    "Estimate": "chipwise.core.fact",
    "Fact": "chipwise.core.fact",
    "ChipwiseError": "chipwise.core.errors",
    "InfeasiblePlan": "chipwise.core.errors",
    "InputError": "chipwise.core.errors",
    "RedFlag": "chipwise.core.errors",
    "Undetermined": "chipwise.core.errors",
    "UnknownName": "chipwise.core.errors",
}

__all__ = ["__version__", *sorted(_HOMES)]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'chipwise' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
