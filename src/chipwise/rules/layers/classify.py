"""Which entry of the control list the item falls in, whatever the destination.

An entry is one of ``none``, ``ic_2022``, ``a``, ``b``, ``c``, ``hbm_free``, ``presumed``, ``overcome``,
``no_presumption`` and, for dies nobody can place, ``unmeasured`` and ``planar``. Where a figure or the design is open,
several entries are possible and all are returned.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import NamedTuple

from chipwise.rules.law import Law
from chipwise.rules.logic import ends, holds, holds_at
from chipwise.rules.objects import CaseSpec


class Entry(NamedTuple):
    """A list entry, and whether the item counts as designed or marketed for data centers."""

    entry: str
    data_center: bool
    question: str = ""


def entries_of(case: CaseSpec, law: Law) -> tuple[Entry, ...]:
    """Every entry that the known facts allow, each once."""
    if case.item_kind == "hbm_stack":
        return _hbm(case, law)
    if case.item_kind == "foundry_die":
        die = foundry_entry(case, law)
        return (die, Entry("a", True)) if die.entry == "unmeasured" else (die,)
    return _circuit(case, law)


def _hbm(case: CaseSpec, law: Law) -> tuple[Entry, ...]:
    test = law.tests.get("class_c")
    met = False if test is None else holds(test, case)
    if met is None:
        return Entry("hbm_free", True), Entry("c", True)
    return (Entry("c" if met else "hbm_free", True),)


def _circuit(case: CaseSpec, law: Law) -> tuple[Entry, ...]:
    """Entries of a chip or a system; a system with a non-data-center .a circuit inside has its own design open."""
    designs = (True, False) if case.data_center_design is None else (case.data_center_design,)
    measures = law.class_measures
    spans = [ends(case.span(measure)) for measure in measures]
    points = [dict(zip(measures, point, strict=True)) for point in itertools.product(*spans)]
    found = [Entry(entry_at(law, point, design), design) for design in designs for point in points]
    if case.item_kind == "system" and Entry("a", False) in found:
        found += [Entry(entry_at(law, point, True), True) for point in points]
    return tuple(found) if len(found) == 1 else tuple(dict.fromkeys(found))


def entry_at(law: Law, figures: Mapping[str, float], data_center: bool) -> str:
    """The entry of exact figures: 2022 text, then the exclusion, then .a before .b."""
    tests = law.tests
    if "class_2022" in tests and holds_at(tests["class_2022"], figures):
        return "ic_2022"
    if "class_a" not in tests and "class_b" not in tests:
        return "none"
    if not data_center and holds_at(tests.get("outside_if_not_data_center", ()), figures):
        return "none"
    if holds_at(tests.get("class_a", ()), figures):
        return "a"
    return "b" if holds_at(tests.get("class_b", ()), figures) else "none"


def foundry_entry(case: CaseSpec, law: Law) -> Entry:
    """Place a logic die exported by a fabricator or packager (90 FR 5298).

    Notes
    -----
    A packager that attests a transistor count below the limit overcomes the presumption. A designer headquartered in
    Taiwan, A:1 or A:5 is taken as authorised: no presumption, and the die is classed by compute that is not given here.
    """
    node = law.parameters.get("foundry_node")
    if node is None:
        return Entry("unmeasured", True)
    if not _applicable(case, node):
        return Entry("no_presumption", True, "planar_die")
    if law.authorised_designers.get(case.designer_hq) is True:
        return Entry("unmeasured", True)
    limit = _transistor_limit(case, law)
    count = case.die_transistors_bn
    if case.packager in ("fabricator", "approved_osat") and count is not None:
        if count < min(limit):
            return Entry("overcome", True)
        if count < max(limit):
            return Entry("presumed", True, "transistor_limit")
    return Entry("presumed", True)


def _applicable(case: CaseSpec, node: float) -> bool:
    """Whether the die is an applicable advanced logic circuit; a die of unknown make is taken as one."""
    if case.die_planar is False or (case.die_node_nm is not None and case.die_node_nm <= node):
        return True
    return case.die_planar is None and case.die_node_nm is None


def _transistor_limit(case: CaseSpec, law: Law) -> tuple[float, ...]:
    """Limits that may apply, in billions; two when it is not settled whether the wider one does."""
    base = law.parameters.get("foundry_transistors", 0.0)
    wide = law.parameters.get("foundry_transistors_no_hbm")
    if case.die_has_hbm:
        return (base,)
    if wide is None:
        return base, law.parameters.get("foundry_transistors_unsettled", base)
    return (wide,) if case.die_has_hbm is False else (base, wide)
