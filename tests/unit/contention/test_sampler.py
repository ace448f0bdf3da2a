"""Counters read from a /proc and /sys made here."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from resnet50_bench.contention.processes import ProcessSeen, find_busy, merge_busy, read_processes
from resnet50_bench.contention.sampler import (
    MAX_SAMPLES,
    Sampler,
    read_process_cpu_ns,
    read_sample,
    read_ticks_per_s,
)
from resnet50_bench.contention.samples import ProcessTime


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def write_process(root, pid, name, ticks, *, cpus=(0,), start=50):
    for thread, cpu in enumerate(cpus):
        fields = ["S", *["0"] * 10, str(ticks), "0", *["0"] * 5, *["0"], str(start)]
        fields += ["0"] * (36 - len(fields)) + [str(cpu), "0"]
        line = f"{pid} ({name}) {' '.join(fields)}\n"
        write(root / f"proc/{pid}/task/{pid + thread}/stat", line)
        if thread == 0:
            write(root / f"proc/{pid}/stat", line)


STAT = """\
cpu  30 30 30 30 30 30 30 30 0 0
cpu0 1 2 4 8 16 32 64 128 0 0
cpu3 10 0 0 0 0 0 1 5 0 0
intr 5 0
"""


def test_the_columns_of_the_kernel(tmp_path):
    write(tmp_path / "proc/stat", STAT)
    sample = read_sample((3, 0, 1), (7,), root=tmp_path)
    assert sample.busy_ticks == (10, 7, 0)
    assert sample.interrupt_ticks == (1, 96, 0)
    assert sample.steal_ticks == (5, 128, 0)
    assert sample.own_ns == (7,)
    assert (sample.throttled_ns, sample.heat_stops, sample.khz) == (None, None, ())


def test_an_old_kernel_has_fewer_columns(tmp_path):
    write(tmp_path / "proc/stat", "cpu0 1 2 4 8\n")
    sample = read_sample((0,), (), root=tmp_path)
    assert (sample.busy_ticks, sample.interrupt_ticks, sample.steal_ticks) == ((7,), (0,), (0,))


def test_no_proc_at_all(tmp_path):
    assert read_sample((0,), (), root=tmp_path).busy_ticks == (0,)


def test_heat_frequency_and_quota(tmp_path):
    cpu = tmp_path / "sys/devices/system/cpu"
    for number, (core, package) in enumerate([(1, 10), (2, 20)]):
        write(cpu / f"cpu{number}/thermal_throttle/core_throttle_count", f"{core}\n")
        write(cpu / f"cpu{number}/thermal_throttle/package_throttle_count", f"{package}\n")
        write(cpu / f"cpu{number}/cpufreq/scaling_cur_freq", f"{3 + number}00000\n")
    write(tmp_path / "proc/self/cgroup", "0::/a/b\n")
    write(tmp_path / "sys/fs/cgroup/a/cpu.stat", "throttled_usec 9\n")
    write(tmp_path / "sys/fs/cgroup/a/b/cpu.stat", "usage_usec 5\nthrottled_usec 2\n")
    sample = read_sample((0, 1), (), clocked=(1,), root=tmp_path)
    assert (sample.heat_stops, sample.khz, sample.throttled_ns) == (33, (400000,), 9000)


def test_a_quota_of_cgroup_v1(tmp_path):
    write(tmp_path / "proc/self/cgroup", "1:cpu,cpuacct:/c\n")
    write(tmp_path / "sys/fs/cgroup/cpu,cpuacct/c/cpu.stat", "nr_throttled 2\nthrottled_time 77\n")
    assert read_sample((0,), (), root=tmp_path).throttled_ns == 77


def test_the_clock_of_another_process():
    code = "import time\nwhile time.process_time() < 0.05: pass"
    child = subprocess.Popen([sys.executable, "-c", code])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert read_process_cpu_ns(child.pid) >= 50_000_000  # ended, and not yet reaped
    child.wait()
    assert read_process_cpu_ns(child.pid) is None


def test_names_with_blanks_and_brackets(tmp_path):
    write_process(tmp_path, 7, "a (b) c) d", 5)
    assert read_processes(tmp_path) == {7: ProcessSeen("a (b) c) d", 50, 5)}


def test_who_was_busy(tmp_path):
    for pid, ticks in ((1, 100), (2, 100), (3, 100), (4, 100)):
        write_process(tmp_path, pid, f"p{pid}", ticks)
    before = read_processes(tmp_path)
    write_process(tmp_path, 1, "p1", 110, cpus=(0, 5, 2))
    write_process(tmp_path, 3, "ours", 999)
    write_process(tmp_path, 4, "another", 30, start=60)  # the number was used again
    write_process(tmp_path, 9, "new", 20, start=70)
    assert find_busy(before, {3}, tmp_path) == (
        ProcessTime(pid=4, name="another", cpu_ticks=30, cpus=(0,)),
        ProcessTime(pid=9, name="new", cpu_ticks=20, cpus=(0,)),
        ProcessTime(pid=1, name="p1", cpu_ticks=10, cpus=(0, 2, 5)),
    )


def test_one_that_has_ended_is_remembered():
    gone = ProcessTime(pid=1, name="gone", cpu_ticks=50, cpus=(0,))
    grown = ProcessTime(pid=2, name="p", cpu_ticks=90, cpus=(1,))
    early = ProcessTime(pid=2, name="p", cpu_ticks=10, cpus=(0,))
    assert merge_busy((gone, early), (grown,)) == (grown, gone)


@pytest.fixture
def machine(tmp_path):
    """One CPU of which nothing is ours: 100 ticks are somebody's."""
    write(tmp_path / "proc/stat", "cpu0 0 0 0 0 0 0 0 0\n")
    write_process(tmp_path, 1, "hog", 0)
    return tmp_path


