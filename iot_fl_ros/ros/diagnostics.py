"""/diagnostics: who is late, silent or refused, once a second."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node
from rclpy.timer import Timer

from iot_fl_ros.core.messages.federation import RobotState
from iot_fl_ros.core.messages.mesh import PeerState
from iot_fl_ros.core.messages.token import TramState
from iot_fl_ros.exchange.waiting import GIVEN_UP

if TYPE_CHECKING:  # machines may need torch, the recorder does not
    from iot_fl_ros.federation.aggregator import AggregatorMachine
    from iot_fl_ros.federation.robot import RobotMachine
    from iot_fl_ros.mesh.peer import PeerMachine
    from iot_fl_ros.split.head import HeadMachine
    from iot_fl_ros.split.tail import TailMachine
    from iot_fl_ros.token.node_machine import NodeMachine

_PERIOD = 1.0
# Time without something that should come all the time, s: a warning, an error.
_STALE, _LATE = 2.0, 10.0
Counts = Mapping[tuple[str, str], int]


class Diagnostics:
    """Publishes the statuses that `describe` returns, every second of node time."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._timer: Timer | None = None
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 10)

    def start(self, describe: Callable[[], Iterable[DiagnosticStatus]]) -> None:
        """Begin; `describe()` returns DiagnosticStatus values."""
        self._describe = describe
        self._timer = self._node.create_timer(_PERIOD, self._publish)

    def stop(self) -> None:
        """End; nothing if it has not begun."""
        if self._timer:
            self._node.destroy_timer(self._timer)
            self._timer = None

    def _publish(self) -> None:
        message = DiagnosticArray()
        message.header.stamp = self._node.get_clock().now().to_msg()
        message.status = list(self._describe())
        self._publisher.publish(message)


def describe_aggregator(machine: AggregatorMachine, now: float) -> Iterable[DiagnosticStatus]:
    """Yield the run's status and one status for each robot that is or was there."""
    open_round = machine.open_round
    waited = machine.waiting(now)
    text = f'{machine.state.value}, round {machine.round} of {machine.info.rounds}'
    waits = f', waits for {waited:.0f} s' if waited >= _LATE else ''
    yield status(
        'iot_fl aggregator',
        DiagnosticStatus.WARN if waits else DiagnosticStatus.OK,
        text + waits,
        {
            'run': machine.info.run_id,
            'method': machine.info.method,
            'model version': machine.version,
            'waiting for': ' '.join(open_round.late()) if open_round else '',
        },
    )
    here = machine.roster.statuses()
    counts = _by_sender(machine.endpoint.refusals)
    for robot_id in sorted({*here, *counts}):
        last = here.get(robot_id)
        missed = machine.roster.missed[robot_id]
        refused = counts.get(robot_id, {})
        level, text = DiagnosticStatus.OK, 'ok'
        if last is None:
            known = 'gone' in refused
            level, text = DiagnosticStatus.ERROR, 'silent' if known else 'refused'
        elif last.state == RobotState.REFUSED:
            level, text = DiagnosticStatus.ERROR, f'refused: {last.reason}'
        elif machine.roster.twins(robot_id, now):
            level, text = DiagnosticStatus.ERROR, 'two robots have this id: the later is refused'
        elif missed:
            level, text = DiagnosticStatus.WARN, f'late in the last {missed} rounds'
        elif set(refused) - {'gone', 'late'}:
            level, text = DiagnosticStatus.WARN, 'messages were refused'
        values: dict[str, object] = {
            f'count of {reason}': n for reason, n in sorted(refused.items())
        }
        if last:
            values['state'] = RobotState(last.state).name.lower()
            values['seconds since heard'] = f'{machine.roster.silence(robot_id, now):.1f}'
        yield status(f'iot_fl robot {robot_id or "(unnamed)"}', level, text, values)


def describe_robot(machine: RobotMachine) -> DiagnosticStatus:
    """Return a robot's own status."""
    refused = sum(machine.endpoint.refusals.values())
    bad = machine.state is RobotState.REFUSED
    level = DiagnosticStatus.ERROR if bad else DiagnosticStatus.OK
    values: dict[str, object] = {'round': machine.round, 'accuracy': f'{machine.accuracy:.3f}'}
    values |= refusal_values(machine.endpoint.refusals)
    text = f'{machine.state.name.lower()}, {refused} messages refused'
    if machine.reason:
        text += f': {machine.reason}'
        level = max(level, DiagnosticStatus.WARN)
    return status(f'iot_fl learner {machine.robot_id}', level, text, values)


def describe_peer(machine: PeerMachine) -> DiagnosticStatus:
    """Return a peer's own status: a neighbour that is missing is a warning."""
    live = machine.near.statuses()
    missing = [i for i in machine.near.neighbours if i not in live]
    level = DiagnosticStatus.WARN if missing else DiagnosticStatus.OK
    if machine.state is PeerState.REFUSED:
        level = DiagnosticStatus.ERROR
    values: dict[str, object] = {
        'run': machine.info.run_id if machine.info else '',
        'round': machine.round,
        'accuracy': f'{machine.accuracy:.3f}',
        'disagreement': f'{machine.disagreement:.4f}',
        'neighbours': ' '.join(machine.near.neighbours),
        'missing': ' '.join(missing),
    }
    values |= refusal_values(machine.endpoint.refusals)
    refused = sum(machine.endpoint.refusals.values())
    text = f'{machine.state.name.lower()}, {refused} messages refused'
    reason = f': {machine.reason}' if machine.reason else ''
    return status(f'iot_fl peer {machine.robot_id}', level, text + reason, values)


