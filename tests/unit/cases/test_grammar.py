from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resnet50_bench.cases.grammar import plan_combinations
from resnet50_bench.errors import ConfigError
from resnet50_bench.parameters.lists import MAX_COMBINATIONS
from resnet50_bench.parameters.parameter import Setting
from resnet50_bench.parameters.table import PARAMETERS

FUZZ_ROUNDS = 2000


def expand(*assignments: str) -> list[dict[str, str]]:
    return [
        {setting.name: setting.value for setting in combination}
        for combination in plan_combinations(assignments)
    ]


def values(text: str) -> list[str]:
    return [item["STEPS"] for item in expand(f"STEPS={text}")]


def problem(*assignments: str) -> str:
    with pytest.raises(ConfigError) as caught:
        plan_combinations(assignments)
    (text,) = caught.value.problems
    return text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("32", "32"),
        ("1 2 4", "1 2 4"),
        ("  1\t2\n4 ", "1 2 4"),
        # The framework's own examples.
        ("1000 1300 1600 ...2000", "1000 1300 1600 1900"),
        ("1000 1300 1600 ...2000 |200", "1000 1600"),
        ("1000 1200 1400 ...2000 8000|", "1000 1600 2000"),
        ("1000 2000 4000 ...10000", "1000 2000 4000 8000"),
        # The last three values decide; those before them stay.
        ("7 1 2 3 ...6", "7 1 2 3 4 5 6"),
        ("1 2 4 ...64", "1 2 4 8 16 32 64"),
        ("1 2 4 ... 64", "1 2 4 8 16 32 64"),
        ("1 2 4 ...63", "1 2 4 8 16 32"),
        ("1 2 3 ...3", "1 2 3"),
        ("1 2 3 ...5 100", "1 2 3 4 5 100"),
        ("1 2 3 ...5 10 15 ...25", "1 2 3 4 5 10 15 20 25"),
        ("10 8 6 ...0", "10 8 6 4 2 0"),
        ("10 8 6 ...-3", "10 8 6 4 2 0 -2"),
        ("64 32 16 ...1", "64 32 16 8 4 2 1"),
        ("0.5 1 1.5 ...3", "0.5 1 1.5 2 2.5 3"),
        ("4 6 9 ...14", "4 6 9 13.5"),
        ("1 2 4 ...64|8", "8 16 32 64"),
        ("1 8 16..128", "1 8 16 32 64 128"),
        ("3..3", "3"),
        ("16..100", "16 32 64"),
        ("1..8 |4", "4 8"),
        ("8 4 2 ...0.25", "8 4 2 1 0.5 0.25"),
        ("1 2 3 4 |2 12|", "2 4"),
        ("1 2 3 4 | 2 12 |", "2 4"),
        ("1 2 3 4 6|", "1 2 3"),
        ("1 2 |", "1"),
        ("-4 -2 2 |2", "-4 -2 2"),
        ("0 1 2 4|", "1 2"),
        ("1 1", "1 1"),
        ("A=1", "A=1"),
        ("a...b", "a...b"),
        ("1.5 2", "1.5 2"),
    ],
)
def test_values(text, expected):
    assert values(text) == expected.split()


def test_no_value_is_one_empty_value():
    assert values("") == values("  ") == [""]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("1 2 ...5", "`...` needs three numbers before it"),
        ("a b c ...5", "`...` needs three numbers before it"),
        ("1 2 3 ...", "`...` needs a number to go up to, e.g. `1 2 4 ...64`"),
        ("1 2 3 ...x", "`...` needs a number to go up to, e.g. `1 2 4 ...64`"),
        ("1 2 3 ... ...9", "`...` needs a number to go up to, e.g. `1 2 4 ...64`"),
        ("1 2 3 ... |2", "`...` needs a number to go up to, e.g. `1 2 4 ...64`"),
        ("1 2 5 ...9", "the three values before `...` have neither one step nor one factor"),
        ("1 -2 4 ...9", "the three values before `...` have neither one step nor one factor"),
        ("1 1 1 ...9", "the values before `...` do not change"),
        ("1 2 3 ...2", "the values before `...` are past its bound already"),
        ("3 2 1 ...2", "the values before `...` are past its bound already"),
        ("8 4 2 ...0", "a shrinking factor never gets to 0; give `...` a bound above 0"),
        ("1 0.1 0.01 ...0.0000001", "`...` needs a number to go up to, e.g. `1 2 4 ...64`"),
        ("9 3 1 ...0.1", "`...` gets to a number of more than 6 decimals"),
        ("1 2 3 ...10001", f"more than {MAX_COMBINATIONS} combinations: give fewer values"),
        ("1 2 3 ...999999999999", f"more than {MAX_COMBINATIONS} combinations: give fewer values"),
        ("1 2 |0", "`|N` and `N|` need a number of 1 or more"),
        ("1 2 -1|", "`|N` and `N|` need a number of 1 or more"),
        ("1 2 |x", "a filter needs whole numbers, and 'x' is none"),
        ("a |2", "a filter needs whole numbers, and 'a' is none"),
        ("1.5 |2", "a filter needs whole numbers, and '1.5' is none"),
        ("|", "`|N` and `N|` need a number"),
        ("|2 4", "'4' stands behind a filter; filters come last"),
        ("|2", "no value is left"),
        ("1 3 |2", "no value is left"),
    ],
)
def test_refused_values(text, why):
    assert problem(f"STEPS={text}") == f"--set STEPS={text}: {why}"


