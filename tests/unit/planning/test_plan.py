from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.hosts.synthetic import GIB, Machine
from tests.records import make_manifest

from resnet50_bench.config import Allocator, CaseType, DataType, Mode, Precision, RunConfig
from resnet50_bench.data.sources import ImageRef
from resnet50_bench.errors import ConfigError, DatasetError, PlacementError, RequestError
from resnet50_bench.instance.job import DummyFeedRequest
from resnet50_bench.model.manifest import FileIdentity, ModelSource
from resnet50_bench.planning import model as model_plan
from resnet50_bench.planning import plan as plan_module
from resnet50_bench.planning.jobs import plan_jobs, plan_trace_jobs
from resnet50_bench.planning.model import describe_model
from resnet50_bench.planning.plan import RunPlan, plan_run

EIGHT_CORES = Machine(packages=2, nodes=(4,), smt=2)
MIB = 1024**2
IMAGE_BYTES = 602_112  # 224 * 224 * 3 values of 4 bytes


@pytest.fixture
def host(monkeypatch):
    """Two sockets of four cores, in place of this machine."""
    machine = EIGHT_CORES.host()
    monkeypatch.setattr(plan_module, "read_host", lambda: machine)
    return machine


@pytest.fixture
def images(tmp_path) -> str:
    """Five files that look like images; planning opens none of them."""
    for number in range(5):
        (tmp_path / f"{number}.jpg").write_bytes(b"x" * number)
    (tmp_path / "notes.txt").write_bytes(b"x")
    return str(tmp_path)


def plan(environ: dict[str, str] | None = None, **asked: object) -> RunPlan:
    return plan_run(RunConfig(**({"engine": "null"} | asked)), environ or {})


def real(images: str, **asked: object) -> RunPlan:
    return plan(data_type=DataType.REAL, dataset=images, **asked)


def names(refs: tuple[ImageRef, ...]) -> list[str]:
    return [ref.name for ref in refs]


@pytest.mark.usefixtures("host")
class TestEnvironment:
    @pytest.mark.parametrize(
        "name",
        [
            "TF_ENABLE_ONEDNN_OPTS", "TF_NUM_INTRAOP_THREADS", "ONEDNN_MAX_CPU_ISA",
            "DNNL_VERBOSE", "KMP_AFFINITY", "MKL_NUM_THREADS", "GOMP_CPU_AFFINITY", "XLA_FLAGS",
            "OMP_PROC_BIND", "LD_PRELOAD", "MALLOC_CONF", "MALLOC_ARENA_MAX", "GLIBC_TUNABLES",
        ],
    )  # fmt: skip
    def test_what_sways_a_framework_is_left_out_and_named(self, name):
        found = plan({name: "shell", "PATH": "p"})
        assert found.worker_environment == {
            "PATH": "p",
            "OMP_NUM_THREADS": "1",
            "PYTHONUNBUFFERED": "1",
        }
        assert found.left_out == (name,)
        assert found.warnings() == [
            f"not passed on to the instances: {name} (--customer-env sets variables for them)"
        ]

    @pytest.mark.parametrize(
        "name",
        ["TF_VAR_region", "TF_CLI_ARGS", "TF_LOG", "TF_LOG_PATH", "LD_LIBRARY_PATH", "HOME",
         "MALLOC", "NOT_TF_", "tf_x"],
    )  # fmt: skip
    def test_what_does_not_is_passed_on(self, name):
        found = plan({name: "shell"})
        assert found.worker_environment[name] == "shell"
        assert (found.left_out, found.warnings()) == ((), [])

    def test_customer_env_wins_over_the_shell_and_the_engine(self):
        found = plan(
            {"ONEDNN_VERBOSE": "shell", "A": "shell", "OMP_NUM_THREADS": "64"},
            customer_env={
                "ONEDNN_VERBOSE": "1",
                "A": "mine",
                "OMP_NUM_THREADS": "3",
                "PYTHONUNBUFFERED": "0",
            },
        )
        mine = {
            "ONEDNN_VERBOSE": "1",
            "A": "mine",
            "OMP_NUM_THREADS": "3",
            "PYTHONUNBUFFERED": "0",
        }
        assert found.environment == mine
        assert found.worker_environment == mine
        # What is set by r50 or by the user is not "left out".
        assert found.left_out == ()

    def test_the_allocator_is_preloaded_into_the_workers_alone(self, monkeypatch):
        monkeypatch.setattr(
            plan_module, "find_library", lambda allocator: Path("/l", allocator.value)
        )
        environ = {"LD_PRELOAD": "shell"}
        found = plan(environ, allocator=Allocator.JEMALLOC)
        assert found.environment["LD_PRELOAD"] == "/l/jemalloc"
        assert found.worker_environment["LD_PRELOAD"] == "/l/jemalloc"
        assert environ == {"LD_PRELOAD": "shell"}
        assert "LD_PRELOAD" not in plan(environ).worker_environment

    @pytest.mark.parametrize(
        ("asked", "writes"),
        [
            ({}, False),
            ({"onednn_verbose": True}, True),
            ({"onednn_verbose": True, "customer_env": {"ONEDNN_VERBOSE": "0"}}, False),
            ({"customer_env": {"ONEDNN_VERBOSE": "2"}}, True),
            ({"customer_env": {"ONEDNN_VERBOSE": "none"}}, False),
            ({"customer_env": {"DNNL_VERBOSE": "1"}}, True),
        ],
    )
    def test_kernels_are_written_to_a_log_of_their_own(self, asked, writes):
        found = plan(**asked)
        assert found.writes_kernels == writes
        assert {job.kernel_log for job in plan_jobs(found)} == {writes}
        assert {job.kernel_log for job in plan_trace_jobs(found)} == {False}
        warning = "oneDNN writes a line per primitive while it measures: the figure is lower for it"
        assert found.warnings() == [warning] * writes

    def test_names_left_out_are_sorted(self):
        assert plan({"XLA_FLAGS": "", "DNNL_VERBOSE": ""}).left_out == ("DNNL_VERBOSE", "XLA_FLAGS")

    def test_the_callers_environment_is_not_touched(self):
        environ = {"TF_X": "1"}
        customer_env = {"A": "1"}
        plan(environ, customer_env=customer_env)
        assert (environ, customer_env) == ({"TF_X": "1"}, {"A": "1"})

    def test_cache_folder_follows_the_environment(self):
        assert plan({"R50_CACHE_DIR": "somewhere"}).cache_dir == Path("somewhere/models")


