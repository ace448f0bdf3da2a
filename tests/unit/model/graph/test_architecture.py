import pytest

from resnet50_bench.model.graph.architecture import plan_network


def test_parameters_are_those_of_resnet_50():
    network = plan_network()
    assert network.parameters(1000) == 25_557_032
    assert network.parameters(1001) == 25_557_032 + 2049
    # Folding leaves one value per batch-norm channel instead of two; there are 26,560 channels.
    assert network.parameters(1001, folded=True) == 25_559_081 - 26_560


def test_the_graph_has_53_convolutions_numbered_in_order():
    convolutions = plan_network().convolutions
    assert [convolution.index for convolution in convolutions] == list(range(53))
    assert convolutions[0].kernel_shape == (7, 7, 3, 64)
    assert convolutions[1].kernel_shape == (1, 1, 64, 256)
    assert convolutions[-1].kernel_shape == (1, 1, 512, 2048)


@pytest.mark.parametrize(("in_3x3", "strided"), [(True, {7: 1, 3: 3, 1: 3}), (False, {7: 1, 1: 6})])
def test_the_stride_is_in_the_3x3_convolution_of_v1_5_and_the_1x1_of_v1(in_3x3, strided):
    found: dict[int, int] = {}
    for convolution in plan_network(stride_in_3x3=in_3x3).convolutions:
        if convolution.stride == 2:
            found[convolution.kernel] = found.get(convolution.kernel, 0) + 1
    assert found == strided


def test_multiply_adds_at_224_are_the_published_4_09_billion():
    network = plan_network()
    side, total = 112, network.stem.fan_in * 64 * 112 * 112
    side = 56
    for block in network.blocks:
        outer = side // block.spatial.stride
        total += block.reduce.fan_in * block.reduce.filters * side * side
        for convolution in (block.spatial, block.expand, block.projection):
            if convolution is not None:
                total += convolution.fan_in * convolution.filters * outer * outer
        side = outer
    assert total + 2048 * 1000 == 4_089_184_256
