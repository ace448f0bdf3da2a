from __future__ import annotations

import json
from dataclasses import fields

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from resnet50_bench.cli.run.command import run
from resnet50_bench.config import (
    Allocator,
    CaseType,
    CoreKind,
    DataType,
    Mode,
    Precision,
    RunConfig,
)
from resnet50_bench.errors import ConfigError, ExitCode, MissingDataError
from resnet50_bench.parameters.table import (
    PARAMETERS,
    Setting,
    find_environment_settings,
    make_config,
)

NAMES = [parameter.name for parameter in PARAMETERS]
NEEDED = {"LIMIT": {"DATASET": "images"}}
"""What a parameter has no meaning without."""


def make(origin: str = "--set", **settings: str) -> RunConfig:
    return make_config(Setting(name, value, f"{origin} {name}") for name, value in settings.items())


def problems(**settings: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        make(**settings)
    return caught.value.problems


class TestTable:
    def test_every_field_has_one_parameter(self):
        named = [parameter.field for parameter in PARAMETERS if parameter.field]
        assert sorted(named) == sorted(item.name for item in fields(RunConfig))
        assert len(NAMES) == len(set(NAMES))

    def test_flag(self):
        flags = {parameter.name: parameter.flag for parameter in PARAMETERS}
        assert flags["CORES_PER_INSTANCE"] == "--cores-per-instance"
        assert flags["MODE"] == "--mode"

    def test_no_setting_is_the_default(self):
        assert make() == RunConfig()


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        ("MODE", "latency", "mode", Mode.LATENCY),
        ("MODE", "Throughput", "mode", Mode.THROUGHPUT),
        ("PRECISION", "avx_fp32", "precision", Precision.AVX_FP32),
        ("PRECISION", "AMX_BFLOAT16", "precision", Precision.AMX_BFLOAT16),
        ("PRECISION", " amx_int8\n", "precision", Precision.AMX_INT8),
        ("DATA_TYPE", "dummy", "data_type", DataType.DUMMY),
        ("DATASET", "some folder/x.tar", "dataset", "some folder/x.tar"),
        ("CASE_TYPE", "gated", "case_type", CaseType.GATED),
        ("CASE_TYPE", "PKM", "case_type", CaseType.PKM),
        ("CASE_TYPE", "", "case_type", None),
        ("MODEL", "resnet50_v1.pb", "model", "resnet50_v1.pb"),
        ("ENGINE", "NULL", "engine", "null"),
        ("ENGINE_OPTION", "Query_MS=5 fault=raise", "engine_options",
         {"query_ms": "5", "fault": "raise"}),
        ("BATCH_SIZE", "1", "batch_size", 1),
        ("BATCH_SIZE", "007", "batch_size", 7),
        ("CORES_PER_INSTANCE", "56", "cores_per_instance", 56),
        ("INSTANCES", "2", "instances", 2),
        ("STEPS", "999999999999", "steps", 999_999_999_999),
        ("WARMUP_STEPS", "1", "warmup_steps", 1),
        ("MIN_TIME", "20", "min_time_s", 20.0),
        ("MIN_TIME", "0.000000001", "min_time_s", 1e-9),
        ("TIMEOUT", "100.5", "timeout_s", 100.5),
        ("LIMIT", "10", "limit", 10),
        ("SEED", "0", "seed", 0),
        ("SEED", "42", "seed", 42),
        ("SMT", "True", "smt", True),
        ("SMT", "1", "smt", True),
        ("SMT", "", "smt", False),
        ("SPAN_SOCKETS", "yes", "span_sockets", True),
        ("SPAN_SOCKETS", "off", "span_sockets", False),
        ("CORE_KIND", "E", "core_kind", CoreKind.E),
        ("CORE_KIND", "any", "core_kind", CoreKind.ANY),
        ("VERBOSE", "ON", "verbose", True),
        ("VERBOSE", "False", "verbose", False),
        ("EMULATED", "true", "emulated", True),
        ("ALLOCATOR", "JeMalloc", "allocator", Allocator.JEMALLOC),
        ("ALLOCATOR", "system", "allocator", Allocator.SYSTEM),
        ("CPU_LATENCY_LIMIT", "0", "cpu_latency_limit_us", 0),
        ("CPU_LATENCY_LIMIT", "2000000000", "cpu_latency_limit_us", 2_000_000_000),
        ("ONEDNN_VERBOSE", "True", "onednn_verbose", True),
        ("CUSTOMER_ENV", "A=1", "customer_env", {"A": "1"}),
    ],
)  # fmt: skip
def test_parses(name, text, field, value):
    config = make(**{name: text}, **NEEDED.get(name, {}))
    assert getattr(config, field) == value
    assert type(getattr(config, field)) is type(value)


