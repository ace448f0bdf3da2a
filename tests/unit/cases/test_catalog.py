from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.hosts.synthetic import Machine

from resnet50_bench.cases.catalog import (
    PLATFORMS,
    Case,
    describe_platform,
    design_cases,
    detect_platform,
    find_case,
    list_every_case,
    parse_case_name,
    parse_platform,
    plan_case,
)
from resnet50_bench.config import CaseType, Gramine, Mode, Platform, Precision
from resnet50_bench.errors import CaseError, RequestError
from resnet50_bench.host.sgx import Need, SgxState
from resnet50_bench.parameters.table import make_config
from resnet50_bench.precision.isa import default_precisions_on
from resnet50_bench.report.ctest_file import render_tests

WORKLOAD = "resnet50v1_5_tensorflow_xeon_public"
AVX512 = ("avx", "avx2", "avx512f", "avx512bw", "avx512vl", "avx512dq")
ICX_FLAGS = (*AVX512, "avx512_vnni", "avx512_vbmi2", "vaes")
GENOA_FLAGS = (*ICX_FLAGS, "avx512_bf16")
SPR_FLAGS = (*GENOA_FLAGS, "avx_vnni", "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16")
FLAGS = {
    Platform.GNR: (*SPR_FLAGS, "amx_fp16"),
    Platform.SPR: SPR_FLAGS,
    Platform.EMR: SPR_FLAGS,
    Platform.ICX: ICX_FLAGS,
    Platform.SRF: ("avx", "avx2", "vaes", "avx_vnni", "avx_vnni_int8", "avx_ne_convert"),
    Platform.GENOA: GENOA_FLAGS,
    Platform.TURIN: (*GENOA_FLAGS, "avx_vnni", "avx512_vp2intersect"),
    Platform.MILAN: ("avx", "avx2", "vaes"),
    Platform.AVX2: ("avx", "avx2"),
}
CASES = st.sampled_from(list_every_case())


def make_host(platform: Platform, model: str = "Intel(R) Xeon(R)", cores: int = 4):
    host = Machine(nodes=(cores,)).host()
    return replace(host, cpu_model=model, cpu_flags=tuple(sorted(FLAGS[platform])))


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


class TestPlatforms:
    @pytest.mark.parametrize(
        ("platform", "default", "cases", "all_cases"),
        [
            (Platform.GNR, "amx_bfloat16", 10, 60),
            (Platform.SPR, "amx_bfloat16", 10, 60),
            (Platform.EMR, "amx_bfloat16", 10, 60),
            (Platform.ICX, "avx_fp32", 10, 20),
            (Platform.SRF, "avx_fp32", 10, 30),
            (Platform.GENOA, "avx_bfloat16", 5, 15),
            (Platform.TURIN, "avx_bfloat16", 5, 15),
            (Platform.MILAN, "avx_fp32", 5, 5),
            (Platform.AVX2, "avx_fp32", 5, 5),
        ],
    )
    def test_default_precision_and_number_of_cases(self, platform, default, cases, all_cases):
        designed = design_cases(platform)
        assert {case.precision.value for case in designed} == {default}
        assert len(set(designed)) == len(designed) == cases
        everything = design_cases(platform, all_precisions=True)
        assert everything[:cases] == designed
        assert len(set(everything)) == len(everything) == all_cases

    def test_the_table_has_each_platform_once(self):
        assert sorted(item.platform for item in PLATFORMS) == sorted(Platform)
        for item in PLATFORMS:
            assert item.default_precision in item.precisions
            assert item.source

    @pytest.mark.parametrize("platform", Platform)
    def test_the_precisions_are_those_its_flags_run(self, platform):
        expected = set(default_precisions_on(FLAGS[platform]))
        assert set(describe_platform(platform).precisions) == expected

    @pytest.mark.parametrize(
        ("model", "flags", "platform"),
        [
            ("Intel(R) Xeon(R) Platinum 8480+", Platform.SPR, Platform.SPR),
            ("Intel(R) Xeon(R) Platinum 8488C", Platform.SPR, Platform.SPR),
            ("Intel(R) Xeon(R) CPU Max 9480", Platform.SPR, Platform.SPR),
            ("INTEL(R) XEON(R) PLATINUM 8592+", Platform.SPR, Platform.AVX2),
            ("Intel(R) Xeon(R) Platinum 8592+", Platform.SPR, Platform.EMR),
            ("Intel(R) Xeon(R) Gold 6530", Platform.SPR, Platform.EMR),
            ("Intel(R) Xeon(R) 6980P", Platform.GNR, Platform.GNR),
            ("Intel(R) Xeon(R) 6780E", Platform.SRF, Platform.SRF),
            ("Intel(R) Xeon(R) Platinum 8380 CPU @ 2.30GHz", Platform.ICX, Platform.ICX),
            # Cooper Lake bears names of Ice Lake's and has AVX512-BF16.
            ("Intel(R) Xeon(R) Platinum 8380H CPU @ 2.90GHz", Platform.GENOA, Platform.AVX2),
            ("AMD EPYC 9654 96-Core Processor", Platform.GENOA, Platform.GENOA),
            ("AMD EPYC 9R14", Platform.GENOA, Platform.GENOA),
            ("AMD EPYC 8534P 64-Core Processor", Platform.GENOA, Platform.GENOA),
            ("AMD EPYC 9755 128-Core Processor", Platform.TURIN, Platform.TURIN),
            ("AMD EPYC 7763 64-Core Processor", Platform.MILAN, Platform.MILAN),
            ("AMD EPYC 74F3 24-Core Processor", Platform.MILAN, Platform.MILAN),
            # The model's name says nothing: the flags do.
            ("Intel(R) Xeon(R) Processor @ 2.60GHz", Platform.GNR, Platform.GNR),
            ("Intel(R) Xeon(R) Processor @ 2.60GHz", Platform.EMR, Platform.SPR),
            ("Intel(R) Xeon(R) Processor @ 2.60GHz", Platform.ICX, Platform.ICX),
            ("Intel(R) Xeon(R) Processor @ 2.60GHz", Platform.SRF, Platform.SRF),
            ("AMD EPYC", Platform.TURIN, Platform.TURIN),
            ("AMD EPYC-Genoa Processor", Platform.GENOA, Platform.GENOA),
            ("AMD EPYC", Platform.MILAN, Platform.MILAN),
            ("AMD EPYC 7742 64-Core Processor", Platform.AVX2, Platform.AVX2),
            # A guest that hides AMX is not the platform its name says.
            ("Intel(R) Xeon(R) Platinum 8480+", Platform.ICX, Platform.ICX),
            ("unknown", Platform.SPR, Platform.AVX2),
        ],
    )
    def test_detection(self, model, flags, platform):
        assert detect_platform(make_host(flags, model)) is platform

    def test_no_platform_without_avx2(self):
        host = replace(make_host(Platform.AVX2), cpu_flags=("sse4_2",))
        assert detect_platform(host) is None

    def test_parsing_a_platform(self):
        assert parse_platform("genoa") is Platform.GENOA
        with pytest.raises(RequestError) as caught:
            parse_platform("ROME")
        assert caught.value.message == (
            "--platform ROME: the platforms are GNR, SPR, EMR, ICX, SRF, GENOA, TURIN, MILAN, AVX2"
        )


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
