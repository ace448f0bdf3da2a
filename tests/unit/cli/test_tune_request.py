from __future__ import annotations

import pytest

from resnet50_bench.cli.tune.request import parse_budget, parse_limit, parse_within
from resnet50_bench.errors import ConfigError
from resnet50_bench.search.race.estimates import Limit


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("p99=20ms", Limit(99.0, 0.02)),
        (" p99.9 = 1.5s ", Limit(99.9, 1.5)),
        ("p50=300us", Limit(50.0, 0.0003)),
    ],
)
def test_a_limit_is_read(text: str, limit: Limit) -> None:
    found = parse_limit(text)
    assert (found.percent, found.seconds) == (limit.percent, pytest.approx(limit.seconds))


@pytest.mark.parametrize(
    "text", ["", "p99", "p99=20", "99=20ms", "p0=20ms", "p99=0ms", "p100=1s", "p99=-1ms"]
)
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--sla .* such as p99=20ms"):
        parse_limit(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("10m", 600), ("1.5h", 5400)]
)
def test_a_budget_is_read(text: str, seconds: float) -> None:
    assert parse_budget(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "10 minutes", "-5s", "5d", "m"])
def test_what_is_no_budget_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--budget .* such as 90s, 10m or 1h"):
        parse_budget(text)


@pytest.mark.parametrize(("text", "share"), [("2%", 0.02), ("0.5", 0.005), ("50%", 0.5)])
def test_a_difference_is_read(text: str, share: float) -> None:
    assert parse_within(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["0%", "51%", "two", "-1%", ""])
def test_what_is_no_difference_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--within"):
        parse_within(text)
