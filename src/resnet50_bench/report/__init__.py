"""How does a result look?

Rendering only: a record, its KPIs and its verdict as a page on the terminal (`terminal`), the
framework's KPI text and tables (`kpi`), its logs, CTest's list, JSON, and many runs as a page for
the browser (`html`). Nothing here measures, decides or prints by itself: `cli` prints.

May import `results`, `verdict`, `planning`, `cases` and what these stand on.

Public names:
    `terminal.run.print_result`: the result that `r50 run` ends with.
    `kpi.text.render_kpi_text`: the framework's KPI text.
    `summary.summarize`: the same for machines.
"""
