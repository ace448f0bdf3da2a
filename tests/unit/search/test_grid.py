from __future__ import annotations

from dataclasses import replace

import pytest
from tests.hosts.cpus import SAPPHIRE_RAPIDS
from tests.hosts.described import HOSTS
from tests.hosts.synthetic import GIB, SPR, Machine

from resnet50_bench.config import Precision
from resnet50_bench.errors import ConfigError
from resnet50_bench.host.amx_probe import AmxProbe
from resnet50_bench.host.machine import Host
from resnet50_bench.parameters.parameter import Setting
from resnet50_bench.parameters.table import ENGINE_NAMES
from resnet50_bench.placement.layout import plan_layout
from resnet50_bench.search.grid import Grid, cross, expand_setting, plan_grid

LISTS = {"BATCH_SIZE": "1,8,16..128", "CORES_PER_INSTANCE": "1,2,4,..."}


def setting(name: str, value: str) -> Setting:
    return Setting(name, value, "--" + name.lower().replace("_", "-"))


def grid(host: Host, lists: dict[str, str], amx: AmxProbe | None = None, **fixed: str) -> Grid:
    expanded = [expand_setting(setting(name, text), host) for name, text in lists.items()]
    settings = [setting(name, text) for name, text in fixed.items()]
    return plan_grid(cross(expanded), settings, host, amx)


def expand(name: str, text: str, host: Host, **options: bool) -> str:
    return " ".join(item.value for item in expand_setting(setting(name, text), host, **options))


class TestLists:
    @pytest.mark.parametrize(
        ("name", "text", "expected"),
        [
            ("BATCH_SIZE", "1,8,16..128", "1 8 16 32 64 128"),
            ("BATCH_SIZE", "1, 8, 8", "1 8"),
            ("BATCH_SIZE", "1 2 4 ...16", "1 2 4 8 16"),
            ("BATCH_SIZE", "1,2,4,...,16", "1 2 4 8 16"),
            ("CORES_PER_INSTANCE", "1,2,4,...", "1 2 4 8 16 32"),
            ("CORES_PER_INSTANCE", "1,2,4,\u2026", "1 2 4 8 16 32"),
            ("CORES_PER_INSTANCE", "7 14 28 ...", "7 14 28 56"),
            ("INSTANCES", "28,56,84,...", "28 56 84 112"),
            ("CORES_PER_INSTANCE", "20,40,60,...", "20 40 60"),
            ("PRECISION", "all", " ".join(item.value for item in Precision)),
            ("ENGINE", "ALL", " ".join(name for name in ENGINE_NAMES if name != "null")),
            ("ENGINE_OPTION", "callers=1, x", "callers=1, x"),
            ("WEIGHT_SHARING", "True", "True"),
            ("NO_SUCH", "1,2", "1,2"),
        ],
    )
    def test_values(self, name, text, expected):
        assert expand(name, text, SPR.host()) == expected

    def test_an_instance_that_may_cross_sockets(self):
        found = expand("CORES_PER_INSTANCE", "28,56,84,...", SPR.host(), span_sockets=True)
        assert found == "28 56 84 112"

    @pytest.mark.parametrize(
        ("name", "text", "why"),
        [
            ("BATCH_SIZE", "1,2,4,...", "`...` needs a number to go up to"),
            ("BATCH_SIZE", "8..1", "'8..1' needs a first number above 0 and not above the second"),
            ("BATCH_SIZE", "0..8", "'0..8' needs a first number above 0"),
        ],
    )
    def test_refused(self, name, text, why):
        with pytest.raises(ValueError, match=r".") as caught:
            expand(name, text, SPR.host())
        assert why in str(caught.value)

    def test_too_many_combinations(self):
        with pytest.raises(ConfigError, match="more than 10000 combinations"):
            cross([[setting("STEPS", str(number)) for number in range(1, 102)]] * 2)


