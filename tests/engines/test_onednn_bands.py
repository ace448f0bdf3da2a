"""oneDNN computes a network depth first: the answers, to the bit, are those layer by layer.

Random blocks, bands, tiles, strides and paddings; each value in memory of its own between two pages
that end the process when they are touched.
"""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.engines.installed import needs_onednn
from tests.unit.engines.onednn.networks import draw_network, find_ends, list_block

from resnet50_bench.config import Precision
from resnet50_bench.engines.onednn.bands import is_safe, plan_pass, plan_whole
from resnet50_bench.engines.onednn.binding import OneDnn
from resnet50_bench.engines.onednn.chain import Chain
from resnet50_bench.engines.onednn.kernels import Workshop
from resnet50_bench.engines.onednn.memory import Memory
from resnet50_bench.engines.onednn.network import Kind, Weights
from resnet50_bench.engines.onednn.plan import plan_steps
from resnet50_bench.engines.onednn.threads import Team
from resnet50_bench.errors import EngineError

pytestmark = needs_onednn

PRECISIONS = (Precision.AVX_FP32, Precision.AVX_BFLOAT16, Precision.AVX_INT8)
CLASSES = 10


class Archive(dict):
    """Arrays, as NumPy's archive has them."""

    def close(self):
        pass


def make_weights(network, seed, *, is_int8):
    """Kernels whose sums stay near the size of what they read."""
    random = np.random.default_rng(seed)
    arrays, channels = Archive(), {"images": 3}
    for item in network.operations:
        inputs = channels[item.source]
        channels[item.name] = item.channels
        if item.kind is Kind.CLASSIFIER:
            arrays[f"{item.name}/kernel"] = random.normal(0, 0.1, (inputs, CLASSES))
        elif item.kind is Kind.CONVOLUTION:
            shape = item.window, item.window, inputs, item.channels
            if is_int8:
                arrays[f"{item.name}/kernel"] = random.integers(-127, 128, shape, np.int8)
                arrays[f"{item.name}/scales"] = random.uniform(0.001, 0.02, item.channels)
            else:
                arrays[f"{item.name}/kernel"] = random.normal(0, 0.3, shape)
        else:
            continue
        arrays[f"{item.name}/bias"] = random.normal(0, 0.5, item.channels)
    for name, array in arrays.items():
        arrays[name] = array if array.dtype == np.int8 else array.astype(np.float32)
    return Weights(arrays)


def answer(library, program, images, *, apart):
    """The scores, on an arena or on memory apart, all of it with guards."""
    if apart:
        kept = [Memory(life.size) for life in program.lives]
        places = {life.name: memory.address for life, memory in zip(program.lives, kept)}
    else:
        kept = [Memory(program.arena.size)]
        places = program.place(kept[0].address)
    source, scores = Memory(images.nbytes), Memory(len(images) * CLASSES * 4)
    for memory in kept:  # what was there before is no part of an answer
        memory.write(b"\x7f" * memory.size)
    source.write(images.tobytes())
    Chain(library, program, places).run(source.address, scores.address)
    found = np.frombuffer(scores.read(), np.float32)[: len(images) * CLASSES].copy()
    for memory in (*kept, source, scores):
        memory.close()
    return found


@pytest.mark.parametrize("precision", PRECISIONS)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
@given(data=st.data())
def test_bands_of_any_network_give_the_answers_of_whole_layers(precision, data):
    is_int8 = precision is Precision.AVX_INT8
    network = data.draw(draw_network(is_int8=is_int8, widths=(4, 16, 20)))
    steps = plan_steps(network, precision)
    images = data.draw(st.integers(1, 3))
    passes = draw_passes(data, list_block(steps), images)
    behind = [plan_whole(step, images) for step in steps[len(list_block(steps)) :]]
    whole = [plan_whole(step, images) for step in steps]
    values = np.random.default_rng(0).normal(0, 2, (images, network.side, network.side, 3))
    values = np.ascontiguousarray(values, np.float32)
    library = OneDnn()
    Team((), 1)
    workshop = Workshop(library, make_weights(network, 1, is_int8=is_int8))
    try:
        expected = answer(library, workshop.make(whole, images, 1), values, apart=True)
        banded = workshop.make([*passes, *behind], images, 1)
        for apart in (True, False):
            np.testing.assert_array_equal(answer(library, banded, values, apart=apart), expected)
        assert np.isfinite(expected).all()
        np.testing.assert_allclose(expected.reshape(images, CLASSES).sum(axis=1), 1, rtol=1e-5)
    except EngineError as error:
        pytest.skip(error.message)
    finally:
        workshop.close()
        library.close()


def draw_passes(data, steps, images):
    """Passes of one block or several, in bands of any height or in tiles of some images."""
    passes, begin = [], 0
    while begin < len(steps):
        end = data.draw(st.sampled_from([end for end in find_ends(steps) if end > begin]))
        rows = data.draw(st.one_of(st.none(), st.integers(1, steps[end - 1].result.side)))
        together = data.draw(st.integers(1, images)) if rows is None else 1
        item = plan_pass(steps[begin:end], images, together, rows)
        assert is_safe(item)
        passes.append(item)
        begin = end
    return passes
