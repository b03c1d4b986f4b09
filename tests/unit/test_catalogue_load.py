"""The shipped catalogue: it loads, its keys hold, names resolve, nothing is guessed."""

from __future__ import annotations

import datetime as dt
import pickle
import subprocess
import sys

import pytest

from chipwise.catalogue import Catalogue, load_catalogue
from chipwise.catalogue.describe import describe_chip, select_chips
from chipwise.catalogue.licences import attributions, notice, texts
from chipwise.catalogue.objects import Chip, System
from chipwise.catalogue.when import date_span, is_stale, released_by
from chipwise.core.errors import Undetermined, UnknownName


def test_the_shipped_catalogue_is_whole_and_read_once(catalogue: Catalogue) -> None:
    assert load_catalogue() is catalogue
    assert len(catalogue.chips) == 204
    assert len(catalogue.systems) == 84
    assert len(catalogue.prices) == 216
    assert len(catalogue.supply) == 95
    assert len(catalogue.models) == 309
    assert sum(chip.vendor_country == "CN" for chip in catalogue.chips.values()) == 59


def test_every_row_says_who_says_so(catalogue: Catalogue) -> None:
    for table in (catalogue.chips, catalogue.systems):
        assert all(row.sources for row in table.values())
    assert all(price.source for price in catalogue.prices)
    assert all(row.source for row in catalogue.supply)
    assert all(model.sources for model in catalogue.models.values() if model.confidence != "test")


def test_every_spelling_of_a_chip_resolves(catalogue: Catalogue) -> None:
    for alias in catalogue.aliases.values():
        if alias.chip_id:
            chip, per_unit = catalogue.chip_and_count(alias.alias)
            assert chip.id == alias.chip_id or alias.alias in catalogue.chips
            assert per_unit == alias.per_unit or alias.alias in catalogue.chips
        else:
            with pytest.raises(UnknownName, match="names no single chip"):
                catalogue.chip(alias.alias)


def test_every_spelling_of_a_model_resolves_ignoring_case(catalogue: Catalogue) -> None:
    for model in catalogue.models.values():
        for spelling in (model.id, model.name, *model.aliases):
            for text in (spelling, spelling.upper(), spelling.lower()):
                assert catalogue.model(text, allow_shapeless=True) is model


def test_chip_names_ignore_case_when_that_is_clear(catalogue: Catalogue) -> None:
    for name in ("h20-96", "H20-96", "h20 96gb", "H20 96GB", " h20-96 "):
        assert catalogue.chip(name).id == "h20-96"


def test_an_unknown_chip_offers_the_nearest(catalogue: Catalogue) -> None:
    with pytest.raises(UnknownName) as caught:
        catalogue.chip("910B")
    assert "ascend-910b" in caught.value.nearest
    with pytest.raises(UnknownName) as caught:
        catalogue.model("lama-2-70b")
    assert "llama-2-70b" in caught.value.nearest
    with pytest.raises(UnknownName):
        catalogue.system("hgx-h9000")


def test_dies_are_counted_as_half_packages(catalogue: Catalogue) -> None:
    halves = [alias for alias in catalogue.aliases.values() if alias.per_unit == 0.5]
    assert halves
    assert {catalogue.chips[alias.chip_id].logic_dies for alias in halves} == {2}


def test_a_model_without_a_shape_is_undetermined(catalogue: Catalogue) -> None:
    with pytest.raises(Undetermined, match="not published"):
        catalogue.model("Yi-Lightning")
    model = catalogue.model("Yi-Lightning", allow_shapeless=True)
    assert model.params_total != model.params_total
    assert not model.has_shape


def test_item_is_a_chip_or_a_system(catalogue: Catalogue) -> None:
    assert isinstance(catalogue.item("hgx-h20"), System)
    assert isinstance(catalogue.item("h20-96"), Chip)
    assert catalogue.chip_of("hgx-h20").id == "h20-96"
    assert catalogue.chip_of("p5").id == "h100-sxm"
    with pytest.raises(UnknownName, match="no chip or system"):
        catalogue.item("nothing-like-it")


def test_the_usual_server_of_a_chip(catalogue: Catalogue) -> None:
    assert catalogue.server_of("h800-sxm").id == "hgx-h800"
    assert catalogue.server_of("h100-sxm").vendor == "NVIDIA"
    assert catalogue.server_of("kunlun-p800").chips == 8
    assert catalogue.server_of("gb200").chips in {4, 72}
    assert catalogue.server_of("rtx-3070") is None


