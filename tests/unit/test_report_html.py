"""The report: complete in itself, harmless, the same twice, and true to the plan on its first screen."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chipwise.core.errors import InputError
from chipwise.core.json_text import dumps
from chipwise.report import write_report
from chipwise.report.html import SECTIONS, all_figures, render_report
from tests.support.report_case import COUNSEL_REASON, empty_plan, sample_plan

LOADING = {"img", "iframe", "object", "embed", "audio", "video", "source", "track", "base", "frame", "form", "area"}


class Page(HTMLParser):
    """Tags, ids, links, scripts and the text of each section."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self.text: dict[str, str] = {}
        self._in: str | None = None
        self._section = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append((tag, found))
        if tag in ("script", "style"):
            self._in = tag
            (self.scripts if tag == "script" else self.styles).append("")
        if tag == "section":
            self._section = str(found.get("id"))

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._in = None
        if tag == "section":
            self._section = ""

    def handle_data(self, data: str) -> None:
        if self._in == "script":
            self.scripts[-1] += data
        elif self._in == "style":
            self.styles[-1] += data
        else:
            self.text[self._section] = self.text.get(self._section, "") + data

    def words(self, section: str) -> str:
        return re.sub(r"\s+", " ", self.text[section])

    def ids(self) -> list[str]:
        return [str(attrs["id"]) for _, attrs in self.tags if attrs.get("id")]


def plan_dict() -> dict[str, Any]:
    return json.loads(dumps(sample_plan().to_dict()))


@pytest.fixture(scope="module")
def html() -> str:
    return render_report(plan_dict())


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_report_loads_nothing_from_outside(page: Page) -> None:
    assert not LOADING & {tag for tag, _ in page.tags}
    for tag, attrs in page.tags:
        assert not {"src", "srcset", "action", "background", "poster", "ping"} & set(attrs), tag
        href = attrs.get("href")
        assert href is None or href.startswith("#") or href == "data:,", href
        assert not [name for name in attrs if name.startswith("on")], tag
    for style in [*page.styles, *(str(attrs.get("style") or "") for _, attrs in page.tags)]:
        assert "url(" not in style
        assert "@import" not in style


def test_policy_of_the_page_forbids_every_connection(page: Page) -> None:
    policies = [attrs["content"] for tag, attrs in page.tags if attrs.get("http-equiv") == "Content-Security-Policy"]
    assert len(policies) == 1
    parts = dict(part.strip().partition(" ")[::2] for part in str(policies[0]).split(";"))
    assert parts["default-src"] == "'none'"
    assert "connect-src" not in parts
    assert "http" not in str(policies[0])


def test_report_stays_small(html: str) -> None:
    assert len(html.encode()) < 2.5e6


def test_sections_stand_in_order(page: Page) -> None:
    found = [attrs["id"] for tag, attrs in page.tags if tag == "section"]
    assert found == [key for key, _ in SECTIONS]


def test_every_line_of_now_is_on_the_first_screen(page: Page) -> None:
    first = page.words("decision")
    wanted = {
        "buy": ["Buy 800 × ascend-910b", "Buy 2,000 × l20", "USD 31.2 m", "USD 10 m", "21 Feb 2024"],
        "rent": ["Rent 64 × h800-sxm", "USD 117 k a month"],
        "port": ["Port software to ascend-910b", "USD 400 k"],
        "borrow": ["Borrow USD 2.5 m from house bank"],
        "api": ["Buy tokens 1,500 tokens/s of qwen-14b", "USD 4 k a month"],
        "assign": ["a100-80-sxm", "4,200 ERNIE-next: research", "315 serve: small models"],
        "defer": ["Defer ERNIE-5-class", "40% of its compute is not there by the deadline"],
    }
    assert set(wanted) == {line.action for line in sample_plan().now}
    for phrases in wanted.values():
        for phrase in phrases:
            assert phrase in first


def test_counsel_is_flagged_with_its_reason_on_the_first_screen(page: Page) -> None:
    first = page.words("decision")
    assert "cannot tell: needs counsel" in first
    assert f"because the scenario accepts it: {COUNSEL_REASON}" in first


