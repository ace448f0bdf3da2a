"""Which configuration next?

Which combinations of parameters fit a machine, in which order and how often they are measured, what
is already there of an interrupted search, and which of them is best.

May import `verdict`, `results`, `planning`, `placement`, `precision`, `parameters`, `host` and
`stats`.

Public names:
    `grid.plan_grid`: combinations to those that fit a host, and the reason of each that does not.
    `race.decision.plan_step`: measurements to what a race measures next, or to its end.
    `tuned.answers.select_tuned`: the stored answer of a race, if it still holds.
    `points.run_points`: one point after the other, whoever chooses the next; `--set` and sweeps.
    `folder.Sweep`: what was asked of a sweep; `folder.read_past` what came of it so far.
    `standings.find_standings`: what its runs say of each candidate, and which is best.
"""
