"""The options of `r50 run` that are no parameters, as typed values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """The options of `r50 run` that are no parameters.

    Attributes are named after the options; `flags` are the parameters' own, by their name.
    """

    case: str | None
    assignments: tuple[str, ...]
    from_env: bool
    strict_env: bool
    case_config: Path | None
    output: Path
    loop: int | None
    repeat: int | None
    keep_going: bool
    skip_unrunnable: bool
    dry_run: bool
    as_json: bool
    resume: Path | None
    wait: bool
    compare_unshared: bool
    compare_native: bool
    docker: bool
    tuned: bool
    sla: str | None
    mlflow: str | None
    flags: dict[str, str | bool | None]

    @property
    def engines(self) -> str | None:
        """What `--engine` says where it means more than one; None where it does not.

        A variant of TensorFlow is never measured without TensorFlow itself beside it.
        """
        text = self.flags["ENGINE"]
        if not isinstance(text, str):
            return None
        if text.strip().lower() == "zentf":
            return "tensorflow,zentf"
        return text if text.strip().lower() == "all" or "," in text else None