WHOLE = "a whole number, 1 or more"
SECONDS = "a number of seconds above 0, such as 20 or 0.5"
SWITCH = "True or False"
IMAGES = (
    "generated images have no right answer: give --dataset PATH; ImageNet's validation images are "
    "ILSVRC2012_img_val.tar from image-net.org (`r50 dataset fetch DIR`)"
)
WEIGHTS = (
    "generated weights have learned nothing: give --model FILE; `r50 model fetch` gets the "
    "published resnet50_v1.pb"
)
PAIRS = "NAME=VALUE pairs separated by spaces"


@pytest.mark.parametrize(
    ("name", "text", "allowed"),
    [
        ("FUNCTION", "training", "inference: nothing else is measured"),
        ("MODE", "fast", "one of throughput, latency, accuracy"),
        ("PRECISION", "fp32",
         "one of avx_fp32, avx_int8, avx_bfloat16, amx_int8, amx_bfloat16, amx_bfloat32"),
        ("DATA_TYPE", "imagenet", "one of dummy, real"),
        ("CASE_TYPE", "x", "one of gated, pkm"),
        ("BATCH_SIZE", "0", WHOLE),
        ("BATCH_SIZE", "-1", WHOLE),
        ("BATCH_SIZE", "1.5", WHOLE),
        ("BATCH_SIZE", "1e3", WHOLE),
        ("BATCH_SIZE", "1_000", WHOLE),
        ("BATCH_SIZE", "\u0661", WHOLE),
        ("CORES_PER_INSTANCE", "all", WHOLE),
        ("INSTANCES", "0", WHOLE),
        ("STEPS", "1000000000000", WHOLE),
        ("STEPS", "30 40", WHOLE),
        ("WARMUP_STEPS", "0", WHOLE),
        ("LIMIT", "0", WHOLE),
        ("SEED", "-1", "a whole number, 0 or more"),
        ("MIN_TIME", "0", SECONDS),
        ("MIN_TIME", "0.0", SECONDS),
        ("MIN_TIME", "-1", SECONDS),
        ("MIN_TIME", ".5", SECONDS),
        ("MIN_TIME", "5.", SECONDS),
        ("MIN_TIME", "inf", SECONDS),
        ("MIN_TIME", "nan", SECONDS),
        ("MIN_TIME", "1e3", SECONDS),
        ("MIN_TIME", "20s", SECONDS),
        ("TIMEOUT", "0", SECONDS),
        ("SMT", "2", SWITCH),
        ("SPAN_SOCKETS", "maybe", SWITCH),
        ("VERBOSE", "y", SWITCH),
        ("EMULATED", "native", SWITCH),
        ("CUSTOMER_ENV", "A", f"{PAIRS}, and 'A' is none"),
        ("CUSTOMER_ENV", "A=1 B", f"{PAIRS}, and 'B' is none"),
        ("CUSTOMER_ENV", "A = 1", f"{PAIRS}, and 'A' is none"),
        ("CUSTOMER_ENV", "=1", f"{PAIRS}, and '=1' is none"),
        ("CUSTOMER_ENV", "1A=1", f"{PAIRS}, and '1A=1' is none"),
        ("CUSTOMER_ENV", "A-B=1", f"{PAIRS}, and 'A-B=1' is none"),
        ("CUSTOMER_ENV", "A='1", f"{PAIRS} (No closing quotation)"),
        ("ENGINE_OPTION", "callers", f"{PAIRS}, and 'callers' is none"),
    ],
)  # fmt: skip
def test_refuses_and_says_by_which_name_and_what_is_allowed(name, text, allowed):
    given_too = NEEDED.get(name, {})
    assert problems(**{name: text}, **given_too)[0] == f"--set {name}: {text!r} must be {allowed}"


def test_an_unknown_engine_is_refused():
    assert problems(ENGINE="torch") == ("--set ENGINE: 'torch' must be one of tensorflow, null",)


def test_function_is_accepted_and_changes_nothing():
    assert make(FUNCTION="Inference") == RunConfig()


def test_names_may_be_in_any_case():
    assert make(batch_size="4", Steps="5") == RunConfig(batch_size=4, steps=5)