def describe_tram(machine: NodeMachine) -> DiagnosticStatus:
    """Return what a robot says of itself: where the tokens are, whom it does not hear."""
    node = machine.context
    missing = machine.missing()
    level = DiagnosticStatus.WARN if missing else DiagnosticStatus.OK
    if machine.state is TramState.REFUSED:
        level = DiagnosticStatus.ERROR
    values: dict[str, object] = {
        'run': machine.endpoint.run_id,
        'accuracy': f'{node.accuracy:.3f}',
        'loss': f'{node.loss:.3f}',
        'training': f'{node.train_seconds:.1f} s',
        'missing': ' '.join(missing),
    }
    for token in machine.tokens:
        promise = node.acceptor.promises[token.token_id]
        values[f'token {token.token_id}'] = (
            f'{token.place.value}; holder {promise.holder or "?"}, fence {promise.fence}'
        )
    values |= refusal_values(machine.endpoint.refusals)
    refused = sum(machine.endpoint.refusals.values())
    text = f'{machine.state.name.lower()}, {refused} messages refused'
    reason = f': {machine.reason}' if machine.reason else ''
    return status(f'iot_fl tram {machine.robot_id}', level, text + reason, values)


def describe_head(machine: HeadMachine, now: float, silence: float) -> DiagnosticStatus:
    """Return the status of a robot's head. silence: for how long no picture has come, s."""
    info = machine.info
    values: dict[str, object] = {
        'frames sent': machine.answers.sent,
        'frames answered': machine.answers.answered,
        'rate, 1/s': f'{machine.rate.per_second(now):.1f}',
        'answer p50, ms': f'{1e3 * machine.answers.seconds.quantile(0.5):.1f}',
        'head p50, ms': f'{1e3 * machine.encode_seconds.quantile(0.5):.1f}',
        'head p99, ms': f'{1e3 * machine.encode_seconds.quantile(0.99):.1f}',
    }
    values |= refusal_values(machine.endpoint.refusals)
    name = f'iot_fl head {machine.robot_id}'
    if info is None:
        return status(name, DiagnosticStatus.WARN, 'no edge is ready for it', values)
    values |= {'epoch': info.epoch, 'bundle': info.bundle, 'split point': info.split_point}
    values |= {'bits': info.bits, 'packets a frame': info.packet_count}
    if machine.refused:
        return status(name, DiagnosticStatus.ERROR, f'not served: {machine.refused}', values)
    pictures = staleness(silence, 'pictures')
    answers = staleness(machine.answers.silence(now), 'answers')
    level, late = max(pictures, answers)
    return status(name, level, f'epoch {info.epoch}{late}', values)


def staleness(silence: float, what: str, given_up: float = math.inf) -> tuple[bytes, str]:
    """Return level and words for something that should come all the time. silence: s.

    given_up: silence after which it is not missed any more, s.
    """
    if silence < _STALE:
        return DiagnosticStatus.OK, ''
    missed = _LATE <= silence < given_up
    level = DiagnosticStatus.ERROR if missed else DiagnosticStatus.WARN
    return level, f', no {what} for {silence:.0f} s'


def describe_tail(machine: TailMachine, now: float) -> Iterable[DiagnosticStatus]:
    """Yield the status of the edge, then one for each robot that it serves."""
    served = machine.statistics
    values = refusal_values(machine.endpoint.refusals)
    level = DiagnosticStatus.OK if served else DiagnosticStatus.WARN
    yield status(f'iot_fl tail {machine.edge_id}', level, f'{len(served)} robots', values)
    for robot_id, known in sorted(served.items()):
        rate = known.rate.per_second(now)
        numbers: dict[str, object] = {
            'rate, 1/s': f'{rate:.1f}',
            'latency p50, ms': f'{1e3 * known.latency.quantile(0.5):.1f}',
            'latency p99, ms': f'{1e3 * known.latency.quantile(0.99):.1f}',
            'packets received': known.loss.received,
            'packets lost': known.loss.lost,
            'packet loss': f'{known.loss.loss:.3f}',
            'features received, mean': f'{known.received.mean:.3f}',
            'features received, p10': f'{known.received.quantile(0.1):.3f}',
        }
        numbers |= {f'frames {what}': n for what, n in sorted(known.frames.items())}
        level, late = staleness(known.rate.silence(now), 'frames', GIVEN_UP)
        text = f'{rate:.1f} frames/s, {100 * known.loss.loss:.0f} % of packets lost{late}'
        yield status(f'iot_fl tail of {robot_id}', level, text, numbers)


def status(name: str, level: bytes, text: str, values: Mapping[str, object]) -> DiagnosticStatus:
    """Return a DiagnosticStatus; values are shown as text."""
    return DiagnosticStatus(
        level=level,
        name=name,
        message=text,
        hardware_id=platform.node(),
        values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
    )


def refusal_values(refusals: Counts) -> dict[str, object]:
    """Return the counts of what was refused, for a status."""
    return {f'{sender} {reason}': n for (sender, reason), n in sorted(refusals.items())}


def _by_sender(refusals: Counts) -> dict[str, dict[str, int]]:
    result: dict[str, dict[str, int]] = {}
    for (sender, reason), count in refusals.items():
        result.setdefault(sender, {})[reason] = count
    return result
