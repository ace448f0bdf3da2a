"""Which configuration next?

Which combinations of parameters fit a machine, in which order and how often they are measured, what
is already there of an interrupted search, and which of them is best.

May import `cases`, `verdict`, `results`, `planning`, `placement`, `precision`, `stats`.

Public names:
    `grid.plan_grid`: combinations to those that fit a host, and the reason of each that does not.
    `racing.plan_step`: measurements to what a race measures next, or to its end.
    `tuned.select_tuned`: the stored answer of a race, if it still holds.
"""