class TestFit:
    def test_every_combination_is_in_one_of_two_places(self):
        found = grid(SPR.host(available_bytes=512 * GIB), LISTS)
        assert len(found.candidates) == 6 * 6
        assert found.left_out == ()
        first, last = found.candidates[0], found.candidates[-1]
        assert [item.value for item in first.settings] == ["1", "1"]
        assert (last.config.batch_size, last.config.cores_per_instance) == (128, 32)

    def test_what_needs_more_memory_than_there_is(self):
        found = grid(SPR.host(available_bytes=256 * GIB), LISTS)
        assert {item.settings[1].value for item in found.left_out} == {"1"}
        assert {item.config.cores_per_instance for item in found.candidates} >= {1, 2, 32}
        (largest,) = (item for item in found.left_out if item.settings[0].value == "128")
        assert largest.reason.startswith("112 instances with batches of 128 may need ")
        assert largest.reason.endswith(" GiB, and 256.0 GiB is available")

    def test_a_limit_of_the_container_counts(self):
        host = replace(SPR.host(available_bytes=512 * GIB), memory_limit_bytes=8 * GIB)
        found = grid(host, {"CORES_PER_INSTANCE": "1,56"})
        assert [item.config.cores_per_instance for item in found.candidates] == [56]

    def test_a_described_machine_has_no_memory_to_count(self):
        assert grid(SPR.host(available_bytes=0), LISTS).left_out == ()

    def test_what_finds_no_cores(self):
        found = grid(Machine(nodes=(4,)).host(), {"CORES_PER_INSTANCE": "4,8"})
        assert [item.config.cores_per_instance for item in found.candidates] == [4]
        (left_out,) = found.left_out
        assert left_out.reason == (
            "--cores-per-instance 8 does not fit: this host has 4 usable physical cores"
        )

    def test_precisions_of_the_cpu(self):
        host = replace(SPR.host(), cpu_flags=tuple(SAPPHIRE_RAPIDS))
        lists = {"PRECISION": "all"}
        assert len(grid(host, lists).candidates) == len(Precision)
        refused = grid(host, lists, AmxProbe(False, None, "the kernel refused the tiles"))
        assert [item.config.precision.value for item in refused.candidates] == [
            "avx_fp32", "avx_int8", "avx_bfloat16",
        ]  # fmt: skip
        assert all("the kernel refused the tiles" in item.reason for item in refused.left_out)

    def test_an_engine_that_computes_nothing_runs_every_precision(self):
        found = grid(SPR.host(), {"PRECISION": "all"}, ENGINE="null")
        assert len(found.candidates) == len(Precision)

    def test_parameters_that_exclude_each_other(self):
        host = replace(SPR.host(), cpu_flags=tuple(SAPPHIRE_RAPIDS))
        found = grid(host, {"PRECISION": "avx_fp32,avx_int8"}, WEIGHT_SHARING="True")
        assert [item.config.precision for item in found.candidates] == [Precision.AVX_INT8]
        assert "avx_fp32" in found.left_out[0].reason

    def test_a_combination_wins_over_what_is_fixed(self):
        found = grid(SPR.host(), {"BATCH_SIZE": "4"}, BATCH_SIZE="2", STEPS="7")
        (candidate,) = found.candidates
        assert (candidate.config.batch_size, candidate.config.steps) == (4, 7)

    def test_what_is_wrong_whatever_it_is_combined_with(self):
        with pytest.raises(ConfigError) as caught:
            grid(SPR.host(), {"BATCH_SIZE": "0,1,x"}, STEPS="-1", NO_SUCH="1")
        assert [text.partition(":")[0] for text in caught.value.problems] == [
            "--steps", "--no-such", "--batch-size", "--batch-size",
        ]  # fmt: skip

    def test_nothing_varies(self):
        (candidate,) = grid(SPR.host(), {}).candidates
        assert candidate.settings == ()


UNLIKE = {"desktop", "hybrid", "cgroup-v1", "less-than-a-core", "guest-of-sockets"}


@pytest.mark.parametrize(
    "described", [item for item in HOSTS if item.name in UNLIKE], ids=lambda item: item.name
)
def test_unlike_hosts(described, tmp_path):
    """All that is left in can be placed; all that is left out has a reason."""
    host = replace(described.read(tmp_path), memory_available_bytes=0)
    lists = LISTS | {"BATCH_SIZE": "2", "PRECISION": "avx_int8"}
    found = grid(host, lists, ENGINE="null")
    for candidate in found.candidates:
        placement = plan_layout(candidate.config, host)
        assert {cpu for slot in placement.slots for cpu in slot.cpus} <= described.allowed
    assert all(item.reason for item in found.left_out)
    assert any(item.config.cores_per_instance == 1 for item in found.candidates)
