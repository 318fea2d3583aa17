import dataclasses
import math

import pytest

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages.chunks import ChunkRequest, TensorChunk
from iot_fl_ros.core.messages.federation import RobotStatus, RoundPlan, RoundReport, RunInfo
from iot_fl_ros.core.messages.fields import SourceHeader
from iot_fl_ros.core.messages.split import Inference, SplitInfo, SplitStatus

DIGEST = bytes(range(32))
INFO = RunInfo(
    1.5,
    'run',
    1,
    'dsfl',
    'beta: 2.0\n',
    'small_cnn',
    7,
    ('a', 'b'),
    (1, 8, 8),
    99,
    10,
    DIGEST,
    3,
    1.0,
)
PLAN = RoundPlan(2.25, 'run', 1, 4, 1, 2, 1, DIGEST, ('r1', 'r2'), ('r1',), 9.5)
STATUS = RobotStatus(
    3.0, 'run', 'r1', 5, 4, '', 2, 1, DIGEST, 100, 0.5, math.nan, 1.0, 0.1, 1000, 2000
)
CHUNK = TensorChunk(
    4.0,
    'run',
    'r1',
    2,
    1,
    8,
    ('labels',),
    (1,),
    (8,),
    (1,),
    (2,),
    (2, 3),
    DIGEST,
    6,
    0,
    1,
    64,
    b'123456',
)
REQUEST = ChunkRequest(5.0, 'run', 'r1', 'aggregator', DIGEST, (1, 4))
REPORT = RoundReport(6.0, 'run', 2, 1, 0.5, 0.4, math.nan, ('r1',), (), ('r2',), (), 123, 1.5)
SPLIT_INFO = SplitInfo(
    7.5, 'r1', 9, 2, 'demo', DIGEST, 'block2.pool', 'classification', ('a', 'bb', ''), 2, 16, 49,
    1 << 40, DIGEST[::-1], 0.2,
)  # fmt: skip
SPLIT_STATUS = SplitStatus(8.0, 'edge', 'r1', 9, 2, 2, 'no such bundle')
INFERENCE = Inference(
    SourceHeader(1_700_000_000_123_456_789, 'camera'), 'r1', 9, 2, 77, 0.5, 0.05, (3, 1),
    ('d', 'b'), (0.75, 0.25), (0.0, 0.0, 0.5, 1.0) * 2,
)  # fmt: skip
ALL = (INFO, PLAN, STATUS, CHUNK, REQUEST, REPORT, SPLIT_INFO, SPLIT_STATUS, INFERENCE)


@pytest.mark.parametrize(
    ('message', 'change', 'reason'),
    [
        (STATUS, {'accuracy': 1.5}, 'out of range'),
        (STATUS, {'train_seconds': math.nan}, 'not finite'),
        (STATUS, {'tags': ('x',) * 65}, 'too long'),
        (STATUS, {'loss': math.inf}, 'not finite'),
        (STATUS, {'state': 99}, 'out of range'),
        (STATUS, {'robot_id': 'aggregator'}, 'bad robot id'),
        (STATUS, {'robot_id': 'x' * 300}, 'bad text'),
        (STATUS, {'round': -1}, 'out of range'),
        (STATUS, {'update_digest': b'short'}, 'bad digest'),
        (PLAN, {'participants': ('r2', 'r1')}, 'not sorted'),
        (PLAN, {'time_left': math.nan}, 'not finite'),
        (INFO, {'rounds': 0}, 'incomplete'),
        (INFO, {'heartbeat_period': 0.0}, 'out of range'),
        (INFO, {'open_set_size': 0}, 'bad digest'),
        (CHUNK, {'dtype_bits': (7,)}, 'bad dtype'),
        (CHUNK, {'dtype_lanes': (2,)}, 'bad dtype'),
        (CHUNK, {'dims': (2, 4)}, 'bad length'),
        (CHUNK, {'dims': (6,)}, 'bad shape'),
        (CHUNK, {'ranks': (2, 2)}, 'bad shape'),
        (CHUNK, {'total_bytes': 1 << 60}, 'bad length'),
        (CHUNK, {'data': b'12345'}, 'bad length'),
        (CHUNK, {'chunk_index': 1}, 'bad length'),
        (CHUNK, {'chunk_count': 2}, 'bad length'),
        (CHUNK, {'chunk_bytes': 0}, 'bad length'),
        (REQUEST, {'missing': tuple(range(70_000))}, 'too long'),
        (SPLIT_INFO, {'robot_id': 'a/b'}, 'bad robot id'),
        (SPLIT_INFO, {'robot_id': ''}, 'bad robot id'),
        (SPLIT_INFO, {'bundle': '../demo'}, 'bad bundle'),
        (SPLIT_INFO, {'bundle': '..'}, 'bad bundle'),
        (SPLIT_INFO, {'bundle_digest': b'short'}, 'bad digest'),
        (SPLIT_INFO, {'layout_digest': b''}, 'bad digest'),
        (SPLIT_INFO, {'deadline': 0.0}, 'out of range'),
        (SPLIT_INFO, {'deadline': 61.0}, 'out of range'),
        (SPLIT_INFO, {'deadline': math.nan}, 'not finite'),
        (SPLIT_INFO, {'bits': 256}, 'out of range'),
        (SPLIT_STATUS, {'state': 3}, 'out of range'),
        (SPLIT_STATUS, {'robot_id': '1robot'}, 'bad robot id'),
        (INFERENCE, {'header': SourceHeader(-1, 'camera')}, 'out of range'),
        (INFERENCE, {'header': SourceHeader(1 << 62, 'camera')}, 'out of range'),
        (INFERENCE, {'header': SourceHeader(1, 'x' * 70_000)}, 'bad text'),
        (INFERENCE, {'scores': (0.5,)}, 'bad length'),
        (INFERENCE, {'scores': (0.5, math.nan)}, 'not finite'),
        (INFERENCE, {'class_names': ('a',)}, 'bad length'),
        (INFERENCE, {'boxes': (0.5,) * 4}, 'bad length'),
        (INFERENCE, {'received': math.inf}, 'not finite'),
    ],
)
def test_a_bad_field_is_refused_at_birth(message, change, reason):
    with pytest.raises(MessageError) as error:
        dataclasses.replace(message, **change)
    assert error.value.reason == reason


def test_specs_follow_names_types_and_shapes():
    spec = CHUNK.specs[0]
    assert (spec.name, spec.dtype, spec.shape, spec.nbytes) == ('labels', 'uint8', (2, 3), 6)
