"""What a process really imports; the order of imports is a contract in pyproject.toml."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import resnet50_bench

ROOT = Path(resnet50_bench.__file__).parent
PACKAGE = "resnet50_bench"
FRAMEWORKS = {"tensorflow", "google", "openvino", "onnxruntime", "torch", "neural_compressor"}
PROGRAMS = {
    "instance.worker", "instance.mpi.worker", "host.amx_probe", "model.toolchain",
    "scenarios.issuer", "fleet.engine.plugins.r50_fleet",
}  # fmt: skip
"""Modules that are programs of their own, started as processes; or of Ansible's, the last one."""

PACKAGES = sorted(item.name for item in pkgutil.iter_modules([str(ROOT)]) if item.ispkg)


def list_modules() -> list[str]:
    names = (path.relative_to(ROOT).with_suffix("") for path in sorted(ROOT.rglob("*.py")))
    return [".".join(name.parts).removesuffix(".__init__") for name in names]


def find_loaded(modules: list[str], wanted: set[str]) -> set[str]:
    """Import these in a new process, and return which of the wanted were loaded."""
    code = (
        f"import importlib, sys\nfor name in {modules!r}: importlib.import_module(name)\n"
        f"print(*({wanted!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_package_root_holds_ten_files_at_most() -> None:
    assert len(list(ROOT.glob("*.py"))) <= 10


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_has_a_page_whose_names_exist(package: str) -> None:
    module = importlib.import_module(f"{PACKAGE}.{package}")
    page = module.__doc__ or ""
    assert page.splitlines()[0].endswith(("?", ".")), "what the package answers"
    assert "?" in page.split("\n\n")[0], "the page begins with the question it answers"
    assert re.search(r"^(May import|Imports nothing)", page, re.MULTILINE), "what it may import"
    names = re.search(r"^Public names:\n((?:    .*\n?)+)", page, re.MULTILINE)
    assert names is not None
    heads = " ".join(re.findall(r"^    (`.*?):", names.group(1), re.MULTILINE))
    for name in re.findall(r"`([\w.]+)`", heads):
        head, _, last = name.rpartition(".")
        owner = importlib.import_module(f"{PACKAGE}.{package}.{head}") if head else module
        assert hasattr(owner, last), name


@cache
def list_calls(name: str) -> set[str]:
    """What the source of a module calls, as written there."""
    path = ROOT / Path(*name.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    tree = ast.parse(file.read_text())
    return {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}


def test_nothing_below_the_command_line_prints_or_exits() -> None:
    for name in list_modules():
        if not name.startswith("cli") and name not in PROGRAMS:
            assert not list_calls(name) & {"print", "sys.exit", "exit"}, name


def test_lines_are_printed_in_one_place() -> None:
    """There the control characters of text from outside are shown."""
    printing = {"click.echo", "click.secho", "click.style", "click.print"}
    users = {name for name in list_modules() if list_calls(name) & printing}
    assert users == {"cli.lines", "cli.terminal"}
    styling = {
        path.relative_to(ROOT).as_posix()
        for path in ROOT.rglob("*.py")
        if "from rich.text import" in path.read_text()
    }
    assert styling == {"report/styled.py"}


def test_the_parents_modules_import_no_framework() -> None:
    parents = [f"{PACKAGE}.{name}" for name in list_modules() if name not in PROGRAMS]
    parents.remove(f"{PACKAGE}.__init__")
    # `google` is a namespace package, which a .pth file may load.
    assert find_loaded(parents, FRAMEWORKS) <= {"google"}


def test_the_parent_of_a_run_imports_no_numpy() -> None:
    """Its threads would take signals that the main thread holds back while it starts a worker."""
    names = ["session.run", "search.points", "cli.run.points", "report.terminal.run"]
    names += ["engines.tensorflow", "engines.null", "verdict.explain", "report.comparison.answers"]
    assert find_loaded([f"{PACKAGE}.{name}" for name in names], {"numpy"}) == set()


@pytest.mark.parametrize(
    "arguments", [["--help"], ["cases"], ["run", "--help"], ["sweep", "--help"]]
)
def test_quick_commands_import_neither_numpy_nor_a_framework(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom resnet50_bench.cli import main\n"
        f"sys.argv = ['r50', *{arguments!r}]\n"
        "try: main()\nexcept SystemExit: pass\n"
        f"sys.stderr.write(' '.join({FRAMEWORKS | {'numpy'}!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout
    assert set(done.stderr.split()) <= {"google"}
