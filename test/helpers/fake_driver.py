"""Drives a state machine without ROS: a clock, timers, and jobs that wait until asked for."""

from iot_fl_ros.core.effects import (
    Answered,
    CancelTimer,
    Publish,
    PublishPackets,
    Say,
    SetTimer,
    StartJob,
    Subscribe,
    Warn,
)
from iot_fl_ros.core.events import JobDone, JobFailed, MessageArrived, TimerFired


class FakeDriver:
    """Keeps what a machine sends; `work` and `advance` let its world go on."""

    def __init__(self, machine, worker=None, now=1_000.0, others=()):
        self.machine, self.worker, self.now = machine, worker, now
        self.timers, self.jobs, self.sent, self.warnings, self.said = {}, [], [], [], []
        self.answers, self.heard = [], {}
        self.background = []  # those of the jobs that others do not wait for
        self.warning_keys = set()
        self._kinds, self.others = others, []  # further effects that are expected
        self._do(machine.start(now))

    def tell(self, *events):
        for event in events:
            self._do(self.machine.handle(event, self.now))

    def hear(self, *messages):
        """Let messages arrive."""
        self.tell(*(MessageArrived(message, 100) for message in messages))

    def work(self):
        """Do all jobs with the worker."""
        while self.jobs:
            job = self.jobs.pop(0)
            try:
                event = JobDone(job, self.worker.run(job))
            except Exception as error:
                event = JobFailed(job, f'{type(error).__name__}: {error}')
            self.tell(event)

    def advance(self, seconds):
        """Let time pass; timers fire at their time."""
        end = self.now + seconds
        while self.timers and min(self.timers.values()) <= end:
            name = min(self.timers, key=self.timers.get)
            self.now = max(self.now, self.timers.pop(name))
            self.tell(TimerFired(name))
        self.now = end

    def take(self, cls=object):
        """Return what was sent since the last time, of one class."""
        sent, self.sent = self.sent, []
        return [message for message in sent if isinstance(message, cls)]

    def _do(self, effects):
        for effect in effects:
            match effect:
                case Publish(message):
                    self.sent.append(message)
                case PublishPackets(packets):
                    self.sent.append(packets)
                case StartJob(job, background):
                    self.jobs.append(job)
                    if background:
                        self.background.append(job)
                case SetTimer(name, delay):
                    self.timers[name] = self.now + delay
                case CancelTimer(name):
                    self.timers.pop(name, None)
                case Warn(key, text):
                    self.warning_keys.add(key)
                    self.warnings.append(text)
                case Say(text):
                    self.said.append(text)
                case Answered(answer):
                    self.answers.append(answer)
                case Subscribe(kind, robot_ids) if Subscribe not in self._kinds:
                    self.heard[kind] = robot_ids
                case _:
                    assert isinstance(effect, self._kinds), effect
                    self.others.append(effect)
