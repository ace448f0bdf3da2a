"""Networks for chains that never run: a block as ResNet's first, and the whole model's shapes."""

from __future__ import annotations

from hypothesis import strategies as st

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


@st.composite
def draw_network(draw, *, is_int8=False, widths=(4, 6)) -> Network:
    """A stem with or without a pooling, some blocks of any windows, strides and paddings.

    Args:
        is_int8: values have limits.
        widths: channels, in multiples of which are those of values.
    """
    side = draw(st.integers(9, 20))
    operations: list[Operation] = []
    source, channels, rows = IMAGES, 3, side
    if draw(st.booleans()):
        operations += draw_stem(draw, rows, draw(st.sampled_from(widths)))
        source, channels, rows = operations[-1].name, operations[-1].channels, operations[-1].side
    for number in range(draw(st.integers(1, 3))):
        block = draw_block(draw, number, (source, channels, rows), widths)
        operations += block
        source, channels, rows = block[-1].name, block[-1].channels, block[-1].side
    limits = {}
    if is_int8:
        limits = {item.name: draw(st.sampled_from((2.0, 9.0))) for item in operations}
        limits[IMAGES] = 4.0
    return Network(operations=(*operations, *make_tail(source, channels)), side=side, limits=limits)


def draw_stem(draw, side, channels) -> list[Operation]:
    """A convolution of a large window and a pooling."""
    stem = draw_convolution(draw, ("stem", IMAGES, channels, side), st.sampled_from((3, 5, 7)))
    window, padding = draw(st.sampled_from(((2, (0, 0, 0, 0)), (3, (1, 1, 1, 1)))))
    stride = draw(st.integers(1, 2))
    after = find_side(stem.side, window, stride, padding)
    pool = Operation(kind=Kind.MAX_POOL, name="pool", source="stem", side=after,
                     channels=channels, window=window, stride=stride, padding=padding)  # fmt: skip
    return [stem, pool]


def draw_block(draw, number, before, widths) -> list[Operation]:
    """A residual block, with a projection where its first value has other channels or a stride."""
    source, channels, side = before
    inner = draw(st.sampled_from(widths))
    stride = draw(st.integers(1, 2))
    outer = draw(st.sampled_from((channels, 2 * inner)))
    window = draw(st.sampled_from((1, 3, 5)))
    around = window // 2
    operations, shortcut = [], source
    inside = find_side(side, window, stride, (around,) * 4)
    if stride > 1 or outer != channels or source == IMAGES:
        shortcut = f"projection{number}"
        operations.append(convolve(shortcut, source, outer, inside, relu=False, stride=stride))
    operations += [
        convolve(f"reduce{number}", source, inner, side),
        convolve(f"spatial{number}", f"reduce{number}", inner, inside, window=window,
                 stride=stride, padding=(around,) * 4),
        convolve(f"sum{number}", f"spatial{number}", outer, inside, adds=shortcut),
    ]  # fmt: skip
    return operations


def draw_convolution(draw, what, windows) -> Operation:
    """One of any stride, and a padding that is not the same on all sides."""
    name, source, channels, side = what
    window, stride = draw(windows), draw(st.integers(1, 2))
    before, behind = draw(st.integers(0, window // 2)), draw(st.integers(0, window // 2))
    if side + before + behind < window:
        before = behind = window // 2
    padding = (before, before, behind, behind)
    after = find_side(side, window, stride, padding)
    return convolve(name, source, channels, after, window=window, stride=stride, padding=padding)


def find_side(side, window, stride, padding) -> int:
    """Rows of what a window gives."""
    return (side + padding[0] + padding[2] - window) // stride + 1


def list_block(steps):
    """The steps up to the last sum."""
    last = max(number for number, step in enumerate(steps) if step.added is not None)
    return steps[: last + 1]


def find_ends(steps):
    """Where a pass may end: behind a pooling or a sum."""
    return [
        number
        for number, step in enumerate(steps, 1)
        if step.added is not None
        or (step.operation is not None and step.operation.kind is Kind.MAX_POOL)
    ]
