"""`r50 model`: prepare, describe, check and download models."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from resnet50_bench.cli.lines import print_line
from resnet50_bench.cli.logins import NETRC_OPTION, find_netrc
from resnet50_bench.config import Precision
from resnet50_bench.errors import ExitCode
from resnet50_bench.parameters.parameter import Setting
from resnet50_bench.parameters.settings import make_config
from resnet50_bench.parameters.table import ENGINE_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable

_PRECISIONS = "|".join(item.value for item in Precision)
_ENGINES = "|".join(name for name in ENGINE_NAMES if name != "null")


_ENDS = (
    click.option("--input-name", metavar="NAME",
                 help="The node that takes the images.  [default: found]"),
    click.option("--output-name", metavar="NAME",
                 help="The node that gives the answers.  [default: found]"),
)  # fmt: skip


def _take_ends(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the flags that name the ends of a graph."""
    for option in reversed(_ENDS):
        command = option(command)
    return command


@click.group()
def model() -> None:
    """Prepare, describe, check and download models."""


@model.command(
    epilog="""\b
Examples:
  r50 model prepare
  r50 model prepare --model resnet50_v1.pb --precision avx_int8
  r50 model prepare --model resnet50-11ad3fa6.pth
  r50 model prepare --engine openvino --precision avx_int8
  r50 model prepare --model FOLDER --input-name images"""
)
@click.option("--model", "path", metavar="PATH",
              help="A frozen graph, SavedModel folder, .keras, .h5, .onnx, .safetensors or .pth; "
              "none: one is generated.")  # fmt: skip
@_take_ends
@click.option("--precision", default="avx_fp32", metavar=_PRECISIONS, show_default=True,
              help="What to prepare it for.")  # fmt: skip
@click.option("--engine", default="tensorflow", metavar=_ENGINES, show_default=True,
              help="Which runtime is to load it.")  # fmt: skip
@click.option(
    "--calibration",
    metavar="PATH",
    help="Images to calibrate int8 with: a folder or a .tar.  [default: generated images]",
)
@click.option("--accept-loss", is_flag=True,
              help="Take a model that loses too many answers by rounding.")  # fmt: skip
def prepare(
    precision: str, calibration: str | None, *, accept_loss: bool, **named: str | None
) -> None:
    """Fold and optimise a graph for inference, once; `r50 run` does it on demand.

    For another engine than TensorFlow it is then made what that loads, and its answers to held-out
    images are compared with TensorFlow's.
    """
    _require_tensorflow()
    from resnet50_bench.cli.progress import ListingProgress
    from resnet50_bench.cli.terminal import TerminalObserver
    from resnet50_bench.data.sources.index import Opener, plan_index_folder
    from resnet50_bench.engines import load_engine
    from resnet50_bench.engines.offer import require_offered
    from resnet50_bench.host.machine import read_host
    from resnet50_bench.model import ModelSource, Wanted, check_cache, default_cache_dir
    from resnet50_bench.planning.environment import plan_environment, plan_worker_environment
    from resnet50_bench.planning.model import (
        describe_model,
        find_model,
        make_model,
        open_source_model,
        plan_calibration,
        require_readable,
    )

    asked = {
        "PRECISION": precision,
        "ENGINE": named["engine"],
        "CALIBRATION": calibration,
        "ACCEPT_LOSS": accept_loss,
        "MODEL": named["path"],
        "INPUT_NAME": named["input_name"],
        "OUTPUT_NAME": named["output_name"],
    }
    config = make_config([
        Setting(name, str(value), f"--{name.lower().replace('_', '-')}")
        for name, value in asked.items()
        if value is not None
    ])  # fmt: skip
    engine = load_engine(config.engine)
    require_offered(engine, config.precision)
    source = ModelSource.generated()
    if config.model is not None:
        source = open_source_model(config)
        require_readable(source, engine, config.precision)
    cache_dir = default_cache_dir(os.environ)
    with TerminalObserver() as observer:
        opener = Opener(plan_index_folder(cache_dir), ListingProgress(observer))
        request = plan_calibration(config, opener)
    found = find_model(config, source, (cache_dir,), request)
    if found is None:
        check_cache(cache_dir)
        host = read_host()
        ours = plan_environment(config, host, engine, host.physical_cores)
        wanted = Wanted(
            engine=config.engine,
            precision=config.precision,
            calibration=request,
            environment=plan_worker_environment(os.environ, ours),
        )
        with TerminalObserver() as observer:
            observer.stage(1, 1, "prepare the model: about half a minute")
            found = make_model(config, source, wanted, cache_dir, observer.note)
    print_line(describe_model(found.manifest))
    print_line(f"{found.path}")


