"""Drives the tail's state machine without ROS, with a worker whose times are always the same."""

import dataclasses

from iot_fl_ros.core.messages.split import SplitStatus, TailState
from iot_fl_ros.split.jobs import TailWorker

SECONDS = 0.01  # that a frame takes


class QuickWorker(TailWorker):
    """The real worker, but with times that are always the same."""

    def run(self, job):
        return dataclasses.replace(super().run(job), seconds=SECONDS)


def announce(driver, *senders):
    """Introduce senders; return the states that they are told."""
    for sender in senders:
        driver.hear(sender.info(driver.now))
    driver.work()
    return [TailState(status.state) for status in driver.take(SplitStatus)]


def numbers(messages):
    return [message.frame for message in messages]
