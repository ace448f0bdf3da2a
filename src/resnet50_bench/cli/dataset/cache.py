"""`r50 dataset cache`: preprocess a dataset once, so that later runs need not decode it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from resnet50_bench.cli.lines import print_line
from resnet50_bench.config import Preprocessing

if TYPE_CHECKING:
    from collections.abc import Callable

    from resnet50_bench.cli.terminal import TerminalObserver
    from resnet50_bench.data.crops.store import Crops

_EPILOG = """\b
Examples:
  r50 dataset cache ~/imagenet/ILSVRC2012_img_val.tar
  r50 dataset cache ~/imagenet/val --preprocessing torchvision --output /data/crops
\b
150 kB an image, 7.5 GB for the 50,000. Interrupted, it goes on where it was.
Delete the folder it names when it is not needed any more."""


@click.command(epilog=_EPILOG)
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--preprocessing",
    type=click.Choice([item.value for item in Preprocessing]),
    default=Preprocessing.MLPERF.value,
    show_default=True,
    help="The preprocessing the model expects; tensorflow cannot be cached without loss.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where crops are kept.  [default: crops in r50's cache folder]",
)
@click.option("--threads", type=click.IntRange(min=1), help="[default: one per CPU it may use]")
@click.option("--json", "as_json", is_flag=True, help="Print what was made as JSON.")
def cache(
    path: Path, preprocessing: str, output: Path | None, threads: int | None, *, as_json: bool
) -> None:
    """Preprocess the images of PATH, a folder or .tar, into a file that runs map into memory."""
    from resnet50_bench.cli.progress import ListingProgress
    from resnet50_bench.cli.terminal import TerminalObserver
    from resnet50_bench.data.argument import open_argument
    from resnet50_bench.data.crops.store import plan_crops_folder
    from resnet50_bench.data.crops.writer import CropsRequest, count_done, write_crops
    from resnet50_bench.data.profiles import find_profile
    from resnet50_bench.data.sources.index import Opener, plan_index_folder
    from resnet50_bench.model import default_cache_dir

    cache_dir = default_cache_dir(os.environ)
    with TerminalObserver() as observer:
        opener = Opener(plan_index_folder(cache_dir), ListingProgress(observer))
        source = open_argument(path.absolute(), opener)
    request = CropsRequest(
        source=source,
        profile=find_profile(preprocessing),
        folder=(output or plan_crops_folder(cache_dir)).absolute(),
        threads=threads or len(os.sched_getaffinity(0)),
    )
    began = time.monotonic()
    with TerminalObserver() as observer:
        count = len(source.refs)
        observer.stage(1, 1, f"preprocess {count:,} images of the {source.describe()}")
        if kept := count_done(request):
            observer.note(f"{kept:,} of them are there from an earlier attempt")
        try:
            found = write_crops(request, _make_display(observer))
        except KeyboardInterrupt:
            observer.note(
                f"{count_done(request):,} of {count:,} images are kept; the same command goes on"
            )
            raise
    _print_found(found, time.monotonic() - began, as_json=as_json)


def _make_display(observer: TerminalObserver) -> Callable[[int, int, float], None]:
    """Return what shows the progress, once a second."""
    shown_s = time.monotonic()

    def show(done: int, total: int, images_per_s: float) -> None:
        nonlocal shown_s
        if time.monotonic() - shown_s < 1:
            return
        shown_s = time.monotonic()
        left_s = (total - done) / images_per_s
        text = f"{done:,} of {total:,}, {images_per_s:.0f} images/s, {_describe_time(left_s)} left"
        observer.waiting(text, done / total)

    return show


def _describe_time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def _print_found(found: Crops, spent_s: float, *, as_json: bool) -> None:
    import msgspec

    from resnet50_bench.cli.terminal import print_json
    from resnet50_bench.data.crops.store import CROP_BYTES

    manifest = found.manifest
    size_bytes = manifest.images * CROP_BYTES
    if as_json:
        values = {"path": str(found.path), "bytes": size_bytes, "seconds": round(spent_s, 3)}
        print_json({**values, **msgspec.to_builtins(manifest)})
        return
    for item in manifest.unreadable:
        print_line(f"{item.name}: {item.reason}", label="unreadable: ", colour="yellow")
    size = f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.0f} MB"
    unreadable = f", {len(manifest.unreadable)} unreadable" if manifest.unreadable else ""
    print_line(
        f"{manifest.images:,} images{unreadable}, preprocessed as {manifest.preprocessing}: {size}"
    )
    print_line(f"{found.path}")
