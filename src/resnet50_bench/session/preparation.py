"""The stage that prepares the model: once, then it is cached."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from resnet50_bench.model import prepare
from resnet50_bench.planning.model import describe_model, require_serving

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
    model = prepare(
        plan.model_source, plan.config.precision, plan.cache_dir, stages.note, plan.calibration
    )
    require_serving(plan.config, model)
    stages.note(f"model ready: {describe_model(model.manifest)}")
    return replace(plan, model=model)
