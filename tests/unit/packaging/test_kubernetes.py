from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.helm import render_by_helm

from resnet50_bench.cases.catalog import Case
from resnet50_bench.config import Mode, Precision
from resnet50_bench.errors import ConfigError
from resnet50_bench.packaging.chart import render_chart
from resnet50_bench.packaging.kubernetes import JobRequest, render_job
from resnet50_bench.packaging.rendering import render

CASE = Case(mode=Mode.THROUGHPUT, precision=Precision.AMX_INT8)
SGX = Case(mode=Mode.THROUGHPUT, precision=Precision.AVX_FP32, sgx=True)
VERSIONS = ("1.34", "1.35", "1.36", "1.37")
"""Those that upstream supported when this was written."""

SHAPES: dict[str, dict[str, Any]] = {
    "job": {},
    "job with volumes": {"results_claim": "res", "dataset_claim": "data", "sys_nice": True},
    "indexed": {"kind": "indexed", "nodes": 4, "node_labels": ["a/b=c"], "namespace": "x"},
    "sgx": {"case": SGX},
}


def request(**changes: Any) -> JobRequest:
    asked = {"case": CASE, "parameters": {"MODE": "throughput"}, "cpus": "56"} | changes
    return JobRequest(**asked)


def manifest(**changes: Any) -> dict[str, Any]:
    return yaml.safe_load(render_job(request(**changes)))


def pod(**changes: Any) -> dict[str, Any]:
    return manifest(**changes)["spec"]["template"]["spec"]


def problems(**changes: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        render_job(request(**changes))
    return list(caught.value.problems)


class TestPod:
    def test_requests_equal_limits_in_whole_cpus(self):
        (container,) = pod()["containers"]
        assert container["resources"] == {
            "requests": {"cpu": 56, "memory": "16Gi"}, "limits": {"cpu": 56, "memory": "16Gi"},
        }  # fmt: skip

    def test_the_parameters_are_its_environment_as_text(self):
        (container,) = pod(parameters={"STEPS": "010", "CUSTOMER_ENV": "A=1 B='x: y'"})[
            "containers"
        ]
        named = {item["name"]: item.get("value") for item in container["env"]}
        assert named == {
            "R50_POD": None, "R50_PRINT_RECORDS": "1", "STEPS": "010",
            "CUSTOMER_ENV": "A=1 B='x: y'",
        }  # fmt: skip
        assert container["args"] == ["run", "--strict-env", "--output", "/results/$(R50_POD)"]

    def test_results_go_to_the_volume_or_to_the_log(self):
        volumes = {item["name"]: item for item in pod(results_claim="res")["volumes"]}
        assert volumes["results"]["persistentVolumeClaim"] == {"claimName": "res"}
        named = [item["name"] for item in pod(results_claim="res")["containers"][0]["env"]]
        assert "R50_PRINT_RECORDS" not in named
        assert {"name": "results", "emptyDir": {}} in pod()["volumes"]

    def test_it_runs_as_nobody_in_particular_on_a_root_it_cannot_write(self):
        spec = pod()
        assert spec["securityContext"]["runAsNonRoot"]
        assert spec["containers"][0]["securityContext"] == {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }  # fmt: skip
        added = pod(sys_nice=True)["containers"][0]["securityContext"]["capabilities"]
        assert added == {"drop": ["ALL"], "add": ["SYS_NICE"]}
        assert {"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": "4Gi"}} in (
            spec["volumes"]
        )

    def test_it_prefers_the_frameworks_label_and_the_cpus_instructions(self):
        preferred = pod()["affinity"]["nodeAffinity"]
        assert list(preferred) == ["preferredDuringSchedulingIgnoredDuringExecution"]
        keys = [item["preference"]["matchExpressions"][0]["key"]
                for item in preferred["preferredDuringSchedulingIgnoredDuringExecution"]]  # fmt: skip
        assert keys == ["HAS-SETUP-BKC-AI", "feature.node.kubernetes.io/cpu-cpuid.AMXINT8"]

    def test_an_enclave_needs_the_frameworks_label_and_the_device(self):
        required = pod(case=SGX)["affinity"]["nodeAffinity"][
            "requiredDuringSchedulingIgnoredDuringExecution"
        ]["nodeSelectorTerms"]
        assert required == [{"matchExpressions": [
            {"key": "HAS-SETUP-GRAMINE-SGX", "operator": "In", "values": ["yes"]}]}]  # fmt: skip
        limits = pod(case=SGX)["containers"][0]["resources"]["limits"]
        assert limits["sgx.intel.com/enclave"] == 1
        assert limits["sgx.intel.com/epc"] == limits["memory"]

    def test_each_node_gets_one_pod(self):
        spec = manifest(kind="indexed", nodes=4)["spec"]
        assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == (
            "Indexed",
            4,
            4,
        )
        affinity = spec["template"]["spec"]["affinity"]["podAntiAffinity"]
        (term,) = affinity["requiredDuringSchedulingIgnoredDuringExecution"]
        assert term["topologyKey"] == "kubernetes.io/hostname"
        assert term["labelSelector"]["matchLabels"].items() <= (
            spec["template"]["metadata"]["labels"].items()
        )
        assert "podAntiAffinity" not in pod()["affinity"]

    def test_a_failed_run_is_not_tried_again(self):
        assert manifest()["spec"]["backoffLimit"] == 0
        assert pod()["restartPolicy"] == "Never"


