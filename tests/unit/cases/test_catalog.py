from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.cases.hosts import make_host

from resnet50_bench.cases.catalog import (
    Case,
    design_cases,
    find_case,
    list_every_case,
    parse_case_name,
    plan_case,
)
from resnet50_bench.config import CaseType, Gramine, Mode, Platform, Precision
from resnet50_bench.errors import CaseError
from resnet50_bench.host.sgx import Need, SgxState
from resnet50_bench.parameters.settings import make_config
from resnet50_bench.report.ctest_file import render_tests

WORKLOAD = "resnet50v1_5_tensorflow_xeon_public"
CASES = st.sampled_from(list_every_case())


def test_the_ten_cases_of_spr_in_the_order_of_the_workloads_readme():
    assert [case.name for case in design_cases(Platform.SPR)] == [
        f"test_{WORKLOAD}_inference_throughput_amx_bfloat16",
        f"test_{WORKLOAD}_inference_latency_amx_bfloat16",
        f"test_{WORKLOAD}_inference_accuracy_amx_bfloat16",
        f"test_{WORKLOAD}_inference_throughput_amx_bfloat16_gated",
        f"test_{WORKLOAD}_inference_throughput_amx_bfloat16_pkm",
        f"test_{WORKLOAD}_sgx_inference_throughput_amx_bfloat16",
        f"test_{WORKLOAD}_sgx_inference_latency_amx_bfloat16",
        f"test_{WORKLOAD}_sgx_inference_accuracy_amx_bfloat16",
        f"test_{WORKLOAD}_sgx_inference_throughput_amx_bfloat16_gated",
        f"test_{WORKLOAD}_sgx_inference_throughput_amx_bfloat16_pkm",
    ]


class TestNames:
    @given(CASES)
    def test_names_round_trip(self, case):
        assert parse_case_name(case.name) == case
        assert parse_case_name(case.name.removeprefix("test_")) == case
        assert find_case(case.name, ()) == case
        assert find_case(case.short_name, ()) == case

    def test_every_case_has_a_name_of_its_own(self):
        cases = list_every_case()
        assert len(cases) == 2 * 6 * 3 * 3 == len({case.name for case in cases})

    @given(CASES, st.text("_agdmnptx ", min_size=1, max_size=4), st.integers(0, 90))
    def test_a_changed_name_is_none_or_another(self, case, text, position):
        changed = case.name[:position] + text + case.name[position:]
        found = parse_case_name(changed)
        assert found is None or found.name == changed

    @given(st.text(max_size=60))
    def test_arbitrary_text_is_a_case_or_a_case_error(self, text):
        try:
            assert isinstance(find_case(text, design_cases(Platform.SPR)), Case)
        except CaseError as error:
            assert error.message
            assert not error.known

    def test_settings(self):
        case = Case(mode=Mode.LATENCY, precision=Precision.AVX_INT8, case_type=CaseType.PKM)
        assert {item.name: item.value for item in case.settings()} == {
            "MODE": "latency", "PRECISION": "avx_int8", "CASE_TYPE": "pkm",
        }  # fmt: skip
        plain = Case(mode=Mode.LATENCY, precision=Precision.AVX_INT8)
        assert [item.name for item in plain.settings()] == ["MODE", "PRECISION"]


class TestFinding:
    @pytest.mark.parametrize(
        ("text", "number"),
        [
            ("throughput_amx_bfloat16", 1),
            ("inference_throughput_amx_bfloat16", 1),
            ("latency", 2),
            ("LATENCY_amx_bfloat16", 2),
            ("accuracy", 3),
            ("gated", 4),
            ("throughput_amx_bfloat16_gated", 4),
            ("test_throughput_gated", 4),
            (" pkm\n", 5),
            ("sgx_throughput_amx_bfloat16_gated", 9),
            ("sgx_latency", 7),
        ],
    )
    def test_a_unique_shortening(self, text, number):
        cases = design_cases(Platform.SPR)
        assert find_case(text, cases) == cases[number - 1]

    def test_cases_that_are_not_designed_are_found_too(self):
        found = find_case("throughput_amx_bfloat16_gated", design_cases(Platform.MILAN))
        assert found == design_cases(Platform.SPR)[3]

    def test_ambiguous(self):
        with pytest.raises(CaseError) as caught:
            find_case("inference_amx", design_cases(Platform.SPR))
        assert caught.value.message == (
            "test case 'inference_amx' can mean 5 cases: inference_throughput_amx_bfloat16, "
            "inference_latency_amx_bfloat16, inference_accuracy_amx_bfloat16, "
            "inference_throughput_amx_bfloat16_gated, inference_throughput_amx_bfloat16_pkm"
        )
        assert caught.value.advice == "write more of the name"
        assert caught.value.exit_code == 2

    @pytest.mark.parametrize(
        ("text", "nearest"),
        [
            ("inference_troughput_avx_fp32", "inference_throughput_avx_fp32"),
            ("latency_amx_bfloat61", "inference_latency_amx_bfloat16"),
            (f"test_{WORKLOAD}_inference_latency_avx_int9",
             f"test_{WORKLOAD}_inference_latency_avx_int8"),
        ],
    )  # fmt: skip
    def test_unknown_suggests_the_nearest(self, text, nearest):
        with pytest.raises(CaseError) as caught:
            find_case(text, design_cases(Platform.SPR))
        assert caught.value.message == f"there is no test case {text!r}; did you mean {nearest}?"
        assert not caught.value.known


