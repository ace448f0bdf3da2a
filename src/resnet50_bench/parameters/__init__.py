"""Which parameters are there, and how does text become a `RunConfig`?

One table (`table.PARAMETERS`) names every parameter with its flag, its allowed values, its default
and its help; flags, `--set`, the environment and the test-config files are all read through it.

May import `host` (for bounds that the kernel sets) and the package root.

Public names:
    `table.PARAMETERS`: the table.
    `parameter.Setting`: one parameter as a user gave it, with the name to use in an error.
    `settings.make_config`: settings to a `RunConfig`, or every problem at once.
"""
