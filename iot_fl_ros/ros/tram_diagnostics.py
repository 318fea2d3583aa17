"""/diagnostics of a robot of a Tram-FL fleet."""

from __future__ import annotations

from diagnostic_msgs.msg import DiagnosticStatus

from iot_fl_ros.core.tram_messages import TramState
from iot_fl_ros.learning.tram.machine import TramMachine
from iot_fl_ros.ros.diagnostics import status


def describe_tram(machine: TramMachine) -> DiagnosticStatus:
    """Return what a robot says of itself: where the tokens are, whom it does not hear."""
    me = machine.context
    missing = machine.missing()
    level = DiagnosticStatus.WARN if missing else DiagnosticStatus.OK
    if machine.state is TramState.REFUSED:
        level = DiagnosticStatus.ERROR
    values: dict[str, object] = {
        'run': me.run_id,
        'accuracy': f'{me.accuracy:.3f}',
        'loss': f'{me.loss:.3f}',
        'training': f'{me.train_seconds:.1f} s',
        'missing': ' '.join(missing),
    }
    for seat in machine.seats:
        made = me.promises.made[seat.token_id]
        values[f'token {seat.token_id}'] = (
            f'{seat.place.value}; holder {made.holder or "?"}, fence {made.fence}'
        )
    values |= {f'{sender} {reason}': n for (sender, reason), n in sorted(me.refusals.items())}
    refused = sum(me.refusals.values())
    text = f'{machine.state.name.lower()}, {refused} messages refused'
    reason = f': {machine.reason}' if machine.reason else ''
    return status(f'iot_fl tram {machine.robot_id}', level, text + reason, values)
