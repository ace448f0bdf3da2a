from __future__ import annotations

import pytest
from tests.records import make_instance, make_record
from tests.unit.verdict.runs import failures, one_instance, warnings

from resnet50_bench.config import RunConfig
from resnet50_bench.engines.base import KernelShare
from resnet50_bench.precision.proof import ProofState
from resnet50_bench.results.record import Record
from resnet50_bench.verdict.judge import judge
from resnet50_bench.verdict.precision import merge_kernels, prove


class TestPrecision:
    @staticmethod
    def record(*kernels: KernelShare, **changes) -> Record:
        return one_instance(make_instance(0, kernels=kernels), **changes)

    def test_another_data_type_than_on_the_label(self):
        record = self.record(
            KernelShare("convolution", "f32", "avx2", 0.45, 3),
            KernelShare("convolution", "u8s8", "avx2_vnni", 0.45, 50),
            KernelShare("inner_product", "f32", "avx2", 0.1, 1),
        )
        verdict = judge(record)
        (finding,) = verdict.failures
        assert finding.message == (
            "MISLABELED: 50% of the convolutions' time was spent in avx_fp32; the rest ran as "
            "convolution in u8s8 on avx2_vnni (45%)"
        )
        assert "ONEDNN_MAX_CPU_ISA" in finding.advice
        assert verdict.exit_code == 1

    def test_kernels_of_one_kind_are_shown_as_one(self):
        right = KernelShare("convolution", "f32", "avx2", 0.9, 50)
        most = KernelShare("convolution", "f32", "avx2", 0.7, 40)
        wrong = KernelShare("convolution", "s8", "avx2", 0.1, 10)
        assert merge_kernels([(right,), (wrong, most)]) == (
            KernelShare("convolution", "f32", "avx2", pytest.approx(0.8), 90),
            KernelShare("convolution", "s8", "avx2", 0.05, 10),
        )

    def test_one_wrong_instance_among_many_is_enough(self):
        right = KernelShare("convolution", "f32", "avx2", 1.0, 53)
        wrong = KernelShare("convolution", "s8", "avx2", 1.0, 53)
        config = RunConfig(cores_per_instance=1, instances=4)
        instances = [make_instance(i, kernels=(right if i else wrong,)) for i in range(4)]
        (text,) = [
            text
            for text in failures(make_record(config, instances=instances))
            if "MISLABELED" in text
        ]
        assert text.startswith("MISLABELED: 0% of")
        assert text.endswith("convolution in s8 on avx2 (100%)")

    def test_an_instance_without_a_trace_leaves_the_run_unproven(self):
        right = KernelShare("convolution", "f32", "avx2", 1.0, 53)
        instances = [make_instance(0, kernels=(right,)), make_instance(1, kernels=())]
        assert prove(make_record(instances=instances)).state is ProofState.UNPROVEN

    def test_emulated_on_purpose_is_a_warning(self):
        kernel = KernelShare("convolution", "f32", "sse41", 1.0, 53)
        record = self.record(kernel, emulated=True)
        assert judge(record).valid
        assert warnings(record) == [
            "EMULATED: this CPU has no instructions for avx_fp32; slower ones stood in"
        ]

    def test_emulation_excuses_the_instructions_but_not_the_data_type(self):
        kernel = KernelShare("convolution", "u8s8", "sse41", 1.0, 53)
        (text,) = failures(self.record(kernel, emulated=True))
        assert text.startswith("MISLABELED: 0% of")

    def test_no_trace_is_invalid_with_the_reason(self):
        record = one_instance(make_instance(0, kernels=(), trace_failure="it failed"))
        assert failures(record) == [
            "UNPROVEN: what ran could not be read from the engine: it failed"
        ]
        assert judge(record).exit_code == 1

    @pytest.mark.parametrize(("calls", "proven"), [(52, False), (53, True)])
    def test_convolutions_outside_the_trace_prove_nothing(self, calls, proven):
        gemm = KernelShare("gemm_api", "f32", "avx2", 0.9, 24000)
        convolution = KernelShare("convolution", "f32", "avx2", 0.1, calls)
        verdict = judge(one_instance(make_instance(0, kernels=(gemm, convolution))))
        assert verdict.valid is proven
