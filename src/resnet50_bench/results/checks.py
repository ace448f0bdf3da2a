"""What must hold of a record for anything to be computed from it; checked once, when it is read.

The types say what each field is. This says how the fields must agree: everything above relies on
it and checks none of it again. The first field that contradicts is named as in the JSON.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from functools import cache
from operator import le
from typing import TYPE_CHECKING, Any

import msgspec

from resnet50_bench.config import Preprocessing
from resnet50_bench.errors import RecordError
from resnet50_bench.instance.predictions import (
    LABELED_CLASSES,
    ROW,
    find_class_offset,
    unpack_rows,
)

if TYPE_CHECKING:
    from resnet50_bench.contention.samples import Contention
    from resnet50_bench.host.energy import Energy
    from resnet50_bench.host.machine import Host
    from resnet50_bench.limits.roofline import Roofline
    from resnet50_bench.placement.slots import Placement, Slot
    from resnet50_bench.results.record import Evaluation, InstanceRecord, Lane, Record

_LIMIT = 2**63
"""No time, size or count is larger: they are 64 bit numbers where they come from."""

_NO_NUMBERS = frozenset({str, bool, bytes, type(None)})

_SIGNED = frozenset({"input_shape", "socket", "sockets", "node", "nodes"})
"""Fields that hold -1 for "any" or, on odd machines, for "unknown"."""

MAX_LISTED_CPU = 1 << 16
"""CPU and node numbers are below it: the kernel's own limit on x86-64 is 8192."""


class _Contradiction(Exception):
    """Names the field, and says what is wrong with it."""


def check_record(record: Record, name: str) -> None:
    """Refuse a record whose parts contradict each other.

    Args:
        record: as it was decoded.
        name: of its file, for the message.

    Raises:
        RecordError: names the field.
    """
    try:
        _check_numbers(record, "")
        _check_host(record.host, "host")
        _check_placement(record.placement, "placement")
        _check_others(record)
        _check_amounts(record)
        # The numbers of instances go on from one host to the next.
        slots = [slot for placement in record.placements for slot in placement.slots]
        for number, item in enumerate(record.instances):
            _check_instance(item, f"instances[{number}]", record, slots)
            if item.contention is not None:
                _check_contention(item.contention, f"instances[{number}].contention", 1)
        _check_surroundings(record)
        if record.evaluation is not None:
            _check_evaluation(record.evaluation)
            _check_pace(record, record.evaluation)
            _check_trials(record, record.evaluation)
    except _Contradiction as error:
        raise RecordError(
            f"{name} contradicts itself: {error}",
            "give the folder of another run; a damaged record cannot be repaired",
        ) from error


def _check_surroundings(record: Record) -> None:
    """What was read of the machine beside the instances."""
    if record.contention is not None:
        _check_contention(record.contention, "contention", len(record.instances))
    if record.energy is not None:
        _check_energy(record.energy)
    if record.roofline is not None:
        used = {cpu for slot in record.placement.slots for cpu in slot.cpus}
        _check_roofline(record.roofline, used)


def _require(holds: bool, field: str, problem: str) -> None:
    if not holds:
        raise _Contradiction(f"{field} {problem}")


def _require_each(hold: Iterable[bool], field: str, problem: str) -> None:
    wrong = next((number for number, holds in enumerate(hold) if not holds), None)
    _require(wrong is None, f"{field}[{wrong}]", problem)


def _check_numbers(value: Any, field: str, *, signed: bool = False) -> None:
    """Every number is finite, and no larger or smaller than what it counts can be."""
    if isinstance(value, float):
        _require(math.isfinite(value) and abs(value) < _LIMIT, field, f"is {value}")
    elif isinstance(value, int):
        _require((-1 if signed else 0) <= value < _LIMIT, field, f"is {_shorten(value)}")
    elif isinstance(value, (tuple, list)):
        if set(map(type, value)) == {int} and min(value) >= 0 and max(value) < _LIMIT:
            return  # times, by the hundred thousand
        for number, item in enumerate(value):
            if not _is_plain(item):
                _check_numbers(item, f"{field}[{number}]", signed=signed)
    else:
        _check_parts(value, field)


def _check_parts(value: Any, field: str) -> None:
    for name, item in _list_parts(value):
        if not _is_plain(item):
            where = f"{field}.{name}" if field else name
            _check_numbers(item, where, signed=name in _SIGNED)


