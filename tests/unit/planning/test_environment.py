from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.planning.plans import plan

from resnet50_bench.config import Allocator
from resnet50_bench.planning import environment as environment_module
from resnet50_bench.planning.jobs import plan_jobs, plan_trace_jobs


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
            environment_module, "find_library", lambda allocator: Path("/l", allocator.value)
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
