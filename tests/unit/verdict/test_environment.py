from __future__ import annotations

from tests.records import make_instance, make_lost, make_record
from tests.unit.verdict.runs import failures

from resnet50_bench.config import Allocator, RunConfig
from resnet50_bench.results.findings import Finding
from resnet50_bench.verdict.judge import judge


class TestCpuLatencyLimit:
    LIMITED = RunConfig(cores_per_instance=2, instances=2, cpu_latency_limit_us=10)

    def run(self, *limits, config=LIMITED):
        instances = [make_instance(i, cpu_latency_limit_us=us) for i, us in enumerate(limits)]
        return make_record(config, instances=instances)

    def test_the_one_asked_for_or_less(self):
        assert judge(self.run(10, 0)).valid

    def test_more_or_none(self):
        verdict = judge(self.run(11, None))
        advice = "see what else uses /dev/cpu_dma_latency, or leave --cpu-latency-limit out"
        assert verdict.failures == (
            Finding(
                "instance 0 was to limit the wake-up of idle CPUs to 10 us and the kernel's limit "
                "was 11 us",
                advice,
            ),
            Finding(
                "instance 1 was to limit the wake-up of idle CPUs to 10 us and the kernel's limit "
                "was none",
                advice,
            ),
        )
        assert verdict.exit_code == 1

    def test_none_asked_for(self):
        config = RunConfig(cores_per_instance=2, instances=2)
        assert judge(self.run(None, None, config=config)).valid


class TestAllocator:
    JEMALLOC = RunConfig(cores_per_instance=2, instances=2, allocator=Allocator.JEMALLOC)
    GOOD = "/usr/lib/libjemalloc.so.2"

    def run(self, *libraries, config=JEMALLOC):
        instances = [make_instance(i, malloc_library=path) for i, path in enumerate(libraries)]
        return make_record(config, instances=instances)

    def test_the_one_asked_for(self):
        assert judge(self.run(self.GOOD, self.GOOD)).valid

    def test_another_one_in_one_instance(self):
        verdict = judge(self.run(self.GOOD, "/usr/lib/libc.so.6"))
        assert verdict.failures == (
            Finding(
                "instance 1 was told to use jemalloc and its malloc was that of /usr/lib/libc.so.6",
                "its log, instance_001.log, says why the library could not be loaded",
            ),
        )
        assert verdict.exit_code == 1

    def test_unknown(self):
        assert failures(self.run(None, "/usr/lib/libtcmalloc.so.4")) == [
            "instance 0 was told to use jemalloc and its malloc was that of a library unknown",
            "instance 1 was told to use jemalloc and its malloc was that of "
            "/usr/lib/libtcmalloc.so.4",
        ]

    def test_without_one_a_preload_of_the_users_own_is_right(self):
        config = RunConfig(cores_per_instance=2, instances=2)
        assert judge(self.run(self.GOOD, None, config=config)).valid

    def test_not_reported_is_not_judged(self):
        instances = [make_instance(0, malloc_library=self.GOOD), make_lost(1)]
        record = make_record(self.JEMALLOC, instances=instances, status="lost instances")
        assert not any("jemalloc" in message for message in failures(record))
