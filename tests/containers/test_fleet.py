"""What a host of a fleet does with an image, by podman itself."""

from __future__ import annotations

import hashlib
import shlex
import subprocess

from resnet50_bench.config import Mode, Precision
from resnet50_bench.fleet.engine import playbook
from resnet50_bench.fleet.engine.incoming import Wanted, read_said, take_in

from .conftest import IMAGE

CASE = Wanted("throughput_avx_fp32", Mode.THROUGHPUT, Precision.AVX_FP32)
SCRIPT = playbook.SCRIPT


def test_a_record_comes_out_of_a_container_that_is_gone_then(engine, tmp_path):
    words = ["words", IMAGE, "run", CASE.name, "--engine", "null", "--steps", "20",
             "--warmup-steps", "2"]  # fmt: skip
    podman, options = engine.podman_command(), [*engine.run_options(), "--cap-drop", "all"]
    lines, engine_words = "\n".join(words), " ".join(podman)
    given = (tmp_path, "run-1-0", 60, "image", lines, engine_words, " ".join(options))
    done = subprocess.run(
        ["sh", str(SCRIPT), "run", *map(str, given)],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    said = read_said(done.stdout)
    assert said.exit_code == 0, done
    arrived = tmp_path / "run-1-0" / "record.json"
    assert said.sha256 == hashlib.sha256(arrived.read_bytes()).hexdigest()
    record = take_in(arrived, said, CASE, tmp_path / "place")
    assert record.status == "completed"
    assert record.config.steps == 20
    left = engine.podman("ps", "--all", "--filter", "name=r50-fleet", "--format", "{{.Names}}")
    assert left == "", shlex.join(podman)
