"""The one table of parameters.

`PARAMETERS` is the only place that names a parameter, its allowed values, its default and its help;
the command line's flags, `--set`, the environment names and the validation all come from it.
"""

from __future__ import annotations

from collections.abc import Mapping

from resnet50_bench.config import (
    Allocator,
    Attestation,
    CaseType,
    CoreKind,
    DataType,
    Gramine,
    Mode,
    Platform,
    Precision,
    Preprocessing,
    SharePer,
)
from resnet50_bench.host.cpu_latency import HIGHEST_US
from resnet50_bench.parameters.parameter import Parameter, Setting
from resnet50_bench.parameters.values import (
    list_words,
    parse_assignments,
    parse_case_type,
    parse_choice,
    parse_columns,
    parse_engine_options,
    parse_only,
    parse_percent,
    parse_price,
    parse_seconds,
    parse_switch,
    parse_text,
    parse_whole,
    parse_width,
    parse_word,
)

WORKLOAD = "resnet50v1_5_tensorflow_xeon_public"
TOPOLOGY = "resnet50v1_5"
FUNCTION = "inference"
INSTANCE_MODE = "flex"
ENGINE_NAMES = ("tensorflow", "zentf", "openvino", "onnxruntime", "pytorch", "onednn", "null")

PARAMETERS: tuple[Parameter, ...] = (
    Parameter(
        "FUNCTION",
        "",
        parse_only(FUNCTION, "nothing else is measured"),
        "What to run; only inference exists.",
        default=FUNCTION,
        choices=(FUNCTION,),
    ),
    Parameter(
        "MODE",
        "mode",
        parse_word(Mode),
        "What to measure: images per second, time per query, or the share of right answers.",
        default="throughput",
        choices=list_words(Mode),
    ),
    Parameter(
        "PRECISION",
        "precision",
        parse_word(Precision),
        "Instruction set and data type to compute in.",
        default="avx_fp32",
        choices=list_words(Precision),
    ),
    Parameter(
        "DATA_TYPE",
        "data_type",
        parse_word(DataType),
        "Generated images, or the images of --dataset.",
        default="dummy; real when --dataset is given",
        choices=list_words(DataType),
    ),
    Parameter(
        "DATASET",
        "dataset",
        parse_text,
        "Images, read in place: a .tar, a folder, or TFRecord, WebDataset or Parquet shards.",
        metavar="PATH",
        whole=True,
    ),
    Parameter(
        "LABELS",
        "labels",
        parse_text,
        "What the images show: lines, CSV or JSON of names and classes, one synset a line, or the "
        "ILSVRC2012 devkit.",
        default="found: in the dataset, beside it, or known of ILSVRC2012's validation images",
        metavar="PATH",
        whole=True,
    ),
    Parameter(
        "LABELS_FORMAT",
        "labels_format",
        parse_columns,
        "What the columns of --labels are: words of name, class, synset and - with commas between "
        "them, such as name,-,class; or devkit.",
        default="found out from what the file holds",
        metavar="COLUMNS",
        whole=True,
    ),
    Parameter(
        "CLASS_ORDER",
        "class_order",
        parse_text,
        "What labels that are numbers count by: synset (the sorted WNIDs from 0; synset:1 from 1), "
        "ilsvrc2012-id (the devkit's numbers) or a file of class names. With outputs: in front, "
        "the order of the model's outputs.",
        default="synset",
        metavar="ORDER",
        whole=True,
    ),
    Parameter(
        "PREPROCESSING",
        "preprocessing",
        parse_word(Preprocessing),
        "How an image becomes the model's input; docs/datasets.md compares them.",
        default="the model's own where it is known; else mlperf, torchvision for 1000 classes",
        choices=list_words(Preprocessing),
    ),
    Parameter(
        "MAX_UNREADABLE",
        "max_unreadable",
        parse_whole(0),
        "In accuracy mode, how many images may be unreadable before the result is INVALID.",
        default="0",
        metavar="N",
    ),
    Parameter(
        "EXPECTED_TOP1",
        "expected_top1",
        parse_percent,
        "In accuracy mode, the top-1 accuracy of which 99 % must be reached.",
        default="76.46 for the published resnet50_v1.pb, none for other models",
        metavar="PERCENT",
    ),
    Parameter(
        "CASE_TYPE",
        "case_type",
        parse_case_type,
        "gated: a short check (10 steps, batch size 1, one instance per socket); pkm: the common "
        "parameters.",
        choices=list_words(CaseType),
    ),
    Parameter(
        "WORKLOAD",
        "",
        parse_only(WORKLOAD, "the only workload here"),
        "The framework's name of the workload; it has this one.",
        default=WORKLOAD,
        choices=(WORKLOAD,),
    ),
    Parameter(
        "TOPOLOGY",
        "",
        parse_only(TOPOLOGY, "the only network here"),
        "The network; it has this one.",
        default=TOPOLOGY,
        choices=(TOPOLOGY,),
    ),
    Parameter(
        "PLATFORM",
        "platform",
        parse_word(Platform),
        "The platform to report the result under; it changes nothing that is measured.",
        default="what this machine is",
        choices=list_words(Platform),
    ),
    Parameter(
        "BATCH_SIZE",
        "batch_size",
        parse_whole(1),
        "Images per query.",
        default="32 in throughput mode, 1 in latency mode, 8 in accuracy mode",
        metavar="N",
    ),
    Parameter(
        "CORES_PER_INSTANCE",
        "cores_per_instance",
        parse_whole(1),
        "Physical cores per instance.",
        default="a whole socket; 4 in latency mode, at most 4 in accuracy mode",
        metavar="N",
    ),
    Parameter(
        "INSTANCES",
        "instances",
        parse_whole(1),
        "How many instances run side by side; with --mpi, on each host.",
        default="as many as fit",
        metavar="N",
    ),
    Parameter(
        "INSTANCE_MODE",
        "",
        parse_only(INSTANCE_MODE, "CORES_PER_INSTANCE and INSTANCES shape the instances"),
        "How instances are laid out; flex: by CORES_PER_INSTANCE and INSTANCES.",
        default=INSTANCE_MODE,
        choices=(INSTANCE_MODE,),
    ),
    Parameter(
        "STEPS",
        "steps",
        parse_whole(1),
        "Queries per instance; naming it lifts the minimum time.",
        default="at least 30 (latency mode: 300) and the minimum time; accuracy mode: the dataset",
        metavar="N",
    ),
    Parameter(
        "WARMUP_STEPS",
        "warmup_steps",
        parse_whole(1),
        "Queries per instance before the measurement.",
        default="5 in throughput mode, 50 in latency mode",
        metavar="N",
    ),
    Parameter(
        "MIN_TIME",
        "min_time_s",
        parse_seconds,
        "Measure for at least this long.",
        default="20 in throughput mode, 10 in latency mode, none with --steps or gated",
        metavar="SECONDS",
    ),
    Parameter(
        "UNTIL",
        "until",
        parse_width,
        "Run again, longer, until the throughput's 95 % interval reaches no further than this from "
        "its mean; INVALID, with the reason, where it will not (docs/comparison.md).",
        default="one run, however well it is known",
        metavar="PERCENT",
    ),
    Parameter(
        "MAX_TIME",
        "max_time_s",
        parse_seconds,
        "With --until, how long all the runs together may measure.",
        default="600",
        metavar="SECONDS",
    ),
    Parameter(
        "MODEL",
        "model",
        parse_text,
        "A ResNet-50 v1.5: a frozen graph such as the published resnet50_v1.pb, a SavedModel "
        "folder, .keras, .h5, .onnx, or PyTorch weights as .safetensors or .pth (docs/models.md).",
        default="a model generated here; right for speed, not for accuracy",
        metavar="PATH",
        whole=True,
    ),
    Parameter(
        "INPUT_NAME",
        "input_name",
        parse_text,
        "The node of the model's graph that takes the images.",
        default="input_tensor, or the only one there is",
        metavar="NAME",
        whole=True,
    ),
    Parameter(
        "OUTPUT_NAME",
        "output_name",
        parse_text,
        "The node of the model's graph that gives the answers.",
        default="softmax_tensor, or the only one there is",
        metavar="NAME",
        whole=True,
    ),
    Parameter(
        "CALIBRATION",
        "calibration",
        parse_text,
        "Images to calibrate int8 with, a seeded sample of 128: a folder or a .tar; or the word "
        "generated.",
        default="those of --dataset; generated images without one",
        metavar="PATH",
        whole=True,
    ),
    Parameter(
        "LEAVE_OUT_CALIBRATION",
        "leave_out_calibration",
        parse_switch,
        "In accuracy mode, leave the images that calibrated int8 out of the accuracy.",
        default="off: all are counted, and the others also by themselves",
        switch=True,
    ),
    Parameter(
        "ACCEPT_LOSS",
        "accept_loss",
        parse_switch,
        "Use a prepared model that loses too many of its source's answers by rounding.",
        default="off; accuracy mode measures what it loses",
        switch=True,
    ),
    Parameter(
        "ENGINE",
        "engine",
        parse_choice(*ENGINE_NAMES),
        "The runtime that executes the model; null does no work and measures r50 itself. `r50 run` "
        "takes a list with commas, or all, and measures them in turns.",
        default="tensorflow",
        choices=ENGINE_NAMES,
    ),
    Parameter(
        "ENGINE_OPTION",
        "engine_options",
        parse_engine_options,
        "Settings of the engine, e.g. callers=2.",
        metavar="'KEY=VALUE ...'",
        whole=True,
    ),
    Parameter(
        "LIMIT",
        "limit",
        parse_whole(1),
        "Use this many images of --dataset: the first by name; in accuracy mode a seeded sample.",
        default="all that fit in memory; in accuracy mode all",
        metavar="N",
    ),
    Parameter(
        "SEED",
        "seed",
        parse_whole(0),
        "Seed of everything generated.",
        default="0",
        metavar="N",
    ),
    Parameter(
        "SMT",
        "smt",
        parse_switch,
        "Compute on every hardware thread of a core, not on one.",
        default="off",
        switch=True,
    ),
    Parameter(
        "SPAN_SOCKETS",
        "span_sockets",
        parse_switch,
        "Let an instance cross sockets where cores are left over.",
        default="off",
        switch=True,
    ),
    Parameter(
        "CORE_KIND",
        "core_kind",
        parse_word(CoreKind),
        "On a hybrid CPU, the kind of core to use; with any, every instance keeps to one kind.",
        default="the fastest kind there is",
        choices=list_words(CoreKind),
    ),
    Parameter(
        "EMULATED",
        "emulated",
        parse_switch,
        "Run a precision this CPU has no instructions for by slower ones; marked EMULATED.",
        default="off",
        switch=True,
    ),
    Parameter(
        "WEIGHT_SHARING",
        "weight_sharing",
        parse_switch,
        "One process a socket, one copy of the weights, streams of CORES_PER_INSTANCE cores.",
        default="off",
        switch=True,
    ),
    Parameter(
        "SHARE_PER",
        "share_per",
        parse_word(SharePer),
        "With weight sharing, what one process spans: a socket or a memory node.",
        default="socket",
        choices=list_words(SharePer),
    ),
    Parameter(
        "FORCE",
        "force",
        parse_switch,
        "Share weights in avx_fp32 and amx_bfloat32 too, which the workload rules out.",
        default="off",
        switch=True,
    ),
    Parameter(
        "MPI",
        "mpi",
        parse_switch,
        "Start the instances by MPI: --num-mpi on each socket, or --instances on each host "
        "(docs/mpi.md).",
        default="off",
        switch=True,
    ),
    Parameter(
        "NUM_MPI",
        "num_mpi",
        parse_whole(1),
        "MPI processes per socket, which share its cores evenly unless --cores-per-instance is "
        "given; more than 1 needs --mpi.",
        default="1",
        metavar="N",
    ),
    Parameter(
        "ALLOCATOR",
        "allocator",
        parse_word(Allocator),
        "Whose malloc the instances use: the C library's, or a preloaded library's.",
        default="system",
        choices=list_words(Allocator),
    ),
    Parameter(
        "CPU_LATENCY_LIMIT",
        "cpu_latency_limit_us",
        parse_whole(0, HIGHEST_US),
        "How many microseconds an idle core of this machine may take to wake while the instances "
        "run; 0 keeps all awake. Needs to write /dev/cpu_dma_latency.",
        default="as the kernel decides",
        metavar="US",
    ),
    Parameter(
        "HOSTFILE",
        "hostfile",
        parse_text,
        "The hosts to start the same instances on, by MPI: a line each, NAME, NAME slots=N or "
        "NAME:N.",
        default="this host",
        metavar="FILE",
    ),
    Parameter(
        "ACCEPT_NOISE",
        "accept_noise",
        parse_switch,
        "Warn, and do not fail, where other work took the cores meanwhile (docs/trust.md).",
        default="off",
        switch=True,
    ),
    Parameter(
        "PRICE_PER_HOUR",
        "price_per_hour",
        parse_price,
        "What one such machine costs an hour, in any currency: the result then says what a million "
        "images cost.",
        metavar="PRICE",
    ),
    Parameter(
        "GRAMINE",
        "gramine",
        parse_word(Gramine),
        "Run the instances inside gramine: in an SGX enclave each, or without one (docs/sgx.md).",
        default="off; sgx for the test cases with sgx in their name",
        choices=list_words(Gramine),
    ),
    Parameter(
        "REMOTE_ATTESTATION",
        "remote_attestation",
        parse_word(Attestation),
        "How the enclaves can prove themselves to others; passed through to gramine.",
        default="none",
        choices=list_words(Attestation),
    ),
    Parameter(
        "ONEDNN_VERBOSE",
        "onednn_verbose",
        parse_switch,
        "Let oneDNN write a line per primitive, for `r50 profile`; slows the run down.",
        default="off",
        switch=True,
    ),
    Parameter(
        "CUSTOMER_ENV",
        "customer_env",
        parse_assignments,
        "Environment variables for the instances; they win over r50's own.",
        metavar="'A=1 B=2'",
        whole=True,
    ),
    Parameter(
        "TIMEOUT",
        "timeout_s",
        parse_seconds,
        "How long starting, and again measuring, may take before an instance counts as hung.",
        default="600 to start; 60 more than 3 times the expected time to measure",
        metavar="SECONDS",
    ),
    Parameter(
        "VERBOSE",
        "verbose",
        parse_switch,
        "Say more: the environment of the instances, every phase, every skipped file.",
        default="off",
        switch=True,
    ),
)

_BY_NAME = {parameter.name: parameter for parameter in PARAMETERS}


def find_parameter(name: str) -> Parameter | None:
    """Return the parameter of this name, in any case."""
    return _BY_NAME.get(name.upper())


def find_environment_settings(environ: Mapping[str, str]) -> list[Setting]:
    """Return the parameters that stand in the environment under their plain names."""
    return [
        Setting(name, environ[name], f"environment variable {name}")
        for name in _BY_NAME
        if name in environ
    ]
