"""Runs whose instances use another malloc, or were to."""

from __future__ import annotations

import sys

import pytest

from resnet50_bench.config import Allocator
from resnet50_bench.errors import RequestError
from resnet50_bench.host.allocators import find_library, is_library_of

from .conftest import MEASURE, instances

BOGUS = "/nonexistent/libjemalloc.so.2"


def with_library(expression: str) -> list[str]:
    """The command `r50`, for which finding a library is this expression."""
    code = (
        "import resnet50_bench.planning.environment as plan\n"
        "from resnet50_bench.errors import RequestError\n"
        f"plan.find_library = lambda allocator: {expression}\n"
        "from resnet50_bench.cli import main\n"
        "main()"
    )
    return [sys.executable, "-c", code]


@pytest.mark.parametrize("allocator", sorted(set(Allocator) - {Allocator.SYSTEM}))
def test_the_instances_use_it_and_it_is_on_record(r50, picture, allocator):
    try:
        path = find_library(allocator)
    except RequestError as error:
        pytest.skip(f"{error.message}: {error.advice}")
    arguments = [*MEASURE, *instances(1), "--dataset", picture, "--allocator", allocator.value]
    ended = r50("run", *arguments, "--output", r50.output)
    assert ended.code == 0, ended.stdout + ended.stderr
    record = r50.record()
    assert record.config.allocator is allocator
    assert record.launch.environment["LD_PRELOAD"] == str(path)
    (item,) = record.instances
    assert is_library_of(allocator, item.malloc_library)
    assert path.samefile(item.malloc_library)
    assert f"{allocator.value}: malloc of {item.malloc_library}" in ended.stdout
    assert f"ALLOCATOR: {allocator.value}" in r50.log().splitlines()
    assert r50("show", r50.folder()).stdout == ended.stdout


def test_without_one_it_is_the_c_library(finished):
    runner, ended = finished
    for item in runner.record().instances:
        assert item.malloc_library is not None
        assert not any(
            is_library_of(allocator, item.malloc_library)
            for allocator in set(Allocator) - {Allocator.SYSTEM}
        )
    assert "LD_PRELOAD" not in runner.record().launch.environment
    assert "Allocator" not in ended.stdout


def test_a_library_that_cannot_be_loaded_makes_the_run_invalid(r50, picture):
    arguments = [*MEASURE, *instances(1), "--dataset", picture, "--allocator", "jemalloc"]
    ended = r50("run", *arguments, "--output", r50.output, command=with_library(repr(BOGUS)))
    assert ended.code == 1, ended.stdout + ended.stderr
    (item,) = r50.record().instances
    assert (
        f"failed: instance 0 was told to use jemalloc and its malloc was that of "
        f"{item.malloc_library}"
    ) in ended.stdout.splitlines()
    assert BOGUS in (r50.folder() / "instance_000.log").read_text()


def test_a_missing_library_ends_it_before_anything_is_measured(r50):
    missing = "(_ for _ in ()).throw(RequestError('no library', 'install it'))"
    arguments = [*MEASURE, "--allocator", "mimalloc", "--output", r50.output]
    ended = r50("run", *arguments, command=with_library(missing))
    assert (ended.code, ended.stdout) == (2, "")
    assert ended.stderr == "error: no library\n  -> install it\n"
    assert not r50.output.exists()


def test_a_preload_of_the_users_own_is_in_its_way(r50):
    arguments = ["--allocator", "jemalloc", "--customer-env", f"LD_PRELOAD={BOGUS}"]
    ended = r50("run", *MEASURE, *arguments, "--output", r50.output)
    assert ended.code == 2
    assert ended.stderr == (
        "error: --allocator jemalloc sets LD_PRELOAD, and so does --customer-env: leave one of "
        "them out\n"
    )
    assert not r50.output.exists()
