"""Assembly text to machine code in this process, by LLVM: no compiler on the machine is needed.

LLVM assembles for any x86 CPU, whichever this one is. An instruction that it does not know, as an
old LLVM may not, ends the process: there is no error to catch.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from resnet50_bench.limits.kernels import SYMBOL

if TYPE_CHECKING:
    from typing import Any

_TRIPLE = "x86_64-unknown-linux-gnu"


class Code:
    """Machine code that can be called as long as this object lives.

    Attributes:
        address: of the function.
    """

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self.address: int = engine.get_function_address(SYMBOL)


def load(assembly: str) -> Code:
    """Assemble a function named `kernels.SYMBOL` and make it callable.

    Whether this CPU has its instructions is the caller's to know.

    Raises:
        RuntimeError: LLVM makes no code for x86-64 here.
    """
    llvm = _start_llvm()
    engine = llvm.create_mcjit_compiler(_parse(assembly), _make_target_machine())
    engine.finalize_object()
    return Code(engine)


def assemble(assembly: str) -> bytes:
    """Return the object file (ELF) of a function.

    Raises:
        RuntimeError: LLVM makes no code for x86-64 here.
    """
    return bytes(_make_target_machine().emit_object(_parse(assembly)))


def _parse(assembly: str) -> Any:
    """A module of nothing but the text, with its function declared."""
    lines = "\n".join(f'module asm "{line}"' for line in assembly.strip().splitlines())
    source = f'target triple = "{_TRIPLE}"\n{lines}\ndeclare void @{SYMBOL}(i64)\n'
    return _start_llvm().parse_assembly(source)


def _make_target_machine() -> Any:
    return _start_llvm().Target.from_triple(_TRIPLE).create_target_machine(jit=True)


@cache
def _start_llvm() -> Any:
    from llvmlite import binding

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    binding.initialize_native_asmparser()
    return binding
