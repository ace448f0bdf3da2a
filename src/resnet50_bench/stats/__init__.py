"""What can be said of samples?

Percentiles, slices of a window and its spread; where a series becomes steady, and how well its
mean is known; shares with their intervals and tests.

Imports nothing of ours; numpy and scipy only where they are used.

Public names:
    `samples.nearest_rank`, `samples.describe_spread`: of times and rates.
    `intervals.estimate_mean`, `steady.find_warm_up`: of series in order of time.
    `proportions.wilson_interval`, `proportions.paired_interval`: of counts.
"""
