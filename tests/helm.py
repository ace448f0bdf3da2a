"""`python -m tests.helm CHART`: what Helm's engine makes of a chart, in a process of its own.

The engine is a library in Go, whose runtime takes signals its own way: beside other libraries'
handlers, in a process that has run hundreds of tests, it has crashed.

On stdin a JSON list of values to give the chart; on stdout JSON of the chart's `errors` by lint, and
for each of the values what is `rendered`, or how they are `refused`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def render_by_helm(chart: Path, *values: dict[str, Any]) -> dict[str, Any]:
    """Ask a new process."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.helm", str(chart)],
        input=json.dumps(values), capture_output=True, text=True, check=True,
        cwd=Path(__file__).parents[1],
    )  # fmt: skip
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def main() -> None:
    """Answer."""
    import helm_python

    folder = sys.argv[1]
    answer = {"errors": helm_python.lint(folder)["errors"], "values": []}
    with helm_python.Chart.load(folder) as chart:
        for values in json.load(sys.stdin):
            try:
                chart.validate_schema(values)
            except helm_python.HelmValuesError as error:
                answer["values"].append({"refused": str(error)})
            else:
                rendered = chart.render(values, name="demo", namespace="x")
                answer["values"].append({"rendered": rendered})
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