def test_every_price_names_an_item(catalogue: Catalogue) -> None:
    for price in catalogue.prices:
        assert catalogue.item(price.item_id)
        assert (price.usd_per_chip is None) != (price.usd_per_gpu_hour is None)


def test_objects_hash_and_travel_between_processes(catalogue: Catalogue) -> None:
    chip = catalogue.chip("ascend-910b")
    model = catalogue.model("deepseek-v3")
    assert pickle.loads(pickle.dumps(chip)) == chip
    assert len({chip, pickle.loads(pickle.dumps(chip)), catalogue.chip("h20-96")}) == 2
    assert pickle.loads(pickle.dumps(model)) == model
    with pytest.raises(AttributeError):
        chip.tdp_w = 1.0
    with pytest.raises(TypeError):
        chip.rates["bf16"] = 1.0


def test_ranges_stay_ranges(catalogue: Catalogue) -> None:
    chip = catalogue.chip("ascend-910b")
    assert chip.rates["bf16"] == 320e12
    assert chip.rate_ranges["bf16"] == (280e12, 400e12)
    assert chip.field_ranges["mem_bytes"] == (32e9, 64e9)
    assert not catalogue.chip("h20-96").rate_ranges


def test_loading_needs_no_heavy_library() -> None:
    code = (
        "import sys; from chipwise.catalogue import load_catalogue; load_catalogue(); "
        "heavy = {'numpy', 'pandas', 'pyarrow', 'yaml', 'pydantic', 'rich'} & set(sys.modules); "
        "sys.exit(str(sorted(heavy)) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_filters(catalogue: Catalogue) -> None:
    every = tuple(catalogue.chips.values())
    assert select_chips(catalogue) == every
    for chip in select_chips(catalogue, vendor="huawei", min_memory_bytes=64e9, confidence="B"):
        assert chip.vendor == "Huawei"
        assert chip.mem_bytes >= 64e9
        assert chip.confidence in {"A", "B"}
    before = select_chips(catalogue, on=dt.date(2023, 11, 1))
    ids = {chip.id for chip in before}
    assert {"a800-80-sxm", "h800-sxm", "ascend-910b"} <= ids
    assert not {"h20-96", "ascend-910c", "ascend-960"} & ids
    assert ids <= {chip.id for chip in select_chips(catalogue, on=dt.date(2025, 1, 1))}


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2023", "2023-01-01", "2023-12-31"),
        ("2024-02", "2024-02-01", "2024-02-29"),
        ("2024-Q1", "2024-01-01", "2024-03-31"),
        ("2025-H2", "2025-07-01", "2025-12-31"),
        ("2023-10-23 for China", "2023-10-23", "2023-10-23"),
        ("2024-10/2025-Q1", "2024-10-01", "2025-03-31"),
        ("2022-2023", "2022-01-01", "2023-12-31"),
        ("2026 early planned", "2026-01-01", "2026-12-31"),
    ],
)
def test_partial_dates(text: str, first: str, last: str) -> None:
    assert date_span(text) == (dt.date.fromisoformat(first), dt.date.fromisoformat(last))


@pytest.mark.parametrize("text", ["", "not mass produced", "2023-13", "2023-02-30", "99999", "call 0800"])
def test_what_is_no_date(text: str) -> None:
    assert date_span(text) is None


def test_plans_are_not_releases(catalogue: Catalogue) -> None:
    far = dt.date(2030, 1, 1)
    for chip in catalogue.chips.values():
        if chip.status in {"roadmap", "rumoured", "announced"} or "planned" in chip.released:
            assert not released_by(chip, far)


def test_freshness(catalogue: Catalogue) -> None:
    chip = catalogue.chip("h20-96")
    assert not is_stale(chip.checked_on, chip.checked_on + dt.timedelta(days=365))
    assert is_stale(chip.checked_on, chip.checked_on + dt.timedelta(days=366))
    assert is_stale(None, dt.date(2026, 11, 24))
    assert describe_chip(catalogue, chip, dt.date(2028, 1, 1))["stale"]


def test_licences_travel_with_the_data() -> None:
    rows = attributions()
    assert {row["class"] for row in rows} == {"A", "B", "C"}
    assert all(row["licence"] and row["attribution"] for row in rows)
    named = " ".join(row["licence"] for row in rows)
    for name, text in texts().items():
        assert name.removesuffix(".txt").split("-")[0] in named
        assert len(text) > 900
    assert "Epoch AI" in notice()
