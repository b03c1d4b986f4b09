"""A new scenario file from an old one."""

from __future__ import annotations

import os
import re
from pathlib import Path

from chipwise.core.errors import InputError, ScenarioError
from chipwise.scenario.load import scenario_bytes, scenario_of, shipped_scenarios

_ID = re.compile(r"^id:.*$", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def new_scenario(template: str, id: str, out: str | Path, *, overwrite: bool = False, outlook: str = "") -> Path:
    """Write a copy of a scenario under a new id, ready to be edited.

    Parameters
    ----------
    template : str
        Id of a shipped scenario, or the path of a file.
    id : str
        Id of the new scenario: letters, digits, ``_``, ``.`` and ``-``.
    out : str or pathlib.Path
        File to write; an existing one is kept unless `overwrite`.
    outlook : str
        Ready outlook that takes the place of the template's own; see `chipwise.scenario.outlooks`.

    Raises
    ------
    InputError
        When the template cannot be read, the id is no name, or the file cannot be written.
    """
    from chipwise.files.atomic import write_bytes
    from chipwise.files.yaml_tree import parse_yaml, read_yaml

    if not _NAME.fullmatch(id):
        raise ScenarioError(f"{id[:60]!r} is no name", place="--id", allowed="letters, digits, _ . -")
    target = Path(out)
    if os.path.exists(target) and not overwrite:
        raise InputError("the file exists", place=str(out), allowed="a new file, or --force to replace it")
    if template in shipped_scenarios() or not os.path.exists(template):
        content = scenario_bytes(template)
    else:
        read_yaml(template)
        content = Path(template).read_bytes()
    text = _ID.sub(f"id: {id}", content.decode("utf-8-sig"), count=1)
    if text.startswith("#"):
        text = f"# Scenario: {id}, from {Path(template).stem}\n{text.split(chr(10), 1)[1]}"
    if outlook:
        from chipwise.catalogue import load_catalogue
        from chipwise.scenario.insert import with_outlook

        text = with_outlook(text, outlook, file=str(out), catalogue=load_catalogue())
    scenario_of(parse_yaml(text.encode("utf-8"), file=str(out)))
    return write_bytes(target, text.encode("utf-8"))
