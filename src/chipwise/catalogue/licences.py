"""The licences under which the shipped data travels."""

from __future__ import annotations

from importlib import resources

from chipwise.catalogue.load import shipped_text


def notice() -> str:
    """The whole of ``DATA-LICENCES.md``."""
    return shipped_text("DATA-LICENCES.md")


def texts() -> dict[str, str]:
    """Licence texts that travel with the data, by file name."""
    folder = resources.files("chipwise.data").joinpath("licences")
    found = {entry.name: entry for entry in folder.iterdir() if entry.name.endswith(".txt")}
    return {name: found[name].read_text(encoding="utf-8") for name in sorted(found)}


def attributions() -> list[dict[str, str]]:
    """One row per data source: class, data, files, origin, licence, attribution."""
    rows: list[dict[str, str]] = []
    letter = ""
    for line in notice().splitlines():
        if line.startswith("## "):
            letter = line[3:4]
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|") or cells[0] == "data" or set(cells[0]) <= {"-"}:
            continue
        if letter in "AB" and len(cells) >= 6:
            rows.append(_row(letter, *cells[:5]))
        elif letter == "C" and len(cells) >= 3:
            rows.append(_row(letter, cells[0], cells[1], cells[2], "none stated", cells[2]))
    return rows


def _row(letter: str, data: str, files: str, origin: str, licence: str, attribution: str) -> dict[str, str]:
    return {
        "class": letter,
        "data": data,
        "files": files,
        "origin": origin,
        "licence": licence,
        "attribution": attribution.strip('"'),
    }