class TestAssignments:
    @pytest.mark.parametrize(
        ("text", "variables"),
        [
            ("", {}),
            ("A=1 B=2", {"A": "1", "B": "2"}),
            ("  A=1\t B=2\n", {"A": "1", "B": "2"}),
            ("A=", {"A": ""}),
            ("A=b=c=d", {"A": "b=c=d"}),
            ('A="two words" B=x', {"A": "two words", "B": "x"}),
            ("A='it is' \"B=b b\"", {"A": "it is", "B": "b b"}),
            ("A=1 A=2", {"A": "2"}),
            ("_a9=1", {"_a9": "1"}),
            ("A=#1", {"A": "#1"}),
            # Nothing is evaluated.
            ("A=$(id)", {"A": "$(id)"}),
            ("A='$(rm -rf x)' B=$HOME C=`id` D=~ E=*", {
                "A": "$(rm -rf x)", "B": "$HOME", "C": "`id`", "D": "~", "E": "*"}),
            ("A=1;id", {"A": "1;id"}),
        ],
    )  # fmt: skip
    def test_customer_env(self, text, variables):
        assert make(CUSTOMER_ENV=text).customer_env == variables


class TestMerging:
    def test_a_later_setting_wins(self):
        settings = [
            Setting("BATCH_SIZE", "1", "environment variable BATCH_SIZE"),
            Setting("STEPS", "2", "environment variable STEPS"),
            Setting("SEED", "3", "environment variable SEED"),
            Setting("batch_size", "10", "--set batch_size"),
            Setting("STEPS", "20", "--set STEPS"),
            Setting("BATCH_SIZE", "100", "--batch-size"),
        ]
        assert make_config(settings) == RunConfig(batch_size=100, steps=20, seed=3)

    def test_environment_then_set_then_flags(self):
        command = "--engine null --batch-size 100 --dry-run --json --from-env"
        given = ["--set", "BATCH_SIZE=10", "--set", "STEPS=20", *command.split()]
        environ = {"BATCH_SIZE": "1", "STEPS": "2", "SEED": "3"}
        result = CliRunner().invoke(run, given, env=environ)
        config = json.loads(result.stdout)["config"]
        assert (config["batch_size"], config["steps"], config["seed"]) == (100, 20, 3)

    def test_the_environment_counts_only_when_asked_for(self):
        given = ["--engine", "null", "--dry-run", "--json"]
        result = CliRunner().invoke(run, given, env={"BATCH_SIZE": "x"})
        assert json.loads(result.stdout)["config"]["batch_size"] is None

    def test_an_error_names_the_origin_that_holds(self):
        settings = [
            Setting("MODE", "latency", "--set MODE"),
            Setting("MODE", "accuracy", "--mode"),
        ]
        with pytest.raises(ConfigError) as caught:
            make_config(settings)
        assert caught.value.problems == (
            f"--mode accuracy: {IMAGES}",
            f"--mode accuracy: {WEIGHTS}",
        )

    def test_environment_settings_are_the_known_names_only(self):
        environ = {"BATCH_SIZE": "4", "PATH": "x", "batch_size": "5", "MODE": "latency"}
        assert find_environment_settings(environ) == [
            Setting("MODE", "latency", "environment variable MODE"),
            Setting("BATCH_SIZE", "4", "environment variable BATCH_SIZE"),
        ]

    def test_all_problems_at_once_in_the_order_given(self):
        assert problems(STEPS="x", MODES="1", SMT="2", MODE="accuracy") == (
            f"--set STEPS: 'x' must be {WHOLE}",
            "--set MODES: there is no parameter MODES; did you mean MODE?",
            "--set SMT: '2' must be True or False",
            f"--set MODE accuracy: {IMAGES}",
            f"--set MODE accuracy: {WEIGHTS}",
        )

    def test_wrong_request_is_exit_code_2(self):
        with pytest.raises(ConfigError) as caught:
            make(STEPS="x", SEED="y")
        assert caught.value.exit_code == ExitCode.WRONG_REQUEST == 2
        assert caught.value.message == (
            "--set STEPS: 'x' must be a whole number, 1 or more\n"
            "--set SEED: 'y' must be a whole number, 0 or more"
        )

    @pytest.mark.parametrize(
        ("name", "near"),
        [
            ("BATCHSIZE", "BATCH_SIZE"),
            ("batch", "BATCH_SIZE"),
            ("CORES_PER_INSTANCES", "CORES_PER_INSTANCE"),
            ("INSTANCE", "INSTANCES"),
            ("WARMUP", "WARMUP_STEPS"),
        ],
    )
    def test_unknown_name_suggests_the_nearest(self, name, near):
        expected = f"--set {name}: there is no parameter {name}; did you mean {near}?"
        assert problems(**{name: "1"}) == (expected,)

    def test_unknown_name_unlike_any_lists_all(self):
        (problem,) = problems(QQQ="1")
        assert problem.startswith("--set QQQ: there is no parameter QQQ; the names are FUNCTION, ")
        assert problem.endswith(NAMES[-1])


