"""How all charts look: text, axes and legends in the page's own colours and type."""

from __future__ import annotations

from typing import Any

_FONT = "system-ui, sans-serif"
_TEXT = {"labelColor": "var(--soft)", "titleColor": "var(--soft)", "labelFont": _FONT,
         "titleFont": _FONT, "labelFontSize": 11, "titleFontSize": 11,
         "titleFontWeight": "normal"}  # fmt: skip

THEME: dict[str, Any] = {
    "aria": False,  # the figure has a text alternative and a table; marks by the hundred are noise
    "background": None,
    "font": _FONT,
    "padding": {"left": 2, "right": 10, "top": 6, "bottom": 2},
    "view": {"stroke": None},
    "mark": {"tooltip": True},
    "axis": {
        **_TEXT, "labelSeparation": 8, "gridColor": "var(--line)", "domainColor": "var(--line)",
        "tickColor": "var(--line)", "gridDash": [2, 3],
    },
    "axisBand": {"grid": False, "ticks": False, "domain": False},
    "legend": {**_TEXT, "orient": "top", "direction": "horizontal", "symbolSize": 80,
               "columns": 3},
    "text": {"font": _FONT},
}  # fmt: skip
"""A configuration of Vega-Lite."""