def _is_plain(value: Any) -> bool:
    """Whether a value is a number that could be, or none at all: most are, and need no name."""
    kind = type(value)
    if kind is int:
        return bool(0 <= value < _LIMIT)
    if kind is float:  # of one that is no number, nothing holds
        return bool(-_LIMIT < value < _LIMIT)
    return kind in _NO_NUMBERS


def _shorten(number: int) -> str:
    """A number may have thousands of digits."""
    return str(number) if abs(number) < _LIMIT else "too large for any machine"


def _list_parts(value: Any) -> list[tuple[str, Any]]:
    if is_dataclass(value):
        return [(name, getattr(value, name)) for name in _list_fields(value.__class__)]
    if isinstance(value, msgspec.Struct):
        return [(name, getattr(value, name)) for name in value.__struct_fields__]
    if isinstance(value, Mapping):
        keys = [(str(key), key) for key in value if isinstance(key, int)]
        return [*((str(key), item) for key, item in value.items()), *keys]
    return []


@cache
def _list_fields(kind: type[Any]) -> tuple[str, ...]:
    """The names of a dataclass's fields: asking for them takes longer than looking at a number."""
    return tuple(item.name for item in fields(kind))


def _check_cpus(cpus: Sequence[int], field: str, *, some: bool = True) -> None:
    """CPU numbers are distinct, ascending and such as a machine can have."""
    _require(bool(cpus) or not some, field, "is empty")
    ordered = all(low < high for low, high in itertools.pairwise(cpus))
    _require(ordered, field, "is not in ascending order")
    _require(not cpus or cpus[-1] < MAX_LISTED_CPU, field, "names a CPU that no machine has")


def _check_others(record: Record) -> None:
    """One for each host beside the first, under its name."""
    if not record.others:
        return
    names = record.launch.hosts[1:]
    same = tuple(item.name for item in record.others) == names
    _require(same, "others", "are not the hosts of launch.hosts behind the first")
    for number, item in enumerate(record.others):
        _check_host(item.host, f"others[{number}].host")
        _check_placement(item.placement, f"others[{number}].placement")


def _check_host(host: Host, field: str) -> None:
    _require(bool(host.cores), f"{field}.cores", "is empty")
    for number, core in enumerate(host.cores):
        _check_cpus(core.cpus, f"{field}.cores[{number}].cpus")
    for number, node in enumerate(host.nodes):
        _check_cpus(node.cpus, f"{field}.nodes[{number}].cpus", some=False)


def _check_placement(placement: Placement, field: str) -> None:
    _require(bool(placement.slots), f"{field}.slots", "is empty")
    _require(placement.cores_per_instance > 0, f"{field}.cores_per_instance", "is 0")
    for number, slot in enumerate(placement.slots):
        where = f"{field}.slots[{number}]"
        _require(slot.instance == number, f"{where}.instance", f"is not {number}")
        _check_slot(slot, where)


def _check_slot(slot: Slot, field: str) -> None:
    _check_cpus(slot.cpus, f"{field}.cpus")
    _require(slot.threads > 0, f"{field}.threads", "is 0")
    _require(0 < slot.cores <= len(slot.cpus), f"{field}.cores", "is not the number of its cores")
    for number, cpus in enumerate(slot.streams):
        where = f"{field}.streams[{number}]"
        _check_cpus(cpus, where)
        _require(set(cpus) <= set(slot.cpus), where, "has CPUs that its slot has not")


def _check_amounts(record: Record) -> None:
    workload = record.workload
    _require(workload.batch_size > 0, "workload.batch_size", "is 0")
    planned, found = record.planned_instances, len(record.instances)
    _require(found <= planned, "instances", f"has {found}, and {planned} were planned")
    if record.status == "completed":
        _require(found > 0, "instances", "is empty, and the run completed")
    keys = [(item.host, item.slot.instance) for item in record.instances]
    _require(len(set(keys)) == len(keys), "instances", "has one of them twice")


