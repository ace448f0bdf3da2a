"""Ansible's callback plugin that tells `r50 fleet run` what happens: a JSON object a line.

Ansible loads it by its folder; nothing of r50 imports it. What a host said is cut to its end.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: r50_fleet
type: stdout
short_description: events of r50 fleet run
description: [A JSON object a line.]
"""

_KEPT_CHARS = 4000
_TOLD = ("stdout", "stderr", "msg", "module_stderr")


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Tells tasks' begins and ends."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "r50_fleet"

    def _tell(self, event: str, host: Any, task: Any, said: dict[str, Any]) -> None:
        told = {name: str(said[name])[-_KEPT_CHARS:] for name in _TOLD if said.get(name)}
        line = {"event": event, "host": host.get_name(), "task": task.get_name().strip(), **told}
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        """A task begins on a host."""
        self._tell("start", host, task, {})

    def v2_runner_on_ok(self, result: Any) -> None:
        """A task ended well."""
        self._tell("ok", result._host, result._task, result._result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """A task failed, and the host is not gone on with."""
        event = "ok" if ignore_errors else "failed"
        self._tell(event, result._host, result._task, result._result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """A host cannot be reached."""
        self._tell("unreachable", result._host, result._task, result._result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        """A task was not needed."""
        self._tell("skipped", result._host, result._task, {})