class TestRefused:
    @pytest.mark.parametrize("cpus", ["", "3.5", "3500m", "0", "-1", "x"])
    def test_cpus_that_are_not_whole(self, cpus):
        (problem,) = problems(cpus=cpus)
        assert problem.startswith(f"--cpus {cpus or '(not given)'}: give whole CPUs")

    @pytest.mark.parametrize(
        ("changes", "part"),
        [
            ({"nodes": 2}, "--nodes 2 needs --kind indexed"),
            ({"nodes": 0}, "--nodes 0 must be 1 or more"),
            ({"kind": "mpi"}, "--kind mpi is for several nodes"),
            ({"name": "A_b"}, "--name 'A_b' must be"),
            ({"name": "x" * 53}, "at most 52 characters"),
            ({"memory": "much"}, "--memory 'much' must be a quantity"),
            ({"node_labels": ["a"]}, "--node-label 'a' must be KEY=VALUE"),
            ({"results_claim": "a b"}, "--results-claim 'a b' must be"),
            ({"parameters": {"DATASET": "/x"}}, "DATASET: paths are those inside the container"),
            ({"parameters": {"HOSTFILE": "/x"}}, "HOSTFILE: the MPI operator writes it"),
            ({"kind": "mpi", "nodes": 2, "case": SGX}, "--kind mpi: an enclave's run"),
            ({"pull_policy": "never"}, "--pull-policy 'never' must be"),
        ],
    )  # fmt: skip
    def test_what_cannot_be(self, changes, part):
        assert any(part in problem for problem in problems(**changes))

    def test_everything_at_once(self):
        assert len(problems(cpus="x", memory="y", name="Z")) == 3

    def test_a_name_the_template_knows_and_the_caller_does_not(self):
        with pytest.raises(Exception, match="'title' is undefined"):
            render("job.yaml.j2", {})


class TestSchemas:
    """By the schemas that Kubernetes publishes for each of its releases."""

    @pytest.fixture
    def validate(self):
        tool = pytest.importorskip(
            "kubernetes_validate", reason="`make test-containers` installs it"
        )

        def check(text: str, version: str) -> None:
            tool.validate(yaml.safe_load(text), version, strict=True)

        return check

    @pytest.mark.parametrize("version", VERSIONS)
    @pytest.mark.parametrize("shape", SHAPES)
    def test_the_jobs(self, validate, shape, version):
        validate(render_job(request(**SHAPES[shape])), version)

    def test_a_misspelt_field_would_be_found(self, validate):
        text = render_job(request()).replace("backoffLimit", "backofLimit")
        with pytest.raises(Exception, match="backofLimit"):
            validate(text, VERSIONS[-1])

    @pytest.fixture
    def helm(self):
        if importlib.util.find_spec("helm_python") is None:
            pytest.skip("`make test-containers` installs it")
        return render_by_helm

    @pytest.mark.parametrize("shape", SHAPES)
    def test_the_chart_rendered_by_helm(self, validate, helm, shape, tmp_path):
        write(render_chart(request(**SHAPES[shape])), tmp_path)
        other = {"required_labels": {"k/l": "v"}, "cpus": 8, "parameters": {"STEPS": 10}}
        plain, changed = (
            answer["rendered"]["resnet50-bench/templates/job.yaml"]
            for answer in helm(tmp_path, {}, other)["values"]
        )
        for version in VERSIONS:
            validate(plain, version)
            validate(changed, version)
        expected = yaml.safe_load(
            render_job(request(**SHAPES[shape] | {"name": "demo", "namespace": "x"}))
        )
        assert yaml.safe_load(plain) == expected
        container = yaml.safe_load(changed)["spec"]["template"]["spec"]["containers"][0]
        assert container["resources"]["limits"]["cpu"] == 8
        assert {"name": "STEPS", "value": "10"} in container["env"]

    def test_helm_refuses_values_the_chart_does_not_have(self, helm, tmp_path):
        write(render_chart(request()), tmp_path)
        wrong = ({"cpu": 8}, {"cpus": 3.5}, {"parameters": {"BATCHSIZE": 1}})
        answer = helm(tmp_path, {"cpus": 8}, *wrong)
        assert answer["errors"] == []
        assert [list(item) for item in answer["values"]] == [["rendered"], *[["refused"]] * 3]


