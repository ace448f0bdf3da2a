"""OpenVINO's benchmark_app, which comes with its package."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from resnet50_bench.engines.openvino.engine import MODEL_FILE, plan_settings
from resnet50_bench.engines.tools import ToolFigures, ToolRequest
from resnet50_bench.errors import HostError

if TYPE_CHECKING:
    from pathlib import Path

_REPORT = "benchmark_report.json"
_START = "from openvino.tools.benchmark.main import main; main()"


class BenchmarkApp:
    """Told the same settings as the engine; it fills one batch with random values."""

    name = "benchmark_app"

    def plan_command(self, request: ToolRequest) -> tuple[str, ...]:
        """One query after the other by its synchronous API, streams by the other."""
        settings = plan_settings(request.precision, request.threads, request.streams)
        path = request.model_path
        alone = request.streams == 1
        return (
            *(sys.executable, "-c", _START),
            *("-m", str(path / MODEL_FILE if path.is_dir() else path), "-d", "CPU"),
            *("-shape", f"[{request.batch_size},224,224,3]", "-ip", "f32"),
            *("-hint", "none", "-api", "sync" if alone else "async"),
            *("-nstreams", str(settings["NUM_STREAMS"]), "-nireq", str(settings["NUM_STREAMS"])),
            *("-nthreads", str(settings["INFERENCE_NUM_THREADS"])),
            *("-infer_precision", settings["INFERENCE_PRECISION_HINT"], "-pin", "NO"),
            *("-t", f"{max(1, round(request.seconds))}"),
            *("-report_type", "no_counters", "-report_folder", str(request.folder)),
            "-json_stats",
        )

    def read_report(self, folder: Path) -> ToolFigures:
        """Read the JSON that it leaves; its numbers are texts."""
        path = folder / _REPORT
        try:
            results = json.loads(path.read_text())["execution_results"]
            return ToolFigures(float(results["throughput"]), float(results["latency (ms)"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise HostError(
                f"benchmark_app left no figures in {path}: {error}",
                "look at what it printed: peers_*.log beside the runs",
            ) from error


TOOL = BenchmarkApp()
