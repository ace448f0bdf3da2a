"""LoadGen's settings: which word is the strongest."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from resnet50_bench.errors import ConfigError
from resnet50_bench.scenarios.messages import Begin, IssuerJob
from resnet50_bench.scenarios.request import LoadgenMode, LoadgenRequest, Scenario
from resnet50_bench.scenarios.rounds import read_rounds
from resnet50_bench.scenarios.settings import make_settings, set_expected, settle

BUILT_IN = """
import json, os, mlperf_loadgen as loadgen
settings = loadgen.TestSettings()
assert settings.FromConfig(os.devnull, "resnet50", "Offline", 1) == 0
names = ("qsl_rng_seed", "sample_index_rng_seed", "schedule_rng_seed", "min_duration_ms",
         "min_query_count", "performance_sample_count_override")
print(json.dumps({name: getattr(settings, name) for name in names}))
"""


class FakeSettings(SimpleNamespace):
    """LoadGen's `TestSettings`, whose files say what a test wants."""

    def FromConfig(self, path: str, model: str, scenario: str, kind: int) -> int:  # noqa: N802
        self.files = [*getattr(self, "files", []), (path, kind)]
        assert (model, scenario) == ("resnet50", self.asked)
        self.min_duration_ms = 600_000
        return -2 if "nowhere" in path else 0


def make_loadgen(scenario: Scenario) -> Any:
    words = {item.value: item.value for item in Scenario}
    return SimpleNamespace(
        TestSettings=lambda: FakeSettings(
            asked=scenario.value, performance_sample_count_override=1024, server_target_qps=1.0,
            server_target_latency_ns=0, multi_stream_samples_per_query=8, min_query_count=1,
        ),
        TestScenario=SimpleNamespace(**words),
        TestMode=SimpleNamespace(AccuracyOnly="accuracy", PerformanceOnly="performance"),
    )  # fmt: skip


def make_job(scenario: Scenario = Scenario.OFFLINE, **asked: Any) -> IssuerJob:
    return IssuerJob(
        request=LoadgenRequest(scenario=scenario, **asked), folder="", queue="", cpus=(0,),
        own_core=True, loading_cpus=(0,), total=2000, samples=None, seed=0,
        seeds=read_rounds()[-1].seeds,
    )  # fmt: skip


def make(job: IssuerJob) -> Any:
    return make_settings(make_loadgen(job.request.scenario), job)


def test_without_rules_a_run_is_short() -> None:
    settings = make(make_job(Scenario.MULTI_STREAM))
    assert (settings.min_duration_ms, settings.min_query_count) == (10_000, 662)
    assert (settings.scenario, settings.mode) == ("MultiStream", "performance")
    assert not hasattr(settings, "files")


def test_flags_win_over_rules() -> None:
    settings = make(make_job(Scenario.SERVER, rules=True, target_qps=7.5, min_time_ms=250))
    assert (settings.min_duration_ms, settings.server_target_qps) == (250, 7.5)
    assert [kind for _, kind in settings.files] == [1]
    assert settings.schedule_rng_seed == read_rounds()[-1].seeds["schedule_rng_seed"]


def test_rules_in_a_file_stand_in_place_of_those_that_are_built_in() -> None:
    job = make_job(mlperf_conf="/a/mlperf.conf", user_conf="/a/user.conf")
    settings = make(job)
    assert settings.files == [("/a/mlperf.conf", 2), ("/a/user.conf", 2)]
    assert not hasattr(settings, "schedule_rng_seed")  # which the file has


def test_a_file_that_loadgen_cannot_read_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"--user-conf /nowhere/u\.conf: LoadGen cannot read it"):
        make(make_job(user_conf="/nowhere/u.conf"))


def test_what_holds_is_told() -> None:
    job = make_job(Scenario.SERVER, target_qps=7.5, latency_bound_ns=9)
    settled = settle(make(job), job, "6.0.17")
    assert (settled.target_qps, settled.latency_bound_ns, settled.samples) == (7.5, 9, 128)
    assert settled.samples_per_query == 1
    ruled = make_job(rules=True)
    assert settle(make(ruled), ruled, "6.0.17").samples == 1024


@pytest.mark.parametrize(
    ("job", "said"),
    [
        (make_job(rules=True), "too few images: 1,024 are to be in memory, and there are 1,000"),
        (make_job(Scenario.MULTI_STREAM), "too few images in memory: a query has 8 samples, and 7"),
        (make_job(Scenario.SERVER), "the target of queries a second is 0"),
    ],
)
def test_what_the_images_cannot_hold_is_refused(job: IssuerJob, said: str) -> None:
    settings = make(job)
    settings.server_target_qps = 0.0
    total = 1000 if job.request.rules else 7 if "7" in said else 2000
    fewer = IssuerJob(**{name: getattr(job, name) for name in job.__struct_fields__}
                      | {"total": total})  # fmt: skip
    with pytest.raises(ConfigError, match=said):
        settle(settings, fewer, "6")


def test_what_is_expected_leaves_what_was_asked_alone() -> None:
    begin = Begin(library="", expected_qps=50.0, expected_latency_ns=7)
    asked = LoadgenRequest(scenario=Scenario.OFFLINE, target_qps=3.0)
    settings = SimpleNamespace(offline_expected_qps=3.0)
    set_expected(settings, begin, asked)
    assert settings.offline_expected_qps == 3.0
    set_expected(settings, begin, replace(asked, target_qps=None))
    assert settings.offline_expected_qps == 50.0
    assert settings.single_stream_expected_latency_ns == 7


def test_accuracy_is_another_mode_of_loadgens() -> None:
    assert make(make_job(mode=LoadgenMode.ACCURACY)).mode == "accuracy"


def test_the_rounds_seeds_and_rules_are_those_built_into_loadgen() -> None:
    """In a process of its own: only the first call in one reads them."""
    pytest.importorskip("mlperf_loadgen", reason="needs the extra `loadgen`")
    done = subprocess.run([sys.executable, "-c", BUILT_IN], capture_output=True, check=True)
    assert json.loads(done.stdout) == {
        **read_rounds()[-1].seeds,
        "min_duration_ms": 600_000,
        "min_query_count": 24_576,
        "performance_sample_count_override": 1024,
    }
