import os
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from tests.engines.emulation import skip_if_emulated
from tests.engines.thin_engine import compute_plain_scores

from resnet50_bench.config import Precision
from resnet50_bench.engines.base import LoadRequest
from resnet50_bench.engines.tensorflow import ENGINE, count_fused_ops, find_unfused, plan_pool
from resnet50_bench.errors import ModelError
from resnet50_bench.instance.streams import Stream
from resnet50_bench.model.graph.probe import plan_probe_images

CPUS = sorted(os.sched_getaffinity(0))

pytestmark = pytest.mark.tensorflow


def request(path, batch_size=4, **options):
    return LoadRequest(path, Precision.AVX_FP32, threads=2, batch_size=batch_size, options=options)


def test_a_query_gives_float32_probabilities_equal_to_a_plain_sessions(thin_path):
    images = plan_probe_images(4, seed=1)
    loaded = ENGINE.load(request(thin_path))
    scores = loaded.run(images)
    assert scores.shape == (4, 1001)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(scores, compute_plain_scores(thin_path, images), atol=1e-5)
    loaded.close()


@pytest.mark.parametrize(("batch_size", "threads"), [(4, 2), (3, 2), (4, 4)])
def test_two_callers_give_the_scores_of_one_in_the_same_order(thin_path, batch_size, threads):
    images = plan_probe_images(batch_size, seed=1)
    one = ENGINE.load(request(thin_path, batch_size))
    two = ENGINE.load(replace(request(thin_path, batch_size, callers="2"), threads=threads))
    np.testing.assert_allclose(two.run(images), one.run(images), atol=1e-5)
    assert two.evidence().fused_ops == one.evidence().fused_ops
    one.close()
    two.close()


@pytest.mark.parametrize("threads", [1, 2])
def test_streams_answer_at_once_as_one_caller_does(thin_path, threads):
    images = plan_probe_images(4, seed=1)
    loaded = ENGINE.load(replace(request(thin_path), streams=2, threads=2 * threads))
    expected = loaded.run(images)
    streams = [Stream(CPUS[:threads], loaded) for _ in range(2)]
    answers = [stream.submit(stream.query, images) for stream in streams]
    for answer in answers:
        np.testing.assert_allclose(answer.result(), expected, rtol=0, atol=1e-6)
    for stream in streams:
        stream.close()
    loaded.close()


ALONE = """
import sys, time
from pathlib import Path
from resnet50_bench.config import Precision
from resnet50_bench.engines.base import LoadRequest
from resnet50_bench.engines.tensorflow import ENGINE
from resnet50_bench.model.graph.probe import plan_probe_images
from resnet50_bench.instance.streams import Stream

request = LoadRequest(Path(sys.argv[1]), Precision.AVX_FP32, threads=2, batch_size=4, streams=2)
loaded, images = ENGINE.load(request), plan_probe_images(4, seed=1)
stream = Stream([int(sys.argv[2])], loaded)
stream.submit(stream.query, images).result()

def spend():
    process_ns, own_ns = time.process_time_ns(), time.thread_time_ns()
    for _ in range(20):
        stream.query(images)
    return (time.thread_time_ns() - own_ns) / (time.process_time_ns() - process_ns)

print(stream.submit(spend).result())
"""


@pytest.mark.alone
def test_a_stream_computes_in_its_own_thread(thin_path):
    """Else it could not keep to cores of its own: TensorFlow's own threads serve all streams.

    In a process of its own, as a worker is: a process has one pool, as large as its first user
    asked for, and the tests before this one asked for more.
    """
    skip_if_emulated("20 queries to compare the time of threads")
    arguments = [sys.executable, "-c", ALONE, thin_path, str(CPUS[0])]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert 0.9 < float(done.stdout) <= 1.001


TOGETHER = """
import os, sys, time
from pathlib import Path
from resnet50_bench.config import Precision
from resnet50_bench.engines.base import LoadRequest
from resnet50_bench.engines.tensorflow import ENGINE
from resnet50_bench.model.graph.probe import plan_probe_images

os.sched_setaffinity(0, {int(cpu) for cpu in sys.argv[2:]})
os.environ.update(ENGINE.environment(Precision.AVX_FP32, len(sys.argv[2:])))
request = LoadRequest(
    Path(sys.argv[1]), Precision.AVX_FP32, threads=len(sys.argv[2:]), batch_size=16
)
loaded, images = ENGINE.load(request), plan_probe_images(16, seed=1)
loaded.run(images)
process_ns, own_ns = time.process_time_ns(), time.thread_time_ns()
for _ in range(10):
    loaded.run(images)
print((time.thread_time_ns() - own_ns) / (time.process_time_ns() - process_ns))
"""


@pytest.mark.alone
@pytest.mark.skipif(len(CPUS) < 2, reason="needs two CPUs")
def test_a_caller_of_several_threads_computes_its_part(thin_path):
    """Else it sleeps through every operation, and waking it takes time after each of them.

    About half of the work is its own here, and a sixth when it leaves the operations to the pool.
    """
    skip_if_emulated("10 queries of 16 images to compare the time of threads")
    arguments = [sys.executable, "-c", TOGETHER, thin_path, *map(str, CPUS[:2])]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert 0.3 < float(done.stdout) < 0.9


