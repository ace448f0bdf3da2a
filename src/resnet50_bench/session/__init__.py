"""How does one run go, end to end?

A list of stages that reads like the numbered lines a user sees: prepare the model, start the
instances, measure, prove the precision, explain a low accuracy, conclude. Measuring speed and
judging accuracy are two implementations of one interface.

May import everything but `cli`.

Public names:
    `run.execute`: a plan to a finished run: its folder and its record.
"""