@model.command(epilog="\b\nExamples:\n  r50 model info\n  r50 model info --json")
@click.option("--json", "as_json", is_flag=True, help="Print the manifests as JSON.")
def info(*, as_json: bool) -> None:
    """List the prepared models and what is known about them."""
    import msgspec

    from resnet50_bench.cli.terminal import print_json
    from resnet50_bench.model import default_cache_dir, list_prepared
    from resnet50_bench.planning.model import describe_model
    from resnet50_bench.report.terminal.model import describe_manifest

    cache_dir = default_cache_dir(os.environ)
    found = list_prepared(cache_dir)
    if as_json:
        print_json([{"path": str(item.path), **msgspec.to_builtins(item.manifest)}
                    for item in found])  # fmt: skip
        return
    if not found:
        print_line(f"no prepared models in {cache_dir}; `r50 model prepare` makes one")
    for item in found:
        print_line(describe_model(item.manifest))
        for name, text in describe_manifest(item):
            print_line(f"  {name:<14}{text}")


@model.command(
    epilog="""\b
Examples:
  r50 model verify resnet50_v1.pb
  r50 model verify model.safetensors
  r50 model verify resnet50.onnx --output-name logits"""
)
@click.argument("path", type=click.Path(path_type=Path))
@_take_ends
def verify(path: Path, input_name: str | None, output_name: str | None) -> None:
    """Check that the model in PATH is ResNet-50 v1.5; say how it is read and what is wrong."""
    _require_tensorflow()
    from resnet50_bench.config import RunConfig
    from resnet50_bench.model import verify_source
    from resnet50_bench.planning.model import open_source_model
    from resnet50_bench.report.terminal.model import describe_reading

    asked = RunConfig(model=str(path), input_name=input_name, output_name=output_name)
    found = verify_source(open_source_model(asked))
    print_line(f"{path}: {found.identity.size_bytes:,} bytes, sha256 {found.identity.sha256}")
    for name, text in describe_reading(found.reading) if found.reading is not None else ():
        print_line(f"  {name:<14}{text}")
    if not found.problems:
        print_line(f"ResNet-50 v1.5: {found.structure.convolutions} convolutions, "
                   f"{found.structure.parameters:,} parameters, "
                   f"{found.structure.classes} classes")  # fmt: skip
        return
    for problem in found.problems:
        print_line(problem, label="problem: ", colour="red")
    sys.exit(ExitCode.WRONG_REQUEST)


@model.command(
    epilog="""\b
Examples:
  r50 model fetch
  r50 model fetch --url https://mirror.example/resnet50_v1.pb
  r50 model fetch --url file:///mnt/share/resnet50_v1.pb
  r50 model fetch --netrc --url https://private.example/resnet50_v1.pb
\b
Proxies are those of the usual variables: https_proxy, http_proxy, all_proxy, no_proxy."""
)
@click.option("--url", metavar="URL", help="A mirror: http, https or file.  [default: zenodo.org]")
@NETRC_OPTION
def fetch(url: str | None, *, log_in: bool) -> None:
    """Download the published graph, resnet50_v1.pb; an interrupted download is resumed."""
    from resnet50_bench.cli.progress import StepProgress
    from resnet50_bench.cli.terminal import TerminalObserver
    from resnet50_bench.data.verify.facts import Step
    from resnet50_bench.model import (
        PUBLISHED_URL,
        Origin,
        default_cache_dir,
        fetch,
        find_shared_caches,
        verify,
    )

    with TerminalObserver() as observer:
        origin = Origin(
            url or PUBLISHED_URL, find_netrc(log_in=log_in), find_shared_caches(os.environ)
        )
        observer.stage(1, 1, f"fetch {origin.url}")
        show = partial(StepProgress(observer), Step.DOWNLOAD)
        path = fetch(
            default_cache_dir(os.environ),
            show,
            origin,
            verify,
            lambda wanted: observer.note(f"another process downloads {wanted}: wait for it"),
        )
    print_line(f"{path}")
    print_line(f"use it with: r50 run --model {path}")


def _require_tensorflow() -> None:
    """Ask before anything is imported that would end this process on such a CPU."""
    from resnet50_bench.host.machine import read_host
    from resnet50_bench.precision.runnable import require_loadable

    require_loadable("TensorFlow", read_host().cpu_flags)
