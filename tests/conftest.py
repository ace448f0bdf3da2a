"""How the suite is shared out over the workers of pytest-xdist: who runs what, who waits for whom.

Without pytest-xdist one process runs everything in the same order, and nobody waits.
"""

from __future__ import annotations

import fcntl
import gc
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# No test depends on how fast the machine is.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")

# Two workers have two cores; numpy's own threads would only wait for each other, at full speed.
# It is read when numpy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

SHARED_FOLDER = "R50_TEST_SHARED"
"""Environment variable: a folder that all workers of one session use."""

ENGINES = "tests/engines"

ALONE = "alone"
"""The mark of tests that measure what any other test would disturb."""


TEMPORARY = "PYTEST_DEBUG_TEMPROOT"
"""pytest's environment variable: where its folders for temporary files are made."""

MEMORY = Path("/dev/shm")
ROOM_BYTES = 6 << 30
"""More than what all tests' files take; models of full width do most of it."""


def has_room(folder: Path) -> bool:
    """Whether all tests' files fit, and so much memory is left besides."""
    try:
        room = shutil.disk_usage(folder).free
    except OSError:
        return False
    meminfo = Path("/proc/meminfo").read_text().split()
    available = int(meminfo[meminfo.index("MemAvailable:") + 1]) << 10
    return os.access(folder, os.W_OK | os.X_OK) and min(room, available / 2) > ROOM_BYTES


def pytest_configure(config: pytest.Config) -> None:
    # Thousands of small files, made and removed: on some disks most of the suite's time.
    if TEMPORARY not in os.environ and "TMPDIR" not in os.environ and has_room(MEMORY):
        os.environ[TEMPORARY] = str(MEMORY)
    # A shell starts what it puts in the background with Ctrl-C ignored, and a child inherits that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if not hasattr(config, "workerinput"):
        folder = tempfile.mkdtemp(prefix="r50-tests-")
        os.environ[SHARED_FOLDER] = folder
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give each worker whole groups of tests, in the order of collection.

    xdist's own groups, made by a mark, need a test's id to be a changeable text, which pytest 9.2's is not.
    """
    from xdist.scheduler import LoadScopeScheduling

    class GroupScheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return plan_group(nodeid)

    return GroupScheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: plan_order(plan_group(item.nodeid), alone=is_alone(item)))


def pytest_collection_finish() -> None:
    # Thousands of tests and all modules are alive to the end: no collection need visit them again.
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    with taking_turns(alone=is_alone(item)):
        return (yield)


def is_alone(item: pytest.Item) -> bool:
    return item.get_closest_marker(ALONE) is not None


def plan_group(nodeid: str) -> str:
    """The group of a test: its file, and for TensorFlow's tests the folder.

    So what is slow to make, TensorFlow imported and a network generated, is made in one worker
    only.
    """
    file = nodeid.partition("::")[0]
    return ENGINES if file.startswith(f"{ENGINES}/") else file


def plan_order(group: str, *, alone: bool) -> int:
    """The longest group first, so that no worker is idle at the end; what is alone last."""
    if group == ENGINES:
        return 0
    return 3 if alone else 1 if group.startswith("tests/process/") else 2


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
