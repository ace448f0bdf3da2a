"""What could this machine do at most, and how much work is the model?

A speed says little until one knows what would be possible. Loops of multiply-adds in registers, one
for each instruction set and data type, and loops over memory are written out as assembly text
(`kernels`), made machine code at run time (`assembler`), and run on all cores at once (`burst`) in
a process of their own (`probe`). The work of the model is counted layer by layer, from its shapes.

May import `precision`, `model`, `contention`, `host` and the package root.

Public names:
    `reference.plan_rows`: what others published, beside computed limits.
    `measure.measure_roofline`: measure what some CPUs can do at most, all at once.
    `roofline.Roofline`: the answer; `cache.read_kept`, `cache.keep`: where it lies meanwhile.
    `kind.plan_kind`: which of the peaks is a precision's limit.
    `work.Layer`, `work.plan_layers`: the model, layer by layer: shapes, multiply-adds, bytes.
"""