class TestClient:
    """By the types that Kubernetes' own client has: what they do not know is dropped in silence."""

    @pytest.fixture
    def decode(self):
        """Return a manifest as the client reads and writes it; it asks no server for that."""
        program = shutil.which("kubectl", path=str(Path(sys.executable).parent))
        if program is None:
            pytest.skip("kubectl is not installed: `make test-containers` installs it")

        def call(text: str) -> dict[str, Any]:
            words = [program, "set", "env", "--local", "--filename", "-", "--output", "json", "A=b"]
            done = subprocess.run(words, input=text, capture_output=True, text=True, check=False)
            if done.returncode:
                raise ValueError(done.stderr)
            return json.loads(done.stdout)

        return call

    @pytest.mark.parametrize("shape", SHAPES)
    def test_the_jobs(self, decode, shape):
        text = render_job(request(**SHAPES[shape]))
        assert find_lost(yaml.safe_load(text), decode(text)) == []

    def test_the_pods_of_an_mpi_job(self, decode):
        for replica in manifest(kind="mpi", nodes=3)["spec"]["mpiReplicaSpecs"].values():
            found = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"},
                     "spec": replica["template"]["spec"]}  # fmt: skip
            assert find_lost(found, decode(json.dumps(found))) == []

    def test_a_misspelt_field_and_a_wrong_type_would_be_found(self, decode):
        text = render_job(request()).replace("readOnlyRootFilesystem", "readOnlyRoot")
        assert find_lost(yaml.safe_load(text), decode(text)) == [
            "spec.template.spec.containers.0.securityContext.readOnlyRoot"
        ]
        with pytest.raises(ValueError, match=r"JobSpec\.spec\.backoffLimit of type int32"):
            decode(render_job(request()).replace("backoffLimit: 0", "backoffLimit: zero"))


def find_lost(given: Any, kept: Any, place: str = "") -> list[str]:
    """Say which fields of a manifest are not there again; a quantity may come back as text."""
    if isinstance(given, dict | list):
        items = given.items() if isinstance(given, dict) else enumerate(given)
        known = kept if isinstance(kept, dict) else dict(enumerate(kept or []))
        return [text for key, value in items
                for text in find_lost(value, known.get(key), f"{place}.{key}".strip("."))]  # fmt: skip
    return [] if str(given) == str(kept) else [place]


MPI_JOB = {
    "apiVersion", "kind", "metadata", "spec", "spec.slotsPerWorker", "spec.runLauncherAsWorker",
    "spec.runPolicy", "spec.runPolicy.cleanPodPolicy", "spec.runPolicy.backoffLimit",
    "spec.runPolicy.activeDeadlineSeconds", "spec.runPolicy.ttlSecondsAfterFinished",
    "spec.runPolicy.schedulingPolicy", "spec.runPolicy.suspend", "spec.runPolicy.managedBy",
    "spec.mpiReplicaSpecs", "spec.mpiReplicaSpecs.Launcher", "spec.mpiReplicaSpecs.Worker",
    "spec.sshAuthMountPath", "spec.mpiImplementation", "spec.launcherCreationPolicy",
}  # fmt: skip
"""The fields of kubeflow.org/v2beta1's MPIJob, down to its replicas."""


class TestMpiJob:
    def test_its_fields_are_the_operators(self):
        found = manifest(kind="mpi", nodes=3)
        names = {name for name in list_paths(found, 4) if not name.startswith("metadata.")}
        replicas = {name for name in names if name.count(".") > 2}
        assert names - replicas <= MPI_JOB
        assert {name.rpartition(".")[2] for name in replicas} == {
            "replicas", "restartPolicy", "template",
        }  # fmt: skip
        spec = found["spec"]
        assert found["apiVersion"] == "kubeflow.org/v2beta1"
        assert spec["mpiImplementation"] == "OpenMPI"
        assert spec["runPolicy"]["cleanPodPolicy"] in {"None", "Running", "All"}

    def test_the_launcher_is_one_of_the_nodes(self):
        spec = manifest(kind="mpi", nodes=3)["spec"]
        assert spec["runLauncherAsWorker"]
        assert spec["mpiReplicaSpecs"]["Launcher"]["replicas"] == 1
        assert spec["mpiReplicaSpecs"]["Worker"]["replicas"] == 2

    @pytest.mark.parametrize("version", VERSIONS)
    def test_its_pods_are_pods(self, version):
        tool = pytest.importorskip(
            "kubernetes_validate", reason="`make test-containers` installs it"
        )
        replicas = manifest(kind="mpi", nodes=3)["spec"]["mpiReplicaSpecs"]
        for name, replica in replicas.items():
            body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name.lower()},
                    "spec": replica["template"]["spec"]}  # fmt: skip
            tool.validate(body, version, strict=True)

    def test_the_launcher_runs_r50_and_the_workers_wait(self):
        replicas = manifest(kind="mpi", nodes=2)["spec"]["mpiReplicaSpecs"]
        (launcher,) = replicas["Launcher"]["template"]["spec"]["containers"]
        (worker,) = replicas["Worker"]["template"]["spec"]["containers"]
        assert launcher["args"][:5] == ["run", "--strict-env", "--mpi", "--hostfile",
                                        "/etc/mpi/hostfile"]  # fmt: skip
        assert worker["command"][0] == "/usr/sbin/sshd"
        assert "args" not in worker


def list_paths(value: object, depth: int, prefix: str = "") -> set[str]:
    if not isinstance(value, dict) or not depth:
        return set()
    found = set()
    for name, item in value.items():
        found |= {f"{prefix}{name}"} | list_paths(item, depth - 1, f"{prefix}{name}.")
    return found


def write(files: dict[str, str], folder) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