class TestProducts:
    def test_the_first_name_varies_slowest(self):
        assert expand("STEPS=10 20/BATCH_SIZE=1 2") == [
            {"STEPS": "10", "BATCH_SIZE": "1"},
            {"STEPS": "10", "BATCH_SIZE": "2"},
            {"STEPS": "20", "BATCH_SIZE": "1"},
            {"STEPS": "20", "BATCH_SIZE": "2"},
        ]

    def test_three_factors_with_progressions(self):
        found = expand("STEPS=1 2 4 ...8 / BATCH_SIZE=1 2 3 |2/SEED=5")
        assert [tuple(item.values()) for item in found] == [
            (steps, "2", "5") for steps in ("1", "2", "4", "8")
        ]

    def test_side_by_side_the_shorter_starts_again(self):
        found = expand("STEPS=10 15 17", "BATCH_SIZE=1 2 4 8")
        assert [tuple(item.values()) for item in found] == [
            ("10", "1"), ("15", "2"), ("17", "4"), ("10", "8"),
        ]  # fmt: skip

    def test_a_product_beside_a_list(self):
        found = expand("STEPS=1 2/BATCH_SIZE=3 4", "SEED=7 8 9")
        assert [tuple(item.values()) for item in found] == [
            ("1", "3", "7"), ("1", "4", "8"), ("2", "3", "9"), ("2", "4", "7"),
        ]  # fmt: skip

    def test_nothing_is_one_run(self):
        assert expand() == [{}]

    def test_names_keep_their_case_and_say_where_they_come_from(self):
        (combination,) = plan_combinations(["steps = 5"])
        assert combination == (Setting("steps", "5", "--set steps"),)

    def test_the_limit_counts_combinations(self):
        hundred = "1 2 3 ...100"
        assert len(expand(f"STEPS={hundred}/BATCH_SIZE={hundred}")) == MAX_COMBINATIONS
        text = f"STEPS={hundred}/BATCH_SIZE={hundred}/SEED=1 2"
        assert problem(text).endswith("more than 10000 combinations: give fewer values")


class TestWholeValues:
    def test_customer_env_is_one_value(self):
        assert expand("CUSTOMER_ENV=A=1 B=2") == [{"CUSTOMER_ENV": "A=1 B=2"}]
        assert expand("customer_env=A=1 ...9 |2") == [{"customer_env": "A=1 ...9 |2"}]

    def test_a_path_may_hold_slashes_and_spaces(self):
        path = "/my data/A=1/images.tar"
        assert expand(f"DATASET={path}", "MODEL=a b/c.pb") == [
            {"DATASET": path, "MODEL": "a b/c.pb"}
        ]

    def test_a_parameters_name_begins_another_factor(self):
        assert expand("CUSTOMER_ENV=A=/x B=2/STEPS=1 2") == [
            {"CUSTOMER_ENV": "A=/x B=2", "STEPS": "1"},
            {"CUSTOMER_ENV": "A=/x B=2", "STEPS": "2"},
        ]

    def test_which_parameters_are_whole(self):
        whole = {parameter.name for parameter in PARAMETERS if parameter.whole}
        assert whole >= {"CUSTOMER_ENV", "ENGINE_OPTION", "DATASET", "MODEL"}
        assert "BATCH_SIZE" not in whole


