"""How long `r50 query` takes over many records: the first time, again, and with one run more.

    python benchmarks/query.py                   ten thousand records
    python benchmarks/query.py --records 1000

The records are those of one run that never happened, 80 queries of two instances, under many names.
Each figure is that of a whole `r50` process; the questions are asked in turns, medians are printed.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.records import make_record, make_roofline

from resnet50_bench.query.cache import CACHE_FILE
from resnet50_bench.results.files import write_record

R50 = [sys.executable, "-m", "resnet50_bench", "query"]
QUESTIONS = {
    "best runs": "select folder, images_per_s from runs where valid order by 2 desc limit 5",
    "mean by batch size": "select batch_size, avg(images_per_s), count(*) from runs group by 1",
    "percentile of all queries": "select quantile_cont(duration_ms, 0.999) from queries",
    "both tables": "select precision, max(duration_ms) from queries join runs using (folder) "
    "where in_window group by 1",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        for number in range(asked.records):
            keep(top, number)
        print(f"{asked.records} records")
        first = measure(top, QUESTIONS["best runs"])
        size = (top / CACHE_FILE).stat().st_size
        print(f"the first question: {first:.2f} s, and {size / 1e6:.1f} MB are kept")
        times: dict[str, list[float]] = {name: [] for name in [*QUESTIONS, "with one run more"]}
        for turn in range(asked.rounds):
            for name, sql in QUESTIONS.items():
                times[name].append(measure(top, sql))
            keep(top, asked.records + turn)
            times["with one run more"].append(measure(top, QUESTIONS["best runs"]))
        for name, seconds in times.items():
            print(f"{name}: {statistics.median(seconds):.2f} s (at most {max(seconds):.2f})")


def keep(top: Path, number: int) -> None:
    record = make_record(roofline=make_roofline())
    folder = top / f"20260102T030405Z-throughput-{number:05d}"
    folder.mkdir()
    write_record(folder, replace(record, run_id=folder.name))


def measure(top: Path, sql: str) -> float:
    """Seconds of one process."""
    begin = time.perf_counter()
    subprocess.run([*R50, sql, str(top)], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
