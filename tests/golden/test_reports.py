"""Every line of every report, for runs whose figures are worked out in `tests.records`."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from tests.contended import make_contended
from tests.records import (
    BEGIN_NS,
    FOUR_CORES,
    MS,
    SECOND,
    make_instance,
    make_lost,
    make_manifest,
    make_queries,
    make_record,
    make_roofline,
)

from resnet50_bench.config import DataType, Mode, Precision, RunConfig
from resnet50_bench.data.feed import FeedReport
from resnet50_bench.data.sources import Skipped
from resnet50_bench.engines.base import KernelShare
from resnet50_bench.host.energy import Energy, EnergySample, EnergyZone
from resnet50_bench.instance.job import EvidenceSeen
from resnet50_bench.report.kpi.text import render_kpi_text
from resnet50_bench.report.logs import render_log
from resnet50_bench.report.summary import summarize
from resnet50_bench.report.terminal.run import print_result
from resnet50_bench.results.record import Dataset, Record

FOLDER = Path(__file__).parent
FLAGS = "avx2 avx512f avx512bw avx512vl avx512dq avx512_vnni avx512_bf16"
HOST = replace(FOUR_CORES.host(), cpu_flags=tuple(sorted(FLAGS.split())))
CONVOLUTIONS = KernelShare("convolution", "f32", "avx512_core", 0.95, 53)
POOLING = KernelShare("pooling", "f32", "avx512_core", 0.05, 1)


def proven() -> Record:
    """Two instances, 128 images/s, on generated weights; others had a little of one of them.

    The CPUs used 0.5 J an image, and the machine costs 0.25 an hour.
    """
    instances = [
        make_instance(i, kernels=(CONVOLUTIONS, POOLING), involuntary_switches=12) for i in range(2)
    ]
    model = make_manifest("generated")
    record = make_contended(0.01, tenths=(3, 4, 5), host=HOST, instances=instances, model=model)
    config = replace(record.config, price_per_hour=0.25)
    return replace(record, config=config, energy=energy(), roofline=make_roofline())


def energy() -> Energy:
    """60 W of a package and 4 W of its memory."""
    zones = tuple(
        EnergyZone(name=name, socket=0, part=part, range_uj=2**38)
        for name, part in (("package-0", "package"), ("package-0 dram", "dram"))
    )
    samples = tuple(
        EnergySample(at_ns=BEGIN_NS + s * SECOND, used_uj=(60_000_000 * s, 4_000_000 * s))
        for s in (0, 20)
    )
    return Energy(zones=zones, samples=samples)


def latency() -> Record:
    """1000 queries of 10 ms and 1000 of 20 ms."""
    instances = [
        make_instance(0, make_queries(BEGIN_NS, 1000, 20 * MS), kernels=(CONVOLUTIONS,)),
        make_instance(1, make_queries(BEGIN_NS, 2000, 10 * MS), kernels=(CONVOLUTIONS,)),
    ]
    config = RunConfig(mode=Mode.LATENCY, cores_per_instance=2)
    unreadable = Energy(
        absence="/sys/class/powercap/intel-rapl:0/energy_uj: Permission denied",
        advice="run as root",
    )
    return make_record(config, HOST, instances=instances, energy=unreadable)


def lost() -> Record:
    """One of two instances was killed while it measured."""
    instances = [
        make_instance(0),
        make_lost(1, "out of memory", "the kernel killed it (SIGKILL) for want of memory"),
    ]
    return make_record(host=HOST, instances=instances, status="lost instances")


def mislabeled() -> Record:
    """bf16 was asked for; the convolutions ran in float32 nearly all the time, without the sums."""
    kernels = (
        KernelShare("convolution", "f32", "avx512_core", 0.9, 50),
        KernelShare("convolution", "bf16", "avx512_core_bf16", 0.1, 3),
    )
    executed = {"Add": 16, "Conv2D[BiasAdd,Relu]": 33, "Conv2D[BiasAdd]": 20, "Relu": 16}
    evidence = EvidenceSeen(runtime="tensorflow 2.21.0", fused_ops=executed, notes=())
    instances = [make_instance(i, kernels=kernels, evidence=evidence) for i in range(2)]
    config = RunConfig(precision=Precision.AVX_BFLOAT16, cores_per_instance=2)
    return make_record(config, HOST, instances=instances)


def real() -> Record:
    """Images of a folder, two of which cannot be used."""
    feed = FeedReport(
        kind="real",
        images=40,
        batches=2,
        batch_size=32,
        source="folder photos: 41 images",
        profile="mlperf",
        decode_ns=100 * MS,
        skipped=(Skipped("b.JPEG", "the file ends in the middle of the image"),),
    )
    config = RunConfig(data_type=DataType.REAL, dataset="photos", cores_per_instance=2, instances=1)
    dataset = Dataset(
        path="photos",
        description="folder photos: 41 images",
        images=41,
        skipped=(("empty.JPEG", "the file is empty"),),
    )
    instance = make_instance(0, feed=feed, kernels=(CONVOLUTIONS,))
    return make_record(config, HOST, instances=[instance], dataset=dataset)


CASES = {case.__name__: case for case in (proven, latency, lost, mislabeled, real)}


def render_terminal(record: Record) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=100, soft_wrap=True, highlight=False)
    print_result(console, record, Path("runs/example"), verbose=True)
    return stream.getvalue()


FORMATS = {
    "terminal.txt": render_terminal,
    "log.txt": render_log,
    "kpi.txt": render_kpi_text,
    "summary.json": lambda record: json.dumps(summarize(record, Path("runs/example")), indent=2),
}


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("case", CASES)
def test_the_whole_text_is_as_before(case: str, suffix: str) -> None:
    text = FORMATS[suffix](CASES[case]())
    assert text == (FOLDER / f"{case}.{suffix}").read_text()


def test_a_record_read_back_gives_the_same_texts(tmp_path: Path) -> None:
    from resnet50_bench.results.files import read_record, write_record

    for case in CASES.values():
        record = case()
        write_record(tmp_path, record)
        again = read_record(tmp_path)
        assert [render(again) for render in FORMATS.values()] == [
            render(record) for render in FORMATS.values()
        ]


def write_all() -> None:
    for case, make in CASES.items():
        for suffix, render in FORMATS.items():
            (FOLDER / f"{case}.{suffix}").write_text(render(make()))


if __name__ == "__main__":
    write_all()
