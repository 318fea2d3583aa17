"""Drives the head's state machine without ROS: switches, edges and pictures by hand."""

import numpy as np
from fake_driver import FakeDriver

from iot_fl_ros.core.events import PictureArrived, SwitchRequested
from iot_fl_ros.core.messages.fields import SourceHeader
from iot_fl_ros.core.messages.split import SplitStatus, TailState
from iot_fl_ros.split.head import HeadMachine
from iot_fl_ros.split.jobs import HeadWorker

DEADLINE, TIMEOUT = 0.2, 10.0


class Head(FakeDriver):
    """A head with its outcomes of switches; `READY` and the like are said by `edge`."""

    def __init__(self, folder, robot_id='robot_1'):
        worker = HeadWorker(folder, lambda image: image)
        super().__init__(HeadMachine(robot_id, 7, DEADLINE, TIMEOUT), worker)
        self.outcomes = []

    def switch(self, bundle='one', bits=0):
        answer = lambda *outcome: self.outcomes.append(outcome)  # noqa: E731
        self.tell(SwitchRequested(bundle, bits, answer))

    def edge(self, epoch, state=TailState.READY, reason='', robot_id='robot_1', session=7):
        self.hear(
            SplitStatus(
                stamp=self.now,
                edge_id='edge',
                robot_id=robot_id,
                session=session,
                epoch=epoch,
                state=int(state),
                reason=reason,
            )
        )

    def picture(self, value=0, age=0.0):
        header = SourceHeader(round((self.now - age) * 1e9), f'camera {value}')
        self.tell(PictureArrived(header, np.full((20, 30, 3), value, np.uint8)))

    def ready(self, bundle='one', bits=0):
        """Have a first epoch in use."""
        self.switch(bundle, bits)
        self.work()
        self.edge(1)
        self.take()
        return self