class TestProblems:
    @pytest.mark.parametrize("text", ["STEPS", "", "=1", " =1", "/STEPS"])
    def test_no_name_or_no_value(self, text):
        assert problem(text) == f"--set {text}: give NAME=VALUE, e.g. BATCH_SIZE=32"

    def test_a_slash_that_begins_no_factor_belongs_to_the_value(self):
        assert values("1/BATCH_SIZE") == ["1/BATCH_SIZE"]

    def test_all_at_once(self):
        with pytest.raises(ConfigError) as caught:
            plan_combinations(["STEPS", "BATCH_SIZE=1 2 ...3", "SEED=1"])
        assert [text.partition(":")[0] for text in caught.value.problems] == [
            "--set STEPS", "--set BATCH_SIZE=1 2 ...3",
        ]  # fmt: skip

    def test_a_long_text_is_cut(self):
        assert problem("x" * 1000) == f"--set {'x' * 60}...: give NAME=VALUE, e.g. BATCH_SIZE=32"


NUMBERS = st.integers(1, 10**6)


@given(NUMBERS, NUMBERS, st.integers(0, 50))
def test_an_arithmetic_progression_is_a_range(first, step, count):
    last = first + step * (count + 2)
    text = f"{first} {first + step} {first + 2 * step} ...{last}"
    assert values(text) == [str(number) for number in range(first, last + 1, step)]


@given(st.integers(1, 1000), st.integers(2, 9), st.integers(0, 6))
def test_a_geometric_progression_is_powers(first, factor, count):
    numbers = [first * factor**power for power in range(count + 3)]
    text = f"{numbers[0]} {numbers[1]} {numbers[2]} ...{numbers[-1]}"
    assert values(text) == [str(number) for number in numbers]


@given(st.lists(st.integers(1, 200), min_size=1, max_size=20), st.integers(1, 50))
def test_filters_keep_what_they_say(numbers, divisor):
    text = " ".join(map(str, numbers))
    multiples = [str(number) for number in numbers if number % divisor == 0]
    if multiples:
        assert values(f"{text} |{divisor}") == multiples
    divisors = [str(number) for number in numbers if 5040 % number == 0]
    if divisors:
        assert values(f"{text} 5040|") == divisors


@given(st.lists(st.integers(1, 6), min_size=1, max_size=3), st.lists(st.integers(1, 6), max_size=3))
def test_the_number_of_runs_follows_from_the_lists(factors, others):
    names = ["STEPS", "BATCH_SIZE", "SEED"]
    product = "/".join(
        f"{name}={' '.join(map(str, range(size)))}" for name, size in zip(names, factors)
    )
    lists = [f"LIMIT={' '.join(map(str, range(size)))}" for size in others]
    total = 1
    for size in factors:
        total *= size
    assert len(plan_combinations([product, *lists])) == max([total, *others])


PIECES = [
    "BATCH_SIZE=", "STEPS=", "CUSTOMER_ENV=", "FOO=", "/", "...", "|", " ", "1", "2", "4", "64",
    "1000000000000", "-1", "0", "0.5", "1.000001", "999999999999", "=", "A=1", "x", "\t", "\n",
    "\u00e9", "\0", "\u0663", "8000|", "|200", ".", "-", "1e9", "'", '"', "$(id)",
]  # fmt: skip


def check(assignments: list[str]) -> None:
    """A text is expanded within the limit, or refused in words."""
    try:
        combinations = plan_combinations(assignments)
    except ConfigError as error:
        assert error.problems
        assert all(text.startswith("--set ") for text in error.problems)
        return
    assert 1 <= len(combinations) <= MAX_COMBINATIONS


@given(st.lists(st.one_of(st.text(max_size=60), st.lists(st.sampled_from(PIECES)).map("".join)),
                max_size=3))  # fmt: skip
def test_arbitrary_text_expands_or_is_refused(assignments):
    check(assignments)


def test_fuzz():
    rng = random.Random(20261123)
    for _ in range(FUZZ_ROUNDS):
        check(
            ["".join(rng.choices(PIECES, k=rng.randint(0, 14))) for _ in range(rng.randint(1, 3))]
        )


@pytest.mark.parametrize(
    "text",
    [
        "BATCH_SIZE=" + "1 " * 200_000,
        "BATCH_SIZE=" + "/BATCH_SIZE=1 2" * 5_000,
        "BATCH_SIZE=" + " " * 500_000 + "|",
        "BATCH_SIZE=" + "1" * 100_000,
        "CUSTOMER_ENV=" + "/A=1" * 10_000,
        "STEPS=1 1.000001 1.000002 ...999999999999",
        "A" * 1_000_000,
    ],
)
def test_long_text_is_answered(text):
    check([text])
