"""Templates -> text: strict about names, and every value quoted as YAML takes it.

One set of templates makes a manifest, with values in it, and a Helm chart, with the chart's own
expressions in their places.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from resnet50_bench.printable import show_controls
from resnet50_bench.templates import open_templates


@dataclass(frozen=True, slots=True)
class ChartValue:
    """Stands in a chart for what its user gives.

    Attributes:
        path: in the chart's values, e.g. `.Values.image`.
    """

    path: str


def render(template: str, context: Mapping[str, Any]) -> str:
    """Return the text of a template.

    Args:
        template: its file in `templates/`.
        context: every name that it uses.

    Raises:
        jinja2.UndefinedError: the template uses a name that the context lacks.
    """
    environment = open_templates("resnet50_bench.packaging")
    filters = {
        "value": render_value,
        "environment": _render_environment,
        "node_terms": _render_node_terms,
    }
    environment.filters.update(filters)
    return environment.get_template(template).render(context)


def render_value(value: Any) -> str:
    """Return a value as JSON, which is YAML too; of a chart's value its expression.

    What does not print and JSON would leave as it is, such as DEL, is escaped as in YAML.
    """
    if isinstance(value, ChartValue):
        return f"{{{{ {value.path} | toJson }}}}"
    if isinstance(value, Mapping):
        pairs = (f"{render_value(key)}: {render_value(item)}" for key, item in value.items())
        return f"{{{', '.join(pairs)}}}"
    return show_controls(json.dumps(value, ensure_ascii=False))


def _render_environment(parameters: Any) -> str:
    """The entries of `env:`; their values are text, whatever they look like."""
    if isinstance(parameters, ChartValue):
        return "\n".join(
            [
                f"{{{{- range $name, $text := {parameters.path} }}}}",
                "- {name: {{ $name | toJson }}, value: {{ $text | toString | toJson }}}",
                "{{- end }}",
            ]
        )
    return "\n".join(
        f"- {{name: {render_value(name)}, value: {render_value(str(text))}}}"
        for name, text in parameters.items()
    )


def _render_node_terms(labels: Any) -> str:
    """The part of a node affinity that names the labels a node must have; none without any.

    An empty list of expressions would not do: it matches no node.
    """
    head = [
        "",
        "requiredDuringSchedulingIgnoredDuringExecution:",
        "  nodeSelectorTerms:",
        "  - matchExpressions:",
    ]
    if isinstance(labels, ChartValue):
        row = "{key: {{ $key | toJson }}, operator: In, values: [{{ $text | toString | toJson }}]}"
        loop = f"{{{{- range $key, $text := {labels.path} }}}}"
        rows = [loop, f"    - {row}", "{{- end }}", "{{- end }}"]
        return "\n".join(["", f"{{{{- if {labels.path} }}}}", *head[1:], *rows])
    rows = [
        f"    - {{key: {render_value(key)}, operator: In, values: [{render_value(str(value))}]}}"
        for key, value in labels.items()
    ]
    return "\n".join([*head, *rows]) if rows else ""
