from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.cases.hosts import FLAGS, make_host

from resnet50_bench.cases.catalog import design_cases
from resnet50_bench.cases.platforms import (
    PLATFORMS,
    describe_platform,
    detect_platform,
    parse_platform,
)
from resnet50_bench.config import Platform
from resnet50_bench.errors import RequestError
from resnet50_bench.precision.runnable import default_precisions_on


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