@pytest.mark.usefixtures("host")
class TestPlacement:
    @pytest.mark.parametrize(
        ("asked", "cores", "instances"),
        [
            ({}, 4, 2),
            ({"mode": Mode.LATENCY}, 4, 2),
            ({"cores_per_instance": 1, "instances": 3}, 1, 3),
            ({"mode": Mode.LATENCY, "cores_per_instance": 2}, 2, 4),
        ],
    )
    def test_follows_the_request(self, asked, cores, instances):
        found = plan(**asked).placement
        assert (found.cores_per_instance, len(found.slots)) == (cores, instances)

    @pytest.mark.parametrize("mode", [Mode.THROUGHPUT, Mode.LATENCY])
    def test_gated_is_a_whole_socket_in_every_mode(self, monkeypatch, mode):
        host = Machine(packages=2, nodes=(6,)).host()
        monkeypatch.setattr(plan_module, "read_host", lambda: host)
        found = plan(case_type=CaseType.GATED, mode=mode)
        assert (found.placement.cores_per_instance, len(found.placement.slots)) == (6, 2)
        assert (found.workload.steps, found.workload.batch_size) == (10, 1)

    def test_gated_keeps_the_cores_that_were_asked_for(self):
        found = plan(case_type=CaseType.GATED, mode=Mode.LATENCY, cores_per_instance=3)
        assert found.placement.cores_per_instance == 3

    def test_smt_and_span_sockets_are_passed_on(self):
        found = plan(smt=True, span_sockets=True, cores_per_instance=8).placement
        assert found.slots[0].cpus == tuple(range(16))
        assert found.slots[0].sockets == (0, 1)

    def test_what_does_not_fit(self):
        with pytest.raises(PlacementError):
            plan(cores_per_instance=5)


@pytest.mark.usefixtures("host")
class TestEngineOptions:
    def test_every_problem_is_named(self):
        with pytest.raises(ConfigError) as caught:
            plan(engine_options={"callers": "2", "query_ms": "fast", "fault": "kill"})
        assert caught.value.problems == (
            "--engine-option callers: the null engine has only query_ms, answer, fault, fault_instance, "
            "fault_query",
            "--engine-option query_ms=fast: must be a number of milliseconds",
        )

    def test_reach_the_jobs(self):
        for job in plan_jobs(plan(engine_options={"query_ms": "2.5"})):
            assert job.engine_options == {"query_ms": "2.5"}


