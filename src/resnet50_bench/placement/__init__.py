"""Who owns which cores?

Pure planning: a host and a request become slots, each with its CPUs and its memory node. No slot
shares a core with another, none lies outside what this process may use.

May import `host` and the package root.

Public names:
    `plan.plan_placement`: a host and a request to slots, or why it cannot be.
    `slots.Slot`, `slots.Placement`: the cores of one instance; all of them, with what stays idle.
    `layout.plan_layout`: the same from the parameters of a run.
"""
