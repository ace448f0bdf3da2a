"""Networks for chains that never run: a block as ResNet's first, and the whole model's shapes."""

from __future__ import annotations

from resnet50_bench.engines.onednn.network import IMAGES, Kind, Network, Operation
from resnet50_bench.model.graph.architecture import plan_network


def convolve(name, source, channels, side, **changes) -> Operation:
    """A convolution, 1x1 unless told otherwise, with a ReLU."""
    changes = {"relu": True, **changes}
    return Operation(
        kind=Kind.CONVOLUTION, name=name, source=source, channels=channels, side=side, **changes
    )


def make_tail(source, channels) -> list[Operation]:
    """From the average on."""
    return [
        Operation(kind=Kind.AVERAGE, name="mean", source=source, side=1, channels=channels),
        Operation(kind=Kind.CLASSIFIER, name="logits", source="mean", side=1, channels=10),
        Operation(kind=Kind.SOFTMAX, name="scores", source="logits", side=1, channels=10),
    ]


def make_block(**limits) -> Network:
    """A projection and three convolutions on images of 8 x 8, and what follows."""
    operations = [
        convolve("projection", IMAGES, 16, 8, relu=False),
        convolve("reduce", IMAGES, 4, 8),
        convolve("spatial", "reduce", 4, 8, window=3, padding=(1, 1, 1, 1)),
        convolve("sum", "spatial", 16, 8, adds="projection"),
        *make_tail("sum", 16),
    ]
    return Network(operations=tuple(operations), side=8, limits=limits)


def make_resnet50() -> Network:
    """The model, 224 x 224."""
    network = plan_network()
    pool = Operation(kind=Kind.MAX_POOL, name="pool", source="stem", side=56, channels=64,
                     window=3, stride=2, padding=(1, 1, 1, 1))  # fmt: skip
    stem = convolve("stem", IMAGES, 64, 112, window=7, stride=2, padding=(3, 3, 3, 3))
    operations, source, side = [stem, pool], "pool", 56
    for number, block in enumerate(network.blocks):
        shortcut = source
        inner = side // block.spatial.stride
        if block.projection is not None:
            shortcut = f"projection{number}"
            operations.append(
                convolve(shortcut, source, block.projection.filters, inner, relu=False,
                         stride=block.projection.stride)
            )  # fmt: skip
        operations.append(convolve(f"a{number}", source, block.reduce.filters, side))
        operations.append(
            convolve(f"b{number}", f"a{number}", block.spatial.filters, inner, window=3,
                     stride=block.spatial.stride, padding=(1, 1, 1, 1))
        )  # fmt: skip
        source, side = f"c{number}", inner
        operations.append(convolve(source, f"b{number}", block.expand.filters, side, adds=shortcut))
    return Network(operations=(*operations, *make_tail(source, 2048)), side=224)