def test_first_screen_gives_runway_status_warnings_and_disclaimer(page: Page) -> None:
    first = page.words("decision")
    for phrase in ("0.54 years", "(0 to 3)", "ends first", "1.5 years", "unbounded", "no tokens are stated"):
        assert phrase in first
    assert "work deferred" in first
    assert "needed whichever path demand follows" in first
    assert "ERNIE-5-class: 60 % of its compute by Jun 2025" in first
    assert "move the deadline by 3 months" in first
    assert "from 0 years to 1.5 years depending on flagship size alone" in first
    assert "Not legal advice" in page.words("")


def test_every_fact_stands_in_the_sources_with_its_own_anchor(page: Page) -> None:
    plan = plan_dict()
    ids = page.ids()
    assert len(ids) == len(set(ids))
    titles = {attrs.get("title") for tag, attrs in page.tags if tag == "td"}
    for fact in plan["facts"]:
        assert fact["id"] in titles
    assert sum(name.startswith("fact-") for name in ids) == len(plan["facts"])


def test_every_link_leads_somewhere(page: Page) -> None:
    ids = set(page.ids())
    targets = [attrs["href"] for tag, attrs in page.tags if tag == "a" and str(attrs.get("href")).startswith("#")]
    assert targets
    assert not [href for href in targets if str(href)[1:] not in ids]


def test_numbers_link_to_their_facts(page: Page) -> None:
    linked = {attrs.get("title") for tag, attrs in page.tags if tag == "a"}
    assert {"scenario/case#fleet_use.mfu", "scenario/case#market[0].price", "chips/ascend-910b#tpp"} <= linked
    assert "not/in#plan" not in linked


def test_law_shows_outcome_reason_citation_and_flip(page: Page) -> None:
    law = page.words("law")
    for phrase in (
        "A person must decide where it was made.",
        "88 FR 73458",
        "if it were below the line",
        "cannot tell: the figure's range spans the line",
        "presumption of denial",
        "no chip changes hands",
    ):
        assert phrase in law


def test_everything_is_readable_without_scripts(html: str, page: Page) -> None:
    assert not re.search(r"<details(?![^>]*\bopen\b)", html)
    futures = page.words("futures")
    assert "10,000 / 4,200 / 0" in futures
    assert "96 bn" in futures
    assert "6 bn" in futures
    assert "USD 490 m" in futures


def test_same_plan_gives_the_same_bytes(html: str) -> None:
    assert render_report(plan_dict()) == html
    assert render_report(sample_plan().to_dict()) == html


@pytest.mark.parametrize("hostile", ["</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", '"><b>&'])
def test_hostile_texts_stay_texts(hostile: str) -> None:
    plan = plan_dict()
    plan["scenario"].update(title=hostile, question=hostile, party=hostile, id=hostile, accept_needs_counsel=hostile)
    plan["warnings"].append(hostile)
    plan["sensitivity"][0]["label"] = hostile
    for line in plan["plan"]["now"]:
        line["workload"] = line["note"] = hostile
    for branch in plan["plan"]["branches"]:
        branch["id"] = f"r.0/{hostile}{branch['demand_path']}"
        branch["states"] = [hostile] * len(branch["states"])
        branch["series"][f"stock:{hostile}"] = branch["series"]["stock:l20"]
    plan["facts"].append({"id": f"x#{hostile}", "value": hostile, "unit": hostile, "source": hostile, "status": "x"})
    page = Page(render_report(plan))
    assert len(page.scripts) == 3
    assert not {"img", "b"} & {tag for tag, attrs in page.tags if "style" not in attrs}
    assert hostile in page.text["decision"] or hostile in page.text[""]
    figures = json.loads(page.scripts[0])
    names = [trace["name"] for group in figures["branch"].values() for trace in group["stock"]["data"]]
    assert not [name for name in names if "<" in name]


@given(words=st.text(min_size=1, max_size=60))
@settings(max_examples=15, deadline=None)
def test_any_title_leaves_the_page_whole(words: str) -> None:
    plan = json.loads(dumps(empty_plan().to_dict()))
    plan["scenario"]["title"] = words.encode("utf-8", "replace").decode()
    page = Page(render_report(plan))
    assert len(page.scripts) == 3
    assert [attrs["id"] for tag, attrs in page.tags if tag == "section"] == [key for key, _ in SECTIONS]


