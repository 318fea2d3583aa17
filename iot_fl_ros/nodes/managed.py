"""A lifecycle node that manages itself unless somebody else is to: autostart."""

from __future__ import annotations

from typing import Any

from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn

from iot_fl_ros.core.errors import IotFlError

AUTOSTART = 'autostart'


class ManagedNode(LifecycleNode):
    """Configures and activates itself at the start of its process, if `autostart` is true."""

    def __init__(self, name: str, **kwargs: Any) -> None:
        super().__init__(name, **kwargs)
        self.autostart = bool(self.declare_parameter(AUTOSTART, True).value)

    def start(self) -> None:
        """Configure and activate; IotFlError if it cannot. Nothing without autostart."""
        if not self.autostart:
            return
        for step in (self.trigger_configure, self.trigger_activate):
            if step() is not TransitionCallbackReturn.SUCCESS:
                name = self.get_fully_qualified_name()
                raise IotFlError(f'{name} could not be activated, see its log')
