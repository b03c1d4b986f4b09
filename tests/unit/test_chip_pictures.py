"""Pictures of chips: well-formed, escaped, to scale, and honest about what is not known."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from chipwise.catalogue import Chip, describe, load_catalogue
from chipwise.cli.main import build_app
from chipwise.core import svg
from chipwise.core.errors import InputError
from chipwise.report.chip_pictures import comparison_svg, prices_svg

SPACE = "{http://www.w3.org/2000/svg}"


def drawn(picture: str) -> ElementTree.Element:
    root = ElementTree.fromstring(picture)
    assert root.tag == f"{SPACE}svg"
    assert root.findtext(f"{SPACE}title")
    return root


def words(root: ElementTree.Element) -> str:
    return "\n".join(node.text or "" for node in root.iter(f"{SPACE}text"))


def compared(*chips: Chip) -> ElementTree.Element:
    return drawn(comparison_svg(chips, describe.compare_chips(chips)))


def test_bars_are_to_the_scale_of_the_first() -> None:
    catalogue = load_catalogue()
    root = compared(catalogue.chip("h100-sxm"), catalogue.chip("h20-96"))
    bars = [float(node.get("width", "0")) for node in root.iter(f"{SPACE}rect") if node.get("height") == "13.0"]
    assert bars[1] / bars[0] == pytest.approx(148 / 989.4, rel=0.01)
    assert "148 TFLOPS [0.15x]" in words(root)


def test_what_is_not_known_is_said() -> None:
    catalogue = load_catalogue()
    chip = catalogue.chip("h100-sxm")
    blank = dataclasses.replace(chip, id="blank", rates={}, mem_bytes_per_s=None)
    text = words(compared(chip, blank))
    assert "not known" in text
    assert "not placed, a figure is not known: blank" in text
    text = words(compared(blank, chip))
    assert "none or not known for blank: " in text
    assert "bf16" in text


@pytest.mark.parametrize("first", ["rtx-4090", "t4", "ascend-910b", "kunlun-r200", "wse-3"])
def test_any_chip_may_come_first(first: str) -> None:
    catalogue = load_catalogue()
    root = compared(catalogue.chip(first), catalogue.chip("h100-sxm"), catalogue.chip("l20"))
    for node in root.iter():
        for value in node.attrib.values():
            assert "nan" not in value
            assert "inf" not in value


def test_words_are_escaped() -> None:
    chip = dataclasses.replace(load_catalogue().chip("h20-96"), id="<b>&", name='"><script>')
    root = compared(chip, chip)
    assert "<b>&" in words(root)


def test_prices_show_place_kind_and_what_is_no_offer() -> None:
    rows = describe.price_history(load_catalogue(), "h100-sxm", rental=False)
    picture = prices_svg(rows, "usd_per_chip", "H100")
    root = drawn(picture)
    assert {"China", "US", "global", "list", "resale"} <= set(words(root).splitlines())
    titles = [node.findtext(f"{SPACE}title") for node in root.iter() if node.get("stroke-width") == "1.5"]
    marks = [title for title in titles if title and " USD (" in title]
    assert len(marks) == len(rows)
    assert all(("no offer" in mark) == ("resale" in mark or "street" in mark) for mark in marks)


@settings(max_examples=50, deadline=None)
@given(most=st.floats(1e-6, 1e12))
def test_steps_are_round_and_reach_the_top(most: float) -> None:
    steps = svg.round_steps(most)
    assert steps[0] == 0
    assert steps[-1] >= most * (1 - 1e-9)
    assert 2 <= len(steps) <= 8
    assert f"{steps[1]:.2e}"[:4] in ("1.00", "2.00", "2.50", "5.00")


def run(*arguments: str) -> str:
    result = CliRunner().invoke(build_app(), list(arguments), standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result.stdout


def test_the_commands_write_the_files(tmp_path: Path) -> None:
    first, second = tmp_path / "a.svg", tmp_path / "b.svg"
    assert "written" in run("chips", "compare", "H100", "h20-96", "--svg", str(first))
    assert "written" in run("chips", "prices", "H100", "--rental", "--place", "China", "--svg", str(second))
    assert "written" not in run("chips", "compare", "H100", "h20-96", "--json", "--svg", str(first))
    drawn(first.read_text(encoding="utf-8"))
    assert "rental reserved" in words(drawn(second.read_text(encoding="utf-8")))
    os.mkfifo(tmp_path / "pipe.svg")
    with pytest.raises(InputError, match="not a regular file"):
        run("chips", "compare", "H100", "h20-96", "--svg", str(tmp_path / "pipe.svg"))
    assert (tmp_path / "pipe.svg").is_fifo()
    with pytest.raises(InputError, match="cannot write"):
        run("chips", "compare", "H100", "h20-96", "--svg", str(tmp_path / "none" / "a.svg"))


def test_prices_are_filtered_by_kind_and_day(tmp_path: Path) -> None:
    catalogue = load_catalogue()
    every = describe.price_history(catalogue, "h20-96", rental=False)
    street = describe.price_history(catalogue, "h20-96", rental=False, kind="Street")
    assert {row["kind"] for row in street} == {"street"}
    assert len(street) < len(every)
    assert "2024-02-01" in run("chips", "prices", "h20-96", "--from", "2024-02-01", "--until", "2024-02-01")
    assert "2023-11" not in run("chips", "prices", "h20-96", "--from", "2023-12-01")
    with pytest.raises(InputError, match="street"):
        run("chips", "prices", "h20-96", "--kind", "stret")
