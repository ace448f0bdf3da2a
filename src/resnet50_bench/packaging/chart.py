"""A Helm chart: the manifest's own templates, with the chart's values in the values' places.

Which object it is, and whether results go to a volume, is decided when the chart is made; image,
nodes, CPUs, memory, labels and parameters are the chart's values, and its schema refuses others.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml

from resnet50_bench import __version__
from resnet50_bench.packaging.kubernetes import (
    JobRequest,
    choose_template,
    plan_context,
    plan_derived,
    require_possible,
)
from resnet50_bench.packaging.rendering import ChartValue, render
from resnet50_bench.parameters.table import PARAMETERS

if TYPE_CHECKING:
    from collections.abc import Mapping

CHART_NAME = "resnet50-bench"

_QUANTITY = {"type": "string", "pattern": "^[1-9][0-9]*(Ki|Mi|Gi|Ti|k|M|G|T)?$"}
_TEXT = {"type": "string", "minLength": 1}
_COUNT = {"type": "integer", "minimum": 1}
_SCALAR = {"type": ["string", "number", "boolean"]}


def render_chart(request: JobRequest) -> dict[str, str]:
    """Return the chart's files by their paths.

    Raises:
        ConfigError: what was asked is not possible.
    """
    require_possible(request)
    context = plan_context(request)
    values = _plan_values(request, context)
    placed = {name: ChartValue(f".Values.{name}") for name in values}
    context |= placed
    context["name"] = ChartValue(".Release.Name")
    context["namespace"] = ChartValue(".Release.Namespace")
    context["workers"] = ChartValue("sub .Values.nodes 1")
    text = render(choose_template(request), context | plan_derived(request, context))
    return {
        "Chart.yaml": _dump(_describe_chart(request)),
        "values.yaml": _dump(values),
        "values.schema.json": json.dumps(_plan_schema(values, request), indent=2) + "\n",
        "templates/job.yaml": text,
        "templates/NOTES.txt": (
            f"{request.case.name} on {{{{ .Values.nodes | default 1 }}}} node(s), as "
            "{{ .Release.Name }}.\n"
            "kubectl --namespace {{ .Release.Namespace }} logs --follow "
            "--selector app.kubernetes.io/instance={{ .Release.Name }} --tail=-1\n"
        ),
    }


def _plan_values(request: JobRequest, context: Mapping[str, Any]) -> dict[str, Any]:
    """The values a user of the chart may set, with what they are when nothing is set."""
    names = ["image", "pull_policy", "cpus", "memory", "shared_memory", "deadline", "parameters",
             "required_labels"]  # fmt: skip
    names += ["nodes"] if request.kind != "job" else []
    names += ["slots"] if request.kind == "mpi" else []
    names += [name for name in ("results_claim", "dataset_claim") if context[name]]
    return {name: context[name] for name in names}


def _plan_schema(values: Mapping[str, Any], request: JobRequest) -> dict[str, Any]:
    kinds: dict[str, Any] = {
        "image": _TEXT,
        "pull_policy": {"enum": ["Always", "IfNotPresent", "Never"]},
        "cpus": _COUNT,
        "nodes": _COUNT | {"minimum": 2 if request.kind == "mpi" else 1},
        "slots": _COUNT,
        "deadline": _COUNT,
        "memory": _QUANTITY,
        "shared_memory": _QUANTITY,
        "results_claim": _TEXT,
        "dataset_claim": _TEXT,
        "required_labels": {"type": "object", "additionalProperties": _SCALAR},
        "parameters": {
            "type": "object",
            "additionalProperties": False,
            "properties": {item.name: _SCALAR for item in PARAMETERS},
        },
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "additionalProperties": False,
        "required": list(values),
        "properties": {name: kinds[name] for name in values} | {"global": {"type": "object"}},
    }


def _describe_chart(request: JobRequest) -> dict[str, str]:
    return {
        "apiVersion": "v2",
        "name": CHART_NAME,
        "description": f"ResNet-50 v1.5 inference on CPUs: {request.case.name}",
        "type": "application",
        "version": __version__,
        "appVersion": __version__,
    }


def _dump(value: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(value), sort_keys=False, allow_unicode=True)
