"""Which words of `r50 images` are images, and which are the builder's."""

from __future__ import annotations

from click.testing import CliRunner

from resnet50_bench.cli.images import images
from resnet50_bench.packaging.images import BENCHMARK


def call(*words: str):
    return CliRunner().invoke(images, ["--dry-run", "--builder", "buildah", *words])


def test_words_from_the_first_option_after_the_dashes_go_to_the_builder():
    ended = call(BENCHMARK.name, "--", "--isolation", BENCHMARK.name)
    assert ended.exit_code == 0, ended.output
    (command,) = [line for line in ended.output.splitlines() if line.startswith("buildah")]
    assert command.split()[-3:-1] == ["--isolation", BENCHMARK.name]


def test_a_misspelt_option_is_refused():
    ended = call("--dryrun")
    assert ended.exit_code == 2
    assert "No such option '--dryrun'. Did you mean '--dry-run'?" in ended.output
