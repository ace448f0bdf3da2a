"""`python -m tests.fuzz --inputs 1000000`: random inputs over all commands; see `make fuzz`.

Exits 1 when anything was found. A finding is repeated by the seed it is printed with:
`python -m tests.fuzz --seed SEED --inputs 1`.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from random import Random

from tests.fuzz.commands import list_commands
from tests.fuzz.sandbox import make_sandbox
from tests.fuzz.trial import Finding, clear, lay_out, try_input

_BATCH = 250
_MEMORY_BYTES = 6 * 1024**3


@dataclass
class Outcome:
    """What a batch of inputs gave."""

    inputs: int = 0
    by_command: Counter[str] = field(default_factory=Counter)
    findings: list[tuple[int, Finding]] = field(default_factory=list)


def try_batch(first: int, count: int) -> Outcome:
    """Try the inputs of so many seeds, each in the folder as it was laid out at the batch's begin.

    A batch begins at a multiple of its size, so that a seed alone repeats all that was before it.
    """
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, resource.RLIM_INFINITY))
    outcome, leaves = Outcome(), list(list_commands())
    with make_sandbox() as folder:
        lay_out(folder)
        for seed in range(first, first + count):
            random = Random(seed)
            leaf = random.choice(leaves)
            outcome.inputs += 1
            outcome.by_command[" ".join(leaf[0])] += 1
            finding = try_input(random, leaf, folder)
            if finding is not None:
                outcome.findings.append((seed, finding))
            if seed % 20 == 19:
                clear(folder)
    return outcome


def main() -> int:
    """Try the inputs, and print what was found; the first of each kind in full."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0, help="of the first input")
    parser.add_argument("--processes", type=int, default=2)
    wanted = parser.parse_args()
    began, total = time.monotonic(), Outcome()
    kinds: Counter[str] = Counter()
    starts = range(wanted.seed, wanted.seed + wanted.inputs, _BATCH)
    ends = wanted.seed + wanted.inputs
    with ProcessPoolExecutor(wanted.processes) as pool:
        counts = [min(_BATCH, ends - start) for start in starts]
        for outcome in pool.map(try_batch, starts, counts):
            total.inputs += outcome.inputs
            total.by_command += outcome.by_command
            for seed, finding in outcome.findings:
                if finding.kind not in kinds:
                    print(f"\n== seed {seed}: {finding.kind}\n{finding.arguments!r}")
                    print(finding.detail, flush=True)
                kinds[finding.kind] += 1
            if total.inputs % 50_000 < _BATCH:
                per_s = total.inputs / (time.monotonic() - began)
                print(
                    f"{total.inputs:,} inputs, {per_s:,.0f}/s, {kinds.total()} findings", flush=True
                )
    print(f"{total.inputs:,} inputs of {len(total.by_command)} commands in "
          f"{time.monotonic() - began:,.0f} s: {kinds.total()} findings of {len(kinds)} kinds")  # fmt: skip
    for kind, count in kinds.most_common():
        print(f"{count:>8}  {kind}")
    return 1 if kinds else 0


if __name__ == "__main__":
    sys.exit(main())