class TestConflicts:
    def test_a_dataset_implies_real_data(self):
        assert make(DATASET="x.tar") == RunConfig(data_type=DataType.REAL, dataset="x.tar")
        assert make(DATASET="x.tar", DATA_TYPE="real", LIMIT="5") == RunConfig(
            data_type=DataType.REAL, dataset="x.tar", limit=5
        )

    @pytest.mark.parametrize(
        ("settings", "problem"),
        [
            ({"DATA_TYPE": "real"}, "--set DATA_TYPE real needs images: add --dataset PATH, a folder or a .tar"),
            ({"DATA_TYPE": "dummy", "DATASET": "x"},
             "--set DATASET has no meaning with dummy data: leave it out, or use --data-type real"),
            ({"LIMIT": "3"},
             "--set LIMIT has no meaning with dummy data: leave it out, or use --data-type real"),
            ({"MODE": "accuracy", "MODEL": "y", "DATA_TYPE": "dummy"}, f"--set MODE accuracy: {IMAGES}"),
            ({"MODE": "accuracy", "MODEL": "y"}, f"--set MODE accuracy: {IMAGES}"),
            ({"MODE": "accuracy", "DATASET": "x"}, f"--set MODE accuracy: {WEIGHTS}"),
            ({"MODE": "accuracy", "DATASET": "x", "MODEL": "y", "CASE_TYPE": "gated"},
             "--set CASE_TYPE has no meaning in accuracy mode: leave it out"),
            ({"LABELS": "x"},
             "--set LABELS has a meaning in accuracy mode only: leave it out, or add --mode accuracy"),
            ({"MAX_UNREADABLE": "3"},
             "--set MAX_UNREADABLE has a meaning in accuracy mode only: leave it out, or add --mode "
             "accuracy"),
            ({"EXPECTED_TOP1": "0"},
             "--set EXPECTED_TOP1: '0' must be a percentage above 0, such as 76.46"),
        ],
    )  # fmt: skip
    def test_is_refused(self, settings, problem):
        assert problems(**settings) == (problem,)

    def test_what_accuracy_misses_is_told_from_what_is_wrong(self):
        with pytest.raises(MissingDataError) as caught:
            make(MODE="accuracy")
        assert caught.value.problems == (
            f"--set MODE accuracy: {IMAGES}",
            f"--set MODE accuracy: {WEIGHTS}",
        )
        with pytest.raises(ConfigError) as caught:
            make(MODE="accuracy", BATCH_SIZE="0")
        assert not isinstance(caught.value, MissingDataError)

    def test_accuracy_with_all_it_needs(self):
        config = make(MODE="accuracy", DATASET="x", MODEL="y", EXPECTED_TOP1="76.46", LABELS="z")
        assert (config.data_type, config.expected_top1) == (DataType.REAL, 76.46)
        assert make(MODE="accuracy", DATASET="x", ENGINE="null").model is None

    def test_a_misspelt_data_type_is_the_only_problem(self):
        assert problems(DATASET="x", DATA_TYPE="rael") == (
            "--set DATA_TYPE: 'rael' must be one of dummy, real",
        )


class TestAllocator:
    @pytest.mark.parametrize("allocator", ["jemalloc", "tcmalloc", "mimalloc"])
    def test_a_preload_of_the_users_own_is_in_its_way(self, allocator):
        assert problems(ALLOCATOR=allocator, CUSTOMER_ENV="A=1 LD_PRELOAD=/x.so") == (
            f"--set ALLOCATOR {allocator} sets LD_PRELOAD, and so does --set CUSTOMER_ENV: leave "
            "one of them out",
        )

    def test_without_one_the_user_may_preload(self):
        assert make(CUSTOMER_ENV="LD_PRELOAD=/x.so").allocator is Allocator.SYSTEM
        assert make(ALLOCATOR="system", CUSTOMER_ENV="LD_PRELOAD=/x.so").customer_env
        assert make(ALLOCATOR="jemalloc", CUSTOMER_ENV="LD_LIBRARY_PATH=/x").customer_env


