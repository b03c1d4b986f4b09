"""Read a user's measurements from ``calibration.yaml``.

::

    calibration: 1
    measurements:
      - chip: h20-96                  # id or alias
        operator: all_reduce          # a collective, or a class of operator
        shape: {message: 16 MB, group: 8, chips: 8}
        measured: 92 us
        source: nccl-tests on our node, 2026-10-02
      - chip: h20-96
        operator: gemm
        shape: {m: 4096, n: 8192, k: 8192, precision: bf16}
        measured: 6.1 ms
        predicted: 5.4 ms             # optional; without it the profile predicts
        source: own harness, 2026-10-02
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chipwise.catalogue.catalogue import Catalogue
from chipwise.core.errors import DataError
from chipwise.core.names import nearest_names
from chipwise.files.units import parse_quantity
from chipwise.files.yaml_tree import NodePath, YamlTree, read_yaml
from chipwise.perf.calibration import OPERATORS, Measurement

FORMAT = 1
FIELDS = ("chip", "operator", "shape", "measured", "predicted", "source")


def read_calibration(path: str | Path, catalogue: Catalogue) -> tuple[Measurement, ...]:
    """Read ``calibration.yaml``.

    Raises
    ------
    InputError
        With file, line and field: what was given, what is allowed, the nearest names.
    """
    tree = read_yaml(path)
    if not isinstance(tree.value, dict):
        raise DataError("no mapping", place=tree.file, allowed="calibration: 1 and measurements:")
    for key in tree.value:
        if key not in ("calibration", "measurements"):
            near = nearest_names(str(key), ("calibration", "measurements"))
            raise DataError(f"{key!r} is no field here", place=tree.place((key,)), nearest=near)
    if tree.value.get("calibration") != FORMAT:
        raise DataError(f"format {tree.value.get('calibration')!r}", place=tree.place(("calibration",)), allowed="1")
    entries = tree.value.get("measurements")
    if not isinstance(entries, list) or not entries:
        raise DataError("no measurements", place=tree.place(("measurements",)), allowed="a list of measurements")
    return tuple(_measurement(tree, index, entry, catalogue) for index, entry in enumerate(entries))


def _measurement(tree: YamlTree, index: int, entry: Any, catalogue: Catalogue) -> Measurement:
    path: NodePath = ("measurements", index)
    if not isinstance(entry, dict):
        raise DataError(f"{entry!r} is no measurement", place=tree.place(path), allowed=", ".join(FIELDS))
    for key in entry:
        if key not in FIELDS:
            near = nearest_names(str(key), FIELDS)
            raise DataError(f"{key!r} is no field here", place=tree.place((*path, key)), nearest=near)
    for name in ("chip", "operator", "shape", "measured", "source"):
        if entry.get(name) in (None, "", {}):
            raise DataError(f"{name} is missing", place=tree.place((*path, name)), allowed=", ".join(FIELDS))
    operator = entry["operator"]
    if operator not in OPERATORS:
        near = nearest_names(str(operator), OPERATORS)
        place = tree.place((*path, "operator"))
        raise DataError(f"{operator!r} is no operator", place=place, allowed=" | ".join(OPERATORS), nearest=near)
    given = entry.get("predicted")
    return Measurement(
        chip_id=catalogue.chip(str(entry["chip"])).id,
        operator=operator,
        shape=_shape(tree, (*path, "shape"), entry["shape"]),
        measured_s=_seconds(tree, (*path, "measured"), entry["measured"]),
        predicted_s=None if given is None else _seconds(tree, (*path, "predicted"), given),
        source=str(entry["source"]),
        place=tree.place(path),
    )


def _seconds(tree: YamlTree, path: NodePath, value: Any) -> float:
    place = tree.place(path)
    if not isinstance(value, str):
        raise DataError(f"{value!r} has no unit", place=place, allowed="a time such as 92 us, 6.1 ms or 1.2 s")
    seconds = parse_quantity(value, "s", place=place)
    if not seconds > 0:
        raise DataError(f"{value!r} is no time", place=place, allowed="above 0")
    return seconds


def _shape(tree: YamlTree, path: NodePath, value: Any) -> tuple[tuple[str, float | str], ...]:
    if not isinstance(value, dict):
        raise DataError(f"{value!r} is no shape", place=tree.place(path), allowed="{message: 16 MB, group: 8}")
    out: dict[str, float | str] = {}
    for name, given in value.items():
        place = tree.place((*path, name))
        if name == "message":
            out["message"] = parse_quantity(given, "byte", place=place)
        elif isinstance(given, (int, float)) and not isinstance(given, bool):
            out[str(name)] = float(given)
        elif isinstance(given, str):
            out[str(name)] = given
        else:
            raise DataError(f"{given!r} cannot stand in a shape", place=place, allowed="a number or a word")
    return tuple(sorted(out.items()))
