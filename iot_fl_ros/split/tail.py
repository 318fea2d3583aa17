"""The tail's state machine: from packets to answers, each by its frame's deadline.

States of a robot and transitions: `split.states`.
A frame is open from its first packet until it is complete or so near its deadline that only the
time for the tail itself is left. Then it waits for the worker, at most one frame per robot: a
newer one takes the place of an older one. All waiting frames go through the tail together.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from iot_fl_ros.core.effects import Effect, Publish, Say, SetTimer, StartJob, Warn
from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.events import (
    BadMessage,
    Event,
    JobDone,
    JobFailed,
    Leave,
    MessageArrived,
    TimerFired,
)
from iot_fl_ros.core.machine import Tracker
from iot_fl_ros.core.messages.feature_packet import FeaturePacket
from iot_fl_ros.core.messages.fields import SourceHeader
from iot_fl_ros.core.messages.split import Inference, SplitInfo, SplitStatus, TailState
from iot_fl_ros.exchange.endpoint import Endpoint
from iot_fl_ros.exchange.waiting import GIVEN_UP, Missed, Waiting
from iot_fl_ros.split.jobs import Answer, InferFrames, Inferred, PreparedTail, PrepareTail
from iot_fl_ros.split.open_frame import OpenFrame, ReceivedFrame
from iot_fl_ros.split.states import SERVICE_TABLE, ServiceState
from iot_fl_ros.split.statistics import TailStatistics

_DUE, _LOOK = 'due', 'look'
# How often it looks for what it waits for, s.
_LOOK_PERIOD = 1.0
_NANO = 1e-9
# Frames of one robot that may be open at once: further ones push out the emptiest. Where packets
# are lost a frame is open until its deadline.
_MAX_OPEN, _MAX_OPEN_BYTES, _MIN_OPEN = 2_048, 64 << 20, 8
# Numbers of frames that are over, kept to know late and repeated packets.
_MAX_CLOSED = 4_096
# Time that is kept for the tail: the slowest of late and half as much again, and something for
# timers, threads and the way back, s; at most this share of the deadline. A slow frame is
# forgotten by this factor a frame.
_RESERVE_FACTOR, _RESERVE_EXTRA, _RESERVE_SHARE, _FORGETTING = 1.5, 0.01, 0.5, 0.98
_LATE, _UNKNOWN = 'frame is over', 'unknown robot'
_HINTS = {
    'stale': ' (older than the deadline on arrival: are the clocks synchronised, as by chrony?)',
    'other session': ' (do two robots have the same name?)',
    'other epoch': ' (its head has not announced that epoch to this edge, or it is over)',
    'from the future': ' (are the clocks of robot and edge synchronised, as by chrony?)',
}
# A robot that sent nothing for so long gives up its place if another one needs it, s.
_FORGET = 60.0
# A robot's clock may be ahead by so much, s.
_CLOCK_TOLERANCE = 0.5


@dataclass
class _Robot:
    """A robot as the tail knows it.

    epochs: at most two, the one in use and the next or, after a switch, the one before: packets
    may overtake each other.
    """

    info: SplitInfo
    states: Tracker[ServiceState] = field(
        default_factory=lambda: Tracker(SERVICE_TABLE, ServiceState.PREPARING)
    )
    epochs: dict[int, tuple[SplitInfo, PreparedTail]] = field(default_factory=dict)
    frames: dict[int, OpenFrame] = field(default_factory=dict)
    closed: dict[int, None] = field(default_factory=dict)  # in order
    waiting: ReceivedFrame | None = None
    heard: float = 0.0  # anything of it
    last_packet: float = 0.0
    missed: Missed | None = None  # while it is served
    statistics: TailStatistics = field(default_factory=TailStatistics)


class TailMachine:
    """Serves the heads of a fleet. Robots are introduced by their SplitInfo.

    quiet_time: a frame that got no packet for so long is answered before its deadline, s; 0 = not.
    """

    def __init__(
        self, edge_id: str, max_robots: int, max_batch: int, quiet_time: float = 0.0
    ) -> None:
        self.endpoint = Endpoint(edge_id, hears_itself=False)
        self._max_robots = max_robots
        self._max_batch = max_batch
        self._quiet_time = quiet_time
        self._robots: dict[str, _Robot] = {}
        self._busy = False
        self._due = float('inf')
        self._slowest = 0.0
        self._reserve = _RESERVE_EXTRA
        self._waiting = Waiting()

    @property
    def edge_id(self) -> str:
        """Name of the edge computer."""
        return self.endpoint.id

    @property
    def statistics(self) -> dict[str, TailStatistics]:
        """Statistics of each robot."""
        return {robot_id: robot.statistics for robot_id, robot in self._robots.items()}

    def start(self, now: float) -> list[Effect]:
        """Nothing but a look now and then happens before a head is heard."""
        return [SetTimer(_LOOK, _LOOK_PERIOD)]

    def handle(self, event: Event, now: float) -> list[Effect]:
        """Take an event; return what to do about it."""
        match event:
            case MessageArrived(FeaturePacket() as packet, wire_bytes):
                self.endpoint.bytes_received += wire_bytes
                return self._packet(packet, now)
            case MessageArrived():
                return self.endpoint.take(event, lambda message: self._announced(message, now))
            case TimerFired(name) if name == _DUE:
                self._due = float('inf')
                return self._close_due(now)
            case TimerFired(name) if name == _LOOK:
                return [*self._look(now), SetTimer(_LOOK, _LOOK_PERIOD)]
            case JobDone(InferFrames(frames), result):
                return self._answered(frames, result, now)
            case JobFailed(InferFrames(frames), error):
                self._busy = False
                for frame in frames:
                    self._statistics_of(frame.packet.robot_id).frames['failed'] += 1
                return [Warn('infer', f'the tail failed: {error}'), *self._start_worker(now)]
            case JobDone(PrepareTail(info), prepared):
                return self._prepared(info, prepared, now)
            case JobFailed(PrepareTail(info), error):
                return self._refuse(info, error, now)
            case BadMessage():
                return self.endpoint.bad(event)
            case Leave():
                return self._leave(now)
        return []

    def _leave(self, now: float) -> list[Effect]:
        """Tell every head that it is served no more; it asks again until an edge is there."""
        reason = 'the edge leaves'
        effects: list[Effect] = []
        for robot_id, robot in self._robots.items():
            answered = robot.statistics.frames['answered']
            effects += [
                Publish(self._status(robot.info, TailState.REFUSED, reason, now)),
                Say(f'leaves: {answered} frames of {robot_id} answered'),
            ]
        return effects

    def _look(self, now: float) -> list[Effect]:
        """Say what is waited for: any robot, or packets of those that are served."""
        nobody = '' if self._robots else 'nobody'
        effects = self._waiting.look(nobody, 'robots: no head has announced itself', now)
        for robot in self._robots.values():
            # The clock may be set back.
            robot.heard, robot.last_packet = min(robot.heard, now), min(robot.last_packet, now)
            if robot.missed:
                silence = now - robot.last_packet
                known = robot.missed
                effects += known.look(silence) if silence > _LOOK_PERIOD else known.came()
        return effects

    def _announced(self, info: SplitInfo, now: float) -> list[Effect]:
        robot = self._robots.get(info.robot_id)
        farewell: list[Effect] = []
        if robot is None and len(self._robots) >= self._max_robots:
            farewell = self._make_room(now)
            if not farewell:
                return self._refuse(info, f'{self._max_robots} robots are served already', now)
        if robot is None or robot.info.session != info.session:
            # A head that started anew counts from the beginning.
            robot = self._robots[info.robot_id] = _Robot(info, last_packet=now)
        robot.info, robot.heard = info, now
        # A head that is back at an epoch has given up the later one: its next takes that place.
        robot.epochs = {e: p for e, p in robot.epochs.items() if e <= info.epoch}
        known = robot.epochs.get(info.epoch)
        if known is not None and replace(known[0], stamp=info.stamp) == info:
            robot.states.go('known epoch')
            return [Publish(self._status(info, TailState.READY, '', now))]
        robot.states.go('next epoch' if robot.epochs else 'first epoch')
        return [*farewell, StartJob(PrepareTail(info), background=True)]

    def _make_room(self, now: float) -> list[Effect]:
        """Forget the robot that has been silent for longest, if that is long enough.

        Its head is told, and asks again when it is back.
        """
        robot_id = min(self._robots, key=lambda name: self._robots[name].heard)
        if now - self._robots[robot_id].heard < _FORGET:
            return []
        info = self._robots.pop(robot_id).info
        return self._refuse(info, f'silent for {_FORGET:.0f} s, and another robot came', now)

    def _prepared(self, info: SplitInfo, prepared: PreparedTail, now: float) -> list[Effect]:
        robot = self._robots.get(info.robot_id)
        if robot is None or robot.info != info:
            return []  # overtaken by a later announcement
        robot.states.go('prepared')
        in_use = max((epoch for epoch in robot.epochs if epoch < info.epoch), default=None)
        robot.epochs = {e: p for e, p in robot.epochs.items() if e == in_use}
        robot.epochs[info.epoch] = (info, prepared)
        self._note_seconds(prepared.seconds)
        robot.missed = robot.missed or Missed(
            f'packets of {info.robot_id}', 'do its head and its camera run?', GIVEN_UP
        )
        text = (
            f'{info.robot_id} is served: bundle {info.bundle!r}, {info.bits} bits, '
            f'{info.packet_count} packets a frame, {1e3 * info.deadline:g} ms for an answer'
        )
        return [Publish(self._status(info, TailState.READY, '', now)), Say(text)]

    def _refuse(self, info: SplitInfo, reason: str, now: float) -> list[Effect]:
        self.endpoint.refusals.add(info.robot_id, 'refused split')
        robot = self._robots.get(info.robot_id)
        if robot is not None and robot.info == info:
            robot.states.go('cannot be prepared')
            if robot.states.state is ServiceState.REFUSED:
                del self._robots[info.robot_id]
        return [
            Publish(self._status(info, TailState.REFUSED, reason[:250], now)),
            Warn(f'refuse {info.robot_id}', f'{info.robot_id} is not served: {reason}'),
        ]

    def _status(self, info: SplitInfo, state: TailState, reason: str, now: float) -> SplitStatus:
        return SplitStatus(
            stamp=now, edge_id=self.edge_id, robot_id=info.robot_id, session=info.session,
            epoch=info.epoch, state=int(state), reason=reason,
        )  # fmt: skip

    def _packet(self, packet: FeaturePacket, now: float) -> list[Effect]:
        robot = self._robots.get(packet.robot_id)
        if robot is None:
            return self._drop(packet.robot_id, _UNKNOWN)
        if packet.session != robot.info.session or packet.epoch not in robot.epochs:
            robot.last_packet = now  # they come, and what is wrong with them is told
            other = 'session' if packet.session != robot.info.session else 'epoch'
            return self._drop(packet.robot_id, f'other {other}')
        epoch = robot.epochs[packet.epoch]
        info, prepared = epoch
        due = packet.stamp * _NANO + info.deadline
        reason = ''
        if due <= now:
            reason = 'stale'
        elif due > now + info.deadline + _CLOCK_TOLERANCE:
            reason = 'from the future'
        elif packet.frame in robot.closed:
            reason = _LATE
        if reason:  # it arrived, but not in time
            robot.heard = robot.last_packet = now
            robot.statistics.loss.note(packet.sequence)
            return self._drop(packet.robot_id, reason)
        try:
            close = due - min(self._reserve, _RESERVE_SHARE * info.deadline)
            frame = self._place(robot, packet, prepared, close)
        except MessageError as error:
            return self._drop(packet.robot_id, error.reason)
        robot.statistics.loss.note(packet.sequence)
        robot.heard = robot.last_packet = now
        if frame.complete:
            self._close(robot, packet.frame)
            return self._start_worker(now)
        if self._quiet_time:
            frame.wait_until(now + self._quiet_time)
            return self._set_timer(now)
        return self._set_timer(now) if frame.count == 1 else []

    def _place(
        self, robot: _Robot, packet: FeaturePacket, prepared: PreparedTail, close: float
    ) -> OpenFrame:
        """Put a packet into its frame, which it may open; MessageError if it does not fit."""
        frame = robot.frames.get(packet.frame)
        if frame is not None:
            if frame.first.epoch != packet.epoch:
                raise MessageError('inconsistent', 'another epoch than its frame has')
            frame.add(packet)
            return frame
        frame = OpenFrame(packet, prepared.bundle, prepared.codec, close)
        if len(robot.frames) >= max_open(prepared.codec.layout.frame_bytes):
            emptiest = min(robot.frames, key=lambda number: robot.frames[number].count)
            del robot.frames[emptiest]
            robot.statistics.frames['pushed out'] += 1
        robot.frames[packet.frame] = frame
        return frame

    def _note_seconds(self, seconds: float) -> None:
        self._slowest = max(seconds, _FORGETTING * self._slowest)
        self._reserve = _RESERVE_FACTOR * self._slowest + _RESERVE_EXTRA

    def _close_due(self, now: float) -> list[Effect]:
        for robot in self._robots.values():
            for number in [n for n, frame in robot.frames.items() if frame.due <= now]:
                self._close(robot, number)
        return [*self._start_worker(now), *self._set_timer(now)]

    def _close(self, robot: _Robot, number: int) -> None:
        """A frame gets no more packets: it waits for the worker, unless a newer one does."""
        frame = robot.frames.pop(number)
        robot.closed[number] = None
        if len(robot.closed) > _MAX_CLOSED:
            del robot.closed[next(iter(robot.closed))]
        received = frame.close()
        waiting = robot.waiting
        if waiting is not None:
            robot.statistics.frames['superseded'] += 1
            if waiting.packet.stamp > received.packet.stamp:
                return
        robot.waiting = received

    def _start_worker(self, now: float) -> list[Effect]:
        """Let all waiting frames go through the tail, the oldest first, if the worker is free.

        What is past its deadline by then is dropped: its answer would be of no use.
        """
        if self._busy:
            return []
        for robot in self._robots.values():
            if robot.waiting and robot.waiting.packet.stamp * _NANO + robot.info.deadline <= now:
                robot.waiting = None
                robot.statistics.frames['expired'] += 1
        waiting = [robot for robot in self._robots.values() if robot.waiting]
        if not waiting:
            return []
        waiting.sort(key=lambda robot: robot.waiting.packet.stamp)  # type: ignore[union-attr]
        frames = []
        for robot in waiting[: self._max_batch]:
            assert robot.waiting is not None
            frames.append(robot.waiting)
            robot.waiting = None
        self._busy = True
        return [StartJob(InferFrames(tuple(frames)))]

    def _answered(
        self, frames: tuple[ReceivedFrame, ...], result: Inferred, now: float
    ) -> list[Effect]:
        self._busy = False
        self._note_seconds(result.seconds)
        effects: list[Effect] = []
        for frame, answer in zip(frames, result.answers, strict=True):
            message = _inference(frame, answer, now)
            statistics = self._statistics_of(frame.packet.robot_id)
            statistics.latency.add(message.latency)
            statistics.received.add(message.received)
            statistics.rate.note(now)
            statistics.frames['answered'] += 1
            effects.append(Publish(message, message.robot_id))
        return [*effects, *self._start_worker(now)]

    def _set_timer(self, now: float) -> list[Effect]:
        dues = [f.due for robot in self._robots.values() for f in robot.frames.values()]
        earliest = min(dues, default=float('inf'))
        if earliest >= self._due:
            return []
        self._due = earliest
        return [SetTimer(_DUE, max(0.0, earliest - now))]

    def _statistics_of(self, robot_id: str) -> TailStatistics:
        robot = self._robots.get(robot_id)
        return robot.statistics if robot else TailStatistics()

    def _drop(self, sender: str, reason: str) -> list[Effect]:
        self.endpoint.refusals.add(sender, reason)
        if reason == _LATE:
            return []  # usual where packets are lost: the others came, and the answer is out
        hint = _HINTS.get(reason, '')
        # Strangers may call themselves anything, and each time something else.
        key = reason if reason == _UNKNOWN else f'{sender} {reason}'
        return [Warn(key, f'packets of {sender!r} are dropped: {reason}{hint}')]


def max_open(frame_bytes: int) -> int:
    """Return how many frames of that size one robot may have open: within 64 MiB, at least 8."""
    return max(_MIN_OPEN, min(_MAX_OPEN, _MAX_OPEN_BYTES // frame_bytes))


def _inference(frame: ReceivedFrame, answer: Answer, now: float) -> Inference:
    packet = frame.packet
    return Inference(
        header=SourceHeader(packet.stamp, packet.frame_id), robot_id=packet.robot_id,
        session=packet.session, epoch=packet.epoch, frame=packet.frame, received=frame.received,
        latency=now - packet.stamp * _NANO, **answer.fields(frame.bundle.class_names),
    )  # fmt: skip