@pytest.mark.parametrize(
    ("threads", "calls", "pool"), [(1, 1, 1), (8, 8, 1), (8, 1, 8), (8, 2, 8), (2, 1, 2)]
)
def test_the_pool_serves_as_many_cores_as_there_are(threads, calls, pool):
    assert plan_pool(threads, calls) == pool


def test_a_wrong_batch_is_an_error_and_never_a_shorter_answer(thin_path):
    from tensorflow.errors import InvalidArgumentError

    loaded = ENGINE.load(request(thin_path))
    with pytest.raises((InvalidArgumentError, ValueError)):
        loaded.run(np.zeros((4, 3, 224, 224), np.float32))
    loaded.close()


def test_evidence_names_the_runtime_and_the_fused_operations(thin_path):
    import tensorflow as tf

    loaded = ENGINE.load(request(thin_path))
    evidence = loaded.evidence()
    loaded.close()
    assert evidence.runtime == f"tensorflow {tf.__version__}"
    assert evidence.fused_ops == {
        "Conv2D[BiasAdd,Add,Relu]": 16,
        "Conv2D[BiasAdd,Relu]": 33,
        "Conv2D[BiasAdd]": 4,
        "MatMul[BiasAdd]": 1,
        "MaxPool": 1,
        "Mean": 1,
        "Softmax": 1,
        "Squeeze": 1,
    }


def test_a_closed_engine_answers_nothing(thin_path):
    loaded = ENGINE.load(request(thin_path, callers="2"))
    loaded.close()
    with pytest.raises(RuntimeError):
        loaded.run(plan_probe_images(4, seed=1))


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"<html>", "is not a TensorFlow graph"), (b"", "TensorFlow cannot load the graph")],
)
def test_a_file_that_is_no_graph_is_a_model_error(tmp_path, content, problem):
    pytest.importorskip("tensorflow")
    path = tmp_path / "model.pb"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=problem):
        ENGINE.load(request(path))


def test_a_missing_file_is_a_model_error(tmp_path):
    pytest.importorskip("tensorflow")
    with pytest.raises(ModelError, match="No such file"):
        ENGINE.load(request(tmp_path / "none.pb"))


def test_the_environment_fixes_threads_and_forbids_fewer_bits():
    assert ENGINE.environment(Precision.AVX_FP32, 3) == {
        "OMP_NUM_THREADS": "3",
        "TF_NUM_INTRAOP_THREADS": "3",
        "TF_NUM_INTEROP_THREADS": "1",
        "TF_ONEDNN_THREADPOOL_USE_CALLER_THREAD": "1",
        "TF_ENABLE_ONEDNN_OPTS": "1",
        "TF_ENABLE_ZENDNN_OPTS": "0",
        "TF_CPP_MIN_LOG_LEVEL": "1",
        "CUDA_VISIBLE_DEVICES": "-1",
        "ONEDNN_DEFAULT_FPMATH_MODE": "STRICT",
    }


def test_fused_operations_are_counted_by_what_they_hold():
    def node(op, *fused):
        names = SimpleNamespace(list=SimpleNamespace(s=[name.encode() for name in fused]))
        return SimpleNamespace(op=op, attr={"fused_ops": names})

    nodes = [
        node("Const"),
        node("_Arg"),
        node("_MklNativeFusedConv2D", "BiasAdd", "Relu"),
        node("_MklNativePadWithFusedConv2D", "BiasAdd", "Relu"),
        node("_FusedConv2D", "BiasAdd"),
        node("_MklNativeConv2D"),
        node("_MklNativePadWithConv2D"),
        node("_MklSoftmax"),
        node("AddV2"),
        node("_MklQuantizedConv2DWithBiasAndReluAndRequantize"),
        node("_MklQuantizedConv2DWithBiasSumAndReluAndRequantize"),
        node("_MklQuantizedConv2DWithBiasSignedSumAndReluAndRequantize"),
        node("QuantizedConv2DWithBiasAndRequantize"),
        node("_FusedQuantizedConv2D", "BiasAdd", "Requantize"),
        node("_MklQuantizedMaxPool"),
    ]
    assert count_fused_ops(nodes) == {
        "AddV2": 1,
        "Conv2D": 2,
        "Conv2D[BiasAdd,Relu]": 2,
        "Conv2D[BiasAdd]": 1,
        "Pad[Conv2D]": 2,
        "QuantizedConv2D[BiasAdd,Relu,Requantize]": 1,
        "QuantizedConv2D[BiasAdd,Requantize]": 2,
        "QuantizedConv2D[BiasAdd,Sum,Relu,Requantize]": 2,
        "QuantizedMaxPool": 1,
        "Softmax": 1,
    }


def test_what_could_be_inside_of_a_convolution_and_is_not():
    assert find_unfused({"Conv2D[BiasAdd,Relu]": 33, "MatMul[BiasAdd]": 1, "MaxPool": 1}) == {}
    left = {"Add": 16, "Conv2D[BiasAdd]": 20, "Relu": 16, "Softmax": 1}
    assert find_unfused(left) == {"Add": 16, "Relu": 16}
