"""Which parameters exclude each other, and which need another: sentences for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resnet50_bench.config import (
    Allocator,
    Attestation,
    CaseType,
    DataType,
    Gramine,
    Mode,
    Precision,
    RunConfig,
    SharePer,
    plan_workload,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_NO_WEIGHT_SHARING = frozenset({Precision.AVX_FP32, Precision.AMX_BFLOAT32})
"""The workload's README: "not supported weight sharing"."""

_ACCURACY_ONLY = (
    "labels",
    "labels_format",
    "class_order",
    "max_unreadable",
    "expected_top1",
    "leave_out_calibration",
)

_ONEDNN_SWITCH = "TF_ENABLE_ONEDNN_OPTS"
_OFF = frozenset({"0", "false"})
"""As TensorFlow's env_var.cc reads them; anything else leaves oneDNN on, as r50 sets it."""


def find_conflicts(config: RunConfig, named: Mapping[str, str]) -> list[str]:
    """Say which parameters exclude each other.

    Args:
        config: what was asked.
        named: the name of each field of the config, as the user gave it, e.g. `--batch-size`.
    """
    problems = []
    if config.data_type is DataType.REAL and config.dataset is None:
        problems.append(
            f"{named['data_type']} real needs images: add --dataset PATH, a folder or a .tar"
        )
    if config.data_type is DataType.DUMMY:
        problems += [
            f"{named[name]} has no meaning with dummy data: leave it out, or use --data-type real"
            for name in ("dataset", "limit")
            if getattr(config, name) is not None
        ]
    problems += [
        f"{named[name]} names a node of a model's graph: add --model PATH, or leave it out"
        for name in ("input_name", "output_name")
        if getattr(config, name) is not None and config.model is None
    ]
    problems += _find_accuracy_conflicts(config, named)
    problems += _find_until_conflicts(config, named)
    problems += _find_pointless(config, named)
    return [*problems, *_find_process_conflicts(config, named)]


def _find_until_conflicts(config: RunConfig, named: Mapping[str, str]) -> list[str]:
    """What leaves no time to decide about."""
    if config.until is None:
        if config.max_time_s is None:
            return []
        return [f"{named['max_time_s']} has a meaning with --until only: leave it out"]
    fixed = {
        "steps": (config.steps is not None, "it fixes how much is measured"),
        "case_type": (config.case_type is CaseType.GATED, "a gated case is a short check"),
        "mode": (config.mode is Mode.ACCURACY, "in accuracy mode every image is seen once"),
    }
    problems = [
        f"{named['until']} {config.until:g} decides how long is measured, and {named[name]} "
        f"forbids that: {why}; leave one of them out"
        for name, (is_fixed, why) in fixed.items()
        if is_fixed
    ]
    least_s = plan_workload(config).min_time_ns / 1e9
    if config.max_time_s is not None and config.max_time_s < least_s:
        problems.append(
            f"{named['max_time_s']} {config.max_time_s:g} is less than the minimum time of one "
            f"run, {least_s:g} s: raise it, or lower --min-time"
        )
    return problems


def _find_pointless(config: RunConfig, named: Mapping[str, str]) -> list[str]:
    """What would be ignored, or could never be met."""
    problems = []
    if config.calibration is not None and "int8" not in config.precision.value:
        problems.append(f"{named['calibration']} has a meaning for int8 only: leave it out")
    switch = config.customer_env.get(_ONEDNN_SWITCH, "1")
    is_int8 = "int8" in config.precision.value and config.engine != "null"
    if is_int8 and switch.lower() in _OFF:
        problems.append(
            f"{named['customer_env']} {_ONEDNN_SWITCH}={switch}: TensorFlow has 8-bit convolutions "
            "in oneDNN alone: leave it out, or use another precision"
        )
    if config.timeout_s is not None and config.timeout_s * 1e9 <= plan_workload(config).min_time_ns:
        problems.append(
            f"{named['timeout_s']} {config.timeout_s:g} is no longer than the minimum time to "
            "measure: raise it, or lower --min-time"
        )
    if config.allocator is not Allocator.SYSTEM and "LD_PRELOAD" in config.customer_env:
        problems.append(
            f"{named['allocator']} {config.allocator.value} sets LD_PRELOAD, and so does "
            f"{named['customer_env']}: leave one of them out"
        )
    return problems


