"""A ready outlook put into the text of a scenario file, in place of the one that stands there."""

from __future__ import annotations

import re

from chipwise.catalogue import Catalogue
from chipwise.core.errors import ScenarioError
from chipwise.scenario.load import scenario_of
from chipwise.scenario.objects import Scenario
from chipwise.scenario.outlooks import Buyer, outlook_lines, ready_outlook

_SECTION = re.compile(r"^rules_outlook:.*?(?=^[^\s#]|\Z)", re.MULTILINE | re.DOTALL)


def chips_of(scenario: Scenario) -> tuple[str, ...]:
    """Chips named in stock and market, in the order of the file."""
    stock = [name for item in scenario.stock for name in (item.chip_id, *item.alternatives)]
    members = [name for each in scenario.members for item in each.stock for name in (item.chip_id, *item.alternatives)]
    market = [line.chip_id for line in scenario.market if line.chip_id]
    return tuple(dict.fromkeys([*stock, *members, *market]))


def with_outlook(text: str, name: str, *, file: str, catalogue: Catalogue) -> str:
    """The text of a scenario file with a ready outlook in place of its own.

    Raises
    ------
    InputError
        When the text is no scenario, the outlook is not known or does not fit the day, or the market speaks of states
        that the outlook does not have.
    """
    from chipwise.files.yaml_tree import parse_yaml

    old = scenario_of(parse_yaml(text.encode("utf-8"), file=file), catalogue=catalogue)
    home = old.party.parent_country or old.party.headquarters_country
    if home is None:
        raise ScenarioError(
            "the buyer's country is not known", place=f"{file} party", allowed="a country, before --outlook"
        )
    places = [line.place for line in old.market if line.access in ("buy", "lease")]
    buyer = Buyer(to=places[0] if places else home, hq=home, as_of=old.as_of, months=old.horizon.months)
    section = "\n".join(outlook_lines(ready_outlook(name), chips_of(old), buyer, catalogue)) + "\n"
    new = _SECTION.sub(lambda _: section, text, count=1)
    scenario_of(parse_yaml(new.encode("utf-8"), file=file), catalogue=catalogue)
    return new
