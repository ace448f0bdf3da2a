"""The picture in docs/architecture.md is that of the import contract, and of the code."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import grimp

import resnet50_bench

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
NAME = resnet50_bench.__name__
PACKAGES = {path.parent.name for path in Path(resnet50_bench.__file__).parent.glob("*/__init__.py")}
ARROWS = set(re.findall(r"^  (\w+) --> (\w+)$", PAGE, re.MULTILINE))


def read_rows() -> list[str]:
    """The packages of the layers contract, from the top down."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = next(item["layers"] for item in contracts["contracts"] if item["type"] == "layers")
    return [name for row in layers for name in row.split(" : ") if name in PACKAGES]


def find_imports() -> set[tuple[str, str]]:
    """Which package imports which."""
    graph = grimp.build_graph(NAME)
    return {
        (upper, lower)
        for upper in PACKAGES
        for lower in PACKAGES - {upper}
        if graph.direct_import_exists(
            importer=f"{NAME}.{upper}", imported=f"{NAME}.{lower}", as_packages=True
        )
    }


def close(arrows: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Add every way that leads along several arrows."""
    while True:
        longer = {(a, d) for a, b in arrows for c, d in arrows if b == c} - arrows
        if not longer:
            return arrows
        arrows = arrows | longer


def test_every_package_is_in_the_picture_the_table_and_the_contract() -> None:
    assert {name for arrow in ARROWS for name in arrow} == PACKAGES
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == PACKAGES
    assert set(read_rows()) == PACKAGES


def test_the_table_of_packages_follows_the_contract() -> None:
    rows = read_rows()
    listed = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert listed == rows


def test_the_arrows_are_the_imports_of_the_code_without_the_shortcuts() -> None:
    imports = find_imports()
    assert close(ARROWS) == close(imports)
    assert imports >= ARROWS
    for arrow in ARROWS:
        assert arrow not in close(ARROWS - {arrow}), f"{arrow} is a shortcut"


def test_the_arrows_go_down_the_contract() -> None:
    rows = read_rows()
    assert all(rows.index(upper) < rows.index(lower) for upper, lower in ARROWS)