class TestOneDnnSwitch:
    @pytest.mark.parametrize("off", ["0", "false", "False"])
    def test_eight_bits_need_it_on(self, off):
        assert problems(PRECISION="avx_int8", CUSTOMER_ENV=f"TF_ENABLE_ONEDNN_OPTS={off}") == (
            f"--set CUSTOMER_ENV TF_ENABLE_ONEDNN_OPTS={off}: TensorFlow has 8-bit convolutions in "
            "oneDNN alone: leave it out, or use another precision",
        )

    def test_other_precisions_and_engines_and_on_are_the_users_own(self):
        off = {"CUSTOMER_ENV": "TF_ENABLE_ONEDNN_OPTS=0"}
        assert make(**off).customer_env
        assert make(PRECISION="avx_int8", ENGINE="null", **off).customer_env
        assert make(PRECISION="avx_int8", CUSTOMER_ENV="TF_ENABLE_ONEDNN_OPTS=1").customer_env


TEXTS = st.one_of(
    st.text(max_size=40),
    st.text("0123456789.-+ eE=AB'\"\\$_", max_size=30),
    st.sampled_from(["real", "dummy", "gated", "accuracy", "null", "1", "0", "True", "A=1"]),
)
ANY_NAMES = st.one_of(st.sampled_from(NAMES), st.sampled_from(NAMES).map(str.lower), st.text())
SETTINGS = st.lists(st.builds(Setting, ANY_NAMES, TEXTS, st.just("--set X")), max_size=6)


@given(SETTINGS)
def test_arbitrary_text_gives_a_config_or_a_config_error(settings):
    try:
        config = make_config(settings)
    except ConfigError as error:
        assert error.problems
        assert all(problem.startswith("--") for problem in error.problems)
        return
    assert config.batch_size is None or config.batch_size >= 1
    assert config.min_time_s is None or 0 < config.min_time_s < 1e9
    assert config.engine in {"tensorflow", "null"}
    assert (config.dataset is not None) == (config.data_type is DataType.REAL)
    assert all("=" not in name and " " not in name for name in config.customer_env)


@given(st.integers(1, 10**12 - 1))
def test_whole_numbers_come_through(number):
    assert make(STEPS=str(number)).steps == number


@pytest.mark.parametrize("parameter", PARAMETERS, ids=lambda parameter: parameter.name)
def test_an_empty_value_means_the_default(parameter):
    assert make_config([Setting(parameter.name, " ", "--set")]) == RunConfig()


def test_an_empty_value_takes_back_an_earlier_one():
    settings = [
        Setting("BATCH_SIZE", "8", "environment variable BATCH_SIZE"),
        Setting("BATCH_SIZE", "", "--batch-size"),
    ]
    assert make_config(settings).batch_size is None


class TestMpi:
    @pytest.mark.parametrize(
        ("settings", "expected"),
        [
            (
                {"NUM_MPI": "2"},
                "--set NUM_MPI 2: without MPI there is nothing to multiply; add --mpi, leave it "
                "out, or give 1",
            ),
            (
                {"HOSTFILE": "hosts"},
                "--set HOSTFILE hosts: without MPI everything runs on this host; add --mpi, or "
                "leave it out",
            ),
            (
                {"MPI": "True", "INSTANCES": "2"},
                "--set INSTANCES: under MPI their number is --num-mpi times the sockets: leave it "
                "out",
            ),
            (
                {"MPI": "True", "SPAN_SOCKETS": "True"},
                "--set SPAN_SOCKETS: under MPI every process belongs to one socket",
            ),
            (
                {"MPI": "True", "MODE": "accuracy", "DATASET": "d", "MODEL": "m"},
                "--set MPI True: accuracy is evaluated by instances that r50 starts itself, which "
                "gives the same answers: leave it out",
            ),
        ],
    )
    def test_what_excludes_it_or_needs_it(self, settings, expected):
        assert problems(**settings) == (expected,)

    def test_it_is_allowed_otherwise(self):
        config = make(MPI="True", NUM_MPI="4", HOSTFILE="hosts", CORES_PER_INSTANCE="2")
        assert (config.mpi, config.num_mpi, config.hostfile) == (True, 4, "hosts")


@pytest.mark.parametrize("text", ["a\0b", "photos\udcff", "\ud800"])
def test_what_a_record_cannot_hold_is_refused(text):
    for name in ("DATASET", "MODEL", "CUSTOMER_ENV"):
        with pytest.raises(ConfigError) as caught:
            make(**{name: f"A={text}" if name == "CUSTOMER_ENV" else text})
        assert "must be text in UTF-8 without NUL characters" in caught.value.message
