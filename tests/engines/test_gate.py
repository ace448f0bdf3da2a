"""Thin graphs broken in each way there is: each is refused, and its place is named."""

from dataclasses import replace

import pytest

from resnet50_bench.config import Precision
from resnet50_bench.errors import ModelError
from resnet50_bench.model import CalibrationRequest
from resnet50_bench.model.agreement.answers import compare_answers
from resnet50_bench.model.agreement.faults import list_convolutions, plan_faults, put_nan
from resnet50_bench.model.agreement.gate import (
    MAX_TIMES_ROUNDING,
    find_worst,
    require_right,
)
from resnet50_bench.model.agreement.layers import measure_layers
from resnet50_bench.model.calibration import select_calibration
from resnet50_bench.model.graph.convolutions import find_convolutions
from resnet50_bench.model.graph.probe import plan_probe_images
from resnet50_bench.model.quantization.ranges import measure_ranges, read_calibration_batches
from resnet50_bench.model.recipes import find_recipe
from resnet50_bench.model.toolchain import run_graph

pytestmark = pytest.mark.tensorflow

CALIBRATION_IMAGES = 32
"""On an emulated CPU, too, as with the images that are compared: the ranges of half as many clip
what they have not seen, and by how much is a matter of the images."""

FAULTS = plan_faults()
BROKEN = [
    (precision, fault)
    for precision in (Precision.AVX_INT8, Precision.AVX_BFLOAT16)
    for fault in FAULTS
    if fault.is_broken is not False
    and not (fault.int8_only and precision is Precision.AVX_BFLOAT16)
]


class Prepared:
    """A thin graph, rounded, beside what it was before, and images neither has seen."""

    def __init__(self, source, precision):
        recipe = find_recipe(precision)
        self.graph = copy(source)
        for rewrite in recipe.steps:
            rewrite(self.graph)
        self.reference = copy(self.graph)
        if recipe.convert is not None:
            recipe.convert(self.graph)
        if recipe.quantize is not None:
            names = [fused.output for fused in find_convolutions(self.graph)]
            chosen = select_calibration(CalibrationRequest(images=CALIBRATION_IMAGES))
            ranges = measure_ranges(self.graph, names, read_calibration_batches(chosen))
            recipe.quantize(self.graph, ranges)
        self.images = plan_probe_images(4, seed=99)
        self._expected = run_graph(source, self.images)

    def judge(self, graph):
        """The agreement of a graph that may be broken."""
        worst = find_worst(measure_layers(self.reference, graph, self.images))
        found = run_graph(graph, self.images)
        return replace(compare_answers(self._expected, found), worst_layer=worst)


def stretch(model, first=15, factor=16.0):
    """Have one layer give 16 times as much and the next take it back: the same network.

    The ranges of a generated network are all alike, those of a trained one are not.
    """
    layers = list(model.weights.convolutions)
    wide, after = layers[first], layers[first + 1]
    layers[first] = replace(wide, gamma=wide.gamma * factor, beta=wide.beta * factor)
    layers[first + 1] = replace(after, kernel=after.kernel / factor)
    return replace(model, weights=replace(model.weights, convolutions=tuple(layers)))


def copy(graph):
    return type(graph).FromString(graph.SerializeToString())


@pytest.fixture(scope="module")
def prepared(thin_model):
    made: dict[Precision, Prepared] = {}

    def find(precision):
        if precision not in made:
            made[precision] = Prepared(stretch(thin_model).build(), precision)
        return made[precision]

    return find


@pytest.mark.parametrize("precision", [Precision.AVX_INT8, Precision.AVX_BFLOAT16])
def test_every_layer_of_a_right_graph_is_off_by_rounding_alone(prepared, precision):
    subject = prepared(precision)
    layers = measure_layers(subject.reference, subject.graph, subject.images)
    assert len(layers) == 1 + 53 + 1 + 1  # the input, the convolutions, the pooling, the answers
    assert max(layer.times_rounding for layer in layers) < MAX_TIMES_ROUNDING / 1.5
    assert sum(layer.relative_l2 > 0 for layer in layers) >= 53
    require_right(subject.judge(subject.graph))


@pytest.mark.parametrize(
    ("precision", "fault"), BROKEN, ids=[f"{each.value}-{fault.name}" for each, fault in BROKEN]
)
def test_a_broken_graph_is_refused(prepared, precision, fault):
    subject = prepared(precision)
    graph = copy(subject.graph)
    fault.spoil(graph, fault.convolution)
    with pytest.raises(ModelError, match=r"prepared graph (is broken at|has lost the layer)"):
        require_right(subject.judge(graph))


@pytest.mark.parametrize("precision", [Precision.AVX_INT8, Precision.AVX_BFLOAT16])
def test_a_bias_that_is_no_number_is_refused_wherever_it_is(prepared, precision):
    """Int8 and Relu make a number of it, and its channel may be one that changes no layer much."""
    subject = prepared(precision)
    for number in range(len(list_convolutions(subject.graph))):
        graph = copy(subject.graph)
        put_nan(graph, number)
        with pytest.raises(ModelError, match=r"is broken at .*: it holds values that are no numb"):
            measure_layers(subject.reference, graph, subject.images)


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.is_broken is False],
                         ids=lambda fault: fault.name)  # fmt: skip
def test_a_range_that_is_half_or_twice_what_it_might_be_is_no_fault(prepared, fault):
    """It costs one layer one bit, or some of its largest values: other calibrations choose so."""
    subject = prepared(Precision.AVX_INT8)
    graph = copy(subject.graph)
    fault.spoil(graph, fault.convolution)
    assert graph != subject.graph
    require_right(subject.judge(graph))


def test_the_broken_layer_is_named_and_not_those_after_it(prepared):
    subject = prepared(Precision.AVX_INT8)
    graph = copy(subject.graph)
    (fault,) = (fault for fault in FAULTS if fault.name == "weights zeroed, middle")
    fault.spoil(graph, fault.convolution)
    name = list_convolutions(graph)[fault.convolution].name.removesuffix("/int8")
    (wanted,) = (
        fused.output
        for fused in find_convolutions(subject.reference)
        if fused.convolution.name == name
    )
    layers = measure_layers(subject.reference, graph, subject.images)
    off = [layer.name for layer in layers if layer.times_rounding > MAX_TIMES_ROUNDING]
    assert off == [wanted]
