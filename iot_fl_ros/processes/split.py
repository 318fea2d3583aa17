"""The processes of split inference: a head, a tail, and who measures them.

That is an evaluator or, in the live half of `iot-fl evaluate`, a bag played to them and its clock.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from iot_fl_ros.bag.evaluation import ROBOT, Evaluation, EvaluationSettings, LossRun
from iot_fl_ros.bag.pictures import LEAD
from iot_fl_ros.core.messages.split import Inference
from iot_fl_ros.processes.nodes import NodeProcesses, private_dds_env, ros_arguments

_TIMEOUT = 300.0
# Besides what the bag takes, for processes to start and to end, s.
_SLACK = 120.0


def evaluate_over_dds(
    bundle_dir: Path, bundle: str, folder: Path, evaluator: Mapping[str, Any],
    tail: Mapping[str, Any] | None = None, head: Mapping[str, Any] | None = None,
    **process_options: Any,
) -> dict[str, Any]:  # fmt: skip
    """Run tail, head and evaluator as processes; return what the evaluator measured.

    evaluator, tail, head: ROS parameters. process_options: of NodeProcesses. IotFlError if a
    process fails or takes too long.
    """
    parameters = {
        'tail': {'bundle_dir': bundle_dir, **(tail or {})},
        'head': {'bundle_dir': bundle_dir, 'bundle': bundle, **(head or {})},
        'split_evaluator': {**evaluator, 'output': folder / 'result.json'},
    }
    return _run(folder, parameters, _TIMEOUT, process_options)


def evaluate_live(
    offline: Evaluation, bag: Path, folder: Path, losses: Sequence[float],
    settings: EvaluationSettings, work: Path, *, speed: float, salvage: bool,
    **process_options: Any,
) -> Evaluation:  # fmt: skip
    """Return what the nodes answer at each loss rate.

    offline: the same pictures without nodes: it knows the unsplit model's answers. folder: of the
    bundle. work: takes logs. process_options: of NodeProcesses.
    """
    seconds = offline.shown[-1].at * 1e-9 if offline.shown else 0.0
    patience = (seconds + LEAD) / speed + _SLACK
    sim = {'use_sim_time': True, 'bundle_dir': str(folder.parent)}
    transport = 'compressed' if offline.topic.endswith('/compressed') else 'raw'
    runs = []
    for loss in losses:
        link = asdict(replace(settings.link, loss=loss))
        parameters = {
            'tail': {
                **sim, 'deployment': 'simulation', 'quiet_time': settings.quiet_time,
                'max_answers': settings.max_answers, 'score_threshold': settings.score_threshold,
                **{f'link.{name}': value for name, value in link.items()},
            },
            'head': {
                **sim, 'bundle': folder.name, 'bits': settings.bits,
                'deadline': settings.deadline, 'image_transport': transport,
            },
            'bag_player': {
                'bag': str(bag.absolute()), 'topic': offline.topic, 'salvage': salvage,
                'speed': speed, 'output': work / f'live_{loss:g}.json',
                'patience': settings.deadline + 1.0,
            },
        }  # fmt: skip
        content = _run(work / f'loss_{loss:g}', parameters, patience, process_options)
        runs.append(_run_of(offline, loss, content))
    return replace(offline, runs=runs)


def _run(
    folder: Path, parameters: Mapping[str, Mapping[str, Any]], patience: float,
    process_options: Mapping[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """Run a tail, a head and who measures them; return the JSON that the last one writes."""
    *_, (measure, values) = parameters.items()
    result = Path(values['output'])
    result.unlink(missing_ok=True)
    with NodeProcesses(folder, **{'env': private_dds_env(), **process_options}) as processes:
        for node, own in parameters.items():
            processes.start(node, ros_arguments(own, '' if node == 'tail' else ROBOT))
        for _ in processes.until_ended(measure, patience=patience):
            pass
    return dict(json.loads(result.read_text()))


def _run_of(offline: Evaluation, loss: float, content: dict[str, Any]) -> LossRun:
    answers = {}
    for row in content['answers']:
        number = row['number']
        if number < len(offline.shown):
            said: Any = {n: tuple(row[n]) for n in ('class_ids', 'class_names', 'scores', 'boxes')}
            answers[number] = Inference(
                header=offline.shown[number].header, robot_id=ROBOT, session=0, epoch=0,
                frame=number, received=row['received'], latency=max(0.0, row['latency']), **said,
            )  # fmt: skip
    return LossRun(loss, answers, None, None, offline.runs[0].bytes_sent)
