"""A test case -> the Kubernetes object that runs it: a Job, an Indexed Job or an MPIJob."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from resnet50_bench.config import Precision
from resnet50_bench.errors import ConfigError
from resnet50_bench.packaging.images import INFERENCE
from resnet50_bench.packaging.rendering import render

if TYPE_CHECKING:
    from resnet50_bench.cases.catalog import Case

Kind = Literal["job", "indexed", "mpi"]
KINDS: tuple[Kind, ...] = ("job", "indexed", "mpi")

AI_LABEL = ("HAS-SETUP-BKC-AI", "yes")
"""The framework labels nodes that are set up for AI workloads so; its own jobs prefer them."""

SGX_LABEL = ("HAS-SETUP-GRAMINE-SGX", "yes")
"""And those with SGX and gramine so; its SGX cases need it."""

_FEATURE = "feature.node.kubernetes.io/cpu-cpuid."
_FEATURES = {
    Precision.AVX_INT8: "AVX512VNNI",
    Precision.AVX_BFLOAT16: "AVX512BF16",
    Precision.AMX_INT8: "AMXINT8",
    Precision.AMX_BFLOAT16: "AMXBF16",
    Precision.AMX_BFLOAT32: "AMXBF16",
}
"""What Node Feature Discovery calls the instructions; preferred, since a cluster may not run it."""

_NAME = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_QUANTITY = r"[1-9][0-9]{0,8}(Ki|Mi|Gi|Ti|k|M|G|T)?"
_LABEL = r"([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
_LABEL_VALUE = r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?"
_MAX_NAME = 52
"""A Job's name with a pod's suffix and an index must stay within a label's 63 characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """What a run needs of a cluster.

    Attributes:
        case: what runs.
        parameters: by name, the case's own among them.
        kind: which object.
        nodes: how many nodes; one pod on each.
        cpus: of each pod, whole ones; a cluster's CPU is a hardware thread.
        memory, shared_memory: of each pod; quantities.
        image, pull_policy: as Kubernetes takes them.
        name: of the object; "" for one made of the case's.
        namespace: "" for whichever the command's context has.
        node_labels: what a node must have, as KEY=VALUE.
        results_claim: the volume claim for results; "" to print them to the log.
        dataset_claim: the volume claim with images, mounted at /dataset; "" for none.
        deadline_s: how long it may take.
        sys_nice: allow SYS_NICE, so that memory can be bound to a node.
    """

    case: Case
    parameters: Mapping[str, str]
    kind: Kind = "job"
    nodes: int = 1
    cpus: str = ""
    memory: str = "16Gi"
    shared_memory: str = "4Gi"
    image: str = ""
    pull_policy: str = "IfNotPresent"
    name: str = ""
    namespace: str = ""
    node_labels: Sequence[str] = ()
    results_claim: str = ""
    dataset_claim: str = ""
    deadline_s: int = 7200
    sys_nice: bool = False

    @property
    def object_name(self) -> str:
        """The name, given or made."""
        made = f"r50-{self.case.short_name.removeprefix('inference_')}".replace("_", "-")
        return self.name or made[:_MAX_NAME].rstrip("-")

    @property
    def image_name(self) -> str:
        """The image, given or the one for the kind of run."""
        suffix = "-sgx" if self.case.sgx else "-mpi" if self.kind == "mpi" else ""
        return self.image or f"{INFERENCE}{suffix}:latest"


def require_possible(request: JobRequest) -> None:
    """Check everything that was asked.

    Raises:
        ConfigError: with every problem.
    """
    problems = [text for check in _CHECKS for text in check(request)]
    if problems:
        raise ConfigError(problems)


def render_job(request: JobRequest) -> str:
    """Return the manifest.

    Raises:
        ConfigError: what was asked is not possible.
    """
    require_possible(request)
    context = plan_context(request)
    return render(choose_template(request), context | plan_derived(request, context))


def choose_template(request: JobRequest) -> str:
    """Return the template's file."""
    return "mpijob.yaml.j2" if request.kind == "mpi" else "job.yaml.j2"


def plan_derived(request: JobRequest, context: Mapping[str, Any]) -> dict[str, Any]:
    """Return the names that are made of others, which may stand for a chart's values."""
    resources = {"cpu": context["cpus"], "memory": context["memory"]}
    if request.case.sgx:
        # What Intel's device plugin calls them; the enclave is as large as the pod's memory.
        resources["sgx.intel.com/epc"] = context["memory"]
        resources |= dict.fromkeys(("sgx.intel.com/enclave", "sgx.intel.com/provision"), 1)
    labels = {
        "app.kubernetes.io/name": "resnet50-bench",
        "app.kubernetes.io/instance": context["name"],
    }
    return {"resources": resources, "labels": labels}


