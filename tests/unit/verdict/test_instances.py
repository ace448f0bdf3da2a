from __future__ import annotations

import pytest
from tests.hosts.synthetic import GIB, Machine
from tests.records import (
    BEGIN_NS,
    MS,
    SECOND,
    TWO_NODES,
    make_failure,
    make_instance,
    make_lost,
    make_queries,
    make_record,
    make_seen,
    make_slot,
)
from tests.unit.verdict.runs import failures, lost_run, one_instance, warnings

from resnet50_bench.config import RunConfig
from resnet50_bench.host.memory_policy import MemoryPolicy
from resnet50_bench.results.findings import Finding
from resnet50_bench.results.record import ExitCause, Record
from resnet50_bench.verdict.instances import describe_loss
from resnet50_bench.verdict.judge import judge

SMALLER = "use a smaller --batch-size, or fewer --instances"
LONGER = "measure longer: --min-time or a larger --steps"
NODE_1 = make_slot(1, nodes=(1,))


class TestStatus:
    def test_interrupted(self):
        stopped = [make_lost(i, "stopped", "ended by r50") for i in range(2)]
        verdict = judge(make_record(instances=stopped, status="interrupted"))
        expected = Finding("the run was interrupted before it was complete", "run it again")
        assert verdict.failures == (expected,)
        assert (verdict.valid, verdict.exit_code) == (False, 1)

    def test_interrupted_with_an_instance_lost_is_still_no_failure_of_the_host(self):
        record = make_record(instances=[make_lost(0), make_instance(1)], status="interrupted")
        assert judge(record).exit_code == 1

    def test_running(self):
        verdict = judge(make_record(instances=[], status="running"))
        expected = Finding("the run never came to its end: r50 itself was killed", "run it again")
        assert (verdict.failures, verdict.exit_code) == ((expected,), 1)


class TestInstances:
    def test_one_lost(self):
        verdict = judge(lost_run(make_instance(0), make_lost(1)))
        assert verdict.failures == (
            Finding("2 instances launched, 2 started, 1 reported"),
            Finding("instance 1 was lost while measuring: signal: SIGSEGV (Segmentation fault)"),
        )
        assert (verdict.valid, verdict.exit_code) == (False, 3)

    def test_one_never_started(self):
        lost = make_lost(1, "exit code", "1", started=False, phase="starting")
        assert failures(lost_run(make_instance(0), lost)) == [
            "2 instances launched, 1 started, 1 reported",
            "instance 1 was lost while starting: exit code: 1",
        ]

    def test_lost_after_its_result_although_the_run_went_through(self):
        late = make_instance(1, reported=False, exit=ExitCause("signal", "SIGABRT (Aborted)"))
        verdict = judge(make_record(instances=[make_instance(0), late]))
        assert verdict.failures == (
            Finding("2 instances launched, 2 started, 1 reported"),
            Finding("instance 1 was lost while measuring: signal: SIGABRT (Aborted)"),
        )
        assert verdict.exit_code == 3

    def test_the_ones_ended_by_r50_are_counted_but_not_blamed(self):
        stopped = make_lost(0, "stopped", "ended by r50", phase="waiting")
        assert failures(lost_run(stopped, make_lost(1))) == [
            "2 instances launched, 2 started, 0 reported",
            "instance 1 was lost while measuring: signal: SIGSEGV (Segmentation fault)",
        ]

    def test_none_could_be_launched(self):
        verdict = judge(lost_run())
        expected = Finding("0 of 2 instances launched, 0 started, 0 reported")
        assert (verdict.failures, verdict.exit_code) == ((expected,), 3)

    def test_fewer_launched_than_planned_in_a_completed_run(self):
        verdict = judge(make_record(instances=[make_instance(0)]))
        expected = Finding("1 of 2 instances launched, 1 started, 1 reported")
        assert (verdict.failures, verdict.exit_code) == ((expected,), 1)

    def test_r50_failed_after_all_had_reported(self):
        verdict = judge(lost_run(make_instance(0), make_instance(1)))
        assert verdict.failures == (Finding("2 instances launched, 2 started, 2 reported"),)
        assert verdict.exit_code == 3