NO_SGX = SgxState(
    (
        Need("device", found=False, detail="there is no device", fix="get one"),
        Need("gramine", found=False, detail="not installed: it", fix="install it"),
    )
)


class TestRunnable:
    def answers(self, platform: Platform, flags: Platform, cores: int = 4):
        host = make_host(flags, cores=cores)
        return [plan_case(case, host, None, NO_SGX) for case in design_cases(platform)]

    def test_on_its_own_platform(self):
        answers = self.answers(Platform.GENOA, Platform.GENOA)
        assert [answer.runnable for answer in answers] == [True, True, True, True, True]
        assert answers[0].reason == "runs on AVX-512 BF16"
        assert answers[2].reason == (
            "runs on AVX-512 BF16; needs --dataset PATH (images) and --model FILE (trained weights)"
        )

    def test_latency_needs_four_cores(self):
        latency = self.answers(Platform.GENOA, Platform.GENOA, cores=3)[1]
        assert not latency.runnable
        assert latency.reason == (
            "latency mode uses 4 cores per instance: this host has 3 usable physical cores"
        )

    def test_gated_latency_takes_a_whole_socket(self):
        case = Case(mode=Mode.LATENCY, precision=Precision.AVX_FP32, case_type=CaseType.GATED)
        assert plan_case(case, make_host(Platform.GENOA, cores=3), None, NO_SGX).runnable

    def test_every_reason_is_given(self):
        answers = self.answers(Platform.SPR, Platform.GENOA, cores=2)
        lacking = (
            "the CPU lacks amx_tile (it takes a CPU such as Sapphire Rapids or Granite Rapids)"
        )
        sgx = "there is no device; not installed: it (`r50 doctor` says how to get it)"
        latency = "latency mode uses 4 cores per instance: this host has 2 usable physical cores"
        assert not any(answer.runnable for answer in answers)
        assert answers[0].reason == lacking
        assert answers[1].reason == f"{lacking}; {latency}"
        assert answers[5].reason == f"{sgx}; {lacking}"
        assert answers[6].reason == f"{sgx}; {lacking}; {latency}"

    def test_an_sgx_case_runs_where_nothing_is_missing(self):
        case = Case(mode=Mode.THROUGHPUT, precision=Precision.AVX_FP32, sgx=True)
        assert plan_case(case, make_host(Platform.ICX, cores=4), None, SgxState(())).runnable

    def test_an_sgx_case_asks_for_an_enclave(self):
        case = Case(mode=Mode.THROUGHPUT, precision=Precision.AVX_FP32, sgx=True)
        assert make_config(case.settings()).gramine is Gramine.SGX


def test_the_tests_of_ctest():
    case = Case(mode=Mode.LATENCY, precision=Precision.AVX_FP32, case_type=CaseType.PKM, sgx=True)
    text = render_tests([case], "/a b/python")
    assert text.splitlines()[-2:] == [
        f"add_test([=[{case.name}]=] [=[/a b/python]=] -m resnet50_bench ctest-case "
        f"[=[{case.name}]=])",
        f"set_tests_properties([=[{case.name}]=] PROPERTIES LABELS [=[latency;avx_fp32;sgx;pkm]=] "
        "RUN_SERIAL TRUE SKIP_RETURN_CODE 77 TIMEOUT ${r50_timeout})",
    ]


def test_the_tests_of_ctest_in_the_image():
    case = Case(mode=Mode.LATENCY, precision=Precision.AVX_FP32)
    assert f"ctest-case [=[{case.name}]=] --docker)\n" in render_tests([case], "p", docker=True)