def plan_context(request: JobRequest) -> dict[str, Any]:
    """Return every name that the templates use, but those of `plan_derived`."""
    feature = _FEATURES.get(request.case.precision)
    preferred = [AI_LABEL, *([(f"{_FEATURE}{feature}", "true")] if feature else [])]
    required = dict(text.split("=", 1) for text in request.node_labels)
    required |= dict([SGX_LABEL]) if request.case.sgx else {}
    parameters = dict(request.parameters)
    # Under MPI these belong to the launcher's command line, and a worker's sshd takes none.
    parameters.pop("HOSTFILE", None)
    return {
        "title": f"{request.case.name} on {request.nodes} node{'s' * (request.nodes != 1)}",
        "name": request.object_name,
        "namespace": request.namespace,
        "indexed": request.kind == "indexed",
        "apart": request.nodes > 1 or request.kind != "job",
        "nodes": request.nodes,
        "workers": request.nodes - 1,
        "slots": int(request.cpus),  # no more processes than CPUs; r50 says how many there are
        "deadline": request.deadline_s,
        "required_labels": required,
        "preferred_labels": preferred,
        "image": request.image_name,
        "pull_policy": request.pull_policy,
        "parameters": parameters,
        "cpus": int(request.cpus),
        "memory": request.memory,
        "shared_memory": request.shared_memory,
        "sys_nice": request.sys_nice,
        "results_claim": request.results_claim,
        "dataset_claim": request.dataset_claim,
    }


def _check_cpus(request: JobRequest) -> list[str]:
    if re.fullmatch(r"[1-9][0-9]{0,3}", request.cpus):
        return []
    return [
        f"--cpus {request.cpus or '(not given)'}: give whole CPUs, such as 56: with a share of one "
        "the CPU manager pins nothing, and the run is throttled"
    ]


def _check_nodes(request: JobRequest) -> list[str]:
    problems = []
    if request.nodes < 1:
        problems.append(f"--nodes {request.nodes} must be 1 or more")
    if request.kind == "job" and request.nodes > 1:
        problems.append(f"--nodes {request.nodes} needs --kind indexed or --kind mpi")
    if request.kind == "mpi" and request.nodes < 2:
        problems.append("--kind mpi is for several nodes: give --nodes 2 or more, or --kind job")
    if request.deadline_s < 1:
        problems.append(f"--deadline {request.deadline_s} must be 1 or more seconds")
    return problems


def _check_texts(request: JobRequest) -> list[str]:
    rows = [
        ("--name", request.object_name, _NAME, "small letters, digits and -, as in r50-run"),
        ("--namespace", request.namespace or "x", _NAME, "small letters, digits and -"),
        ("--results-claim", request.results_claim or "x", _NAME, "small letters, digits and -"),
        ("--dataset-claim", request.dataset_claim or "x", _NAME, "small letters, digits and -"),
        ("--memory", request.memory, _QUANTITY, "a quantity such as 64Gi"),
        ("--shared-memory", request.shared_memory, _QUANTITY, "a quantity such as 4Gi"),
        ("--image", request.image_name, r"\S+", "an image's name"),
        ("--pull-policy", request.pull_policy, "Always|IfNotPresent|Never",
         "Always, IfNotPresent or Never"),
    ]  # fmt: skip
    problems = [
        f"{flag} {text!r} must be {what}"
        for flag, text, pattern, what in rows
        if not re.fullmatch(pattern, text)
    ]
    if len(request.object_name) > _MAX_NAME:
        problems.append(f"--name {request.object_name}: at most {_MAX_NAME} characters")
    return problems


def _check_labels(request: JobRequest) -> list[str]:
    return [
        f"--node-label {text!r} must be KEY=VALUE, as `kubectl label` takes it"
        for text in request.node_labels
        if not re.fullmatch(f"{_LABEL}={_LABEL_VALUE}", text)
    ]


def _check_run(request: JobRequest) -> list[str]:
    """What a run in a cluster cannot be asked."""
    problems = [
        f"{name}: paths are those inside the container; give --dataset-claim CLAIM"
        for name in ("DATASET", "LABELS", "CALIBRATION")
        if request.parameters.get(name) and not request.dataset_claim
    ]
    if request.parameters.get("HOSTFILE"):
        problems.append("HOSTFILE: the MPI operator writes it: leave it out, and give --kind mpi")
    if request.kind == "mpi" and request.case.sgx:
        problems.append("--kind mpi: an enclave's run is started by r50 itself: use --kind indexed")
    return problems


_CHECKS: tuple[Callable[[JobRequest], list[str]], ...] = (
    _check_cpus,
    _check_nodes,
    _check_texts,
    _check_labels,
    _check_run,
)
