from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.parameters.asking import WHOLE, make, problems

from resnet50_bench.config import (
    Allocator,
    CaseType,
    CoreKind,
    DataType,
    Mode,
    Precision,
    RunConfig,
)
from resnet50_bench.errors import ConfigError
from resnet50_bench.parameters.table import ENGINE_NAMES

NEEDED = {"LIMIT": {"DATASET": "images"}}
"""What a parameter has no meaning without."""


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


SECONDS = "a number of seconds above 0, such as 20 or 0.5"
SWITCH = "True or False"
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
    known = ", ".join(ENGINE_NAMES)
    assert problems(ENGINE="torch") == (f"--set ENGINE: 'torch' must be one of {known}",)


def test_function_is_accepted_and_changes_nothing():
    assert make(FUNCTION="Inference") == RunConfig()


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


@given(st.integers(1, 10**12 - 1))
def test_whole_numbers_come_through(number):
    assert make(STEPS=str(number)).steps == number


@pytest.mark.parametrize("text", ["a\0b", "photos\udcff", "\ud800"])
def test_what_a_record_cannot_hold_is_refused(text):
    for name in ("DATASET", "MODEL", "CUSTOMER_ENV"):
        with pytest.raises(ConfigError) as caught:
            make(**{name: f"A={text}" if name == "CUSTOMER_ENV" else text})
        assert "must be text in UTF-8 without NUL characters" in caught.value.message
