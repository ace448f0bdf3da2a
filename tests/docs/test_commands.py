"""Every `r50` command that the documentation shows is one that works."""

from __future__ import annotations

import gzip
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from tests.archives import make_images, write_folder, write_tar
from tests.model_forms import write_torch_zip
from tests.records import make_accuracy_config, make_accuracy_record, make_evaluation, make_record
from tests.tfrecords import image_example, write_shard

from resnet50_bench.cli import r50
from resnet50_bench.config import Precision
from resnet50_bench.errors import CaseError, ExitCode, HostError, PlacementError, R50Error
from resnet50_bench.results.files import write_record

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NEEDS_A_NETWORK = {("dataset", "fetch"), ("model", "fetch")}

CANNOT_HERE = (CaseError, PlacementError, HostError)
"""What a documented run may answer where a machine is too small or closes a device."""


def list_commands(page: Path) -> Iterator[str]:
    """The lines of a page's code blocks that begin with r50, without the comment behind them."""
    for block in re.findall(r"^```\w*\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            found = re.match(
                r"(?:\$ )?(?:\.venv/bin/)?r50 (?=[a-z-])(.*?)(?:\s+#.*)?$", line.strip()
            )
            if found and not re.search(r"[|<>&]|\.\.\.", found.group(1)):
                yield found.group(1)


COMMANDS = sorted({(page.name, line) for page in PAGES for line in list_commands(page)})
PARSED_ONLY = {
    "ab",
    "collect",
    "dataset fetch",
    "enclave",
    "fleet",
    "images",
    "peers",
    "loadgen",  # needs the extra, and CPUs that nobody holds
    "model fetch",
    "model verify resnet50.onnx",  # which takes TensorFlow, and a model
    "profile",
    "report",  # needs the extra that draws; tests/unit/cli and tests/browser run it
    "roofline",  # needs CPUs that nobody holds
    "run --resume",
    "run --tuned",
    "slurm",  # needs a cluster
    "serve",  # goes on until Ctrl-C
    "tune",
    "watch",  # takes an extra
    "sweep --resume",
}
"""Measure, need a network, a builder of images, gramine, many nodes' records, the trace of a real run,
a run or a sweep that was interrupted, or a search; or they are one."""


WHOLE_MODEL = b"\x80\x02ctorchvision.models.resnet\nResNet\n)\x81."
"""How torch.save(model) begins: it names the class."""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that the documentation's commands name."""
    desk = tmp_path_factory.mktemp("desk")
    images = make_images()
    for name in ("photos", "PATH", "imagenet", "records"):
        (desk / name).mkdir()
    for name in ("photos", "PATH"):
        write_folder(desk / name, images)
    for name in ("ILSVRC2012_img_val", "images", "five", "imagenet/ILSVRC2012_img_val"):
        write_tar(desk / f"{name}.tar", images)
    (desk / "val_images.tar.gz").write_bytes(gzip.compress((desk / "five.tar").read_bytes()))
    inner = (desk / "five.tar").read_bytes()
    write_tar(desk / "ILSVRC2012_img_train.tar", {"n01440764.tar": inner})
    examples = [image_example(data, 1, name) for name, data in images.items()]
    write_shard(desk / "records" / "validation-00000-of-00001", *examples)
    labels = "".join(f"{name} {number + 1}\n" for number, name in enumerate(images))
    for name in ("val_map.txt", "one_based.txt"):
        (desk / name).write_text(labels)
    (desk / "photos" / "val_map.txt").write_text(labels)
    (desk / "imagenet" / "val_map.txt").write_text(labels)
    (desk / "val_map.txt").write_text(labels)
    (desk / "pics").mkdir()
    write_folder(desk / "pics", {f"p{n}.JPEG": data for n, data in enumerate(images.values(), 1)})
    numbers = range(1, len(images) + 1)
    (desk / "two.csv").write_text("".join(f"p{n},12,{3 * n}\n" for n in numbers))
    rows = (f"p{n},n01440764 1 2 3 4\n" for n in numbers)
    (desk / "LOC.csv").write_text("".join(["ImageId,PredictionString\n", *rows]))
    for name in ("fitted.pb", "resnet50_v1.pb"):
        (desk / name).write_bytes(b"")
    write_torch_zip(desk / "whole.pth", {}, pickled=WHOLE_MODEL)
    (desk / "hosts").write_text("localhost slots=2\n")
    (desk / "old").mkdir()
    shutil.copy(ROOT / "tests/golden/latency.log.txt", desk / "old" / "benchmark_0.log")
    evaluation = make_evaluation([3, 4], {0: (3, 0.9), 1: (5, 0.8)})
    made = {"FP32": make_accuracy_record(evaluation), "NAME": make_record()}
    made["INT8"] = make_accuracy_record(
        evaluation, make_accuracy_config(precision=Precision.AVX_INT8)
    )
    for name in ("main", "branch"):
        (desk / name).mkdir()
        write_record(desk / name, make_record())
    made |= dict.fromkeys(("BEFORE", "AFTER", "before", "after"), made["NAME"])
    dated = {run for _, line in COMMANDS for run in re.findall(r"runs/(2026\w+-\S+)", line)}
    for name, record in {**made, **dict.fromkeys(dated, made["NAME"])}.items():
        (desk / "runs" / name).mkdir(parents=True)
        write_record(desk / "runs" / name, record)
    return desk


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_a_documented_command_works(
    page: str, line: str, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run is planned, not measured, and for the null engine: any CPU can do that."""
    monkeypatch.chdir(desk)
    monkeypatch.setenv("HOME", str(desk))
    monkeypatch.setenv("XDG_CACHE_HOME", str(desk / "cache"))
    words = [word.replace("~", str(desk)) for word in shlex.split(line)]
    if line.startswith(tuple(PARSED_ONLY)):
        parse(words)
        return
    if words[0] in {"run", "sweep"}:
        words += [*["--dry-run"] * ("--dry-run" not in words), "--engine", "null"]
    try:
        r50.main(words, standalone_mode=False)
    except SystemExit as end:
        assert end.code in {0, ExitCode.INVALID_RESULT}  # a verdict is an answer, too
    except R50Error as error:
        # What this machine lacks, or a refusal that the page itself shows.
        lacks = isinstance(error, CANNOT_HERE) or " on this machine" in error.message
        assert (lacks and words[0] == "run") or flatten(error.message) in flatten(text_of(page))


def text_of(page: str) -> str:
    return next(path for path in PAGES if path.name == page).read_text()


def flatten(text: str) -> str:
    return " ".join(text.split())


def parse(words: list[str]) -> None:
    """Let click read the words of a command, or of a command of a group."""
    command, context = r50, click.Context(r50)
    while isinstance(command, click.Group):
        _, command, words = command.resolve_command(context, words)
    command.make_context(command.name, words)


def test_a_wrong_command_is_found() -> None:
    with pytest.raises(click.UsageError, match=r"(?i)no such option"):
        parse(["dataset", "fetch", "--wrong"])
