"""What do the Workload Services Framework's names mean?

Its test cases and platforms, its `--set` grammar, its test-config and testset files.

May import `parameters`, `precision`, `placement`, `host`.

Public names:
    `catalog.find_case`, `catalog.design_cases`: a test case by its name; those of a platform.
    `grammar.plan_combinations`: texts of `--set` to combinations of settings.
"""
