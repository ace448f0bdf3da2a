"""Others on the cores: what is told, what makes a result invalid, and with which words."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from tests.contended import make_contended, make_contention
from tests.hosts.synthetic import Machine
from tests.records import BEGIN_NS, MS, SECOND, make_instance, make_queries, make_record
from tests.unit.verdict.runs import one_instance, warnings

from resnet50_bench.config import CaseType, Mode, RunConfig
from resnet50_bench.contention.samples import ProcessTime
from resnet50_bench.results.findings import Finding
from resnet50_bench.results.record import Launch
from resnet50_bench.verdict.judge import judge

YES = ProcessTime(pid=77, name="yes", cpu_ticks=1000, cpus=(1,))
"""Half of one CPU over 20 s."""

END = (
    "end that work, or keep it off these CPUs, and run it again; --accept-noise takes the result "
    "as it is"
)


def texts(findings) -> list[str]:
    return [finding.message for finding in findings]


def test_a_quiet_run_is_valid_and_silent():
    verdict = judge(make_contended(0.01))
    assert (verdict.failures, verdict.warnings) == ((), ())


def test_a_process_on_a_core_makes_it_invalid_and_is_named():
    verdict = judge(make_contended(0.25, processes=(YES,)))
    assert verdict.failures == (
        Finding(
            "other work took 25% of the time of instance 0's 2 CPUs (up to 25% in a tenth of the "
            "window): processes 25.0%; seen on them, in parts of one CPU: yes (pid 77) 50%",
            END,
        ),
    )
    assert verdict.exit_code == 1


@pytest.mark.parametrize(
    ("share", "failures", "warnings"), [(0.02, 0, 0), (0.05, 0, 1), (0.099, 0, 1), (0.11, 1, 0)]
)
def test_the_bounds_for_processes(share, failures, warnings):
    verdict = judge(make_contended(share))
    assert (len(verdict.failures), len(verdict.warnings)) == (failures, warnings)


@pytest.mark.parametrize(
    ("share", "failures", "warnings"), [(0.02, 0, 0), (0.05, 0, 1), (0.24, 0, 1), (0.26, 1, 0)]
)
def test_the_bounds_for_stolen_time(share, failures, warnings):
    verdict = judge(make_contended(0, steal=share))
    assert (len(verdict.failures), len(verdict.warnings)) == (failures, warnings)


def test_stolen_time_is_not_blamed_on_processes_that_were_seen():
    (finding,) = judge(make_contended(0.02, steal=0.1, processes=(YES,))).warnings
    assert "yes" not in finding.message
    assert finding.advice.startswith("the host of this virtual machine had other work")


def test_one_process_on_many_cores_is_in_the_way_of_all():
    """16 CPUs, half of one: 3 % of them, and an operation waits for the slowest of its threads."""
    host = Machine(nodes=(16,)).host()
    config = RunConfig(cores_per_instance=16, instances=1)
    record = make_contended(0.5 / 16, config=config, host=host, processes=(YES,))
    assert "yes (pid 77) 50%" in judge(record).failures[0].message
    spread = [replace(YES, pid=k, cpu_ticks=100) for k in range(10)]  # 5 % of one CPU each
    assert judge(replace_processes(record, spread)).valid


def replace_processes(record, processes):
    return replace(record, contention=replace(record.contention, processes=tuple(processes)))


def test_a_process_that_was_elsewhere_is_no_suspect():
    elsewhere = replace(YES, name="far", cpus=(9,))
    (finding,) = judge(make_contended(0.2, processes=(elsewhere,))).failures
    assert "far" not in finding.message
    assert finding.message.endswith("by nothing that can be seen from here")
    assert finding.advice.startswith("look outside this container")


def test_a_name_from_outside_stays_one_line():
    evil = replace(YES, name="\x1b[2J\n*x")
    (finding,) = judge(make_contended(0.25, processes=(evil,))).failures
    assert "\\x1b[2J\\n*x (pid 77)" in finding.message


def test_the_worst_instance_is_the_one_that_is_told():
    verdict = judge(make_contended(0.02, second=0.3))
    (finding,) = verdict.failures
    assert "30% of the time of instance 1's 2 CPUs" in finding.message


def test_a_burst_in_one_tenth_is_a_warning():
    verdict = judge(make_contended(0.2, tenths=(4,)))
    assert verdict.valid
    assert texts(verdict.warnings) == [
        "other work took 2% of the time of instance 0's 2 CPUs (up to 20% in a tenth of the "
        "window): processes 2.0%; by nothing that can be seen from here"
    ]


@pytest.mark.parametrize(
    "config",
    [
        RunConfig(cores_per_instance=2, instances=2, accept_noise=True),
        RunConfig(cores_per_instance=2, instances=2, case_type=CaseType.GATED),
        RunConfig(cores_per_instance=2, instances=2, engine="null"),
    ],
)
def test_where_it_is_only_told(config):
    verdict = judge(make_contended(0.5, config=config, processes=(YES,)))
    assert verdict.valid
    assert any("other work took 50%" in text for text in texts(verdict.warnings))


class TestIdleCores:
    """15 of 27 images/s: the instance's threads were busy for 56 % of the time."""

    def idle(self, share, **changes):
        spent = round(0.56 * 2 * 20 * SECOND)
        config = RunConfig(cores_per_instance=2, instances=1)
        item = make_instance(0, cpu_ns=spent)
        return make_contended(share, config=config, instances=[item], **changes)

    def test_others_explain_it(self):
        verdict = judge(self.idle(0.25, processes=(YES,)))
        assert len(verdict.failures) == 1
        assert not any("threads busy" in text for text in texts(verdict.warnings))

    def test_nobody_else_was_there(self):
        (finding,) = judge(self.idle(0.005)).warnings
        assert finding.message == "instance 0 kept its 2 threads busy for 56% of the time"
        assert "--cores-per-instance" in finding.advice


