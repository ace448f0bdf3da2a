import json
from pathlib import Path

import pytest

from resnet50_bench.config import Precision
from resnet50_bench.engines.openvino.tool import TOOL
from resnet50_bench.engines.tools import TOOLS, ToolFigures, ToolRequest, load_tool
from resnet50_bench.errors import HostError


def plan(folder: Path, **changes: object) -> list[str]:
    fields = {"model_path": folder / "model.pb", "precision": Precision.AVX_BFLOAT16, "threads": 4,
              "streams": 1, "batch_size": 8, "seconds": 5.4, "folder": folder}  # fmt: skip
    return list(TOOL.plan_command(ToolRequest(**(fields | changes))))


def find(words: list[str], flag: str) -> str:
    return words[words.index(flag) + 1]


def test_the_program_is_told_what_the_engine_is_told(tmp_path):
    words = plan(tmp_path)
    assert find(words, "-m") == str(tmp_path / "model.pb")
    assert find(words, "-shape") == "[8,224,224,3]"
    assert (find(words, "-nthreads"), find(words, "-nstreams"), find(words, "-nireq")) == (
        "4", "1", "1"
    )  # fmt: skip
    assert (find(words, "-api"), find(words, "-infer_precision")) == ("sync", "bf16")
    assert (find(words, "-hint"), find(words, "-pin"), find(words, "-t")) == ("none", "NO", "5")


def test_streams_are_asked_for_asynchronously_and_a_folder_holds_the_converted_model(tmp_path):
    words = plan(tmp_path, streams=4, model_path=tmp_path, precision=Precision.AVX_INT8)
    assert (find(words, "-api"), find(words, "-nstreams")) == ("async", "4")
    assert find(words, "-m") == str(tmp_path / "model.xml")
    assert find(words, "-infer_precision") == "f32"


def test_its_report_is_read(tmp_path):
    results = {"throughput": "22.95", "latency (ms)": "684.43", "total number of iterations": "8"}
    (tmp_path / "benchmark_report.json").write_text(json.dumps({"execution_results": results}))
    assert TOOL.read_report(tmp_path) == ToolFigures(22.95, 684.43)


@pytest.mark.parametrize("text", [None, "{", "{}", '{"execution_results": {"throughput": "fast"}}'])
def test_one_that_holds_no_figures_is_told(tmp_path, text):
    if text is not None:
        (tmp_path / "benchmark_report.json").write_text(text)
    with pytest.raises(HostError, match="benchmark_app left no figures in"):
        TOOL.read_report(tmp_path)


def test_every_tool_can_be_loaded_and_others_have_none():
    assert all(load_tool(name) is not None for name in TOOLS)
    assert load_tool("tensorflow") is None
