"""Charts, one subject a file: in Vega-Lite, with its data, in words and as a table.

Public names:
    `chart.Chart`: what the page draws.
"""