class TestHostsOfMpi:
    """Each is watched by its own instances only: two samples, no names."""

    def run(self, share):
        items = []
        for place, host in enumerate(("alpha", "beta")):
            contention = make_contention([(0, 1)], [share if place else 0.0], tenths=None)
            own = replace(contention, samples=(contention.samples[0], contention.samples[-1]))
            items.append(make_instance(0, host=host, contention=own))
        record = make_record(RunConfig(cores_per_instance=2, instances=1), instances=items)
        return replace(record, launch=replace(record.launch, hosts=("alpha", "beta")))

    def test_the_host_is_named(self):
        (finding,) = judge(self.run(0.3)).failures
        assert "instance 0's 2 CPUs on beta" in finding.message

    def test_quiet_hosts(self):
        assert judge(self.run(0.0)).failures == ()


def test_records_of_before_have_nothing_to_say():
    record = make_record()
    assert (record.contention, record.instances[0].contention) == (None, None)
    assert judge(record).warnings == ()


def test_a_run_of_no_length_is_not_judged():
    assert judge(replace(make_contended(0.5), status="interrupted")).warnings == ()


class TestClocks:
    def change(self, before, after):
        """A quiet run in which counters stood at `before`, and in the last sample at `after`."""
        record = make_contended(0.0)
        *samples, end = record.contention.samples
        samples = [*(replace(item, **before) for item in samples), replace(end, **after)]
        contention = replace(record.contention, samples=tuple(samples))
        return replace(record, contention=contention)

    def test_heat(self):
        (finding,) = judge(self.change({"heat_stops": 5}, {"heat_stops": 8})).warnings
        assert finding.message == "the CPUs slowed down because of heat 3 times within the window"

    def test_a_quota(self):
        (finding,) = judge(
            self.change({"throttled_ns": 1}, {"throttled_ns": 2 * SECOND + 1})
        ).warnings
        assert finding.message == ("the CPU quota of this container held processes back for 2.0 s")

    def test_a_frequency_that_fell(self):
        slow = {"khz": (2_500_000, 2_400_000)}
        (finding,) = judge(self.change({"khz": (3_500_000, 3_500_000)}, slow)).warnings
        assert "went from 3.50 down to 2.50 GHz" in finding.message


def test_cpus_that_could_not_be_locked():
    record = make_record()
    launch = replace(record.launch, cpu_lock_failure="/run/lock/x: Read-only file system")
    (finding,) = judge(replace(record, launch=launch)).warnings
    assert finding.message == (
        "the CPUs were not locked against other runs: /run/lock/x: Read-only file system"
    )


