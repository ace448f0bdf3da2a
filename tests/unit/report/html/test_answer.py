"""The sentence on top of the page."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.loadgens import make_loadgen
from tests.records import make_record

from resnet50_bench.report.html.answer import describe_answer
from resnet50_bench.report.html.configurations import group_runs
from resnet50_bench.report.html.rows import describe_run
from resnet50_bench.scenarios.request import Scenario


@pytest.mark.parametrize("scenario", Scenario)
def test_a_run_of_loadgen_is_called_by_its_scenario(scenario):
    """And never the highest throughput: a Server that is asked for little answers little."""
    rows = [describe_run(Path("runs/one"), make_record(loadgen=make_loadgen(scenario)))]
    assert describe_answer(rows, group_runs(rows)) == (
        f"LoadGen {scenario.value}: 128.00 images/s, in avx_fp32."
    )
    rows.append(describe_run(Path("runs/two"), make_record()))
    assert describe_answer(rows, group_runs(rows)).startswith("128.00 images/s in avx_fp32, with")
