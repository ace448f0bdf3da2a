"""The convolutions of ResNet-50, in the order in which the published graph numbers them.

Source of the shape: He et al., "Deep Residual Learning for Image Recognition", table 1; the
stride stands in the 3x3 convolution in v1.5 and in the first 1x1 convolution in v1.
"""

from __future__ import annotations

from dataclasses import dataclass

BLOCKS_PER_STAGE = (3, 4, 6, 3)
"""Bottleneck blocks in each of the four stages of ResNet-50."""

BASE_WIDTH = 64
"""Channels after the stem, and inside the bottlenecks of the first stage."""

EXPANSION = 4
"""A bottleneck's output channels over its inner channels."""

CLASSES = 1001
"""ImageNet's 1000 classes after the background class at index 0."""


@dataclass(frozen=True, slots=True)
class Convolution:
    """One convolution, followed by a batch normalization.

    Attributes:
        index: its number in the graph, from 0: `conv2d`, `conv2d_1`, ...
        in_channels: channels it reads.
        filters: channels it writes.
        kernel: side of its square kernel.
        stride: 1 or 2, in both directions.
    """

    index: int
    in_channels: int
    filters: int
    kernel: int
    stride: int = 1

    @property
    def kernel_shape(self) -> tuple[int, int, int, int]:
        """Height, width, input channels, filters: TensorFlow's HWIO order."""
        return (self.kernel, self.kernel, self.in_channels, self.filters)

    @property
    def fan_in(self) -> int:
        """Products summed into one output value."""
        return self.kernel * self.kernel * self.in_channels


@dataclass(frozen=True, slots=True)
class Block:
    """One bottleneck: 1x1 reduce, 3x3, 1x1 expand, added to its shortcut.

    Attributes:
        projection: the 1x1 convolution on the shortcut; None where the shortcut is the input.
        ends_stage: the stage (1..4) this block is the last of; None elsewhere.
    """

    projection: Convolution | None
    reduce: Convolution
    spatial: Convolution
    expand: Convolution
    ends_stage: int | None


@dataclass(frozen=True, slots=True)
class Network:
    """All of ResNet-50 up to its classifier."""

    stem: Convolution
    blocks: tuple[Block, ...]

    @property
    def features(self) -> int:
        """Channels averaged into the classifier's input: 2048 at full width."""
        return self.blocks[-1].expand.filters

    @property
    def convolutions(self) -> tuple[Convolution, ...]:
        """All convolutions in the graph's order."""
        found = [self.stem]
        for block in self.blocks:
            inner = (block.projection, block.reduce, block.spatial, block.expand)
            found.extend(convolution for convolution in inner if convolution is not None)
        return tuple(found)

    def parameters(self, classes: int = CLASSES, *, folded: bool = False) -> int:
        """Count the trained values: 25,557,032 for 1000 classes at full width.

        A batch norm has two per channel (scale and offset); the moving statistics are not
        trained. Folded into its convolution it leaves one, the bias.
        """
        per_channel = 1 if folded else 2
        convolutions = sum(
            (convolution.fan_in + per_channel) * convolution.filters
            for convolution in self.convolutions
        )
        return convolutions + (self.features + 1) * classes


def plan_network(base_width: int = BASE_WIDTH, *, stride_in_3x3: bool = True) -> Network:
    """Lay out ResNet-50.

    Args:
        base_width: channels after the stem; less than 64 gives a thin model for tests.
        stride_in_3x3: v1.5 when true, v1 when false.
    """
    stem = Convolution(0, 3, base_width, kernel=7, stride=2)
    blocks: list[Block] = []
    index, channels = 1, base_width
    for stage, count in enumerate(BLOCKS_PER_STAGE):
        inner = base_width * 2**stage
        outer = inner * EXPANSION
        for position in range(count):
            first = position == 0
            stride = 2 if first and stage > 0 else 1
            reduce_stride, spatial_stride = (1, stride) if stride_in_3x3 else (stride, 1)
            projection = Convolution(index, channels, outer, 1, stride) if first else None
            index += 1 if first else 0
            blocks.append(
                Block(
                    projection,
                    reduce=Convolution(index, channels, inner, 1, reduce_stride),
                    spatial=Convolution(index + 1, inner, inner, 3, spatial_stride),
                    expand=Convolution(index + 2, inner, outer, 1),
                    ends_stage=stage + 1 if position == count - 1 else None,
                )
            )
            index, channels = index + 3, outer
    return Network(stem, tuple(blocks))