@pytest.mark.parametrize(
    ("share", "advice"), [(0.25, None), (0.0, "measure longer: --min-time 60")]
)
def test_an_uneven_window_is_explained_by_others(share, advice):
    queries = [(100 * SECOND + k * SECOND // 2, 100 * SECOND + (k + 1) * SECOND // 2)
               for k in range(20)]  # fmt: skip
    begin = queries[-1][1]
    queries += [(begin + k * SECOND, begin + (k + 1) * SECOND) for k in range(10)]
    config = RunConfig(mode=Mode.THROUGHPUT, cores_per_instance=2, instances=1)
    record = make_contended(share, config=config, instances=[make_instance(0, queries)])
    unstable = [item for item in judge(record).warnings if item.message.startswith("unstable")]
    assert [item.advice for item in unstable] == [advice]


@pytest.mark.parametrize(
    ("cpu_ns", "wall_ns", "expected"),
    [
        (10_000_001, SECOND, ["r50 itself used 1.0% of one core while the instances measured"]),
        (
            SECOND,
            2 * SECOND,
            ["r50 itself used 50.0% of one core while the instances measured"],
        ),
        (10_000_000, SECOND, []),
        (SECOND // 2, SECOND - 1, []),  # too short to tell
        (None, None, []),
        (5, 0, []),
    ],
)
def test_the_share_of_the_parent(cpu_ns, wall_ns, expected):
    launch = Launch(environment={}, command=(), parent_cpu_ns=cpu_ns, parent_wall_ns=wall_ns)
    assert warnings(make_record(launch=launch)) == expected


def test_an_unstable_window():
    # 10 s of 5 queries a second, then 10 s of 10: mean 7.5, deviations 2.5 in ten slices.
    queries = [
        *make_queries(0, 50, 200 * MS),
        *make_queries(10 * SECOND, 100, 100 * MS),
    ]
    verdict = judge(one_instance(make_instance(0, queries)))
    # sqrt(10 * 2.5**2 / 9) / 7.5 = 0.351
    expected = Finding(
        "unstable: images per second varied by 35% within the window",
        "look for other load on this machine, or measure longer: --min-time 60",
    )
    assert (verdict.failures, verdict.warnings) == ((), (expected,))


@pytest.mark.parametrize(("slow_ms", "fast_ms", "expected"), [(84, 70, []), (75, 60, ["12%"])])
def test_variation_of_a_tenth(slow_ms, fast_ms, expected):
    # Slices of 2.1 s, five with slow queries and five with fast ones: 25 and 30, then 28 and
    # 35. The variation is sqrt(10 / 9) * 2.5 / 27.5 = 0.096, then sqrt(10 / 9) * 3.5 / 31.5.
    slow = make_queries(0, 10_500 // slow_ms, slow_ms * MS)
    fast = make_queries(10_500 * MS, 10_500 // fast_ms, fast_ms * MS)
    assert warnings(one_instance(make_instance(0, [*slow, *fast]))) == [
        f"unstable: images per second varied by {share} within the window" for share in expected
    ]


def test_a_warm_up_that_lasted_into_the_window():
    queries = [
        (BEGIN_NS, BEGIN_NS + 3 * SECOND),
        *make_queries(BEGIN_NS + 3 * SECOND, 40, 500 * MS),
    ]
    verdict = judge(make_record(instances=[make_instance(0, queries), make_instance(1)]))
    assert verdict.warnings == (
        Finding(
            "instance 0 was still warming up in its first query (1 of 2 were): the window begins "
            "3.0 s later, behind that",
            "--warmup-steps 6 has it before the measurement",
        ),
    )


@pytest.mark.parametrize(("change", "expected"), [(0.008, []), (0.04, ["fell by 3.9%"])])
def test_a_drift(change, expected):
    ends = [0]
    for index in range(200):
        ends.append(ends[-1] + round(100 * MS * (1 + change * index / 199)))
    found = warnings(one_instance(make_instance(0, list(itertools.pairwise(ends)))))
    assert found == [
        f"not steady: images per second {text} in the course of the window; the interval is that of "
        "their mean in this window"
        for text in expected
    ]


@pytest.mark.parametrize(
    ("count", "expected"),
    [(19, ["only 19 queries were measured: too few to tell a difference by"]), (20, [])],
)
def test_few_queries(count, expected):
    config = RunConfig(cores_per_instance=2, instances=1, steps=10)
    instance = make_instance(0, make_queries(0, count, SECOND))
    assert warnings(one_instance(instance, config=config)) == expected


@pytest.mark.parametrize(
    ("cpu_ns", "expected"),
    [
        (32 * SECOND, []),
        (32 * SECOND - SECOND // 5,
         ["instance 0 kept its 2 threads busy for 80% of the time"]),
        (20 * SECOND, ["instance 0 kept its 2 threads busy for 50% of the time"]),
        (None, ["instance 0 kept its 2 threads busy for 0% of the time"]),
    ],
)  # fmt: skip
def test_cores_that_idled(cpu_ns, expected):
    # 2 threads for 20 s.
    assert warnings(one_instance(make_instance(0, cpu_ns=cpu_ns))) == expected


@pytest.mark.parametrize(
    ("asked", "advice"),
    [
        (
            {},
            "try fewer cores for each instance (--cores-per-instance) or a larger --batch-size "
            "or a caller for each core (--engine-option callers=2)",
        ),
        *(
            (
                asked,
                "try fewer cores for each instance (--cores-per-instance) or a larger --batch-size",
            )
            for asked in ({"weight_sharing": True}, {"engine_options": {"callers": "2"}})
        ),
        (
            {"mode": Mode.LATENCY},
            "try fewer cores for each instance (--cores-per-instance) or idle cores kept awake "
            "(--cpu-latency-limit 0)",
        ),
    ],
)
def test_what_helps_against_idle_cores(asked, advice):
    record = one_instance(make_instance(0, cpu_ns=20 * SECOND))
    record = replace(record, config=replace(record.config, **asked))
    (finding,) = (item for item in judge(record).warnings if "threads busy" in item.message)
    assert finding.advice == advice
