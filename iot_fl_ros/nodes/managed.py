"""A lifecycle node that manages itself unless somebody else is to: autostart."""

from __future__ import annotations

from typing import Any

from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.subscription import Subscription
from rclpy.timer import Timer

from iot_fl_ros.core.errors import IotFlError

AUTOSTART = 'autostart'


class ManagedNode(LifecycleNode):
    """Configures and activates itself at the start of its process, if `autostart` is true.

    Subclasses say what it is to `begin` and, if it is more than to destroy what lives until then,
    to `pause`; activate, deactivate and shutdown follow.
    """

    def __init__(self, name: str, **kwargs: Any) -> None:
        super().__init__(name, **kwargs)
        self.autostart = bool(self.declare_parameter(AUTOSTART, True).value)
        self._until_pause: list[Timer | Subscription] = []

    def until_pause(self, entity: Timer | Subscription) -> None:
        """Destroy a timer or a subscription at the next pause."""
        self._until_pause.append(entity)

    @property
    def works(self) -> bool:
        """True while there is something that a pause would end."""
        return bool(self._until_pause)

    def begin(self) -> None:
        """Begin to work, or go on; an exception says why that cannot be."""
        raise NotImplementedError

    def pause(self) -> None:
        """Stop working until the next `begin`; nothing if it does not work."""
        for entity in self._until_pause:
            if isinstance(entity, Timer):
                self.destroy_timer(entity)
            else:
                self.destroy_subscription(entity)
        self._until_pause.clear()

    def start(self) -> None:
        """Configure and activate; IotFlError if it cannot. Nothing without autostart."""
        if not self.autostart:
            return
        for step in (self.trigger_configure, self.trigger_activate):
            if step() is not TransitionCallbackReturn.SUCCESS:
                name = self.get_fully_qualified_name()
                raise IotFlError(f'{name} could not be activated, see its log')

    def close(self) -> None:
        """Stop, at the end of the process."""
        self.pause()

    def destroy_node(self) -> None:
        """Destroy the node and its life cycle, which would keep the node's shared memory.

        A training that goes on for too long still holds this object at the process's end.
        """
        super().destroy_node()
        self._state_machine.destroy_when_not_in_use()

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Begin to work."""
        try:
            self.begin()
        except Exception as error:  # rclpy would drop it without a word
            self.get_logger().error(f'cannot be activated: {error}')
            self.pause()  # of what began before
            return TransitionCallbackReturn.FAILURE
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop until the next activation."""
        self.pause()
        return super().on_deactivate(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop for ever."""
        self.pause()
        return super().on_shutdown(state)