def test_plan_with_nothing_in_it_is_still_a_report() -> None:
    page = Page(render_report(empty_plan().to_dict()))
    first = page.words("decision")
    assert "Buy and rent nothing now." in first
    assert "No plan meets the limits." in first
    assert "What binds: cash." in first
    assert "no chips are held" in first
    assert "The plan holds no futures" in page.words("futures")
    assert "The buyer holds no chips." in page.words("law")


def test_all_work_done_says_so() -> None:
    plan = plan_dict()
    plan["plan"].update(status="optimal", work=plan["plan"]["work"][:1], mends=[], binding_limits=[])
    plan["settings"]["expected_tokens_missed"] = 0.0
    for branch in plan["plan"]["branches"]:
        branch["runs"] = {"ERNIE-next": 1.0}
    page = Page(render_report(plan))
    assert "All work is done in every future." in page.words("decision")
    assert "Every run is done by its deadline in every future." in page.words("runs")


def test_unbounded_runway_is_written_so_and_drawn_with_an_arrow() -> None:
    figure = all_figures(plan_dict())["single"]["runway"]
    titles = " ".join(note["text"] for note in figure["layout"]["annotations"])
    assert "unbounded" in titles
    assert "undetermined" in titles
    arrows = [trace for trace in figure["data"] if trace.get("marker", {}).get("symbol") == "triangle-right"]
    assert arrows
    reach = figure["layout"]["xaxis"]["range"][1]
    assert all(x <= reach for trace in figure["data"] for x in trace["x"])


def test_chips_keep_one_colour_in_all_figures() -> None:
    figures = all_figures(plan_dict())
    colours: dict[str, set[str]] = {}
    for group in figures["branch"].values():
        for name in ("stock", "use", "purchases"):
            for trace in group[name]["data"]:
                colours.setdefault(trace["name"], set()).add(trace.get("fillcolor") or trace["marker"]["color"])
    assert {"a100-80-sxm", "l20", "ascend-910b"} <= set(colours)
    assert all(len(found) == 1 for found in colours.values())
    assert len(set.union(*colours.values())) == len(colours)


def test_purchases_of_a_branch_are_those_on_its_way() -> None:
    figures = all_figures(plan_dict())
    on_high = {trace["name"]: trace["y"] for trace in figures["branch"]["r.0/high"]["purchases"]["data"]}
    on_low = {trace["name"]: trace["y"] for trace in figures["branch"]["r.1/low"]["purchases"]["data"]}
    assert on_high["h20-96"] == [0, 0, 0, 0, 160, 0]
    assert "h20-96" not in on_low
    assert on_low["l20"] == [2000, 500, 500, 500, 0, 0]


def test_figures_have_one_value_a_month() -> None:
    for group in all_figures(plan_dict())["branch"].values():
        for figure in group.values():
            assert all(len(trace["x"]) == len(trace["y"]) == 6 for trace in figure["data"])


def test_many_futures_stay_readable_and_small() -> None:
    plan = plan_dict()
    first = plan["plan"]["branches"][0]
    plan["plan"]["branches"] = [{**first, "id": f"r.{number}/high"} for number in range(200)]
    html = render_report(plan)
    page = Page(html)
    assert len(html.encode()) < 2.5e6
    assert sum(tag == "option" for tag, _ in page.tags) < 60
    assert "holds all of them" in page.words("futures")
    shown = {attrs["data-pick"] for tag, attrs in page.tags if "data-pick" in attrs}
    assert shown == set(json.loads(page.scripts[0])["branch"])


def test_write_report_writes_the_page(tmp_path: Path, html: str) -> None:
    assert write_report(sample_plan(), tmp_path / "r.html").read_text(encoding="utf-8") == html
    write_report(plan_dict(), str(tmp_path / "r.html"))
    assert [entry.name for entry in tmp_path.iterdir()] == ["r.html"]
    with pytest.raises(InputError, match="nowhere"):
        write_report(sample_plan(), tmp_path / "nowhere" / "r.html")


def test_importing_the_report_is_cheap() -> None:
    code = (
        "import sys, chipwise.report, chipwise.runs.store as s; print(*{'jinja2','pyarrow','numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
