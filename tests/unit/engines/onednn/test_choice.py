"""What goes depth first, by times that were never measured."""

from dataclasses import replace

import pytest
from tests.unit.engines.onednn.networks import make_resnet50

from resnet50_bench.config import Precision
from resnet50_bench.engines.onednn import choice as module
from resnet50_bench.engines.onednn.choice import (
    Choice,
    Situation,
    Times,
    Trial,
    choose_all,
    decide,
    describe_choice,
    keep,
    plan_place,
    read_kept,
)
from resnet50_bench.engines.onednn.plan import plan_steps
from resnet50_bench.engines.onednn.ways import Way, find_stretches, plan_ways
from resnet50_bench.engines.onednn_trace import TRACE_ENVIRONMENT

MIB = 1 << 20
STEPS = plan_steps(make_resnet50(), Precision.AVX_FP32)
WAYS = plan_ways(STEPS, 4, 2 * MIB)
NAMES = [stretch.name for stretch in find_stretches(STEPS)]
SITUATION = Situation(images=4, threads=1, chains=2, cpus=(0, 1), instances=3)


def make_times(ratios, rounds=15):
    """Every way takes `ratios[stretch]` of layer by layer, which sways; 1 where none is given."""
    whole = {name: [1.0 + number / 10 for number in range(rounds)] for name in NAMES}
    ways = {
        way: {
            name: [
                value * (ratios.get(name, [1.0] * rounds)[place])
                for place, value in enumerate(whole[name])
            ]
            for name in NAMES
        }
        for way in WAYS
    }
    return Times(whole, ways)


def find_taken(*times):
    return set(decide(STEPS, 4, times, "measured").ways)


def test_what_is_faster_in_all_rounds_but_one_is_taken():
    assert find_taken(make_times({"56x56": [0.98] * 14 + [1.1]})) == {"56x56"}


@pytest.mark.parametrize(
    "ratios",
    [
        [0.98] * 13 + [1.1] * 2,  # by chance, perhaps
        [0.998] * 15,  # certain, and not worth it
        [1.05] * 15,
        [1.0] * 15,
    ],
)
def test_what_is_not_surely_faster_is_not_taken(ratios):
    assert find_taken(make_times({"56x56": ratios})) == set()


def test_few_rounds_speak_for_nothing():
    assert find_taken(make_times({"56x56": [0.5] * 8}, rounds=8)) == set()


def test_all_chains_have_a_say():
    fast, slow = make_times({"56x56": [0.9] * 15}), make_times({"56x56": [1.1] * 15})
    assert find_taken(fast, fast) == {"56x56"}
    assert find_taken(fast, slow) == set()


def test_the_best_way_of_a_stretch_is_tried():
    times = make_times({"56x56": [0.97] * 15})
    best = next(way for way in WAYS if way.chained)
    times.ways[best]["56x56"] = [0.9 * value for value in times.whole["56x56"]]
    found = decide(STEPS, 4, [times], "measured")
    trial = next(item for item in found.trials if item.stretch == "56x56")
    assert trial == Trial(stretch="56x56", way=best, gain=pytest.approx(0.1), won=15, taken=True)
    assert found.rounds == 15


def test_a_way_that_was_left_out_by_a_chain_is_judged_by_the_others():
    times = make_times({"56x56": [0.9] * 15})
    assert find_taken(times, replace(times, ways={})) == {"56x56"}
    assert find_taken(replace(times, ways={})) == set()


def test_a_stretch_that_no_way_fits_goes_layer_by_layer():
    trials = {item.stretch: item for item in decide(STEPS, 4, [make_times({})], "measured").trials}
    assert trials["7x7"] == Trial(stretch="7x7")
    assert trials["56x56"].way is not None


def test_everything_that_can_be_is_taken_when_asked_for():
    found = choose_all(STEPS, 4, 2 * MIB)
    assert {"stem", "56x56"} <= set(found.ways)
    assert "7x7" not in found.ways
    text = describe_choice(found, STEPS, 4)
    assert text.startswith("stem depth first in one pass, tiles of ")
    assert text.endswith("; the rest layer by layer (as asked for, not measured)")


def test_a_choice_is_told_in_a_line():
    found = decide(STEPS, 4, [make_times({"56x56": [0.9] * 15})], "measured today")
    text = describe_choice(found, STEPS, 4)
    assert "56x56 depth first in " in text
    assert ": 10.0% less time, less in 15 of 15 rounds; the rest layer by layer" in text
    assert text.endswith("(measured today)")
    assert describe_choice(Choice(origin="as asked for"), STEPS, 4) == (
        "all layer by layer (as asked for)"
    )


def test_an_answer_is_kept_for_its_situation_alone(tmp_path):
    found = choose_all(STEPS, 4, 2 * MIB)
    path = plan_place(tmp_path / "cache", ("onednn 3.2.0", "avx_fp32", "net"), SITUATION)
    assert read_kept(path) is None
    assert keep(path, found) is None
    assert read_kept(path) == found
    others = [
        plan_place(tmp_path / "cache", ("onednn 3.3.0", "avx_fp32", "net"), SITUATION),
        *(
            plan_place(tmp_path / "cache", ("onednn 3.2.0", "avx_fp32", "net"),
                       replace(SITUATION, **change))
            for change in ({"images": 8}, {"threads": 2}, {"chains": 1}, {"cpus": (0,)},
                           {"instances": 1})
        ),
    ]  # fmt: skip
    assert len({path, *others}) == 7


def test_variables_of_the_library_are_a_part_of_the_key_but_for_those_of_its_trace(
    tmp_path, monkeypatch
):
    before = plan_place(tmp_path, (), SITUATION)
    for name, text in TRACE_ENVIRONMENT.items():
        monkeypatch.setenv(name, text)
    assert plan_place(tmp_path, (), SITUATION) == before
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert plan_place(tmp_path, (), SITUATION) != before


@pytest.mark.parametrize("content", [b"", b"{}", b'{"origin": 3}', b"\xff"])
def test_what_is_no_answer_is_not_believed(tmp_path, content):
    path = tmp_path / "kept.json"
    path.write_bytes(content)
    assert read_kept(path) is None


def test_an_answer_of_another_method_is_not_believed(tmp_path, monkeypatch):
    path = tmp_path / "kept.json"
    keep(path, Choice(origin="measured"))
    monkeypatch.setattr(module, "METHOD_VERSION", module.METHOD_VERSION + 1)
    assert read_kept(path) is None


def test_a_cache_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    assert "Not a directory" in keep(
        tmp_path / "file" / "in it" / "kept.json", Choice(origin="measured")
    )


def test_ways_are_told_apart_by_their_names():
    way = Way(chained=True, cache_bytes=MIB)
    trials = (
        Trial(stretch="56x56", way=way, taken=True),
        Trial(stretch="28x28", way=way),
    )
    assert Choice(origin="", trials=trials).ways == {"56x56": way}