@pytest.mark.usefixtures("host")
class TestJobs:
    def test_one_for_each_slot(self):
        found = plan(
            precision=Precision.AVX_INT8, batch_size=3, steps=4, warmup_steps=2, min_time_s=0.5,
            seed=9,
        )  # fmt: skip
        jobs = plan_jobs(found)
        assert [job.slot for job in jobs] == list(found.placement.slots)
        for job in jobs:
            assert (job.engine, job.model_path) == ("null", None)
            assert job.precision is Precision.AVX_INT8
            assert (job.batch_size, job.steps, job.warmup_steps) == (3, 4, 2)
            assert job.min_time_ns == 500_000_000
            assert (job.dummy, job.real, job.trace) == (DummyFeedRequest(9), None, False)

    def test_images_are_divided_among_the_instances(self, images):
        jobs = plan_jobs(real(images, batch_size=2))
        assert [names(job.real.refs) for job in jobs] == [
            ["0.jpg", "2.jpg", "4.jpg"],
            ["1.jpg", "3.jpg"],
        ]
        for job in jobs:
            assert job.dummy is None
            assert (job.real.batch_size, job.real.threads, job.real.profile) == (2, 4, "mlperf")
            assert job.real.path == images

    def test_limit_takes_the_first_by_name(self, images):
        found = real(images, limit=3)
        assert names(found.refs) == ["0.jpg", "1.jpg", "2.jpg"]
        assert [names(job.real.refs) for job in plan_jobs(found)] == [["0.jpg", "2.jpg"], ["1.jpg"]]

    def test_fewer_images_than_instances(self, images):
        jobs = plan_jobs(real(images, limit=1))
        assert [names(job.real.refs) for job in jobs] == [["0.jpg"], ["0.jpg"]]

    @pytest.mark.parametrize(
        ("memory", "pool"),
        [
            # available and limit
            ((64 * GIB, None), 2 * GIB),  # the bound of a pool
            ((8 * GIB, None), GIB),  # a quarter of 8 GiB, for 2 instances
            ((64 * GIB, 4 * GIB), GIB // 2),
            ((4 * GIB, 64 * GIB), GIB // 2),
        ],
    )
    def test_pools_share_a_quarter_of_the_memory(self, monkeypatch, host, images, memory, pool):
        available, limit = memory
        small = replace(host, memory_available_bytes=available, memory_limit_bytes=limit)
        monkeypatch.setattr(plan_module, "read_host", lambda: small)
        assert [job.real.max_pool_bytes for job in plan_jobs(real(images))] == [pool, pool]

    def test_a_traced_batch_takes_generated_images(self, images):
        found = real(images)
        for job, traced in zip(plan_jobs(found), plan_trace_jobs(found), strict=True):
            assert traced.trace
            assert (traced.dummy, traced.real) == (DummyFeedRequest(0), None)
            assert (traced.slot, traced.batch_size) == (job.slot, job.batch_size)

    def test_no_images(self, tmp_path):
        with pytest.raises(DatasetError):
            real(str(tmp_path))


@pytest.mark.usefixtures("host")
class TestEstimates:
    def test_null_engine(self):
        found = plan(batch_size=1, steps=600, warmup_steps=6)
        # A pool of 128 images at least; 60 images/s on 4 cores: 600 / 60 + 6 / 60 + 8 to start.
        assert found.memory_per_instance_bytes == 100 * MIB + 128 * IMAGE_BYTES
        assert found.expected_s == pytest.approx(18.1)

    def test_four_batches_when_these_are_more_than_128_images(self):
        found = plan(batch_size=64)
        assert found.memory_per_instance_bytes == 100 * MIB + 256 * IMAGE_BYTES
        # 30 * 64 / 60 = 32 s is more than the minimum time of 20 s; warm-up 5 * 64 / 60.
        assert found.expected_s == pytest.approx(8 + 32 + 16 / 3)

    def test_minimum_time_binds(self):
        found = plan(batch_size=1)
        assert found.expected_s == pytest.approx(8 + 20 + 5 / 60)

    def test_no_model_is_needed(self):
        found = plan()
        assert (found.model_source, found.model, found.emulated) == (None, None, False)

    def test_too_little_memory_is_a_warning(self, monkeypatch, host):
        # Two instances of 100 MiB + 73.5 MiB: 0.34 GiB.
        small = replace(host, memory_available_bytes=GIB, memory_limit_bytes=GIB // 4)
        monkeypatch.setattr(plan_module, "read_host", lambda: small)
        assert plan().warnings() == [
            "the instances may need 0.3 GiB and 0.2 GiB is available: use a smaller --batch-size "
            "or a larger --cores-per-instance"
        ]

    def test_memory_that_just_suffices(self, monkeypatch, host):
        needed = 2 * (100 * MIB + 128 * IMAGE_BYTES)
        for spare_bytes, count in ((0, 0), (-1, 1)):
            tight = replace(host, memory_available_bytes=needed + spare_bytes)
            monkeypatch.setattr(plan_module, "read_host", lambda tight=tight: tight)
            assert len(plan().warnings()) == count


class TestDescriptions:
    def test_host(self, host):
        assert plan().describe_host() == "Synthetic CPU: 8 cores, 2 sockets, 2 memory nodes, 64 GiB"

    def test_part_of_a_small_host(self, monkeypatch):
        machine = replace(Machine(nodes=(1,)).host(), total_cores=4)
        monkeypatch.setattr(plan_module, "read_host", lambda: machine)
        assert plan(cores_per_instance=1).describe_host() == (
            "Synthetic CPU: 1 core of 4, 1 socket, 1 memory node, 64 GiB"
        )

    def test_model(self):
        manifest = make_manifest("generated", prepared=FileIdentity("m", "0123456789abcdef", 1))
        assert describe_model(manifest) == (
            "ResNet-50 v1.5 (generated, seed 0) for avx_fp32, sha256 0123456789ab"
        )
        assert describe_model(make_manifest()) == (
            "ResNet-50 v1.5 (resnet50_v1.pb) for avx_fp32, sha256 aaaaaaaaaaaa"
        )


class TestModelSource:
    """Of an engine that needs a model; TensorFlow itself is not imported."""

    @pytest.fixture(autouse=True)
    def _found(self, monkeypatch, host):
        self.sources = []
        monkeypatch.setattr(
            model_plan, "find_prepared", lambda source, *_: self.sources.append(source)
        )

    def test_generated_unless_named(self):
        found = plan(engine="tensorflow")
        assert found.model_source == ModelSource(seed=0)
        assert (found.model, self.sources) == (None, [found.model_source])
        # The runtime, the activations of a batch of 32, and a pool of 128 images.
        runtime, activations = plan_module.RUNTIME_BYTES, 32 * plan_module.BYTES_PER_IMAGE
        assert found.memory_per_instance_bytes == runtime + activations + 128 * IMAGE_BYTES

    @pytest.mark.parametrize(
        ("asked", "split"),
        [
            ({"precision": Precision.AMX_INT8}, False),  # four cores share each operation
            ({"precision": Precision.AMX_INT8, "engine_options": {"callers": "4"}}, True),
            ({"precision": Precision.AMX_BFLOAT16, "cores_per_instance": 1}, True),
            ({"precision": Precision.AVX_INT8, "cores_per_instance": 1}, False),
            (
                {"precision": Precision.AMX_INT8, "cores_per_instance": 1, "batch_size": 4},
                False,
            ),
        ],
    )
    def test_large_kernels_are_split_where_a_core_computes_alone(self, monkeypatch, asked, split):
        monkeypatch.setattr(plan_module, "_require_precision", lambda *_: True)
        found = plan(engine="tensorflow", **asked)
        assert found.model_source == ModelSource(seed=0, split=split)
        assert self.sources == [found.model_source]

    def test_callers_that_do_not_fit_are_refused_before_anything_is_started(self):
        with pytest.raises(ConfigError) as caught:
            plan(engine="tensorflow", engine_options={"callers": "3"})
        assert caught.value.problems == (
            "--engine-option callers=3: it must divide the 4 threads of an instance",
        )
        assert self.sources == []

    def test_preparation_takes_time(self):
        asked = {"batch_size": 1, "steps": 60, "warmup_steps": 6}
        found = plan(engine="tensorflow", **asked)
        assert found.expected_s == pytest.approx(30 + 8 + 0.1 + 1 + 8)  # the last 8: the trace

    def test_a_file_by_its_absolute_path(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        found = plan(engine="tensorflow", model="m.pb")
        assert found.model_source == ModelSource(path=str(tmp_path / "m.pb"))

    def test_a_folder_is_refused(self, tmp_path):
        with pytest.raises(RequestError) as caught:
            plan(engine="tensorflow", model=str(tmp_path))
        assert caught.value.message == f"--model {tmp_path} is a folder"
        assert caught.value.advice == "give the frozen graph itself, a .pb file"

    def test_customer_env_wins_over_the_precisions_caps(self):
        ours = plan(engine="tensorflow").environment
        assert ours["ONEDNN_MAX_CPU_ISA"] == "AVX2"
        found = plan(engine="tensorflow", customer_env={"ONEDNN_MAX_CPU_ISA": "SSE41"})
        assert found.environment == ours | {"ONEDNN_MAX_CPU_ISA": "SSE41"}
