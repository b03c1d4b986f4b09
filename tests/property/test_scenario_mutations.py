"""Whatever is done to a shipped scenario, the reader answers with a scenario or an input error, and soon."""

import copy
import datetime as dt
import math
import random
import time
from importlib import resources

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from chipwise.core.errors import InputError
from chipwise.files.yaml_tree import parse_yaml
from chipwise.scenario import load_scenario, shipped_scenarios
from chipwise.scenario.load import scenario_of
from chipwise.scenario.mutate import quantities

FOLDER = resources.files("chipwise") / "data" / "scenarios"
TEXTS = {name: (FOLDER / f"{name}.yaml").read_bytes() for name in shipped_scenarios()}
TREES = {name: yaml.safe_load(content) for name, content in TEXTS.items()}

SPLINTERS = [b"", b"{", b"]", b"\t", b"\n", b"\xff", b"&a *a"]
WORDS = ["", "x", "free", "CN", "h100-sxm", "low", "../../etc/passwd", "{0}", "%s", "é\u2028", "a" * 3000, "2023-11"]
THINGS = [None, True, -1, 0, 1, 1e59, 5e-324, 10**40, [], {}, [[]], {"value": None}, {"value": 1}, dt.date(1066, 1, 1)]


def places(node, path=()):
    """Every path of the tree but the root."""
    entries = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, below in entries:
        yield (*path, key)
        yield from places(below, (*path, key))


def mutated(tree, random):
    """One change at a random place."""
    tree = copy.deepcopy(tree)
    path = random.choice(list(places(tree)))
    parent = tree
    for key in path[:-1]:
        parent = parent[key]
    key = path[-1]
    value = parent[key]
    kind = random.choice(["delete", "type", "negate", "rename", "word", "swap", "double"])
    if kind == "delete":
        del parent[key]
    elif kind == "negate" and isinstance(value, (int, float)):
        parent[key] = -value
    elif kind == "rename" and isinstance(parent, dict):
        parent[random.choice(WORDS)] = parent.pop(key)
    elif kind == "word":
        parent[key] = random.choice(WORDS)
    elif kind == "swap":
        other = tree
        for step in random.choice(list(places(tree))):
            other = other[step]
        parent[key] = copy.deepcopy(other)
    elif kind == "double" and isinstance(parent, list):
        parent.append(copy.deepcopy(value))
    else:
        parent[key] = random.choice(THINGS)
    return tree


def read(content):
    """A scenario, or None for an input error; anything else escapes."""
    said = ""
    try:
        scenario = scenario_of(parse_yaml(content, file="m.yaml"))
    except InputError as error:
        scenario, said = None, error.line()
    if scenario is None:
        assert said.startswith("m.yaml")
        assert len(said.splitlines()) == 1
        assert len(said) < 2000
        return None
    for quantity in quantities(scenario):
        assert quantity.low <= quantity.value <= quantity.high, quantity
        assert math.isfinite(quantity.low)
        assert math.isfinite(quantity.high)
    return scenario


@pytest.mark.parametrize("name", sorted(TREES))
def test_mutations(name):
    chance = random.Random(f"scenario {name}")
    outcomes = {True: 0, False: 0}
    started = time.process_time()
    for _ in range(60):
        tree = TREES[name]
        for _ in range(chance.choice([1, 1, 1, 2, 5])):
            tree = mutated(tree, chance)
        outcomes[read(yaml.safe_dump(tree, allow_unicode=True).encode()) is None] += 1
    assert min(outcomes.values()) > 0
    assert time.process_time() - started < 60


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_damaged_bytes(name):
    chance = random.Random(f"bytes {name}")
    for _ in range(40):
        content = bytearray(TEXTS[name])
        for _ in range(chance.choice([1, 3, 20])):
            at = chance.randrange(len(content))
            content[at : at + chance.choice([0, 1, 40])] = chance.choice(
                [b"", b"{", b"]", b"\t", b"\n", b"\xff", b"&a *a"]
            )
        read(bytes(content))


@settings(max_examples=60, deadline=None)
@given(content=st.one_of(st.binary(max_size=300), st.text(alphabet="{}[]:,-&*!|>'\"#%@ \n\tab1.", max_size=200)))
def test_any_file(content):
    read(content if isinstance(content, bytes) else content.encode())


@settings(max_examples=100, deadline=None)
@given(
    value=st.floats(0, 1e12),
    below=st.floats(0, 1),
    above=st.floats(1, 10),
    unit=st.sampled_from(["USD m", "RMB bn", "kUSD", "USD", "RMB"]),
    rate=st.floats(0.001, 1e6),
)
def test_ranges_survive_conversion(value, below, above, unit, rate):
    tree = copy.deepcopy(TREES["baidu-2023"])
    tree["currency"]["per_usd"] = rate
    money = {"value": value, "range": [value * below, value * above], "unit": unit, "src": "drawn"}
    tree["finance"]["cash_and_investments"] = money
    scenario = read(yaml.safe_dump(tree).encode())
    assert scenario is not None
    cash = scenario.finance.cash_usd
    per_dollar = rate if unit.startswith("RMB") else 1.0
    scale = {"USD m": 1e6, "RMB bn": 1e9, "kUSD": 1e3}.get(unit, 1.0)
    assert cash.value == pytest.approx(value * scale / per_dollar)
    assert cash.low <= cash.value <= cash.high


@settings(max_examples=50, deadline=None)
@given(first=st.floats(0, 1), second=st.floats(0, 1))
def test_branch_probabilities_sum_to_one_or_are_refused(first, second):
    tree = copy.deepcopy(TREES["baidu-2023"])
    branches = tree["rules_outlook"]["root"]["next"]["branches"][0]["next"]["branches"]
    branches[0]["p"], branches[1]["p"] = first, second
    scenario = read(yaml.safe_dump(tree).encode())
    assert (scenario is not None) == (abs(first + second - 1) <= 1e-9)


def test_reading_is_quick():
    load_scenario("baidu-2023")
    started = time.process_time()
    load_scenario("giants-2023-08")
    assert time.process_time() - started < 1.0
