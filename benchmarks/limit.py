"""Where a chain of oneDNN's kernels loses time, layer by layer: `python benchmarks/limit.py`.

Every round measures the cores' peaks, and then, on all cores at the same time, a chain on each:

- chain: each kernel as it runs behind the one before it, at several numbers of images together;
- alone: the same kernel on the same memory again and again, one image, so that what it reads is as
  near as it can be;
- tile: oneDNN's kernel for so few rows of the layer that these stay in the core's own cache, again
  and again: what a residual block would have that is computed depth first.

A layer's time in the chain, less the smaller of the last two, is what comes of memory: the sum of
it is the most that depth first could gain with these kernels. Told are medians, in ms an image of
one core, and shares of the round's peak. A round takes about a minute for three precisions; run it
on a quiet machine. `--json FILE` keeps every layer.

`--depth-first` measures instead what depth first does gain: each stretch of the chain layer by
layer and in every way that the engine knows, in turns. Told is a way's time as a share of that
layer by layer, median and range of cores and rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from precisions import read_peaks
from resnet50_bench.config import Precision, RunConfig
from resnet50_bench.engines.onednn.binding import (
    BIAS,
    RESULT,
    SCALES,
    SCRATCHPAD,
    SOURCE,
    WEIGHTS,
    Layout,
    OneDnn,
    Window,
)
from resnet50_bench.engines.onednn.kernels import list_arguments, plan_fusion
from resnet50_bench.engines.onednn.memory import Memory
from resnet50_bench.engines.onednn.network import Kind
from resnet50_bench.engines.onednn.plan import DType, Step, Value
from resnet50_bench.engines.onednn.programs import Programs
from resnet50_bench.engines.onednn.race import race
from resnet50_bench.engines.onednn.threads import Team
from resnet50_bench.engines.onednn.ways import (
    Way,
    find_stretches,
    list_ways,
    plan_ways,
    read_cache_bytes,
)
from resnet50_bench.host.amx_probe import probe_amx
from resnet50_bench.host.machine import read_host
from resnet50_bench.limits.kind import plan_kind
from resnet50_bench.limits.measure import choose_cpus
from resnet50_bench.planning.plan import RunPlan
from resnet50_bench.session.door import plan
from resnet50_bench.session.programs import prepare
from runnable import choose_measured

TOGETHER = (1, 4, 8)
"""Images that go through a chain together."""

TILE_BYTES = 256 * 1024
"""What a tile reads and writes at most: a part of an L2, whose rest is the kernel's."""

LAYERS = "layer by layer"

_FILL = 0x3C
"""A byte that is a small number in every data type."""

_PASSES_S = 1.5
_REPEATED_S = 0.012
_LEAST = 3
_MS = 1e3


def measure_chain(
    programs: Programs, images: int, seconds: float
) -> tuple[list[str], list[float], float]:
    """Return the kernels' names, the median ms of each, and of a whole pass without clocks."""
    import numpy as np

    chain = programs.open_chain(images, 1)
    program = programs.find(images, 1)
    batch = np.random.default_rng(0).normal(0, 50, (images, programs.side, programs.side, 3))
    batch = np.ascontiguousarray(batch, np.float32)
    scores = np.empty((images, programs.classes), np.float32)
    source, result = batch.ctypes.data, scores.ctypes.data
    clock = time.perf_counter
    calls = [call for each in chain.calls for call in each]
    passes: list[float] = []
    times: list[list[float]] = [[] for _ in calls]
    end = clock() + seconds
    chain.run(source, result)
    while clock() < end or len(passes) < _LEAST:
        begin = clock()
        chain.run(source, result)
        passes.append(clock() - begin)
        for (call, arguments), taken in zip(calls, times):
            begin = clock()
            call(*arguments)
            taken.append(clock() - begin)
    names = [kernel.step.result.name for kernel in program.kernels]
    return (
        names,
        [statistics.median(taken) * _MS / images for taken in times],
        statistics.median(passes) * _MS / images,
    )


def repeat(call: Callable[[], object]) -> float:
    """Return the median ms of a call that is repeated."""
    clock = time.perf_counter
    taken: list[float] = []
    call()
    end = clock() + _REPEATED_S
    while clock() < end or len(taken) < _LEAST:
        begin = clock()
        call()
        taken.append(clock() - begin)
    return statistics.median(taken) * _MS


