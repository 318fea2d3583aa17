"""The processes of split inference: a head, a tail, and who measures them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from iot_fl_ros.processes.nodes import NodeProcesses, private_dds_env, ros_arguments

_ROBOT = 'robot_0'
_TIMEOUT = 300.0


def evaluate_over_dds(
    bundle_dir: Path,
    bundle: str,
    folder: Path,
    evaluator: Mapping[str, Any],
    tail: Mapping[str, Any] | None = None,
    head: Mapping[str, Any] | None = None,
    **process_options: Any,
) -> dict[str, Any]:
    """Run tail, head and evaluator as processes; return what the evaluator measured.

    evaluator, tail, head: ROS parameters. process_options: of NodeProcesses. IotFlError if a
    process fails or takes too long.
    """
    result = folder / 'result.json'
    result.unlink(missing_ok=True)
    common = {'bundle_dir': bundle_dir}
    options = {'env': private_dds_env(), **process_options}
    with NodeProcesses(folder, **options) as processes:
        processes.start('tail', ros_arguments({**common, **(tail or {})}))
        processes.start(
            'head', ros_arguments({**common, 'bundle': bundle, **(head or {})}, _ROBOT)
        )
        processes.start('split_evaluator', ros_arguments({**evaluator, 'output': result}, _ROBOT))
        for _ in processes.until_ended('split_evaluator', patience=_TIMEOUT):
            pass
    return dict(json.loads(result.read_text()))
