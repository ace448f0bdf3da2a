from hypothesis import given
from hypothesis import strategies as st

from resnet50_bench.engines.onednn.arena import ALIGNMENT, Arena, Life, measure_peak, plan_arena


@st.composite
def draw_lives(draw):
    count = draw(st.integers(0, 12))
    lives = []
    for number in range(count):
        first = draw(st.integers(0, 9))
        last = draw(st.integers(first, 9))
        lives.append(Life(f"value{number}", draw(st.integers(1, 1000)), first, last))
    return lives


def find_clashes(lives, arena):
    """Pairs that live at the same time and have a byte in common."""
    return [
        (one.name, other.name)
        for place, one in enumerate(lives)
        for other in lives[:place]
        if one.meets(other)
        and arena.offsets[one.name] < arena.offsets[other.name] + other.size
        and arena.offsets[other.name] < arena.offsets[one.name] + one.size
    ]


def test_a_chain_takes_no_more_than_two_neighbours():
    lives = [Life("a", 64, 0, 1), Life("b", 128, 1, 2), Life("c", 64, 2, 3)]
    assert plan_arena(lives) == Arena(offsets={"b": 0, "a": 128, "c": 128}, size=192)
    assert measure_peak(lives) == 192


def test_a_gap_between_two_values_is_taken_if_it_is_large_enough():
    lives = [
        Life("low", 300, 0, 9), Life("wide", 250, 0, 2), Life("high", 200, 0, 9),
        Life("fits", 150, 4, 5), Life("beside it", 110, 5, 6), Life("none left", 64, 5, 5),
    ]  # fmt: skip
    assert plan_arena(lives) == Arena(
        offsets={
            "low": 0, "wide": 320, "high": 576, "fits": 320, "beside it": 832, "none left": 512
        },
        size=942,
    )  # fmt: skip


def test_nothing_takes_nothing():
    assert plan_arena([]) == Arena(offsets={}, size=0)
    assert measure_peak([]) == 0


@given(draw_lives())
def test_what_lives_at_the_same_time_lies_apart(lives):
    arena = plan_arena(lives)
    assert not find_clashes(lives, arena)
    assert all(offset % ALIGNMENT == 0 for offset in arena.offsets.values())
    ends = [arena.offsets[life.name] + life.size for life in lives]
    assert arena.size == max(ends, default=0)
    assert measure_peak(lives) <= arena.size


def test_the_clash_of_a_wrong_plan_is_seen():
    lives = [Life("a", 64, 0, 1), Life("b", 64, 1, 2)]
    assert find_clashes(lives, Arena(offsets={"a": 0, "b": 32}, size=96)) == [("b", "a")]
