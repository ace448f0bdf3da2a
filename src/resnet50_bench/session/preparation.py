"""The stage that prepares the model: once, then it is cached."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from resnet50_bench.model import Wanted
from resnet50_bench.planning.model import describe_model, make_model

if TYPE_CHECKING:
    from resnet50_bench.planning.plan import RunPlan
    from resnet50_bench.session.stages import Stages


def prepare_model(plan: RunPlan, stages: Stages) -> RunPlan:
    """Return the plan with its model, prepared now if that was never done.

    Raises:
        ModelError: the model cannot be prepared, or loses too much.
    """
    if plan.model_source is None:
        stages.begin(f"the {plan.config.engine} engine needs no model")
        return plan
    if plan.model is not None:
        stages.begin(f"model ready: {describe_model(plan.model.manifest)}")
        reading = plan.model.manifest.reading
        if reading is not None and reading.changes:
            stages.note(f"read as {reading.describe()}")
        return plan
    stages.begin("prepare the model: once, then it is cached")
    wanted = Wanted(
        engine=plan.config.engine,
        precision=plan.config.precision,
        calibration=plan.calibration,
        environment=plan.worker_environment,
    )
    model = make_model(plan.config, plan.model_source, wanted, plan.cache_dir, stages.note)
    stages.note(f"model ready: {describe_model(model.manifest)}")
    return replace(plan, model=model)
