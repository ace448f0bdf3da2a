"""Where a limit is kept, of what it is the limit, and for how long it is believed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from tests.hosts.synthetic import Machine
from tests.records import make_roofline

from resnet50_bench.errors import HostError
from resnet50_bench.limits.cache import (
    MAX_AGE,
    MAX_AGE_UNSTEADY,
    compute_age,
    keep,
    plan_place,
    read_kept,
)

HOST = Machine(nodes=(4,)).host()
CPUS = (0, 1, 2, 3)
MEASURED = datetime(2026, 1, 2, 3, 3, 5, tzinfo=timezone.utc)
CPUINFO = "cpu family\t: 25\nmodel\t\t: 17\nstepping\t: 1\nmicrocode\t: 0xa101144\n"


def place(tmp_path: Path, host=HOST, cpus=CPUS, cpuinfo=CPUINFO):
    (tmp_path / "proc").mkdir(exist_ok=True)
    (tmp_path / "proc/cpuinfo").write_text(cpuinfo)
    return plan_place(host, cpus, {"R50_CACHE_DIR": str(tmp_path / "cache")}, tmp_path)


def test_it_lies_beside_the_models_and_is_read_again(tmp_path) -> None:
    here = place(tmp_path)
    assert here.path.parent == tmp_path / "cache/limits"
    assert read_kept(here) is None
    keep(here, make_roofline())
    assert read_kept(here, MEASURED + timedelta(minutes=5)) == make_roofline()


@pytest.mark.parametrize(
    "other",
    [
        {"host": replace(HOST, hostname="another")},
        {"host": replace(HOST, cpu_model="another")},
        {"host": replace(HOST, cpu_flags=("avx2",))},
        {"host": replace(HOST, kernel="7.0.0")},
        {"host": replace(HOST, governor="powersave")},
        {"host": replace(HOST, turbo=False)},
        {"cpus": (0, 1)},
        {"cpuinfo": CPUINFO.replace("0xa101144", "0xa101148")},
        {"cpuinfo": CPUINFO.replace("stepping\t: 1", "stepping\t: 2")},
    ],
    ids=lambda other: next(iter(other)),
)
def test_it_is_the_limit_of_one_machine_as_it_is_set_up_and_of_some_cpus(tmp_path, other) -> None:
    assert place(tmp_path, **other).path != place(tmp_path).path


def test_what_changes_by_itself_does_not_matter(tmp_path) -> None:
    busy = replace(HOST, load_average_1min=7.0, memory_available_bytes=1)
    assert place(tmp_path, host=busy) == place(tmp_path)


@pytest.mark.parametrize(
    ("age", "believed"),
    [(timedelta(0), True), (MAX_AGE, True), (MAX_AGE + timedelta(seconds=1), False),
     (timedelta(seconds=-1), False)],
)  # fmt: skip
def test_it_goes_stale(tmp_path, age, believed) -> None:
    here = place(tmp_path)
    keep(here, make_roofline())
    assert (read_kept(here, MEASURED + age) is not None) is believed


def test_what_was_disturbed_is_believed_for_minutes_only(tmp_path) -> None:
    here = place(tmp_path)
    peak = replace(make_roofline().peaks[0], operations_per_s=2e12, rounds=(1e12, 2e12))
    keep(here, make_roofline(peaks=(peak,)))
    assert read_kept(here, MEASURED + MAX_AGE_UNSTEADY) is not None
    assert read_kept(here, MEASURED + MAX_AGE_UNSTEADY + timedelta(seconds=1)) is None


@pytest.mark.parametrize(
    "changes",
    [{"version": 0}, {"cpus": (0, 1)}, {"peaks": ()}, {"measured": "yesterday"},
     {"measured": "2026-01-02T03:03:05"}],
)  # fmt: skip
def test_what_does_not_fit_is_not_believed(tmp_path, changes) -> None:
    here = place(tmp_path)
    keep(here, make_roofline(**changes))
    assert read_kept(here, MEASURED) is None


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe", b'{"version": 1'])
def test_what_is_damaged_is_not_believed(tmp_path, content) -> None:
    here = place(tmp_path)
    keep(here, make_roofline())
    here.path.write_bytes(content)
    assert read_kept(here, MEASURED) is None


def test_a_cache_that_cannot_be_written_is_told(tmp_path) -> None:
    here = place(tmp_path)
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(HostError, match="cannot write to the cache") as raised:
        keep(here, make_roofline())
    assert "R50_CACHE_DIR" in str(raised.value.advice)


def test_the_age_is_of_this_moment_by_default() -> None:
    assert compute_age(make_roofline()) > timedelta(0)
