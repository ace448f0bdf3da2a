"""Which values of a group stand apart: robust z-scores, by the median and its absolute deviation.

The score is the modified z-score of B. Iglewicz and D. C. Hoaglin 1993 (How to Detect and Handle
Outliers, ASQC, section 3.3), whose bound is 3.5. A mean and a standard deviation would be drawn to
the very values that are looked for. The deviation of small groups is corrected by the factors of
C. Croux and P. J. Rousseeuw 1992 (Time-efficient algorithms for two highly robust estimators of
scale, COMPSTAT): it comes out too small otherwise, and hosts would be named for nothing.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

BOUND = 3.5
"""Further from the median than so many deviations is apart."""

FEWEST = 5
"""Of fewer values nobody is said to stand apart."""

_MAD = 1.4826
_SMALL = {5: 1.206, 6: 1.200, 7: 1.140, 8: 1.129, 9: 1.107}


def score(values: Sequence[float], floor: float) -> list[float]:
    """Return the robust z-score of each value; all 0 of fewer than `FEWEST`.

    Args:
        values: of a group.
        floor: the least deviation: more than half of the values may be equal.
    """
    count = len(values)
    if count < FEWEST:
        return [0.0] * count
    middle = statistics.median(values)
    deviation = _MAD * statistics.median(abs(value - middle) for value in values)
    scale = max(floor, deviation * _SMALL.get(count, count / (count - 0.8)))
    return [(value - middle) / scale for value in values]
