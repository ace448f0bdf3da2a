"""How the suite is shared out over the workers of pytest-xdist: who runs what, who waits for whom.

Without pytest-xdist one process runs everything in the same order, and nobody waits.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parent

SHARED_FOLDER = "R50_TEST_SHARED"
"""Environment variable: a folder that all workers of one session use."""

FIRST = ("engines", "process")
"""Folders of tests that are begun before the others, what takes longest first."""

ALONE = "alone"
"""The mark of tests that measure what any other test would disturb."""


def pytest_configure(config: pytest.Config) -> None:
    # A shell starts what it puts in the background with Ctrl-C ignored, and a child inherits that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if not hasattr(config, "workerinput"):
        folder = tempfile.mkdtemp(prefix="r50-tests-")
        os.environ[SHARED_FOLDER] = folder
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Name each test's group: a worker gets whole groups, in this order.

    So what is slow to make, TensorFlow imported and a network generated, is made in one worker
    only; and the longest group comes first, so that no worker is idle at the end.
    """
    for item in items:
        item.add_marker(pytest.mark.xdist_group(plan_group(item)))
    items.sort(key=plan_order)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    with taking_turns(alone=is_alone(item)):
        return (yield)


def is_alone(item: pytest.Item) -> bool:
    return item.get_closest_marker(ALONE) is not None


def plan_group(item: pytest.Item) -> str:
    """A worker runs a group: TensorFlow's tests are one, and so is each file of the others."""
    folder, name = find_place(item)
    if folder == "engines":
        return folder
    return ALONE if is_alone(item) else f"{folder}/{name}"


def plan_order(item: pytest.Item) -> int:
    folder, _ = find_place(item)
    if folder != "engines" and is_alone(item):
        return len(FIRST) + 1
    return FIRST.index(folder) if folder in FIRST else len(FIRST)


def find_place(item: pytest.Item) -> tuple[str, str]:
    """The folder of tests, and the file's path below it."""
    folder, *below = item.path.relative_to(ROOT).parts
    return folder, "/".join(below)


@contextmanager
def taking_turns(*, alone: bool) -> Iterator[None]:
    """Hold a lock: one that all tests share, or one that excludes all others.

    Who waits to be alone holds the door meanwhile: else the others, of which one ends after the
    next has begun, would never let it in.
    """
    folder = Path(os.environ[SHARED_FOLDER])
    with (folder / "door").open("w") as door, (folder / "room").open("w") as room:
        fcntl.flock(door, fcntl.LOCK_EX)
        fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(door, fcntl.LOCK_UN)
        yield