class TestLoss:
    @pytest.mark.parametrize(
        ("kind", "detail", "advice"),
        [
            ("signal", "SIGKILL (Killed)", f"if memory ran out: {SMALLER}"),
            ("signal", "SIGSEGV (Segmentation fault)", None),
            ("exit code", "5", None),
            ("exception", "ValueError: odd", None),
            ("deadline", "no answer in time, so r50 ended it",
             "look at its log; --timeout SECONDS gives it longer"),
            ("out of memory", "the kernel killed it", SMALLER),
        ],
    )  # fmt: skip
    def test_message_and_advice_by_kind(self, kind, detail, advice):
        lost = make_lost(1, kind, detail, phase="loading")
        finding = judge(lost_run(make_instance(0), lost)).failures[1]
        message = f"instance 1 was lost while loading: {kind}: {detail}"
        assert finding == Finding(message, advice)

    def test_without_detail(self):
        assert describe_loss(make_lost(3, "deadline", "")) == ("lost while measuring: deadline")

    def test_the_workers_own_advice_comes_first(self):
        failure = make_failure(advice="pip install it", out_of_memory=True)
        lost = make_lost(0, "out of memory", "x", failure=failure)
        assert judge(lost_run(lost, make_instance(1))).failures[1].advice == "pip install it"

    def test_failure_without_advice_falls_back_to_the_kind(self):
        lost = make_lost(0, "deadline", "x", failure=make_failure())
        advice = judge(lost_run(lost, make_instance(1))).failures[1].advice
        assert advice == "look at its log; --timeout SECONDS gives it longer"


