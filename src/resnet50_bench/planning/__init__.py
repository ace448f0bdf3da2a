"""A request and a host: what will be run?

Resolves a `RunConfig` without starting anything: opens the images, finds the model, asks
`precision` what can run and `placement` who sits where, and makes of the result the jobs and the
launcher. `--dry-run` stops behind it.

May import `launch`, `instance`, `placement`, `precision`, `model`, `data`, `engines`, `host`.

Public names:
    `plan.plan_run`: a `RunConfig` to a `RunPlan`, or the error that a user should read.
    `plan.RunPlan`: everything decided before the first process starts.
    `jobs.plan_jobs`: a plan to what each instance is told.
"""
