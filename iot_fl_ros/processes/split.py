"""The processes of split inference: a head, a tail, and who measures them."""

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


# Besides what the bag takes, for processes to start and to end, s.
_SLACK = 120.0


def evaluate_live(
    offline: Evaluation,
    bag: Path,
    folder: Path,
    losses: Sequence[float],
    settings: EvaluationSettings,
    work: Path,
    *,
    speed: float,
    salvage: bool,
    **process_options: Any,
) -> Evaluation:
    """Return what the nodes answer at each loss rate.

    offline: the same pictures without nodes: it knows the unsplit model's answers. folder: of the
    bundle. work: takes logs. process_options: of NodeProcesses.
    """
    runs = []
    for loss in losses:
        result = work / f'live_{loss:g}.json'
        result.unlink(missing_ok=True)
        options = {'env': private_dds_env(), **process_options}
        sim = {'use_sim_time': True, 'bundle_dir': str(folder.parent)}
        link = replace(settings.link, loss=loss)
        tail = {
            **sim, 'deployment': 'simulation', 'quiet_time': settings.quiet_time,
            'max_answers': settings.max_answers, 'score_threshold': settings.score_threshold,
            **{f'link.{name}': value for name, value in asdict(link).items()},
        }  # fmt: skip
        transport = 'compressed' if offline.topic.endswith('/compressed') else 'raw'
        head = {
            **sim, 'bundle': folder.name, 'bits': settings.bits, 'deadline': settings.deadline,
            'image_transport': transport,
        }  # fmt: skip
        player = {
            'bag': str(bag.absolute()), 'topic': offline.topic, 'salvage': salvage,
            'speed': speed, 'output': str(result), 'patience': settings.deadline + 1.0,
        }  # fmt: skip
        patience = (_seconds_of(offline) + LEAD) / speed + _SLACK
        with NodeProcesses(work / f'loss_{loss:g}', **options) as processes:
            processes.start('tail', ros_arguments(tail))
            processes.start('head', ros_arguments(head, ROBOT))
            processes.start('bag_player', ros_arguments(player, ROBOT))
            for _ in processes.until_ended('bag_player', patience=patience):
                pass
        runs.append(_run_of(offline, loss, json.loads(result.read_text())))
    return replace(offline, runs=runs)


def _run_of(offline: Evaluation, loss: float, content: dict[str, Any]) -> LossRun:
    answers = {}
    for row in content['answers']:
        number = row['number']
        if number >= len(offline.shown):
            continue
        answers[number] = Inference(
            header=offline.shown[number].header, robot_id=ROBOT, session=0, epoch=0,
            frame=number, received=row['received'], latency=max(0.0, row['latency']),
            class_ids=tuple(row['class_ids']), class_names=tuple(row['class_names']),
            scores=tuple(row['scores']), boxes=tuple(row['boxes']),
        )  # fmt: skip
    return LossRun(loss, answers, None, None, offline.runs[0].bytes_sent)


def _seconds_of(offline: Evaluation) -> float:
    stamps = [shown.header.stamp or shown.stamp for shown in offline.shown]
    return (max(stamps) - min(stamps)) * 1e-9 if stamps else 0.0
