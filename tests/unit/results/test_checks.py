"""A record whose parts contradict is refused, and the message names the field."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from tests.contended import make_contended, make_contention
from tests.records import (
    MS,
    make_accuracy_record,
    make_evaluation_of_zeros,
    make_instance,
    make_lost,
    make_record,
    make_roofline,
)

from resnet50_bench.config import RunConfig
from resnet50_bench.errors import RecordError
from resnet50_bench.instance.job import StreamSamples
from resnet50_bench.results.files import RECORD_FILE, read_record, write_record
from resnet50_bench.results.record import Record, Trial


def streams() -> tuple[StreamSamples, ...]:
    return tuple(
        StreamSamples(start_ns=(1, 5), end_ns=(4, 9), cpus=(cpu,), cpu_ns=3) for cpu in (0, 1)
    )


SPEED = make_record()
SHARED = make_record(
    RunConfig(weight_sharing=True, cores_per_instance=2, instances=2),
    instances=[make_instance(0, [], streams=streams()), make_instance(1)],
)
ACCURACY = make_accuracy_record(
    make_evaluation_of_zeros([0, 1, None]),
    trials=(Trial(variant="mlperf/bgr", positions=(0,), rows=make_evaluation_of_zeros([0]).rows),),
)

WATCHED = make_contended(0.1)
LIMITED = make_record(roofline=make_roofline())
METERED = make_record(
    instances=[
        make_instance(
            number,
            host=f"node{number}",
            contention=make_contention([(2 * number, 2 * number + 1)], [0.1]),
        )
        for number in (0, 1)
    ]
)


@pytest.mark.parametrize(
    "record",
    [
        SPEED,
        WATCHED,
        LIMITED,
        make_record(roofline_failure="it cannot be started"),
        METERED,
        SHARED,
        ACCURACY,
        make_record(instances=[make_lost(0), make_instance(1)], status="lost instances"),
        make_record(instances=[make_lost(0, started=False, pid=None)], status="interrupted"),
        make_record(instances=[], status="running"),
        make_record(RunConfig(engine="null", cores_per_instance=2, instances=2)),
        make_accuracy_record(make_evaluation_of_zeros([None]), status="interrupted"),
    ],
)
def test_what_r50_writes_is_read(tmp_path, record):
    write_record(tmp_path, record)
    assert read_record(tmp_path) == record


def change(record: Record, place: str, value: Any) -> bytes:
    """The record as JSON with another value at a place such as `instances.0.end_ns.3`."""
    document = json.loads(msgspec.json.encode(record))
    *above, last = (int(word) if word.isdigit() else word for word in place.split("."))
    holder = document
    for key in above:
        holder = holder[key]
    holder[last] = value(holder[last]) if callable(value) else value
    return json.dumps(document).encode()


CONTRADICTIONS = [
    (SPEED, "instances.0.end_ns", lambda times: times[:-1],
     "instances[0].end_ns has 39 times, and start_ns has 40"),
    (SPEED, "instances.1.end_ns.3", 5, "instances[1].end_ns[3] is before its query began"),
    (SPEED, "instances.0.end_ns.3", lambda time: time + 600 * MS,
     "instances[0].end_ns[4] is before the one before it"),
    (SPEED, "instances.0.start_ns.0", -1, "instances[0].start_ns[0] is -1"),
    (SPEED, "instances.0.start_ns.0", 2**63, "start_ns[0] is too large for any machine"),
    (SPEED, "instances.0.start_ns.0", 10**400, "start_ns[0] is too large for any machine"),
    (SPEED, "instances.0.cpu_ns", -5, "instances[0].cpu_ns is -5"),
    (SPEED, "instances.0.slot.threads", 0, "instances[0].slot is not in the placement"),
    (SPEED, "instances.1.slot.instance", 0, "instances has one of them twice"),
    (SPEED, "instances", lambda items: [*items, items[0]], "instances has 3, and 2 were planned"),
    (SPEED, "instances", [], "instances is empty, and the run completed"),
    (SPEED, "workload.batch_size", 0, "workload.batch_size is 0"),
    (SPEED, "duration_ns", -1, "duration_ns is -1"),
    (SPEED, "host.cores", [], "host.cores is empty"),
    (SPEED, "host.cores.0.cpus", [], "host.cores[0].cpus is empty"),
    (SPEED, "placement.slots", [], "placement.slots is empty"),
    (SPEED, "placement.slots.0.cpus", [1, 0], "placement.slots[0].cpus is not in ascending order"),
    (SPEED, "placement.slots.0.cpus", [0, 10**9],
     "placement.slots[0].cpus names a CPU that no machine has"),
    (SPEED, "placement.slots.1.instance", 7, "placement.slots[1].instance is not 1"),
    (SPEED, "placement.cores_per_instance", 0, "placement.cores_per_instance is 0"),
    (SHARED, "instances.0.streams.1.end_ns", [4], "instances[0].streams[1].end_ns has 1 times"),
    (SHARED, "instances.0.start_ns", [1], "instances[0].streams has queries, and so has"),
    (ACCURACY, "instances.0.prepare_ns", lambda times: times[1:],
     "instances[0].prepare_ns has 9 times, and start_ns has 10"),
    (ACCURACY, "instances.0.prepare_ns.0", 10**12, "prepare_ns[0] is longer than the clock had run"),
    (ACCURACY, "evaluation.labels", [0, 0], "evaluation.labels has 2, and there are 3 images"),
    (ACCURACY, "evaluation.labels.0", 1000, "evaluation.labels has one above 999"),
    (ACCURACY, "evaluation.classes", 7, "evaluation.classes is 7"),
    (ACCURACY, "evaluation.dataset_images", 1, "is less than its 3 images"),
    (ACCURACY, "evaluation.rows", "AAAA", "evaluation.rows is cut in the middle of a row"),
    (ACCURACY, "evaluation.rows", lambda rows: rows[:44] * 2, "evaluation.rows is cut"),
    (ACCURACY, "evaluation.unreadable.0.0", 3, "unreadable has an image that does not exist"),
    (ACCURACY, "evaluation.unreadable.0.0", 1, "unreadable has an image that was answered"),
    (ACCURACY, "evaluation.images.1", "ILSVRC2012_val_00000001.JPEG", "has one of them twice"),
    (ACCURACY, "evaluation.preprocessing", "other", "is not one that this r50 knows"),
    (ACCURACY, "evaluation.resumed_images", 3, "has no answer of this run"),
    (ACCURACY, "evaluation.resumed_images", 4, "evaluation.resumed_images is above 3"),
    (LIMITED, "roofline.cpus", [], "roofline.cpus is empty"),
    (LIMITED, "roofline.cpus", [0, 4], "roofline.cpus has CPUs that no instance of the run had"),
    (LIMITED, "roofline.peaks.0.rounds", [], "roofline.peaks[0].rounds is empty"),
    (LIMITED, "roofline.peaks.1.rounds.0", -1.0, "or holds a rate that is not positive"),
    (LIMITED, "roofline.peaks.1.operations_per_s", 1.0, "peaks[1] is not the best of its rounds"),
    (LIMITED, "roofline.peaks", lambda items: items[:1] * 2, "roofline.peaks has a kind twice"),
    (LIMITED, "roofline.bandwidths.0.bytes_per_s", 0.0, "bandwidths[0] is not the best of its"),
    (WATCHED, "contention.ticks_per_s", 0, "contention.ticks_per_s is 0"),
    (WATCHED, "contention.cpus", [0, 1, 1, 3], "contention.cpus names a CPU twice"),
    (WATCHED, "contention.cpus", [0, 1, 2], "contention.samples have not one counter for each"),
    (WATCHED, "contention.samples", lambda items: items[:1],
     "contention.samples are fewer than two"),
    (WATCHED, "contention.samples", lambda items: items[::-1],
     "contention.samples are not in order"),
    (WATCHED, "contention.samples", lambda items: [items[0], *items],
     "contention.samples are not in order"),
    (WATCHED, "contention.samples.3.busy_ticks", [1, 2, 3],
     "contention.samples have not one counter for each CPU"),
    (WATCHED, "contention.samples.0.interrupt_ticks", [],
     "contention.samples have not one counter for each CPU"),
    (WATCHED, "contention.samples.10.steal_ticks", [0] * 5,
     "contention.samples have not one counter for each CPU"),
    (WATCHED, "contention.samples.2.own_ns", [5],
     "contention.samples.own_ns has not one clock for each instance"),
    (WATCHED, "contention.samples.2.steal_ticks.1", -3,
     "contention.samples[2].steal_ticks[1] is -3"),
    (METERED, "instances.1.contention.samples.0.own_ns", [5, 6],
     "instances[1].contention.samples.own_ns has not one clock for each instance"),
    (METERED, "instances.1.contention.cpus", [2], "instances[1].contention.samples have not"),
    (ACCURACY, "trials.0.positions", [1], "trials[0].rows has an image that is not in its"),
]  # fmt: skip


@pytest.mark.parametrize(("record", "place", "value", "problem"), CONTRADICTIONS)
def test_a_contradiction_names_its_field(tmp_path, record, place, value, problem):
    path = tmp_path / RECORD_FILE
    path.write_bytes(change(record, place, value))
    with pytest.raises(RecordError) as caught:
        read_record(tmp_path)
    assert caught.value.message.startswith(f"{path} contradicts itself: ")
    assert problem in caught.value.message
    assert len(caught.value.message) < len(str(path)) + 200


def test_a_million_times_are_checked(tmp_path):
    times = tuple(range(1, 1_000_001))
    queries = list(zip(times, (time + 1 for time in times)))
    record = make_record(
        RunConfig(cores_per_instance=4, instances=1), instances=[make_instance(0, queries)]
    )
    slot = record.placement.slots[0]
    record = make_record(record.config, instances=[make_instance(slot, queries)])
    write_record(tmp_path, record)
    assert read_record(tmp_path).instances[0].queries == 1_000_000
