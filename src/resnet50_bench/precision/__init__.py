"""What does a precision mean on this CPU, can it run, and did it run?

A precision (`avx_int8`, `amx_bfloat16`, ...) is a data type and an instruction set. Which oneDNN
setting asks for it, which CPU flags it needs and which kernel names prove that it ran stand
together here.

May import `host` and `engines` (for the kernels that were seen).

Public names:
    `meaning.plan_meaning`: precision and CPU flags to what is asked of oneDNN.
    `runnable.require_runnable`: can it run here, natively or emulated; if not, what it takes.
    `proof.plan_verdict`: the kernels that ran to the proof of the precision.
"""