def _find_accuracy_conflicts(config: RunConfig, named: Mapping[str, str]) -> list[str]:
    """What accuracy needs, and what has a meaning for it alone."""
    if config.mode is not Mode.ACCURACY:
        return [
            f"{named[name]} has a meaning in accuracy mode only: leave it out, or add --mode "
            "accuracy"
            for name in _ACCURACY_ONLY
            if getattr(config, name) not in (None, False)
        ]
    problems = [
        f"{named[name]} has no meaning in accuracy mode: leave it out"
        for name in ("case_type", "price_per_hour")
        if getattr(config, name) is not None
    ]
    if config.labels_format is not None and config.labels is None:
        problems.append(
            f"{named['labels_format']} says how a file is read: add --labels PATH, or leave it out"
        )
    return problems


def find_missing(config: RunConfig, named: Mapping[str, str]) -> list[str]:
    """Say what accuracy cannot do without and was not given."""
    if config.mode is not Mode.ACCURACY:
        return []
    problems = []
    if config.dataset is None:
        problems.append(
            f"{named['mode']} accuracy: generated images have no right answer: give --dataset "
            "PATH; ImageNet's validation images are ILSVRC2012_img_val.tar from image-net.org "
            "(`r50 dataset fetch DIR`)"
        )
    if config.model is None and config.engine != "null":
        problems.append(
            f"{named['mode']} accuracy: generated weights have learned nothing: give --model "
            "FILE; `r50 model fetch` gets the published resnet50_v1.pb"
        )
    return problems


def _find_process_conflicts(config: RunConfig, named: Mapping[str, str]) -> list[str]:
    """What cannot be shared between processes, and how they cannot be started."""
    problems = []
    if config.weight_sharing and config.precision in _NO_WEIGHT_SHARING and not config.force:
        able = [item.value for item in Precision if item not in _NO_WEIGHT_SHARING]
        problems.append(
            f"{named['weight_sharing']} True: {config.precision.value} does not support it; "
            f"the precisions that do are {', '.join(able)}; {named['force']} tries all the same"
        )
    if not config.weight_sharing:
        problems += [
            f"{named[name]} has a meaning with weight sharing only: leave it out, or add "
            "--weight-sharing"
            for name, default in (("share_per", SharePer.SOCKET), ("force", False))
            if getattr(config, name) is not default
        ]
    return [*problems, *_find_mpi_conflicts(config, named), *_find_enclave_conflicts(config, named)]


def _find_enclave_conflicts(config: RunConfig, named: Mapping[str, str]) -> list[str]:
    """What an instance inside gramine cannot do, and what has a meaning there alone."""
    if config.gramine is Gramine.OFF:
        if config.remote_attestation is Attestation.NONE:
            return []
        return [
            f"{named['remote_attestation']} has a meaning in an enclave only: leave it out, or add "
            "--gramine sgx"
        ]
    refused = {
        "mpi": (config.mpi, "enclaves are started by r50 itself"),
        "allocator": (
            config.allocator is not Allocator.SYSTEM,
            "a preloaded library is none of the files the enclave trusts",
        ),
        "onednn_verbose": (
            config.onednn_verbose,
            "an enclave's standard output carries its answers",
        ),
        "cpu_latency_limit_us": (
            config.cpu_latency_limit_us is not None,
            "an enclave cannot reach the kernel's device for it",
        ),
    }
    given = f"{named['gramine']} {config.gramine.value}"
    return [
        f"{named[name]}: cannot be had with {given}: {why}: leave it out"
        for name, (asked, why) in refused.items()
        if asked
    ]


def _find_mpi_conflicts(config: RunConfig, named: Mapping[str, str]) -> list[str]:
    """What MPI cannot do here, and what needs it."""
    if not config.mpi:
        problems = []
        if config.num_mpi > 1:
            problems.append(
                f"{named['num_mpi']} {config.num_mpi}: without MPI there is nothing to multiply; "
                "add --mpi, leave it out, or give 1"
            )
        if config.hostfile is not None:
            problems.append(
                f"{named['hostfile']} {config.hostfile}: without MPI everything runs on this "
                "host; add --mpi, or leave it out"
            )
        return problems
    by_socket = config.instances is None and not config.weight_sharing
    refused = {
        "num_mpi": (
            config.num_mpi > 1 and not by_socket,
            f"{config.num_mpi} processes on each socket, and "
            + (
                "with weight sharing there is one for each socket or, by --share-per, memory node"
                if config.weight_sharing
                else f"{named['instances']} says how many each host gets"
            )
            + ": leave one of them out",
        ),
        "span_sockets": (
            config.span_sockets and by_socket,
            "processes counted by the socket belong to one: leave it out, or give their number "
            "with --instances",
        ),
    }
    return [f"{named[name]}: {why}" for name, (given, why) in refused.items() if given]
