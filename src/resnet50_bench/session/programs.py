"""An engine's own benchmark program: started, held to the cores of a run, and ended."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from resnet50_bench.engines.tools import ToolFigures, ToolRequest, load_tool
from resnet50_bench.errors import HostError
from resnet50_bench.interpreter import advise_start, describe_refusal
from resnet50_bench.session.preparation import prepare_model
from resnet50_bench.session.stages import Silence, Stages
from resnet50_bench.signals import signals_held

if TYPE_CHECKING:
    from resnet50_bench.engines.tools import Tool
    from resnet50_bench.planning.plan import RunPlan
    from resnet50_bench.search.programs import Way

_PATIENCE_S = 120.0
"""A program may take so much longer than it was told to measure: it loads the model, too."""

_LOOK_S = 0.5
_TAIL_LINES = 8


def measure_tool(plan: RunPlan, way: Way, seconds: float, log: Path) -> ToolFigures:
    """Have the engine's program measure what a plan does, on the same CPUs in the same environment.

    Args:
        plan: of our run, its model prepared.
        way: how queries are made.
        seconds: how long.
        log: the file for what it prints.

    Raises:
        HostError: it cannot be started, fails, or takes too long.
    """
    tool = load_tool(plan.config.engine)
    assert tool is not None
    assert plan.model is not None
    slot = plan.placement.slots[0]
    with tempfile.TemporaryDirectory(prefix="r50-peers-") as folder:
        request = ToolRequest(
            model_path=plan.model.path,
            precision=plan.config.precision,
            threads=len(slot.cpus),
            streams=way.streams,
            batch_size=plan.workload.batch_size,
            seconds=seconds,
            folder=Path(folder),
        )
        _run(tool, request, plan, log)
        return tool.read_report(request.folder)


def _run(tool: Tool, request: ToolRequest, plan: RunPlan, log: Path) -> None:
    cpus = plan.placement.slots[0].cpus

    def take_place() -> None:
        os.sched_setaffinity(0, cpus)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())

    with log.open("wb") as output, ExitStack() as stack:
        with signals_held():  # until it is noted that it must end
            try:
                process = subprocess.Popen(
                    tool.plan_command(request),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=plan.worker_environment,
                    preexec_fn=take_place,  # noqa: PLW1509 - no thread holds a lock it needs
                )
            except OSError as error:
                raise HostError(
                    f"{tool.name} cannot be started: {describe_refusal(error)}",
                    advise_start(error),
                ) from error
            stack.callback(_end, process)
        code = _await(process, request.seconds + _PATIENCE_S)
    if code != 0:
        end = "was not over in time" if code is None else f"ended with exit code {code}"
        tail = tuple(log.read_text(errors="replace").splitlines()[-_TAIL_LINES:])
        raise HostError(f"{tool.name} {end}", f"{log} holds all that it printed", tail)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _await(process: subprocess.Popen[bytes], limit_s: float) -> int | None:
    deadline_s = time.monotonic() + limit_s
    while time.monotonic() < deadline_s:
        with suppress(subprocess.TimeoutExpired):
            return process.wait(_LOOK_S)
    return None


def prepare(plan: RunPlan) -> RunPlan:
    """Return the plan with its model, prepared now if that was never done.

    Raises:
        ModelError: it cannot be.
    """
    return prepare_model(plan, Stages(Silence(), plan))
