"""The runnable image with TensorFlow and the models, run for real."""

from __future__ import annotations

import pytest

from resnet50_bench.config import Precision
from resnet50_bench.host.machine import read_host
from resnet50_bench.precision.runnable import plan_runnable
from resnet50_bench.results.files import read_record

from .conftest import find_run

pytestmark = [pytest.mark.containers, pytest.mark.usefixtures("whole")]


def test_the_readmes_run_gives_a_tar_with_status_and_logs_and_gives_it_again(start, tmp_path):
    container = start(
        "-e", "WORKLOAD=resnet50v1_5_tensorflow_xeon_public", "-e", "PLATFORM=SPR",
        "-e", "MODE=throughput", "-e", "TOPOLOGY=resnet50v1_5", "-e", "FUNCTION=inference",
        "-e", "PRECISION=avx_fp32", "-e", "BATCH_SIZE=2", "-e", "STEPS=5", "-e", "DATA_TYPE=dummy",
        "-e", "CORES_PER_INSTANCE=1", "-e", "WEIGHT_SHARING=False", "-e", "CASE_TYPE=",
        "-e", "VERBOSE=False", "-e", "INSTANCE_MODE=flex", "-e", "INSTANCES=1",
    )  # fmt: skip
    first = container.export(tmp_path / "first")
    second = container.export(tmp_path / "second")
    record = read_record(find_run(tmp_path / "first"))
    assert first == second
    assert record.status == "completed"
    assert record.config.batch_size == 2
    assert record.model is not None
    assert "[2/5] model ready" in first["output.log"]  # the image has it
    assert first["status"].splitlines()[0] in {"0", "1"}  # what the machine's noise makes of it
    assert "proved" in first["output.log"] or "PROVEN" in first["output.log"]
    assert (find_run(tmp_path / "first") / "benchmark_throughput_avx_fp32.log").is_file()


@pytest.mark.parametrize("precision", [Precision.AVX_BFLOAT16, Precision.AVX_INT8])
def test_the_image_has_the_graphs_of_low_precisions(start, tmp_path, precision):
    answer = plan_runnable(precision, read_host().cpu_flags, None)
    if not answer.runnable:
        pytest.skip(f"{precision.value}: {answer.reason}")
    container = start(
        "-e", f"PRECISION={precision.value}", "-e", "BATCH_SIZE=2", "-e", "STEPS=5",
        "-e", "CORES_PER_INSTANCE=1", "-e", "INSTANCES=1",
    )  # fmt: skip
    logs = container.export(tmp_path / "logs")
    assert "[2/5] model ready" in logs["output.log"]
    assert f"{precision.value} PROVEN" in logs["output.log"]
    assert read_record(find_run(tmp_path / "logs")).status == "completed"
