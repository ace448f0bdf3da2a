"""In processes of their own: TensorFlow loads the plug-in once, and for good."""

import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from tests.engines.thin_engine import compute_plain_scores

from resnet50_bench.config import Precision
from resnet50_bench.engines import load_engine
from resnet50_bench.engines.onednn_trace import TRACE_ENVIRONMENT, parse_trace
from resnet50_bench.model.graph.probe import plan_probe_images

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.skipif(
        importlib.util.find_spec("zentf") is None,
        reason="zentf is not installed: pip install 'resnet50-bench[zentf]'",
    ),
]

CODE = """
import json, sys
from pathlib import Path
from resnet50_bench.config import Precision
from resnet50_bench.engines import LoadRequest, load_engine
from resnet50_bench.model.graph.probe import plan_probe_images
load = LoadRequest(Path(sys.argv[2]), Precision.AVX_FP32, threads=2, batch_size=2)
loaded = load_engine(sys.argv[1]).load(load)
scores = loaded.run(plan_probe_images(2, seed=1))
found = loaded.evidence()
print(json.dumps([found.runtime, found.fused_ops, scores.tolist()]))
"""


@pytest.mark.parametrize("name", ["zentf", "tensorflow"])
def test_the_plug_in_answers_and_the_stock_run_beside_it_is_fused_as_without(name, thin_path):
    variables = load_engine(name).environment(Precision.AVX_FP32, 2) | TRACE_ENVIRONMENT
    done = subprocess.run([sys.executable, "-c", CODE, name, str(thin_path)], check=True,
                          env=os.environ | variables, stdout=subprocess.PIPE, text=True)  # fmt: skip
    *lines, last = done.stdout.splitlines()
    runtime, fused_ops, scores = json.loads(last)
    assert ("zentf" in runtime) == (name == "zentf")
    assert sum(n for op, n in fused_ops.items() if op.startswith("Conv2D[")) == 53
    assert "Relu" not in fused_ops
    expected = compute_plain_scores(thin_path, plan_probe_images(2, seed=1))
    np.testing.assert_allclose(scores, expected, atol=1e-6)
    calls = [item for item in parse_trace(lines).kernels if item.primitive == "convolution"]
    assert sum(item.calls for item in calls) >= 53