def test_a_sampler_keeps_what_it_saw_in_order(machine):
    sampler = Sampler((0,), {}, (), machine)
    write(machine / "proc/stat", "cpu0 9 0 0 0 0 0 0 0\n")
    sampler.sample()
    write(machine / "proc/stat", "cpu0 20 0 0 0 0 0 0 1\n")
    write_process(machine, 1, "hog", 20)
    contention = sampler.finish()
    assert [item.busy_ticks for item in contention.samples] == [(0,), (9,), (20,)]
    assert contention.samples[-1].steal_ticks == (1,)
    assert contention.ticks_per_s == read_ticks_per_s()
    assert [(item.name, item.cpu_ticks) for item in contention.processes] == [("hog", 20)]


def test_r50_itself_is_no_stranger(machine):
    sampler = Sampler((0,), {}, (1,), machine)
    write_process(machine, 1, "hog", 20)
    assert sampler.finish().processes == ()


def test_a_long_run_keeps_a_bounded_number_of_samples(machine):
    sampler = Sampler((0,), {}, (), machine)
    for _ in range(5 * MAX_SAMPLES):
        sampler.sample()
    samples = sampler.finish().samples
    assert MAX_SAMPLES / 4 < len(samples) <= MAX_SAMPLES
    times = [item.at_ns for item in samples]
    assert times == sorted(times)


def test_a_worker_that_the_kernel_has_forgotten_says_itself_what_it_used(machine):
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    sampler = Sampler((0,), {child.pid: 0}, (), machine)
    child.communicate(b"\n")
    samples = sampler.finish({child.pid: 3_000_000_000}.get).samples
    assert samples[-1].own_ns[0] == samples[0].own_ns[0] + 3_000_000_000


def test_a_worker_that_says_nothing_keeps_its_last_known_time(machine):
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    sampler = Sampler((0,), {child.pid: 0}, (), machine)
    child.communicate(b"\n")
    samples = sampler.finish().samples
    assert samples[-1].own_ns == samples[0].own_ns
