"""One right message of every kind."""

from __future__ import annotations

import math
from dataclasses import replace

from iot_fl_ros.core.messages.chunks import ChunkRequest, TensorChunk
from iot_fl_ros.core.messages.federation import RobotStatus, RoundPlan, RoundReport, RunInfo
from iot_fl_ros.core.messages.fields import SourceHeader
from iot_fl_ros.core.messages.mesh import PeerState, PeerStatus
from iot_fl_ros.core.messages.split import Inference, SplitInfo, SplitStatus
from iot_fl_ros.core.messages.token import (
    ClaimPhase,
    TokenClaim,
    TokenOffer,
    TokenState,
    TramState,
    TramStatus,
)

DIGEST = bytes(range(32))
INFO = RunInfo(
    stamp=1.5,
    run_id='run',
    epoch=1,
    method='dsfl',
    method_settings='beta: 2.0\n',
    model='small_cnn',
    seed=7,
    class_names=('a', 'b'),
    input_shape=(1, 8, 8),
    state_size=99,
    open_set_size=10,
    open_set_digest=DIGEST,
    rounds=3,
    heartbeat_period=1.0,
)
PLAN = RoundPlan(
    stamp=2.25,
    run_id='run',
    epoch=1,
    sequence=4,
    state=1,
    round=2,
    model_version=1,
    model_digest=DIGEST,
    participants=('r1', 'r2'),
    accepted=('r1',),
    time_left=9.5,
)
STATUS = RobotStatus(
    stamp=3.0,
    run_id='run',
    robot_id='r1',
    sequence=5,
    started=0.0,
    state=4,
    reason='',
    round=2,
    model_version=1,
    update_digest=DIGEST,
    samples=100,
    loss=0.5,
    accuracy=math.nan,
    train_seconds=1.0,
    wait_seconds=0.1,
    bytes_received=1000,
    bytes_sent=2000,
)
CHUNK = TensorChunk(
    stamp=4.0,
    run_id='run',
    sender_id='r1',
    round=2,
    model_version=1,
    sequence=8,
    names=('labels',),
    dtype_codes=(1,),
    dtype_bits=(8,),
    dtype_lanes=(1,),
    ranks=(2,),
    dims=(2, 3),
    digest=DIGEST,
    total_bytes=6,
    chunk_index=0,
    chunk_count=1,
    chunk_bytes=64,
    data=b'123456',
)
REQUEST = ChunkRequest(
    stamp=5.0,
    run_id='run',
    sender_id='r1',
    receiver_id='aggregator',
    digest=DIGEST,
    missing=(1, 4),
)
REPORT = RoundReport(
    stamp=6.0,
    run_id='run',
    round=2,
    model_version=1,
    accuracy=0.5,
    robot_accuracy=0.4,
    loss=math.nan,
    participants=('r1',),
    late=(),
    silent=('r2',),
    refused=(),
    bytes_received=123,
    seconds=1.5,
)
SPLIT_INFO = SplitInfo(
    stamp=7.5,
    robot_id='r1',
    session=9,
    epoch=2,
    bundle='demo',
    bundle_digest=DIGEST,
    split_point='block2.pool',
    task='classification',
    class_names=('a', 'bb', ''),
    bits=2,
    packet_count=16,
    packet_bytes=49,
    permutation_seed=1 << 40,
    layout_digest=DIGEST[::-1],
    deadline=0.2,
)
SPLIT_STATUS = SplitStatus(
    stamp=8.0, edge_id='edge', robot_id='r1', session=9, epoch=2, state=2, reason='no such bundle'
)
INFERENCE = Inference(
    header=SourceHeader(1_700_000_000_123_456_789, 'camera'),
    robot_id='r1',
    session=9,
    epoch=2,
    frame=77,
    received=0.5,
    latency=0.05,
    class_ids=(3, 1),
    class_names=('d', 'b'),
    scores=(0.75, 0.25),
    boxes=(0.0, 0.0, 0.5, 1.0) * 2,
)
TRAM_STATUS = TramStatus(
    stamp=1.0, run_id='r', robot_id='r1', sequence=1, started=0.0, state=TramState.READY,
    reason='', class_counts=(10, 10), token_states=(TokenState.ELSEWHERE,), promised=(0,),
    fences=(0,), bases=(0,), batch_seconds=math.nan, link_rate=math.nan, updates=0, loss=math.nan,
    accuracy=math.nan, train_seconds=0.0, bytes_received=0, bytes_sent=0, joules=0.0,
)  # fmt: skip
TOKEN_OFFER = TokenOffer(
    stamp=1.0, run_id='r', sender_id='r2', receiver_id='r1', token_id=0, fence=5, digest=DIGEST,
    phase=0, visits=1, updates=4, cycle=1, route=('r1', 'r3'), shares=(3, 3), position=0,
    class_usage=(10, 10),
)  # fmt: skip
TOKEN_CLAIM = TokenClaim(
    stamp=1.0, run_id='r', sender_id='r2', token_id=0, phase=ClaimPhase.PREPARE, fence=5, base=4
)
ALL = (INFO, PLAN, STATUS, CHUNK, REQUEST, REPORT, SPLIT_INFO, SPLIT_STATUS, INFERENCE)


def peer_status(robot_id, stamp=1.0, state=PeerState.TRAINING, **changes):
    """Return the status of a peer in round 1."""
    plain = PeerStatus(
        stamp=stamp, run_id='r', robot_id=robot_id, sequence=1, started=0.0,
        state=state, reason='', round=1,
        update_digest=b'', neighbours=(), samples=1, loss=math.nan, accuracy=math.nan,
        disagreement=math.nan, train_seconds=0.0, wait_seconds=0.0, bytes_received=0,
        bytes_sent=0, joules=0.0,
    )  # fmt: skip
    return replace(plain, **changes)