class TestOutOfMemory:
    """Sixteen cores of one socket."""

    @staticmethod
    def advice(
        available_gib: float, estimate_gib: float, *, peak_gib: float = 0, **asked
    ) -> str | None:
        host = Machine(nodes=(16,)).host(available_bytes=int(available_gib * GIB))
        config = RunConfig(**({"cores_per_instance": 2} | asked))
        killed = make_lost(0, "out of memory", "x")
        others = [
            make_instance(i, peak_resident_bytes=int(peak_gib * GIB))
            for i in range(1, config.instances or 16 // (config.cores_per_instance or 16))
        ]
        record = lost_run(
            killed, *others, config=config, host=host, memory_estimate_bytes=int(estimate_gib * GIB)
        )
        return judge(record).failures[1].advice

    def test_names_the_fewest_cores_with_which_all_fit(self):
        # 10 GiB hold 5 of 2 GiB: 16 cores / 3 = 5 instances.
        text = "--cores-per-instance 3 fits: fewer instances share the memory"
        assert self.advice(10, 2) == text

    def test_exactly_fitting_memory_fits(self):
        # 8 of 1.25 GiB are 10 GiB, which 2 cores each had already: it is not the number of them.
        assert self.advice(10, 1.25) == SMALLER
        # 5 of 2 GiB are 10 GiB; a byte less holds 4 of them.
        text = "--cores-per-instance 4 fits: fewer instances share the memory"
        assert self.advice(10 - 1e-9, 2) == text

    def test_the_most_any_instance_held_counts_if_more_than_estimated(self):
        # 10 GiB hold 2 of 4 GiB: 16 cores / 6 = 2 instances.
        text = "--cores-per-instance 6 fits: fewer instances share the memory"
        assert self.advice(10, 2, peak_gib=4) == text
        assert self.advice(10, 4, peak_gib=2) == text

    def test_not_even_one_fits(self):
        assert self.advice(10, 11) == SMALLER

    def test_a_whole_socket_already(self):
        assert self.advice(10, 3, cores_per_instance=None) == "use a smaller --batch-size"

    def test_a_fixed_number_of_instances_does_not_shrink_with_their_size(self):
        # 3 GiB hold one of 2 GiB. Two were asked for by name, of whatever size.
        assert self.advice(3, 2, instances=2) == SMALLER


class TestAffinity:
    def test_other_cpus_than_told(self):
        seen = make_seen(make_slot(1), cpus=(0, 1, 2, 3))
        verdict = judge(make_record(instances=[make_instance(0), make_instance(1, seen=seen)]))
        assert verdict.failures == (
            Finding(
                "instance 1 was told to use CPUs 2-3 and ran on 0-3",
                "something in the process changed its affinity: look at --customer-env",
            ),
        )
        assert verdict.exit_code == 1

    def test_fewer_cpus_than_told(self):
        seen = make_seen(make_slot(0), cpus=(0,))
        assert failures(one_instance(make_instance(0, seen=seen))) == [
            "instance 0 was told to use CPUs 0-1 and ran on 0"
        ]

    def test_not_reported_is_not_judged(self):
        lost = make_lost(1, seen=make_seen(make_slot(1), cpus=(9,)))
        assert len(failures(lost_run(make_instance(0), lost))) == 2

    def test_unknown_is_not_judged(self):
        assert judge(one_instance(make_instance(0, seen=None))).valid


class TestMemory:
    """Two sockets of two cores, each with its memory node."""

    @staticmethod
    def record(**seen) -> Record:
        instance = make_instance(NODE_1, seen=make_seen(NODE_1, **seen))
        return make_record(host=TWO_NODES.host(), instances=[make_instance(0), instance])

    def test_where_it_was_bound_to(self):
        verdict = judge(self.record())
        assert (verdict.failures, verdict.warnings) == ((), ())

    @pytest.mark.parametrize(
        ("seen_nodes", "text"), [((0, 1), "0-1"), ((0,), "0"), ((), "none")]
    )  # fmt: skip
    def test_policy_differs(self, seen_nodes, text):
        record = self.record(memory_policy=MemoryPolicy("bind", seen_nodes))
        assert judge(record).failures == (
            Finding(
                f"instance 1 was told to use memory nodes 1 and was bound to {text}",
                "the container or cgroup allows fewer memory nodes than CPUs: look at cpuset.mems",
            ),
        )
        assert judge(record).exit_code == 1

    def test_policy_refused(self):
        error = "binding memory to node (1,) failed: Operation not permitted"
        verdict = judge(self.record(memory_policy=None, memory_policy_error=error))
        assert verdict.failures == (
            Finding(
                f"instance 1: {error}",
                "in a container, allow the call: docker run --cap-add SYS_NICE",
            ),
        )
        assert verdict.warnings == ()

    @pytest.mark.parametrize(
        ("pages", "share"),
        [
            ({1: 949, 0: 51}, "5%"),
            ({1: 1, 0: 3}, "75%"),
            ({0: 1}, "100%"),
            ({1: 50, 0: 25, 2: 25}, "50%"),
        ],
    )
    def test_pages_elsewhere(self, pages, share):
        assert judge(self.record(anonymous_bytes=pages)).failures == (
            Finding(
                f"instance 1 has {share} of its memory outside memory nodes 1",
                "free memory on these nodes, or use a smaller --batch-size",
            ),
        )

    @pytest.mark.parametrize("pages", [{1: 95, 0: 5}, {1: 1}, {1: 0}, {}, None])
    def test_few_pages_elsewhere_or_none_known(self, pages):
        assert judge(self.record(anonymous_bytes=pages)).valid

    def test_both_nodes_of_a_slot_are_its_own(self):
        slot = make_slot(1, nodes=(0, 1))
        seen = make_seen(slot, anonymous_bytes={0: 50, 1: 50})
        record = make_record(
            host=TWO_NODES.host(), instances=[make_instance(0), make_instance(slot, seen=seen)]
        )
        assert judge(record).valid

    def test_one_node_only_warns(self):
        seen = make_seen(make_slot(0), memory_policy=None, memory_policy_error="no right to")
        record = one_instance(make_instance(0, seen=seen))
        assert judge(record).failures == ()
        assert warnings(record) == [
            "memory was not bound to its node; on a single-node host that changes little"
        ]

    def test_one_node_has_no_elsewhere(self):
        seen = make_seen(
            make_slot(0), memory_policy=MemoryPolicy("default", ()), anonymous_bytes={1: 5}
        )
        assert judge(one_instance(make_instance(0, seen=seen))).valid


class TestAmounts:
    def test_no_common_window(self):
        apart = make_instance(1, make_queries(BEGIN_NS + 20 * SECOND, 40, SECOND // 2))
        verdict = judge(make_record(instances=[make_instance(0), apart]))
        expected = Finding("the instances share no time in which all of them measured", LONGER)
        assert (verdict.failures, verdict.exit_code) == ((expected,), 1)

    @pytest.mark.parametrize(("count", "valid"), [(29, False), (30, True)])
    def test_steps(self, count, valid):
        instance = make_instance(0, make_queries(0, count, SECOND))
        expected = [] if valid else ["instance 0 answered 29 of 30 queries"]
        assert failures(one_instance(instance)) == expected

    @pytest.mark.parametrize(("short_ns", "valid"), [(0, True), (1, False)])
    def test_minimum_time(self, short_ns, valid):
        queries = make_queries(0, 40, 500 * MS)
        queries[-1] = (queries[-1][0], queries[-1][1] - short_ns)
        expected = [] if valid else ["instance 0 measured for less than --min-time"]
        assert failures(one_instance(make_instance(0, queries))) == expected

    def test_each_instance_is_checked(self):
        short = make_instance(1, make_queries(BEGIN_NS, 3, SECOND))
        assert failures(make_record(instances=[make_instance(0), short])) == [
            "instance 1 answered 3 of 30 queries",
            "instance 1 measured for less than --min-time",
        ]

    @pytest.mark.parametrize(("end", "valid"), [(31, False), (30, True), (10, False), (11, True)])
    def test_every_instance_finished_a_query_in_the_window(self, end, valid):
        # Window 10..30. The other instance's queries end at 10 or earlier, at `end`, and at 31.
        other = make_instance(1, [(0, 5), (5, end), (end, 31)] if end < 31 else [(0, 31)])
        record = make_record(
            RunConfig(cores_per_instance=2, instances=2, steps=1),
            instances=[make_instance(0, [(10, 20), (20, 30)]), other],
        )
        assert judge(record).failures == (
            () if valid else (Finding("instance 1 finished no query in the common window", LONGER),)
        )
