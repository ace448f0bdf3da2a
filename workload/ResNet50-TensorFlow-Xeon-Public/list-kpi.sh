#!/bin/sh
# One list of the KPIs of many runs (docs/kpi.md).
here=$(dirname -- "$(readlink -f -- "$0")")
r50=${R50:-$(command -v "$here/../../.venv/bin/r50" || command -v r50)}
if ! command -v "${r50:-r50}" >/dev/null; then
  echo "list-kpi.sh: there is no ${r50:-r50}: run 'make setup' in the project's folder, or set R50=/path/to/r50" >&2
  exit 2
fi
exec "$r50" kpi --format list "$@"
