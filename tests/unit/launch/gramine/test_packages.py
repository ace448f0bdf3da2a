from __future__ import annotations

import sys
from importlib.metadata import Distribution, PackageNotFoundError
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from resnet50_bench.engines import ENGINES
from resnet50_bench.launch.gramine.packages import PROJECT, find_package_files


class Package(Distribution):
    """Installed, as far as its own papers say."""

    def __init__(self, name: str, requires: list[str], record: str | None) -> None:
        wants = "".join(f"Requires-Dist: {text}\n" for text in requires)
        self._papers = {"METADATA": f"Name: {name}\n{wants}", "RECORD": record}

    def read_text(self, filename: str) -> str | None:
        return self._papers.get(filename)

    def locate_file(self, path):
        return path


def find(extras: list[str], **requirements: list[str] | None) -> list[str] | None:
    """The files found where these packages are installed, each of one file."""

    def look(name: str) -> Distribution:
        if name not in requirements:
            raise PackageNotFoundError(name)
        requires = requirements[name]
        return Package(name, requires or [], f"{name}.py,,\n" if requires is not None else None)

    found = find_package_files(extras, lambda name: look("own" if name == PROJECT else name))
    return None if found is None else sorted(map(str, found))


def test_what_is_asked_for_and_what_that_asks_for_each_once():
    found = find([], own=["a>=1", "b (>2)"], a=["b~=3.0"], b=["a"], other=[])
    assert found == ["a.py", "b.py", "own.py"]


def test_an_extra_brings_what_it_asks_for():
    packages = {"own": ["a", 'b; extra == "x"', "c ; extra == 'y'"], "a": [], "b": [], "c": []}
    assert find([], **packages) == ["a.py", "own.py"]
    assert find(["x"], **packages) == ["a.py", "b.py", "own.py"]
    assert find(["x", "y", "null"], **packages) == ["a.py", "b.py", "c.py", "own.py"]


def test_the_extras_of_a_requirement_are_followed():
    found = find(
        [], own=["a[fast, small]>=1"], a=['b; extra == "small"', 'c; extra == "odd"'], b=[]
    )
    assert found == ["a.py", "b.py", "own.py"]


def test_what_is_asked_for_elsewhere_may_be_missing():
    assert find([], own=['tomli>=2; python_version < "3.11"']) == ["own.py"]


def test_what_is_asked_for_here_and_missing_leaves_it_open():
    assert find([], own=["a"]) is None
    assert find(["x"], own=['a; extra == "x"']) is None
    assert find(["y"], own=['a; extra == "x"']) == ["own.py"]


def test_a_package_that_does_not_say_its_files_leaves_it_open():
    assert find([], own=["a"], a=None) is None
    assert find([]) is None


def test_every_engine_with_packages_of_its_own_has_an_extra_of_its_name():
    project = tomllib.loads((Path(__file__).parents[4] / "pyproject.toml").read_text())["project"]
    assert ENGINES.keys() - {"null"} <= project["optional-dependencies"].keys()
