"""Who was to see which images, and what came back: that each was seen once is counted, not assumed.

The journal keeps one answer for each image, whoever gave it and how often. This counts what it
would hide.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from resnet50_bench.instance.predictions import split_rows
from resnet50_bench.results.record import Share

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from collections.abc import Set as AbstractSet

    from resnet50_bench.instance.job import Predicted


class Tally:
    """The images of each instance of a run, and the answers so far.

    Args:
        asked: for each instance, the positions of the images it was told to see.
    """

    def __init__(self, asked: Sequence[Sequence[int]]) -> None:
        self._asked = [frozenset(positions) for positions in asked]
        self._answered: set[int] = set()
        self._repeated: Counter[int] = Counter()
        self._strange: Counter[int] = Counter()

    def add(self, instance: int, answers: Predicted) -> None:
        """Count what an instance answered, or found unreadable."""
        positions = [position for position, _ in split_rows(answers.rows)]
        positions += [position for position, _ in answers.unreadable]
        for position in positions:
            self._repeated[instance] += position in self._answered
            self._strange[instance] += position not in self._asked[instance]
            self._answered.add(position)

    def describe(
        self, kept: AbstractSet[int], find_host: Callable[[int], str | None]
    ) -> tuple[Share, ...]:
        """Return the share of each instance, for the record.

        Args:
            kept: positions of all images that have an answer, of an earlier part of the run too.
            find_host: number of an instance -> where it is.
        """
        return tuple(
            Share(
                instance=instance,
                host=find_host(instance),
                asked=len(asked),
                missing=tuple(sorted(asked - kept)),
                repeated=self._repeated[instance],
                strange=self._strange[instance],
            )
            for instance, asked in enumerate(self._asked)
        )
