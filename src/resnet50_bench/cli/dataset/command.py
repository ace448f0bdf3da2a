"""`r50 dataset`: verify, describe and download data sets of images."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from resnet50_bench.cli.dataset.cache import cache
from resnet50_bench.cli.lines import print_line
from resnet50_bench.cli.logins import NETRC_OPTION, find_netrc
from resnet50_bench.errors import ExitCode

if TYPE_CHECKING:
    from resnet50_bench.cli.progress import StepProgress
    from resnet50_bench.data.verify.conclusion import Conclusion
    from resnet50_bench.data.verify.inquiry import Inquiry
    from resnet50_bench.data.verify.memory import Memory

_COLOURS = {"ok": "green", "failed": "red", "unknown": "yellow"}

_VERIFY_EPILOG = """\b
Examples:
  r50 dataset verify ILSVRC2012_img_val.tar
  r50 dataset verify --quick ILSVRC2012_img_val.tar     names and size only
  r50 dataset verify ~/photos                           is every file whole
  r50 dataset verify --json tfrecords/
\b
Exit codes: 0 nothing is wrong (a set that is not ImageNet's is not wrong), 1 something is
damaged, or a file with the name or size of ILSVRC2012_img_val.tar is another one, 2 there
is no data set at PATH, 130 interrupted."""


@click.group()
def dataset() -> None:
    """Verify, describe, download and preprocess data sets of images."""


dataset.add_command(cache)


@dataset.command(epilog=_VERIFY_EPILOG)
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--quick", is_flag=True, help="Look at names and sizes only, read no image.")
@click.option("--again", is_flag=True, help="Read all anew, whatever is remembered.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def verify(path: Path, *, quick: bool, again: bool, as_json: bool) -> None:
    """Check that the data set in PATH is whole, and whether it is ImageNet's validation set.

    PATH is what --dataset takes: a .tar, a folder of images, or shards. An archive with the name
    or size of ILSVRC2012_img_val.tar is compared with the published size, MD5 and SHA-256; of
    anything else every image is read; of TFRecords every checksum. What was found is remembered
    until the files change. Nothing is changed, moved or deleted.
    """
    from resnet50_bench.cli.progress import ListingProgress, StepProgress
    from resnet50_bench.cli.terminal import TerminalObserver
    from resnet50_bench.data.imagenet import VALIDATION
    from resnet50_bench.data.verify.inquiry import Inquiry

    with TerminalObserver() as observer:
        observer.stage(1, 1, f"verify {path}")
        progress = StepProgress(observer)
        inquiry = Inquiry(
            path.absolute(),
            VALIDATION,
            _make_memory(),
            again=again,
            on_listing=ListingProgress(observer),
        )
        try:
            inquiry.gather(progress, quick=quick)
        except KeyboardInterrupt:
            observer.clear()
            _explain_interruption(progress)
            _print_findings(inquiry, as_json=as_json)
            raise
    conclusion = _print_findings(inquiry, as_json=as_json)
    if conclusion.is_bad:
        sys.exit(ExitCode.INVALID_RESULT)


@dataset.command(epilog="\b\nExamples:\n  r50 dataset info ~/photos\n"
                 "  r50 dataset info --json ILSVRC2012_img_val.tar\n"
                 "  r50 dataset info 'val-{000000..000063}.tar'    in quotes")  # fmt: skip
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def info(path: Path, *, as_json: bool) -> None:
    """Tell what the data set in PATH holds: images, names, sizes, files that are skipped."""
    import msgspec

    from resnet50_bench.cli.progress import ListingProgress
    from resnet50_bench.cli.terminal import TerminalObserver, print_json
    from resnet50_bench.data.argument import open_argument
    from resnet50_bench.data.sources.index import Opener, plan_index_folder
    from resnet50_bench.data.verify.info import describe_dataset
    from resnet50_bench.model import default_cache_dir
    from resnet50_bench.report.terminal.dataset import describe_info

    with TerminalObserver() as observer:
        observer.stage(1, 1, f"list the images of {path}")
        opener = Opener(plan_index_folder(default_cache_dir(os.environ)), ListingProgress(observer))
        found = describe_dataset(open_argument(path, opener))
    if as_json:
        print_json(msgspec.to_builtins(found))
        return
    for name, text in describe_info(found):
        print_line(f"{name:<10}{text}")


@dataset.command(
    epilog="""\b
Examples:
  r50 dataset fetch ~/imagenet
  r50 dataset fetch ~/imagenet --url https://mirror.example/ILSVRC2012_img_val.tar
  r50 dataset fetch ~/imagenet --url file:///mnt/share/ILSVRC2012_img_val.tar
  r50 dataset fetch ~/imagenet --netrc --url https://private.example/ILSVRC2012_img_val.tar
\b
The finished file is put in its place only when its size, MD5 and SHA-256 are the published
ones. Until then it is ILSVRC2012_img_val.tar.part, and the same command goes on with it. A
file that arrives whole and is another one is kept as ILSVRC2012_img_val.tar.corrupt."""
)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--url", metavar="URL", help="A mirror.  [default: image-net.org]")
@NETRC_OPTION
def fetch(folder: Path, url: str | None, *, log_in: bool) -> None:
    """Download ImageNet's validation images, 6.7 GB, into DIR and prove them.

    An interrupted download is resumed. ImageNet's server needs an account; where it refuses, the
    message says where to put a file that was downloaded by hand.
    """
    from resnet50_bench.cli.progress import StepProgress
    from resnet50_bench.cli.terminal import TerminalObserver
    from resnet50_bench.data.fetch import Mirror, fetch_archive
    from resnet50_bench.data.imagenet import VALIDATION

    with TerminalObserver() as observer:
        observer.stage(1, 1, f"fetch {VALIDATION.file_name} from {url or VALIDATION.url}")
        progress = StepProgress(observer)
        mirror = Mirror(url, find_netrc(log_in=log_in))
        try:
            fetched = fetch_archive(folder.absolute(), VALIDATION, _make_memory(), progress, mirror)
        except KeyboardInterrupt:
            observer.clear()
            print_line(f"stopped after {progress.done}; the same command goes on", err=True)
            raise
    state = "was there already" if fetched.was_there else "downloaded"
    print_line(f"{fetched.path}")
    print_line(f"{state}: the published archive, by its MD5 and SHA-256")
    print_line(f"use it with: r50 run --dataset {fetched.path}")


def _make_memory() -> Memory:
    from resnet50_bench.data.verify.memory import Memory
    from resnet50_bench.model import default_cache_dir

    return Memory(default_cache_dir(os.environ).with_name("verified"))


def _explain_interruption(progress: StepProgress) -> None:
    from resnet50_bench.data.verify.facts import Step

    reason = "a hash cannot be gone on with, so " if progress.step is Step.HASH else ""
    print_line(
        f"stopped after {progress.done}; {reason}the next time it begins anew. Known so far:",
        err=True,
    )


def _print_findings(inquiry: Inquiry, *, as_json: bool) -> Conclusion:
    import msgspec

    from resnet50_bench.cli.terminal import print_json
    from resnet50_bench.data.imagenet import VALIDATION
    from resnet50_bench.data.verify.conclusion import conclude
    from resnet50_bench.report.terminal.dataset import list_checks

    claims = inquiry.claims_to_be_published
    conclusion = conclude(inquiry.facts, VALIDATION, claims=claims)
    if inquiry.forgetful is not None:
        print_line(f"note: what was found cannot be remembered: {inquiry.forgetful}", err=True)
    if as_json:
        facts = msgspec.to_builtins(inquiry.facts)
        print_json({"path": str(inquiry.path), **msgspec.to_builtins(conclusion), "facts": facts})
        return conclusion
    if inquiry.is_recalled:
        print_line(f"read {inquiry.facts.read_at} and unchanged since; --again reads it anew")
    for status, line in list_checks(conclusion):
        print_line(line, label=f"{status:<9}", colour=_COLOURS.get(status))
    print_line(conclusion.summary, colour="red" if conclusion.is_bad else None)
    return conclusion
