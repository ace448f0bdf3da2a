"""What could this machine do at most, and how much work is the model?

A speed says little until one knows what would be possible. The work of the model is counted layer
by layer, from its shapes.

May import `precision`, `model`, `contention`, `host` and the package root.

Public names:
    `reference.plan_rows`: what others published, beside computed limits.
    `work.Layer`, `work.plan_layers`: the model, layer by layer: shapes, multiply-adds, bytes.
"""
