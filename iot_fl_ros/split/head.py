"""The head's state machine: which pictures become packets, and how a switch is agreed.

States and transitions: `split.states`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from iot_fl_ros.core.effects import (
    CancelTimer,
    Effect,
    Publish,
    PublishPackets,
    Say,
    SetTimer,
    StartJob,
    Subscribe,
    Warn,
)
from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.events import (
    BadMessage,
    Event,
    JobDone,
    JobFailed,
    Leave,
    MessageArrived,
    PictureArrived,
    SwitchRequested,
    TimerFired,
)
from iot_fl_ros.core.machine import Tracker
from iot_fl_ros.core.messages.feature_packet import MAX_NAME, FramePackets
from iot_fl_ros.core.messages.split import (
    Inference,
    SplitInfo,
    SplitStatus,
    TailState,
    check_bundle_name,
)
from iot_fl_ros.exchange.endpoint import Endpoint
from iot_fl_ros.exchange.waiting import Waiting
from iot_fl_ros.split.awaited_answers import AwaitedAnswers
from iot_fl_ros.split.bundle import Bundle
from iot_fl_ros.split.jobs import Encoded, EncodeFrame, LoadBundle
from iot_fl_ros.split.states import HEAD_TABLE, LOADING, SWITCHING, HeadState
from iot_fl_ros.split.statistics import Rate, Recent

_SWITCH, _ANNOUNCE, _LOOK = 'switch', 'announce', 'look'
# A refused head asks again so often, s.
_ANNOUNCE_PERIOD = 5.0
# How often it looks for what it waits for, s.
_LOOK_PERIOD = 1.0
_NANO = 1e-9
_WRAP = 1 << 32


@dataclass(frozen=True, slots=True)
class _Epoch:
    info: SplitInfo
    bundle: Bundle


class HeadMachine:
    """Turns pictures into feature packets. Newest picture first: one waits, older ones go.

    session: drawn anew at each start. deadline: of a frame, s.
    """

    def __init__(
        self, robot_id: str, session: int, deadline: float, switch_timeout: float
    ) -> None:
        self.endpoint = Endpoint(robot_id, hears_itself=False)
        self.session = session
        self._deadline = deadline
        self._switch_timeout = switch_timeout
        self._states = Tracker(HEAD_TABLE, HeadState.IDLE)
        self._active: _Epoch | None = None
        self._offered: _Epoch | None = None
        self._request: SwitchRequested | None = None
        self._loading: LoadBundle | None = None
        self._next_epoch = 1
        self._waiting: PictureArrived | None = None
        self._busy = False
        self._frame = 0
        self._sequence = 0
        self.refused = ''
        self.answers = AwaitedAnswers(session)
        self._edge = Waiting()
        self._failure = ''
        self.rate = Rate()
        self.encode_seconds = Recent()

    @property
    def robot_id(self) -> str:
        """Id of the robot."""
        return self.endpoint.id

    @property
    def state(self) -> HeadState:
        """Current state."""
        return self._states.state

    @property
    def info(self) -> SplitInfo | None:
        """The announcement in use; None before the first switch."""
        return self._active.info if self._active else None

    def start(self, now: float) -> list[Effect]:
        """Listen for answers; nothing else happens before a bundle is asked for."""
        return [Subscribe(Inference, (self.robot_id,)), SetTimer(_LOOK, _LOOK_PERIOD)]

    def handle(self, event: Event, now: float) -> list[Effect]:
        """Take an event; return what to do about it."""
        match event:
            case PictureArrived():
                return self._picture(event, now)
            case JobDone(EncodeFrame(), result):
                return self._encoded(result, now)
            case JobFailed(EncodeFrame(), error):
                self.endpoint.refusals.add('camera', 'unusable picture')
                warning = Warn('picture', f'a picture could not be used: {error}')
                return [warning, *self._start_waiting(now)]
            case SwitchRequested():
                return self._switch_requested(event)
            case JobDone(LoadBundle() as job, bundle) if job is self._loading:
                return self._offer(bundle, now)
            case JobFailed(LoadBundle() as job, error) if job is self._loading:
                return self._not_loaded(error)
            case MessageArrived(Inference() as answer, wire_bytes):
                self.endpoint.bytes_received += wire_bytes
                return self.answers.take(answer, now)
            case MessageArrived():
                return self.endpoint.take(event, self._status)
            case TimerFired(name) if name == _LOOK:
                return [*self._look(now), SetTimer(_LOOK, _LOOK_PERIOD)]
            case TimerFired(name) if name == _SWITCH:
                return self._withdraw(
                    f'no edge was ready within {self._switch_timeout:g} s: is the tail '
                    'running, with the same fleet_namespace and the same bundle?'
                )  # fmt: skip
            case TimerFired(name) if name == _ANNOUNCE:
                return self._announce_again(now)
            case BadMessage():
                return self.endpoint.bad(event)
            case Leave():
                return self._leave()
        return []

    def _leave(self) -> list[Effect]:
        effects = self._switch_over(False, 'the head leaves') if self._request else []
        text = f'leaves: {self.answers.sent} frames sent, {self.answers.answered} answered'
        return [*effects, Say(text)]

    def _look(self, now: float) -> list[Effect]:
        """Say what is waited for: an edge, or answers to frames that were sent."""
        waits, text = '', ''
        if self._offered and not self._active:
            waits = 'edge'
            text = (
                f'an edge that takes bundle {self._offered.info.bundle!r}: is the tail '
                'running, with the same fleet_namespace and the same bundle?'
            )
        elif self.state is HeadState.IDLE and self._failure:
            waits, text = 'bundle', f'another bundle by ~/switch_split, as {self._failure}'
        silence = 0.0 if self.refused else self.answers.silence(now)
        return [*self._edge.look(waits, text, now), *self.answers.look(silence)]

    def _picture(self, event: PictureArrived, now: float) -> list[Effect]:
        if self._active is None:
            self.endpoint.refusals.add('camera', 'before the first epoch')
            return []
        if len(event.header.frame_id.encode()) > MAX_NAME:
            self.endpoint.refusals.add('camera', 'frame_id too long')
            text = f'pictures are not used: their frame_id has more than {MAX_NAME} bytes'
            return [Warn('frame_id', text)]
        if event.header.stamp * _NANO + self._deadline < now:
            self.endpoint.refusals.add('camera', 'stale picture')
            text = f'pictures are older than the deadline of {self._deadline:g} s when they arrive'
            return [Warn('stale', f'{text}: does the camera stamp them by this clock?')]
        if self._busy:
            if self._waiting:
                self.endpoint.refusals.add('camera', 'superseded')
            self._waiting = event
            return []
        self._busy = True
        epoch = self._active
        return [StartJob(EncodeFrame(event.header, event.image, epoch.bundle, epoch.info.epoch))]

    def _encoded(self, result: Encoded, now: float) -> list[Effect]:
        # A frame that was begun before a switch still has its old epoch: the tail knows both.
        self.rate.note(now)
        self.encode_seconds.add(result.seconds)
        self.answers.frame_sent(now)
        return [PublishPackets(self._packets(result)), *self._start_waiting(now)]

    def _start_waiting(self, now: float) -> list[Effect]:
        """The worker is free: it gets the picture that waits."""
        self._busy = False
        waiting, self._waiting = self._waiting, None
        return self._picture(waiting, now) if waiting else []

    def _packets(self, result: Encoded) -> FramePackets:
        count = len(result.payload)
        packets = FramePackets(
            result.header.stamp, result.header.frame_id, self.robot_id, self.session,
            result.epoch, self._sequence, self._frame, result.image_size, result.elements,
            result.ranges, result.payload,
        )  # fmt: skip
        self._sequence = (self._sequence + count) % _WRAP
        self._frame = (self._frame + 1) % _WRAP
        return packets

    def _switch_requested(self, request: SwitchRequested) -> list[Effect]:
        if self.state in SWITCHING:
            request.answer(False, self._epoch_in_use, 'another switch is under way')
            return []
        bundle = request.bundle or (self._active.info.bundle if self._active else '')
        if not bundle:
            request.answer(False, 0, 'no bundle is in use yet: name one')
            return []
        try:
            check_bundle_name(bundle)
        except MessageError as error:
            request.answer(False, self._epoch_in_use, str(error))
            return []
        if self._request is not None:
            # No edge has taken the first one yet: it need not be waited for.
            self._request.answer(False, 0, 'replaced by another request')
        self._states.go('switch requested')
        self._request = request
        self._loading = LoadBundle(bundle, request.bits)
        return [StartJob(self._loading, background=True)]

    def _offer(self, bundle: Bundle, now: float) -> list[Effect]:
        try:
            info = self._announcement(bundle, now)
        except MessageError as error:  # of names that are too long, or the like
            return self._not_loaded(f'{bundle.name} cannot be announced: {error}')
        self._states.go('loaded')
        self._loading = None
        self._next_epoch += 1
        self._offered = _Epoch(info, bundle)
        layout = bundle.codec.layout
        effects: list[Effect] = [
            Publish(info),
            Say(
                f'bundle {info.bundle!r} is offered to the edge: {bundle.task}, split at '
                f'{info.split_point}, {layout.bits} bits, {layout.packets} packets a frame'
            ),
        ]
        if self._active:
            return [*effects, SetTimer(_SWITCH, self._switch_timeout)]
        return effects  # the first one waits for an edge as long as it takes

    def _not_loaded(self, reason: str) -> list[Effect]:
        self._states.go('cannot be loaded')
        self._loading, self._failure = None, reason
        return self._switch_over(False, reason)

    def _announcement(self, bundle: Bundle, now: float) -> SplitInfo:
        layout = bundle.codec.layout
        return SplitInfo(
            stamp=now, robot_id=self.robot_id, session=self.session, epoch=self._next_epoch,
            bundle=bundle.name, bundle_digest=bundle.digest, task=bundle.task,
            split_point=bundle.architecture.split_point, class_names=bundle.class_names,
            bits=layout.bits, packet_count=layout.packets, packet_bytes=layout.packet_bytes,
            permutation_seed=layout.seed, layout_digest=layout.digest, deadline=self._deadline,
        )  # fmt: skip

    def _status(self, status: SplitStatus) -> list[Effect]:
        offered = self._offered
        if (status.robot_id, status.session) != (self.robot_id, self.session):
            return []
        if self._active and status.epoch == self._active.info.epoch:
            return self._served(status)
        if offered is None or status.epoch != offered.info.epoch:
            return []
        if status.state == TailState.REFUSED:
            reason = f'{status.edge_id} refuses: {status.reason}'
            if self._active:
                return self._withdraw(reason)
            # It stays on offer: another edge, or this one with the bundle, may yet take it.
            retry = SetTimer(_ANNOUNCE, _ANNOUNCE_PERIOD)
            effects: list[Effect] = [Warn('refused', reason), retry]
            # A request is for what is still being loaded, if something is.
            return effects if self.state in LOADING else effects + self._switch_over(False, reason)
        self._states.go('edge is ready')
        self._active, self._offered = offered, None
        self.refused = ''
        if self.state in LOADING:
            return [CancelTimer(_ANNOUNCE)]
        return [CancelTimer(_SWITCH), CancelTimer(_ANNOUNCE), *self._switch_over(True, '')]

    def _served(self, status: SplitStatus) -> list[Effect]:
        """The edge came back, or gave this robot's place away; then the head asks again."""
        self.refused = status.reason if status.state == TailState.REFUSED else ''
        if not self.refused:
            return [CancelTimer(_ANNOUNCE)]
        text = f'{status.edge_id} no longer serves this robot: {self.refused}'
        return [Warn('refused', text), SetTimer(_ANNOUNCE, _ANNOUNCE_PERIOD)]

    def _announce_again(self, now: float) -> list[Effect]:
        epoch = self._offered or self._active
        if epoch is None or (epoch is self._active and not self.refused):
            return []
        retry = SetTimer(_ANNOUNCE, _ANNOUNCE_PERIOD)
        return [Publish(replace(epoch.info, stamp=now)), retry]

    def _withdraw(self, reason: str) -> list[Effect]:
        """Give up the offered epoch; the latched info is again that of the one in use."""
        if self._offered is None or self._active is None:
            return []
        self._states.go('refused or timeout')
        self._offered = None
        return [
            CancelTimer(_SWITCH), Publish(self._active.info), *self._switch_over(False, reason)
        ]  # fmt: skip

    def _switch_over(self, success: bool, reason: str) -> list[Effect]:
        request, self._request = self._request, None
        if request:
            request.answer(success, self._epoch_in_use, reason)
        return [] if success else [Warn('switch', f'no switch: {reason}')]

    @property
    def _epoch_in_use(self) -> int:
        return self._active.info.epoch if self._active else 0
