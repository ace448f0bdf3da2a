"""The test cases as CTest reads them: a file of `add_test` lines for TEST_INCLUDE_FILES."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resnet50_bench.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resnet50_bench.cases.catalog import Case

TIMEOUT_S = 7200
TIMEOUT_VARIABLE = "R50_TEST_TIMEOUT"
"""Environment variable with the seconds one test may take; `ctest.sh` sets it for sweeps."""

_HEAD = f"""\
# Written by `r50 cases --ctest`; CTest reads it at every start.
set(r50_timeout {TIMEOUT_S})
if(DEFINED ENV{{{TIMEOUT_VARIABLE}}})
  set(r50_timeout "$ENV{{{TIMEOUT_VARIABLE}}}")
endif()
"""


def render_tests(cases: Sequence[Case], python: str, *, docker: bool = False) -> str:
    """Return the text of the file.

    Args:
        cases: in their order; the first is test number 1.
        python: the interpreter that has this package.
        docker: run the tests in the project's image.
    """
    return _HEAD + "".join(_render_test(case, python, docker=docker) for case in cases)


def _render_test(case: Case, python: str, *, docker: bool) -> str:
    name = _quote(case.name)
    command = f"{_quote(python)} -m resnet50_bench ctest-case {name}{' --docker' * docker}"
    labels = [case.mode.value, case.precision.value, "sgx" if case.sgx else "plain"]
    labels += [case.case_type.value] if case.case_type else []
    return (
        f"add_test({name} {command})\n"
        f"set_tests_properties({name} PROPERTIES LABELS {_quote(';'.join(labels))} RUN_SERIAL TRUE "
        f"SKIP_RETURN_CODE {int(ExitCode.SKIPPED)} TIMEOUT ${{r50_timeout}})\n"
    )


def _quote(text: str) -> str:
    """Return a bracket argument of CMake, in which nothing is special: also where text holds one.

    A line feed right behind the opening bracket would be left out.
    """
    level = "="
    while f"]{level}]" in text:
        level += "="
    first = "\n" if text.startswith("\n") else ""
    return f"[{level}[{first}{text}]{level}]"