def _check_instance(
    item: InstanceRecord, field: str, record: Record, slots: Sequence[Slot]
) -> None:
    number = item.slot.instance
    known = number < len(slots) and item.slot == replace(slots[number], instance=number)
    _require(known, f"{field}.slot", "is not in the placement")
    _check_slot(item.slot, f"{field}.slot")
    both = bool(item.streams) and bool(item.start_ns or item.end_ns or item.prepare_ns)
    _require(not both, f"{field}.streams", "has queries, and so has the instance itself")
    for place, lane in enumerate(item.lanes):
        _check_lane(lane, f"{field}.streams[{place}]" if item.streams else field)
    served = record.loadgen is not None  # which has its images in memory, and may ask one for none
    if item.prepare_ns or (record.evaluation is not None and item.end_ns and not served):
        _check_preparation(item, field)
    measured = record.evaluation is None and not served
    if item.reported and measured and record.status == "completed":
        _require(all(lane.end_ns for lane in item.lanes), f"{field}.end_ns", "has no query")


def _check_contention(contention: Contention, field: str, instances: int) -> None:
    """Every sample has a counter for each CPU and a clock for each instance."""
    _require(contention.ticks_per_s > 0, f"{field}.ticks_per_s", "is 0")
    distinct = len(set(contention.cpus)) == len(contention.cpus)
    _require(distinct, f"{field}.cpus", "names a CPU twice")
    times = [sample.at_ns for sample in contention.samples]
    _require(len(times) >= 2, f"{field}.samples", "are fewer than two")
    _require(
        all(a < b for a, b in itertools.pairwise(times)), f"{field}.samples", "are not in order"
    )
    for sample in contention.samples:
        counters = sample.busy_ticks, sample.interrupt_ticks, sample.steal_ticks
        fits = all(len(ticks) == len(contention.cpus) for ticks in counters)
        _require(fits, f"{field}.samples", "have not one counter for each CPU")
        _require(len(sample.own_ns) == instances, f"{field}.samples.own_ns",
                 "has not one clock for each instance")  # fmt: skip


def _check_energy(energy: Energy) -> None:
    """Every sample has a count for each zone, which never falls."""
    samples = energy.samples
    _require((energy.absence is None) == bool(energy.zones), "energy.absence", "contradicts zones")
    _require(len(samples) >= 2 or not energy.zones, "energy.samples", "are fewer than two")
    ordered = all(a.at_ns < b.at_ns for a, b in itertools.pairwise(samples))
    _require(ordered, "energy.samples", "are not in order")
    fits = all(len(sample.used_uj) == len(energy.zones) for sample in samples)
    _require(fits, "energy.samples.used_uj", "has not one count for each zone")
    for before, after in itertools.pairwise(samples):
        grows = all(map(le, before.used_uj, after.used_uj))
        _require(grows, "energy.samples.used_uj", "falls")


def _check_roofline(roofline: Roofline, used: Collection[int]) -> None:
    """Measured on CPUs of the run; every rate is positive, and the best of its rounds."""
    _check_cpus(roofline.cpus, "roofline.cpus")
    within = set(roofline.cpus) <= set(used)
    _require(within, "roofline.cpus", "has CPUs that no instance of the run had")
    kinds = [item.kind for item in roofline.peaks]
    _require(len(set(kinds)) == len(kinds), "roofline.peaks", "has a kind twice")
    rates = [("peaks", n, p.operations_per_s, p.rounds) for n, p in enumerate(roofline.peaks)]
    rates += [("bandwidths", n, b.bytes_per_s, b.rounds) for n, b in enumerate(roofline.bandwidths)]
    for name, number, best, rounds in rates:
        field = f"roofline.{name}[{number}]"
        positive = bool(rounds) and min(rounds) > 0
        _require(positive, f"{field}.rounds", "is empty, or holds a rate that is not positive")
        _require(best == max(rounds), field, "is not the best of its rounds")


def _check_lane(lane: Lane, field: str) -> None:
    """Each query ends after it began, and their ends ascend."""
    begins, ends = lane.start_ns, lane.end_ns
    _require(
        len(begins) == len(ends),
        f"{field}.end_ns",
        f"has {len(ends)} times, and start_ns has {len(begins)}",
    )
    counted = not lane.images or len(lane.images) == len(ends)
    _require(counted, f"{field}.images", "has not one number for each query")
    _require_each((count > 0 for count in lane.images), f"{field}.images", "has a query of none")
    _require_each(map(le, begins, ends), f"{field}.end_ns", "is before its query began")
    ascending = itertools.chain((True,), map(le, ends, ends[1:]))
    _require_each(ascending, f"{field}.end_ns", "is before the one before it")
    if ends:
        _require(begins[0] < ends[-1], f"{field}.end_ns", "holds no time between begin and end")


