"""The caches of a CPU, from the kernel's files."""

from __future__ import annotations

from pathlib import Path

from resnet50_bench.host.caches import Cache, read_caches


def describe(root: Path, index: int, **texts: str) -> None:
    folder = root / f"sys/devices/system/cpu/cpu0/cache/index{index}"
    folder.mkdir(parents=True)
    for name, text in texts.items():
        (folder / name).write_text(text + "\n")


def test_data_caches_are_read_the_nearest_first(tmp_path) -> None:
    describe(tmp_path, 0, level="3", type="Unified", size="32M", shared_cpu_list="0-7")
    describe(tmp_path, 1, level="1", type="Data", size="32K", shared_cpu_list="0,8")
    describe(tmp_path, 2, level="1", type="Instruction", size="64K", shared_cpu_list="0,8")
    describe(tmp_path, 3, level="2", type="Unified", size="1024K", shared_cpu_list="0,8")
    assert read_caches(0, tmp_path) == (
        Cache(1, 32 << 10, (0, 8)),
        Cache(2, 1 << 20, (0, 8)),
        Cache(3, 32 << 20, tuple(range(8))),
    )


def test_what_is_not_described_is_not_there(tmp_path) -> None:
    assert read_caches(0, tmp_path) == ()
    describe(tmp_path, 0, level="1", type="Data")
    describe(tmp_path, 1, level="2", type="Unified", size="large")
    describe(tmp_path, 2, level="3", type="Unified", size="0K")
    assert read_caches(0, tmp_path) == ()
