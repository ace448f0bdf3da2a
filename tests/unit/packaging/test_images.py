from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from resnet50_bench.errors import HostError, RequestError
from resnet50_bench.packaging import images
from resnet50_bench.packaging.images import (
    IMAGES,
    INFERENCE,
    BuildOptions,
    find_builder,
    plan_builds,
    plan_images,
)

PROJECT = Path(__file__).parents[3]
FILES = PROJECT / "containers"


def build(builder: str, **changes: object) -> dict[str, list[str]]:
    planned = plan_images([])
    options = BuildOptions(builder=builder, source=PROJECT, **changes)
    return dict(zip((item.name for item in planned), plan_builds(planned, options), strict=True))


def test_the_images_are_the_seeds_and_every_file_is_one_of_them():
    assert [item.name for item in IMAGES] == [
        "resnet50v1_5-tensorflow-benchmark",
        "resnet50v1_5-tensorflow-model",
        "resnet50v1_5-tensorflow-inference-dataset",
        "ai-resnet50v1_5-tensorflow-intel-public-inference",
        "ai-resnet50v1_5-tensorflow-intel-public-inference-real",
        "ai-resnet50v1_5-tensorflow-intel-public-inference-sgx",
        "ai-resnet50v1_5-tensorflow-intel-public-inference-mpi",
    ]
    assert {item.file for item in IMAGES} == {path.name for path in FILES.glob("Dockerfile.*")}


def test_what_an_image_is_made_of_is_built_before_it():
    assert [item.name for item in plan_images([f"{INFERENCE}-real"])] == [
        "resnet50v1_5-tensorflow-benchmark",
        "resnet50v1_5-tensorflow-model",
        "resnet50v1_5-tensorflow-inference-dataset",
        INFERENCE,
        f"{INFERENCE}-real",
    ]
    assert [item.name for item in plan_images([f"{INFERENCE}-dummy"])] == [
        "resnet50v1_5-tensorflow-benchmark", "resnet50v1_5-tensorflow-model", INFERENCE,
    ]  # fmt: skip


def test_without_names_nothing_that_needs_something_from_elsewhere():
    assert {item.name for item in plan_images([])} == {
        item.name for item in IMAGES if not item.optional
    }
    assert all(item.why_optional for item in IMAGES if item.optional)


def test_an_unknown_image_is_refused_with_the_names():
    with pytest.raises(RequestError, match="no image foo") as caught:
        plan_images(["foo", INFERENCE])
    assert INFERENCE in (caught.value.advice or "")


def test_docker_and_podman_differ_in_the_format_and_the_names():
    docker, podman = build("docker"), build("podman")
    assert docker[INFERENCE] == [
        "docker", "build", "--file", str(FILES / "Dockerfile.4.inference-dummy"),
        "--tag", f"{INFERENCE}:latest", "--tag", f"{INFERENCE}-dummy:latest",
        "--build-arg", "BENCHMARK=resnet50v1_5-tensorflow-benchmark:latest",
        "--build-arg", "MODEL=resnet50v1_5-tensorflow-model:latest",
        str(PROJECT),
    ]  # fmt: skip
    assert podman[INFERENCE][:5] == ["podman", "build", "--format", "docker", "--layers"]
    assert f"localhost/{INFERENCE}:latest" in podman[INFERENCE]


def test_a_prefix_stands_before_every_name():
    command = build("podman", prefix="example/team/", tag="1")[INFERENCE]
    assert f"example/team/{INFERENCE}:1" in command
    assert "MODEL=example/team/resnet50v1_5-tensorflow-model:1" in command
    assert not [word for word in command if "localhost" in word]


def test_arguments_and_words_for_the_builder_are_passed_on():
    command = build("buildah", arguments=("BASE=x",), extra=("--isolation", "chroot"))[INFERENCE]
    assert command[-5:] == ["--build-arg", "BASE=x", "--isolation", "chroot", str(PROJECT)]


def test_a_folder_that_is_not_the_projects_is_refused(tmp_path):
    with pytest.raises(RequestError, match="no folder containers/"):
        plan_builds(plan_images([]), BuildOptions(builder="docker", source=tmp_path))


def test_a_machine_without_a_builder_is_told(monkeypatch):
    monkeypatch.setattr(images.shutil, "which", lambda _name: None)
    with pytest.raises(HostError, match="none of docker, podman, buildah"):
        find_builder()


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.name)
def test_the_files_take_what_the_commands_give(image):
    text = (FILES / image.file).read_text()
    for argument, name in image.needs:
        assert f"ARG {argument}={name}\n" in text
    assert f"# {image.name}: " in text


def test_the_images_have_every_package_that_the_project_needs_as_it_is_locked():
    """`containers/requirements.lock` is made again as its own head says."""
    with (PROJECT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["tensorflow"],
              *project["optional-dependencies"]["mpi"]]  # fmt: skip
    pinned = read_pins(FILES / "requirements.lock")
    assert {re.match(r"[\w-]+", text)[0] for text in needed} <= {name for name, _ in pinned}
    assert pinned <= read_pins(PROJECT / "requirements.lock")


def read_pins(path: Path) -> set[tuple[str, str]]:
    """The packages of a lock file, each with a version."""
    return set(re.findall(r"^([\w-]+)==(\S+)", path.read_text(), re.MULTILINE))


def test_the_base_is_pinned_by_its_digest():
    text = (FILES / "Dockerfile.1.benchmark").read_text()
    assert re.search(r"^ARG BASE=\S+@sha256:[0-9a-f]{64}$", text, re.MULTILINE)


def test_every_image_that_runs_ends_as_a_user_that_is_not_root():
    for image in IMAGES:
        users = re.findall(r"^USER (\S+)$", (FILES / image.file).read_text(), re.MULTILINE)
        last_stage = (FILES / image.file).read_text().rpartition("\nFROM ")[2]
        if "FROM scratch" not in last_stage and users:
            assert users[-1] == "10001:10001" or last_stage.startswith("scratch"), image.file


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.name)
def test_hadolint_finds_nothing(image):
    program = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("hadolint is not installed: `make test-containers` installs it")
    done = subprocess.run(
        [program, str(FILES / image.file)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
