"""Which configurations are still in contention, and which of them is measured next?

`decision` is a pure function of measurements; `estimates` says what they tell of each
configuration, `costs` what a trial takes, `score` what is compared, `space` who takes part; `loop`
goes from one decision to the next, on instances or on a `recorded` grid.
"""
