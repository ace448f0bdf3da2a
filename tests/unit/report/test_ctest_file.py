"""The file of tests that CTest reads."""

from __future__ import annotations

import pytest

from resnet50_bench.cases.catalog import design_cases
from resnet50_bench.config import Platform
from resnet50_bench.report.ctest_file import render_tests


@pytest.mark.parametrize(
    ("python", "quoted"),
    [
        ("/usr/bin/python3", "[=[/usr/bin/python3]=]"),
        ("/a b/${c}\\;d", "[=[/a b/${c}\\;d]=]"),
        ("/odd]=]/python", "[==[/odd]=]/python]==]"),
        ("/odd]==]x]=]", "[===[/odd]==]x]=]]===]"),
        ("\n/x", "[=[\n\n/x]=]"),
    ],
)
def test_the_interpreters_path_is_a_bracket_argument(python, quoted):
    case = design_cases(Platform.SPR)[0]
    text = render_tests([case], python)
    assert f"add_test([=[{case.name}]=] {quoted} -m resnet50_bench ctest-case" in text
