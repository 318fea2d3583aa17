"""/diagnostics of heads and tails."""

from __future__ import annotations

from collections.abc import Iterable

from diagnostic_msgs.msg import DiagnosticStatus

from iot_fl_ros.ros.diagnostics import refusal_values, status
from iot_fl_ros.split.head import HeadMachine
from iot_fl_ros.split.tail import TailMachine


def describe_head(machine: HeadMachine, now: float) -> DiagnosticStatus:
    """Return the status of a robot's head."""
    info = machine.info
    values: dict[str, object] = {
        'frames sent': machine.frames_sent,
        'rate, 1/s': f'{machine.rate.per_second(now):.1f}',
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
    return status(name, DiagnosticStatus.OK, f'epoch {info.epoch}', values)


def describe_tail(machine: TailMachine, now: float) -> Iterable[DiagnosticStatus]:
    """Yield the status of the edge, then one for each robot that it serves."""
    served = machine.statistics
    values = refusal_values(machine.endpoint.refusals)
    yield status(
        f'iot_fl tail {machine.edge_id}', DiagnosticStatus.OK, f'{len(served)} robots', values
    )
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
        text = f'{rate:.1f} frames/s, {100 * known.loss.loss:.0f} % of packets lost'
        yield status(f'iot_fl tail of {robot_id}', DiagnosticStatus.OK, text, numbers)
