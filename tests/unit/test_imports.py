"""The direction of imports, and what may import what: read from the sources themselves."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest

import resnet50_bench

ROOT = Path(resnet50_bench.__file__).parent
PACKAGE = "resnet50_bench"
FRAMEWORKS = {"tensorflow", "google", "openvino", "onnxruntime", "torch", "neural_compressor"}

# From the bottom up: a module imports from rows above its own (and its own), never below.
LAYERS = (
    ("config", "interrupt"),
    (
        "atomic",
        "errors",
        "paths",
        "printable",
        "stats",
        "measure",
        "interpreter",
        "predictions",
        "signals",
        "findings",
        "environment",
    ),
    ("download",),
    ("conflicts", "allocators", "cpu_latency"),
    ("parameters", "values", "grammar"),
    ("engines.base",),
    ("kernel_files",),
    ("cgroups",),
    ("amx_probe",),
    ("cpuid",),
    ("core_kinds",),
    ("host", "memory_policy", "data"),
    ("contention", "sgx"),
    ("isa", "engines", "placement", "supply", "host_specs"),
    ("layout", "container_limits"),
    ("host_files",),
    ("model",),
    ("job",),
    ("mpi_protocol",),
    ("streams", "channel", "mpi_channel", "feeds"),
    ("evaluate",),
    ("worker",),
    ("mpi_worker",),
    ("packaging.rendering", "packaging.enclave"),
    ("results", "record_checks", "launch"),
    ("evaluation", "kernel_logs", "model_plan"),
    ("kpi", "outcome", "plan", "cases", "case_files", "journal"),
    ("jobs", "launchers"),
    ("accuracy", "explain", "compare"),
    ("verdict_accuracy", "verdict_conditions", "verdict_environment", "verdict_model"),
    ("verdict",),
    ("kpi_lines", "kpi_logs"),
    ("fleet",),
    ("report",),
    ("packaging",),
    ("evaluation_run", "run_contention", "run_folder", "trials"),
    ("session",),
    ("sweep",),
    ("cli", "__main__"),
)
# Modules that run only in a child process, and the engines: these may name a framework.
MAY_USE_FRAMEWORKS = ("engines.", "model.")


@functools.cache
def sources() -> dict[str, ast.Module]:
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        found[name] = ast.parse(path.read_text())
    return found


def imports(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the package in full"
            assert node.module is not None
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def layer(name: str) -> int | None:
    """The row of a module; the longest entry that names it or its package counts."""
    rows = [
        (len(entry), number)
        for number, row in enumerate(LAYERS)
        for entry in row
        if name == entry or name.startswith(f"{entry}.")
    ]
    return max(rows)[1] if rows else None


def test_every_module_has_a_layer() -> None:
    unknown = [name for name in sources() if name != "__init__" and layer(name) is None]
    assert unknown == []


def test_imports_go_one_way() -> None:
    modules = sources()
    wrong = [
        f"{name} imports {target}"
        for name, tree in modules.items()
        for target in (item.removeprefix(f"{PACKAGE}.") for item in imports(tree)
                       if item.startswith(f"{PACKAGE}."))
        if target in modules and name != "__init__"
        and (layer(target) or 0) > (layer(name) or 0)
    ]  # fmt: skip
    assert wrong == []


def test_launch_starts_the_worker_by_name_only() -> None:
    for name, tree in sources().items():
        if name not in {"worker", "mpi_worker"}:
            assert not {f"{PACKAGE}.worker", f"{PACKAGE}.mpi_worker"} & imports(tree), name


def test_the_worker_knows_nothing_of_the_parent() -> None:
    parent = ("session", "report", "cli", "launch", "results", "kpi", "verdict")
    for worker in ("worker", "mpi_worker", "mpi_channel"):
        names = imports(sources()[worker])
        assert not [p for p in parent if any(n.startswith(f"{PACKAGE}.{p}") for n in names)]


@pytest.mark.parametrize("framework", sorted(FRAMEWORKS))
def test_frameworks_are_named_in_engines_and_preparation_only(framework: str) -> None:
    users = [
        name
        for name, tree in sources().items()
        if any(item.split(".")[0] == framework for item in imports(tree))
    ]
    assert [name for name in users if not name.startswith(MAY_USE_FRAMEWORKS)] == []


def test_lines_are_printed_in_one_place() -> None:
    """There the control characters of text from outside are shown."""
    printing = {"echo", "secho", "style", "print"}
    users = {
        name
        for name, tree in sources().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in printing
        and ast.unparse(node.func.value) == "click"
    }
    assert users == {"cli.lines", "cli.terminal"}
    styling = {name for name, tree in sources().items() if "rich.text" in imports(tree)}
    assert styling == {"report.styled"}


def test_nothing_below_the_command_line_prints_or_exits() -> None:
    allowed = {"worker", "mpi_worker", "amx_probe", "model.toolchain"}  # programs of their own
    for name, tree in sources().items():
        if name.startswith("cli") or name in allowed:
            continue
        calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        assert not calls & {"print", "sys.exit", "exit"}, name


def test_the_parents_modules_import_no_framework() -> None:
    parents = [
        f"{PACKAGE}.{name}"
        for name in sources()
        if name != "__init__" and name not in {"worker", "model.toolchain"}
    ]
    code = (
        f"import importlib, sys\nfor name in {parents!r}: importlib.import_module(name)\n"
        f"print(sorted({FRAMEWORKS!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() in {"[]", "['google']"}  # a namespace package, loaded by a .pth file


def test_files_and_functions_stay_within_their_budgets() -> None:
    for path in ROOT.rglob("*.py"):
        lines = path.read_text().splitlines()
        is_table = path.name == "parameters.py"
        assert len(lines) <= (600 if is_table else 450), path
        for node in ast.walk(ast.parse("\n".join(lines))):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                length = body[-1].end_lineno - body[0].lineno + 1 if body else 0
                assert length <= 40, f"{path}: {node.name} has {length} lines"


def test_the_parent_of_a_run_imports_no_numpy() -> None:
    """Its threads would take signals that the main thread holds back while it starts a worker."""
    names = ["session", "sweep", "cli.points", "report.text", "engines.tensorflow", "engines.null"]
    names += ["explain", "report.comparison"]
    code = "".join(f"import {PACKAGE}.{name}\n" for name in names)
    code += "import sys; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
