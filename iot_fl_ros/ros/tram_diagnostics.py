"""/diagnostics of a robot of a Tram-FL fleet."""

from __future__ import annotations

from diagnostic_msgs.msg import DiagnosticStatus

from iot_fl_ros.core.messages.token import TramState
from iot_fl_ros.ros.diagnostics import refusal_values, status
from iot_fl_ros.token.node_machine import NodeMachine


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
