"""May a result be believed, may two be compared, why is one low?

Works on records alone: the checks need no host and no process.

May import `results`, `placement`, `precision`.

Public names:
    `judge.judge`: a record to VALID, or INVALID with every failed check and the flag that helps.
    `comparison.answers.compare`: two accuracy runs, image by image.
    `comparison.speed.compare_speeds`: the speeds of repeated runs, and what they show.
    `explain.explain`: what a low accuracy comes from.
"""