def measure_alone(programs: Programs) -> list[float]:
    """Return the ms of each kernel of a chain of one image on what it has read just before."""
    chain = programs.open_chain(1, 1)
    import numpy as np

    batch = np.zeros((1, programs.side, programs.side, 3), np.float32)
    scores = np.empty((1, programs.classes), np.float32)
    chain.run(batch.ctypes.data, scores.ctypes.data)
    return [
        repeat(lambda call=call, arguments=arguments: call(*arguments))
        for calls in chain.calls
        for call, arguments in calls
    ]


def choose_rows(step: Step) -> int:
    """Return how many rows of a layer's output a tile has: the most that fit, and divide it."""
    assert step.operation is not None
    side = step.result.side
    fitting = [
        rows
        for rows in range(1, side + 1)
        if side % rows == 0 and _count_tile_bytes(step, rows) <= TILE_BYTES
    ]
    return max(fitting, default=1)


def _count_tile_bytes(step: Step, rows: int) -> int:
    source, result = step.source, step.result
    reads = _count_rows_read(step, rows) * source.side * source.channels * source.dtype.size
    return reads + rows * result.side * result.channels * result.dtype.size


def _count_rows_read(step: Step, rows: int) -> int:
    assert step.operation is not None
    return (rows - 1) * step.operation.stride + step.operation.window


def measure_tile(library: OneDnn, step: Step) -> float:
    """Return the ms an image of a convolution that is made of tiles, each in the cache."""
    operation = step.operation
    assert operation is not None
    rows = choose_rows(step)
    _, left, _, right = operation.padding
    is_int8 = step.source.scale is not None
    kernel = DType.S8 if is_int8 else step.source.dtype
    window = operation.window
    layouts = {
        SOURCE: _lay_rows(step.source, _count_rows_read(step, rows)),
        WEIGHTS: Layout(sizes=(operation.channels, step.source.channels, window, window),
                        strides=None, dtype=kernel),
        BIAS: Layout(sizes=(operation.channels,), strides=(1,), dtype=DType.F32),
        RESULT: _lay_rows(step.result, rows),
    }  # fmt: skip
    primitive = library.convolution(
        layouts,
        Window(size=window, stride=operation.stride, padding=(0, left, 0, right)),
        plan_fusion(step),
    )
    descriptors = {item: primitive.layouts[item] for item in (SOURCE, WEIGHTS, RESULT, SCRATCHPAD)}
    descriptors[BIAS] = library.describe(layouts[BIAS]).value or 0
    if is_int8:
        one = library.describe(Layout(sizes=(1,), strides=(1,), dtype=DType.F32)).value or 0
        descriptors |= {
            SCALES | SOURCE: one,
            SCALES | RESULT: one,
            SCALES | WEIGHTS: descriptors[BIAS],
        }
    memories, kept = {}, []
    for argument, descriptor in descriptors.items():
        size = library.count_bytes(descriptor)
        if size:
            memory = Memory(size)
            memory.write(bytes([_FILL]) * memory.size)
            kept.append(memory)
            memories[argument] = library.create_memory(descriptor, memory.address)
    arguments, stream = list_arguments(memories), library.create_stream()
    call = (primitive.handle, stream, len(arguments), arguments)
    taken = repeat(lambda: library.execute(*call))
    for memory in kept:
        memory.close()
    return taken * step.result.side / rows


def _lay_rows(value: Value, rows: int) -> Layout:
    side, channels = value.side, value.channels
    return Layout(
        sizes=(1, channels, rows, side),
        strides=(rows * side * channels, 1, side * channels, channels),
        dtype=value.dtype,
    )


def work(path: Path, precision: Precision, cpu: int) -> None:
    """Measure on one CPU, and print what was found as JSON."""
    os.sched_setaffinity(0, {cpu})
    programs = Programs(path, precision)
    found: dict[str, Any] = {"chain": {}, "pass": {}}
    for images in TOGETHER:
        names, times, whole = measure_chain(programs, images, _PASSES_S)
        found["chain"][images], found["pass"][images] = times, whole
    found["names"] = names
    found["alone"] = measure_alone(programs)
    steps = [kernel.step for kernel in programs.find(1, 1).kernels]
    found["layers"] = [describe(step) for step in steps]
    found["tile"] = [
        measure_tile(programs.library, step) if is_convolution(step) else None for step in steps
    ]
    programs.close()
    print(json.dumps(found))


def work_depth_first(path: Path, precision: Precision, cpu: int) -> None:
    """Race the ways on one CPU, and print what was found as JSON."""
    os.sched_setaffinity(0, {cpu})
    programs = Programs(path, precision)
    Team((), 1)
    cache_bytes = read_cache_bytes([cpu])
    if cache_bytes is None:
        sys.exit("this host does not tell how large a core's L2 is")
    found = {str(images): race_ways(programs, images, cache_bytes) for images in TOGETHER}
    programs.close()
    print(json.dumps(found))


