"""Which classes an accuracy run took for which others, with the names of their images."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from resnet50_bench.data.labels.classes import read_classes
from resnet50_bench.instance.predictions import find_class_offset, unpack_rows
from resnet50_bench.report.html.charts.chart import Chart, Column, nominal, quantitative, tooltips

if TYPE_CHECKING:
    from resnet50_bench.results.record import Evaluation

_DRAWN = 20
_LISTED = 200
_NAMED = 12
_BAR_PX = 22


def plan_confusions(chart: str, evaluation: Evaluation) -> Chart | None:
    """Return the commonest confusions as bars; in the table more of them, and their images."""
    pairs = find_confusions(evaluation)
    if not pairs:
        return None
    ordered = sorted(pairs.items(), key=lambda item: (-len(item[1]), item[0]))
    named = evaluation.outputs_order is None
    rows = [
        {
            "pair": f"{_name(label, named=named)} \u2192 {_name(answer, named=named)}",
            "label": _name(label, named=named),
            "answer": _name(answer, named=named),
            "count": len(images),
            "images": ", ".join(images[:_NAMED])
            + f" and {len(images) - _NAMED} more" * (len(images) > _NAMED),
        }
        for (label, answer), images in ordered[:_LISTED]
    ]
    columns = (
        Column("label", "shows"),
        Column("answer", "was answered"),
        Column("count", "images"),
        Column("images", "which"),
    )
    wrong = sum(map(len, pairs.values()))
    first = rows[0]
    drawn = rows[:_DRAWN]
    return Chart(
        id=chart,
        title="Confusions",
        text=(
            f"Bars of the {len(drawn)} commonest of {len(pairs):,} confusions; {wrong:,} images "
            f"were answered wrong. The commonest: {first['label']} was taken for "
            f"{first['answer']} {first['count']} times."
        ),
        spec={
            "height": max(2, len(drawn)) * _BAR_PX,
            "transform": [
                {"window": [{"op": "row_number", "as": "place"}]},
                {"filter": f"datum.place <= {_DRAWN}"},
            ],
            "mark": {"type": "bar", "color": "var(--series-2)", "cornerRadiusEnd": 3},
            "encoding": {
                "y": nominal("pair", None, axis={"labelLimit": 300}),
                "x": quantitative("count", "images", axis={"tickMinStep": 1, "format": "d"}),
                "tooltip": tooltips(columns[:3]),
            },
        },
        rows=rows,
        columns=columns,
        notes=(
            "what an image shows \u2192 what it was taken for",
            *([f"the table has the {_LISTED} commonest"] if len(pairs) > _LISTED else []),
        ),
        wide=True,
    )


def find_confusions(evaluation: Evaluation) -> dict[tuple[int, int], list[str]]:
    """Return the names of the images by what they show and what was answered, both 0..999.

    An answer that is the background class is -1.
    """
    offset = find_class_offset(evaluation.classes, evaluation.class_offset)
    pairs: dict[tuple[int, int], list[str]] = defaultdict(list)
    for row in unpack_rows(evaluation.rows):
        label, answer = evaluation.labels[row.position], row.classes[0] - offset
        if label != answer:
            pairs[label, answer].append(evaluation.images[row.position])
    return pairs


def _name(number: int, *, named: bool) -> str:
    """The class's first name; its number where the model's outputs are in an order of their own."""
    if not named or not 0 <= number < len(read_classes()):
        return "background" if number < 0 else f"class {number}"
    return read_classes()[number].names[0]
