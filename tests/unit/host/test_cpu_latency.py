"""The limit on waking idle CPUs, on a stand-in for the kernel's device."""

from __future__ import annotations

import sys

import pytest

from resnet50_bench.errors import RequestError
from resnet50_bench.host.cpu_latency import HIGHEST_US, CpuLatencyLimit, check_limit


@pytest.fixture
def device(tmp_path):
    path = tmp_path / "cpu_dma_latency"
    path.write_bytes(HIGHEST_US.to_bytes(4, sys.byteorder, signed=True))
    return path


@pytest.mark.parametrize("limit_us", [0, 70, HIGHEST_US])
def test_the_device_is_given_four_bytes_and_says_what_holds(device, limit_us):
    limit = CpuLatencyLimit(limit_us, device)
    assert device.read_bytes() == limit_us.to_bytes(4, sys.byteorder, signed=True)
    assert limit.read_us() == limit_us
    limit.close()


def test_what_holds_is_the_devices_word_and_not_what_was_asked_for(device):
    limit = CpuLatencyLimit(70, device)
    device.write_bytes((5).to_bytes(4, sys.byteorder, signed=True))
    assert limit.read_us() == 5
    limit.close()


def test_a_limit_that_cannot_be_asked_for_names_flag_and_device(tmp_path):
    missing = tmp_path / "no_device"
    with pytest.raises(RequestError) as caught:
        check_limit(0, missing)
    assert caught.value.message == (f"--cpu-latency-limit 0: {missing}: No such file or directory")
    assert f"--device {missing}" in caught.value.advice


def test_without_a_limit_the_device_is_not_touched(tmp_path):
    check_limit(None, tmp_path / "no_device")
