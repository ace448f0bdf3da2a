"""A run told to an MLflow store: parameters, figures, verdict, and the record as a file.

The client is that of MLflow itself (extra `mlflow`), and is told to keep what it does to this: no
telemetry, and few attempts at a server that does not answer.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from resnet50_bench.errors import HostError, RequestError
from resnet50_bench.printable import show_controls
from resnet50_bench.report.kpi.text import list_parameters
from resnet50_bench.results.files import RECORD_FILE
from resnet50_bench.signals import signals_held

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

    from resnet50_bench.report.export.measures import ExportedRun

DEFAULT_EXPERIMENT = "resnet50-bench"
_EXPERIMENT = "MLFLOW_EXPERIMENT_NAME"
_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_FILE_STORE": "true",  # who names a folder has asked for it
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}
"""Of MLflow's own variables, where the user has set none."""

_MAX_TEXT = 5000
"""Characters of a parameter or a tag: the store's own limits are 6000 and 8000 (mlflow 2.22)."""


@dataclass(frozen=True, slots=True)
class Store:
    """An experiment in a store.

    Attributes:
        uri: of the store, as it was given.
        client: of it.
        experiment: the id of the experiment.
    """

    uri: str
    client: MlflowClient
    experiment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MlflowRun:
    """What the store is told.

    Attributes:
        parameters: by the framework's names.
        metrics: `valid`, and the figures of a VALID run; units are in the names.
        tags: where and with what it was measured, and why it is INVALID.
        status: MLflow's word: an INVALID run has failed.
        begin_ms, end_ms: since 1970.
    """

    parameters: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str]
    status: str
    begin_ms: int
    end_ms: int


def plan_mlflow_run(run: ExportedRun) -> MlflowRun:
    """Return what an MLflow store is told of a run."""
    record, verdict = run.record, run.verdict
    begin_ms = round(run.created.timestamp() * 1000)
    metrics = {"valid": float(verdict.valid)}
    for measure in run.measures:
        metrics[f"{measure.name}_p{measure.percentile}" if measure.percentile else measure.name] = (
            measure.value
        )
    tags = {
        "r50.verdict": "VALID" if verdict.valid else "INVALID",
        "r50.failures": "; ".join(item.message for item in verdict.failures),
        "r50.warnings": "; ".join(item.message for item in verdict.warnings),
        "r50.version": record.tool_version,
        "r50.configuration": run.configuration_hash,
        "r50.host": record.host.hostname,
        "r50.command": " ".join(record.command),
    }
    return MlflowRun(
        parameters=_shorten(dict(list_parameters(record))),
        metrics=metrics,
        tags=_shorten({name: text for name, text in tags.items() if text}),
        status="FINISHED" if verdict.valid else "FAILED",
        begin_ms=begin_ms,
        end_ms=begin_ms + (record.duration_ns or 0) // 1_000_000,
    )


def open_store(uri: str, environment: Mapping[str, str]) -> Store:
    """Reach a store, and find or make the experiment.

    Args:
        uri: a folder, `sqlite:///FILE`, or the address of a server.
        environment: where the experiment's name is looked for.

    Raises:
        RequestError: MLflow is not installed, or the store cannot be used.
    """
    name = environment.get(_EXPERIMENT) or DEFAULT_EXPERIMENT
    with _defaults():
        client_class = _import_client()
        try:
            client = client_class(tracking_uri=uri)
            found = client.get_experiment_by_name(name)
            number = found.experiment_id if found is not None else client.create_experiment(name)
        except Exception as error:  # each kind of store has errors of its own
            raise RequestError(
                f"--mlflow {uri}: {_describe(error)}",
                "name a store that can be written: a folder, or the address of a server",
            ) from error
    return Store(uri, client, number)


def send_run(store: Store, run: ExportedRun) -> str:
    """Tell the store of a run; return the id it has there.

    Raises:
        HostError: it could not be told, or not all.
    """
    told = plan_mlflow_run(run)
    with _defaults():
        from mlflow.entities import Metric, Param

        client = store.client
        try:
            made = client.create_run(store.experiment, start_time=told.begin_ms, tags=told.tags,
                                     run_name=show_controls(run.record.run_id))  # fmt: skip
            number: str = made.info.run_id
            metrics = [Metric(name, value, told.end_ms, 0) for name, value in told.metrics.items()]
            params = [Param(name, value) for name, value in told.parameters.items()]
            client.log_batch(number, metrics=metrics, params=params)
            client.log_artifact(number, str(run.folder / RECORD_FILE))
            client.set_terminated(number, told.status, told.end_ms)
        except Exception as error:
            raise HostError(
                f"the MLflow store {store.uri} was not told: {_describe(error)}",
                f"the result is kept in {run.folder}",
            ) from error
    return number


def _import_client() -> Any:
    """Import MLflow so that no thread of numpy's ever takes a signal: see `results.kpi`."""
    try:
        with signals_held():
            from mlflow.tracking import MlflowClient
    except ImportError as error:
        raise RequestError(
            f"--mlflow needs MLflow ({error})", "pip install 'resnet50-bench[mlflow]'"
        ) from error
    return MlflowClient


@contextmanager
def _defaults() -> Iterator[None]:
    """Set MLflow's variables, but not for the instances that are started later."""
    missing = [name for name in _DEFAULTS if name not in os.environ]
    os.environ.update({name: _DEFAULTS[name] for name in missing})
    try:
        yield
    finally:
        for name in missing:
            del os.environ[name]


def _describe(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _shorten(texts: Mapping[str, str]) -> dict[str, str]:
    return {name: show_controls(text)[:_MAX_TEXT] for name, text in texts.items()}
