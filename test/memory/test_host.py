"""Virtual time: a cancelled timer does not fire, also when it is set again."""

from iot_fl_ros.core.effects import CancelTimer, SetTimer
from iot_fl_ros.core.events import TimerFired
from iot_fl_ros.core.messages.delivery import Role
from iot_fl_ros.memory.fleet import MemoryFleet
from iot_fl_ros.memory.host import Host
from iot_fl_ros.memory.network import Network


class Machine:
    def __init__(self, clock):
        self.clock = clock
        self.fired = []

    def start(self, now):
        return [SetTimer('deadline', 20.0), SetTimer('step', 5.0)]

    def handle(self, event, now):
        if event == TimerFired('step'):
            return [CancelTimer('deadline'), SetTimer('deadline', 20.0)]
        self.fired.append(now)
        return []


def test_a_cancelled_timer_that_is_set_again_fires_once_at_its_new_time():
    fleet = MemoryFleet(Network())
    machine = Machine(fleet.clock)
    Host('x', Role.ROBOT, machine, None, fleet).start()
    fleet.clock.run(100.0, lambda: False)
    assert machine.fired == [25.0]