def _check_preparation(item: InstanceRecord, field: str) -> None:
    """In accuracy mode the images of each query were prepared just before it."""
    times, queries = len(item.prepare_ns), len(item.start_ns)
    _require(
        times == queries,
        f"{field}.prepare_ns",
        f"has {times} times, and start_ns has {queries}",
    )
    possible = map(le, item.prepare_ns, item.start_ns)
    _require_each(possible, f"{field}.prepare_ns", "is longer than the clock had run")


def _check_evaluation(evaluation: Evaluation) -> None:
    names = {item.value for item in Preprocessing}
    profile = evaluation.preprocessing.partition("/")[0]
    _require(profile in names, "evaluation.preprocessing", "is not one that this r50 knows")
    classes, images = evaluation.classes, len(evaluation.images)
    allowed = LABELED_CLASSES, LABELED_CLASSES + 1
    _require(classes in allowed, "evaluation.classes", f"is {classes}")
    labels = len(evaluation.labels)
    _require(labels == images, "evaluation.labels", f"has {labels}, and there are {images} images")
    right = all(label < LABELED_CLASSES for label in evaluation.labels)
    _require(right, "evaluation.labels", f"has one above {LABELED_CLASSES - 1}")
    offset = find_class_offset(classes, evaluation.class_offset)
    possible = 0 <= offset <= classes - LABELED_CLASSES
    _require(possible, "evaluation.class_offset", f"is {offset}, with {classes} classes")
    enough = evaluation.dataset_images >= images
    _require(enough, "evaluation.dataset_images", f"is less than its {images} images")
    _require(len(set(evaluation.images)) == images, "evaluation.images", "has one of them twice")
    places = [place for place, _ in evaluation.unreadable]
    answered = _check_rows(evaluation.rows, "evaluation.rows", range(images), classes)
    _check_places(places, "evaluation.unreadable", range(images))
    _require(answered.isdisjoint(places), "evaluation.unreadable", "has an image that was answered")
    seen = len(answered) + len(places)
    _require(evaluation.resumed_images <= seen, "evaluation.resumed_images", f"is above {seen}")
    for number, share in enumerate(evaluation.shares):
        where = f"evaluation.shares[{number}].missing"
        _check_places(share.missing, where, range(images))
        _require(len(share.missing) <= share.asked, where, f"has more than the {share.asked} asked")
        unseen = answered.isdisjoint(share.missing) and set(places).isdisjoint(share.missing)
        _require(unseen, where, "has an image that was answered")


def _check_rows(rows: bytes, field: str, places: range, classes: int) -> set[int]:
    """Check packed answers; return which images they are to."""
    _require(len(rows) % ROW.size == 0, field, "is cut in the middle of a row")
    found = []
    for number, answer in enumerate(unpack_rows(rows)):
        where = f"{field}, row {number},"
        _require(max(answer.classes) < classes, where, "names a class that the model has not")
        # Scores are 32 bit numbers, so the sum of rounded shares may pass 1 by a little.
        right = all(0 <= score <= 1.001 for score in answer.scores)
        _require(right, where, "has a score that is no probability")
        found.append(answer.position)
    _check_places(found, field, places)
    return set(found)


def _check_places(found: Sequence[int], field: str, places: range) -> None:
    _require(len(set(found)) == len(found), field, "has an image twice")
    _require(all(place in places for place in found), field, "has an image that does not exist")


def _check_pace(record: Record, evaluation: Evaluation) -> None:
    """Who made a query saw an image."""
    answered = len(evaluation.rows) // ROW.size + len(evaluation.unreadable)
    busy = any(item.reported and item.end_ns for item in record.instances)
    if record.status == "completed" and busy:
        new = answered > evaluation.resumed_images
        _require(new, "evaluation.rows", "has no answer of this run, and its instances made some")


def _check_trials(record: Record, evaluation: Evaluation) -> None:
    places = range(len(evaluation.images))
    for number, trial in enumerate(record.trials):
        field = f"trials[{number}]"
        _check_places(trial.positions, f"{field}.positions", places)
        found = _check_rows(trial.rows, f"{field}.rows", places, evaluation.classes)
        within = found <= set(trial.positions)
        _require(within, f"{field}.rows", "has an image that is not in its positions")