def race_ways(programs: Programs, images: int, cache_bytes: int) -> dict[str, dict[str, float]]:
    """Return of each stretch the ms an image layer by layer, and each way's share of it."""
    times = race(programs, images, 1, plan_ways(programs.steps, images, cache_bytes))
    found: dict[str, dict[str, float]] = {}
    for stretch in find_stretches(programs.steps):
        whole = times.whole[stretch.name]
        found[stretch.name] = {LAYERS: statistics.median(whole) * _MS / images}
        for way in list_ways(stretch, images, cache_bytes):
            if way in times.ways:  # its answers were right
                shares = [way_s / s for way_s, s in zip(times.ways[way][stretch.name], whole)]
                found[stretch.name][name_way(way)] = statistics.median(shares)
    return found


def name_way(way: Way) -> str:
    return f"{'chained' if way.chained else 'blocks'} {way.cache_bytes >> 10} KiB"


def show_depth_first(precision: Precision, found: list[dict[str, Any]]) -> None:
    """Print the medians over rounds and CPUs."""
    for images, stretches in found[0].items():
        ways = list(dict.fromkeys(way for row in stretches.values() for way in row))
        print(
            f"\n{precision.value}, {images} images together: ms an image {LAYERS}, and shares of it"
        )
        print(f"{'stretch':10}" + "".join(f"{way:>21}" for way in ways))
        for stretch in stretches:
            rows = [item[images][stretch] for item in found]
            cells = (_render_way([row[way] for row in rows if way in row], way) for way in ways)
            print(f"{stretch:10}" + "".join(f"{cell:>21}" for cell in cells))


def _render_way(values: list[float], way: str) -> str:
    if not values:
        return "-"
    middle = statistics.median(values)
    if way == LAYERS:
        return f"{middle:.3f}"
    return f"{middle:.3f} ({min(values):.2f}..{max(values):.2f})"


def is_convolution(step: Step) -> bool:
    return step.operation is not None and step.operation.kind is Kind.CONVOLUTION


def describe(step: Step) -> dict[str, Any]:
    """Name the group of a step, and count the operations of an image."""
    operation = step.operation
    if operation is None or operation.kind not in (Kind.CONVOLUTION, Kind.CLASSIFIER):
        return {"group": "the rest", "operations": 0}
    result = step.result
    operations = 2 * operation.window**2 * step.source.channels * result.side**2 * result.channels
    return {"group": _name_group(step), "operations": operations}


def _name_group(step: Step) -> str:
    operation, result = step.operation, step.result
    assert operation is not None
    if operation.kind is Kind.CLASSIFIER:
        return "the rest"
    where = f"{result.side}x{result.side}"
    if operation.window > 1:
        return f"{where} {operation.window}x{operation.window}"
    if step.added is not None:
        return f"{where} 1x1 with the sum"
    return f"{where} 1x1" if operation.relu else f"{where} 1x1 projection"


def run_round(work: str, item: RunPlan, cpus: Iterable[int]) -> list[dict[str, Any]]:
    """Measure on all CPUs at the same time; `work` is the option that has it done."""
    assert item.model is not None
    precision, environment = item.config.precision, dict(item.worker_environment)
    command = [sys.executable, __file__, work, str(item.model.path), precision.value]
    started = [
        subprocess.Popen([*command, str(cpu)], env=environment, stdout=subprocess.PIPE, text=True)
        for cpu in cpus
    ]
    answers = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        sys.exit(f"a chain in {precision.value} ended with an error")
    return [json.loads(answer) for answer in answers]


