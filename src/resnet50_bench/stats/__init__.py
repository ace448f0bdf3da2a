"""What can be said of samples?

Percentiles, slices of a window and its spread; shares with their intervals and tests.

Imports nothing of ours.

Public names:
    `samples.nearest_rank`, `samples.describe_spread`: of times and rates.
    `proportions.wilson_interval`, `proportions.paired_interval`: of counts.
"""
