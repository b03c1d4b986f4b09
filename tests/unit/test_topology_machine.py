"""Machines from the catalogue: tiers, blanks, ragged groups, mixed jobs."""

import dataclasses

import pytest

from chipwise.catalogue import load_catalogue
from chipwise.core.errors import InputError, Undetermined, UnknownName
from chipwise.perf.topology import Machine, Tier, bandwidth_share, machine, mixed_machine


def built(name: str, chips: int, **changes: object) -> Machine:
    return machine(name, chips=chips, catalogue=load_catalogue(), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "domain", "shape"),
    [
        ("dgx-h100", 8, "switch"),
        ("gb200-nvl72", 72, "switch"),
        ("cloudmatrix-384", 384, "switch"),
        ("mi300x-8", 8, "full mesh"),
        ("atlas-900-a2", 8, "full mesh"),
        ("inf2-48xl", 12, "ring"),
        ("l40s-8", 8, "tree"),
    ],
)
def test_domains_come_from_the_catalogue(name: str, domain: int, shape: str) -> None:
    tier = built(name, 1024).tiers[0]
    assert (tier.chips, tier.shape) == (domain, shape)


def test_every_system_of_the_catalogue_builds_and_says_its_blanks() -> None:
    catalogue = load_catalogue()
    for system in catalogue.systems.values():
        whole = machine(system, chips=system.chips * 2, catalogue=catalogue)
        tier = whole.tiers[0]
        if tier.chips > 1 and (tier.bytes_per_s is None or not tier.shape):
            assert any("scale-up" in blank for blank in whole.blanks)
        if system.scaleout_bytes_per_s_per_chip is None:
            assert any("network" in blank for blank in whole.blanks)


def test_every_chip_of_the_catalogue_builds() -> None:
    catalogue = load_catalogue()
    for chip in catalogue.chips.values():
        assert machine(chip, chips=16, catalogue=catalogue).chip_id == chip.id


def test_a_chip_stands_in_its_usual_server_and_says_so() -> None:
    whole = built("H20", 16) if "H20" in load_catalogue().aliases else built("h20-96", 16)
    assert whole.system_id
    assert any("server" in blank for blank in whole.blanks)


@pytest.mark.parametrize(("chip", "domain"), [("gb200", 72), ("ascend-910c", 384), ("h100-sxm", 8), ("l20", 8)])
def test_a_bare_chip_has_its_whole_scale_up_domain(chip: str, domain: int) -> None:
    assert built(chip, 1024).domain_chips == domain


def test_two_groups_of_a_server_meet_over_the_host() -> None:
    tiers = built("atlas-800-9000", 16).tiers
    assert [(tier.name, tier.chips, tier.kind) for tier in tiers] == [
        ("domain", 4, "scaleup"),
        ("node", 8, "pcie"),
        ("rail", 16, "network"),
    ]


def test_pods_split_the_network() -> None:
    whole = built("dgx-h100", 1024, pod_chips=256, oversubscription=4.0)
    rail, spine = whole.tiers[1:]
    assert (rail.name, rail.chips, spine.name, spine.chips) == ("rail", 256, "spine", 1024)
    assert rail.bytes_per_s == 4.0 * spine.bytes_per_s


def test_groups_fill_domain_by_domain() -> None:
    whole = built("dgx-h100", 1024)
    assert [count for _, count in whole.layers(8)] == [8]
    assert [count for _, count in whole.layers(64)] == [8, 8]
    assert [count for _, count in whole.layers(12)] == [6, 2]
    assert [count for _, count in whole.layers(9)] == [4.5, 2]
    assert [count for _, count in whole.layers(128, per_domain=1)] == [128]
    for group in range(2, 200):
        product = 1.0
        for _, count in whole.layers(group):
            product *= count
        assert product == pytest.approx(group)


def test_user_words_go_before_the_catalogue() -> None:
    whole = built("kunlun-p800-8", 8, fabric_bytes_per_s=100e9)
    assert whole.tiers[0].bytes_per_s == 100e9
    assert built("a100-80-pcie", 8, node_chips=8).tiers[1].kind == "pcie"


def test_a_new_chip_works_from_its_data_sheet_alone() -> None:
    catalogue = load_catalogue()
    chip = dataclasses.replace(
        catalogue.chips["h100-sxm"], id="own-1", link_name="OwnLink", link_bytes_per_s_per_dir=200e9, scaleup_domain=8
    )
    plain = machine(chip, chips=8, catalogue=catalogue)
    assert any("OwnLink" in blank for blank in plain.blanks)
    with pytest.raises(Undetermined, match="shape"):
        plain.layers(8)
    stated = machine(chip, chips=8, catalogue=catalogue, shape="switch")
    assert [count for _, count in stated.layers(8)] == [8]


def test_bad_words_are_refused() -> None:
    with pytest.raises(UnknownName):
        built("no-such-system", 8)
    for changes in (
        {"chips": 0},
        {"oversubscription": 0.5},
        {"pod_chips": 4},
        {"shape": "star"},
        {"fabric_bytes_per_s": -1.0},
    ):
        with pytest.raises(InputError):
            machine("dgx-h100", catalogue=load_catalogue(), **{"chips": 64, **changes})  # type: ignore[arg-type]
    with pytest.raises(InputError):
        built("dgx-h100", 16).layers(17)
    with pytest.raises(InputError):
        Tier(name="domain", chips=8, shape="switch", kind="string")
    with pytest.raises(InputError):
        dataclasses.replace(built("dgx-h100", 16), tiers=tuple(reversed(built("dgx-h100", 16).tiers)))


def test_a_mixed_job_has_the_narrowest_network() -> None:
    both = mixed_machine([built("dgx-h100", 64), built("hgx-a800", 32)])
    assert both.chips == 96
    assert {part.tiers[-1].bytes_per_s for part in both.parts} == {25e9}
    assert both.blanks
    with pytest.raises(InputError):
        mixed_machine([built("dgx-h100", 64)])
    with pytest.raises(Undetermined):
        mixed_machine([built("dgx-h100", 64), built("tpu-v4-pod", 64)])


@pytest.mark.parametrize(
    ("shape", "size", "group", "name", "share"),
    [
        ("switch", 8, 2, "all_reduce", 1.0),
        ("full mesh", 8, 2, "all_reduce", 1 / 7),
        ("full mesh", 8, 4, "all_gather", 3 / 7),
        ("full mesh", 8, 8, "all_to_all", 1.0),
        ("full mesh", 8, 8, "send_recv", 1 / 7),
        ("ring", 8, 8, "all_reduce", 1.0),
        ("ring", 8, 4, "all_reduce", 0.5),
        ("ring", 8, 8, "all_to_all", 0.5),
        ("3D torus", 512, 512, "all_reduce", 1.0),
        ("3D torus", 512, 512, "all_to_all", 1 / 6),
        ("3D torus", 512, 2, "send_recv", 1 / 6),
    ],
)
def test_shares_of_the_links(shape: str, size: int, group: int, name: str, share: float) -> None:
    assert bandwidth_share(shape, size, group, name) == pytest.approx(share)
