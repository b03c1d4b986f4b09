"""Where a smaller model is good enough: a quality file laid over a scenario.

The file says, for a class of tokens, which smaller model may answer what share of them, and for a run, which smaller
run would do. It holds judgements and their sources; whether they are right is not asked here. A smaller model takes
fewer chips, so the plan always uses the share allowed.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chipwise.catalogue import Catalogue
from chipwise.core.errors import ChipwiseError, ScenarioError
from chipwise.core.names import nearest_names
from chipwise.scenario.objects import Quantity, Scenario, ServingWorkload, TrainingJob

if TYPE_CHECKING:
    from chipwise.files.yaml_tree import NodePath, YamlTree

SCHEMA = "chipwise-quality/1"
SECTIONS = {"schema", "serving", "training"}
SERVING_KEYS = {"workload", "model", "share", "range", "src", "assume"}
TRAINING_KEYS = {"run", "model", "flop", "range", "src", "assume"}


def with_quality(scenario: Scenario, path: str | Path, catalogue: Catalogue) -> Scenario:
    """The scenario with the smaller models of a quality file.

    Parameters
    ----------
    scenario : Scenario
    path : str or pathlib.Path
        JSON (or YAML): ``{"schema": "chipwise-quality/1", "serving": [{"workload", "model", "share", "range", "src"}],
        "training": [{"run", "model", "flop", "range", "src"}]}``.
    catalogue : Catalogue

    Returns
    -------
    Scenario
        A class of tokens is split; a run takes the smaller model's shape and FLOP. Each change is told as a warning,
        and the hash covers both files.

    Raises
    ------
    InputError
        With the place of the first fault.
    """
    from chipwise.files.yaml_tree import read_yaml

    tree = read_yaml(path)
    reader = _Reader(tree=tree, scenario=scenario, catalogue=catalogue)
    serving, told = reader.serving()
    training, also = reader.training()
    if not told and not also:
        raise reader.fail((), "says nothing", allowed="at least one entry of serving or training")
    both = hashlib.sha256(f"{scenario.sha256} {hashlib.sha256(Path(path).read_bytes()).hexdigest()}".encode())
    return dataclasses.replace(
        scenario,
        demand=dataclasses.replace(scenario.demand, serving=serving, training=training),
        warnings=(*scenario.warnings, *told, *also),
        sha256=both.hexdigest(),
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """Reads a quality file against a scenario."""

    tree: YamlTree
    scenario: Scenario
    catalogue: Catalogue

    def fail(self, path: NodePath, message: str, *, allowed: str = "", nearest: Sequence[str] = ()) -> ScenarioError:
        """An error at a place of the file."""
        return ScenarioError(message, place=self.tree.place(path), allowed=allowed, nearest=nearest)

    def entries(self, section: str, keys: set[str]) -> Iterator[tuple[NodePath, Mapping[str, Any]]]:
        """Entries of a section, their keys checked."""
        file = self.tree.value
        if not isinstance(file, dict):
            raise self.fail((), "the file is no mapping", allowed=f"schema {SCHEMA}, serving, training")
        if file.get("schema") != SCHEMA:
            raise self.fail(("schema",), f"schema {file.get('schema')!r}", allowed=SCHEMA)
        for key in file:
            if key not in SECTIONS:
                raise self.fail((key,), f"unknown key {key!r}", nearest=nearest_names(str(key), sorted(SECTIONS)))
        rows = file.get(section) or []
        if not isinstance(rows, list):
            raise self.fail((section,), "expected a list", allowed="a list of entries")
        for index, row in enumerate(rows):
            place: NodePath = (section, index)
            if not isinstance(row, dict):
                raise self.fail(place, "expected a mapping", allowed=", ".join(sorted(keys)))
            for key in row:
                if key not in keys:
                    raise self.fail(
                        (*place, key), f"unknown key {key!r}", nearest=nearest_names(str(key), sorted(keys))
                    )
            for key in keys - {"range", "src", "assume"}:
                if key not in row:
                    raise self.fail(place, f"missing key `{key}`", allowed=", ".join(sorted(keys)))
            if not row.get("src") and not row.get("assume"):
                raise self.fail(
                    place, "neither `src` nor `assume` is given", allowed="src: who says so, or assume: why"
                )
            yield place, row

    def named(self, place: NodePath, key: str, row: Mapping[str, Any], known: Sequence[str]) -> str:
        """A name that the scenario knows."""
        name = str(row[key])
        if name not in known:
            raise self.fail(
                (*place, key),
                f"the scenario has no {name!r}",
                allowed=", ".join(known),
                nearest=nearest_names(name, known),
            )
        return name

    def model(self, place: NodePath, row: Mapping[str, Any]) -> str:
        """Id of a model of the catalogue."""
        try:
            return self.catalogue.model(str(row["model"])).id
        except ChipwiseError as error:
            raise self.fail((*place, "model"), error.message, allowed=error.allowed, nearest=error.nearest) from None

    def number(self, place: NodePath, key: str, row: Mapping[str, Any], most: float, unit: str) -> Quantity:
        """A number above 0 and at most `most`, with its range."""
        ends = row.get("range")
        if ends is not None and not (isinstance(ends, list) and len(ends) == 2):
            raise self.fail((*place, "range"), "no range", allowed="[low, high]")
        values = [row[key], *(ends or [])]
        for at, value in zip((key, "range", "range"), values, strict=False):
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0.0 < value <= most:
                raise self.fail((*place, at), f"{value!r} is out of bounds", allowed=f"above 0 and at most {most:.4g}")
        low, high = (float(end) for end in ends) if ends else (float(row[key]),) * 2
        if not low <= row[key] <= high:
            raise self.fail((*place, "range"), "value outside its range", allowed=f"low <= {row[key]:g} <= high")
        from chipwise.files.yaml_tree import path_text

        source = row.get("src") or row.get("assume")
        return Quantity(
            id=f"quality/{self.scenario.id}#{path_text((*place, key))}",
            value=float(row[key]),
            low=low,
            high=high,
            unit=unit,
            source=str(source),
            status="estimated" if row.get("src") else "assumed",
        )

    def serving(self) -> tuple[tuple[ServingWorkload, ...], list[str]]:
        """Classes of tokens after the split, and what was changed."""
        classes = {entry.name: entry for entry in self.scenario.demand.serving}
        left = dict.fromkeys(classes, 1.0)
        added: list[ServingWorkload] = []
        told: list[str] = []
        for place, row in self.entries("serving", SERVING_KEYS):
            own = classes[self.named(place, "workload", row, list(classes))]
            model = self.catalogue.model(self.model(place, row))
            if model.params_active >= own.active_params.value:
                raise self.fail(
                    (*place, "model"),
                    f"{model.id} has {model.params_active:.3g} active parameters and is no smaller",
                    allowed=f"a model below the {own.active_params.value:.3g} of {own.name!r}",
                )
            share = self.number(place, "share", row, 1.0, "")
            left[own.name] -= share.value
            if left[own.name] < -1e-9:
                raise self.fail((*place, "share"), f"shares of {own.name!r} sum to more than 1", allowed="at most 1")
            tokens = own.token_share
            added.append(
                ServingWorkload(
                    name=f"{own.name}, by {model.id}",
                    proxy=model.id,
                    active_params=_exactly(own.active_params, f"models/{model.id}#params_active", model.params_active),
                    token_share=dataclasses.replace(
                        share,
                        value=tokens.value * share.value,
                        low=tokens.low * share.low,
                        high=min(1.0, tokens.high * share.high),
                    ),
                )
            )
            told.append(f"{share.value:.0%} of the tokens of {own.name} are answered by {model.id}: {share.source}")
        kept = [
            dataclasses.replace(entry, token_share=_part(entry.token_share, left[entry.name]))
            for entry in self.scenario.demand.serving
            if left[entry.name] > 1e-9
        ]
        return (*kept, *added), told

    def training(self) -> tuple[tuple[TrainingJob, ...], list[str]]:
        """Runs, the smaller ones in place of those named."""
        jobs = {job.name: job for job in self.scenario.demand.training if not job.done}
        changed: dict[str, TrainingJob] = {}
        told: list[str] = []
        for place, row in self.entries("training", TRAINING_KEYS):
            job = jobs[self.named(place, "run", row, list(jobs))]
            flop = self.number(place, "flop", row, job.flop.value, "FLOP")
            model = self.model(place, row)
            changed[job.name] = dataclasses.replace(job, proxy=model, flop=flop)
            told.append(f"{job.name} is trained as {model} with {flop.value:.3g} FLOP: {flop.source}")
        return tuple(changed.get(job.name, job) for job in self.scenario.demand.training), told


def _exactly(like: Quantity, identity: str, value: float) -> Quantity:
    return dataclasses.replace(
        like, id=identity, value=value, low=value, high=value, source="the catalogue", status="estimated", ex_post=False
    )


def _part(share: Quantity, left: float) -> Quantity:
    return (
        share
        if left >= 1.0
        else dataclasses.replace(share, value=share.value * left, low=share.low * left, high=share.high * left)
    )