def merge(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the medians over rounds and CPUs."""
    first = found[0]
    merged = {name: first[name] for name in ("names", "layers")}
    merged |= {name: find_medians([item[name] for item in found]) for name in ("alone", "tile")}
    for name in ("chain", "pass"):
        merged[name] = {
            size: find_medians([item[name][size] for item in found]) for size in first[name]
        }
    return merged


def find_medians(values: list[Any]) -> Any:
    """Return the median of numbers, or of lists of them place by place; None of None."""
    if isinstance(values[0], list):
        return [find_medians(list(row)) for row in zip(*values)]
    return None if values[0] is None else statistics.median(values)


def show(precision: Precision, result: dict[str, Any], peak_per_core: float) -> None:
    """Print the groups, and what the whole would gain."""
    sizes = list(result["chain"])
    columns = [*(f"chain of {size}" for size in sizes), "alone", "tile"]
    rows: dict[str, list[float]] = defaultdict(lambda: [0.0] * (len(columns) + 1))
    for place, layer in enumerate(result["layers"]):
        row = rows[layer["group"]]
        series = [*(result["chain"][size] for size in sizes), result["alone"], result["tile"]]
        for column, values in enumerate(series):
            value = values[place]
            row[column] += value if value is not None else result["alone"][place]
        row[-1] += layer["operations"]
    rows["all"] = [sum(column) for column in zip(*rows.values())]
    print(f"\n{precision.value}: ms an image of one core, and the share of its peak of "
          f"{peak_per_core / 1e9:.0f} G operations/s")  # fmt: skip
    print(f"{'layers':22}" + "".join(f"{name:>16}" for name in columns))
    for name, row in rows.items():
        cells = "".join(_render_cell(value, row[-1], peak_per_core) for value in row[:-1])
        print(f"{name:22}{cells}")
    best = min(sizes, key=lambda size: sum(result["chain"][size]))
    gain = sum(
        max(0.0, taken - min(alone, tile))
        for taken, alone, tile in zip(result["chain"][best], result["alone"], result["tile"])
        if tile is not None
    )
    total = sum(result["chain"][best])
    between = result["pass"][best] - total
    print(f"chain of {best}: {1e3 / result['pass'][best]:.2f} images/s of one core; between its "
          f"kernels {between / result['pass'][best]:.2%} of the time")  # fmt: skip
    print(f"memory between layers costs at most {gain:.3f} ms of {total:.3f} ({gain / total:.1%})")


def _render_cell(value: float, operations: float, peak_per_core: float) -> str:
    share = operations / peak_per_core / (value / _MS)
    return f"{value:9.3f}" + (f"{share:7.1%}" if operations else " " * 7)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--precision", action="append", choices=[item.value for item in Precision])
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--json", type=Path, help="write every layer into this file")
    parser.add_argument("--depth-first", action="store_true", help="race the ways instead")
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--work-depth-first", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    for asked, do in ((arguments.work, work), (arguments.work_depth_first, work_depth_first)):
        if asked:
            path, name, cpu = asked
            do(Path(path), Precision(name), int(cpu))
            return
    host = read_host()
    cpus = choose_cpus(host)
    wanted = [Precision(name) for name in arguments.precision or Precision]
    chosen = choose_measured(wanted, host.cpu_flags, probe_amx())
    plans = [
        prepare(plan(RunConfig(engine="onednn", precision=item, cores_per_instance=1)))
        for item in chosen
    ]
    if arguments.depth_first:
        found_ways = measure_rounds("--work-depth-first", plans, cpus, arguments.rounds)
        print(f"{host.cpu_model}, {len(cpus)} cores, a chain on each, {arguments.rounds} rounds")
        for precision, items in found_ways.items():
            show_depth_first(precision, items)
        write_json(arguments.json, {key.value: items for key, items in found_ways.items()})
        return
    found: dict[Precision, list[dict[str, Any]]] = defaultdict(list)
    peaks: dict[Precision, list[float]] = defaultdict(list)
    for number in range(arguments.rounds):
        for item in plans:
            precision = item.config.precision
            print(f"round {number + 1}: {precision.value}", file=sys.stderr)
            before = read_peaks(host)
            found[precision] += run_round("--work", item, cpus)
            after = read_peaks(host)
            kind = plan_kind(precision, host.cpu_flags)
            peaks[precision].append(max(before[kind], after[kind]) / len(cpus))
    print(f"{host.cpu_model}, {len(cpus)} cores, a chain on each, "
          f"medians of {arguments.rounds} rounds")  # fmt: skip
    results = {}
    for precision, items in found.items():
        results[precision.value] = result = merge(items)
        result["peak_per_core"] = statistics.median(peaks[precision])
        show(precision, result, result["peak_per_core"])
    write_json(arguments.json, results)


def measure_rounds(
    work: str, plans: list[RunPlan], cpus: Iterable[int], rounds: int
) -> dict[Precision, list[dict[str, Any]]]:
    found: dict[Precision, list[dict[str, Any]]] = defaultdict(list)
    for number in range(rounds):
        for item in plans:
            print(f"round {number + 1}: {item.config.precision.value}", file=sys.stderr)
            found[item.config.precision] += run_round(work, item, cpus)
    return found


def write_json(path: Path | None, content: dict[str, Any]) -> None:
    if path is not None:
        path.write_text(json.dumps(content))


if __name__ == "__main__":
    main()
