"""The sizes of batches that are warmed up."""

from __future__ import annotations

import pytest

from resnet50_bench.instance.serving.sizes import choose_size, plan_sizes


@pytest.mark.parametrize(
    ("most", "sizes"),
    [(1, (1,)), (2, (1, 2)), (3, (1, 2, 3)), (8, (1, 2, 3, 4, 6, 8)), (10, (1, 2, 3, 4, 6, 8, 10))],
)
def test_sizes(most: int, sizes: tuple[int, ...]) -> None:
    assert plan_sizes(most) == sizes


@pytest.mark.parametrize("most", [1, 5, 32, 33, 200])
def test_at_most_a_third_of_a_batch_is_padding(most: int) -> None:
    sizes = plan_sizes(most)
    for count in range(1, most + 1):
        size = choose_size(sizes, count)
        assert count <= size <= most
        assert size - count <= size / 3
