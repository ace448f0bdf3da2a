"""Some hundred inputs of each command; the same ones each time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fuzz.commands import NOT_TRIED, Leaf, list_commands
from tests.fuzz.sandbox import guarded, make_sandbox
from tests.fuzz.trial import clear, is_clean, lay_out, try_arguments, try_input

from resnet50_bench.cli import r50

INPUTS = 150


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    tmp_path_factory.getbasetemp()  # so that it is not made in the sandbox
    with make_sandbox() as inside:
        lay_out(inside)
        yield inside


@pytest.mark.parametrize("leaf", list(list_commands()), ids=lambda leaf: " ".join(leaf[0]))
def test_no_input_ends_in_an_internal_error(leaf: Leaf, folder: Path) -> None:
    clear(folder)

    @settings(max_examples=INPUTS, derandomize=True, deadline=None, database=None)
    @given(st.integers(0, 2**32))
    def try_one(seed: int) -> None:
        finding = try_input(Random(seed), leaf, folder)
        assert finding is None, f"{finding.kind}\n{finding.arguments!r}\n{finding.detail}"

    try_one()


@pytest.mark.parametrize(
    "arguments",
    [
        ["compare", "y" * 5000, "run"],
        ["export", "--format", "junit", "loop"],
        ["tune", "--batch-size", "9" * 5000],
        ["k8s", "--cpus", "16", "--image", "\x7f\u2028", "throughput_avx_fp32_gated"],
        ["sweep", "--dry-run", "--output", "y" * 5000],
    ],
    ids=lambda arguments: arguments[0],
)
def test_what_longer_runs_found_is_mended(arguments: list[str], folder: Path) -> None:
    clear(folder)
    finding = try_arguments(arguments, folder)
    assert finding is None, f"{finding.kind}\n{finding.detail}"


def test_every_command_is_tried() -> None:
    names = {" ".join(words) for words, _ in list_commands()}
    assert {"run", "kpi", "show", "accuracy compare", "dataset verify", "ctest-case"} <= names
    assert {words[0] for words, _ in list_commands()} == set(r50.commands) - NOT_TRIED


def test_the_sandbox_holds(folder: Path, tmp_path: Path) -> None:
    import os
    import subprocess

    outside = tmp_path / "x"
    with guarded(folder):
        for act in (
            lambda: outside.write_text("x"),
            outside.mkdir,
            lambda: subprocess.run(["true"], check=False),
            lambda: os.kill(os.getpid(), 0),
        ):
            with pytest.raises(PermissionError):
                act()
        (folder / "inside").write_text("x")
    assert not outside.exists()
    assert outside.write_text("x") == 1


@pytest.mark.parametrize("line", ["a\x1b[2J", "a\x9b", "\u202e", "a\rb", "\u2028"])
def test_a_raw_control_character_is_noticed(line: str) -> None:
    assert not is_clean(line)
    assert is_clean("a\\x1b é")
